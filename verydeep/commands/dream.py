"""`verydeep dream` and `verydeep style`: pictures made by a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from verydeep.commands.options import Device, Json, Offline, Overwrite, Quiet, Weights

Size = Annotated[
    int | None,
    typer.Option(help="The smaller side, in pixels. [default: the training crop's]"),
]
Seed = Annotated[int, typer.Option(help="Seed of all that is random.")]
STRENGTH = 100.0
"""The verb's own, which is not imported for help."""


def dream(
    weights: Weights,
    picture: Annotated[
        str | None,
        typer.Argument(metavar="PICTURE", help="A picture to dream into, or to invert."),
    ] = None,
    class_name: Annotated[
        str | None, typer.Option("--class", metavar="NAME", help="Towards the score of a class.")
    ] = None,
    unit: Annotated[
        str | None, typer.Option(metavar="ROW:NUMBER", help="Towards a unit, as relu5_1:40.")
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            metavar="ROW", help="Towards all that a layer says. [default: relu4_3 or the like]"
        ),
    ] = None,
    guide: Annotated[
        str | None,
        typer.Option(metavar="PICTURE", help="Towards what the layer says of another picture."),
    ] = None,
    invert: Annotated[
        str | None,
        typer.Option(metavar="ROW", help="What this layer still knows of the picture."),
    ] = None,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="Without a picture: by decay alone, as Simonyan et al. 2014."),
    ] = False,
    steps: Annotated[
        int | None,
        typer.Option(help="Steps. [default: 200; of a dream 10 at each of four sizes]"),
    ] = None,
    size: Size = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE.png", help="[default: a new dream.png]"),
    ] = None,
    overwrite: Overwrite = False,
    device: Device = None,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make a picture of what a network sees: a class, a unit, a dream, a layer inverted.

    verydeep dream vgg16 --class goldfish

    verydeep dream vgg16 holiday.jpg --layer relu4_3 --size 384

    The picture is written as it grows; Ctrl-C ends it after the step and keeps what is there.
    """
    from verydeep.verbs.dream import dream as made

    place = _place(out, "dream.png", overwrite)
    console, weights = _found(weights, offline, quiet)
    found = made(
        weights, picture, class_name=class_name, unit=unit, layer=layer, guide=guide,
        invert=invert, plain=plain, steps=steps, size=size, seed=seed, out=place, device=device,
        progress=console,
    )  # fmt: skip
    _tell(found, place, seed, json)


def style(
    weights: Weights,
    content: Annotated[str, typer.Argument(metavar="CONTENT", help="What is to be shown.")],
    style: Annotated[str, typer.Argument(metavar="STYLE", help="In whose style.")],
    strength: Annotated[
        float, typer.Option(help="How much the style counts beside the content.")
    ] = STRENGTH,
    noise: Annotated[
        bool, typer.Option("--noise", help="Begin with noise, not with the content.")
    ] = False,
    steps: Annotated[int, typer.Option(help="Steps of L-BFGS.")] = 200,
    size: Size = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE.png", help="[default: a new style.png]"),
    ] = None,
    overwrite: Overwrite = False,
    device: Device = None,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show one picture in the style of another (Gatys et al. 2016).

    verydeep style vgg19 cat.jpg waves.jpg --size 384 --out cat-in-waves.png

    The picture is written as it grows; Ctrl-C ends it after the step and keeps what is there.
    """
    from verydeep.verbs.style import style as made

    place = _place(out, "style.png", overwrite)
    console, weights = _found(weights, offline, quiet)
    found = made(
        weights, content, style, strength=strength, from_noise=noise, steps=steps, size=size,
        seed=seed, out=place, device=device, progress=console,
    )  # fmt: skip
    _tell(found, place, seed, json)


def _place(out: Path | None, name: str, overwrite: bool) -> Path:
    """Where the picture goes; UserError where it cannot."""
    from verydeep.errors import UserError
    from verydeep.files import free_place, refuse_taken, refuse_unwritable

    place = out or free_place(Path(name))
    if place.suffix.casefold() != ".png":
        raise UserError(f"--out {place}; pictures are written as PNG: give a name with .png")
    refuse_taken(place, overwrite)
    refuse_unwritable(place)
    return place


def _found(weights: Path, offline: bool, quiet: bool) -> tuple[Any, Path]:
    from verydeep.commands.console import Console
    from verydeep.weights import find

    console = Console(quiet)
    return console, find(weights, console, offline)


def _tell(found: Any, place: Path, seed: int, json: bool) -> None:
    """Prints what was made; where it is not whole, leaves as interrupted or as after a mistake."""
    height, width = found.image.shape[:2]
    said = {
        "file": str(place), "made": found.said, "size": [height, width], "seed": seed,
        "steps": len(found.values), "of": found.steps, "first": found.values[0],
        "last": found.values[-1],
    }  # fmt: skip
    if json:
        from json import dumps

        print(dumps(said, indent=1))
    else:
        print(f"{place}  {width} x {height}, {found.said}, {len(found.values)} of {found.steps} "
              f"steps, {found.values[0]:.3g} to {found.values[-1]:.3g}, seed {seed}")  # fmt: skip
    if not found.is_whole:
        raise typer.Exit(130 if found.is_interrupted else 2)
