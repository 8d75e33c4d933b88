"""The contact sheet: some pictures of every class on one page, as PNG.

Where boxes or points are told of them they are drawn, and pictures are shown whole, not as squares.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageDraw, ImageFont, ImageOps

from verydeep.errors import PictureError, UserError, escaped
from verydeep.parts.annotations import Labels, members_of
from verydeep.parts.dataset import Dataset, Part
from verydeep.pictures.boxes import Boxes, clipped, into_window
from verydeep.pictures.reading import read_with_window

TILE = 96
GAP = 6
LABEL = 18
MARGIN = 18
GROUND, INK = (250, 250, 248), (60, 60, 60)
OWN, OTHERS, EDGE = (255, 220, 0), (90, 220, 255), (0, 0, 0)
"""Lines round what is of the row's class, and of others; a dark edge shows them on light ground."""


def write_contact_sheet(dataset: Dataset, path: Path, columns: int = 8, most: int = 40) -> None:
    """Writes a PNG with a row for each class, the first `columns` of its readable pictures.

    Of more than `most` classes, some spread over all of them are shown. Raises UserError where
    the file cannot be written.
    """
    count = len(dataset.classes)
    shown = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
    row_height = LABEL + TILE + GAP
    size = (2 * MARGIN + columns * (TILE + GAP) - GAP, 2 * MARGIN + len(shown) * row_height - GAP)
    sheet = Image.new("RGB", size, GROUND)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for row, label in enumerate(shown):
        top = MARGIN + row * row_height
        members = members_of(dataset.train.truth, int(label))
        caption = f"{dataset.classes[label]}  ({len(members):,} to train on)"
        pen.text((MARGIN, top), escaped(caption), INK, font)
        for column, tile in enumerate(_tiles(dataset.train, members, int(label), columns)):
            sheet.paste(tile, (MARGIN + column * (TILE + GAP), top + LABEL))
    try:
        sheet.save(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot write {path}: {reason}; give another --sheet") from None


def _tiles(part: Part, members: Labels, label: int, count: int) -> list[Image.Image]:
    """The first readable pictures of a class."""
    tiles: list[Image.Image] = []
    for i in members.tolist():
        if len(tiles) == count:
            break
        try:
            tiles.append(_tile(part, i, label))
        except PictureError:  # named where the faults are
            continue
    return tiles


def _tile(part: Part, i: int, label: int) -> Image.Image:
    """A picture cut to a square; whole in one, with its boxes and points, where these are told."""
    image, window = read_with_window(part.source(i), smaller_side=TILE)
    objects, points = (part.objects and part.objects(i), part.points and part.points(i))
    if objects is None and points is None:
        return ImageOps.fit(Image.fromarray(image), (TILE, TILE))
    whole = ImageOps.contain(Image.fromarray(image), (TILE, TILE))
    window = part.of_original(i, window).rescaled((whole.height, whole.width))
    pen = ImageDraw.Draw(whole)
    if objects:
        boxes = clipped(into_window(objects.boxes, window), window.size)
        for box, colour in _last_of_all(boxes, objects.labels == label):
            _draw_box(pen, box, colour)
    if points:
        places = into_window(np.tile(points.places, 2), window)
        for (x, y, _, _), colour in _last_of_all(places, points.labels == label):
            pen.ellipse((x - 3, y - 3, x + 3, y + 3), colour, EDGE)
    tile = Image.new("RGB", (TILE, TILE), GROUND)
    tile.paste(whole, ((TILE - whole.width) // 2, (TILE - whole.height) // 2))
    return tile


def _last_of_all(
    boxes: Boxes, own: Bool[np.ndarray, " R"]
) -> Iterator[tuple[list[float], tuple[int, int, int]]]:
    """Boxes with their colours, those of the class last, so that nothing is drawn over them."""
    order = np.argsort(own, kind="stable")
    for box, is_own in zip(boxes[order].tolist(), own[order], strict=True):
        yield box, OWN if is_own else OTHERS


def _draw_box(pen: ImageDraw.ImageDraw, box: list[float], colour: tuple[int, int, int]) -> None:
    """A line of one pixel on the last pixels inside a box, and a dark one round it."""
    left, top, right, bottom = (round(side) for side in box)
    right, bottom = max(right - 1, left), max(bottom - 1, top)
    pen.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=EDGE)
    pen.rectangle((left, top, right, bottom), outline=colour)
