"""SqueezeNet (Iandola et al., 2016), 1.0 by its Table 1 and 1.1 as its authors released it.

A fire module squeezes by 1 x 1 and expands by 1 x 1 beside 3 x 3. Pools round up, and the scores
are the means of the last maps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from verydeep.nets.paper import Family, PaperNet, columns

TABLE_1 = """
layer     | SqueezeNet-1.0    | SqueezeNet-1.1
conv1     | conv7-96 /2 pad 0 | conv3-64 /2 pad 0
maxpool1  | maxpool3 /2 ceil  | maxpool3 /2 ceil
fire2     | fire 16 64 64     | fire 16 64 64
fire3     | fire 16 64 64     | fire 16 64 64
          |                   | maxpool3 /2 ceil
fire4     | fire 32 128 128   | fire 32 128 128
maxpool4  | maxpool3 /2 ceil  |
fire5     | fire 32 128 128   | fire 32 128 128
          |                   | maxpool3 /2 ceil
fire6     | fire 48 192 192   | fire 48 192 192
fire7     | fire 48 192 192   | fire 48 192 192
fire8     | fire 64 256 256   | fire 64 256 256
maxpool8  | maxpool3 /2 ceil  |
fire9     | fire 64 256 256   | fire 64 256 256
dropout   | dropout 0.5       | dropout 0.5
conv10    | conv1-1000        | conv1-1000
avgpool10 | avepool           | avepool
          | soft-max          | soft-max
"""
"""fire: channels of the squeeze, and of the expansions by 1 x 1 and 3 x 3."""


def _words(column: str) -> Iterator[str]:
    for word in columns(TABLE_1)[column]:
        if match := re.fullmatch(r"fire (\d+) (\d+) (\d+)", word):
            yield from (
                f"conv1-{match[1]}",
                "(",
                f"conv1-{match[2]}",
                "|",
                f"conv3-{match[3]}",
                ")",
            )
        else:
            yield word


FAMILY = Family(
    "SqueezeNet",
    "Iandola et al., 2016",
    (
        PaperNet(
            "SqueezeNet-1.0", tuple(_words("SqueezeNet-1.0")), TABLE_1, 227, also=("squeezenet",)
        ),
        PaperNet("SqueezeNet-1.1", tuple(_words("SqueezeNet-1.1")), TABLE_1, 227),
    ),
)
