"""Pictures however they are given. One picture in every form must give the very same pixels.

The pixels that are due are Pillow's own of the file, or those the array was made of.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from verydeep.errors import PictureError, UserError
from verydeep.parts.given import answered, given_pictures, source_of
from verydeep.pictures.reading import read_picture
from verydeep.runtime.progress import SILENT, Progress

RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
GREY = RGB[:, :, 0].copy()
TURNED = 6
"""EXIF's word for a picture whose first row is its right side: a quarter turn puts it right."""


def only(given: Any) -> np.ndarray:
    """The pixels of what stands for one picture."""
    found = given_pictures(given)
    assert found.alone
    return read_picture(source_of(found.pictures[0]))


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    "make",
    [
        bytes,
        bytearray,
        memoryview,
        io.BytesIO,
        lambda data: Image.open(io.BytesIO(data)),
        lambda data: Image.fromarray(RGB),
        lambda data: RGB,
        lambda data: RGB.transpose(2, 0, 1),
        lambda data: torch.from_numpy(RGB),
        lambda data: torch.from_numpy(RGB).permute(2, 0, 1),
        lambda data: RGB.astype(np.uint16) * 257,
        lambda data: RGB.astype(">u2") * 257,
    ],
)
def test_a_picture_in_memory_gives_its_pixels_in_whatever_form(make: Any) -> None:
    np.testing.assert_array_equal(only(make(png(Image.fromarray(RGB)))), RGB)


def test_a_file_is_taken_by_its_name_its_path_and_open() -> None:
    Path("a.png").write_bytes(png(Image.fromarray(RGB)))
    with Path("a.png").open("rb") as file:
        for given in ("a.png", Path("a.png"), file, file):  # open, more than once
            np.testing.assert_array_equal(only(given), RGB)


def test_a_file_in_memory_that_was_just_written_is_read_from_its_beginning() -> None:
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, "PNG")
    np.testing.assert_array_equal(only(file), RGB)


@pytest.mark.parametrize(
    "grey",
    [GREY, GREY[:, :, None], GREY[None], torch.from_numpy(GREY), torch.from_numpy(GREY)[None]],
)
def test_grey_is_taken_with_and_without_its_channel(grey: Any) -> None:
    np.testing.assert_array_equal(only(grey), np.stack([GREY] * 3, 2))


@pytest.mark.parametrize(
    "mode",
    [
        "1",
        "L",
        "LA",
        "La",
        "P",
        "PA",
        "RGB",
        "RGBA",
        "RGBa",
        "RGBX",
        "CMYK",
        "YCbCr",
        "HSV",
        "LAB",
        "I",
        "I;16",
        "I;16B",
    ],
)
def test_pillow_images_of_every_mode_are_taken(mode: str) -> None:
    image = Image.new(mode, (30, 20))
    assert only(image).shape == (20, 30, 3)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "YCbCr"])
def test_pillow_images_have_the_pixels_that_pillow_makes_rgb_of(mode: str) -> None:
    image = Image.fromarray(RGB).convert(mode)
    np.testing.assert_array_equal(only(image), np.asarray(image.convert("RGB")))


def test_a_pillow_image_is_put_upright_as_its_file_would_be() -> None:
    exif = Image.Exif()
    exif[274] = TURNED
    Image.fromarray(RGB).save("turned.png", exif=exif)
    with Image.open("turned.png") as image:
        np.testing.assert_array_equal(only(image), np.rot90(RGB, -1))
    np.testing.assert_array_equal(only("turned.png"), np.rot90(RGB, -1))


def test_a_gif_that_pillow_has_decoded_already_is_taken() -> None:
    Image.fromarray(GREY).save("a.gif")
    with Image.open("a.gif") as image:
        image.load()
        np.testing.assert_array_equal(only(image), read_picture("a.gif"))


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize("axes", [(0, 1, 2, 3), (0, 3, 1, 2)])
def test_four_axes_are_a_batch_with_the_channels_last_or_first(kind: Any, axes: Any) -> None:
    batch = np.stack([RGB, 255 - RGB]).transpose(axes).copy()
    given = given_pictures(kind(batch))
    assert not given.alone
    for one, due in zip(given.pictures, (RGB, 255 - RGB), strict=True):
        np.testing.assert_array_equal(read_picture(source_of(one)), due)


def test_a_list_of_one_stays_a_list(photos: Callable[..., Path]) -> None:
    assert not given_pictures([RGB]).alone
    assert not given_pictures(RGB[None]).alone
    assert not given_pictures(photos(1)).alone


def test_folders_and_globs_stand_for_their_pictures_alone_and_in_a_list(
    photos: Callable[..., Path],
) -> None:
    photos(3, 2)
    root = Path("photos")
    inside = [str(path) for path in sorted(root.rglob("*.png"))]
    assert list(given_pictures(str(root)).pictures) == inside
    assert list(given_pictures("photos/*/*.png").pictures) == inside
    assert list(given_pictures([root, RGB]).pictures[:-1]) == inside
    assert given_pictures(np.array(inside)).pictures == tuple(inside)
    assert given_pictures(path for path in inside).pictures == tuple(inside)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "None is no picture; expected a path, bytes"),
        (5, "an int is no picture"),
        ({"a": RGB}, "a dict is no picture"),
        ([[RGB]], "picture 1 of 1: a list is not one picture"),
        ([RGB, None], "picture 2 of 2: None is not one picture"),
        ([RGB[None]], "picture 1 of 1: an array is not one picture"),
        (RGB / 255, r"array of \[20, 30, 3\] holds float64, whose range is not known; .*astype"),
        (torch.rand(3, 20, 30), r"a tensor .* holds float32.*round\(\).byte\(\); .*posteriors"),
        ([RGB, torch.rand(3, 9, 9)], "picture 2 of 2: a tensor .* holds float32"),
        (RGB.astype(int), r"holds int64; .*of values from 0 to 255, give x.astype\(np.uint8\)"),
        (np.zeros((3, 500, 3), np.uint8), "channels first or last"),
        (np.zeros((28, 60, 60), np.uint8), r"\[28, 60, 60\] is no picture; expected \[H, W\]"),
        (np.zeros((2, 2, 3, 9, 9), np.uint8), "is no picture; expected"),
        (np.zeros(9, np.uint8), "is no picture; expected"),
        (io.StringIO("text"), "opened as text; open it with open"),
        ("https://example.org/cat.jpg", "is an address, and no connection is opened"),
        ("x" * 5000, "a text of 5,000 letters is no path"),
    ],
)  # fmt: skip
def test_what_is_no_picture_or_could_be_two_things_is_one_line(given: Any, said: str) -> None:
    with pytest.raises(UserError, match=said) as refused:
        given_pictures(given)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300


def closed_file() -> Any:
    file = io.BytesIO(b"x")
    file.close()
    return file


def closed_image() -> Image.Image:
    image = Image.open(io.BytesIO(png(Image.fromarray(RGB))))
    image.close()
    return image


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (closed_file, "an open file that cannot be read: I/O operation on closed file"),
        (closed_image, "Pillow image of mode RGB: cannot be read: Operation on closed image"),
        (lambda: Image.new("RGB", (0, 5)), "has no pixels"),
        (lambda: Image.new("F", (5, 5)), "floating-point pixels, whose range is not known"),
        (lambda: "a\0b", "embedded null"),
    ],
)
def test_a_picture_that_cannot_be_read_is_one_line(given: Callable[[], Any], said: str) -> None:
    with pytest.raises(PictureError, match=re.escape(said)):
        only(given())


def test_among_several_one_that_cannot_be_read_has_an_empty_answer_and_is_told_of() -> None:
    class Ear(Progress):
        said: tuple[str, ...] = ()

        def say(self, line: str) -> None:
            self.said += (line,)

    ear = Ear()
    found = answered(["none.png", RGB], lambda source: [read_picture(source).shape], ear)
    assert found == [[], [(20, 30, 3)]]
    assert ear.said == ("picture 1 of 2 has no answer: none.png: no such file or directory",)
    with pytest.raises(PictureError, match="none.png"):
        answered("none.png", lambda source: [read_picture(source).shape], SILENT)


def test_an_orientation_that_stands_behind_the_pixels_is_followed() -> None:
    """PNG's eXIf may come after IDAT; Pillow knows of it only when the picture is loaded."""
    exif = Image.Exif()
    exif[274] = TURNED
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, "PNG", exif=exif)
    data = file.getvalue()
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4])
    late = data[:start] + data[end:-12] + data[start:end] + data[-12:]
    assert late.index(b"IDAT") < late.index(b"eXIf")
    expected = np.rot90(RGB, -1)
    np.testing.assert_array_equal(only(late), expected)
    np.testing.assert_array_equal(only(Image.open(io.BytesIO(late))), expected)


@pytest.mark.parametrize("as_tensor", [False, True])
def test_bytes_kept_in_16_bits_are_no_black_picture(as_tensor: bool) -> None:
    wide = RGB.astype(np.uint16)
    with pytest.raises(UserError, match="uint16 of at most 255, where white is 65535"):
        given_pictures(torch.from_numpy(wide) if as_tensor else wide)
    assert only(np.zeros((20, 30), np.uint16)).max() == 0
