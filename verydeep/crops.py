"""From a picture straight to one crop of it: nothing is decoded or resized that is not needed.

An ordinary JPEG is decoded by libjpeg-turbo at a half, a quarter or an eighth where that is still
as large as S asks for, and only the part of it that the crop shows is resized: bilinearly, never
to less than half, so that no pixel is passed over. That part begins and ends at whole pixels of
the file, which moves a crop by half a pixel of it at most. Whatever is not an ordinary JPEG, or
is damaged, takes the way that `Pixels.read` takes, with its refusals.
"""

from __future__ import annotations

import threading

import cv2
import numpy as np
import simplejpeg
from jaxtyping import UInt8

from verydeep.errors import PictureError
from verydeep.picture_files import jpeg_for_pixels, orientation_of, refuse_size
from verydeep.pictures import MAX_PIXELS, Picture, Source, bytes_of, upright
from verydeep.preprocessing import Pixels, crop_at, refuse_narrow, rescaled_size

EXIF = b"Exif\0\0"
_kept = threading.local()
"""A thread's memory to decode into: taking new memory each time costs a tenth of the decoding."""
cv2.setNumThreads(1)  # threads are ours to spread: one for each crop


def read_crop(
    source: Source,
    pixels: Pixels,
    scale: int,
    place: tuple[float, float],
    out: UInt8[np.ndarray, "side side 3"],
) -> None:
    """Writes into `out` the crop of a picture that is rescaled to a smaller side of `scale`.

    `place` is (y, x) in [0, 1], over all the places there are, as `crop_at` has it. Raises
    PictureError where the picture cannot be read.
    """
    if isinstance(source, np.ndarray) or not _ordinary(source, pixels, scale, place, out):
        out[:] = crop_at(pixels.read(source, scale), *place, len(out))


def _ordinary(
    source: Source,
    pixels: Pixels,
    scale: int,
    place: tuple[float, float],
    out: UInt8[np.ndarray, "side side 3"],
) -> bool:
    """The fast way, where the file and the resize rule allow it; False where they do not."""
    if isinstance(source, np.ndarray) or pixels.resize != "bilinear" or scale < len(out):
        return False
    try:
        data = bytes_of(source)
        if not data.startswith(b"\xff\xd8\xff"):
            return False
        jpeg, exif = jpeg_for_pixels(data) if EXIF in data else (data, b"")
        height, width, colours, _ = simplejpeg.decode_jpeg_header(jpeg)
        if colours not in ("YCbCr", "Gray"):
            return False
        refuse_size(width, height, MAX_PIXELS)
        refuse_narrow((height, width), scale)
        image = _decoded(jpeg, (height, width), scale)
    except (PictureError, ValueError):  # the ordinary way says why, or reads it after all
        return False
    _resize_part(upright(image, orientation_of(exif.removeprefix(EXIF))), scale, place, out)
    return True


def _decoded(jpeg: bytes, size: tuple[int, int], scale: int) -> Picture:
    """The picture at the least of its size, a half, a quarter or an eighth that is enough."""
    part = max(k for k in (1, 2, 4, 8) if k == 1 or min(size) // k >= scale)
    height, width = (-(-side // part) for side in size)
    needed = height * width * 3
    buffer = getattr(_kept, "buffer", None)
    if buffer is None or buffer.size < needed:
        buffer = _kept.buffer = np.empty(needed, np.uint8)
    image: Picture = simplejpeg.decode_jpeg(
        jpeg, min_height=height, min_width=width, min_factor=part, buffer=buffer[:needed]
    )
    return image


def _resize_part(
    image: Picture,
    scale: int,
    place: tuple[float, float],
    out: UInt8[np.ndarray, "side side 3"],
) -> None:
    """Resizes the part of a decoded picture that the crop at a place shows."""
    crop = len(out)
    spans = []
    for side, whole, at in zip(
        image.shape[:2], rescaled_size(image.shape[:2], scale), place, strict=True
    ):
        first = min(int(at * (whole - crop + 1)), whole - crop)
        length = min(side, max(1, round(crop * side / whole)))
        start = min(round(first * side / whole), side - length)
        spans.append(slice(start, start + length))
    cv2.resize(image[spans[0], spans[1]], (crop, crop), dst=out, interpolation=cv2.INTER_LINEAR)
