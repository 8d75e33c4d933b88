"""Dreams: a network in, a picture made by ascent out, out of nothing or out of a picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BytesIO
from math import isfinite
from pathlib import Path
from time import monotonic
from typing import Any

from PIL import Image

from verydeep.ascent.aims import Aim, a_class, a_guide, a_layer, a_unit, dream_row
from verydeep.ascent.climbing import climbed, decayed
from verydeep.ascent.dreaming import dreamt
from verydeep.ascent.inversion import inverted
from verydeep.ascent.looking import Frame, from_picture, refuse_unfit
from verydeep.errors import UserError
from verydeep.files import write_atomic
from verydeep.insight.attribution import refuse_mapless
from verydeep.insight.naming import label_of, row_named
from verydeep.insight.signals import frozen
from verydeep.nets.network import Network
from verydeep.parts.given import given_pictures, source_of
from verydeep.pictures.reading import Picture
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import Progress, Shown
from verydeep.schema import MOST_SEED
from verydeep.training.interruption import interruption
from verydeep.verbs.explain import loaded

STEPS = 200
"""Steps of a picture out of nothing, and of an inversion, where nobody says how many."""
AT_EACH = 10
"""And of a dream, at each of its sizes."""
EVERY = 10.0
"""Seconds from one time that a growing picture is written to the next."""


@dataclass(frozen=True)
class Made:
    """A picture that was made, after how many steps of how many, and what each of them found.

    `said` is what was looked for. It has fewer steps than asked for where it was interrupted, or
    where the next gave no number.
    """

    image: Picture = field(repr=False)
    said: str
    values: tuple[float, ...] = field(repr=False)
    steps: int
    is_interrupted: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether all steps were done."""
        return len(self.values) == self.steps

    def save(self, path: str | Path) -> Path:
        """Writes it as a PNG, whole or not at all, and gives its path."""
        return write_png(self.image, Path(path))


def write_png(image: Picture, path: Path) -> Path:
    """Writes a picture as a PNG, whole or not at all, and gives its path."""
    found = BytesIO()
    Image.fromarray(image).save(found, "PNG")
    write_atomic(path, found.getvalue())
    return path


def grown(
    frames: Iterable[Frame],
    said: str,
    called: str,
    progress: Progress,
    out: Path | None = None,
) -> Made:
    """The last of a picture's frames; `called` is what their values are.

    A first Ctrl-C ends it after the step, with what there is then. Where `out` is given the picture
    is written there as it grows. It also ends where a value or a pixel is no number any more, which
    is told.
    """
    kept, values, written = None, list[float](), monotonic()

    def answer() -> None:
        progress.say("ending after this step; once more leaves at once")

    with interruption(answer, progress.leave) as interrupted:
        for frame in frames:
            if not isfinite(frame.value):
                progress.say(f"step {frame.done} gives no number any more; kept what was before")
                break
            kept = frame
            values.append(frame.value)
            progress.step(said, frame.done, frame.total, f"{called} {frame.value:.3g}")
            if out is not None and monotonic() - written > EVERY:
                write_png(frame.image, out)
                written = monotonic()
            if interrupted.asked:
                break
    if kept is None:
        raise UserError(f"{said}: the first step gives no number; the weights may be damaged")
    if out is not None:
        write_png(kept.image, out)
    return Made(kept.image, said, tuple(values), kept.total, interrupted.asked)


@dataclass(frozen=True)
class _Asked:
    """What a picture is to be made for, as `dream` is told."""

    class_name: str | None
    unit: str | None
    layer: str | None
    guide: Any
    invert: str | None

    def refuse_mixed(self, has_picture: bool, plain: bool) -> None:
        """Raises UserError for what does not go together."""
        aims = {"--class": self.class_name, "--unit": self.unit, "--invert": self.invert,
                "--layer": self.layer if self.guide is None else None,
                "--guide": self.guide}  # fmt: skip
        given = [name for name, value in aims.items() if value is not None]
        if len(given) > 1:
            raise UserError(f"{' and '.join(given)}: a picture is made for one of them at a time")
        if not given and not has_picture:
            raise UserError(
                "give a picture to dream into, or what to make one of: --class NAME, "
                "--unit ROW:NUMBER or --layer ROW"
            )
        if not has_picture and self.invert is not None:
            raise UserError("--invert wants a picture, whose values at the layer are inverted")
        if not has_picture and self.guide is not None:
            raise UserError("--guide wants a picture to dream into, beside the guide")
        if plain and has_picture:
            raise UserError("--plain is of pictures out of nothing; leave it out, or the picture")


def dream(
    weights_path: str | Path | Network,
    picture: Any = None,
    *,
    class_name: str | None = None,
    unit: str | None = None,
    layer: str | None = None,
    guide: Any = None,
    invert: str | None = None,
    plain: bool = False,
    steps: int | None = None,
    size: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> Made:
    """A picture that was made by ascent: a class, a unit or a layer as a network sees it.

    Without a picture it comes of nothing, held to look like something, or `plain`, by decay alone.
    A `picture` is dreamt into, at several sizes, towards a class, a unit or a layer (by default
    relu4_3 or what stands in its place), or what a layer says of a `guide`; `invert` makes one of
    which that layer says what it does of the picture. `unit` is "relu5_1:40". `size` is the smaller
    side in pixels, by default the training crop's; `steps` those at each of a dream's sizes, by
    default 10, or of another picture, 200. The same seed gives the same bits, on the same kind of
    machine. Ctrl-C ends it after the step, with what there is; `out` is written as it grows.

    >>> verydeep.dream("vgg16", "cat.jpg", layer="relu4_3").save("dream.png")
    """
    progress = progress or Shown()
    asked = _Asked(class_name, unit, layer, guide, invert)
    asked.refuse_mixed(picture is not None, plain)
    for name, value in (("steps", steps), ("size", size)):
        if value is not None and value < 1:
            raise UserError(f"--{name} {value}; give 1 or more")
    refuse_seed(seed)
    network = frozen(loaded(weights_path, Machine.this(device), progress))
    side = size or network.table.crop
    image = None if picture is None else read(network, picture, side)
    place = None if out is None else Path(out)
    if image is not None and invert is not None:
        row = mapped(network, invert)
        refuse_unfit(network, [row], (image.shape[0], image.shape[1]))
        frames = inverted(network, row, image, steps or STEPS, seed)
        return grown(frames, f"inverting {row}", "error", progress, place)
    aim = _aim(network, asked, side)
    shape = (side, side) if image is None else (image.shape[0], image.shape[1])
    refuse_unfit(network, [aim.row], shape)
    if image is not None:
        frames = dreamt(network, aim, image, steps or AT_EACH, seed)
    elif plain:
        frames = decayed(network, aim, shape, steps or STEPS)
    else:
        frames = climbed(network, aim, shape, steps or STEPS, seed)
    return grown(frames, f"dreaming of {aim.said}", "value", progress, place)


def refuse_seed(seed: int) -> None:
    """Raises UserError for a number that is no seed."""
    if not 0 <= seed <= MOST_SEED:
        raise UserError(f"--seed {seed}; give 0 to {MOST_SEED}")


def _aim(network: Network, asked: _Asked, side: int) -> Aim:
    """What is climbed towards."""
    table = network.table
    if asked.class_name is not None:
        _ = table.scores  # refuses a net without any
        return a_class(network, label_of(network.classes, asked.class_name))
    if asked.unit is not None:
        row, _, number = asked.unit.rpartition(":")
        if not row or not number.isdecimal():
            raise UserError(f"--unit {asked.unit}; give a row and a number, such as relu3_1:7")
        return a_unit(table, row_named(table, row), int(number))
    row = dream_row(table) if asked.layer is None else mapped(network, asked.layer)
    if asked.guide is None:
        return a_layer(row)
    guide = read(network, asked.guide, side)
    refuse_unfit(network, [row], (guide.shape[0], guide.shape[1]))
    return a_guide(network, row, from_picture(guide, network))


def mapped(network: Network, name: str) -> str:
    """The name of a row that has a map; UserError, with the nearest, for another."""
    row = row_named(network.table, name)
    refuse_mapless(network.table, row)
    return row


def read(network: Network, picture: Any, side: int) -> Picture:
    """One picture with that smaller side; UserError for several."""
    given = given_pictures(picture)
    if not given.alone:
        raise UserError("several pictures where one is due; give a file, or one array [H, W, 3]")
    return network.pixels.read(source_of(given.pictures[0]), side)
