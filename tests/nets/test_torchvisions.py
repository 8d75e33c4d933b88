"""Nets of which torchvision has one: the same scores with its random weights copied.

torchvision is the independent implementation, in test mode and in training, where norms go by the
batch. Dropout is left out of both in training, for theirs draws as it likes.
"""

from __future__ import annotations

import pytest
import torch
import torchvision  # type: ignore[import-untyped]
from torch import nn

from tests.conftest import images
from verydeep.nets import named
from verydeep.nets.layers import BatchNorm
from verydeep.nets.network import Network, Rules
from verydeep.nets.norms import Norms, learnt_norms
from verydeep.nets.rows import PICTURE, Conv
from verydeep.nets.rows import BatchNorm as BatchNormRow
from verydeep.nets.table import SCORES
from verydeep.pictures.preprocessing import IMAGENET

CLASSES = 10
PEERS = {
    "AlexNet-one-tower": ("alexnet", 224, {}),
    "GoogLeNet-torchvision": ("googlenet", 64, {"aux_logits": False, "init_weights": True}),
    "ResNet-18-v1.5": ("resnet18", 64, {}),
    "ResNet-50-v1.5": ("resnet50", 64, {}),
    "SqueezeNet-1.0": ("squeezenet1_0", 95, {}),
    "SqueezeNet-1.1": ("squeezenet1_1", 95, {}),
}
"""Their function, a crop, and what else it is to be told. AlexNet's FC layers want one crop."""


@pytest.fixture(scope="module", params=PEERS)
def both(request: pytest.FixtureRequest) -> tuple[nn.Module, Network]:
    """torchvision's net, and ours with its weights."""
    name, crop, more = PEERS[request.param]
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, name)(weights=None, num_classes=CLASSES, **more)
    table = named.table(request.param, CLASSES, crop=crop)
    ours = Network.empty(table, [str(i) for i in range(CLASSES)], IMAGENET)
    rows = [row.name for row in table.rows if isinstance(row, Conv | BatchNormRow)]
    layers = [m for m in theirs.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d | nn.Linear)]
    shapes, given = ours.state_dict(), {}
    for row, layer in zip(rows, layers, strict=True):
        for part, tensor in layer.state_dict().items():
            if (key := f"{row}.{part}") in shapes:
                given[key] = tensor.clone().view(shapes[key].shape)
    ours.load_state_dict(given, assign=True)
    return theirs, ours


def test_scores_are_torchvisions(both: tuple[nn.Module, Network]) -> None:
    theirs, ours = both
    for net in both:
        net.eval()
    crop = images(2, ours.table.crop, ours.table.crop)
    with torch.inference_mode():
        torch.testing.assert_close(ours(crop), theirs(crop), rtol=1e-4, atol=1e-4)


def test_scores_are_torchvisions_in_training(both: tuple[nn.Module, Network]) -> None:
    theirs, ours = both
    for net in both:
        for module in net.train().modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    crop = images(4, ours.table.crop, ours.table.crop)
    rules: Rules = {BatchNormRow: Norms(learnt_norms(ours))}
    with torch.no_grad():
        found = ours.run({PICTURE: crop}, [SCORES], rules)[SCORES].mean((2, 3))
        torch.testing.assert_close(found, theirs(crop), rtol=1e-4, atol=1e-4)
        assert not any(isinstance(m, BatchNorm) for m in ours.modules()) or not torch.allclose(
            found, ours.eval()(crop), rtol=1e-3
        )
