"""What the paper found, as comparisons of places in its tables that can be made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from verydeep.studies import beginnings
from verydeep.studies.claims import Claim, Kind
from verydeep.studies.classification import ALL, CENTRE, DEEP, FIXED, JITTERED
from verydeep.studies.localisation import ONE, TUNED
from verydeep.studies.neighbours import (
    BOTH,
    DEPTH_OF_PLAIN,
    DISTURB,
    DROPOUT,
    LABELS,
    NONE,
    PLAIN_NET,
    RESIDUAL,
)
from verydeep.studies.tables import Table
from verydeep.training.recipes import GLOROT

Place = tuple[str, str, str]
"""A table, a row and a column of it."""
SHALLOW = (28.7, 28.7 + 7.0)
"""Sect. 4.1 prints the difference alone, 7 points on a centre crop; B's error is Table 3's."""
REGRESSION = (34.3, 36.4)
"""Table 8 has PCR and SCR beside each other with the FC layers tuned alone."""

PLAIN_OF_34, RESIDUAL_OF_34, PLAIN_OF_18 = 28.54, 25.03, 27.94
"""Table 2 of He et al. (2016), on ILSVRC: of small plain nets they have curves alone (Fig. 6)."""


@dataclass(frozen=True)
class Comparison:
    """What is claimed of the first place beside the second.

    `printed` are the paper's two errors in %, where its tables do not have both.
    """

    first: Place
    second: Place
    kind: Kind = "better"
    printed: tuple[float, float] | None = None

    def __str__(self) -> str:
        first, second = self.first, self.second
        than = {"better": "better than", "alike": "like", "no better": "no better than"}[self.kind]
        if first[0] != second[0] and first[2] != second[2]:
            return f"{first[1]}: {first[2]} ({first[0]}) {than} {second[2]} ({second[0]})"
        if first[0] != second[0]:
            return f"{first[1]}, {first[2]}: {first[0]} {than} {second[0]}"
        if first[1] != second[1]:
            return f"{first[1]} {than} {second[1]} ({first[0]}, {first[2]})"
        return f"{first[1]}: {first[2]} {than} {second[2]} ({first[0]})"


@dataclass(frozen=True)
class Finding:
    """A finding by its number, in words, and what it is seen by."""

    key: str
    words: str
    comparisons: tuple[Comparison, ...]


def _one_s(better: str, than: str, kind: Kind = "better") -> Comparison:
    """Two nets of Table 3 that were trained at one S."""
    return Comparison(("Table 3", better, FIXED), ("Table 3", than, FIXED), kind)


def _of_depth(
    better: tuple[int, str], than: tuple[int, str], printed: tuple[float, float] | None = None
) -> Comparison:
    """Two nets of He et al.'s, by their layers and their kind."""
    first, second = ((DEPTH_OF_PLAIN, f"{n} layers", kind) for n, kind in (better, than))
    return Comparison(first, second, printed=printed)


def _labelled(better: str, than: str) -> Comparison:
    """LeNet kept in check in two ways."""
    return Comparison((LABELS, better, "LeNet"), (LABELS, than, "LeNet"))


FINDINGS = (
    Finding("F1", "normalising responses does not help", (_one_s("A-LRN", "A", "no better"),)),
    Finding(
        "F2", "the error falls with depth, up to 19 layers, where it does no more",
        (_one_s("B", "A"), _one_s("C", "B"), _one_s("D", "C"), _one_s("E", "D", "no better")),
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
    Finding(
        "F9", "a box for each class (PCR) is better than one for all (SCR)",
        tuple(
            Comparison(("Table 8", "PCR", tuned), ("Table 8", "SCR", tuned), printed=REGRESSION)
            for tuned in TUNED.values()
        ),
    ),
    Finding(
        "F10", "tuning all layers for boxes is better than the FC layers alone",
        (Comparison(("Table 8", "PCR", TUNED["all"]), ("Table 8", "PCR", TUNED["fc"])),),
    ),
    Finding(
        "F11", "five guesses of dense boxes err less than a centre crop with its class given",
        (Comparison(("Table 9", "PCR", ONE), ("Table 8", "PCR", TUNED["all"])),),
    ),
    Finding(
        "F14", "Glorot's weights make beginning with layers of A unnecessary",
        (
            Comparison(
                (beginnings.NAME, beginnings.FROM_A, beginnings.PLAINLY),
                (beginnings.NAME, GLOROT, beginnings.PLAINLY),
                "no better",
            ),
        ),
    ),
    Finding(
        "N1", "a plain net gets worse as it gets deeper",
        (_of_depth((20, PLAIN_NET), (32, PLAIN_NET), (PLAIN_OF_18, PLAIN_OF_34)),),
    ),
    Finding(
        "N2", "with sums it gets better, and is better than the plain one",
        (
            _of_depth((32, RESIDUAL), (20, RESIDUAL)),
            _of_depth((32, RESIDUAL), (32, PLAIN_NET), (RESIDUAL_OF_34, PLAIN_OF_34)),
        ),
    ),
    Finding(
        "N3", "dropout and wrong labels each help, and most together",
        (
            _labelled(DROPOUT, NONE), _labelled(DISTURB, NONE), _labelled(BOTH, NONE),
            _labelled(BOTH, DROPOUT), _labelled(BOTH, DISTURB),
        ),
    ),
)  # fmt: skip


class Asked(NamedTuple):
    """A claim, and the two places that it is of."""

    first: Place
    second: Place
    claim: Claim


def claims(tables: Sequence[Table]) -> list[tuple[Finding, tuple[Asked, ...]]]:
    """The findings that these tables can tell of, with their claims; two may share one."""
    there = {(t.name, cell.row, cell.column): t.printed(cell) for t in tables for cell in t.cells}
    found = []
    for finding in FINDINGS:
        asked = tuple(
            Asked(c.first, c.second, Claim(str(c), c.kind, _printed(c, there)))
            for c in finding.comparisons
            if c.first in there and c.second in there
        )
        if asked:
            found.append((finding, asked))
    return found


def _printed(one: Comparison, there: Mapping[Place, float | None]) -> tuple[float, float] | None:
    """The paper's two errors in %, of the first and of the second, where it printed both."""
    first, second = there[one.first], there[one.second]
    return one.printed if one.printed or first is None or second is None else (first, second)
