"""The task of several labels a picture, from `train` to its page.

Losses and weights of single pictures are by hand; figures of the log are worked out here again from
the weights that were kept, average precision by counting.
"""

from __future__ import annotations

import csv
import json
import math
import os
import re
import signal
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.conftest import TWO_CORES
from tests.pairs import CLASSES, opened_as, pairs, part_of_pairs
from tests.tasks.test_tasks import ends
from verydeep.commands.train_answer import as_json, in_words
from verydeep.errors import Stopped, UserError
from verydeep.nets.network import Network, build
from verydeep.parts.annotations import LabelSets
from verydeep.parts.dataset import Part
from verydeep.report.page import write_page
from verydeep.tasks.tag import TAG
from verydeep.training import recorder
from verydeep.training.loader import Batch
from verydeep.training.state import Training
from verydeep.verbs.run import Run
from verydeep.verbs.train import resume, train
from verydeep.weights.file import load

SMALL: dict[str, Any] = {
    "task": "tag", "net": "A-BN", "width": 0.125, "crop": 32, "scale": 32, "batch": 10,
    "micro_batch": 5, "epochs": 3,
}  # fmt: skip


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    opened_as(pairs(), monkeypatch)
    return train("pairs", "run", TWO_CORES, **SMALL)


@torch.inference_mode()
def answers(network: Network, part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Posteriors of the middles of pictures, and which classes are there."""
    found = []
    for i in range(len(part)):
        image = network.eval().pixels.read(part.source(i), 32)
        left = (image.shape[1] - 32) // 2
        shown = torch.from_numpy(image[None, :32, left : left + 32].copy())
        found.append(network(network.pixels.normalise(shown))[0].sigmoid().numpy())
    assert isinstance(part.truth, LabelSets)
    return np.array(found), part.truth.signs(len(CLASSES)) > 0


def counted(posteriors: np.ndarray, there: np.ndarray) -> float:
    """Mean average precision by counting, in %: at each picture of a class, the best precision of
    any that comes no earlier."""
    means = []
    for k in range(there.shape[1]):
        order = sorted(range(len(there)), key=lambda i: (-posteriors[i, k], i))
        found = [bool(there[i, k]) for i in order]
        precision = [sum(found[: n + 1]) / (n + 1) for n in range(len(found))]
        own = [max(precision[n:]) for n in range(len(found)) if found[n]]
        means.append(sum(own) / len(own))
    return 100 * sum(means) / len(means)


def test_tags_are_learnt_and_told_of_by_their_own_figures(run: Run) -> None:
    assert run.network.table.words[-2:] == ("FC-4", "sigmoid")
    assert run.network.classes == CLASSES
    with (run.folder / "log.csv").open() as file:
        lines = [*csv.DictReader(file)]
    assert [*lines[0]][4:7] == ["validation_loss", "map", "seconds"]
    kept = max(lines, key=lambda line: (float(line["map"]), -float(line["validation_loss"])))
    assert run.best.epoch == int(kept["epoch"])
    found, there = answers(load(run.folder), run.dataset.validation)
    assert float(kept["map"]) == pytest.approx(counted(found, there), abs=1e-3)
    lost = -np.log(np.where(there, found, 1 - found)).sum(1).mean()
    assert float(kept["validation_loss"]) == pytest.approx(lost, rel=1e-4)

    centre = [test for test in run.tests if test.scores.protocol.name == "centre"]
    assert [test.scores.role for test in centre] == ["validation", "test"]
    assert centre[0].map == pytest.approx(float(kept["map"]), abs=1e-3)
    about = tomllib.loads((run.folder / "run.toml").read_text())
    assert about["settings"]["task"] == "tag"
    assert "--task tag" in run.command


def test_its_page_and_its_answers_are_of_average_precision(run: Run) -> None:
    page = write_page(run).read_text()
    last = run.tests[-1].scores
    assert f"<b>{last.map:.1f} %</b><span>test mAP, dense" in page
    assert page.count("<figcaption><b>") >= len(CLASSES)
    assert "Precision over recall" in page
    assert "top-1" not in page
    said = in_words(run, Path("page"))
    assert re.search(rf"test, dense.* {last.map:.1f} ", said)
    assert "any order of the pictures has a mAP of about" in said
    told = json.loads(as_json(run, Path("page")))["tests"][-1]
    assert told["map"] == last.map
    assert "top1" not in told


def test_a_guess_loses_the_entropy_of_the_classes_shares() -> None:
    signs = TAG.target(part_of_pairs(0, 60), np.arange(60), "abcd", ())
    found = TAG.guess(build("A", 4, width=0.125, crop=32, fc=16), signs)
    shares = (signs > 0).float().mean(0)
    entropy = -(shares * shares.log() + (1 - shares) * (1 - shares).log())
    assert found == pytest.approx(float(entropy.sum()))
    certain = torch.tensor([[1.0, -1.0], [1.0, 0.0]])
    assert TAG.guess(build("A", 2, width=0.125, crop=32, fc=16), certain) == 0


@pytest.mark.parametrize("sampling", ["plain", "balanced"])
def test_tagging_goes_on_from_a_checkpoint_to_the_same_bits(
    sampling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped by a real SIGTERM in the second of three epochs of four steps."""
    opened_as(pairs(), monkeypatch)
    whole = train("pairs", "whole", TWO_CORES, sampling=sampling, **SMALL)
    after_step = recorder.Recorder.after_step

    def terminated(self: Any, training: Training, batch: Batch, loss: float) -> None:
        if self.steps(training) == 6:
            os.kill(os.getpid(), signal.SIGTERM)
        after_step(self, training, batch, loss)

    with monkeypatch.context() as patch:
        patch.setattr(recorder.Recorder, "after_step", terminated)
        with pytest.raises(Stopped, match="stopped after step 6 of 12"):
            train("pairs", "cut", TWO_CORES, sampling=sampling, **SMALL)
    found = resume("cut", TWO_CORES)
    assert ends(Path("cut")) == ends(Path("whole"))
    assert [e.figures for e in found.epochs] == [e.figures for e in whole.epochs]


def test_one_label_a_picture_can_be_tagged_too() -> None:
    run = train("drawn:20x32", "run", TWO_CORES, **{**SMALL, "epochs": 1})
    assert run.tests[-1].scores.signs.sum(1).tolist() == [-8] * len(run.tests[-1].scores.names)


# --- losses


def test_the_loss_is_of_each_class_by_itself() -> None:
    """-log of the sigmoid: a score of log 3 gives 3/4, 0 gives 1/2; of a 0 nothing is asked."""
    scores = torch.tensor([[math.log(3), 0.0, 5.0], [math.log(3), 0.0, 5.0]])
    signs = torch.tensor([[1.0, -1.0, 0.0], [-1.0, 0.0, 0.0]])
    losses = TAG.loss(scores, signs, None)
    assert losses.tolist() == pytest.approx([math.log(4 / 3) + math.log(2), math.log(4)])
    weights = torch.tensor([3.0, 5.0, 7.0])  # of those that are of a class
    losses = TAG.loss(scores, signs, weights)
    assert losses.tolist() == pytest.approx([3 * math.log(4 / 3) + math.log(2), math.log(4)])


def test_the_gradient_of_a_score_is_posterior_less_truth_as_the_soft_maxs() -> None:
    scores = torch.tensor([[0.3, -1.0]], requires_grad=True)
    loss = TAG.loss(scores, torch.tensor([[1.0, -1.0]]), None).sum()
    (found,) = torch.autograd.grad(loss, scores)
    expected = scores.detach().sigmoid() - torch.tensor([[1.0, 0.0]])
    assert torch.allclose(found, expected)


def test_pictures_of_a_class_weigh_as_much_as_all_others() -> None:
    """Of 12 pictures 3, 6 and none; and of 1000 one, which is held to a hundred."""
    assert TAG.balanced is not None
    assert TAG.balanced(12, np.array([3, 6, 0])).tolist() == [3, 1, 1]
    assert TAG.balanced(1000, np.array([1])).tolist() == [100]


def test_pictures_that_are_all_of_no_class_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = pairs()
    for part in dataset.parts.values():
        object.__setattr__(part, "truth", LabelSets.of([[]] * len(part)))
    opened_as(dataset, monkeypatch)
    with pytest.raises(
        UserError, match="too few readable pictures in pairs: one class to learn from"
    ):
        train("pairs", "run", TWO_CORES, **SMALL)
