"""What is said of a file with a layer that has no place in a VGG, by the layer's name."""

from __future__ import annotations

import re
from collections.abc import Sequence

from verydeep.errors import one_line

_SIGNS = (
    ("a ResNet", r"layer\d+\.\d+\.(conv\d|downsample)|res\d[a-z]\d*_branch"),
    ("a DenseNet", r"denseblock|conv\d_block\d+_\d_conv"),
    ("an Inception net", r"Mixed_\d|inception|mixed\d"),
    ("a SqueezeNet", r"\.squeeze\.|^fire\d"),
    ("a vision transformer", r"\.attn\.|self_attention|cls_token"),
    ("a ConvNeXt", r"\.layer_scale|stages\.\d+\.\d+\.gamma|stages\.\d+\.blocks"),
    ("an SSD", r"^(loc|conf)\.\d+"),
    ("a detector", r"^(rpn|roi_heads)\."),
)
"""Nets whose layers have names that no VGG has, and what such a name looks like."""


def out_of_place(names: Sequence[str]) -> str:
    """The first of layers that are at no place of a VGG, in words.

    A name that layers of another net have goes first, and that is told; that the file is of that
    net is more than is known.
    """
    signs = ((name, net) for net, like in _SIGNS for name in names if re.search(like, name))
    name, net = next(signs, (names[0], ""))
    return f"'{one_line(name)}'{net and f', as {net} has'}, which is at no place of a VGG"
