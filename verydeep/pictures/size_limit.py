"""How many pixels a picture may have, and one way of refusing one that has more.

The limit is there for files of others: 100 KB of PNG can hold a billion pixels.
"""

import math
import os

from verydeep.errors import PictureTooLargeError, UserError

MAX_PIXELS = 50_000_000
MOST_MILLIONS = 1_000_000
BYTES, BYTES_TRANSPARENT = 12, 28
"""That a pixel takes at the peak of reading: of a PNG some 10, and of one with transparency 28."""
VARIABLE = "VERYDEEP_MAX_MPX"
"""What raises the limit, in millions of pixels, of whatever reads pictures."""


def most_pixels() -> int:
    """Pixels that are read of a picture: 50 million, or what the environment says.

    Raises UserError where it says something that is no number of millions.
    """
    said = os.environ.get(VARIABLE, "")
    if not said:
        return MAX_PIXELS
    try:
        millions = float(said)
    except ValueError:
        millions = math.nan
    if not 0 < millions <= MOST_MILLIONS:
        raise UserError(
            f"{VARIABLE} is '{said}'; a number of millions of pixels is needed, such as 100, "
            f"of {MOST_MILLIONS:,} at most"
        )
    return int(millions * 1e6)


def refuse_size(width: int, height: int, max_pixels: int) -> None:
    """Raises PictureTooLargeError for more pixels than are to be read, with what lets them be."""
    if width * height > max_pixels:
        millions = width * height / 1e6
        raise PictureTooLargeError(
            f"{millions:.4g} Mpx ({width} x {height}) where at most {max_pixels / 1e6:.4g} Mpx are "
            f"read; save it smaller, or set {VARIABLE}={math.ceil(millions)} in the environment, "
            f"for {_memory(BYTES * width * height)} of memory each, and "
            f"{_memory(BYTES_TRANSPARENT * width * height)} with transparency"
        )


def _memory(size: int) -> str:
    return f"{size / 1e6:.0f} MB" if size < 1e9 else f"{size / 1e9:.3g} GB"
