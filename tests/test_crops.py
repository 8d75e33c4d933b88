"""Crops straight from files, beside the ordinary way: Pillow's decoder and antialiased resize.

The fast way takes whole pixels of the file and resizes bilinearly, so on smooth pictures the two
must agree to a few grey levels, and by a hair where a place is a ramp whose slope is known by hand.
"""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from verydeep import crops
from verydeep.crops import read_crop
from verydeep.datasets.drawing import draw
from verydeep.errors import PictureError
from verydeep.preprocessing import Pixels, crop_at
from verydeep.threads import in_order

PIXELS = Pixels((64, 64), (0.0, 0.0, 0.0))
PLACES = [(0.0, 0.0), (0.999, 0.999), (0.5, 0.5), (0.0, 0.999), (0.3, 0.8)]


def smooth(height: int, width: int) -> np.ndarray:
    """Red rises downwards, green rightwards, blue is a slow wave: no detail to lose."""
    y, x = np.mgrid[:height, :width]
    wave = 128 + 60 * np.sin(6 * y / height) * np.cos(6 * x / width)
    return np.stack([y * 255 / height, x * 255 / width, wave], -1).astype(np.uint8)


def jpeg(image: np.ndarray, mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    options = {"quality": 95, "subsampling": 0, **options}
    Image.fromarray(image).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def fast(source: Any, scale: int, place: tuple[float, float], side: int = 56) -> np.ndarray:
    out = np.zeros((side, side, 3), np.uint8)
    read_crop(source, PIXELS, scale, place, out)
    return out


def ordinary(source: Any, scale: int, place: tuple[float, float], side: int = 56) -> np.ndarray:
    return crop_at(PIXELS.read(source, scale), *place, side)


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[274] = orientation
    return exif


@pytest.fixture
def only_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ordinary way may not be taken."""
    monkeypatch.setattr(crops, "crop_at", None)


@pytest.mark.usefixtures("only_fast")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "size", [(90, 120), (120, 90), (64, 64), (65, 191), (257, 300), (600, 800)]
)
def test_a_jpeg_gives_the_crop_of_the_ordinary_way(
    size: tuple[int, int], place: tuple[float, float]
) -> None:
    data = jpeg(smooth(*size))
    difference = np.abs(fast(data, 64, place).astype(int) - ordinary(data, 64, place))
    assert difference.mean() < 1.5
    assert difference.max() <= 8  # half a pixel of a ramp of 4 a pixel, and rounding


@pytest.mark.usefixtures("only_fast")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_stands_upright(orientation: int) -> None:
    data = jpeg(smooth(90, 150), exif=turned(orientation))
    for place in PLACES:
        difference = np.abs(fast(data, 64, place).astype(int) - ordinary(data, 64, place))
        assert difference.mean() < 1.5
        assert difference.max() <= 8


@pytest.mark.usefixtures("only_fast")
@pytest.mark.parametrize(
    ("mode", "options"), [("L", {}), ("RGB", {"progressive": True}), ("RGB", {"subsampling": 2})]
)
def test_grey_progressive_and_subsampled_jpegs_are_ordinary(
    mode: str, options: dict[str, Any]
) -> None:
    options = {k: v for k, v in options.items() if mode == "RGB"}
    data = jpeg(smooth(100, 130), mode, **options)
    difference = np.abs(fast(data, 64, (0.5, 0.5)).astype(int) - ordinary(data, 64, (0.5, 0.5)))
    assert difference.mean() < 1.5


@pytest.mark.usefixtures("only_fast")
def test_a_ramp_is_cut_where_it_should_be() -> None:
    """Green rises by 1 for each of 240 columns; S = 120 halves it; a crop of 40 at the far end
    starts at column 80 of 120, that is 160, and rises by 2 a pixel."""
    ramp = np.zeros((240, 240, 3), np.uint8)
    ramp[..., 1] = np.arange(240)
    found = fast(jpeg(ramp), 120, (0.0, 0.999), 40)[20, :, 1].astype(float)
    np.testing.assert_allclose(found, 160.5 + 2 * np.arange(40), atol=2.0)


@pytest.mark.usefixtures("only_fast")
@pytest.mark.parametrize("scale", [64, 70, 80, 96, 110, 127])
def test_shrinking_passes_over_no_pixel(scale: int) -> None:
    """Each column that the crop shows, white in turn, leaves light: at least a fifth of its own."""
    for column in range(80, 100):
        image = np.zeros((128, 192, 3), np.uint8)
        image[:, column] = 255
        found = fast(jpeg(image), scale, (0.5, 0.5))[28, :, 1].astype(float)
        assert found.sum() > 0.2 * 255 * scale / 128, column


def test_what_is_no_ordinary_jpeg_is_read_as_ever(tmp_path: Path) -> None:
    image = smooth(80, 100)
    png = io.BytesIO()
    Image.fromarray(image).save(png, "PNG")
    for source in (png.getvalue(), image, jpeg(image, "CMYK")):
        assert (fast(source, 64, (0.4, 0.6)) == ordinary(source, 64, (0.4, 0.6))).all()
    bicubic = Pixels((64, 64), (0.0, 0.0, 0.0), resize="bicubic")
    out = np.zeros((56, 56, 3), np.uint8)
    read_crop(jpeg(image), bicubic, 64, (0.4, 0.6), out)
    assert (out == crop_at(bicubic.read(jpeg(image), 64), 0.4, 0.6, 56)).all()


def test_a_remembered_picture_at_its_scale_is_only_cut() -> None:
    image = smooth(64, 90)
    assert (fast(image, 64, (0.0, 0.999)) == image[:56, 34:]).all()


@pytest.mark.parametrize(
    "data", [b"", b"<html>", b"\xff\xd8\xff", jpeg(smooth(80, 80))[:900]], ids=len
)
def test_damaged_files_are_refused_in_the_same_words(data: bytes) -> None:
    with pytest.raises(PictureError) as expected:
        ordinary(data, 64, (0.5, 0.5))
    with pytest.raises(PictureError) as found:
        fast(data, 64, (0.5, 0.5))
    assert str(found.value) == str(expected.value)


def test_more_pixels_than_are_read_are_refused() -> None:
    """The header of a small JPEG is made to say 60,000 x 60,000."""
    data = bytearray(jpeg(smooth(80, 80)))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = (60000).to_bytes(2, "big") * 2
    with pytest.raises(
        PictureError, match="3600 Mpx .60000 x 60000. where at most 50 Mpx are read"
    ):
        fast(bytes(data), 64, (0.5, 0.5))


def refusal(data: bytes) -> str:
    """Why a file is refused, or nothing."""
    try:
        fast(data, 64, (0.5, 0.5))
    except PictureError as error:
        return str(error)
    return ""


def test_a_thousand_damaged_files_give_a_picture_or_one_line() -> None:
    data = jpeg(draw(0, 3, (90, 120)).image, quality=80)
    dice = random.Random(0)
    refused = 0
    for _ in range(1000):
        changed = bytearray(data)
        for _ in range(dice.choice((1, 3, 20))):
            changed[dice.randrange(len(data))] = dice.randrange(256)
        if dice.random() < 0.3:
            del changed[dice.randrange(len(data)) :]
        line = refusal(bytes(changed))
        refused += line != ""
        assert "\n" not in line
    assert 100 < refused < 900


def test_threads_change_nothing() -> None:
    files = [jpeg(draw(0, i, (90, 120)).image) for i in range(30)]
    one, four = (
        list(in_order(lambda d: fast(d, 64, (0.3, 0.7)), files, threads, 8)) for threads in (1, 4)
    )
    assert all((a == b).all() for a, b in zip(one, four, strict=True))
