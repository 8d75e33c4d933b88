"""A network's twins, whose gradients go to a sum, which tests of training hold to the bit."""

from __future__ import annotations

import gc
import weakref

import torch

from verydeep.nets.network import build
from verydeep.training.sums import Sums, Twin


def test_a_twin_is_let_go_of_with_its_network() -> None:
    """Else a process that trains one net after another keeps the weights of them all."""
    network = build("A", classes=2, width=0.0625, crop=32, fc=8)
    twin = Twin(network, dict(network.named_parameters()))
    scores = twin.network(torch.rand(1, 3, 32, 32))
    twin.backward(scores.sum(), Sums(len([*network.parameters()]), (0,)), 0)
    there = weakref.ref(twin.network)
    del twin, scores
    gc.collect()
    assert there() is None
