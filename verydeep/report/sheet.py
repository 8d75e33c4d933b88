"""The contact sheet: some pictures of every class on one page, as PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from verydeep.datasets.dataset import Dataset, Part
from verydeep.errors import PictureError, UserError, escaped
from verydeep.pictures.reading import read_picture

TILE = 96
GAP = 6
LABEL = 18
MARGIN = 18
GROUND, INK = (250, 250, 248), (60, 60, 60)


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
        number = int((dataset.train.labels == label).sum())
        caption = f"{dataset.classes[label]}  ({number:,} to train on)"
        pen.text((MARGIN, top), escaped(caption), INK, font)
        for column, tile in enumerate(_tiles(dataset.train, int(label), columns)):
            sheet.paste(tile, (MARGIN + column * (TILE + GAP), top + LABEL))
    try:
        sheet.save(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot write {path}: {reason}; give another --sheet") from None


def _tiles(part: Part, label: int, count: int) -> list[Image.Image]:
    """The first readable pictures of a class, cut to squares."""
    tiles: list[Image.Image] = []
    for i in np.flatnonzero(part.labels == label):
        if len(tiles) == count:
            break
        try:
            image = read_picture(part.source(int(i)), smaller_side=TILE)
        except PictureError:  # named where the faults are
            continue
        tiles.append(ImageOps.fit(Image.fromarray(image), (TILE, TILE)))
    return tiles
