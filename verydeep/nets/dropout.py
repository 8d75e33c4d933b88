"""Dropout that is a function of one seed for each picture, on any device.

Which values are kept does not depend on how pictures are batched, nor on who works on them: a batch
is drawn in one go, and so is each part of it to the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from zlib import crc32

import torch
from jaxtyping import Bool, Int64
from torch import Tensor, nn

from verydeep.nets.network import Rule
from verydeep.nets.rows import Dropout, Row
from verydeep.nets.table import Table

MULTIPLIER, KEY_STEP, WORD = 0xD256D193, 0x9E3779B9, 0xFFFFFFFF
ROUNDS = 7
"""Of Philox2x32; the fewest that pass the tests of TestU01 (Salmon et al., 2011, Table 2)."""


def streams_of(table: Table) -> dict[str, int]:
    """The stream of words that each dropout row of a table draws from, by its name."""
    rows = (row.name for row in table.rows if isinstance(row, Dropout))
    return {name: crc32(name.encode()) for name in rows}


def dropout(seeds: Int64[Tensor, " B"], streams: Mapping[str, int]) -> Rule:
    """A rule for dropout rows by the pictures' seeds, of 32 bits each, and the rows' `streams_of`.

    Each value is set to zero with the layer's probability p, the rest enlarged by 1 / (1 - p).
    """

    def dropped(row: Row, layer: nn.Module, values: Tensor) -> Tensor:
        p = float(layer.p)  # type: ignore[arg-type]
        if p == 0:
            return values
        each = values[0].numel()
        return values * kept(seeds, streams[row.name], each, p).view_as(values) / (1 - p)

    return dropped


def kept(seeds: Int64[Tensor, " B"], stream: int, each: int, p: float) -> Bool[Tensor, "B n"]:
    """Which of `each` values of every picture are kept: each but with probability `p`."""
    counters = torch.arange((each + 1) // 2, device=seeds.device)
    words = philox(counters, stream, seeds[:, None])
    return torch.cat(words, 1)[:, :each] >= round(p * 2**32)


def philox(
    counters: Tensor, stream: int, keys: Tensor, rounds: int = ROUNDS
) -> tuple[Tensor, Tensor]:
    """Two random words of 32 bits for each counter, stream and key: Philox2x32.

    Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011. int64 holds
    the words; products wrap around, of which the lower 64 bits are what is wanted.
    """
    left, right = counters + 0 * keys, torch.full_like(counters, stream)
    for _ in range(rounds):
        product = left * MULTIPLIER
        left, right = ((product >> 32) & WORD) ^ keys ^ right, product & WORD
        keys = (keys + KEY_STEP) & WORD
    return left, right
