"""Norms while a net learns: what they go by, keep, and leave as it is.

Expected statistics are worked out here from the values that a norm reads, with NumPy.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from tests.training.test_loop import PIXELS, SETTINGS, drawn, source_of
from verydeep import save
from verydeep.errors import UserError
from verydeep.nets import vgg
from verydeep.nets.network import Network
from verydeep.nets.norms import learnt_norms
from verydeep.nets.words import read_table
from verydeep.runtime.distributed import Ranks
from verydeep.training.loader import Batch, batches
from verydeep.training.settings import Settings
from verydeep.training.state import Training
from verydeep.training.step import Step, why_not_finite
from verydeep.weights import start_from


def network(name: str = "A-BN") -> Network:
    table = vgg.table(name, 10, 0.125, 32, 16)
    return Network.random(table, [f"c{i}" for i in range(10)], PIXELS, "he", 0).train()


def stepped(net: Network, settings: Settings, batch: Batch, threads: int = 1) -> Training:
    training = Training.of(net, settings)
    with ThreadPoolExecutor(threads) as pool:
        Step(training, settings, pool, Ranks())(batch, 0)
    return training


def batch_of(settings: Settings = SETTINGS) -> Batch:
    return next(batches(source_of(drawn()[0]), settings, 0, threads=1))


def test_a_net_begins_with_norms_that_change_nothing() -> None:
    state = network().state_dict()
    for kind, value in (
        ("weight", 1.0),
        ("bias", 0.0),
        ("running_mean", 0.0),
        ("running_var", 1.0),
    ):
        assert torch.equal(state[f"bn1_1.{kind}"], torch.full((8,), value))


def test_what_is_kept_moves_by_a_tenth_to_the_mean_over_micro_batches() -> None:
    """Of 10 pictures in micro-batches of 4, 4 and 2, each by its share of the batch."""
    batch, net = batch_of(), network()
    with torch.no_grad():
        values = net.activations(batch.shown(PIXELS), ["conv1_1"])["conv1_1"].double().numpy()
    pieces = [values[0:4], values[4:8], values[8:10]]
    shares = [0.4, 0.4, 0.2]
    mean = sum(s * p.mean((0, 2, 3)) for s, p in zip(shares, pieces, strict=True))
    variance = sum(s * p.var((0, 2, 3), ddof=1) for s, p in zip(shares, pieces, strict=True))
    stepped(net, replace(SETTINGS, micro_batch=4), batch)
    np.testing.assert_allclose(net.get_buffer("bn1_1.running_mean"), 0.1 * mean, rtol=1e-4)
    np.testing.assert_allclose(net.get_buffer("bn1_1.running_var"), 0.9 + 0.1 * variance, rtol=1e-4)


def test_the_number_of_threads_changes_no_bit() -> None:
    one, three = network(), network()
    stepped(one, SETTINGS, batch_of(), 1)
    stepped(three, SETTINGS, batch_of(), 3)
    for name, tensor in one.state_dict().items():
        assert torch.equal(three.state_dict()[name], tensor), name


@pytest.mark.parametrize("tune", ["fc", "last"])
def test_norms_of_layers_that_stay_are_left_as_they_are(tune: Literal["fc", "last"]) -> None:
    net = network()
    before = {k: t.clone() for k, t in net.state_dict().items() if k.startswith("bn")}
    training = stepped(net, replace(SETTINGS, tune=tune, start="x"), batch_of())
    assert not learnt_norms(net)
    assert not any(name.startswith("bn") for name in training.optimiser.weights)
    for name, tensor in before.items():
        assert torch.equal(net.state_dict()[name], tensor), name


def test_averages_of_weights_are_averages_of_what_norms_keep() -> None:
    net = network()
    training = stepped(net, replace(SETTINGS, average=0.5), batch_of())
    kept = net.get_buffer("bn1_1.running_mean").clone()
    assert training.average is not None
    assert torch.equal(training.average["bn1_1.running_mean"], kept)  # of one step: that step's
    with training.averaged():
        assert torch.equal(net.get_buffer("bn1_1.running_mean"), kept)


def test_a_picture_that_is_skipped_spoils_no_statistics() -> None:
    """Another's crop stands in its place, and counts for nothing in the loss."""
    part, _ = drawn()
    broken = replace(part, source=lambda i: b"broken" if i < 12 else part.source(i))
    settings = replace(SETTINGS, bad_picture="skip")
    batch = next(batches(source_of(broken), settings, 0, threads=1))
    skipped = (batch.weight == 0).nonzero()[:, 0].tolist()
    assert skipped
    assert all(batch.images[i].any() for i in skipped)
    assert all(batch.shown_of[i] >= 12 for i in skipped)


def test_what_is_not_finite_is_looked_for_as_it_was_learnt_from() -> None:
    """By the batch: what norms keep has no part in it, however it is."""
    net, batch = network(), batch_of()
    net.get_buffer("bn1_1.running_var").fill_(float("nan"))
    with torch.no_grad():
        net.get_parameter("conv2_1.bias")[0] = float("inf")
    error = why_not_finite(Training.of(net, SETTINGS), batch, 0, drawn()[0], Ranks())
    assert "the first layer is conv2_1" in str(error)


def test_one_value_a_channel_cannot_be_normalised() -> None:
    words = ("conv3-8-bn", "avepool", "conv1-10-bn linear", "soft-max")
    net = Network.random(read_table("X", words, 32), list("abcdefghij"), PIXELS, "he", 0).train()
    with pytest.raises(UserError, match="'bn2_1' cannot normalise one picture by itself"):
        stepped(net, replace(SETTINGS, micro_batch=9), batch_of())


def test_layers_from_another_configuration_bring_their_norms() -> None:
    a, b = network("A-BN"), network("B-BN")
    given: dict[str, Any] = {k: t.clone() for k, t in a.state_dict().items() if "bn1_1" in k}
    a.get_buffer("bn1_1.running_mean").fill_(7)
    save(a, "a.safetensors")
    copied, _ = start_from(b, Path("a.safetensors"))
    assert {"conv1_1", "bn1_1", "conv3_2", "bn3_2"} <= {*copied}
    assert torch.equal(b.get_buffer("bn1_1.running_mean"), torch.full((8,), 7.0))
    assert given.keys() <= b.state_dict().keys()
