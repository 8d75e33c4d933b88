"""What is said of a file that is not what it should be: other nets by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from verydeep.errors import one_line

OTHERS = (
    ("a ResNet", r"layer\d+\.\d+\.conv\d|layer\d+\.\d+\.downsample|res\d[a-z]\d*_branch"),
    ("a DenseNet", r"denseblock|conv\d_block\d+_\d_conv"),
    ("an Inception net", r"Mixed_\d|inception|mixed\d"),
    ("a SqueezeNet", r"\.squeeze\.|^fire\d"),
    ("a vision transformer", r"\.attn\.|self_attention|cls_token"),
    ("a ConvNeXt", r"\.layer_scale|stages\.\d+\.\d+\.gamma|stages\.\d+\.blocks"),
    ("a MobileNet or EfficientNet", r"features\.\d+\.\d+\.|features\.\d+\.conv\.|blocks\.\d+\.\d+"),
    ("an SSD", r"^vgg\.\d+|^loc\.\d+|^conf\.\d+"),
    ("a detector", r"^(backbone|rpn|roi_heads|neck)\."),
    ("an AlexNet", r"^classifier\.[14]\.weight"),
)
"""Nets that are met in files like a VGG's, each by what a name in it looks like."""


def looks_like(names: Iterable[str]) -> str | None:
    """What other net these names are of: "a ResNet, by layer1.0.conv1"; None where unknown."""
    names = sorted(names)
    for net, pattern in OTHERS:
        for name in names:
            if re.search(pattern, name):
                return f"{net}, by {one_line(name.removesuffix('.weight'))}"
    return None
