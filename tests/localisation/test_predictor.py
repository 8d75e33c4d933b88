"""Localisers asked for single pictures.

Numbers are by hand, of nets whose last layer gives the same whatever it sees. A picture of 100 x
200 shown at Q = 40 is 40 x 80; its centre crop of 32 begins at row 4 and column 24.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from verydeep.engines.engine import engine_for
from verydeep.errors import PictureError
from verydeep.localisation.dense import Placed
from verydeep.localisation.predictor import (
    CentreLocaliser,
    ClassLocaliser,
    Guess,
    Point,
    boxes_of,
)
from verydeep.localisation.showing import Nets
from verydeep.nets.network import Network, build
from verydeep.nets.rewording import with_last
from verydeep.nets.words import read_table
from verydeep.pictures.preprocessing import Pixels

PIXELS = Pixels((40, 40), (100.0, 110.0, 120.0))
PICTURE = np.random.default_rng(0).integers(0, 255, (100, 200, 3)).astype(np.uint8)


def always(numbers: list[float], kind: str, names: tuple[str, ...]) -> Network:
    """A net that tells the same places of every crop."""
    like = build("A", 3, width=0.125, crop=32, fc=16, pixels=PIXELS)
    words = with_last(like.table.words, (f"FC-{len(numbers)}", kind))
    network = Network.random(read_table("A", words, 32), names, PIXELS, "he", 0)
    last = network.get_submodule(network.table.scores)
    with torch.no_grad():
        last.get_parameter("weight").zero_()
        last.get_parameter("bias").copy_(torch.tensor(numbers))
    return network


def test_a_guess_is_the_strongest_of_what_is_merged_and_lies_in_the_picture() -> None:
    """Two boxes of the first class match and are averaged, three tenths against two; of the second
    class the surer of two that are apart is taken, what of it lies outside cut off."""
    one, other = [0.0, 0.0, 10.0, 10.0], [2.0, 0.0, 12.0, 10.0]
    apart, outside = [50.0, 50.0, 60.0, 60.0], [-20.0, 80.0, 20.0, 120.0]
    found = Placed(
        np.array([[one, apart], [other, outside], [apart, apart]], np.float32),
        np.array([[0.15, 0.1], [0.15, 0.5], [0.2, 0.1]], np.float32),
        np.array([0, 1]), np.array([0.7, 0.2], np.float32), (100, 200),
    )  # fmt: skip
    assert boxes_of(found, 0.6) == [(1.0, 0.0, 11.0, 10.0), (0.0, 80.0, 20.0, 100.0)]
    # not merged, the surest single one is
    assert boxes_of(found, 0.0)[0] == (50.0, 50.0, 60.0, 60.0)


def test_things_that_are_in_every_picture_have_their_boxes_by_the_centre_crop() -> None:
    """The first is (16, 16) of the crop, (40, 20) of what is shown, (100, 50) of the picture."""
    numbers = [0.5, 0.5, 0.5, 0.25, 0.0, 0.0, 0.5, 9.0]
    finder = CentreLocaliser(engine_for(always(numbers, "objects", ("eye", "nose"))))
    eye, nose = finder.ask(PICTURE)
    assert isinstance(eye, Guess)
    assert isinstance(nose, Guess)
    assert (eye.name, eye.posterior, nose.name) == ("eye", None, "nose")
    assert eye.box == pytest.approx((80, 40, 120, 60))
    # (24, 4) of what is shown is (60, 10), 40 wide; it is higher than the picture
    assert nose.box == pytest.approx((40, 0, 80, 100))


def test_points_have_their_places_by_the_centre_crop() -> None:
    finder = CentreLocaliser(engine_for(always([0.5, 0.5, -1.0, 1.0], "points", ("a", "b"))))
    one, other = finder.ask(PICTURE)
    assert isinstance(one, Point)
    assert (one.name, other[0]) == ("a", "b")
    assert tuple(one[1:]) == pytest.approx((100.0, 50.0))
    # 32 pixels left of the crop is -8 of what is shown, and its last row 36
    assert tuple(other[1:]) == pytest.approx((-20.0, 90.0))


def test_one_box_of_whatever_class_wants_no_classifier() -> None:
    """All positions have a box of 16 of the 32 pixels of a crop, 40 of the picture's, in the middle
    of the 40 rows that are shown."""
    boxes = engine_for(always([0.5, 0.5, 0.5, 0.5], "boxes", ("object",)))
    finder = ClassLocaliser(Nets(boxes, None, np.zeros(1, np.int64)), (), threshold=0.0)
    (guess,) = finder.ask(PICTURE)
    assert (guess.name, guess.posterior) == (None, None)
    x_min, y_min, x_max, y_max = guess.box
    assert (x_max - x_min, y_max - y_min) == pytest.approx((40, 40))
    assert (y_min + y_max) / 2 == pytest.approx(50)


def test_a_picture_that_cannot_be_read_is_named() -> None:
    finder = CentreLocaliser(engine_for(always([0.5] * 4, "objects", ("a",))))
    with pytest.raises(PictureError, match=r"none\.jpg"):
        finder.ask("none.jpg")
