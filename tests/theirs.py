"""Networks of torchvision's own VGG class, narrow ones too, and their files as others write them.

timm's names and layouts were written down from its source: features.N as torchvision's, fc1 and fc2
stored as convolutions under pre_logits, the last layer a matrix under head.fc.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import Tensor, nn

NAMES = {"A": "vgg11", "B": "vgg13", "D": "vgg16", "E": "vgg19"}
"""What torchvision calls the configurations of Table 1 that it has."""
State = OrderedDict[str, Tensor]


def network(
    letter: str,
    norms: bool = False,
    *,
    channels: int = 8,
    crop: int = 64,
    fc: int = 16,
    classes: int = 7,
    seed: int = 0,
) -> Any:
    """torchvision's VGG of a configuration, `channels` / 64 as wide, with random weights."""
    models = pytest.importorskip("torchvision").models.vgg
    torch.manual_seed(seed)
    scaled = [v if v == "M" else v * channels // 64 for v in models.cfgs[letter]]
    side, last = crop // 32, scaled[-2]
    with torch.device("meta"):  # its own classifier is never made
        built = models.VGG(nn.Sequential(), num_classes=classes, init_weights=False)
    built.features = models.make_layers(scaled, batch_norm=norms)
    built.avgpool = nn.AdaptiveAvgPool2d((side, side))
    built.classifier = nn.Sequential(
        nn.Linear(last * side * side, fc), nn.ReLU(True), nn.Dropout(),
        nn.Linear(fc, fc), nn.ReLU(True), nn.Dropout(),
        nn.Linear(fc, classes),
    )  # fmt: skip
    for module in built.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            module.bias = nn.Parameter(0.1 * torch.randn(len(module.weight)))
    return with_random_norms(built)


def with_random_norms(built: Any) -> Any:
    """The network with norms that do something, ready to test."""
    for module in built.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.5)
            module.running_mean = 0.5 * torch.randn(module.num_features)
            module.running_var = 0.5 + torch.rand(module.num_features)
    return built.eval()


def as_timm(state: State, side: int) -> State:
    """A state dict of torchvision's under timm's names, in timm's layouts."""
    first, second, last = state["classifier.0.weight"], state["classifier.3.weight"], "head.fc"
    named = OrderedDict((k, t) for k, t in state.items() if k.startswith("features"))
    named["pre_logits.fc1.weight"] = first.reshape(len(first), -1, side, side)
    named["pre_logits.fc1.bias"] = state["classifier.0.bias"]
    named["pre_logits.fc2.weight"] = second[:, :, None, None]
    named["pre_logits.fc2.bias"] = state["classifier.3.bias"]
    named[f"{last}.weight"] = state["classifier.6.weight"]
    named[f"{last}.bias"] = state["classifier.6.bias"]
    return named
