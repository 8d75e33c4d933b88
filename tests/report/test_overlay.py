"""Boxes and points on pictures: where their lines are, and that words can be read.

Places of lines are by hand; a line is 2 pixels wide on pictures of up to 600.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from verydeep.errors import UserError
from verydeep.localisation.predictor import Guess, Point
from verydeep.report.found import Drawings
from verydeep.report.overlay import COLOURS, EDGE, Mark, drawn

GREY = np.full((480, 480, 3), 128, np.uint8)
FIRST, SECOND = COLOURS[:2]


def pixels(marks: list[Mark], image: np.ndarray = GREY) -> np.ndarray:
    return np.asarray(drawn(image, marks))


def test_lines_lie_inside_of_a_box_between_dark_ones() -> None:
    found = pixels([Mark((100, 50, 300, 250))])
    row = found[150, 97:105].tolist()
    grey = [128, 128, 128]
    assert row == [grey, grey, [*EDGE], [*FIRST], [*FIRST], [*EDGE], grey, grey]
    assert found[150, 296:302].tolist() == [grey, [*EDGE], [*FIRST], [*FIRST], [*EDGE], grey]
    assert found[48:54, 200].tolist() == [grey, [*EDGE], [*FIRST], [*FIRST], [*EDGE], grey]


def test_a_light_box_has_its_lines_alone() -> None:
    found = pixels([Mark((100, 50, 300, 250), is_light=True)])
    assert [*EDGE] not in found[150].tolist()
    assert found[150, 100].tolist() == [*FIRST]


def test_the_first_mark_is_over_the_others() -> None:
    place = (100.0, 50.0, 300.0, 250.0)
    assert pixels([Mark(place), Mark(place, SECOND)])[150, 100].tolist() == [*FIRST]


def test_a_small_picture_is_enlarged_by_a_whole_number() -> None:
    """60 x 100 by 5; the box begins at column 20 x 5."""
    found = pixels([Mark((20, 10, 60, 50))], np.full((60, 100, 3), 128, np.uint8))
    assert found.shape == (300, 500, 3)
    assert found[150, 100].tolist() == [*FIRST]
    assert found[150, 98].tolist() == [128, 128, 128]


@pytest.mark.parametrize("ground", [0, 255])
def test_words_stand_dark_on_a_light_ground_of_their_own(ground: int) -> None:
    image = np.full((480, 480, 3), ground, np.uint8)
    found = pixels([Mark((100, 50, 300, 250), words="cat 0.91")], image)
    above = found[30:49, 101:140].reshape(-1, 3)
    dark = (above == EDGE).all(1).mean()
    assert 0.05 < dark < 0.6
    assert (above == FIRST).all(1).mean() > 0.3


def test_no_words_are_over_others_or_outside() -> None:
    """Three boxes in one place at the upper edge, one at the right: each has all of its ground."""
    places = [(100.0, 0.0, 300.0, 250.0)] * 3 + [(470.0, 100.0, 480.0, 300.0)]
    marks = [Mark(p, c, "mm") for p, c in zip(places, COLOURS, strict=False)]
    alone = [pixels([mark], np.zeros((480, 480, 3), np.uint8)) for mark in marks]
    together = pixels(marks, np.zeros((480, 480, 3), np.uint8))
    for mark, own in zip(marks[1:3], alone[1:3], strict=True):
        words = (own[4:30, 105:130] == mark.colour).all(2).sum()  # of a box, no line is there
        assert (together[4:90, 105:130] == mark.colour).all(2).sum() >= words > 0
    last = (alone[3] == COLOURS[3]).all(2)
    assert last[60:99, 430:].any()  # beside the box, above it


def test_points_are_dots() -> None:
    assert pixels([Mark((200, 100))])[100, 200].tolist() == [*FIRST]


@pytest.mark.parametrize("place", [(-9.0, 100.0), (200.0, -1e9), (1e9, 100.0)])
def test_a_point_outside_of_the_picture_is_not_named_in_it(place: tuple[float, float]) -> None:
    assert (pixels([Mark(place, words="nose")])[:, 20:] == 128).all()


def test_no_drawing_is_written_over_another(tmp_path: Path) -> None:
    """Whatever pictures are called, as one is here that ends as the number of another."""
    names = ["a-2.png", "a.jpg", "a.png", "a-2.jpg", "a.gif"]
    for name in names:
        Image.fromarray(GREY[:48, :60]).save(name)
    drawings = Drawings(Path("out"))
    paths = [drawings.add(name, [Point("eye", 20.0, 20.0)]) for name in names]
    assert [path.stem for path in paths] == ["a-2", "a", "a-3", "a-2-2", "a-4"]


def test_what_is_found_is_drawn_into_a_new_folder(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        Path(folder).mkdir()
        Image.fromarray(GREY[:48, :60]).save(f"{folder}/cat.png")
    drawings = Drawings(Path("out"))
    guess = Guess("cat", 0.5, (5.0, 15.0, 40.0, 30.0))
    paths = [drawings.add(f"{folder}/cat.png", [guess]) for folder in ("a", "b")]
    paths.append(drawings.add("a/cat.png", [Point("eye", 20.0, 20.0)]))
    assert [path.name for path in paths] == ["cat.jpg", "cat-2.jpg", "cat-3.jpg"]
    with Image.open(paths[0]) as first:
        assert (first.format, first.size) == ("JPEG", (480, 384))
    with pytest.raises(UserError, match=r"out has files already; give a new folder to --save"):
        Drawings(Path("out"))
    Path("file").touch()
    with pytest.raises(UserError, match=r"cannot make file"):
        Drawings(Path("file"))
