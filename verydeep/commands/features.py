"""`verydeep features`: pictures in, a descriptor of each out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from verydeep.commands.options import (
    Also,
    Device,
    Engine,
    Json,
    Layer,
    Offline,
    Overwrite,
    Quiet,
    Scales,
    SplitSeed,
    Stacked,
    Task,
    Threads,
    Weights,
)
from verydeep.commands.working import working


def features(
    weights: Weights,
    pictures: Annotated[
        list[str],
        typer.Argument(metavar="DATA|PICTURE...", help="Labelled data, or any pictures."),
    ],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Features file; .npy for NumPy's, .csv for a table."),
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="A table beside it.")] = None,
    also: Also = None,
    layer: Layer = None,
    scales: Scales = None,
    stacked: Stacked = False,
    boxes: Annotated[
        bool, typer.Option("--boxes", help="Stack what is in the one box of each picture.")
    ] = False,
    task: Task = "classify",
    overwrite: Overwrite = False,
    split_seed: SplitSeed = None,
    engine: Engine = None,
    device: Device = None,
    threads: Threads = None,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Describe pictures by what a row of a network gives, for whatever is to be learnt of them.

    verydeep features vgg16 photos/ -o photos.safetensors

    verydeep features vgg16 "holiday/*.jpg" --layer pool5 --scales 256,384 -o holiday.npy

    Whole pictures and their mirror images, averaged over space, of length one. What was described
    before is in the user's cache and not described again.
    """
    from verydeep.commands.console import Console
    from verydeep.errors import UserError
    from verydeep.files import refuse_taken

    places = [place for place in (out, csv) if place is not None]
    if not places:
        raise UserError("no place for the descriptors; give a file, such as -o photos.safetensors")
    for place, option in ((out, "--out"), (csv, "--csv")):
        if place is not None:
            refuse_taken(place, overwrite, option)
    if csv is not None and csv.suffix.casefold() != ".csv":
        raise UserError(f"--csv {csv} does not end in .csv")
    console = Console(quiet)
    console.say("verydeep features: reading weights and names")
    from verydeep.weights import find

    networks = [find(path, console, offline) for path in (weights, *(also or ()))]
    from verydeep.verbs import features as verb

    with working(console, device, threads) as runtime:
        found = verb.features(
            networks, pictures[0] if len(pictures) == 1 else pictures,
            layer=layer, scales=scales, stacked=stacked, boxes=boxes, task=task,
            split=split_seed or 0,
            runtime=runtime, engine=engine,
        )  # fmt: skip
    if not runtime.ranks.is_main:
        return
    for place in places:
        found.save(place)
    print(_as_json(found, places) if json else answer(found, places))


def answer(found: Any, places: list[Path]) -> str:
    """What was described and where it lies, for the terminal."""
    count, size = found.descriptors.shape
    parts = ", ".join(f"{part.role} {part.count:,}" for part in found.parts)
    lines = [
        f"{count:,} pictures ({parts}), {size:,} numbers each, of length one",
        f"{found.title}; mean over space and mirror image, engine {found.engine}",
        f"features: {', '.join(map(str, places))}",
    ]
    if found.left_out:
        lines.insert(1, f"left out, unreadable: {len(found.left_out)}")
    return "\n".join(lines)


def _as_json(found: Any, places: list[Path]) -> str:
    from dataclasses import asdict
    from json import dumps

    count, size = found.descriptors.shape
    return dumps(
        {
            "pictures": count,
            "numbers": size,
            "parts": [asdict(part) for part in found.parts],
            "pieces": [asdict(piece) for piece in found.pieces],
            "left_out": list(found.left_out),
            "files": [str(place) for place in places],
        },
        indent=1,
    )
