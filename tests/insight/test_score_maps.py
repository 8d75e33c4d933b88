"""Maps of networks that mean whole maps: what a place has is its share of the scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from verydeep.engines.engine import engine_for
from verydeep.insight.score_maps import (
    _posterior_of_crops,
    _posterior_of_places,
    _shared,
    score_maps,
)
from verydeep.nets.describing import classifying, describing
from verydeep.nets.network import build
from verydeep.nets.rows import PICTURE


def test_the_mean_of_what_places_give_are_the_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    net = build("D", 4, width=0.0625, crop=32, fc=24, initial="he")
    weight, bias = torch.randn(3, 32), torch.randn(3)
    found = classifying(describing(net, "relu5_3"), weight, bias, ["a", "b", "c"])
    image = (np.random.default_rng(0).random((70, 96, 3)) * 255).astype(np.uint8)
    monkeypatch.setattr(type(found), "likely", lambda self, scores: scores)  # scores as they are
    by_place, places = _posterior_of_places(found, image)
    assert by_place.shape == (3, 4, 6)
    scores = found(found.pixels.normalise(torch.from_numpy(image)[None]))
    np.testing.assert_allclose(by_place.mean((1, 2)), scores[0].tolist(), rtol=1e-4)
    # a place stands for 16 pixels of the 64 that are shown, from the third on, and of the 96
    np.testing.assert_allclose(places[0], 3 + 8 + 16 * np.arange(4))
    np.testing.assert_allclose(places[1], 8 + 16 * np.arange(6))


@pytest.mark.parametrize(
    ("name", "once"), [("D", "relu5_3"), ("alexnet", "relu3_3"), ("overfeat-accurate", "relu2_1")]
)
def test_rows_that_run_once_give_what_four_runs_of_all_rows_do(
    monkeypatch: pytest.MonkeyPatch, name: str, once: str
) -> None:
    """To the last digits, as no layer has biases here: beyond the picture there is nothing."""
    network = build(name, 4, width=0.0625, initial="he")
    network.get_submodule(network.table.scores).get_parameter("weight").data.mul_(0.01)
    assert _shared(network.table, network.table.step // 2) == once
    side = network.table.crop
    image = (np.random.default_rng(0).random((side, side + 40, 3)) * 255).astype(np.uint8)
    found, places = _posterior_of_crops(network, image)
    monkeypatch.setattr("verydeep.insight.score_maps._shared", lambda table, half: PICTURE)
    expected, same = _posterior_of_crops(network, image)
    assert [along.tolist() for along in places] == [along.tolist() for along in same]
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_another_engine_gives_the_same_map() -> None:
    """By convolutions of 128 channels, which are done with fewer multiplications."""
    network = build("A", 4, crop=64, width=0.25, initial="he")
    network.get_submodule("fc8").get_parameter("weight").data.mul_(0.01)
    image = (np.random.default_rng(0).random((256, 300, 3)) * 255).astype(np.uint8)
    (expected,) = score_maps(network, image, [1])
    (found,) = score_maps(network, image, [1], engine_for(network, "winograd", 2))
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-5)
