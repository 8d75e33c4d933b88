"""Doubtful labels and near-duplicates of descriptors in a plane, worked out by hand."""

from __future__ import annotations

from math import cos, radians, sin

import numpy as np
import pytest

from tests.descriptors.given import made_up
from verydeep.descriptors import doubts
from verydeep.descriptors.doubts import doubtful, near_duplicates, others, told_by
from verydeep.descriptors.features import Features
from verydeep.errors import UserError
from verydeep.parts.annotations import LabelSets


def at(*degrees: float, labels: object = None, parts: tuple[int, ...] = ()) -> Features:
    """Features at these angles, whose cosines are those of the differences."""
    truth = np.array(labels) if isinstance(labels, list) else labels
    rows = [[cos(radians(d)), sin(radians(d))] for d in degrees]
    return made_up(rows, truth, parts=parts)  # type: ignore[arg-type]


@pytest.mark.parametrize("block", [2, 1024])
def test_a_label_is_doubted_by_the_cosines_of_neighbours(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 0 to 30 degrees a, but for one b, at 90 two b: of 3 neighbours of the one all say a."""
    monkeypatch.setattr(doubts, "BLOCK", block)
    features = at(0, 10, 20, 30, 90, 100, labels=[0, 1, 0, 0, 1, 1])
    (doubt,) = doubtful(features, 3)
    assert (doubt.place, doubt.own, doubt.rather) == (1, (1,), 0)
    assert (doubt.share, doubt.own_share) == (1, 0)
    # of 20 degrees, its three are those at 10 and 30, and at 0: b says cos 10 of the sum
    wrong = at(0, 10, 20, 30, labels=[0, 1, 2, 0])
    found = {doubt.place: doubt for doubt in doubtful(wrong, 3)}
    one, other = cos(radians(10)), cos(radians(20))
    assert found[2].rather == 0
    assert found[2].share == pytest.approx((one + other) / (2 * one + other), abs=1e-6)


def test_the_surest_doubt_comes_first() -> None:
    features = at(0, 1, 2, 3, 60, 61, 62, 80, labels=[0, 0, 0, 1, 1, 1, 2, 0])
    found = doubtful(features, 3)
    margins = [doubt.margin for doubt in found]
    assert margins == sorted(margins, reverse=True)
    assert found[0].place == 3  # its three say a, all of them


def test_pictures_of_several_classes_are_doubted_by_those_they_lack() -> None:
    """Of each that lacks a class all neighbours have it; the sum of cosines decides."""
    sets = LabelSets.of([[0, 1], [0, 1], [0], [0, 1], [1]])
    found = doubtful(at(0, 1, 2, 3, 4, labels=sets), 4)
    assert [(doubt.place, doubt.own, doubt.rather) for doubt in found] == [
        (4, (1,), 0), (2, (0,), 1),
    ]  # fmt: skip
    first, second, third, fourth = (cos(radians(d)) for d in (1, 2, 3, 4))
    expected = second / (first + second + third + fourth)
    assert found[0].margin == pytest.approx(expected, abs=1e-6)


def test_what_nobody_can_tell_is_neither_said_nor_doubted() -> None:
    """Of four pictures of class 0, two are perhaps of class 1, too, which no one says for sure."""
    sets = LabelSets(np.array([0, 0, 1, 0, 1, 0]), np.array([1, 3, 5, 6]),
                     np.array([0, 0, 1, 0, 1, 0], bool))  # fmt: skip
    assert doubtful(at(0, 1, 2, 3, labels=sets), 3) == []


def test_pictures_of_which_nothing_is_said_neither_doubt_nor_are_doubted() -> None:
    features = at(0, 1, 2, 3, labels=[-1, 0, 0, -1])
    assert doubtful(features, 2) == []
    with pytest.raises(UserError, match="nothing is said of these pictures"):
        doubtful(at(0, 1))
    assert told_by(at(0, 1)).doubts == []


def test_a_picture_is_no_neighbour_of_its_own_among_equals() -> None:
    places, cosines = others(at(*[0.0] * 6), 2)
    assert all(i not in row for i, row in enumerate(places.tolist()))
    assert places.shape == cosines.shape == (6, 2)
    assert others(at(0.0), 2)[0].shape == (1, 0)


def test_near_duplicates_are_told_apart_by_parts() -> None:
    """Cosines: of 10 degrees 0.985, of 17.5 0.954, of 20 0.940."""
    features = at(0, 10, 60, 80, 27.5, parts=(2, 2, 1))
    found = near_duplicates(features)
    assert [(pair.first, pair.second, pair.across) for pair in found] == [
        (0, 1, False), (1, 4, True),
    ]  # fmt: skip
    assert found[0].cosine == pytest.approx(cos(radians(10)), abs=1e-6)
    (title, pairs), (_, across), _ = told_by(features).groups()
    assert "0.95" in title
    assert pairs[0] == "0.png (train) = 1.png (train), 0.985"
    assert across == ["1.png (train) = 4.png (test), 0.954"]


def test_a_copy_in_a_test_is_found_beside_one_in_its_own_part() -> None:
    """Each picture is held against every part, so that the nearer copy does not hide the other."""
    found = near_duplicates(at(0, 50, 1, 0.5, parts=(2, 2)))
    assert {(pair.first, pair.second) for pair in found if pair.across} == {(0, 2), (0, 3)}
    assert {(pair.first, pair.second) for pair in found if not pair.across} == {(2, 3)}


def test_parts_without_pictures_change_nothing() -> None:
    assert len(near_duplicates(at(0, 1, parts=(0, 2)))) == 1
    assert near_duplicates(at(0.0, parts=(1, 0))) == []
