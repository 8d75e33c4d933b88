"""A picture's file, up to the point where Pillow decodes it: its format, its size, its turn.

Comes in: the bytes of a file. Goes out: Pillow's image, not yet decoded, and its orientation.

Pillow sees only the parts of a file that make pixels: a damaged EXIF block, text or colour
profile then costs neither the picture nor a warning. Pillow's classes are called directly, not
through `Image.open`, so that no other format is tried and our `max_pixels` decides.
"""

import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from itertools import islice

from PIL import Image, TiffTags
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from verydeep.errors import PictureError
from verydeep.pictures import heif, netpbm
from verydeep.pictures.size_limit import refuse_size

SPARE = 4
"""Times the smaller side that is asked for, which a JPEG keeps when its decoder shrinks it."""


def open_image(
    data: bytes, max_pixels: int, smaller_side: int | None = None
) -> tuple[ImageFile, int]:
    """Pillow's image, not yet decoded, and its EXIF orientation, 1 to 8.

    A JPEG is to be decoded at 1 / `shrinking`, or less where it has more than `max_pixels`;
    `full_size` then tells what it is a part of.
    """
    form, exif = format_of(data), b""
    image: ImageFile
    if form == "JPEG":
        pixels, exif = jpeg_for_pixels(data)
        image = JpegImageFile(BytesIO(pixels))
        _reduce(image, pixels, max_pixels, smaller_side)
    elif form == "PNG":
        pixels, exif, significant = _png_for_pixels(data)
        image = PngImageFile(BytesIO(pixels))
        image.info["significant bits"] = significant
        _mend_transparency(image, bits=pixels[24])
    elif form == "TIFF":
        image, exif = _open_tiff(data, max_pixels), data
    elif form == "BMP":
        image = BmpImageFile(BytesIO(data))
    elif form == "HEIC":
        image = heif.open_heic(data)
    elif form == "AVIF":
        image = heif.open_avif(data)
        exif = image.info.get("exif", b"")
    elif form == "GIF":
        with _pillow_without_limit():
            image = GifImageFile(BytesIO(data))
    else:
        refuse_size(*_webp_size(data), max_pixels)
        with _pillow_without_limit():
            image = WebPImageFile(BytesIO(data))
        exif = image.info.get("exif", b"")
    refuse_size(image.width, image.height, max_pixels)
    return image, orientation_of(exif.removeprefix(b"Exif\0\0"))


_NOT_READ = {
    b"%PDF": "a PDF document",
    b"8BPS": "a Photoshop picture",
    b"PK\3\4": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"\x93NUMPY": "a NumPy array (read it with np.load)",
    b"\0\0\0\x0cJXL ": "a JPEG XL picture",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 picture",
}


def format_of(data: bytes) -> str:
    """What the first bytes say, whatever the file is called; refuses what is none of ours."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WebP"
    if data.startswith(b"BM"):
        return "BMP"
    if netpbm.MAGIC.match(data):
        return "Netpbm"
    if form := heif.format_of(data):
        return form
    raise PictureError(_not_a_picture(data))


def _not_a_picture(data: bytes) -> str:
    if not data:
        return "empty"
    what = next((what for magic, what in _NOT_READ.items() if data.startswith(magic)), None)
    if data[4:8] == b"ftyp":
        what = "a film, or a picture of another kind"
    if what:
        return f"is {what}, which is not read here; save it as JPEG or PNG"
    begin = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in begin:
        return "looks like SVG, a drawing without pixels; save it as PNG"
    if b"<html" in begin or begin.startswith(b"<!doctype html"):
        return "looks like HTML: a web page, perhaps an error page, was saved in place of a picture"
    with suppress(UnicodeDecodeError):
        if "".join(data[:1000].decode().split()).isprintable():
            return "looks like text, not like a picture"
    return f"unknown format, begins with {data[:8].hex(' ')}; JPEG, PNG, WebP, GIF, BMP, TIFF do"


def full_size(image: ImageFile) -> tuple[tuple[int, int], int]:
    """(Width, height) of the picture in a file, and by how much its decoder shrinks it."""
    size, by = image.info.get("full size", (image.size, 1))
    return size, by


def _reduce(image: ImageFile, data: bytes, max_pixels: int, smaller_side: int | None) -> None:
    """Sets how much of a JPEG is decoded: the whole, a half, a quarter or an eighth of each side.

    libjpeg keeps the coefficients of all of a picture that does not come line by line: such a one
    is never of more than `max_pixels`.
    """
    width, height = image.size
    part = shrinking(image.size, smaller_side)
    if width * height > max_pixels:
        fit = [k for k in (2, 4, 8) if -(-width // k) * -(-height // k) <= max_pixels]
        part = max(part, fit[0]) if fit and _comes_line_by_line(data) else 1
    if part > 1:
        image.draft(None, (width // part, height // part))
        image.info["full size"] = (width, height), part


def shrinking(size: tuple[int, int], smaller_side: int | None) -> int:
    """By how much the decoder of a JPEG of a size may shrink it: 1, 2, 4 or 8.

    Its smaller side stays at four times the one that is asked for, or above: what is then rescaled
    differs from what the whole picture would give by 0.3 to 0.5 grey levels in the mean on mosaics
    of photographs, 2 at most in 99 of 100 values; it would be 0.4 to 0.6 and 3 at three times, 0.8
    to 1.4 and 7 at twice, 3.5 to 4.1 and 24 at once, where gradients have 1.5 to 1.8 times their
    energy. Fine print on white stays 2 to 4 levels off at any: only whole decoding clips its waves.

    >>> shrinking((3000, 4000), 256), shrinking((375, 500), 256)
    (2, 1)
    """
    if smaller_side is None:
        return 1
    return max(by for by in (1, 2, 4, 8) if by == 1 or min(size) >= by * SPARE * smaller_side)


def _comes_line_by_line(jpeg: bytes) -> bool:
    """Whether a JPEG is sequential, with all its colours in one scan."""
    frame, at = 0, 2
    while at + 10 <= len(jpeg) and jpeg[at] == 0xFF:
        marker = jpeg[at + 1]
        if marker in (0xC0, 0xC1):
            frame = jpeg[at + 9]
        if marker == 0xDA:
            return frame == jpeg[at + 4]
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return False


def jpeg_for_pixels(data: bytes) -> tuple[bytes, bytes]:
    """The file without APP1-APP13, APP15 and comments, and its EXIF block.

    Kept are APP0 (JFIF) and APP14 (Adobe), which tell the colour space. What MPO adds is dropped
    with APP2, and its first picture remains.
    """
    kept, exif, at = [data[:2]], b"", 2
    while (at := data.find(b"\xff", at)) >= 0 and data[at + 1 : at + 2] != b"\xda":
        marker = data[at + 1] if at + 1 < len(data) else 0
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD9:  # these stand alone
            at += 1 if marker == 0xFF else 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            exif = exif or data[at + 4 : end]
        if marker not in {*range(0xE1, 0xEE), 0xEF, 0xFE}:
            kept.append(data[at:end])
        at = end
    return b"".join([*kept, data[at:] if at >= 0 else b""]), exif


def _png_for_pixels(data: bytes) -> tuple[bytes, bytes, int]:
    """The file with IHDR, PLTE, tRNS, IDAT and IEND alone, its EXIF block, and the bits of sBIT."""
    kept, exif, significant, at = [data[:8]], b"", 0, 8
    while at + 8 <= len(data):
        kind, end = data[at + 4 : at + 8], at + 12 + int.from_bytes(data[at : at + 4], "big")
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            kept.append(data[at:end])
        elif kind == b"eXIf":
            exif = data[at + 8 : end - 4]
        elif kind == b"sBIT":
            significant = data[at + 8] if end > at + 12 else 0
        at = end
    return b"".join(kept), exif, significant


def sample_bits(data: bytes) -> int:
    """Bits of a sample of a PNG or a TIFF; 8 of any other file, and of a damaged one."""
    if data.startswith(b"\x89PNG") and len(data) > 24:
        return data[24]
    with suppress(struct.error, OverflowError):
        if data.startswith((b"II", b"MM")):
            offset, _, _ = _tiff_layout(data)
            for tag, _, count, value, _ in _tiff_entries(data):
                if tag == 258:
                    place = 0 if 2 * count <= len(value) else offset.unpack(value)[0]
                    first = (data[place:] if place else value)[:2]
                    return int.from_bytes(first, "little" if data[:1] == b"I" else "big")
    return 8


def _mend_transparency(image: ImageFile, bits: int) -> None:
    """Pillow scales pixels to 8 bits, but not the colour that tRNS calls transparent."""
    colour = image.info.get("transparency")
    if isinstance(colour, int) and bits < 8:
        image.info["transparency"] = colour * 255 // (2**bits - 1)
    elif isinstance(colour, tuple) and bits == 16:
        image.info["transparency"] = tuple(value >> 8 for value in colour)


def _open_tiff(data: bytes, max_pixels: int) -> ImageFile:
    image = _Tiff(BytesIO(_tiff_for_pixels(data)))
    # libtiff takes memory for a whole tile (tags 322 and 323), however small the picture.
    tags = image.tag_v2
    refuse_size(tags.get(322, 1), tags.get(323, 1), max_pixels)
    # libtiff prints on stderr when a strip (273, 279) or tile (324, 325) ends beyond the file.
    places = tags.get(273, tags.get(324, ())), tags.get(279, tags.get(325, ()))
    if tags.get(259) != 1 and any(a + b > len(data) for a, b in zip(*places, strict=False)):
        raise PictureError(f"TIFF that is truncated after {len(data)} bytes")
    if (tags.get(262), tags.get(259)) == (6, 1) and tags.get(530, (2, 2)) != (1, 1):
        # Pillow would read such bytes as if each pixel had its own colour.
        raise PictureError("TIFF of YCbCr with coarser colour, uncompressed; save it as PNG")
    return image


class _Tiff(TiffImageFile):
    def load_prepare(self) -> None:
        """As Pillow's, which takes memory here after asking its own limit."""
        if self._im is None:
            self.im = Image.new(self.mode, self.size).im
        super().load_prepare()


# Sizes in bytes of TIFF's types, and the tags that Pillow and libtiff decode by.
_TYPE_BYTES = dict(enumerate((1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8), start=1))
_TIFF_TAGS = {256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 281, 284, 292, 293, 317, 320}
_TIFF_TAGS |= {322, 323, 324, 325, 332, 338, 339, 347, *range(512, 522), *range(529, 533)}


def _tiff_for_pixels(data: bytes) -> bytes:
    """The file with a new list of tags: those of its first page that make pixels."""
    offset, number, _ = _tiff_layout(data)
    kept: dict[int, bytes] = {}
    left = len(data)
    for tag, kind, count, value, entry in _tiff_entries(data):
        size = count * _TYPE_BYTES.get(kind, 0)
        if tag in kept or tag not in _TIFF_TAGS or size == 0:
            continue
        if TiffTags.lookup(tag).length == 1 and count != 1 and kind not in (1, 2, 7):
            raise PictureError(f"TIFF that is damaged: its tag {tag} has {count} values for one")
        if size > len(value):
            left -= size
            if left < 0 or offset.unpack(value)[0] + size > len(data):
                raise PictureError(f"TIFF that is truncated or damaged at its tag {tag}")
        kept[tag] = entry
    begin = offset.size  # where the place of the first list is written: 4, or 8 in BigTIFF
    place = offset.pack(len(data) + len(data) % 2)
    tags = [bytes(len(data) % 2), number.pack(len(kept)), *kept.values(), bytes(8)]
    return b"".join([data[:begin], place, data[begin + len(place) :], *tags])


def _tiff_layout(data: bytes) -> tuple[struct.Struct, struct.Struct, struct.Struct]:
    """How an offset, a number of tags and a tag are written; BigTIFF has wider ones."""
    order = "<" if data[:1] == b"I" else ">"
    forms = ("Q", "Q", "HHQ8s") if 43 in data[2:4] else ("I", "H", "HHI4s")
    offset, number, entry = (struct.Struct(order + form) for form in forms)
    return offset, number, entry


def _tiff_entries(data: bytes) -> Iterator[tuple[int, int, int, bytes, bytes]]:
    """Tag, type, count, value or where it lies, and the whole entry; struct.error when cut."""
    offset, number, entry = _tiff_layout(data)
    (start,) = offset.unpack_from(data, offset.size)
    (count,) = number.unpack_from(data, start)
    for at in islice(range(start + number.size, len(data) + 1, entry.size), min(count, 65535)):
        yield *entry.unpack_from(data, at), data[at : at + entry.size]


_limit_lock = threading.Lock()


@contextmanager
def _pillow_without_limit() -> Iterator[None]:
    """Only for reading a header, where GIF and WebP would ask Pillow's limit in place of ours."""
    with _limit_lock:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height, read here because Pillow's header reading takes the canvas' memory."""
    if data[12:16] == b"VP8X":
        numbers = data[24:27], data[27:30]
        return int.from_bytes(numbers[0], "little") + 1, int.from_bytes(numbers[1], "little") + 1
    if data[12:16] == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def orientation_of(exif: bytes) -> int:
    """The orientation that an EXIF block says, 1 to 8; 1 where it is damaged or says none."""
    with suppress(struct.error, OverflowError):
        for tag, kind, _, value, _ in _tiff_entries(exif):
            if tag == 274 and kind in (3, 4):
                number = value[: _TYPE_BYTES[kind]]
                found = int.from_bytes(number, "little" if exif[:1] == b"I" else "big")
                return found if 1 <= found <= 8 else 1
    return 1
