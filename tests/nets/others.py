"""Nets that branch, in words: ResNet-18 and GoogLeNet as torchvision has them."""

from __future__ import annotations

import torch
from torch import nn

from verydeep.nets.network import Network
from verydeep.nets.rewording import with_classes
from verydeep.nets.rows import BatchNorm, Conv
from verydeep.nets.words import read_table
from verydeep.pictures.preprocessing import IMAGENET, Pixels


def _block(channels: int, first: bool) -> list[str]:
    """Two convolutions beside a shortcut, which is a projection where the stride is 2."""
    stride = " /2" if first else ""
    shortcut = [f"conv1-{channels}-bn /2 no bias linear"] if first else []
    return [
        "[", f"conv3-{channels}-bn{stride} no bias", f"conv3-{channels}-bn no bias linear",
        "|", *shortcut, "]",
    ]  # fmt: skip


RESNET_18 = (
    "conv7-64-bn /2 no bias", "maxpool3 /2 pad 1", *_block(64, False), *_block(64, False),
    *(word for c in (128, 256, 512) for first in (True, False) for word in _block(c, first)),
    "avepool", "FC-1000", "soft-max",
)  # fmt: skip


def _conv(kernel: int, channels: int, more: str = "") -> str:
    return f"conv{kernel}-{channels}-bn{more} no bias epsilon 0.001"


def _inception(*n: int) -> list[str]:
    """Table 1's columns; torchvision's convolutions of "5 x 5" are 3 x 3."""
    return [
        "(", _conv(1, n[0]), "|", _conv(1, n[1]), _conv(3, n[2]), "|", _conv(1, n[3]),
        _conv(3, n[4]), "|", "maxpool3 pad 1 ceil", _conv(1, n[5]), ")",
    ]  # fmt: skip


GOOGLENET = (
    _conv(7, 64, " /2"), "maxpool3 /2 ceil", _conv(1, 64), _conv(3, 192), "maxpool3 /2 ceil",
    *_inception(64, 96, 128, 16, 32, 32), *_inception(128, 128, 192, 32, 96, 64),
    "maxpool3 /2 ceil",
    *_inception(192, 96, 208, 16, 48, 64), *_inception(160, 112, 224, 24, 64, 64),
    *_inception(128, 128, 256, 24, 64, 64), *_inception(112, 144, 288, 32, 64, 64),
    *_inception(256, 160, 320, 32, 128, 128), "maxpool2 /2 ceil",
    *_inception(256, 160, 320, 32, 128, 128), *_inception(384, 192, 384, 48, 128, 128),
    "avepool", "dropout 0.2", "FC-1000", "soft-max",
)  # fmt: skip


ODD = (
    "conv5-128 /2 pad 1 no bias", "LRN n 3 k 1 alpha 0.01", "maxpool3 /2 pad 1 ceil",
    "[", "(", "conv3-64 groups 4 dilation 2", "|", "conv1-64-bn linear", "|", "avepool3 pad 1",
    ")", "conv1-128 linear", "|", "] linear", "avepool3 /2", "2 x conv3-256 groups 2", "L2",
    "FC-256", "dropout 0.3", "FC-1000", "soft-max",
)  # fmt: skip
"""A row of every kind that the other two have not."""


def with_weights_of(theirs: nn.Module, name: str, words: tuple[str, ...], crop: int) -> Network:
    """A net of these words with another's weights, layer after layer in the order of both."""
    table = read_table(name, words, crop)
    built = Network.random(table, [str(i) for i in range(table.class_count)], IMAGENET, "he", 0)
    ours = [row.name for row in table.rows if isinstance(row, Conv | BatchNorm)]
    layers = [m for m in theirs.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d | nn.Linear)]
    with torch.no_grad():
        for layer, other in zip(ours, layers, strict=True):
            given = other.state_dict()
            for part, tensor in built.get_submodule(layer).state_dict().items():
                tensor.copy_(given[part].view_as(tensor))
    return built


def small(words: tuple[str, ...], classes: int, crop: int = 64, seed: int = 0) -> Network:
    """A net of an eighth of the channels, with random weights."""
    narrow = [_narrowed(word) for word in with_classes(words, 8 * classes)]
    table = read_table("small", narrow, crop)
    return Network.random(table, [f"c{i}" for i in range(classes)], IMAGENET, "he", seed)


def _narrowed(word: str) -> str:
    head, dash, rest = word.partition("-")
    channels, *more = rest.replace("-bn", " -bn").split(" ", 1)
    if not channels.isdigit():
        return word
    options = f" {more[0]}" if more else ""
    return f"{head}{dash}{max(2, int(channels) // 8)}{options}".replace(" -bn", "-bn")


def drawn(
    words: tuple[str, ...], crop: int, name: str = "drawn", pixels: Pixels = IMAGENET
) -> Network:
    """A net of these words whose biases and norms are drawn too, its scores of the order of 1."""
    table = read_table(name, words, crop)
    names = [f"c{i}" for i in range(table.class_count)]
    built = Network.random(table, names, pixels, "he", 0)
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, tensor in built.state_dict().items():
            if key.endswith("running_var"):
                tensor.uniform_(0.5, 2.0, generator=draw)
            elif key.endswith(("bias", "running_mean")):
                tensor.normal_(0, 0.1, generator=draw)
        given = torch.rand(1, 3, crop, crop, generator=draw) - 0.5
        rows = [row.name for row, _ in table.path({table.scores}) if isinstance(row, Conv)]
        scale = built(given).std()
        for parameter in built.get_submodule(rows[-1]).parameters():
            parameter.div_(scale)
    return built
