"""`verydeep similar`: described pictures and any others in, those most like each out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from verydeep.commands.options import Device, Engine, Json, Overwrite, Quiet


def similar(
    features: Annotated[
        Path, typer.Argument(metavar="FEATURES", help="A features file of `verydeep features`.")
    ],
    pictures: Annotated[
        list[str],
        typer.Argument(metavar="PICTURE...", help="Files, folders, globs, or names in FEATURES."),
    ],
    top: Annotated[int, typer.Option(help="How many pictures to name.")] = 10,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            help="Weights that FEATURES was made with, again for each of several. "
            "[default: those that lie where it says]"
        ),
    ] = None,
    page: Annotated[
        Path | None, typer.Option(help="A page of the pictures to write, an HTML file.")
    ] = None,
    overwrite: Overwrite = False,
    device: Device = None,
    engine: Engine = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Name the described pictures that are most like a picture, by the cosine of descriptors.

    verydeep similar photos.safetensors cat.jpg

    verydeep similar photos.safetensors cats/17.jpg --top 5 --page similar.html

    A name of a picture in FEATURES needs no network, and is left out of its own answer. A picture
    that cannot be read is named on stderr, and the others are still answered.
    """
    import sys

    from verydeep.commands.console import Console
    from verydeep.descriptors.features import load_features
    from verydeep.errors import PictureError, UserError
    from verydeep.files import refuse_taken

    if top < 1:
        raise UserError(f"--top {top} names no picture; at least 1 is needed")
    if page is not None:
        refuse_taken(page, overwrite, "--page")
    console = Console(quiet)
    described = load_features(features)

    from verydeep.runtime.machine import Machine
    from verydeep.runtime.runtime import Runtime
    from verydeep.verbs.similar import answered, queries_of

    runtime = Runtime(Machine.this(device), progress=console)
    queries, _ = queries_of(described, pictures, console)
    answers = []
    for query, found in answered(described, queries, top, weights, runtime, engine):
        if isinstance(found, PictureError):
            print(f"verydeep: {found}", file=sys.stderr)
        else:
            answers.append((query, found))
    if json:
        from json import dumps

        print(dumps([_as_data(query, found) for query, found in answers], indent=1))
    else:
        print("\n".join(_lines(described, query, found) for query, found in answers))
    if page is not None:
        from verydeep.report.neighbours import write_neighbours

        console.say(f"page: {write_neighbours(described, answers, page)}")
    if len(answers) < len(queries):
        raise typer.Exit(2)


def _lines(described: Any, query: Any, found: list[Any]) -> str:
    """A picture's answer: a line for each that is like it."""
    from verydeep.errors import escaped
    from verydeep.report.tables import text_table

    parts = len(described.parts) > 1
    rows = [
        [f"  {one.cosine:.3f}", one.name, ", ".join(one.classes), one.part if parts else ""]
        for one in found
    ]
    return "\n".join([escaped(query.name), *([text_table(rows, left=4)] if rows else ())])


def _as_data(query: Any, found: list[Any]) -> dict[str, Any]:
    def told(one: Any) -> dict[str, Any]:
        said = {"picture": one.name, "cosine": one.cosine, "classes": list(one.classes)}
        return {**said, "part": one.part}

    return {"picture": query.name, "similar": [told(one) for one in found]}
