"""Testing as a task: what a test is known by, and which tests are the paper's.

Networks are narrow and untrained, but where what they answer matters: there they are made to
answer what is expected by their pictures' shades.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import TWO_CORES
from verydeep import weights
from verydeep.datasets.outlines import SHAPES
from verydeep.evaluation.journal import Journal
from verydeep.evaluation.scores import load_scores
from verydeep.nets.network import build
from verydeep.preprocessing import Pixels
from verydeep.tasks.testing import evaluate

PIXELS = Pixels((32, 32), (120.0, 115.0, 110.0), (58.0, 58.0, 58.0))
BGR = replace(PIXELS, order="BGR")


def test_the_same_tensors_with_other_pixels_are_another_test() -> None:
    network = build("A", classes=SHAPES, width=0.125, crop=32, pixels=PIXELS, initial="he")
    tested = {}
    for name, pixels in (("one", PIXELS), ("two", BGR), ("same", PIXELS)):
        network.pixels = pixels
        weights.save(network, f"{name}.safetensors")
        test = evaluate(f"{name}.safetensors", "drawn:10x32", "centre", TWO_CORES, part_name="test")
        assert test.path is not None
        tested[name] = test.path, load_scores(test.path).weights
    assert tested["one"] == tested["same"]
    assert tested["one"][0] != tested["two"][0]
    assert tested["one"][1] != tested["two"][1]


def test_a_test_is_not_gone_on_with_by_a_network_of_other_pixels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = []

    def journal(folder: Path, about: dict[str, object]) -> Journal:
        kept.append(about)
        return Journal(folder, about)

    monkeypatch.setattr("verydeep.tasks.testing.Journal", journal)
    network = build("A", classes=SHAPES, width=0.125, crop=32, pixels=PIXELS, initial="he")
    for pixels in (PIXELS, BGR):
        network.pixels = pixels
        weights.save(network, "w.safetensors")
        evaluate("w.safetensors", "drawn:10x32", "centre", TWO_CORES, out="out.safetensors")
    assert kept[0] != kept[1]
