"""AlexNet and its kin: ZFNet and OverFeat, as their papers describe them.

AlexNet (Krizhevsky, Sutskever & Hinton, NIPS 2012) in two groups, as it lay on two GPUs; LRN before
the pool. Its input is printed as 224 and is 227, by its 55 places. ZFNet (Zeiler & Fergus, ECCV
2014), its paddings inferred from the sides in Fig. 3; b is the larger of Table 3. OverFeat
(Sermanet et al., ICLR 2014), Tables 1 and 3. Dropout is in the first two FC layers of all.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest

from verydeep.nets.paper import Family, PaperNet, columns

LAYERS = """
AlexNet            | ZFNet-a           | OverFeat-fast    | OverFeat-accurate
input 227          | input 224         | input 231        | input 221
conv11-96 /4 pad 0 | conv7-96 /2 pad 1 | conv11-96 /4 pad 0 | conv7-96 /2 pad 0
LRN                | maxpool3 /2 ceil  | maxpool2 /2      | maxpool3 /3
maxpool3 /2        | LRN               |                  |
conv5-256 groups 2 | conv5-256 /2 pad 0 | conv5-256 pad 0 | conv7-256 pad 0
LRN                | maxpool3 /2 ceil  | maxpool2 /2      | maxpool2 /2
maxpool3 /2        | LRN               |                  |
conv3-384          | conv3-384         | conv3-512        | conv3-512
conv3-384 groups 2 | conv3-384         | conv3-1024       | conv3-512
conv3-256 groups 2 | conv3-256         | conv3-1024       | conv3-1024
                   |                   |                  | conv3-1024
maxpool3 /2        | maxpool3 /2       | maxpool2 /2      | maxpool3 /3
FC-4096            | FC-4096           | FC-3072          | FC-4096
FC-4096            | FC-4096           | FC-4096          | FC-4096
FC-1000            | FC-1000           | FC-1000          | FC-1000
soft-max           | soft-max          | soft-max         | soft-max
"""

ONE_TOWER = (
    "conv11-64 /4 pad 2", "maxpool3 /2", "conv5-192", "maxpool3 /2", "conv3-384", "conv3-256",
    "conv3-256", "maxpool3 /2", "dropout 0.5", "FC-4096", "FC-4096 dropout 0", "FC-1000",
    "soft-max",
)  # fmt: skip
"""Krizhevsky, "One weird trick", 2014, as torchvision has it: no LRN, dropout before FC layers."""

_LAYERS = columns(LAYERS)


def _net(name: str, source: str, also: tuple[str, ...] = ()) -> PaperNet:
    """A column: its first word says the crop."""
    side, *words = _LAYERS[name]
    crop = int(side.removeprefix("input "))
    return PaperNet(name, tuple(words), LAYERS, crop, also=also, source=source)


def _own(net: PaperNet, *beside: PaperNet) -> PaperNet:
    """A net that has no column above, with one of its own, behind those of nets like it."""
    found = [(each.name, f"input {each.crop}", *each.words) for each in (*beside, net)]
    return replace(net, printed="\n".join(map(" | ".join, zip_longest(*found, fillvalue=""))))


def _pooled_first(words: tuple[str, ...]) -> tuple[str, ...]:
    """CaffeNet's order: LRN after the pool, with Caffe's k."""
    text = ";".join(words)
    return tuple(text.replace("LRN;maxpool3 /2", "maxpool3 /2;LRN k 1").split(";"))


KRIZHEVSKY, WEIRD = "Krizhevsky et al., NIPS 2012", "Krizhevsky, arXiv 1404.5997, 2014"
ZEILER, SERMANET = "Zeiler & Fergus, ECCV 2014", "Sermanet et al., ICLR 2014"
ALEXNET, ZFNET_A = _net("AlexNet", KRIZHEVSKY), _net("ZFNet-a", ZEILER, ("zfnet", "zf"))
UNGROUPED = tuple(word.removesuffix(" groups 2") for word in ALEXNET.words)
CAFFENET = _pooled_first(ALEXNET.words)
ONE = ("alexnet-torchvision", "alexnet-owt")
ZFNET_B = (*ZFNET_A.words[:6], "conv3-512", "conv3-1024", "conv3-512", *ZFNET_A.words[9:])

FAMILY = Family(
    "AlexNet",
    "; ".join((KRIZHEVSKY, ZEILER, SERMANET)),
    (
        ALEXNET,
        _own(PaperNet("AlexNet-ungrouped", UNGROUPED, "", 227, source=KRIZHEVSKY), ALEXNET),
        _own(PaperNet("AlexNet-one-tower", ONE_TOWER, "", also=ONE, source=WEIRD)),
        _own(PaperNet("CaffeNet", CAFFENET, "", 227, source=KRIZHEVSKY), ALEXNET),
        ZFNET_A,
        _own(PaperNet("ZFNet-b", ZFNET_B, "", source=ZEILER), ZFNET_A),
        _net("OverFeat-fast", SERMANET, ("overfeat",)),
        _net("OverFeat-accurate", SERMANET),
    ),
)
