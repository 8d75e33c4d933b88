"""Pairs of pictures: all of them as itertools has them, folds as LFW's are described, its file.

Huang et al. (2007): ten folds without an identity in common, 300 pairs of one and of two in each.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from verydeep.errors import UserError
from verydeep.parts.dataset import Part
from verydeep.verification.pairs import Pairs, all_pairs, fold_count, pairs_in_folds
from verydeep.verification.pairs_file import pairs_of, read_pairs


def told(pairs: Pairs) -> list[tuple[int, int]]:
    return [tuple(sorted(pair)) for pair in zip(pairs.left.tolist(), pairs.right.tolist())]  # noqa: B905


@pytest.mark.parametrize("count", [2, 7, 61])
def test_all_pairs_are_each_there_once(count: int) -> None:
    labels = np.random.default_rng(count).integers(0, 5, count)
    pairs = all_pairs(labels)
    assert sorted(told(pairs)) == [*combinations(range(count), 2)]
    assert (pairs.same == (labels[pairs.left] == labels[pairs.right])).all()


def test_of_more_pairs_so_many_of_each_kind_are_drawn_each_another() -> None:
    labels = np.repeat(np.arange(30), 10)  # 1,350 pairs of one, 43,500 of two
    pairs = all_pairs(labels, seed=3, most=500)
    assert len({*told(pairs)}) == len(pairs) == 1000
    assert pairs.same.sum() == 500
    assert told(pairs) == told(all_pairs(labels, seed=3, most=500))
    assert told(pairs) != told(all_pairs(labels, seed=4, most=500))


@pytest.mark.parametrize(
    ("counts", "of_one", "of_two"),
    [((301, 5), 500, 500), ((400, 1), 500, 400), ((33,), 500, 0), ((2,) * 1100, 500, 500)],
)
def test_there_are_so_many_of_each_kind_or_all(
    counts: tuple[int, ...], of_one: int, of_two: int
) -> None:
    """Of 400 and 1 there are 400 pairs of two, of 33 alike 528 of one, of 1,100 twins enough."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    pairs = all_pairs(labels, most=500)
    assert (int(pairs.same.sum()), int((~pairs.same).sum())) == (of_one, of_two)
    assert len({*told(pairs)}) == len(pairs)
    assert (pairs.left != pairs.right).all()
    assert (pairs.same == (labels[pairs.left] == labels[pairs.right])).all()


def test_folds_share_no_identity_and_have_as_many_pairs_of_either_kind() -> None:
    labels = np.repeat(np.arange(30), 8)
    pairs = pairs_in_folds(labels, a_fold=40)
    assert pairs.fold is not None
    seen = [{*pairs.identities[pairs.fold == k].ravel().tolist()} for k in range(10)]
    assert sum(map(len, seen)) == len(set().union(*seen)) == 30
    for k in range(10):
        here = pairs.same[pairs.fold == k]
        assert (here.sum(), (~here).sum()) == (40, 40)


def test_identities_of_one_picture_make_pairs_of_two_alone() -> None:
    labels = np.array([0, 0, 1, 1, 2, 3, 4, 5])
    assert fold_count(labels) == 2  # two identities have two pictures
    pairs = pairs_in_folds(labels)
    assert pairs.same.sum() == 2
    assert fold_count(np.array([0, 0, 1, 2, 3])) == 1


LINES = """\
2	1
Ann	1	2
Bob	1	Ann	3
Cy_Lee	1	2
Cy_Lee	2	Bob	1
"""
PEOPLE = [("Ann", 1), ("Ann", 2), ("Ann", 3), ("Bob", 1), ("Cy_Lee", 1), ("Cy_Lee", 2)]
NAMES = [f"{name}/{name}_{i:04d}.jpg" for name, i in PEOPLE]
PART = Part(NAMES, np.array([0, 0, 0, 1, 2, 2]), lambda i: b"")


def listed(text: str | bytes, part: Part = PART) -> Pairs:
    path = Path("pairs.txt")
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return pairs_of(read_pairs(path), part, "lfw")


def test_lfws_file_is_read_with_its_folds() -> None:
    pairs = listed(LINES)
    assert told(pairs) == [(0, 1), (2, 3), (4, 5), (3, 5)]
    assert pairs.same.tolist() == [True, False, True, False]
    assert pairs.fold is not None
    assert pairs.fold.tolist() == [0, 0, 1, 1]


def test_one_number_or_none_in_the_first_line_makes_no_folds() -> None:
    """As pairsDevTest.txt has it: so many pairs of each kind."""
    body = LINES.partition("\n")[2]
    assert told(listed(f"2\n{body}")) == told(listed(body)) == told(listed(LINES))
    assert listed(f"2\n{body}").fold is None
    assert listed(body).fold is None


def test_words_may_be_parted_by_blanks() -> None:
    assert told(listed(LINES.replace("\t", " "))) == told(listed(LINES))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "no pairs"),
        ("3\t1\nAnn\t1\t2\n", "3 x 2 x 1 pairs are announced and 1 listed"),
        ("Ann\t1\n", "line 1 is 'Ann.t1'; a line has NAME I J, or NAME I OTHER J"),
        ("Ann\tone\t2\n", "line 1 is"),
        (b"\xff\xfe\x00", "not UTF-8"),
        ("Ann\t1\t9\nZoe\t1\tAnn\t1\n", "2 of 3 pictures of the pairs are not in lfw, such as "
                                        "Ann/Ann_0009; give the folder"),
    ],
)  # fmt: skip
def test_what_is_no_list_of_these_pictures_is_one_line(text: str | bytes, line: str) -> None:
    with pytest.raises(UserError, match=line) as caught:
        listed(text)
    assert "\n" not in str(caught.value)
