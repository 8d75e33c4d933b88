"""Temperatures, where they can be worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from verydeep.evaluation.temperature import HOTTEST, temperature, temperature_of_signs


def test_a_classifier_that_is_right_three_times_of_four_is_as_sure() -> None:
    # scores (s, 0): the likelihood of 3 right and 1 wrong is greatest where sigmoid(s/T) = 3/4,
    # that is at s/T = log 3
    scores = np.array([[2.0, 0], [2, 0], [2, 0], [2, 0]])
    labels = np.array([0, 0, 0, 1])
    assert temperature(scores, labels) == pytest.approx(2 / math.log(3), rel=1e-6)
    signs = np.array([[1], [1], [1], [-1]])
    assert temperature_of_signs(scores[:, :1], signs) == pytest.approx(2 / math.log(3), rel=1e-6)


def test_scores_that_say_nothing_are_as_cool_as_can_be() -> None:
    scores = np.array([[1.0, 0], [1, 0]])
    assert temperature(scores, np.array([0, 1])) == pytest.approx(HOTTEST, rel=1e-6)


def test_pictures_that_do_not_count_change_nothing() -> None:
    scores = np.array([[2.0], [2], [2], [2], [-50]])
    signs = np.array([[1], [1], [1], [-1], [0]])
    assert temperature_of_signs(scores, signs) == pytest.approx(2 / math.log(3), rel=1e-6)
