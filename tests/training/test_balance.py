"""Classes that count the same: what is drawn is counted, what weighs is by hand.

The weighted loss is held against PyTorch's own sum over single pictures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.conftest import TWO_CORES
from verydeep.errors import UserError
from verydeep.parts.annotations import LabelSets, counts_of
from verydeep.parts.dataset import Part
from verydeep.pictures.preprocessing import Pixels
from verydeep.pictures.windows import Window
from verydeep.randomness import generator
from verydeep.tasks.classify import CLASSIFY
from verydeep.training.balance import balanced_draws, classes_seen
from verydeep.training.loader import CropSource, batches, draws, epoch_in_words
from verydeep.training.run_toml import described, settings_of
from verydeep.training.settings import Settings
from verydeep.verbs.train import train

SETTINGS = Settings(crop=32, scale=(32, 32), batch=8, sampling="balanced")
LABELS = np.repeat([0, 1, 2], [20, 4, 1])
SMALL: dict[str, Any] = {
    "net": "A-BN", "width": 0.125, "crop": 32, "scale": 32, "batch": 10, "epochs": 1,
}  # fmt: skip


def part(labels: np.ndarray = LABELS) -> Part:
    """Pictures whose shade is their number."""
    names = [str(i) for i in range(len(labels))]
    return Part(names, labels, lambda i: np.full((32, 48, 3), i, np.uint8))


SOURCE = CropSource(part(), Pixels((32, 32), (0.0,) * 3))


def drawn(labels: Any, pictures: int = 25, seed: int = 0) -> np.ndarray:
    return balanced_draws(labels, pictures, generator(seed, "order"))


def test_classes_come_equally_often_and_their_pictures_take_turns() -> None:
    """25 draws of three classes: 8, 8 and 9; of a class of 4 pictures each at least twice."""
    found = drawn(LABELS)
    assert len(found) == 25
    assert sorted(Counter(LABELS[found % 25]).values()) == [8, 8, 9]
    times = np.bincount(found % 25, minlength=25)
    assert times[:20].max() == 1
    assert set(times[20:24]) <= {2, 3}
    assert times[24] in (8, 9)


def test_every_draw_of_a_picture_has_a_number_of_its_own() -> None:
    found = drawn(LABELS)
    assert len(set(found.tolist())) == 25
    assert sorted(found[found % 25 == 24].tolist()) == [
        24 + 25 * n for n in range((found % 25 == 24).sum())
    ]


def test_of_several_labels_each_is_drawn_and_pictures_of_none_are_a_class_more() -> None:
    truth = LabelSets.of([[0]] * 15 + [[0, 1]] * 3 + [[]] * 2)
    found = drawn(truth, 20) % 20
    assert sum(found >= 18) in (6, 7)
    assert sum((found >= 15) & (found < 18)) >= 6
    assert classes_seen(truth) == 3
    assert counts_of(truth, 3).tolist() == [18, 3, 0]


def test_draws_are_a_function_of_seed_and_epoch() -> None:
    first, again = draws(part(), SETTINGS, 0), draws(part(), SETTINGS, 0)
    assert np.array_equal(first, again)
    for other in (draws(part(), SETTINGS, 1), draws(part(), replace(SETTINGS, seed=1), 0)):
        assert not np.array_equal(first, other)


def test_plain_draws_show_every_picture_once() -> None:
    found = draws(part(), replace(SETTINGS, sampling="plain"), 0)
    assert sorted(found.tolist()) == [*range(25)]


def test_batches_hold_the_pictures_that_were_drawn_each_time_in_another_crop() -> None:
    shown: dict[int, list[Window]] = {}
    for batch in batches(SOURCE, SETTINGS, 0, threads=2):
        for i, crop in enumerate(batch.images):
            picture = batch.shown_of[i]
            assert picture == batch.samples[i] % 25
            assert (crop == picture).all()
            assert batch.targets[i] == LABELS[picture]
            shown.setdefault(picture, []).append(batch.windows[i])
    assert len(set(shown[24])) > 3


def test_processes_share_what_was_drawn() -> None:
    whole = [b.samples for b in batches(SOURCE, SETTINGS, 0, 1)]
    halves = [
        [b.samples for b in batches(replace(SOURCE, share=(n, 2)), SETTINGS, 0, 1)]
        for n in range(2)
    ]
    for one, *both in zip(whole, *halves, strict=True):
        assert np.array_equal(np.concatenate(both), one)


def test_weights_are_those_by_which_classes_count_the_same() -> None:
    """N / (K n): 25 / (3 x 20), 25 / (3 x 4), 25 / 3, and in the loss one for each picture."""
    assert CLASSIFY.balanced is not None
    weights = CLASSIFY.balanced(25, counts_of(LABELS, 3))
    assert weights.tolist() == pytest.approx([25 / 60, 25 / 12, 25 / 3])
    assert float(weights[LABELS].mean()) == pytest.approx(1)
    assert CLASSIFY.balanced(4, np.array([4, 0])).tolist() == [0.5, 0]
    scores, labels = torch.randn(25, 3), torch.from_numpy(LABELS)
    ours = CLASSIFY.loss(scores, labels, weights)
    theirs = torch.stack(
        [weights[k] * F.cross_entropy(s, k) for s, k in zip(scores, labels, strict=True)]
    )
    assert torch.allclose(ours, theirs)


def test_what_is_drawn_so_is_said() -> None:
    said = epoch_in_words(25, SETTINGS)
    assert said == "an epoch: 3 steps of 8 pictures, drawn so that classes come equally often"


def test_weights_change_what_is_learnt_and_stand_in_the_command(
    photos: Callable[..., Path],
) -> None:
    folder = photos(20, 6, side=40)
    plain = train(folder, "plain", TWO_CORES, **SMALL)
    for name in ("class_weights", "sampling"):
        given: dict[str, Any] = {**SMALL, name: "balanced"}
        run = train(folder, name, TWO_CORES, **given)
        assert f"--set {name}=balanced" in run.command
        assert f"{name}=" not in plain.command
        assert run.epochs[0].loss != plain.epochs[0].loss


def test_runs_that_were_begun_before_go_on_as_they_were() -> None:
    """run.toml as it was without these settings."""
    train("drawn:40x32", "run", TWO_CORES, **SMALL)
    path = Path("run/run.toml")
    lines = path.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(("class_weights", "sampling"))]
    assert len(lines) - len(kept) == 2
    path.write_text("".join(kept))
    settings = settings_of(described(Path("run")))
    assert (settings.class_weights, settings.sampling) == ("none", "plain")


def test_both_at_once_are_refused() -> None:
    with pytest.raises(UserError, match="rare classes would count twice"):
        replace(SETTINGS, class_weights="balanced")
