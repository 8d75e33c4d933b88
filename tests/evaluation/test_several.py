"""Figures of several labels a picture.

Average precisions of short lists are worked out by hand; those of 0 1 1 0 and 1 0 1 0 0 are the
ones that VOC's own code gives. Bootstraps are held against one that draws pictures for real.
"""

from __future__ import annotations

from dataclasses import replace
from math import log
from pathlib import Path

import numpy as np
import pytest

from verydeep import tensors_file
from verydeep.datasets import Part
from verydeep.errors import UserError
from verydeep.evaluation.average_precision import of_each_class
from verydeep.evaluation.comparison import compare_maps
from verydeep.evaluation.fusion import fuse
from verydeep.evaluation.scores import KIND, Scores, aligned, load_scores, save_scores
from verydeep.evaluation.several import (
    Signs,
    answers,
    binary_cross_entropy,
    blind_map,
    map_interval,
    mean_average_precision,
    paired_map_interval,
    signs_of,
)
from verydeep.evaluation.views import Protocol
from verydeep.parts.annotations import LabelSets


def ranked(*found: int) -> tuple[np.ndarray, Signs]:
    """Posteriors in falling order of one class, and its signs."""
    posteriors = np.linspace(0.9, 0.1, len(found), dtype=np.float32)[:, None]
    return posteriors, np.array(found, np.int8)[:, None]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ((-1, 1, 1, -1), 66.667),  # precisions 1/2, 2/3 at the two, made to fall: 2/3, 2/3
        ((1, -1, 1, -1, -1), 83.333),  # 1 and 2/3
        ((1, 1, -1), 100.0),
        ((-1, 1), 50.0),
        ((0, -1, 0, 1, 1, -1, 0), 66.667),  # what nobody can tell is not there
    ],
)
def test_average_precision_is_the_area_under_falling_precision(
    found: tuple[int, ...], expected: float
) -> None:
    assert of_each_class(*ranked(*found)) == pytest.approx((expected,), abs=1e-3)


def test_of_equal_posteriors_the_earlier_picture_comes_first() -> None:
    equal = np.full((4, 2), 0.5, np.float32)
    signs = np.array([[1, -1], [-1, 1], [-1, -1], [-1, -1]], np.int8)
    assert of_each_class(equal, signs) == (100.0, 50.0)


def test_a_class_without_pictures_counts_in_no_mean() -> None:
    posteriors, signs = ranked(-1, 1, 1, -1)
    beside = np.hstack([posteriors, posteriors]), np.hstack([signs, -np.ones_like(signs)])
    assert of_each_class(*beside)[1] is None
    assert mean_average_precision(*beside) == pytest.approx(66.667, abs=1e-3)
    assert answers(*beside)[1].recall is None


def test_any_order_finds_the_share_of_a_class() -> None:
    """The mean over classes of their shares; of random orders of many pictures."""
    signs = np.where(np.random.default_rng(0).random((3000, 2)) < (0.1, 0.4), 1, -1)
    signs = signs.astype(np.int8)
    posteriors = np.random.default_rng(1).random((3000, 2), np.float32)
    assert blind_map(signs) == pytest.approx(25, abs=1.5)
    assert mean_average_precision(posteriors, signs) == pytest.approx(blind_map(signs), abs=2)


def test_classes_are_named_from_a_half_on() -> None:
    """Named: three pictures, two rightly, one of which nobody can tell; of three that are there."""
    posteriors = np.array([[0.5], [0.9], [0.8], [0.6], [0.4]], np.float32)
    signs = np.array([[1], [1], [-1], [0], [1]], np.int8)
    (found,) = answers(posteriors, signs)
    assert (found.precision, found.recall, found.f1) == pytest.approx((200 / 3,) * 3)
    (none,) = answers(posteriors / 3, signs)
    assert (none.precision, none.recall, none.f1) == (None, 0, 0)


def test_the_loss_is_summed_over_classes_and_leaves_out_what_nobody_can_tell() -> None:
    posteriors = np.array([[0.25, 0.5, 0.1], [0.5, 0.5, 0.5]], np.float32)
    signs = np.array([[1, -1, 0], [0, 0, 0]], np.int8)
    assert binary_cross_entropy(posteriors, signs) == pytest.approx((log(4) + log(2)) / 2)


def test_single_labels_are_signs_too() -> None:
    one = Part(["a", "b"], np.array([2, 0]), lambda i: b"")
    several = replace(one, truth=LabelSets.of([[2], [0]]))
    for part in (one, several):
        assert signs_of(part, 3).tolist() == [[-1, -1, 1], [1, -1, -1]]
    with pytest.raises(UserError, match="no label"):
        signs_of(replace(one, truth=None), 3)


# --- intervals


def answered(count: int, seed: int, better: float = 1.0) -> tuple[np.ndarray, Signs]:
    random = np.random.default_rng(seed)
    signs = random.choice(np.array([-1, -1, -1, 0, 1], np.int8), (count, 3))
    scores = random.normal(size=(count, 3)) + better * signs
    return (1 / (1 + np.exp(-scores))).astype(np.float32), signs


def test_the_interval_is_that_of_drawing_pictures_anew() -> None:
    """By a bootstrap that draws the pictures themselves, moved down to the mAP of the test."""
    posteriors, signs = answered(60, 0, better=0.0)
    random, drawn = np.random.default_rng(5), []
    for _ in range(1000):
        places = np.sort(random.integers(0, 60, 60))
        drawn.append(mean_average_precision(posteriors[places], signs[places]))
    value = mean_average_precision(posteriors, signs)
    assert np.mean(drawn) - value > 2
    expected = np.quantile(drawn, [0.025, 0.975]) - np.mean(drawn) + value
    assert map_interval(posteriors, signs) == pytest.approx(tuple(expected), abs=1.0)
    assert map_interval(posteriors, signs) == map_interval(posteriors, signs)


def test_differences_are_of_the_same_pictures() -> None:
    """Two tests that differ by little: the difference is known better than either."""
    posteriors, signs = answered(100, 1)
    near = (posteriors + 0.01 * np.random.default_rng(0).random(posteriors.shape)).astype(
        np.float32
    )
    low, high = paired_map_interval(posteriors, near, signs)
    alone = map_interval(posteriors, signs)
    assert high - low < (alone[1] - alone[0]) / 3
    assert paired_map_interval(posteriors, posteriors, signs) == (0.0, 0.0)


# --- score files


def scores(posteriors: np.ndarray, signs: Signs, weights: str = "hash") -> Scores:
    names = tuple(f"{i}.png" for i in range(len(signs)))
    classes = tuple("abcdef"[: signs.shape[1]])
    return Scores(
        posteriors.clip(0, 1), signs, names, classes, Protocol("dense", 32, (64,)), weights, "print"
    )


def test_scores_of_several_labels_come_back_from_their_file(tmp_path: Path) -> None:
    posteriors, signs = answered(20, 2)
    save_scores(scores(posteriors, signs), tmp_path / "x.safetensors")
    found = load_scores(tmp_path / "x.safetensors")
    assert found.has_several
    assert np.array_equal(found.signs, signs)
    assert np.array_equal(found.posteriors, posteriors)
    assert found.map == mean_average_precision(posteriors, signs)
    with pytest.raises(UserError, match="several labels each"):
        found.top(1)
    assert "mAP" in repr(found)


@pytest.mark.parametrize("change", ["signs", "posteriors"])
def test_a_file_with_other_signs_or_posteriors_is_refused(tmp_path: Path, change: str) -> None:
    one = scores(*answered(4, 3))
    if change == "signs":
        wrong = replace(one, truth=one.signs * np.int8(2))
    else:
        wrong = replace(one, posteriors=one.posteriors * 9)
    save_scores(wrong, tmp_path / "x.safetensors")
    with pytest.raises(UserError, match="signs are not all|are not from 0 to 1"):
        load_scores(tmp_path / "x.safetensors")


def test_files_of_the_format_before_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    posteriors = np.eye(2, dtype=np.float32)
    old = Scores(
        posteriors, np.array([0, 1]), ("a", "b"), ("x", "y"), Protocol("dense", 32, (64,)), "w", "d"
    )
    with monkeypatch.context() as patch:
        patch.setattr("verydeep.evaluation.scores.KIND", replace(KIND, format=4))
        save_scores(old, tmp_path / "x.safetensors")
    assert b'\\"format\\": 4' in (tmp_path / "x.safetensors").read_bytes()
    assert load_scores(tmp_path / "x.safetensors").top(1) == 0
    with pytest.raises(UserError, match="format 4, and this verydeep reads format 5"):
        tensors_file.read(tmp_path / "x.safetensors", replace(KIND, as_well=()))


def test_the_better_of_two_tests_is_told_with_its_interval() -> None:
    good, signs = answered(200, 4, better=3.0)
    bad = np.random.default_rng(0).random(good.shape, np.float32)
    found = compare_maps(scores(bad, signs, "bad"), scores(good, signs, "good"))
    assert found.told_apart
    assert found.interval[0] < found.difference < found.interval[1] < 0
    expected = mean_average_precision(good, signs) - mean_average_precision(bad, signs)
    assert str(found).startswith(
        f"good (dense, with mirror image, Q = 64) is better than bad (dense, with mirror image, "
        f"Q = 64) by {expected:.1f} points of mAP (95 % interval "
    )
    same = compare_maps(scores(good, signs), scores(good, signs))
    assert not same.told_apart


def test_pictures_in_another_order_are_matched_and_other_labels_refused() -> None:
    one = scores(*answered(10, 5))
    order = np.arange(10)[::-1]
    turned = replace(
        one, posteriors=one.posteriors[order], truth=one.signs[order], names=one.names[::-1]
    )
    assert np.array_equal(aligned([one, turned])[1].signs, one.signs)
    signs = one.signs.copy()
    signs[3, 1] = -signs[3, 1] or 1
    with pytest.raises(UserError, match=r"class 'b' of picture '3\.png' is "):
        aligned([one, replace(one, truth=signs)])
    single = replace(one, posteriors=np.eye(3, dtype=np.float32)[[0] * 10], truth=np.zeros(10, int))
    with pytest.raises(UserError, match="is of one label a picture, score file 1 of several"):
        aligned([one, single])


def test_the_mean_of_two_tests_is_that_of_their_posteriors() -> None:
    one, signs = answered(10, 6)
    other = np.float32(1) - one
    together = fuse([scores(one, signs, "a"), scores(other, signs, "b")])
    assert together.posteriors == pytest.approx(np.full((10, 3), 0.5), abs=1e-6)
    assert np.array_equal(together.signs, signs)
