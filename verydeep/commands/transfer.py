"""`verydeep transfer`: a classifier of one's own pictures by the features of a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from verydeep.commands.completion import TRANSFER_PROTOCOLS, one_of
from verydeep.commands.features import Also, Layer, Scales, Stacked, Task
from verydeep.commands.options import (
    Device,
    Engine,
    Json,
    Offline,
    Quiet,
    SplitSeed,
    Threads,
)
from verydeep.commands.working import working

USUAL = "vgg16"
"""The weights whose features are carried over where none are named."""
USUAL_TASK = "classify"


def transfer(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[WEIGHTS] DATA", help="Weights, by default vgg16, and labelled data."
        ),
    ],
    also: Also = None,
    layer: Layer = None,
    scales: Scales = None,
    stacked: Stacked = False,
    c: Annotated[
        str | None,
        typer.Option("--c", help="C of the SVMs; of several, the best. [default: 0.01 to 100]"),
    ] = None,
    task: Task = USUAL_TASK,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="Have rare classes weigh as much as others.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder. [default: a new one, runs/DATA-transfer]")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="Test features as Appendix B does: draws, voc2007, voc2012 or action.",
            autocompletion=one_of(TRANSFER_PROTOCOLS),
        ),
    ] = None,
    train: Annotated[
        str | None,
        typer.Option(help="Of draws: pictures a class to learn from, 30, or several: 1,5,10."),
    ] = None,
    test: Annotated[
        int | None, typer.Option(help="Of draws: pictures a class to test on. [default: the rest]")
    ] = None,
    draws: Annotated[int | None, typer.Option(help="How often is drawn. [default: 3]")] = None,
    results: Annotated[
        Path | None, typer.Option(help="Of PASCAL VOC: a folder for the files its server takes.")
    ] = None,
    split_seed: SplitSeed = None,
    engine: Engine = None,
    device: Device = None,
    threads: Threads = None,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Carry a network's features to your own pictures: a classifier in minutes, on a CPU.

    verydeep transfer photos/

    verydeep transfer runs/birds-D photos/ --layer pool5 --scales 256,384

    Pictures are described once, by what a row of the network gives; linear SVMs are learnt from
    that. What comes out is a network as any other, with its page; or with --protocol the figures
    of a test as the paper has it, and no network:

    verydeep transfer photos/ --protocol draws --train 1,5,10 --draws 3
    """
    from verydeep.commands.console import Console
    from verydeep.errors import UserError

    if len(words) > 2:
        raise UserError(f"{len(words)} words; give weights and data, or data alone for {USUAL}")
    asked: dict[str, Any] = {
        "train": _counts(train), "test": test, "draws": draws, "results": results,
    }  # fmt: skip
    others = {
        "out": out,
        "balanced": balanced or None,
        "task": None if task == USUAL_TASK else task,
    }
    _refuse_strangers(protocol, asked, others)
    console = Console(quiet)
    console.say("verydeep transfer: reading weights and names")
    from verydeep.weights import find

    *named, data = words
    paths = [Path(name) for name in (*(named or [USUAL]), *(also or ()))]
    networks = [find(path, console, offline) for path in paths]
    cs = _numbers(c)
    from verydeep.commands.transfer_answer import (
        as_json,
        in_words,
        outcome_as_json,
        outcome_in_words,
    )
    from verydeep.report.transferred import write_page
    from verydeep.verbs import transfer as verb
    from verydeep.verbs.transfer_protocols import transfer_protocol

    with working(console, device, threads) as runtime:
        if protocol is not None:
            outcome = transfer_protocol(
                networks, data, protocol,
                layer=layer, scales=scales, stacked=stacked, c=cs, seed=split_seed,
                **asked, runtime=runtime, engine=engine,
            )  # fmt: skip
        else:
            found = verb.transfer(
                networks, data,
                layer=layer, scales=scales, stacked=stacked, c=cs, task=task,
                class_weights="balanced" if balanced else None, split=split_seed or 0, out=out,
                runtime=runtime, engine=engine,
            )  # fmt: skip
    if not runtime.ranks.is_main:
        return
    if protocol is not None:
        print(outcome_as_json(outcome) if json else outcome_in_words(outcome))
    else:
        page = write_page(found)
        print(as_json(found, page) if json else in_words(found, page))


def _refuse_strangers(protocol: str | None, asked: dict[str, Any], others: dict[str, Any]) -> None:
    """Raises UserError for a protocol that there is not, and for options that are of the other way.

    Those of protocols want one; those of a network that is made want none.
    """
    from verydeep.errors import UserError, one_line

    if protocol is not None and protocol not in TRANSFER_PROTOCOLS:
        there = ", ".join(TRANSFER_PROTOCOLS)
        raise UserError(f"no protocol '{one_line(protocol)}' of transfer; there are {there}")
    for name, value in (asked if protocol is None else others).items():
        if value is None:
            continue
        if protocol is None:
            raise UserError(f"--{name} is of a protocol; give --protocol with it, such as draws")
        raise UserError(f"--{name} makes a network, and --protocol makes none; leave one of them")


def _counts(text: str | None) -> list[int] | None:
    """The pictures a class of "30" or "1,5,10"; UserError where they are no whole numbers."""
    from verydeep.errors import UserError

    if text is None:
        return None
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise UserError(f"--train {text}; give a whole number, or several: 1,5,10") from None


def _numbers(text: str | None) -> list[float] | None:
    """The C of "1" or "0.1,1,10"; UserError where they are no numbers."""
    from verydeep.errors import UserError

    if text is None:
        return None
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        raise UserError(f"--c {text}; give a number above 0, or several: 0.1,1,10") from None
