"""Pictures cut to the one box that is told of each: what is in it, and nothing of what is round it.

What is cut is a picture like any other, and rescaled to Q as those are.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from verydeep.errors import PictureError, UserError, escaped
from verydeep.parts.dataset import Part
from verydeep.pictures.boxes import clipped, into_window
from verydeep.pictures.reading import Picture, read_with_window


def boxed(part: Part) -> Part:
    """The part with each picture cut to its box; UserError where nothing is told of boxes."""
    if part.objects is None:
        first = f" such as {escaped(part.names[0])}" if len(part) else ""
        raise UserError(
            f"there are no boxes in this data, for pictures{first}; give data with one box a "
            "picture, or leave boxes out"
        )
    return Part(part.names, part.truth, lambda i: _cut(part, i), keys=part.keys)


def box_of(part: Part, i: int) -> Float[np.ndarray, "1 4"]:
    """The box of picture i, in pixels of the original; UserError where it has not one."""
    found = part.objects and part.objects(i)
    if not found or len(found) != 1:
        count = len(found) if found else "no"
        raise UserError(
            f"{escaped(part.names[i])} has {count} boxes; to be cut to it, each picture needs one"
        )
    return found.boxes


def _cut(part: Part, i: int) -> Picture:
    """The pixels of picture i that lie in its box, one at the least; PictureError without any."""
    image, window = read_with_window(part.source(i))
    size = image.shape[0], image.shape[1]
    ((left, top, right, bottom),) = clipped(
        into_window(box_of(part, i), part.of_original(i, window)), size
    ).tolist()
    if left >= right or top >= bottom:
        raise PictureError("it lies outside of the picture")
    x, y = (min(round(first), side - 1) for first, side in ((left, size[1]), (top, size[0])))
    return np.ascontiguousarray(image[y : max(round(bottom), y + 1), x : max(round(right), x + 1)])
