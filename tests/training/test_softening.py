"""Label smoothing and DisturbLabel, by hand and by the share of labels that are kept."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from tests.conftest import TWO_CORES
from verydeep.datasets import open_dataset
from verydeep.errors import UserError
from verydeep.pictures.preprocessing import Pixels
from verydeep.tasks.classify import CLASSIFY
from verydeep.training.defaults import choose
from verydeep.training.loader import CropSource, batches
from verydeep.training.settings import Settings
from verydeep.training.softening import disturbed
from verydeep.verbs.train import train


def test_a_smoothed_label_is_shared_out_among_all_classes() -> None:
    """Scores log 1, log 2, log 1 are posteriors 1/4, 1/2, 1/4; of label 1, smoothed by 0.3, 0.8
    counts for its own class and 0.1 for each of the others."""
    assert CLASSIFY.smoothed is not None
    scores = torch.tensor([[0.0, math.log(2), 0.0]])
    loss = CLASSIFY.smoothed(scores, torch.tensor([1]), None, 0.3)
    assert loss.item() == pytest.approx(0.8 * math.log(2) + 0.2 * math.log(4))


def test_a_label_is_kept_as_often_as_the_paper_has_it() -> None:
    """With a chance of 1 - a (C - 1) / C: 0.82 of a = 0.2 and C = 10; the others are spread."""
    labels, samples = torch.full((4000,), 3), np.arange(4000)
    given = Settings(disturb=0.2)
    found = disturbed(labels, samples, 10, given, epoch=0)
    counts = np.bincount(found.numpy(), minlength=10)
    assert counts[3] / 4000 == pytest.approx(0.82, abs=0.02)
    assert all(50 < counts[c] < 110 for c in range(10) if c != 3)  # 80 each
    assert torch.equal(labels, torch.full((4000,), 3))
    assert torch.equal(disturbed(labels[:9], samples[5:14], 10, given, 0), found[5:14])
    assert not torch.equal(disturbed(labels, samples, 10, given, 1), found)
    assert disturbed(labels, samples, 10, Settings(), 0) is labels


def test_batches_have_disturbed_labels_and_the_same_crops() -> None:
    part = open_dataset("drawn:40x32").train
    source = CropSource(part, Pixels((32, 32), (0.0,) * 3), outputs=tuple("abcdefghij"))
    given: dict[str, Any] = {"crop": 32, "scale": (32, 32), "batch": 40}
    (plain,) = batches(source, Settings(**given), 0, 1)
    (other,) = batches(source, Settings(**given, disturb=0.5), 0, 1)
    assert torch.equal(plain.images, other.images)
    assert 8 <= (plain.targets != other.targets).sum() <= 28  # 18 of 40 on average


def test_tasks_of_several_labels_have_none_to_soften() -> None:
    part = open_dataset("drawn:40x32", several=True).train
    for name in ("smoothing", "disturb"):
        with pytest.raises(UserError, match="of pictures with one label each, and task tag"):
            choose(part, TWO_CORES.machine, {"task": "tag", name: 0.1})


def test_a_training_learns_from_softened_labels(tmp_path: Any) -> None:
    given: dict[str, Any] = {
        "net": "A-BN", "width": 0.0625, "crop": 32, "batch": 20, "epochs": 1, "bad_start": "train",
    }  # fmt: skip
    softened: list[dict[str, Any]] = [{}, {"smoothing": 0.9}, {"disturb": 0.9}]
    losses = [
        train("drawn:40x32", tmp_path / f"{i}", TWO_CORES, **given, **more).epochs[0].loss
        for i, more in enumerate(softened)
    ]
    assert len(set(losses)) == 3
