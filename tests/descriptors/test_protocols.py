"""Draws and rankings of descriptors; figures were worked out by hand, or by scikit-learn's SVMs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from verydeep.descriptors.protocols import Spread, alone, ranked, scored_draw
from verydeep.descriptors.result_files import ACTION, CLASSES, free_paths, write_results
from verydeep.errors import UserError
from verydeep.evaluation.average_precision import average_precision
from verydeep.evaluation.published_transfer import (
    ACTIONS,
    CALTECH_101,
    CALTECH_256,
    VOC_2007,
    VOC_2012,
    Setting,
    differences,
)

AXES = np.eye(2, dtype=np.float32)


def test_a_draw_is_judged_by_the_mean_of_the_class_recalls() -> None:
    """Of four pictures of a three are found, the one of b is: (75 + 100) / 2, and 1 of 5 missed."""
    x = np.concatenate([AXES, AXES, AXES[[0, 0, 0, 1]], AXES[[1]]])
    labels = np.array([0, 1, 0, 1, 0, 0, 0, 0, 1])
    found = scored_draw(x, labels, "ab", np.arange(4), np.arange(4, 9), number=2)
    assert (found.number, found.train, found.test) == (2, 4, 5)
    assert found.recall == pytest.approx(87.5)
    assert found.top1 == pytest.approx(20)
    assert found.nearest == pytest.approx(87.5)
    assert found.choice is not None
    assert found.choice.judged_by == "accuracy"


def test_with_one_picture_of_a_class_no_c_is_chosen() -> None:
    labels = np.array([0, 1, 0, 1])
    found = scored_draw(np.concatenate([AXES, AXES]), labels, "ab", np.arange(2), np.arange(2, 4))
    assert (found.choice, found.c, found.recall) == (None, 1.0, 100)


def test_two_pictures_of_a_class_are_enough_to_choose_c_by() -> None:
    labels = np.arange(30) % 10
    x = np.eye(10, dtype=np.float32)[labels]
    found = scored_draw(x, labels, "abcdefghij", np.arange(20), np.arange(20, 30))
    assert found.choice is not None
    assert found.recall == 100


def test_a_class_without_a_picture_to_learn_from_is_refused_by_name() -> None:
    labels = np.array([0, 0, 0, 1])
    with pytest.raises(UserError, match="class 'b' has no picture of it"):
        scored_draw(AXES[labels], labels, "ab", np.arange(3), np.array([3]), cs=[1.0])


def test_the_deviation_over_draws_is_that_of_a_sample() -> None:
    """90, 92 and 97: 93, and the root of (9 + 1 + 16) / 2."""
    found = Spread.of([90, 92, 97])
    assert found.mean == 93
    assert found.deviation == pytest.approx(13**0.5)
    assert Spread.of([90]) == Spread(90, None)


def test_what_is_uncertain_is_neither_learnt_nor_scored() -> None:
    """By hand: signs in falling order of score are -1 1 1 -1 for one class, and 1 -1 1 -1 -1.

    A picture that does not count for the first class stands above them all there; another one, that
    would turn what is learnt of it, is among those to learn from.
    """
    learn = np.array([[1, 0], [-1, 0], [0, 1], [0, -1], [-9, 0]])
    test = np.array([[9, 1], [4, 2], [3, 3], [2, 4], [1, 5]])
    x = np.concatenate([learn, test]).astype(np.float32)
    signs = np.array(
        [[1, 0], [-1, 0], [0, 1], [0, -1], [0, 0], [0, -1], [-1, -1], [1, 1], [1, -1], [-1, 1]]
    )
    found = ranked("picture", x, signs, "ab", np.arange(5), np.arange(5, 10), cs=[1.0])
    eleven, area = found.precisions
    assert (eleven.definition, area.definition) == ("voc2007", "area")
    assert eleven.classes == pytest.approx((66.7, 84.8), abs=0.06)
    assert area.classes == pytest.approx((66.7, 83.3), abs=0.06)
    assert area.mean == pytest.approx(75)
    assert found.values.shape == (5, 2)
    assert found.choice is None


def test_c_is_chosen_on_a_part_after_learning_from_the_other_alone() -> None:
    """Held against scikit-learn's SVMs: each C on the second part, and the best of all of them."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(90, 6)).astype(np.float32)
    signs = np.where(x[:, :3] + rng.normal(size=(90, 3)) > 0.5, 1, -1)
    train, val, test = np.arange(30, 60), np.arange(60, 90), np.arange(30)
    learn, cs = np.concatenate([train, val]), (0.001, 0.1, 10.0)

    def values(c: float, rows: np.ndarray, of: np.ndarray) -> np.ndarray:
        machines = [LinearSVC(C=c, tol=1e-9, max_iter=10**6).fit(x[rows], y[rows]) for y in signs.T]
        return np.stack([machine.decision_function(x[of]) for machine in machines], 1)

    def figure(scores: np.ndarray, of: np.ndarray) -> float:
        each = [average_precision(s, y) for s, y in zip(scores.T, signs[of].T, strict=True)]
        return float(np.mean([one for one in each if one is not None]))

    found = ranked("picture", x, signs, "abc", learn, test, chosen_by=val, cs=cs)
    expected: list[float] = [figure(values(c, train, val), val) for c in cs]
    assert found.choice is not None
    assert [trial.figure for trial in found.choice.trials] == pytest.approx(expected, abs=1e-6)
    assert found.c == cs[expected.index(max(expected))]
    np.testing.assert_allclose(found.values, values(found.c, learn, test), rtol=0, atol=1e-4)
    assert found.precisions[1].mean == pytest.approx(figure(found.values, test))


def test_descriptors_of_the_first_columns_are_of_length_one() -> None:
    """Of (3, 4, 12) / 13 the first two are (3, 4) / 5; what is no number stays none."""
    x = np.array([[3, 4, 12], [0, 0, 1], [np.nan] * 3], np.float32) / np.float32(13)
    found = alone(x, 2)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.array([[0.6, 0.8], [0, 0], [np.nan] * 2]), rtol=1e-6)


# --- result files


def test_result_files_are_those_that_vocs_server_takes() -> None:
    paths = free_paths(CLASSES["VOC2012"], Path("results"), "test", ("cat", "dog"))
    write_results(paths, ["2008_000001", "2008_000004"], np.array([[0.5, -1], [-0.25, 2]]))
    root = Path("results/VOC2012/Main")
    assert sorted(path.name for path in root.iterdir()) == [
        "comp2_cls_test_cat.txt", "comp2_cls_test_dog.txt",
    ]  # fmt: skip
    cat, dog = (root / f"comp2_cls_test_{name}.txt" for name in ("cat", "dog"))
    assert cat.read_text() == "2008_000001 0.50000000\n2008_000004 -0.25000000\n"
    assert dog.read_text() == "2008_000001 -1.00000000\n2008_000004 2.00000000\n"
    (path,) = free_paths(ACTION, Path("results"), "test", ("walking",))
    write_results([path], ["2010_006215 1"], np.array([[1.0]]))
    text = Path("results/VOC2012/Action/comp10_action_test_walking.txt").read_text()
    assert text == "2010_006215 1 1.00000000\n"
    with pytest.raises(UserError, match="walking.txt is there already; give --results another"):
        free_paths(ACTION, Path("results"), "test", ("walking",))


# --- the paper's tables


def test_the_papers_figures_are_those_of_its_tables() -> None:
    """As Tables 11 and 12 print them."""
    tables = (VOC_2007, VOC_2012, CALTECH_101, CALTECH_256, ACTIONS)
    own = {
        paper.data: [str(row) for row in paper.rows if row.method[0] in "DE"] for paper in tables
    }
    assert own == {
        "VOC-2007": ["89.3", "89.3", "89.7"], "VOC-2012": ["89.0", "89.0", "89.3"],
        "Caltech-101": ["91.8 +- 1.0", "92.3 +- 0.5", "92.7 +- 0.5"],
        "Caltech-256": ["85.0 +- 0.2", "85.1 +- 0.3", "86.2 +- 0.3"],
        "VOC-2012 actions": ["79.2", "84.0"],
    }  # fmt: skip


def test_the_papers_test_and_another_are_told_apart() -> None:
    same = Setting(102, {"all": 9144}, 300, draws=(30, 50, 3))
    assert differences(CALTECH_101, same) == ()
    other = Setting(102, {"all": 6055}, 128, draws=(30, 50, 1))
    assert differences(CALTECH_101, other) == (
        "6,055 pictures in all, not 9,144",
        "pictures of 128 pixels, the larger side, not 250",
        "30 a class to train and up to 50 to test on, 1 times, "
        "not 30 a class to train and up to 50 to test on, 3 times",
    )
    voc = Setting(20, {"train": 5717, "validation": 5823, "test": 10991}, 500, "validation")
    assert differences(VOC_2012, voc) == (
        "tested on val, not on test, whose labels are not public",
    )
