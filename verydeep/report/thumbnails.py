"""Pictures inside a page: thumbnails, and heat laid over them."""

from __future__ import annotations

import base64
import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from verydeep.errors import PictureError
from verydeep.insight.score_maps import Heat
from verydeep.pictures.reading import Picture, Source, read_picture

HOT = (235, 94, 40)
"""Colour of a high posterior on a score map."""


def data_uri(image: Picture, side: int = 160) -> str:
    """The picture as a JPEG inside a link, its larger side at most `side` pixels."""
    small = Image.fromarray(image)
    small.thumbnail((side, side))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def thumbnail(source: Source | None, side: int = 160) -> str | None:
    """A picture's `data_uri`; None where there is none, or it cannot be read."""
    try:
        return None if source is None else data_uri(read_picture(source, smaller_side=side), side)
    except PictureError:
        return None


def lit(image: Picture, heat: Heat) -> UInt8[np.ndarray, "H W 3"]:
    """The picture dimmed where the heat is 0, and glowing where it is 1."""
    heat = heat[..., None]
    dimmed = image * (0.35 + 0.65 * heat)
    glowing = dimmed * (1 - 0.4 * heat) + np.array(HOT) * 0.4 * heat
    return np.asarray(glowing.round(), dtype=np.uint8)
