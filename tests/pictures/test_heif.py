"""HEIC and AVIF: known by their brands, and named where what decodes them is not installed.

Brands are those of ISO/IEC 23008-12 and of AVIF's specification. Pixels, damage and turns are
tested with those of the other formats.
"""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from io import BytesIO

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from verydeep.errors import PictureError
from verydeep.pictures.heif import format_of, readable_suffixes
from verydeep.pictures.reading import picture_size, read_picture


def boxes(brand: bytes, *others: bytes) -> bytes:
    size = 16 + 4 * len(others)
    return b"".join([size.to_bytes(4, "big"), b"ftyp", brand, bytes(4), *others, b"more"])


@pytest.mark.parametrize(
    ("data", "form"),
    [(boxes(b"heic", b"mif1"), "HEIC"), (boxes(b"hevc"), "HEIC"), (boxes(b"mif1", b"heic"), "HEIC"),
     (boxes(b"avif"), "AVIF"), (boxes(b"avis", b"msf1"), "AVIF"), (boxes(b"mif1", b"avif"), "AVIF"),
     (boxes(b"qt  "), None), (boxes(b"isom", b"avif"), None), (b"\xff\xd8\xff", None), (b"", None)],
)  # fmt: skip
def test_the_format_is_told_by_brands(data: bytes, form: str | None) -> None:
    assert format_of(data) == form


def test_a_pillow_without_avif_reads_everything_else() -> None:
    """Before 11.2 it had no such module: of None in its place, Python says that there is none."""
    code = (
        "import sys; sys.modules['PIL.AvifImagePlugin'] = None\n"
        "from verydeep.pictures.reading import SUFFIXES, read_picture\n"
        "print('.avif' in SUFFIXES, read_picture(b'P5 3 2 255 abcdef').shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False (2, 3, 3)\n"


def heic(mode: str, colour: tuple[int, ...], side: int = 64) -> bytes:
    file = BytesIO()
    image = pillow_heif.from_pillow(Image.new(mode, (side, side), colour))
    image.save(file, quality=-1, matrix_coefficients=0, chroma=444)
    return file.getvalue()


def test_what_is_transparent_is_over_white() -> None:
    """Half of red over white, worked by hand."""
    assert read_picture(heic("RGB", (200, 30, 60)))[9, 9].tolist() == [200, 30, 60]
    half = read_picture(heic("RGBA", (255, 0, 0, 128)))
    assert half[9, 9].tolist() == [255, 127, 127]
    file = BytesIO()
    Image.new("RGBA", (64, 64), (255, 0, 0, 128)).save(file, "AVIF", quality=100)
    found = read_picture(file.getvalue())[9, 9].astype(int)
    assert np.abs(found - [255, 127, 127]).max() <= 2


@pytest.mark.parametrize("form", ["HEIC", "AVIF"])
def test_too_many_pixels_are_refused_before_memory_is_taken(form: str) -> None:
    """The size is that of the box `ispe`, whatever the coded picture is of."""
    file = BytesIO()
    Image.new("RGB", (64, 64)).save(file, "AVIF")
    data = file.getvalue() if form == "AVIF" else heic("RGB", (0, 0, 0))
    side, huge = (n.to_bytes(4, "big") for n in (64, 9000))
    data = data.replace(b"ispe" + bytes(4) + 2 * side, b"ispe" + bytes(4) + 2 * huge)
    tracemalloc.start()
    try:
        with pytest.raises(PictureError, match=r"81 Mpx \(9000 x 9000\) where at most 50 Mpx"):
            read_picture(data)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    with pytest.raises(PictureError, match="81 Mpx"):
        picture_size(data)


def test_heic_without_its_decoder_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    data = heic("RGB", (1, 2, 3))
    assert {".heic", ".heif"} <= readable_suffixes()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert not {".heic", ".heif"} & readable_suffixes()
    with pytest.raises(PictureError, match=r"HEIC picture, which needs pip install 'verydeep\[h"):
        read_picture(data)


def test_avif_without_its_decoder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    file = BytesIO()
    Image.new("RGB", (16, 16)).save(file, "AVIF")
    monkeypatch.setattr("verydeep.pictures.heif.features.check", lambda _: False)
    assert ".avif" not in readable_suffixes()
    with pytest.raises(PictureError, match="AVIF picture, which this build of Pillow does not"):
        read_picture(file.getvalue())
