"""Folds: what they must be is their definition, held against names and labels counted here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import TWO_CORES, drawn_photos
from verydeep.datasets import open_dataset
from verydeep.errors import UserError
from verydeep.parts.splitting import in_fold
from verydeep.training.settings import Settings
from verydeep.verbs.evaluate import evaluate
from verydeep.verbs.parts import opened, to_test
from verydeep.verbs.train import train
from verydeep.weights.file import read_info


def test_all_folds_together_test_each_picture_once_and_each_class_alike() -> None:
    drawn_photos(Path("photos"), 13, 10, 22)
    whole = open_dataset("photos", 4)
    folds = [in_fold(whole, (i, 5), 4) for i in range(5)]
    tested = [name for fold in folds for name in fold.by_role["test"].names]
    assert sorted(tested) == sorted(whole.everything.names)
    assert {len(fold.by_role["test"]) for fold in folds} == {9}
    for fold in folds:
        counts = np.bincount(fold.by_role["test"].labels)
        assert (abs(counts - np.array([13, 10, 22]) / 5) < 1).all()
        parts = [{*part.names} for part in fold.by_role.values()]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 45
        assert set(np.unique(fold.validation.labels)) == {0, 1, 2}
        assert sum("drawn from split seed" in note for note in fold.notes) == 1
        assert fold.fingerprint == whole.fingerprint
    again = in_fold(open_dataset("photos", 4), (2, 5), 4)
    assert [*again.by_role["test"].names] == [*folds[2].by_role["test"].names]
    others = in_fold(open_dataset("photos", 5), (2, 5), 5)
    assert [*others.by_role["test"].names] != [*folds[2].by_role["test"].names]


def test_a_run_in_a_fold_is_tested_on_that_and_on_all_of_other_data() -> None:
    drawn_photos(Path("photos"), 12, 12)
    drawn_photos(Path("others"), 8, 8, first=50)
    run = train(
        "photos", "run", TWO_CORES, net="A", width=0.125, crop=32, scale=32, fc=16, batch=8,
        epochs=1, fold=[1, 3], bad_start="train",
    )  # fmt: skip
    fold = opened("photos", {"fold": (1, 3)})
    assert "--set 'fold=[1, 3]'" in run.command
    tests = [tested.scores for tested in run.tests if tested.scores.role == "test"]
    assert [*tests[0].names] == [*fold.by_role["test"].names]
    again = evaluate("run", "photos", "centre", TWO_CORES)
    assert [*again.scores.names] == [*tests[0].names]
    assert read_info(Path("run/best.safetensors")).provenance["settings"]["fold"] == [1, 3]
    _, name, part, _ = to_test(Path("run/best.safetensors"), "others", None, None, TWO_CORES)
    assert (name, len(part)) == ("all", 16)
    drawn_photos(Path("split/train"), 4, 4, first=80)
    drawn_photos(Path("split/test"), 2, 2, first=90)
    _, _, part, _ = to_test(Path("run/best.safetensors"), "split", None, None, TWO_CORES)
    assert len(part) == 4


def test_what_cannot_be_dealt_out_is_refused() -> None:
    drawn_photos(Path("photos"), 13, 4)
    with pytest.raises(UserError, match=r"class 'crescent' has 4 picture.s., too few for 5 folds"):
        in_fold(open_dataset("photos"), (0, 5), 0)
    with pytest.raises(UserError, match="drawn:20x32 is split already; folds are of data without"):
        in_fold(open_dataset("drawn:20x32"), (0, 5), 0)
    with pytest.raises(UserError, match="fold 5 of 5; the first of them is fold 0"):
        Settings(fold=(5, 5))
