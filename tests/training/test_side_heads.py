"""Side heads in training: their losses count what the table says, and their layers learn.

The gradient of the sum of losses is worked out here with PyTorch's cross-entropy alone.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import torch
from torch.nn import functional as F

from tests.training.test_loop import PIXELS, SETTINGS, drawn, source_of
from verydeep.nets import named
from verydeep.nets.network import Network
from verydeep.nets.rows import PICTURE
from verydeep.nets.table import SCORES
from verydeep.nets.words import read_table
from verydeep.runtime.distributed import Ranks
from verydeep.training.loader import batches
from verydeep.training.state import Training, tuned_layers
from verydeep.training.step import Step

WORDS = (
    "conv3-8", "maxpool", "<near 0.3", "avepool5 /3", "FC-10", ">", "<far", "FC-10", ">",
    "conv3-8", "maxpool", "FC-10", "soft-max",
)  # fmt: skip


def test_losses_of_side_heads_are_added_by_their_weights() -> None:
    table = read_table("X", WORDS, SETTINGS.crop)
    network = Network.random(table, [f"c{i}" for i in range(10)], PIXELS, "he", 0).train()
    settings = replace(SETTINGS, dropout=0.0, colour=0.0)
    training = Training.of(network, settings)
    batch = next(batches(source_of(drawn()[0]), settings, 0, threads=1))
    with ThreadPoolExecutor(1) as pool:
        loss, gradients, _ = Step(training, settings, pool, Ranks()).gradients(batch, 0)

    shown = batch.part(0, len(batch.samples), network.device)
    found = network.run({PICTURE: shown.shown(PIXELS)}, [SCORES, "near"])
    each = {n: F.cross_entropy(v.mean((2, 3)), shown.targets) for n, v in found.items()}
    expected = each[SCORES] + 0.3 * each["near"]
    torch.testing.assert_close(loss, expected.detach())
    learnt = dict(training.optimiser.weights)
    assert {name.partition(".")[0] for name in learnt} == {"conv1_1", "near_fc2", "conv2_1", "fc3"}
    wanted = torch.autograd.grad(expected, [*learnt.values()])
    for ours, theirs in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_heads_learn_with_all_layers_and_not_with_the_last() -> None:
    table = named.table("GoogLeNet-aux", 10, width=0.0625, crop=96)
    assert {"aux1_conv2_1", "aux1_fc3", "aux2_fc2"} <= {*tuned_layers(table, "all")}
    assert tuned_layers(table, "fc") == tuned_layers(table, "last") == ["fc6"]
