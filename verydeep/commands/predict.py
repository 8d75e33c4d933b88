"""`verydeep predict`: pictures in, class names and posteriors out, and boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from verydeep.commands.options import (
    Classifier,
    Device,
    Engine,
    Json,
    Offline,
    Quiet,
    Threshold,
    Weights,
)
from verydeep.errors import escaped


def predict(
    weights: Weights,
    pictures: Annotated[
        list[str], typer.Argument(metavar="PICTURE...", help='Files, folders or "globs/*.jpg".')
    ],
    top: Annotated[
        int | None,
        typer.Option(
            help="How many classes to name. [default: 5; of a net of several labels, all from 0.5]"
        ),
    ] = None,
    reject: Annotated[
        str | None,
        typer.Option(
            metavar="POSTERIOR|auto",
            help="Answer 'none of these' below it; auto: chosen on the validation part.",
        ),
    ] = None,
    classifier: Classifier = None,
    threshold: Threshold = None,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Of boxes: draw the first one, or all of --top, on pictures in a new folder.",
        ),
    ] = None,
    device: Device = None,
    offline: Offline = False,
    engine: Engine = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Name what is in pictures: the most probable classes with their posteriors.

    Of a net of boxes (--task localise) each with its box: x_min y_min x_max y_max, in pixels.

    verydeep predict runs/photos-A cat.jpg

    verydeep predict vgg16 holiday/ --top 1

    verydeep predict runs/photos-A holiday/ --reject auto

    verydeep predict runs/photos-boxes holiday/ --save drawn/

    vgg16 is a net of `verydeep weights list`, fetched the first time.

    A picture that cannot be read is named on stderr, and the others are still answered.
    """
    import sys

    from verydeep.commands.console import Console
    from verydeep.errors import UserError
    from verydeep.shell import command
    from verydeep.weights import find

    if top is not None and top < 1:
        raise UserError(f"--top {top} names no class; at least 1 is needed")
    if len(pictures) == 1 and _swapped(str(weights), pictures[0]):
        right = command("predict", pictures[0], weights)
        raise UserError(f"{weights} is no network, and {pictures[0]} is one: {right}")
    console = Console(quiet)
    weights = find(weights, console, offline)

    from verydeep.commands import predict_places as places
    from verydeep.parts.given import found_pictures
    from verydeep.verbs.predict import answers

    paths = found_pictures(pictures, console)
    drawings = places.drawings(save, weights) if save else None
    results, faults, alone = [], 0, len(paths) == 1
    by = _number(reject)
    asked = top, device, engine, console, by, classifier, threshold
    for path, found in answers(weights, paths, *asked):
        if isinstance(found, str):
            faults += 1
            print(f"verydeep: {found}", file=sys.stderr)
            continue
        of = places if places.are_places(found) else None
        if drawings:
            console.say(f"drawn: {drawings.add(path, places.to_draw(found, top))}")
        if json:
            results.append(of.as_data(path, found) if of else _as_data(path, found))
        else:
            print(of.lines(path, found, alone) if of else _lines(path, found, alone))
    if json:
        from json import dumps

        print(dumps(results, indent=1))
    if faults:
        raise typer.Exit(2)


def _number(reject: str | None) -> float | str | None:
    """The number that a text is; another text as it is."""
    try:
        return None if reject is None else float(reject)
    except ValueError:
        return reject


def _swapped(weights: str, picture: str) -> bool:
    """Whether a network stands in a picture's place, and none in its own."""
    from verydeep.weights.paths import BEST, wanted

    def is_network(name: str) -> bool:
        named = name.endswith(".safetensors") or wanted(name)
        return bool(named or (Path(name) / BEST).is_file())

    try:
        return Path(weights).exists() and is_network(picture) and not is_network(weights)
    except OSError:  # a name that is too long for any file
        return False


def _lines(path: str, found: list[tuple[str, float]], alone: bool) -> str:
    """A picture's answer: a line for each class, or all in one line where there are many."""
    path, found = escaped(path), [(escaped(name), p) for name, p in found]
    if not found:
        return f"{path}  none of these"
    if len(found) == 1 or not alone:
        return f"{path}  " + "  ".join(f"{name} {p:.3f}" for name, p in found)
    width = max(len(name) for name, _ in found)
    bars = [f"{name:{width}}  {p:6.1%}  {'#' * round(30 * p)}".rstrip() for name, p in found]
    return "\n".join([path, *(f"  {bar}" for bar in bars)])


def _as_data(path: str, found: list[tuple[str, float]]) -> dict[str, Any]:
    return {"picture": path, "top": [{"class": name, "posterior": p} for name, p in found]}
