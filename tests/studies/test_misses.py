"""What tests came to, counted by hand, of score files and of boxes files alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.localisation.made import box, centre, dense
from verydeep.errors import UserError
from verydeep.evaluation.scores import Scores
from verydeep.evaluation.views import Protocol
from verydeep.studies.misses import Misses, refuse_others, together

SEVEN = tuple("abcdefg")


def scores(names: tuple[str, ...] = ("1", "2", "3")) -> Scores:
    """Seven classes: the first picture is right, the second at the third guess, the third last."""
    falling = np.array([0.4, 0.2, 0.15, 0.1, 0.08, 0.05, 0.02], np.float32)
    return Scores(
        np.stack([falling] * 3), np.array([0, 2, 6]), names, SEVEN,
        Protocol("dense", 32, (40,)), "digest", "print",
    )  # fmt: skip


def test_posteriors_miss_at_one_guess_and_at_five() -> None:
    found = Misses.of_scores(scores())
    assert found.missed[1].tolist() == [False, True, True]
    assert found.missed[5].tolist() == [False, False, True]
    assert found.error(1) == pytest.approx(200 / 3)
    assert found.blind is not None
    assert found.blind.tolist() == [False, True, True]  # one of each class: the first is named
    assert found.error(5) == pytest.approx(100 / 3)


def test_boxes_miss_where_class_or_place_is_wrong() -> None:
    """The second picture's class is named first, and its box is moved half of its width away.

    Of a given class there is one guess.
    """
    away = np.array([[box(0, 0, 50, 50)], [box(130, 0, 60, 80)]], np.float32)
    of_centre = Misses.of_boxes(centre(boxes=away))
    assert of_centre.missed[1].tolist() == [False, True]
    assert (of_centre.error(1), of_centre.error(5)) == (50.0, None)
    second = dense(candidates=np.array([[1, 0], [2, 0]]))  # the first picture's class comes second
    of_dense = Misses.of_boxes(second)
    assert (of_dense.error(1), of_dense.error(5)) == (50.0, 0.0)


def test_pictures_are_held_together_by_their_names() -> None:
    first, other = Misses.of_scores(scores()), Misses.of_scores(scores(("3", "1", "2")))
    assert together([first, other], 1).tolist() == [[False, True, True], [True, True, False]]
    assert together([first, other], 5).tolist() == [[False, False, True], [False, True, False]]


def test_tests_of_other_pictures_are_refused() -> None:
    first, other = Misses.of_scores(scores()), Misses.of_scores(scores(("1", "2", "4")))
    refuse_others(first, replace(first))
    with pytest.raises(
        UserError, match="are of other pictures: 2 are not in all of them, the first '3'"
    ):
        together([first, other], 1)
    with pytest.raises(UserError, match="are of other data, print-81aa and print;"):
        refuse_others(first, replace(first, data="print-81aa"))
