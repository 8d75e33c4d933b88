"""What the paper found, as comparisons of places in its tables that can be made again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from verydeep.studies.classification import ALL, CENTRE, DEEP, FIXED, JITTERED
from verydeep.studies.tables import Cell, Table

Claim = Literal["better", "alike"]
Place = tuple[str, str, str]
"""A table, a row and a column of it."""
SHALLOW = (28.7 + 7.0, 28.7)
"""Sect. 4.1 prints the difference alone, 7 points on a centre crop; B's error is Table 3's."""


@dataclass(frozen=True)
class Comparison:
    """That the first place is better than the second by top-1 error, or that they are alike.

    `printed` are the paper's two errors in %, where its tables do not have both.
    """

    better: Place
    than: Place
    claim: Claim = "better"
    printed: tuple[float, float] | None = None


@dataclass(frozen=True)
class Finding:
    """A finding by its number, in words, and what it is seen by."""

    key: str
    words: str
    comparisons: tuple[Comparison, ...]


def _one_s(better: str, than: str, claim: Claim = "better") -> Comparison:
    """Two nets of Table 3 that were trained at one S."""
    return Comparison(("Table 3", better, FIXED), ("Table 3", than, FIXED), claim)


FINDINGS = (
    Finding("F1", "normalising responses does not help", (_one_s("A-LRN", "A", "alike"),)),
    Finding(
        "F2", "the error falls with depth, up to 19 layers, where it does no more",
        (_one_s("B", "A"), _one_s("C", "B"), _one_s("D", "C"), _one_s("E", "D", "alike")),
    ),
    Finding(
        "F3", "layers of 1 x 1 help, and those of 3 x 3 help more",
        (_one_s("C", "B"), _one_s("D", "C")),
    ),
    Finding(
        "F4", "deep with small filters is better than shallow with large ones",
        (
            Comparison(
                ("Sect. 4.1", "B", CENTRE), ("Sect. 4.1", "B-shallow", CENTRE), printed=SHALLOW
            ),
        ),
    ),
    Finding(
        "F5", "training at jittered S is better than at one",
        tuple(
            Comparison(("Table 3", net, JITTERED), ("Table 3", net, FIXED)) for net in DEEP
        ),
    ),
    Finding(
        "F6", "three test scales are better than one",
        tuple(
            Comparison(("Table 4", net, way), ("Table 3", net, way))
            for way in (FIXED, JITTERED) for net in ("B", *DEEP) if way == FIXED or net in DEEP
        ),
    ),
    Finding(
        "F7", "many crops are a little better than dense, and both together better than either",
        tuple(
            Comparison(("Table 5", net, better), ("Table 5", net, than))
            for net in "DE"
            for better, than in (("crops", "dense"), ("both", "dense"), ("both", "crops"))
        ),
    ),
    Finding(
        "F8", "two nets together are better than one, and two good ones than all",
        (
            Comparison(("Table 6", "D and E", "both"), ("Table 6", "D alone", "both")),
            Comparison(("Table 6", "D and E", "both"), ("Table 6", "E alone", "both")),
            Comparison(("Table 6", "D and E", "dense"), ("Table 6", ALL, "dense")),
        ),
    ),
)  # fmt: skip


def testable(tables: list[Table]) -> Iterator[tuple[Finding, Comparison, Cell, Cell]]:
    """The comparisons both of whose places are in these tables, with those places."""
    cells = {(t.name, cell.row, cell.column): cell for t in tables for cell in t.cells}
    for finding in FINDINGS:
        for one in finding.comparisons:
            if one.better in cells and one.than in cells:
                yield finding, one, cells[one.better], cells[one.than]


def printed(one: Comparison, better: Cell, than: Cell) -> tuple[float, float] | None:
    """The paper's two errors in %, of the worse and of the better place, where it printed both."""
    if one.printed is None and better.published and than.published:
        return than.published[0], better.published[0]
    return one.printed
