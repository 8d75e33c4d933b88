"""A picture in: file, bytes or array -> RGB, uint8, [H, W, 3]; or a refusal that says why.

Comes in: JPEG (MPO too), PNG, WebP, GIF, BMP, TIFF, Netpbm, AVIF or, where pillow-heif is, HEIC; or
an array of grey, RGB or RGBA.
Goes out: the first frame, upright by its EXIF orientation, whatever is transparent over white.

A sound JPEG in colour or grey goes to libjpeg-turbo straight, in half of Pillow's time; Pillow has
the same library, and the pixels are the same to the bit.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import simplejpeg
from jaxtyping import UInt8, UInt16
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from verydeep.errors import PictureError, escaped, one_line
from verydeep.pictures import netpbm
from verydeep.pictures.heif import readable_suffixes
from verydeep.pictures.picture_files import (
    format_of,
    full_size,
    jpeg_for_pixels,
    open_image,
    orientation_of,
    shrinking,
)
from verydeep.pictures.size_limit import most_pixels, refuse_size
from verydeep.pictures.windows import Size, Window, turns

Picture = UInt8[np.ndarray, "H W 3"]
Source = str | Path | bytes | np.ndarray

EXIF = b"Exif\0\0"
ORIENTATION = 0x0112
"""The tag of EXIF that says how a picture is turned."""
SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .webp .gif .bmp .tif .tiff .pbm .pgm .ppm .pnm".split()  # noqa: SIM905
).union(readable_suffixes())


def read_picture(
    source: Source, max_pixels: int | None = None, smaller_side: int | None = None
) -> Picture:
    """RGB of a picture, 0-255, in memory of its own: C-contiguous and writable.

    Grey of 16 bits is scaled by 1/257, or by the range that its file tells. `smaller_side` is what
    the picture will be rescaled to: a JPEG is then decoded at 1 / `shrinking`; one of more than
    `max_pixels`, by default `most_pixels`, is decoded at the first of 1/2, 1/4 and 1/8 that has no
    more. Raises PictureError, nothing else.
    """
    return read_with_window(source, max_pixels, smaller_side)[0]


def read_with_window(
    source: Source, max_pixels: int | None = None, smaller_side: int | None = None
) -> tuple[Picture, Window]:
    """What `read_picture` gives, and where its pixels lie in those of the upright original."""
    most = most_pixels() if max_pixels is None else max_pixels
    with naming(source):
        if isinstance(source, np.ndarray):
            return _as_it_is(_rgb_of_array(source, most))
        data = bytes_of(source)
        with _decoder_errors_explained(data):
            found = _ordinary_jpeg(data, most, smaller_side)
            if found is not None:
                return found
            if format_of(data) == "Netpbm":
                width, height, *_ = netpbm.header(data)
                refuse_size(width, height, most)
                return _as_it_is(_rgb_of_array(netpbm.pixels(data), most))
            image, orientation = open_image(data, most, smaller_side)
            picture = np.array(upright(_rgb_of_image(image), orientation), order="C")
            return picture, _decoded(image, orientation)


def read_pillow(image: Image.Image) -> Picture:
    """RGB of a Pillow image, of any mode, as `read_picture` gives that of a file; PictureError.

    Upright as its EXIF block says, which `Image.open` leaves to whoever asks.
    """
    try:
        if 0 in image.size:
            raise PictureError("has no pixels")
        turned = image.getexif().get(ORIENTATION, 1)  # which loads what stands behind pixels
        pixels = _rgb_of_image(image)
    except Exception as error:  # of a file that is read only now, or is closed already
        reason = error if isinstance(error, PictureError) else f"cannot be read: {one_line(error)}"
        raise PictureError(f"Pillow image of mode {image.mode}: {reason}") from None
    return np.array(upright(pixels, turned if turned in range(1, 9) else 1), order="C")


def _decoded(image: ImageFile, orientation: int) -> Window:
    (width, height), by = full_size(image)
    return Window.decoded((height, width), by, orientation)


def _as_it_is(picture: Picture) -> tuple[Picture, Window]:
    return picture, Window.whole((picture.shape[0], picture.shape[1]))


def _ordinary_jpeg(
    data: bytes, max_pixels: int, smaller_side: int | None
) -> tuple[Picture, Window] | None:
    """RGB of a sound JPEG in colour or grey; None of whatever else it is, which Pillow may read."""
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    try:
        jpeg, exif = jpeg_for_pixels(data) if EXIF in data else (data, b"")
        height, width, colours, _ = simplejpeg.decode_jpeg_header(jpeg)
        if colours not in ("YCbCr", "Gray") or width * height > max_pixels:
            return None
        by = shrinking((height, width), smaller_side)
        image = simplejpeg.decode_jpeg(
            jpeg, min_height=-(-height // by), min_width=-(-width // by), min_factor=by
        )
    except ValueError:
        return None
    orientation = orientation_of(exif.removeprefix(EXIF))
    picture = np.ascontiguousarray(upright(image, orientation))
    return picture, Window.decoded((height, width), by, orientation)


def picture_size(source: Source, max_pixels: int | None = None) -> Size:
    """Height and width as `read_picture` gives them, from the header alone."""
    return _whole_window(source, most_pixels() if max_pixels is None else max_pixels).size


def original_size(source: Source) -> Size:
    """Height and width of the upright original, from the header alone, however it is decoded."""
    return _whole_window(source, most_pixels()).picture


def _whole_window(source: Source, max_pixels: int) -> Window:
    """The window that `read_with_window` gives, from the header alone."""
    with naming(source):
        if isinstance(source, np.ndarray):
            _refuse_array(source, max_pixels)
            return Window.whole((source.shape[0], source.shape[1]))
        # The header of nearly every JPEG lies in its first 256 KiB, and data sets are JPEGs.
        first = bytes_of(source, 2**18)
        if format_of(first) == "JPEG":
            with suppress(Exception):
                return _window_in_header(first, max_pixels)
        data = bytes_of(source)
        with _decoder_errors_explained(data):
            return _window_in_header(data, max_pixels)


def _window_in_header(data: bytes, max_pixels: int) -> Window:
    if format_of(data) == "Netpbm":
        width, height, *_ = netpbm.header(data)
        refuse_size(width, height, max_pixels)
        return Window.whole((height, width))
    return _decoded(*open_image(data, max_pixels))


@contextmanager
def naming(source: Source) -> Iterator[None]:
    """Within, a refusal comes to name the picture, in one line."""
    try:
        yield
    except PictureError as error:
        name = str(source) if isinstance(source, str | Path) else "array"
        if isinstance(source, bytes):
            name = f"picture ({len(source)} bytes)"
        raise type(error)(escaped(f"{name}: {error}")) from error.__cause__


def bytes_of(source: str | Path | bytes, most: int = -1) -> bytes:
    """The first bytes of a file, all by default; raises PictureError."""
    if isinstance(source, bytes):
        return source
    try:
        with Path(source).open("rb") as file:
            return file.read(most)
    except (OSError, ValueError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "not enough memory"
        raise PictureError(reason[0].lower() + reason[1:]) from error


@contextmanager
def _decoder_errors_explained(data: bytes) -> Iterator[None]:
    """Whatever a decoder raises on damaged bytes is a refusal; most such files were cut short."""
    try:
        yield
    except PictureError:
        raise
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        form = format_of(data)
        if text == "not identified by this driver":
            text = "its header gives a size of zero or an unknown kind of pixels"
        elif isinstance(error, MemoryError):
            text = "not enough memory"
        elif isinstance(error, struct.error) or "truncated" in text.lower() or _is_cut(form, data):
            text = f"truncated after {len(data)} bytes"
        raise PictureError(f"{form} that cannot be decoded: {text}") from error


def _is_cut(form: str, data: bytes) -> bool:
    if form in ("WebP", "BMP"):  # both tell their length
        told = data[4:8] if form == "WebP" else data[2:6]
        return int.from_bytes(told, "little") > len(data)
    return {"JPEG": b"\xff\xd9", "PNG": b"IEND", "GIF": b"\0;"}.get(form, b"") not in data


def upright(pixels: Picture, orientation: int) -> UInt8[np.ndarray, "h w 3"]:
    """The picture turned and mirrored as its EXIF orientation asks, without a copy."""
    swapped, (rows, columns) = turns(orientation)
    if swapped:
        pixels = pixels.swapaxes(0, 1)
    return pixels[:: -1 if rows else 1, :: -1 if columns else 1]


def _rgb_of_image(image: Image.Image) -> Picture:
    tile = image.tile if image.format == "GIF" and isinstance(image, ImageFile) else ()
    frame = tile[0][1] if tile else None
    image.load()
    if image.mode == "F":
        raise PictureError("holds floating-point pixels, whose range is not known; save as 8 bits")
    if image.mode.startswith("I"):
        return _rgb_of_array(_grey16(image), image.width * image.height)
    decoded = image.convert("LA") if image.mode == "La" else image  # Pillow has no way from La on
    if decoded.has_transparency_data:
        return _over_white(np.asarray(decoded.convert("RGBA")))
    rgb = np.asarray(decoded if decoded.mode == "RGB" else decoded.convert("RGB"))
    return rgb if frame is None else _on_white_canvas(rgb, *frame)


def _on_white_canvas(rgb: Picture, x0: int, y0: int, x1: int, y1: int) -> Picture:
    """A GIF's first frame may be smaller than its canvas; Pillow pads with the first colour."""
    canvas = np.full_like(rgb, 255)
    canvas[y0:y1, x0:x1] = rgb[y0:y1, x0:x1]
    return canvas


def _grey16(image: Image.Image) -> UInt16[np.ndarray, "H W"]:
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise PictureError("holds integers outside 0 to 65535; save it with 8 or 16 bits")
    values = values.astype(np.uint16)
    tags = image.tag_v2 if isinstance(image, TiffImageFile) else {}
    largest = 4095 if tags.get(258) == (12,) else _largest(image, values)
    values = (values.astype(np.uint32) * 65535 // largest).astype(np.uint16)
    if tags.get(262) == 0:  # white is zero, which Pillow minds at 8 bits only
        values = 65535 - values
    return np.where(values == image.info.get("transparency", -1), np.uint16(65535), values)


def _largest(image: Image.Image, values: UInt16[np.ndarray, "H W"]) -> int:
    """The largest value that a file of 16 bits says its samples can have: 65535, or that of fewer.

    TIFF's MaxSampleValue may also be a mere statistic of the picture: it counts where it is the
    end of a range. PNG's sBIT tells the bits of samples that were scaled to 16 since, which leaves
    the lowest bits of small ones at zero (PNG 3, 13.12); where they are not, nothing was scaled.
    """
    tags = image.tag_v2 if isinstance(image, TiffImageFile) else {}
    told = int(np.max(tags.get(281, 0)))
    bits = image.info.get("significant bits", 0)
    if 8 < bits < 16 and (values % (1 << 16 - bits)).any():
        told = (1 << bits) - 1
    return told if told in (1023, 4095, 16383) and values.max() <= told else 65535


def _rgb_of_array(array: np.ndarray, max_pixels: int) -> Picture:
    _refuse_array(array, max_pixels)
    if array.dtype == bool:
        array = array * np.uint8(255)
    elif array.dtype.itemsize == 2:
        array = ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.shape[2] == 4:
        return _over_white(array)
    return np.array(np.broadcast_to(array, (*array.shape[:2], 3)), order="C")


def _refuse_array(array: np.ndarray, max_pixels: int) -> None:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        first = array.ndim == 3 and array.shape[0] in (1, 3, 4)
        hint = "; move channels last with array.transpose(1, 2, 0)" if first else ""
        raise PictureError(f"shape {array.shape} is not [H, W], or [H, W, 1, 3 or 4]{hint}")
    if array.dtype not in (bool, np.uint8) and array.dtype.newbyteorder("=") != np.uint16:
        raise PictureError(
            f"holds {array.dtype}, not uint8, uint16 or bool; if its values run from 0 to 1, "
            "give (array * 255).round().astype(np.uint8)"
        )
    if array.size == 0:
        raise PictureError(f"shape {array.shape} has no pixels")
    refuse_size(array.shape[1], array.shape[0], max_pixels)


def _over_white(rgba: UInt8[np.ndarray, "H W 4"]) -> Picture:
    alpha = rgba[:, :, 3:].astype(np.uint16)
    mixed = rgba[:, :, :3] * alpha + 255 * (255 - alpha)  # at most 255 * 255: no overflow
    return ((mixed + 127) // 255).astype(np.uint8)
