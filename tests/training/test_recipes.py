"""Recipes against the paper's text (Sect. 3.1) and Tables 3 and 4, typed here a second time."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.conftest import TWO_CORES
from verydeep.datasets import open_dataset
from verydeep.errors import Stopped, UserError
from verydeep.pictures.reading import read_picture
from verydeep.training.neighbours import NEIGHBOURS
from verydeep.training.recipes import RECIPES, chain, recipe, settings_of
from verydeep.training.settings import Settings
from verydeep.verbs import stages, train
from verydeep.verbs.stages import resume_staged, train_staged

TABLE_3 = """
A 29.6 10.4
A-LRN 29.7 10.5
B 28.7 9.9
C 28.1 9.4 28.1 9.3 27.3 8.8
D 27.0 8.8 26.8 8.7 25.6 8.1
E 27.3 9.0 26.9 8.7 25.5 8.0
"""
TABLE_4 = """
B 28.2 9.6
C 27.7 9.2 27.8 9.2 26.3 8.2
D 26.6 8.6 26.5 8.6 24.8 7.5
E 26.9 8.7 26.7 8.6 24.8 7.5
"""
SMALL: dict[str, Any] = {
    "width": 0.125, "crop": 32, "fc": 16, "batch": 10, "epochs": 1, "micro_batch": 5,
    "bad_start": "train",
}  # fmt: skip


@pytest.mark.parametrize(("table", "text"), [("Table 3", TABLE_3), ("Table 4", TABLE_4)])
def test_every_published_row_has_its_recipe(table: str, text: str) -> None:
    found = {}
    for name, one in RECIPES.items():
        for row in one.published:
            if row.table == table:
                found[name] = (row.top1, row.top5)
    expected = {}
    for line in text.strip().splitlines():
        net, *errors = line.split()
        pairs = zip(errors[::2], errors[1::2], strict=True)
        for stage, (top1, top5) in zip(("256", "384", "jitter"), pairs, strict=False):
            expected[f"{net}-{stage}"] = (float(top1), float(top5))
    assert found == expected


def test_the_papers_stages_stand_one_on_the_other() -> None:
    assert [r.name for r in chain(RECIPES["D-jitter"])] == ["A-256", "D-256", "D-384", "D-jitter"]
    settings = [Settings(**settings_of(r, {})) for r in chain(RECIPES["D-jitter"])]
    assert [s.scale for s in settings] == [(256, 256), (256, 256), (384, 384), (256, 512)]
    assert [s.rate for s in settings] == [1e-2, 1e-2, 1e-3, 1e-3]
    assert {(s.batch, s.momentum, s.decay, s.dropout, s.epochs) for s in settings} == {
        (256, 0.9, 5e-4, 0.5, 74)
    }
    assert chain(RECIPES["D-256-glorot"]) == [RECIPES["D-256-glorot"]]


def test_at_another_crop_s_is_as_many_steps_of_32_pixels_above_it() -> None:
    """256 = 224 + 32, 384 = 224 + 5 x 32, 512 = 224 + 9 x 32."""
    assert settings_of(RECIPES["A-256"], {"crop": 112})["scale"] == (144, 144)
    assert settings_of(RECIPES["D-384"], {"crop": 64})["scale"] == (224, 224)
    assert settings_of(RECIPES["D-jitter"], {"crop": 112})["scale"] == (144, 400)
    assert settings_of(RECIPES["A-256"], {"crop": 112, "scale": 200})["scale"] == (200, 200)
    assert settings_of(RECIPES["small"], {"crop": 96})["scale"] == (112, 112)
    assert settings_of(RECIPES["small"], {"width": 0.5})["scale"] == (80, 80)


@pytest.mark.parametrize(("epochs", "rising"), [(1, 0.25), (2, 0.5), (6, 1.0)])
def test_a_recipe_of_fewer_epochs_rises_for_a_quarter_of_them_at_most(
    epochs: int, rising: float
) -> None:
    settings = Settings(**settings_of(RECIPES["quick"], {"epochs": epochs}))
    assert settings.warm_up == rising
    assert settings_of(RECIPES["quick"], {"epochs": 9, "warm_up": 3.0})["warm_up"] == 3


PAPERS = [name for name in RECIPES if name not in ("small", "quick", *NEIGHBOURS)]


@pytest.mark.parametrize("name", PAPERS)
def test_every_s_of_the_paper_is_steps_of_32_pixels_above_the_crop(name: str) -> None:
    """So that the dense net, with a position every 32 pixels, sees all of the smaller side."""
    settings = Settings(**settings_of(RECIPES[name], {}))
    assert [(side - settings.crop) % 32 for side in settings.scale] == [0, 0]


def test_a_file_of_settings_that_says_no_s_has_it_from_its_crop() -> None:
    Path("mine.toml").write_text('net = "B"\nwidth = 0.125\ncrop = 48\nrate = 0.01\nbatch = 64')
    mine = recipe("mine.toml")
    assert settings_of(mine, {})["scale"] == (80, 80)
    assert settings_of(mine, {"crop": 64})["scale"] == (96, 96)
    Path("s.toml").write_text("scale = 100\ncrop = 48")
    assert settings_of(recipe("s.toml"), {})["scale"] == (100, 100)


def test_narrow_versions_of_recipes_begin_with_glorots_weights() -> None:
    assert settings_of(RECIPES["D-256"], {})["initial"] == "gaussian:0.01"
    assert settings_of(RECIPES["D-256"], {"width": 0.25})["initial"] == "glorot"
    given = {"width": 0.25, "initial": "gaussian:0.02"}
    assert settings_of(RECIPES["D-256"], given)["initial"] == "gaussian:0.02"
    Path("mine.toml").write_text('width = 0.5\ninitial = "gaussian:0.01"')
    assert settings_of(recipe("mine.toml"), {})["initial"] == "gaussian:0.01"


@pytest.mark.parametrize("name", PAPERS)
def test_the_papers_recipes_subtract_the_mean_alone_and_cut_on_plateaus_alone(name: str) -> None:
    """ "The only pre-processing we do is subtracting the mean RGB value" (Sect. 2.1); "decreased by
    a factor of 10 when the validation set accuracy stopped improving" (Sect. 3.1)."""
    settings = Settings(**settings_of(RECIPES[name], {"crop": 64}))
    assert not settings.divide
    assert settings.latest_cuts == ()


def test_a_run_by_a_recipe_of_the_paper_has_pixels_less_the_mean_alone(tmp_path: Path) -> None:
    run = train.train("drawn:20x64", tmp_path / "a", TWO_CORES, recipe=RECIPES["A-256"], **SMALL)
    assert run.network.pixels.std == (1.0, 1.0, 1.0)
    images = np.stack([read_picture(run.dataset.train.source(i)) for i in range(20)])
    assert run.network.pixels.mean == pytest.approx(tuple(images.mean((0, 1, 2))), abs=0.01)
    own = train.train("drawn:20x64", tmp_path / "b", TWO_CORES, net="A", **SMALL)
    assert own.network.pixels.std[0] == pytest.approx(images.std((0, 1, 2)).mean(), rel=0.05)


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_recipe_is_of_known_settings(name: str) -> None:
    assert Settings(**settings_of(RECIPES[name], {}))


def test_a_mistaken_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no recipe 'D-265'; did you mean 'D-256'"):
        recipe("D-265")
    with pytest.raises(UserError, match="no such file"):
        recipe("mine.toml")
    Path("mine.toml").write_text("rat = 0.1")
    with pytest.raises(UserError, match="no setting 'rat'; did you mean 'rate'"):
        recipe("mine.toml")
    Path("mine.toml").write_text("rate 0.1")
    with pytest.raises(UserError, match="mine.toml is no recipe: it is no TOML"):
        recipe("mine.toml")


def test_a_runs_own_file_is_a_recipe(tmp_path: Path) -> None:
    run = train.train("drawn:20x48", tmp_path / "a", runtime=TWO_CORES, net="A", **SMALL)
    again = recipe(str(run.folder / "run.toml"))
    assert Settings(**settings_of(again, {})) == run.settings


def test_what_earlier_versions_did_unsaid_is_a_runs_alone(tmp_path: Path) -> None:
    Path("mine.toml").write_text("[settings]\nrate = 0.02\n")
    assert recipe("mine.toml").settings == {"rate": 0.02}
    Path("run.toml").write_text('[settings]\nrate = 0.02\n[versions]\nverydeep = "0.1.0"\n')
    assert recipe("run.toml").settings == {"rate": 0.02, "divide": True, "bad_start": "train"}


def test_the_seed_of_the_split_in_a_recipe_splits_the_data(photos: Callable[..., Path]) -> None:
    """A folder without its own split has that of the seed, here and where it is gone on with."""
    root = photos(12, 12, side=48)
    Path("mine.toml").write_text("split = 3")
    run = train.train(root, "a", runtime=TWO_CORES, recipe=recipe("mine.toml"), net="A", **SMALL)
    assert run.settings.split == 3
    assert list(run.dataset.validation.names) == list(open_dataset(root, 3).validation.names)
    assert list(run.dataset.validation.names) != list(open_dataset(root, 0).validation.names)


def test_a_chain_trains_each_stage_from_the_one_before(tmp_path: Path) -> None:
    stages = train_staged(
        "drawn:20x48", RECIPES["C-384"], tmp_path / "x", runtime=TWO_CORES, **SMALL
    )
    assert [stage.recipe.name for stage in stages] == ["A-256", "C-256", "C-384"]
    assert [len(stage.tests) for stage in stages] == [4, 4, 4]  # validation and test, two ways
    begun = (tmp_path / "x" / "C-384" / "run.toml").read_text()
    assert f'start = "{tmp_path}/x/C-256"' in begun
    assert '"conv5_3"' in begun  # all layers of the same configuration


def test_a_chain_stopped_anywhere_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from verydeep.training.recorder import Recorder

    last = RECIPES["B-256"]
    train_staged("drawn:20x48", last, Path("whole"), runtime=TWO_CORES, **SMALL)
    whole = [Path("whole", name, "best.safetensors").read_bytes() for name in ("A-256", "B-256")]
    Path("whole").rename("kept")
    after_step = Recorder.after_step
    for stage, at in (("A-256", 1), ("B-256", 1), ("B-256", 2)):

        def stops(self: Recorder, *given: object, stage: str = stage, at: int = at) -> None:
            if self.folder.name == stage and self.steps(given[0]) == at:  # type: ignore[arg-type]
                self._interruption.asked = True
            after_step(self, *given)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(Recorder, "after_step", stops)
            line = f"of {stage}, saved; go on with `verydeep train --resume whole`"
            with pytest.raises(Stopped, match=line):
                train_staged("drawn:20x48", last, Path("whole"), runtime=TWO_CORES, **SMALL)
        if at == 1:
            stages = resume_staged(Path("whole"), runtime=TWO_CORES)
        else:  # as a job that Slurm has put into its queue again
            monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
            with pytest.raises(UserError, match="whole holds something already"):
                train_staged("drawn:20x48", RECIPES["C-256"], "whole", TWO_CORES, **SMALL)
            stages = train_staged("drawn:20x48", last, "whole", TWO_CORES, **SMALL)
        assert [s.recipe.name for s in stages] == ["A-256", "B-256"]
        found = [
            Path("whole", name, "best.safetensors").read_bytes() for name in ("A-256", "B-256")
        ]
        assert found == whole
        shutil.rmtree("whole")


def test_a_stages_own_settings_are_refused() -> None:
    with pytest.raises(UserError, match="scale is each stage's own in recipe D-256"):
        train_staged("drawn:20x48", RECIPES["D-256"], Path("x"), scale=64)


def test_only_the_fc_layers_learn_where_that_is_asked(tmp_path: Path) -> None:
    given: dict[str, Any] = {**SMALL, "net": "A", "scale": 40}
    first = train.train("drawn:20x48", tmp_path / "a", runtime=TWO_CORES, **given)
    second = train.train(
        "drawn:20x48",
        tmp_path / "b",
        runtime=TWO_CORES,
        start=str(first.folder),
        tune="fc",
        **given,
    )
    before, after = (dict(run.network.named_parameters()) for run in (first, second))
    assert torch.equal(before["conv5_2.weight"], after["conv5_2.weight"])
    assert not torch.equal(before["fc8.weight"], after["fc8.weight"])


def test_staged_folders_are_known_by_their_chain(tmp_path: Path) -> None:
    assert not stages.is_staged(tmp_path)
