"""AlphaGo's policy network (Silver et al., Nature 2016, Methods), on 48 planes of a board.

The last layer has a bias for each point, and the soft-max is over the points: moves are classes.
"""

from __future__ import annotations

from verydeep.nets.paper import Family, PaperNet

LAYERS = """
layer  | AlphaGo
input  | 48 planes of 19 x 19
1      | conv5-k
2-12   | 11 x conv3-k
13     | conv1-1 position bias
       | flatten
       | soft-max
"""
PLANES, BOARD = 48, 19
FILTERS = (128, 192, 256, 384)
"""The k that the paper tells of; 192 is what played."""


def _net(k: int) -> PaperNet:
    words = (f"conv5-{k}", f"11 x conv3-{k}", "conv1-1 position bias", "flatten", "soft-max")
    also = ("alphago",) if k == 192 else ()
    name = f"AlphaGo-{k}"
    return PaperNet(name, words, LAYERS, BOARD, PLANES, also, own_classes=True, has=f"{k} for k")


FAMILY = Family("AlphaGo", "Silver et al., Nature 2016", tuple(_net(k) for k in FILTERS))
