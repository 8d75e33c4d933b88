"""Odd pictures, each with what must come out, or the refusal it must meet.

Expected pixels are worked by hand from the formats' specifications: values of 16 bits divided by
257, alpha laid over white as (c * a + 255 * (255 - a)) / 255, ink as (255 - c)(255 - k) / 255,
LAB by CIE's formulas for D50. PNG and TIFF files are put together here byte by byte; Pillow's
encoders make the others, and only colours that its decoders cannot get wrong alike are expected.
"""

import random
import struct
import threading
import tracemalloc
import warnings
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from verydeep.errors import PictureError, UserError
from verydeep.pictures.reading import SUFFIXES, picture_size, read_picture
from verydeep.pictures.size_limit import MAX_PIXELS


@pytest.fixture(autouse=True)
def _no_warning() -> Iterator[None]:
    """A warning raised as an error would end as a PictureError unseen, so they are counted."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    assert [str(warning.message) for warning in caught] == []


# --- files, put together by hand -------------------------------------------------------------


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int, bits: int = 8, colour: int = 2, lace: int = 0) -> bytes:
    fields = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, lace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", fields)


def png(width: int, bits: int, colour: int, *rows: bytes, extra: bytes = b"") -> bytes:
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    head = png_header(width, len(rows), bits, colour)
    return head + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def exif(orientation: int, order: str = "<") -> bytes:
    """A whole EXIF block: a TIFF header and a list of one tag, 274."""
    mark = b"II" if order == "<" else b"MM"
    return mark + struct.pack(f"{order}HIHHHIHHI", 42, 8, 1, 274, 3, 1, orientation, 0, 0)


def tiff(width: int, pixels: bytes, bits: tuple[int, ...], **more: Any) -> bytes:
    """One strip, uncompressed. `tags` are further ones, as tag=(type, value, ...)."""
    order, tags = more.get("order", "<"), more.get("tags", {})
    height = more.get("height", 1)
    tags = {
        256: (4, width), 257: (4, height), 258: (3, *bits), 259: (3, 1), 262: (3, 1),
        273: (4, 8), 277: (3, len(bits)), 278: (4, height), 279: (4, len(pixels)),
    } | tags  # fmt: skip
    begin = 8 + len(pixels) + len(pixels) % 2
    entries, beyond = b"", b""
    for tag, (kind, *values) in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(values)}{' BsHI'[kind]}", *values)
        if len(packed) > 4:
            place = struct.pack(order + "I", begin + 6 + 12 * len(tags) + len(beyond))
            packed, beyond = place, beyond + packed
        entries += struct.pack(order + "HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, begin)
    count, end = struct.pack(order + "H", len(tags)), bytes(4)
    return head + pixels.ljust(begin - 8, b"\0") + count + entries + end + beyond


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def flat(colour: Any, mode: str = "RGB", size: tuple[int, int] = (16, 16)) -> Image.Image:
    return Image.new(mode, size, colour)


def ycck_jpeg(y: int, cb: int, cr: int, k: int) -> bytes:
    """A flat JPEG that stores these four, marked as YCCK.

    Pillow stores 255 less what it is given and marks it as CMYK; the marking's last byte says 2
    for YCCK.
    """
    data = encoded(flat((255 - y, 255 - cb, 255 - cr, 255 - k), "CMYK"), "JPEG", quality=100)
    transform = data.index(b"Adobe") + 11
    assert data[transform] == 0
    return data[:transform] + b"\2" + data[transform + 1 :]


def jpeg_with(segment: bytes, marker: int = 0xE1, data: bytes | None = None) -> bytes:
    data = data or encoded(flat("red"), "JPEG", quality=95)
    return data[:2] + struct.pack(">BBH", 0xFF, marker, len(segment) + 2) + segment + data[2:]


def gif(width: int, height: int, frame: tuple[int, int, int, int], indices: int) -> bytes:
    """A palette of red and blue, one frame, all of it blue; no transparency."""
    palette = bytes([255, 0, 0, 0, 0, 255])
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + palette
    picture = b"," + struct.pack("<HHHHB", *frame, 0)
    # LZW of two colours: codes of three bits, clear = 4, end = 5; each clear keeps the width.
    codes = [4]
    for _ in range(indices):
        codes += [1, 4]
    bits = sum(code << 3 * place for place, code in enumerate([*codes, 5]))
    lzw = bits.to_bytes((len(codes) + 1) * 3 // 8 + 1, "little")
    return head + picture + b"\x02" + bytes([len(lzw)]) + lzw + b"\0;"


def webp_header(kind: bytes, width: int, height: int) -> bytes:
    """The first 30 bytes of the three kinds of WebP; what follows is never reached."""
    if kind == b"VP8X":
        data = bytes(4) + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    elif kind == b"VP8L":
        data = struct.pack("<BI", 0x2F, (width - 1) | (height - 1) << 14) + bytes(5)
    else:
        data = bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", width, height)
    return b"RIFF" + struct.pack("<I", 22) + b"WEBP" + kind + struct.pack("<I", 10) + data


RED, GREEN, BLUE, WHITE, BLACK = (
    (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)
)  # fmt: skip


def grey(*values: int) -> list[tuple[int, int, int]]:
    return [(value, value, value) for value in values]


# --- pictures and their first row of pixels ----------------------------------------------------

red_twice = flat("red", size=(2, 1))
red_blue = Image.new("P", (2, 1))
red_blue.putpalette([*RED, *BLUE])
red_blue.putpixel((1, 0), 1)
two_frames = {"save_all": True, "append_images": [flat("blue", size=(2, 1))]}
u16 = struct.Struct(">3H").pack
trns = chunk(b"tRNS", b"\0\1")
# 0 -> 0; 128 / 257 = 0.498 -> 0; 129 / 257 = 0.502 -> 1; 30000 / 257 = 116.7; 65535 -> 255
SIXTEEN, EIGHT = (0, 128, 129, 30000, 65535), grey(0, 0, 1, 117, 255)

EXACT = {
    "png rgb": (png(2, 8, 2, bytes(RED + BLUE)), [RED, BLUE]),
    "png rgba over white": (
        # 0 * 100 + 255 * 155 = 39525 / 255 = 155; 200 * 51 + 255 * 204 = 62220 / 255 = 244
        # 1 * 128 + 255 * 127 = 32513 / 255 = 127.502, rounded 128
        png(4, 8, 6, bytes((255, 0, 0, 0, 0, 0, 0, 100, 200, 0, 255, 51)) + bytes((1, 1, 1, 128))),
        [WHITE, (155, 155, 155), (244, 204, 255), (128, 128, 128)],
    ),
    "png grey": (png(3, 8, 0, bytes([0, 7, 255])), grey(0, 7, 255)),
    "png grey and alpha": (png(2, 8, 4, bytes([0, 100, 9, 255])), grey(155, 9)),
    "png one bit": (png(8, 1, 0, b"\x0f"), grey(0, 0, 0, 0, 255, 255, 255, 255)),
    "png two bits": (png(4, 2, 0, b"\x1b"), grey(0, 85, 170, 255)),
    "png one bit, white transparent": (
        png(8, 1, 0, b"\x0f", extra=trns), [BLACK] * 4 + [WHITE] * 4),
    "png one bit, black transparent": (
        png(8, 1, 0, b"\x0f", extra=chunk(b"tRNS", b"\0\0")), [WHITE] * 8),
    "png two bits, one transparent": (png(4, 2, 0, b"\x1b", extra=trns), grey(0, 255, 170, 255)),
    "png grey, one transparent": (png(3, 8, 0, bytes([0, 1, 2]), extra=trns), grey(0, 255, 2)),
    "png rgb, one transparent": (
        png(2, 8, 2, bytes([1, 2, 3, 4, 5, 6]), extra=chunk(b"tRNS", u16(1, 2, 3))),
        [WHITE, (4, 5, 6)],
    ),
    "png 16-bit grey": (png(5, 16, 0, struct.pack(">5H", *SIXTEEN)), EIGHT),
    "png 16-bit grey, one transparent": (
        png(3, 16, 0, u16(0, 1000, 30000), extra=chunk(b"tRNS", struct.pack(">H", 1000))),
        grey(0, 255, 117),
    ),
    "png 16-bit rgb": (png(1, 16, 2, u16(0, 0x80FF, 65535)), [(0, 128, 255)]),
    "png 16-bit rgb, one transparent": (
        png(2, 16, 2, u16(256, 512, 768) + u16(0, 0x80FF, 65535),
            extra=chunk(b"tRNS", u16(256, 512, 768))),
        [WHITE, (0, 128, 255)],
    ),
    "png 16-bit rgba": (png(1, 16, 6, struct.pack(">4H", 0, 0, 0, 0x6464)), grey(155)),
    "png 16-bit grey and alpha": (png(1, 16, 4, struct.pack(">2H", 0, 0x6464)), grey(155)),
    "png palette": (
        png(2, 8, 3, bytes([0, 1]), extra=chunk(b"PLTE", bytes(RED + BLUE))), [RED, BLUE]),
    "png palette with alpha": (
        png(2, 8, 3, bytes([0, 1]),
            extra=chunk(b"PLTE", bytes(RED + BLUE)) + chunk(b"tRNS", b"\x64\xff")),
        [(255, 155, 155), BLUE],
    ),
    "png interlaced": (
        # Adam7 of 2 x 1: pass 1 holds the first pixel, pass 6 the second.
        png_header(2, 1, lace=1)
        + chunk(b"IDAT", zlib.compress(b"\0" + bytes(RED) + b"\0" + bytes(BLUE)))
        + chunk(b"IEND", b""),
        [RED, BLUE],
    ),
    "png animated": (encoded(red_twice, "PNG", **two_frames), [RED, RED]),
    "png animated, badly": (
        png(1, 8, 2, bytes(RED), extra=chunk(b"acTL", bytes(8)) + chunk(b"acTL", bytes(8))), [RED]),
    "png with a damaged colour profile": (
        png(1, 8, 2, bytes(RED), extra=chunk(b"iCCP", b"x")), [RED]),
    "png with a damaged EXIF": (
        png(1, 8, 2, bytes(RED), extra=chunk(b"eXIf", b"MM\0*\xff")), [RED]),
    "gif": (encoded(red_blue, "GIF"), [RED, BLUE]),
    "gif with transparency": (encoded(red_blue, "GIF", transparency=0), [WHITE, BLUE]),
    "gif animated": (encoded(red_twice, "GIF", **two_frames), [RED, RED]),
    "gif with a frame smaller than its canvas": (gif(3, 1, (1, 0, 1, 1), 1), [WHITE, BLUE, WHITE]),
    "gif with a frame larger than its canvas": (gif(1, 1, (0, 0, 2, 1), 2), [BLUE, BLUE]),
    "webp lossless": (
        encoded(flat((9, 8, 7), size=(2, 1)), "WEBP", lossless=True), [(9, 8, 7)] * 2),
    "webp with alpha": (
        encoded(flat((0, 0, 0, 100), "RGBA", (1, 1)), "WEBP", lossless=True, exact=True),
        grey(155),
    ),
    "webp animated": (
        encoded(red_twice, "WEBP", lossless=True, **two_frames), [RED, RED]),
    "bmp": (encoded(red_twice, "BMP"), [RED, RED]),
    "bmp palette": (encoded(red_blue, "BMP"), [RED, BLUE]),
    "bmp one bit": (encoded(flat(1, "1", (2, 1)), "BMP"), [WHITE, WHITE]),
    "tiff rgb": (tiff(2, bytes(RED + BLUE), (8, 8, 8), tags={262: (3, 2)}), [RED, BLUE]),
    "tiff big-endian": (
        tiff(2, bytes(RED + BLUE), (8, 8, 8), tags={262: (3, 2)}, order=">"), [RED, BLUE]),
    "tiff 16-bit grey": (tiff(5, struct.pack("<5H", *SIXTEEN), (16,)), EIGHT),
    "tiff 16-bit grey, big-endian": (
        tiff(5, struct.pack(">5H", *SIXTEEN), (16,), order=">"), EIGHT),
    "tiff 16-bit grey, white is zero": (
        tiff(2, struct.pack("<2H", 0, 65535), (16,), tags={262: (3, 0)}), grey(255, 0)),
    "tiff 8-bit grey, white is zero": (tiff(2, b"\0\xff", (8,), tags={262: (3, 0)}), grey(255, 0)),
    # Two pixels of 12 bits in three bytes; 0x123 / 4095 * 255 = 18.12
    "tiff 12-bit grey": (tiff(2, b"\x12\x3f\xff", (12,)), grey(18, 255)),
    "tiff 16-bit rgb": (
        tiff(1, u16(0, 0x80FF, 65535), (16,) * 3, tags={262: (3, 2)}, order=">"),
        [(0, 128, 255)],
    ),
    "tiff signed 16 bits, Pillow's mode I": (
        tiff(2, struct.pack("<2h", 0, 30000), (16,), tags={339: (3, 2)}), grey(0, 117)),
    "tiff 32 bits that need only 16": (tiff(2, struct.pack("<2I", 0, 30000), (32,)), grey(0, 117)),
    "tiff rgba": (
        tiff(1, bytes((0, 0, 0, 100)), (8,) * 4, tags={262: (3, 2), 338: (3, 2)}), grey(155)),
    "tiff rgba, premultiplied": (
        # 60 = 150 * 102 / 255 was stored; over white it is 60 + 255 - 102 = 213
        tiff(1, bytes((60, 60, 60, 102)), (8,) * 4, tags={262: (3, 2), 338: (3, 1)}), grey(213)),
    "tiff grey, premultiplied": (
        tiff(1, bytes((60, 102)), (8,) * 2, tags={338: (3, 1)}), grey(213)),
    "tiff cmyk": (
        # (255 - 0)(255 - 51) / 255 = 204; (255 - 255)... = 0
        tiff(1, bytes((0, 255, 0, 51)), (8,) * 4, tags={262: (3, 5)}), [(204, 0, 204)]),
    "tiff of several pages": (encoded(red_twice, "TIFF", **two_frames), [RED, RED]),
    "tiff lzw": (encoded(red_twice, "TIFF", compression="tiff_lzw"), [RED, RED]),
    "tiff deflate": (encoded(red_twice, "TIFF", compression="tiff_adobe_deflate"), [RED, RED]),
    "tiff fax": (encoded(flat(1, "1", (8, 1)), "TIFF", compression="group4"), [WHITE] * 8),
    "tiff big": (encoded(red_twice, "TIFF", big_tiff=True), [RED, RED]),
    # 2048 / 4095 * 65535 / 257 = 127.53
    "tiff 16-bit grey of 12 bits": (
        tiff(2, struct.pack("<2H", 2048, 4095), (16,), tags={281: (3, 4095)}), grey(128, 255)),
    "tiff whose MaxSampleValue is no range": (
        tiff(1, struct.pack("<H", 2570), (16,), tags={281: (3, 3000)}), grey(10)),
    "tiff whose MaxSampleValue is wrong": (
        tiff(1, struct.pack("<H", 65535), (16,), tags={281: (3, 4095)}), grey(255)),
    # sBIT of 12, of samples that were not scaled: 4095 is white
    "png 16-bit grey of 12 bits": (
        png(3, 16, 0, u16(0, 1365, 4095), extra=chunk(b"sBIT", b"\x0c")), grey(0, 85, 255)),
    # and that were: 0x123 is 0x1231, 4657 / 257 = 18.1; 0x0FF is 0x0FF0, 4080 / 257 = 15.9
    "png 16-bit grey, scaled from 12": (
        png(2, 16, 0, b"\x12\x31\xff\xff", extra=chunk(b"sBIT", b"\x0c")), grey(18, 255)),
    "png 16-bit grey, scaled from 12, dark": (
        png(1, 16, 0, b"\x0f\xf0", extra=chunk(b"sBIT", b"\x0c")), grey(16)),
    "netpbm grey": (b"P5\n# a comment\n3 1\n255\n\0\x7f\xff", grey(0, 127, 255)),
    "netpbm rgb": (b"P6 2 1 255\n" + bytes(RED + BLUE), [RED, BLUE]),
    "netpbm grey of 16 bits": (b"P5 5 1 65535\n" + struct.pack(">5H", *SIXTEEN), EIGHT),
    # 7 / 15 * 255 = 119; 2048 / 4095 * 255 = 127.5, up
    "netpbm grey to 15": (b"P5 3 1 15\n\0\x07\x0f", grey(0, 119, 255)),
    "netpbm rgb to 4095": (b"P6 1 1 4095 " + u16(0, 2048, 4095), [(0, 128, 255)]),
    "netpbm bitmap": (b"P4 9 1\n\x80\x80", grey(0, *[255] * 7, 0)),
    "netpbm plain bitmap": (b"P1\n3 1\n01 0", grey(255, 0, 255)),
    "netpbm plain grey": (b"P2 2 1 15 0 # black\n15\n", grey(0, 255)),
    "netpbm plain rgb": (b"P3\n1 1\n255\n1 2\n3", [(1, 2, 3)]),
    "netpbm of two pictures": (b"P5 1 1 255\n\x07P5 1 1 255\n\x09", grey(7)),
    "tiff with a tag beyond its end": (
        tiff(2, b"\7\7", (8,), tags={34377: (4, 1, 2, 3)})[:-8], grey(7, 7)),
}  # fmt: skip


@pytest.mark.parametrize("name", EXACT)
def test_pixels_are_those_worked_by_hand(name: str) -> None:
    data, row = EXACT[name]
    picture = read_picture(data)
    assert picture.tolist() == [[list(pixel) for pixel in row]]
    assert picture_size(data) == picture.shape[:2]


# A colour to be given back within the rounding of JPEG (three steps of 255) or LAB (five).
CLOSE = {
    "jpeg": (encoded(flat((200, 30, 60)), "JPEG", quality=100), (200, 30, 60)),
    "jpeg grey": (encoded(flat(77, "L"), "JPEG", quality=100), (77, 77, 77)),
    "jpeg progressive": (
        encoded(flat((200, 30, 60)), "JPEG", quality=100, progressive=True), (200, 30, 60)),
    # No ink but magenta and yellow is red; k = 51 darkens it to 204.
    "jpeg cmyk, inverted as Adobe does": (
        encoded(flat((0, 255, 255, 51), "CMYK"), "JPEG", quality=100), (204, 0, 0)),
    # YCbCr of ink (0, 255, 255) read as if it were RGB: 179, 171, 0; stored k is inverted.
    "jpeg ycck": (ycck_jpeg(179, 171, 0, 204), (204, 0, 0)),
    "jpeg mpo of a phone": (
        encoded(flat("red"), "MPO", save_all=True, append_images=[flat("blue")]), RED),
    "jpeg named png inside": (encoded(flat("red"), "PNG"), RED),
    "jpeg with a damaged EXIF": (jpeg_with(b"Exif\0\0II*\0\xff\xff\xff"), RED),
    "jpeg with an EXIF of far offsets": (
        jpeg_with(b"Exif\0\0MM\0*" + struct.pack(">IHHHII", 8, 9, 282, 5, 2**31, 2**31)), RED),
    "jpeg with an EXIF of countless tags": (
        jpeg_with(b"Exif\0\0II+\0" + struct.pack("<IQQ", 8, 16, 2**64 - 1)), RED),
    "jpeg with a damaged colour profile": (jpeg_with(b"ICC_PROFILE\0", 0xE2), RED),
    "jpeg with a damaged photoshop block": (jpeg_with(b"Photoshop 3.0\0" + b"8BIM", 0xED), RED),
    "jpeg with garbage at its end": (encoded(flat("red"), "JPEG", quality=95) + bytes(99), RED),
    "webp": (encoded(flat((200, 30, 60)), "WEBP", quality=100), (200, 30, 60)),
    "tiff jpeg": (
        encoded(flat((200, 30, 60)), "TIFF", compression="jpeg", quality=100), (200, 30, 60)),
    # sRGB's red has L*a*b* = 54.29, 80.81, 69.89 under D50; L* is stored times 2.55.
    "tiff lab": (tiff(1, bytes((138, 81, 70)), (8,) * 3, tags={262: (3, 8)}), RED),
    # L* = 50.2: Y = (66.2 / 116)^3 = 0.1859, in sRGB 1.055 Y^(1 / 2.4) - 0.055 = 0.4686 of 255
    "tiff lab grey": (tiff(1, bytes((128, 0, 0)), (8,) * 3, tags={262: (3, 8)}), (119, 119, 119)),
}  # fmt: skip


@pytest.mark.parametrize("name", CLOSE)
def test_colour_comes_back_within_rounding(name: str) -> None:
    data, colour = CLOSE[name]
    difference = read_picture(data).astype(int) - np.array(colour)
    assert np.abs(difference).max() <= (5 if "lab" in name else 3)


# --- orientation -------------------------------------------------------------------------------

LYING = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.uint8) * 40
UPRIGHT = {
    1: [[1, 2, 3], [4, 5, 6]],
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[4, 1], [5, 2], [6, 3]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[3, 6], [2, 5], [1, 4]],
}


def turned(form: str, orientation: int) -> bytes:
    order = "<>"[orientation % 2]
    block = exif(orientation, order)
    if form == "png":
        rows = [row.tobytes() for row in LYING]
        return png(3, 8, 0, *rows, extra=chunk(b"eXIf", block))
    if form == "tiff":
        tags = {274: (3, orientation)}
        return tiff(3, LYING.tobytes(), (8,), order=order, height=2, tags=tags)
    if form == "tiff lzw":
        image = Image.fromarray(LYING)
        return encoded(image, "TIFF", compression="tiff_lzw", tiffinfo={274: orientation})
    if form == "webp":
        image = Image.fromarray(LYING).convert("RGB")
        return encoded(image, "WEBP", lossless=True, exif=b"Exif\0\0" + block)
    blocks = Image.fromarray(LYING.repeat(8, axis=0).repeat(8, axis=1))
    if form == "avif":
        return encoded(blocks.convert("RGB"), "AVIF", quality=100, exif=b"Exif\0\0" + block)
    if form == "heic":
        file = BytesIO()
        heic = pillow_heif.from_pillow(blocks.convert("RGB"))
        heic.save(file, quality=-1, matrix_coefficients=0, chroma=444, exif=b"Exif\0\0" + block)
        return file.getvalue()
    return jpeg_with(b"Exif\0\0" + block, data=encoded(blocks, "JPEG", quality=100))


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("form", ["jpeg", "png", "tiff", "tiff lzw", "webp", "avif", "heic"])
def test_picture_stands_upright(form: str, orientation: int) -> None:
    data = turned(form, orientation)
    picture = read_picture(data)
    step = 8 if form in ("jpeg", "avif", "heic") else 1
    expected = np.array(UPRIGHT[orientation]) * 40
    assert (
        picture_size(data) == picture.shape[:2] == (step * len(expected), step * expected.shape[1])
    )
    assert np.abs(picture[step // 2 :: step, step // 2 :: step, 0] - expected).max() <= 1


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_orientation_that_does_not_exist_is_upright(orientation: int) -> None:
    assert read_picture(turned("png", orientation))[:, :, 0].tolist() == LYING.tolist()


def test_first_exif_of_a_jpeg_counts() -> None:
    data = jpeg_with(b"Exif\0\0" + exif(6), data=turned("jpeg", 1))
    assert read_picture(data).shape == (24, 16, 3)


def test_exif_after_the_pixels_counts() -> None:
    data = turned("png", 1)
    late = data[:-12] + chunk(b"eXIf", exif(6)) + data[-12:]
    late = late.replace(chunk(b"eXIf", exif(1, ">")), b"")
    assert read_picture(late)[:, :, 0].tolist() == (np.array(UPRIGHT[6]) * 40).tolist()


# --- arrays --------------------------------------------------------------------------------------

ARRAYS: dict[str, tuple[np.ndarray, list[tuple[int, int, int]]]] = {
    "grey": (np.array([[0, 7]], np.uint8), grey(0, 7)),
    "grey with a channel": (np.array([[[0], [7]]], np.uint8), grey(0, 7)),
    "rgb": (np.array([[RED, BLUE]], np.uint8), [RED, BLUE]),
    "rgba": (np.array([[(0, 0, 0, 100)]], np.uint8), grey(155)),
    "bool": (np.array([[False, True]]), grey(0, 255)),
    "16-bit grey": (np.array([SIXTEEN], np.uint16), EIGHT),
    "16-bit grey, big-endian": (np.array([SIXTEEN], ">u2"), EIGHT),
    "16-bit rgba": (np.array([[(0, 0, 0, 100 * 257)]], np.uint16), grey(155)),
    "bool rgb": (np.array([[(True, False, False)]]), [RED]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_array_gives_the_pixels_worked_by_hand(name: str) -> None:
    array, row = ARRAYS[name]
    before = array.copy()
    picture = read_picture(array)
    assert picture.tolist() == [[list(pixel) for pixel in row]]
    assert picture_size(array) == picture.shape[:2]
    picture[:] = 99
    assert np.array_equal(array, before)


@pytest.mark.parametrize(
    "source",
    [
        np.zeros((4, 3, 3), np.uint8)[:, ::-1],
        turned("png", 6),
        turned("jpeg", 1),
        EXACT["png rgba over white"][0],
    ],
    ids=["array", "turned", "jpeg", "alpha"],
)
def test_picture_has_memory_of_its_own(source: bytes | np.ndarray) -> None:
    flags = read_picture(source).flags
    assert flags.c_contiguous
    assert flags.writeable
    assert read_picture(source).dtype == np.uint8


# --- refusals ------------------------------------------------------------------------------------

whole = encoded(Image.effect_noise((64, 64), 90).convert("RGB"), "JPEG")
noisy = Image.effect_noise((64, 64), 90).convert("RGB")
no_pixels = chunk(b"IDAT", b"") + chunk(b"IEND", b"")
huge_bmp = b"BM" + struct.pack("<IIIIiiHHIIIIII", 0, 0, 54, 40, 60000, 60000, 1, 24, *[0] * 6)
HUGE = {
    "png": png_header(60000, 60000) + no_pixels,
    "gif": gif(60000, 60000, (0, 0, 60000, 60000), 1),
    "gif frame": gif(1, 1, (0, 0, 60000, 60000), 1),
    "bmp": huge_bmp,
    "tiff": tiff(60000, b"\0", (8,), height=60000),
    "tiff tile": tiff(
        8, bytes(8), (8,),
        tags={259: (3, 5), 322: (4, 60000), 323: (4, 60000), 324: (4, 8), 325: (4, 8)},
    ),
    "netpbm": b"P6 60000 60000 255\n",
    "netpbm plain": b"P1 60000 60000\n0",
    "jpeg": whole.replace(struct.pack(">HH", 64, 64), struct.pack(">HH", 60000, 60000), 1),
}  # fmt: skip


@pytest.mark.parametrize("name", HUGE)
def test_too_many_pixels_are_refused_before_memory_is_taken(name: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(PictureError, match=r"3600 Mpx \(60000 x 60000\).*50 Mpx.*smaller"):
            read_picture(HUGE[name])
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    with pytest.raises(PictureError, match="3600 Mpx"):
        picture_size(HUGE[name])


@pytest.mark.parametrize("kind", [b"VP8 ", b"VP8L", b"VP8X"])
def test_large_webp_never_reaches_a_decoder_that_takes_memory(
    kind: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("verydeep.pictures.picture_files.WebPImageFile")
    with pytest.raises(PictureError, match=r"191.6 Mpx \(16383 x 11693\) where at most 50 Mpx"):
        read_picture(webp_header(kind, 16383, 11693))


REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", r"^picture \(0 bytes\): empty$"),
    "html": (b"\n<!DOCTYPE html><html><body>404</body></html>", "looks like HTML"),
    "html without doctype": (b"<HTML><head></head></HTML>", "looks like HTML"),
    "svg": (b'<?xml version="1.0"?><svg xmlns="x"/>', "looks like SVG"),
    "text": (b"version https://git-lfs.github.com/spec/v1\r\n", "looks like text"),
    "heic": (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC that cannot be decoded"),
    "avif": (b"\0\0\0\x18ftypavif" + bytes(40), "AVIF that cannot be decoded"),
    "film": (b"\0\0\0\x18ftypqt  " + bytes(40), "is a film.*save it as JPEG or PNG"),
    "pdf": (b"%PDF-1.7\n", "is a PDF document"),
    "psd": (b"8BPS\0\1" + bytes(40), "Photoshop"),
    "zip": (b"PK\3\4" + bytes(40), "zip archive"),
    "zeros": (bytes(100), "unknown format, begins with 00 00"),
    "png, zero width": (png_header(0, 5) + no_pixels, "size of zero"),
    "png, zero height": (png_header(5, 0) + no_pixels, "size of zero"),
    "png of 3 bits": (png_header(5, 5, bits=3) + no_pixels, "unknown kind of pixels"),
    "png, header only": (png_header(5, 5), "PNG.*truncated"),
    "png, signature only": (png_header(5, 5)[:8], "PNG.*truncated after 8 bytes"),
    "png, cut": (encoded(noisy, "PNG")[:3000], "PNG.*truncated after 3000 bytes"),
    "png, damaged": (png(1, 8, 2, bytes(RED)).replace(b"IHDR\0", b"IHDR\1"), "broken PNG"),
    "jpeg, cut": (whole[:1000], "JPEG.*truncated after 1000 bytes"),
    "jpeg, cut in its header": (whole[:100], "JPEG.*truncated after 100 bytes"),
    "jpeg, three bytes": (whole[:3], "JPEG.*truncated after 3 bytes"),
    "gif, cut": (encoded(noisy, "GIF")[:1500], "GIF.*truncated"),
    "gif, cut in its header": (encoded(noisy, "GIF")[:9], "GIF.*truncated"),
    "webp, cut": (encoded(noisy, "WEBP")[:800], "WebP.*truncated after 800 bytes"),
    "webp, cut in its header": (encoded(noisy, "WEBP")[:20], "WebP.*truncated"),
    "bmp, cut": (encoded(noisy, "BMP")[:3000], "BMP.*truncated"),
    "tiff, cut": (encoded(noisy, "TIFF")[:3000], "TIFF.*truncated"),
    "tiff lzw, cut": (encoded(noisy, "TIFF", compression="tiff_lzw")[:3000], "TIFF.*truncated"),
    "tiff, cut in its tags": (tiff(2, b"\0\0", (8,))[:60], "TIFF.*truncated"),
    "tiff of floats": (
        tiff(1, struct.pack("<f", 0.5), (32,), tags={339: (3, 3)}), "floating-point"),
    "tiff of 32 bits": (tiff(1, struct.pack("<I", 70000), (32,)), "outside 0 to 65535"),
    "tiff of negative values": (
        tiff(1, struct.pack("<h", -1), (16,), tags={339: (3, 2)}), "outside 0 to 65535"),
    "tiff lzw of a strip beyond its end": (
        tiff(2, b"\0\0", (8,), tags={259: (3, 5), 279: (4, 9999)}), "TIFF.*truncated"),
    "tiff whose tags read the same bytes": (
        # Tags 320 and 529 of 50 values of 16 bits each, in a file of 150 bytes.
        tiff(2, b"\0\0", (8,), tags={320: (3, 9), 529: (3, 9)})
        .replace(struct.pack("<HIHH", 3, 1, 9, 0), struct.pack("<HII", 3, 50, 0)),
        "at its tag 529",
    ),
    "tiff of subsampled colour": (
        tiff(2, bytes(6), (8, 8, 8), tags={262: (3, 6)}), "YCbCr with coarser colour"),
    "netpbm, cut": (b"P5 9 9 255\n" + bytes(80), "Netpbm.*truncated: 80 values of 81"),
    "netpbm of 16 bits, cut": (b"P5 2 1 999\n\0\1\2", "Netpbm.*truncated: 1 values of 2"),
    "netpbm plain, cut": (b"P2 2 1 255\n7", "Netpbm.*truncated: 1 values of 2"),
    "netpbm bitmap, cut": (b"P4 9 1\n\0", "Netpbm.*truncated: 1 values of 2"),
    "netpbm, zero width": (b"P5 0 9 255\n", "Netpbm of 0 x 9"),
    "netpbm of 17 bits": (b"P5 1 1 65536\n\0\0", "values to 65536"),
    "netpbm above its largest": (b"P5 1 1 15\n\x10", "a value of 16, above its largest, 15"),
    "netpbm of negative numbers": (b"P2 1 1 15\n-1", "no number"),
    "netpbm of endless numbers": (b"P2 1 1 15\n" + b"9" * 99, "above its largest"),
    "netpbm without a height": (b"P5 9 x", "damaged header"),
    "jpeg, progressive and large": (
        encoded(noisy, "JPEG", progressive=True).replace(
            struct.pack(">HH", 64, 64), struct.pack(">HH", 9000, 9000), 1), "81 Mpx.*smaller"),
    "tiff of two widths": (tiff(2, b"\0\0", (8,), tags={256: (4, 2, 3)}), "tag 256 has 2 values"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refusal_is_one_line_that_says_why(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    data, reason = REFUSED[name]
    with pytest.raises(PictureError, match=reason) as refusal:
        read_picture(data)
    assert str(refusal.value).startswith(f"picture ({len(data)} bytes): ")
    assert "\n" not in str(refusal.value)
    assert isinstance(refusal.value, UserError)
    assert capfd.readouterr().err == ""


REFUSED_ARRAYS: dict[str, tuple[np.ndarray, str]] = {
    "floats": (np.zeros((4, 4, 3), np.float32), r"^array: holds float32.*array \* 255.*uint8"),
    "long integers": (np.zeros((4, 4, 3), np.int64), "holds int64"),
    "signed 16 bits": (np.zeros((4, 4, 3), np.int16), "holds int16"),
    "channels first": (np.zeros((3, 8, 9), np.uint8), r"\(3, 8, 9\).*transpose\(1, 2, 0\)"),
    "two channels": (np.zeros((8, 9, 2), np.uint8), r"\(8, 9, 2\)"),
    "a batch": (np.zeros((2, 8, 9, 3), np.uint8), r"\(2, 8, 9, 3\)"),
    "a line": (np.zeros(5, np.uint8), r"\(5,\)"),
    "nothing": (np.zeros((0, 5, 3), np.uint8), r"\(0, 5, 3\) has no pixels"),
    "objects": (np.array([[None]]), "holds object"),
    "more than the limit": (np.broadcast_to(np.uint8(0), (9000, 9000)), "81 Mpx"),
}


@pytest.mark.parametrize("name", REFUSED_ARRAYS)
def test_refused_array_is_told_what_would_do(name: str) -> None:
    array, reason = REFUSED_ARRAYS[name]
    with pytest.raises(PictureError, match=reason):
        read_picture(array)
    with pytest.raises(PictureError, match=reason):
        picture_size(array)


# --- files ---------------------------------------------------------------------------------------


def test_file_is_read_by_what_it_holds_not_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "n02105855_2933.JPEG"
    path.write_bytes(EXACT["png rgb"][0])
    assert read_picture(path).tolist() == read_picture(str(path)).tolist() == [[[*RED], [*BLUE]]]
    assert picture_size(path) == (1, 2)


def test_mpo_named_jpg_gives_its_first_picture(tmp_path: Path) -> None:
    path = tmp_path / "phone.jpg"
    path.write_bytes(CLOSE["jpeg mpo of a phone"][0])
    assert np.abs(read_picture(path).astype(int) - RED).max() <= 3


def test_refusal_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "cat.jpg"
    with pytest.raises(PictureError, match=r"cat\.jpg: no such file or directory$"):
        read_picture(path)
    path.write_bytes(b"<html>")
    with pytest.raises(PictureError, match=r"cat\.jpg: looks like HTML"):
        read_picture(str(path))
    with pytest.raises(PictureError, match=r"cat\.jpg: looks like HTML"):
        picture_size(path)
    with pytest.raises(PictureError, match=r": is a directory$"):
        read_picture(tmp_path)
    with pytest.raises(PictureError, match=r"embedded null byte"):
        read_picture("cat\0.jpg")


def test_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")  # chmod would not stop root

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PictureError, match=r"cat\.jpg: permission denied$"):
        read_picture(tmp_path / "cat.jpg")


def test_netpbm_is_read_as_pillow_reads_it() -> None:
    """An implementation of others, where its scaling and ours are the same: at 255."""
    chance = np.random.default_rng(0)
    for mode, shape in (("L", (7, 13)), ("RGB", (7, 13, 3)), ("1", (7, 13))):
        image = Image.fromarray(chance.integers(0, 256, shape, np.uint8)).convert(mode)
        assert (read_picture(encoded(image, "PPM")) == np.asarray(image.convert("RGB"))).all()


def test_newline_in_a_file_name_keeps_the_refusal_one_line() -> None:
    with pytest.raises(PictureError, match=r"^a\\nb\.jpg: no such file"):
        read_picture("a\nb.jpg")


def test_size_of_a_jpeg_whose_header_is_long(tmp_path: Path) -> None:
    data = turned("jpeg", 6)
    for _ in range(6):
        data = jpeg_with(bytes(60000), 0xEF, data)
    path = tmp_path / "long.jpg"
    path.write_bytes(data)
    assert picture_size(path) == read_picture(path).shape[:2] == (24, 16)


def test_suffixes_are_lower_case_endings() -> None:
    assert {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"} <= SUFFIXES
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in SUFFIXES)


# --- limits and scaling --------------------------------------------------------------------------

VALID = {
    "jpeg": turned("jpeg", 6),
    "cmyk": CLOSE["jpeg ycck"][0],
    "mpo": CLOSE["jpeg mpo of a phone"][0],
    "png": turned("png", 6),
    "apng": EXACT["png animated"][0],
    "png16": EXACT["png 16-bit grey"][0],
    "webp": turned("webp", 6),
    "webp animated": EXACT["webp animated"][0],
    "gif": EXACT["gif with transparency"][0],
    "gif animated": EXACT["gif animated"][0],
    "bmp": EXACT["bmp palette"][0],
    "tiff": turned("tiff", 6),
    "tiff lzw": turned("tiff lzw", 6),
    "tiff jpeg": CLOSE["tiff jpeg"][0],
    "tiff big": EXACT["tiff big"][0],
    "tiff fax": EXACT["tiff fax"][0],
    "avif": turned("avif", 6),
    "heic": turned("heic", 6),
    "netpbm": EXACT["netpbm rgb"][0],
    "netpbm plain": EXACT["netpbm plain grey"][0],
}


@pytest.mark.parametrize("name", VALID)
def test_pillows_own_limit_decides_nothing_and_is_left_alone(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read_picture(VALID[name])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 0)
    assert np.array_equal(read_picture(VALID[name]), expected)
    with pytest.raises(PictureError, match="at most 1e-06 Mpx"):
        read_picture(VALID[name], max_pixels=1)
    assert Image.MAX_IMAGE_PIXELS == 0


def test_max_pixels_is_the_largest_number_read() -> None:
    data = encoded(flat("red", size=(16, 24)), "PNG")
    assert read_picture(data, max_pixels=24 * 16).shape == (24, 16, 3)
    assert picture_size(data, max_pixels=24 * 16) == (24, 16)
    with pytest.raises(PictureError, match="at most 0.000383 Mpx"):
        read_picture(data, max_pixels=24 * 16 - 1)
    with pytest.raises(PictureError, match="at most 0.000383 Mpx"):
        picture_size(data, max_pixels=24 * 16 - 1)
    assert MAX_PIXELS == 50_000_000


@pytest.mark.parametrize(
    ("most", "side", "shape"),
    [(101 * 321, None, (101, 321)), (101 * 321 - 1, None, (51, 161)), (51 * 161, None, (51, 161)),
     (51 * 161 - 1, None, (26, 81)), (13 * 41, None, (13, 41)), (51 * 161, 6, (26, 81)),
     (26 * 81, 50, (26, 81))],
)  # fmt: skip
def test_a_jpeg_of_more_pixels_is_decoded_at_a_half_a_quarter_or_an_eighth(
    most: int, side: int | None, shape: tuple[int, int]
) -> None:
    """Each side is divided and rounded up, as libjpeg does."""
    data = encoded(flat((200, 30, 60), size=(321, 101)), "JPEG", quality=100)
    picture = read_picture(data, max_pixels=most, smaller_side=side)
    assert picture.shape == (*shape, 3)
    assert np.abs(picture.astype(int) - (200, 30, 60)).max() <= 3
    if side is None:
        assert picture_size(data, max_pixels=most) == shape
    with pytest.raises(PictureError, match="save it smaller"):
        read_picture(data, max_pixels=13 * 41 - 1)


@pytest.mark.parametrize(
    ("side", "shape"),
    [(None, (200, 320)), (999, (200, 320)), (200, (200, 320)), (26, (200, 320)), (25, (100, 160)),
     (13, (100, 160)), (12, (50, 80)), (7, (50, 80)), (6, (25, 40)), (1, (25, 40))],
)  # fmt: skip
def test_four_times_the_smaller_side_is_kept(side: int | None, shape: tuple[int, int]) -> None:
    data = encoded(flat((200, 30, 60), size=(320, 200)), "JPEG", quality=100)
    picture = read_picture(data, smaller_side=side)
    assert picture.shape == (*shape, 3)
    assert np.abs(picture.astype(int) - (200, 30, 60)).max() <= 3


def test_smaller_side_of_other_formats_decodes_whole() -> None:
    assert read_picture(VALID["png"], smaller_side=1).shape == (3, 2, 3)


# --- damage and threads --------------------------------------------------------------------------


@pytest.mark.parametrize("name", VALID)
def test_damage_gives_a_picture_or_a_refusal(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(name)
    refused, lines = 0, {0}
    for turn in range(120):
        data = bytearray(VALID[name])
        if turn % 3 == 0:
            del data[chance.randrange(len(data)) :]
        for _ in range(turn % 3 * 2):
            data[chance.randrange(len(data))] = chance.choice([0, 255, chance.randrange(256)])
        try:
            picture = read_picture(bytes(data), max_pixels=1_000_000)
            assert picture.dtype == np.uint8
            assert picture.shape[2] == 3
            assert picture_size(bytes(data), max_pixels=1_000_000) == picture.shape[:2]
        except PictureError as error:
            refused += 1
            lines.add(str(error).count("\n"))
    assert refused > 20
    assert lines == {0}
    if not name.startswith("tiff"):  # libtiff prints, and cannot be told not to
        assert capfd.readouterr().err == ""


def test_eight_threads_read_the_same() -> None:
    expected = {name: read_picture(data) for name, data in VALID.items()}
    limit, barrier = Image.MAX_IMAGE_PIXELS, threading.Barrier(8)

    def read_all(seed: int) -> bool:
        names = list(VALID) * 5
        random.Random(seed).shuffle(names)
        barrier.wait()
        return all(np.array_equal(read_picture(VALID[name]), expected[name]) for name in names)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read_all, range(8)))
    assert limit == Image.MAX_IMAGE_PIXELS
