"""What is said of layers that have no place in a VGG, by their names: refused, or left out."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

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


def note_of_head(left: Sequence[str], tensors: Collection[str], pooled: bool = True) -> str:
    """What is said of layers that are left out, so that a net of these tensors ends before them.

    `pooled` tells whether pooling stands after its last convolution.
    """
    layers = {name.rpartition(".")[0] for name in tensors}
    last = max(layer for layer in layers if layer.startswith("conv"))
    trunk = "pool5" if last.startswith("conv5") and pooled else last
    end = max((layer for layer in layers if layer.startswith("fc")), default=trunk)
    if not left:
        return f"it has no layer of classes, and ends with {end}"
    more = f" and {len(left) - 3} more" if len(left) > 3 else ""
    first = ", ".join(one_line(name) for name in left[:3])
    verb = "are" if len(left) > 1 else "is"
    return f"{first}{more} {verb} at no place of a VGG and left out: the net ends with {end}"
