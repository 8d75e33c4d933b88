"""What the paper printed of its tests: Tables 3 to 7, errors in % on ILSVRC-2012's validation set.

Each row stands beside what was tested to get it, so that a test of the same can be printed next
to it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

Trained = tuple[str, int, int]
"""A configuration of Table 1, and S, smallest and largest."""


@dataclass(frozen=True)
class Published:
    """A row: the nets whose posteriors were averaged, how they were shown, and at which scales.

    `way` is "dense", "crops" or "both"; `scales` are the Q of one net, and empty where several
    were each tested at the three of their own S.
    """

    table: str
    nets: frozenset[Trained]
    way: str
    scales: tuple[int, ...]
    top1: float
    top5: float


REACH = 32
"""Pixels between the three scales of a net trained at one: a step of its score map."""


def three_scales(smallest: int, largest: int, crop: int = 224) -> tuple[int, int, int]:
    """The Q for nets trained at S: S - 32, S, S + 32; or Smin, the middle, Smax (Sect. 4.2).

    The first is the crop instead where S - 32 is below it.
    """
    middle = (smallest + largest) // 2
    if smallest == largest:
        return max(crop, middle - REACH), middle, middle + REACH
    return smallest, middle, largest


def _one(
    net: str, scale: tuple[int, int], single: tuple[float, float], several: tuple[float, float]
) -> list[Published]:
    """A net's rows of Tables 3 and 4, tested densely at one scale and at three."""
    three = three_scales(*scale)
    nets = frozenset({(net, *scale)})
    return [
        Published("Table 3", nets, "dense", three[1:2], *single),
        Published("Table 4", nets, "dense", three, *several),
    ]


def _ways(
    table: str, nets: str, dense: tuple[float, float], crops: tuple[float, float],
    both: tuple[float, float],
) -> list[Published]:  # fmt: skip
    """Rows of jittered nets tested in three ways: Tables 5 and 6."""
    which = frozenset((net, 256, 512) for net in nets)
    scales = (256, 384, 512) if len(nets) == 1 else ()
    found = {"dense": dense, "crops": crops, "both": both}
    return [Published(table, which, way, scales, *errors) for way, errors in found.items()]


SEVEN = frozenset(
    {
        ("D", 256, 256), ("D", 384, 384), ("D", 256, 512), ("C", 256, 256), ("C", 384, 384),
        ("E", 256, 256), ("E", 384, 384),
    }
)  # fmt: skip
"""The nets of the submission; of the jittered D the FC layers alone were fine-tuned."""

PUBLISHED = (
    Published("Table 3", frozenset({("A", 256, 256)}), "dense", (256,), 29.6, 10.4),
    Published("Table 3", frozenset({("A-LRN", 256, 256)}), "dense", (256,), 29.7, 10.5),
    *_one("B", (256, 256), (28.7, 9.9), (28.2, 9.6)),
    *_one("C", (256, 256), (28.1, 9.4), (27.7, 9.2)),
    *_one("C", (384, 384), (28.1, 9.3), (27.8, 9.2)),
    *_one("C", (256, 512), (27.3, 8.8), (26.3, 8.2)),
    *_one("D", (256, 256), (27.0, 8.8), (26.6, 8.6)),
    *_one("D", (384, 384), (26.8, 8.7), (26.5, 8.6)),
    *_one("D", (256, 512), (25.6, 8.1), (24.8, 7.5)),
    *_one("E", (256, 256), (27.3, 9.0), (26.9, 8.7)),
    *_one("E", (384, 384), (26.9, 8.7), (26.7, 8.6)),
    *_one("E", (256, 512), (25.5, 8.0), (24.8, 7.5)),
    *_ways("Table 5", "D", (24.8, 7.5), (24.6, 7.5), (24.4, 7.2)),
    *_ways("Table 5", "E", (24.8, 7.5), (24.6, 7.4), (24.4, 7.1)),
    Published("Table 6", SEVEN, "dense", (), 24.7, 7.5),
    *_ways("Table 6", "DE", (24.0, 7.1), (23.9, 7.2), (23.7, 6.8)),
)
"""Table 7 repeats three of these: one net, two and seven."""


def published(nets: Collection[Trained], way: str, scales: tuple[int, ...]) -> Published | None:
    """The paper's row of such a test, the first where it stands in two tables."""
    wanted = frozenset(nets)
    for row in PUBLISHED:
        if row.nets == wanted and row.way == way and row.scales in ((), scales):
            return row
    return None


def of_net(net: str, smallest: int, largest: int) -> tuple[Published, ...]:
    """The rows of one net tested densely, at one scale and at several: Tables 3 and 4."""
    nets = frozenset({(net, smallest, largest)})
    return tuple(r for r in PUBLISHED if r.nets == nets and r.table in ("Table 3", "Table 4"))
