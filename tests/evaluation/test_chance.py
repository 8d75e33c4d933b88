"""What answers err that look at no picture, counted by hand, and who is warned of.

Of 200 pictures of one class and 8 of another, naming the first for all errs on 8 / 208 = 3.85 %.
"""

from __future__ import annotations

import numpy as np
import pytest

from verydeep.evaluation.chance import blind, no_better
from verydeep.parts.annotations import Labels

CLASSES = ("cat", "dog")


def answering(labels: Labels, classes: int = 2) -> np.ndarray:
    """Posteriors of a net that is sure of these answers."""
    return np.asarray(np.eye(classes, dtype=np.float32)[labels])


def test_a_guess_and_the_largest_class_err_as_counted_by_hand() -> None:
    labels = np.repeat([0, 1], [200, 8])
    answer = blind(labels, CLASSES)
    assert (answer.guessing, answer.largest) == (50.0, "cat")
    assert answer.naming == pytest.approx(3.846, abs=1e-3)
    assert str(answer) == ("without looking: a guess errs on 50.0 %, naming 'cat' for all on 3.8 %")


def test_of_classes_in_equal_numbers_a_guess_says_it_all() -> None:
    answer = blind(np.arange(30) % 10, [str(i) for i in range(10)])
    assert str(answer) == "without looking: a guess errs on 90.0 %"


def test_naming_the_largest_class_never_errs_on_more_than_a_guess() -> None:
    random = np.random.default_rng(0)
    for classes in range(2, 9):
        answer = blind(random.integers(0, classes, 50), [str(i) for i in range(classes)])
        assert answer.naming <= answer.guessing


def test_a_net_that_names_one_class_for_all_is_warned_of() -> None:
    labels = np.repeat([0, 1], [200, 8])
    warning = no_better(answering(np.zeros(208, np.int64)), labels, CLASSES)
    assert warning is not None
    assert warning.startswith(
        "no better than naming 'cat' for all, which errs on 3.8 %: top-1 error 3.8 % (95 % "
    )


def test_a_net_that_guesses_is_warned_of_and_one_that_has_learnt_is_not() -> None:
    """Of 1,000 pictures of ten classes 90 % are a guess; two standard deviations are 1.9 points."""
    labels = np.arange(1000) % 10
    names = [str(i) for i in range(10)]
    for errors, warned in ((900, True), (890, True), (870, False), (100, False)):
        answers = labels.copy()
        answers[:errors] = (answers[:errors] + 1) % 10
        assert (no_better(answering(answers, 10), labels, names) is not None) == warned
