"""Network in Network (Lin, Chen & Yan, ICLR 2014), as its authors released it for Caffe.

The scores are the means of the last maps, one for each class, behind a ReLU.
"""

from __future__ import annotations

from verydeep.nets.paper import Family, PaperNet, columns

LAYERS = """
NiN                | NiN-CIFAR
conv11-96 /4 pad 0 | conv5-192
2 x conv1-96       | conv1-160
                   | conv1-96
maxpool3 /2 ceil   | maxpool3 /2 ceil
                   | dropout 0.5
conv5-256          | conv5-192
2 x conv1-256      | 2 x conv1-192
maxpool3 /2        | avepool3 /2 ceil
conv3-384          |
2 x conv1-384      |
maxpool3 /2 ceil   |
dropout 0.5        | dropout 0.5
conv3-1024         | conv3-192
conv1-1024         | conv1-192
conv1-1000         | conv1-10
avepool            | avepool
soft-max           | soft-max
"""
"""For crops of 224 and of 32; `avepool` is of 6 x 6 and of 8 x 8."""

_LAYERS = columns(LAYERS)
FAMILY = Family(
    "NiN",
    "Lin et al., ICLR 2014",
    (
        PaperNet("NiN", _LAYERS["NiN"], LAYERS),
        PaperNet("NiN-CIFAR", _LAYERS["NiN-CIFAR"], LAYERS, 32),
    ),
)
