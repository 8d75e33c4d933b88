"""Crops that lose what they are asked for, counted before a net is trained to place things.

A crop that shows less than half of an object asks for nothing (`tasks/localise.py`), so that crops
far smaller than S teach little, without a word. How many of a training's crops do is known from the
sizes of its pictures and what is marked in them; no picture is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import numpy as np

from verydeep import randomness, tasks
from verydeep.errors import PictureError, UserError
from verydeep.parts.dataset import Part
from verydeep.pictures.preprocessing import crop_place, rescaled_size
from verydeep.pictures.reading import original_size
from verydeep.pictures.windows import Size, Window
from verydeep.shell import command
from verydeep.training.loader import augmentation
from verydeep.training.settings import Settings

SAMPLE = 200
"""Pictures that are asked, some of all."""
MANY, FEW = 0.5, 0.1
"""Shares of what is asked for: lost above the first it is worth a line, and up to the second is
little."""
RATIOS = tuple(1 + eighth / 8 for eighth in range(8, -1, -1))
"""S over the crop that may be advised, the largest first."""


def said_of_lost_crops(
    part: Part, settings: Settings, outputs: tuple[str, ...], where: str
) -> str | None:
    """What to say of a training whose crops mostly lose what they are asked for; None of others.

    The line has an S with which it would be little, by the same draws. Raises UserError where all
    of it is lost, and where nothing is marked within the pictures.
    """
    if not tasks.named(settings.task).by_window:
        return None
    sizes = dict(_sizes(part))
    _refuse_astray(part, sizes, settings, outputs, where)
    lost = share_lost(part, sizes, settings, outputs)
    if lost <= MANY:
        return None
    low, high = settings.scale
    at = f"{low}" if low == high else f"{low} to {high}"
    advice = _advice(part, sizes, settings, outputs)
    line = (
        f"crops of {settings.crop} at S = {at} show less than half of {100 * lost:.0f} % of what "
        f"is marked in {where}, and teach nothing of that; {advice}"
    )
    if lost == 1:
        raise UserError(line)
    return line


def _refuse_astray(
    part: Part, sizes: dict[int, Size], settings: Settings, outputs: tuple[str, ...], where: str
) -> None:
    """Raises UserError where whole pictures show too little of what is marked to ask for it."""
    wholes = {i: Window.whole(size) for i, size in sizes.items()}
    if not sizes or _asked(part, wholes, settings, outputs):
        return
    i = min(sizes)
    objects, points = part.objects and part.objects(i), part.points and part.points(i)
    places = objects.boxes if objects else points.places if points else np.zeros((1, 0))
    height, width = sizes[i]
    raise UserError(
        f"nothing that is marked in {where} lies in its picture: of {part.names[i]}, {width} x "
        f"{height} pixels, the first is {' '.join(f'{side:g}' for side in places[0])}; "
        f"`{command('look', where)}` tells of the others"
    )


def _advice(
    part: Part, sizes: dict[int, Size], settings: Settings, outputs: tuple[str, ...]
) -> str:
    """The largest S at which little is lost, or that of the least loss, as it is given."""
    below = [round(settings.crop * ratio) for ratio in RATIOS]
    lost = {
        scale: share_lost(part, sizes, replace(settings, scale=(scale, scale)), outputs)
        for scale in below
        if scale < settings.scale[0]
    }
    if not lost:
        return "cut pictures nearer to it"
    least = min(lost, key=lambda scale: (lost[scale], -scale))
    scale = next((scale for scale, share in lost.items() if share <= FEW), least)
    return f"--scale {scale} loses {100 * lost[scale]:.0f} %"


def share_lost(
    part: Part, sizes: dict[int, Size], settings: Settings, outputs: tuple[str, ...]
) -> float:
    """The share of what whole pictures ask for that their crops of the first epoch do not.

    Pictures are those of these sizes; 0 where nothing is asked of them.
    """
    if not sizes:
        return 0.0
    wholes = {i: Window.whole(size) for i, size in sizes.items()}
    crops = {i: _crop(whole, i, settings) for i, whole in wholes.items()}
    asked, shown = (_asked(part, views, settings, outputs) for views in (wholes, crops))
    return 1 - shown / asked if asked else 0.0


def _asked(
    part: Part, views: dict[int, Window], settings: Settings, outputs: tuple[str, ...]
) -> int:
    """How many numbers are asked of views of pictures, one each."""
    samples, target = np.array([*views], np.int64), tasks.named(settings.task).target
    return int((~target(part, samples, outputs, [*views.values()]).isnan()).sum())


def _sizes(part: Part) -> Iterator[tuple[int, Size]]:
    """Some pictures, with the height and width of the originals, from their headers."""
    for i in randomness.generator(0, "choice").permutation(len(part))[:SAMPLE].tolist():
        kept = part.windows and part.windows(i)
        with suppress(PictureError):  # named when the pictures are read
            yield i, kept.picture if kept else original_size(part.source(i))


def _crop(whole: Window, i: int, settings: Settings) -> Window:
    """What the crop of picture i shows in the first epoch."""
    drawn = augmentation(settings, 0, i)
    view = whole.rescaled(rescaled_size(whole.size, drawn.scale))
    top, left = crop_place(view.size, *drawn.place, settings.crop)
    crop = view.cropped(top, left, (settings.crop, settings.crop))
    return crop.mirror() if drawn.mirrored else crop
