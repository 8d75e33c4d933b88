"""`verydeep serve`: a page to drop pictures on, and an interface for programs, of any net."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from verydeep.commands.completion import SERVED_PROTOCOLS, one_of
from verydeep.commands.options import (
    Classifier,
    Device,
    Engine,
    Offline,
    Quiet,
    Threads,
    Threshold,
    Weights,
)

PACKAGES = ("starlette", "uvicorn")
LEAST, MOST = 0.01, 100_000.0


def serve(
    weights: Weights,
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 for whoever reaches this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 is any free one.")] = 8000,
    name: Annotated[
        list[str] | None,
        typer.Option(help="A name by which this server is called, besides its addresses."),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(
            help="dense, whole with mirror image; or centre, one crop.",
            autocompletion=one_of(SERVED_PROTOCOLS),
        ),
    ] = "dense",
    max_mb: Annotated[float, typer.Option("--max-mb", help="Megabytes of a request at most.")] = 20,
    max_seconds: Annotated[
        float, typer.Option("--max-seconds", help="Seconds until a request is there.")
    ] = 30,
    queue: Annotated[
        int | None,
        typer.Option(min=1, help="Pictures let in at once. [default: 32; on a GPU 256]"),
    ] = None,
    units: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="What units like, shown beside a picture: a folder that `explain --units` wrote.",
        ),
    ] = None,
    classifier: Classifier = None,
    threshold: Threshold = None,
    engine: Engine = None,
    device: Device = None,
    threads: Threads = None,
    offline: Offline = False,
    quiet: Quiet = False,
) -> None:
    """Serve a network: a page to drop pictures on, and an interface for programs.

    verydeep serve runs/photos-A

    verydeep serve vgg16 --host 0.0.0.0 --name pictures.example.org

    curl --data-binary @cat.jpg http://127.0.0.1:8000/predict

    It is reached from this machine alone unless --host says more; Ctrl-C and SIGTERM end it once
    what was let in is answered. Nothing that is sent is kept.
    """
    from importlib.util import find_spec

    from verydeep.commands.console import Console
    from verydeep.errors import UserError

    if missing := [package for package in PACKAGES if find_spec(package) is None]:
        raise UserError(
            f"serving needs {' and '.join(missing)}, not installed: pip install 'verydeep[serve]'"
        )
    for option, value in (("--max-mb", max_mb), ("--max-seconds", max_seconds)):
        if not LEAST <= value <= MOST:  # nor NaN
            raise UserError(f"{option} is {value:g}; it is from {LEAST:g} to {MOST:g}")
    console = Console(quiet)
    from verydeep.serving.guard import refuse_no_names
    from verydeep.serving.server import address_of, listening

    refuse_no_names(name or ())
    with listening(host, port) as bound:
        console.say("verydeep serve: reading weights")
        from verydeep.runtime.machine import Machine
        from verydeep.serving.app import application
        from verydeep.serving.model import BATCH, QUEUE, served
        from verydeep.serving.receiving import Limits
        from verydeep.serving.server import run
        from verydeep.serving.service import Service
        from verydeep.serving.units import known_units

        machine = Machine.this(device, threads)
        model = served(
            weights, machine, console, protocol=protocol, engine=engine, classifier=classifier,
            threshold=threshold, offline=offline,
        )  # fmt: skip
        known = None if units is None else known_units(units, model)
        pictures = queue or QUEUE[machine.device]
        limits = Limits(int(max_mb * 1e6), max_seconds, pictures)
        service = Service(model, limits, machine.threads, BATCH[machine.device], known)

        def say() -> None:
            print(address_of(bound), flush=True)
            console.say("Ctrl-C ends it")

        run(application(service, (host, *(name or ()))), service, bound, say)
    console.say("verydeep serve: ended")
