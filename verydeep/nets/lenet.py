"""LeNet-5 (LeCun, Bottou, Bengio & Haffner, Proc. IEEE 1998, Sect. II.B), and what is called so.

Every hidden layer ends in a scaled tanh, subsampling too. C3 reads from some maps of S2 each, as
Table I of that paper has it; the output is the distance to a fixed code of each class. The scores
are less that distance, so that their soft-max learns what the paper's criterion does but for its
constant j. Ink is +1.175 and paper -0.1 there. Colours come in as their mean.
"""

from __future__ import annotations

from verydeep.nets.paper import Family, PaperNet, columns

TABLE_I = """
  | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15
0 | X |   |   |   | X | X | X |   |   | X | X  | X  | X  |    | X  | X
1 | X | X |   |   |   | X | X | X |   |   | X  | X  | X  | X  |    | X
2 | X | X | X |   |   |   | X | X | X |   |    | X  |    | X  | X  | X
3 |   | X | X | X |   |   | X | X | X | X |    |    | X  |    | X  | X
4 |   |   | X | X | X |   |   | X | X | X | X  |    | X  | X  |    | X
5 |   |   |   | X | X | X |   |   | X | X | X  | X  |    | X  | X  | X
"""
"""Which maps of S2, down, each map of C3, across, reads."""

LAYERS = """
layer | LeNet-5              | LeNet-Caffe           | LeNet-dropout
input | grey                 | grey                  | grey
C1    | conv5-6 pad 0 tanh   | conv5-20 pad 0 linear | conv5-20 pad 0 linear
S2    | subsample2 /2 tanh   | maxpool               | maxpool
C3    | conv5-16 pad 0 tanh  | conv5-50 pad 0 linear | conv5-50 pad 0 linear
S4    | subsample2 /2 tanh   | maxpool               | maxpool
C5    | conv5-120 pad 0 tanh |                       |
F6    | FC-84 tanh           | FC-500 dropout 0      | FC-500
      | RBF-10               | FC-10                 | FC-10
      | soft-max             | soft-max              | soft-max
"""
"""LeNet-5, C3 from the maps of Table I; the net of Caffe's examples, which goes by its name; and
that one with dropout, as later papers train it."""


def _connections() -> str:
    """Table I as a word has it: for each map of C3 the digits of the maps that it reads."""
    _, *rows = [[cell.strip() for cell in row.split("|")] for row in TABLE_I.strip().splitlines()]
    reads = zip(*(cells for _, *cells in rows), strict=True)
    return ",".join("".join(str(i) for i, mark in enumerate(c) if mark) for c in reads)


_LAYERS = columns(LAYERS)
LENET_5 = tuple(
    f"{word} from {_connections()}" if word.startswith("conv5-16") else word
    for word in _LAYERS["LeNet-5"]
)

FAMILY = Family(
    "LeNet",
    "LeCun et al., Proc. IEEE 1998",
    (
        PaperNet("LeNet-5", LENET_5, f"{LAYERS}{TABLE_I}", 32, also=("lenet",), scalable=False),
        PaperNet("LeNet-Caffe", _LAYERS["LeNet-Caffe"], LAYERS, 28),
        PaperNet("LeNet-dropout", _LAYERS["LeNet-dropout"], LAYERS, 28),
    ),
)
