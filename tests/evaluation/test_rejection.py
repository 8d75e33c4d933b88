"""When an answer is none of these: temperatures and thresholds of tests that are made up.

Temperatures are known because posteriors are made of scores whose labels were drawn at another one;
thresholds are counted by hand.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from verydeep.errors import UserError
from verydeep.evaluation.metrics import negative_log_likelihood
from verydeep.evaluation.rejection import Rejection, chosen, temperature_of
from verydeep.evaluation.scores import Scores
from verydeep.evaluation.views import Protocol


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(1, keepdims=True))
    found: np.ndarray = powers / powers.sum(1, keepdims=True)
    return found.astype(np.float32)


def scores(posteriors: np.ndarray, labels: np.ndarray) -> Scores:
    names = tuple(map(str, range(len(labels))))
    classes = tuple("abcdef"[: posteriors.shape[1]])
    return Scores(posteriors, labels, names, classes, Protocol("dense", 32, (64,)), "w", "d")


@pytest.mark.parametrize("true", [0.5, 1.0, 2.5])
def test_the_temperature_is_that_at_which_labels_were_drawn(true: float) -> None:
    random = np.random.default_rng(0)
    logits = 2 * random.normal(size=(20_000, 4))
    shares = softmax(logits / true).cumsum(1)
    labels = (random.random((20_000, 1)) > shares).sum(1).clip(0, 3)
    found = temperature_of(softmax(logits), labels)
    assert found == pytest.approx(true, rel=0.05)
    tempered = softmax(logits / found)
    for other in (found * 0.9, found * 1.1):
        worse = negative_log_likelihood(softmax(logits / other), labels)
        assert negative_log_likelihood(tempered, labels) < worse


def test_a_temperature_is_held_where_all_or_nothing_is_right() -> None:
    posteriors = softmax(np.eye(3).repeat(5, axis=0) * 4)
    labels = np.arange(3).repeat(5)
    assert temperature_of(posteriors, labels) == pytest.approx(0.2)
    assert temperature_of(posteriors, (labels + 1) % 3) == pytest.approx(5, rel=1e-6)


def test_a_threshold_keeps_95_percent_of_right_answers() -> None:
    """Of 40 right answers with different posteriors the two least sure go, and of 5 wrong ones the
    three that are less sure than the third."""
    sure = np.linspace(0.60, 0.99, 40)
    unsure = np.array([0.55, 0.58, 0.615, 0.7, 0.9])
    first = np.concatenate([sure, unsure])
    posteriors = np.stack([first, 1 - first], 1).astype(np.float32)
    labels = np.repeat([0, 1], [40, 5])
    found = chosen(scores(posteriors, labels))
    assert (found.right, found.right_kept) == (40, 38)
    assert (found.wrong, found.wrong_turned_away) == (5, 3)
    assert "38 of 40 right answers are kept and 3 of 5 wrong ones turned away" in str(found)
    by = found.rejection
    kept = [not by.turns_away(by.tempered(torch.from_numpy(row))) for row in posteriors]
    assert sum(kept[:40]) in (38, 37)  # the one on the threshold may be off by float32's rounding
    assert sum(kept[40:]) == 2


def test_a_temperature_of_one_changes_nothing() -> None:
    posteriors = torch.tensor([0.7, 0.3])
    assert Rejection(0.5).tempered(posteriors) is posteriors
    halved = Rejection(0.5, 2.0).tempered(posteriors)
    expected = posteriors.sqrt() / posteriors.sqrt().sum()
    assert torch.allclose(halved, expected)
    assert Rejection(0.71).turns_away(posteriors)
    assert not Rejection(0.69).turns_away(posteriors)


def test_where_nothing_is_right_nothing_is_chosen() -> None:
    one = scores(np.eye(2, dtype=np.float32), np.array([1, 0]))
    with pytest.raises(UserError, match="no answer is right"):
        chosen(one)
    several = replace(one, truth=np.array([[1, -1], [-1, 1]], np.int8))
    with pytest.raises(UserError, match="several labels each"):
        chosen(several)
