"""Metrics and score files: errors and confusions of the small tables were counted by hand."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from verydeep.commands.evaluate import _as_data, answer
from verydeep.datasets import Part
from verydeep.errors import UserError
from verydeep.evaluation import metrics
from verydeep.evaluation.scores import Scores, load_scores, save_scores
from verydeep.evaluation.views import Protocol
from verydeep.report.answers import _confusion
from verydeep.verbs import measure

# Rows sum to one; the true classes are 0, 1, 2, 2.
POSTERIORS = np.array(
    [[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.4, 0.35, 0.25], [0.1, 0.1, 0.8]], np.float32
)
LABELS = np.array([0, 1, 2, 2])


def test_errors_are_counted() -> None:
    assert metrics.top_error(POSTERIORS, LABELS) == 50.0
    assert metrics.top_error(POSTERIORS, LABELS, 2) == 25.0
    assert metrics.top_error(POSTERIORS, LABELS, 5) == 0.0
    assert metrics.class_errors(POSTERIORS, LABELS) == [0.0, 100.0, 50.0]


def test_a_class_without_pictures_has_no_error() -> None:
    assert metrics.class_errors(POSTERIORS[:2], LABELS[:2]) == [0.0, 100.0, None]


def test_confusion_counts_what_is_taken_for_what() -> None:
    expected = [[1, 0, 0], [1, 0, 0], [1, 0, 1]]
    assert metrics.confusion(POSTERIORS, LABELS).tolist() == expected


def test_mistakes_are_what_confusion_has_beside_its_diagonal() -> None:
    labels = np.array([0, 1, 2, 2, 1])
    posteriors = np.vstack([POSTERIORS, POSTERIORS[:1]])
    assert metrics.mistakes(posteriors, labels) == [(2, 1, 0), (1, 2, 0)]


def test_many_classes_take_little_memory() -> None:
    """Their confusion would take 7 GB."""
    count = 30_000
    posteriors = np.zeros((4, count), np.float32)
    posteriors[np.arange(4), [0, 7, 7, 8]] = 1
    names, classes = tuple("abcd"), tuple(f"class {i}" for i in range(count))
    many = replace(
        scores(), posteriors=posteriors, truth=np.array([0, 9, 9, 9]), names=names, classes=classes
    )
    tested = measure.Tested(many, Part(names, many.labels, lambda i: b""), None)
    tracemalloc.start()
    said, page, data = answer(tested), _confusion(tested), _as_data(tested)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert re.search(r"^class 9 +3 +100.0 +class 7 \(2\)$", said, re.MULTILINE)
    assert "<tr><td>class 9</td><td>class 7</td><td>2</td></tr>" in page
    assert "confusion" not in data
    assert peak < 1e8


def test_of_equal_posteriors_the_first_class_counts_as_the_more_probable() -> None:
    equal = np.full((3, 3), 1 / 3, np.float32)
    labels = np.array([0, 1, 2])
    assert metrics.wrong(equal, labels).tolist() == [False, True, True]
    assert metrics.wrong(equal, labels, 2).tolist() == [False, False, True]


def test_posteriors_that_are_all_the_same_do_not_look_right() -> None:
    """A network that says nothing must not score 0 % through ties."""
    equal = np.full((30, 3), 1 / 3, np.float32)
    assert metrics.top_error(equal, np.arange(30) % 3) == pytest.approx(100 * 2 / 3)


def scores() -> Scores:
    classes = ("a", "b", "c")
    names = ("1", "2", "3", "ü.png")
    return Scores(POSTERIORS, LABELS, names, classes, Protocol("dense", 32, (64,)), "hash", "print")


def test_scores_come_back_from_their_file(tmp_path: Path) -> None:
    save_scores(scores(), tmp_path / "scores" / "x.safetensors")
    found = load_scores(tmp_path / "scores" / "x.safetensors")
    assert (found.posteriors == POSTERIORS).all()
    assert (found.labels == LABELS).all()
    assert replace(found, posteriors=POSTERIORS, truth=LABELS) == replace(
        scores(), posteriors=POSTERIORS, truth=LABELS
    )


def damaged(change: Callable[[Scores], Scores]) -> Callable[[Path], None]:
    return lambda path: save_scores(change(scores()), path)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: None,
        lambda path: path.write_bytes(b"nothing of the kind"),
        damaged(lambda s: replace(s, names=s.names[:2])),
        damaged(lambda s: replace(s, posteriors=s.posteriors * np.nan)),
    ],
)
def test_a_file_that_holds_no_scores_is_refused(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    write(tmp_path / "x.safetensors")
    with pytest.raises(UserError, match="x.safetensors is"):
        load_scores(tmp_path / "x.safetensors")
