"""What is said of few pictures before the long work begins: once, and where it is of use.

D's convolutions are 15.35 thousand million multiply-adds at 224 x 224, so 25.1 at the 256 x 320
that are shown of 256 x 341, and 50.1 with the mirror image: 1.25 s of a core at 40 thousand million
a second. 22 million values twice, at 1.5 ns, are 0.07 s more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from verydeep.datasets import open_dataset
from verydeep.nets.network import build
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import Progress
from verydeep.runtime.runtime import Runtime
from verydeep.training.defaults import choose
from verydeep.training.duration import are_few, minutes_of_features
from verydeep.training.recipes import Recipe
from verydeep.verbs.announcement import instead
from verydeep.verbs.train import train
from verydeep.weights.file import save

ONE = Machine("cpu", 1)
TINY: dict[str, Any] = {
    "net": "A", "width": 0.125, "crop": 32, "fc": 8, "scale": 32, "epochs": 1, "batch": 4,
}  # fmt: skip
BEGINS = "few pictures: `"


def test_features_cost_two_passes_of_ds_convolutions() -> None:
    assert minutes_of_features(600, 1) == 13
    assert minutes_of_features(600, 2) == 7  # a further core adds four fifths
    assert minutes_of_features(1, 1) == 1


def test_few_are_those_that_need_more_epochs_than_the_papers() -> None:
    """1,500 steps of 32 are 74 epochs of 648.6 pictures."""
    assert are_few(644)
    assert not are_few(652)


def test_few_pictures_are_told_what_published_features_would_cost(
    photos: Callable[..., Path],
) -> None:
    folder = photos(30, 30)
    dataset = open_dataset(folder)
    line = instead(dataset, choose(dataset.train, ONE, TINY), ONE)
    assert line == (
        f"few pictures: `verydeep transfer vgg16 {folder}` needs no training, about 1 min here, "
        f"and may well be right more often"
    )
    on_gpu = Machine("cuda", 8)
    assert "min" not in str(instead(dataset, choose(dataset.train, on_gpu, {}), on_gpu))


def test_many_pictures_and_drawn_ones_are_told_nothing(photos: Callable[..., Path]) -> None:
    drawn = open_dataset("drawn:40x48")
    assert instead(drawn, choose(drawn.train, ONE, TINY), ONE) is None
    folder = open_dataset(photos(30, 30))
    many = folder.train.only([*range(len(folder.train))] * 20)
    dataset = replace(folder, parts={**folder.parts, "train": many})
    assert instead(dataset, choose(dataset.train, ONE, TINY), ONE) is None


@pytest.mark.parametrize("asked", ["nothing", "--from", "--recipe"])
def test_it_is_said_once_where_nothing_else_was_asked_for(
    photos: Callable[..., Path], asked: str
) -> None:
    said: list[str] = []

    class Told(Progress):
        def say(self, line: str) -> None:
            said.append(line)

    folder, runtime = photos(10, 10), Runtime(ONE, progress=Told())
    save(build("A", 3, width=0.125, crop=32, fc=8, initial="he"), Path("w.safetensors"), {})
    given: dict[str, Any] = {"start": "w.safetensors"} if asked == "--from" else {"initial": "he"}
    recipe = Recipe("mine", {**TINY, "divide": True}) if asked == "--recipe" else None
    train(folder, "run", runtime, recipe=recipe, **{**TINY, **given})
    lines = [line for line in said if line.startswith(BEGINS)]
    assert len(lines) == (asked == "nothing")
    if lines:
        begins = next(i for i, line in enumerate(said) if line.startswith("training: "))
        assert said.index(lines[0]) < begins
