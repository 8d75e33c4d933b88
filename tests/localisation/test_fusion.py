"""Boxes files put in one order, compared and fused; counts of wrong pictures are by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.localisation.made import box, centre, dense, four, truth
from verydeep.errors import UserError
from verydeep.evaluation.comparison import mcnemar
from verydeep.localisation.boxes_file import Localised, load_boxes, save_boxes
from verydeep.localisation.figures import figures
from verydeep.localisation.fusion import aligned, compare_boxes, fuse_boxes
from verydeep.localisation.guesses import guesses

TURNED = np.array([3, 1, 0, 2])


def test_pictures_are_taken_in_another_order_with_all_that_is_theirs() -> None:
    found = dense().only(np.array([1, 0]))
    assert found.names == ("ü.png", "a.jpg")
    assert found.ends.tolist() == [1, 3]
    assert found.boxes[0, 0].tolist() == box(100, 0, 60, 80)
    assert found.truth(0).labels.tolist() == [2]
    assert found.truth(1).boxes.tolist() == [box(0, 0, 50, 50)]
    back = found.only(np.array([1, 0]))
    assert np.array_equal(back.boxes, dense().boxes)
    assert figures(back) == figures(dense())


def test_tests_of_the_same_pictures_are_put_in_the_first_ones_order() -> None:
    _, found = aligned([four(), four().only(TURNED)])
    assert found.names == four().names
    assert np.array_equal(found.boxes, four().boxes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"classes": ("cat", "dog", "crow")}, "other classes: class 2 is 'crow' there and 'owl'"),
        ({"names": ("a", "b", "c", "e")}, "lacks picture 'd', which boxes file 1 has"),
        ({"data": "else"}, "is of other data, else instead of print"),
        (
            {
                "truth": truth(
                    *[[(box(0, 0, 50, i), k)] for i, k in ((50, 0), (9, 2), (9, 1), (9, 1))]
                )
            },
            "boxes file 2 has other true boxes of picture 'b' than boxes file 1; test both on the",
        ),
        (
            {"labels": np.array([0, 2, 1, 0])},
            "boxes file 2 has other labels: picture 'd' is of class 'cat' there and of class 'dog'",
        ),
    ],
)
def test_tests_of_something_else_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as error:
        compare_boxes(four(), four_with(**changes))
    assert said in str(error.value)


def test_tests_are_joined_by_their_pictures_and_their_true_boxes() -> None:
    """Whether boxes were in the fingerprint of their data, or others elsewhere in it, or not."""
    each = [four_with(data=data) for data in ("print", "print-81aa", "print-9b00")]
    assert len(aligned(each)) == 3
    with pytest.raises(UserError, match="boxes file 2 has other true boxes of picture 'd'"):
        aligned([four(), four_with(truth=four().truth.only(np.array([0, 1, 2, 0])))])


def four_with(**changes: Any) -> Localised:
    return replace(four(), **changes)


def test_a_test_that_was_given_the_class_is_of_another_question() -> None:
    with pytest.raises(UserError, match="boxes file 2 was given the class, boxes file 1 had to"):
        aligned([dense(), centre()])


def test_two_tests_are_compared_by_the_pictures_that_each_has_wrong() -> None:
    """Wrong at top-5 are c and d of the one, a, c and d of the other."""
    other = four().boxes.copy()
    other[0, 0] = box(150, 50, 50, 50)
    found = compare_boxes(four(), four_with(boxes=other, weights="another").only(TURNED))
    assert (found.k, found.error_a, found.error_b) == (5, 50.0, 75.0)
    assert (found.only_a, found.only_b, found.p) == (0, 1, 1.0)
    assert "25.0 points of top-5 localisation error (95 %" in str(found)
    turned = str(compare_boxes(four_with(boxes=other, weights="another"), four()))
    assert turned == str(found)


def test_with_the_class_given_tests_are_compared_by_top_1() -> None:
    found = compare_boxes(centre(), centre())
    assert found.k == 1
    assert "points of top-1 localisation error with the class given" in str(found)


def test_ps_are_those_of_the_wrong_pictures() -> None:
    """Thirty copies of the four pictures, of which the other test has half as many wrong."""
    one = four().only(np.tile(np.arange(4), 30))
    one = replace(one, names=tuple(map(str, range(120))))
    better = one.boxes.copy()
    better[3::8] = box(0, 0, 100, 100)
    candidates = one.candidates.copy()
    candidates[3::8, 0] = 1
    other = replace(one, boxes=better, candidates=candidates, weights="another")
    found = compare_boxes(one, other, pairs=3)
    p = mcnemar(guesses(one).wrong(5), guesses(other).wrong(5)).p
    assert (found.only_a, found.only_b) == (15, 0)
    assert found.p == pytest.approx(3 * p)
    assert p == pytest.approx(2 * 0.5**15)


def three(x: float, rating: float, **changes: Any) -> Localised:
    """A box of 10 x 10 at x for the first picture, one in the place of the second's object."""
    rows = [[box(x, 0, 10, 10)], [box(100, 0, 60, 80)]]
    found = dense(
        boxes=np.array(rows, np.float32),
        ratings=np.array([[rating], [1]], np.float32),
        ends=np.array([1, 2]),
        candidates=np.array([[0], [2]]),
        posteriors=np.full((2, 1), 0.5, np.float32),
    )
    return replace(found, **changes)


def test_boxes_of_several_nets_are_merged_together() -> None:
    """0 and 2 agree (0.533) and outweigh the surest, which is elsewhere."""
    tests = [three(0, 0.25), three(2, 0.25, weights="b"), three(90, 0.375, weights="c")]
    found = fuse_boxes([replace(test, threshold=0.6) for test in tests])
    assert found.ends.tolist() == [3, 6]
    assert found.boxes[:3, 0, 0].tolist() == [0, 2, 90]
    made = guesses(found)
    assert made.boxes[0, 0].tolist() == box(1, 0, 10, 10)
    assert made.ratings[:, 0].tolist() == [0.5, 3.0]
    assert found.weights == "digest b c"
    assert len(found.members) == 3
    assert found.title.startswith("the boxes of 3: digest (dense, ")


def test_pictures_in_another_order_are_fused_by_name() -> None:
    tests = [three(0, 0.5), three(2, 0.25, weights="b")]
    ordered = fuse_boxes(tests)
    turned = fuse_boxes([tests[0], tests[1].only(np.array([1, 0]))])
    assert np.array_equal(turned.boxes, ordered.boxes)
    assert np.array_equal(turned.ratings, ordered.ratings)


def test_what_is_fused_says_what_it_is_of(tmp_path: Any) -> None:
    one = three(0, 0.5, threshold=0.25, chosen_on="a", role="test", net=("D", 256, 256))
    other = three(2, 0.5, threshold=0.75, chosen_on="b", role="validation", engine="onednn")
    found = fuse_boxes([one, other])
    assert (found.threshold, found.chosen_on, found.role) == (0.5, "a and b", "validation")
    assert (found.engine, found.net) == ("torch and onednn", None)
    save_boxes(found, tmp_path / "x.safetensors")
    assert load_boxes(tmp_path / "x.safetensors").members == found.members


@pytest.mark.parametrize(
    ("tests", "said"),
    [
        ([dense()], "1 boxes file"),
        ([centre(), centre()], "nothing to fuse; test with --protocol dense"),
        (
            [dense(), dense(candidates=np.array([[0, 1], [2, 1]]))],
            "boxes file 2 has other candidates of picture 'ü.png': 'owl', 'dog', not 'owl', 'cat'; "
            "test both with the same --candidates",
        ),
        ([dense(), three(0, 1)], "boxes file 2 has 1 candidates a picture, not 2; test both with"),
    ],
)
def test_what_cannot_be_fused_is_refused(tests: list[Localised], said: str) -> None:
    with pytest.raises(UserError) as error:
        fuse_boxes(tests)
    assert said in str(error.value)
