"""Windows of pictures as they are read: a rectangle is looked for in the pixels that come out.

`tests/rectangles.py` finds it without asking us. How EXIF orientations turn a picture is Pillow's
`ImageOps.exif_transpose`.
"""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.rectangles import found_in, with_rectangle
from verydeep.pictures.boxes import into_window, out_of_window
from verydeep.pictures.picture_files import shrinking
from verydeep.pictures.preprocessing import RESIZE_RULES, Pixels
from verydeep.pictures.reading import Source, original_size, picture_size, read_with_window
from verydeep.pictures.windows import Window

SIZE, BOX = (401, 603), (250, 90, 471, 322)
ORIGINAL = with_rectangle(SIZE, BOX)
BOXES = np.array([BOX], float)

STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How an upright picture is stored by each EXIF orientation."""


def stored(orientation: int, form: str = "JPEG", progressive: bool = False) -> bytes:
    image, turn = Image.fromarray(ORIGINAL), STORED[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    buffer = io.BytesIO()
    options = {"quality": 95, "progressive": progressive} if form == "JPEG" else {}
    turned = image if turn is None else image.transpose(turn)
    turned.save(buffer, form, exif=exif, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", STORED)
def test_pictures_are_stored_here_as_pillow_reads_them(orientation: int) -> None:
    image = Image.open(io.BytesIO(stored(orientation, "PNG")))
    assert np.array_equal(np.asarray(ImageOps.exif_transpose(image)), ORIGINAL)


@pytest.mark.parametrize("by", [1, 2, 4, 8])
@pytest.mark.parametrize("orientation", STORED)
def test_the_window_of_a_decoded_jpeg_is_of_the_upright_original(orientation: int, by: int) -> None:
    """401 and 603 are not divided by 2, 4 or 8: at an eighth 7 pixels of 408 are beyond the edge.

    Which edge that is hangs on the orientation; a window that took the first for the picture's own
    would be off by 0.9 decoded pixels.
    """
    data, side = stored(orientation), SIZE[0] // (4 * by)
    assert shrinking(SIZE, side) == by
    image, window = read_with_window(data, smaller_side=side)
    assert image.shape[:2] == window.size == (-(-SIZE[0] // by), -(-SIZE[1] // by))
    assert window.picture == original_size(data) == SIZE
    found = found_in(image)
    assert found is not None
    np.testing.assert_allclose(into_window(BOXES, window)[0], found, atol=0.2)
    np.testing.assert_allclose(out_of_window(np.array([found]), window)[0], BOX, atol=0.2 * by)


def test_a_jpeg_of_more_pixels_than_are_read_has_the_window_of_the_whole() -> None:
    data = stored(6)
    image, window = read_with_window(data, max_pixels=SIZE[0] * SIZE[1] - 1)
    assert image.shape[:2] == window.size == picture_size(data, SIZE[0] * SIZE[1] - 1) == (201, 302)
    assert window.picture == SIZE
    found = found_in(image)
    assert found is not None
    np.testing.assert_allclose(into_window(BOXES, window)[0], found, atol=0.2)


def test_a_picture_read_as_it_is_has_its_own_window() -> None:
    for source in (stored(1), stored(1, "PNG"), stored(8, "WEBP"), stored(3, "TIFF"), ORIGINAL):
        assert read_with_window(source)[1] == Window.whole(SIZE)


FORMS: dict[str, Source] = {
    "JPEG": stored(1),
    "turned JPEG": stored(6),
    "progressive": stored(3, progressive=True),
    "PNG": stored(5, "PNG"),
    "array": ORIGINAL,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rule", RESIZE_RULES)
@pytest.mark.parametrize("side", [24, 49, 50, 97, 401, 430])
def test_a_rescaled_picture_shows_boxes_where_its_window_says(
    side: int, rule: str, form: str
) -> None:
    """Each side has its factor: at 97 the larger is rounded from 145.86 to 146."""
    pixels = Pixels((side, side), (0.0, 0.0, 0.0), resize=rule)
    image, window = pixels.read_with_window(FORMS[form], side)
    assert image.shape[:2] == window.size
    assert window.picture == SIZE
    found = found_in(image)
    assert found is not None
    np.testing.assert_allclose(into_window(BOXES, window)[0], found, atol=0.15)
    there = into_window(BOXES, window.mirror().cropped(3, -7, (9, 9)))
    back = out_of_window(there, window.mirror().cropped(3, -7, (9, 9)))
    np.testing.assert_allclose(back, BOXES, atol=1e-4)


def test_steps_are_those_of_pixels() -> None:
    """Rescaled by twos, cut, mirrored and cut again: done to pixels whose values are their places.

    A crop of a mirrored view is counted from where its own pixels begin.
    """
    places = np.moveaxis(np.mgrid[:60, :80], 0, -1) + 0.5  # (y, x) of the middle of each pixel
    view = places.reshape(30, 2, 40, 2, 2).mean((1, 3))[4:20, 6:36][:, ::-1][2:12, 5:25]
    window = Window.whole((60, 80)).rescaled((30, 40)).cropped(4, 6, (16, 30)).mirror()
    window = window.cropped(2, 5, (10, 20))
    assert window.mirrored
    for row, column in ((0, 0), (9, 19), (3, 7)):
        middle = np.array([[column + 0.5, row + 0.5] * 2])
        expected = [*view[row, column][::-1]] * 2
        assert out_of_window(middle, window)[0].tolist() == pytest.approx(expected)
    left, top, right, bottom = window.shown
    assert (top, bottom) == (view[0, 0, 0] - 1, view[-1, 0, 0] + 1)  # pixels are two wide
    assert (left, right) == (view[0, -1, 1] - 1, view[0, 0, 1] + 1)


def test_a_window_of_a_window_is_one_of_the_picture() -> None:
    kept = Window.whole((60, 80)).rescaled((30, 41)).mirror()
    crop = Window.whole((30, 41)).rescaled((45, 61)).cropped(3, 9, (20, 20)).mirror()
    found = kept.then(crop)
    assert (found.picture, found.size, found.mirrored) == ((60, 80), (20, 20), False)
    boxes = np.array([[3.0, 4, 50, 40]])
    by_steps = into_window(into_window(boxes, kept), crop)
    np.testing.assert_allclose(into_window(boxes, found), by_steps, atol=1e-9)
