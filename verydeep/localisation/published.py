"""What the paper printed of localisation: Tables 8 to 10, errors in % on ILSVRC-2012.

Those of Table 8 are of the validation set, given the class and one centre crop; those of Table 9
of boxes merged, five guesses a picture, named by the paper's best classification.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verydeep.evaluation.published import Trained
from verydeep.localisation.boxes_file import Localised, Regression, Tuned

Shown = tuple[Trained, tuple[int, ...]]
"""A net with the Q that it was tested at."""

D256: Trained = ("D", 256, 256)
D384: Trained = ("D", 384, 384)


@dataclass(frozen=True)
class PublishedBoxes:
    """A row: the nets whose boxes were merged, what they learnt, how they were tested, the errors.

    `validation` is the error that a test of ours stands beside; that of the test set was told of
    some rows alone.
    """

    table: str
    nets: frozenset[Shown]
    way: str
    validation: float
    test: float | None = None
    regression: Regression = "PCR"
    tuned: Tuned = "all"


@dataclass(frozen=True)
class Team:
    """A row of Table 10: who, and the top-5 errors on both sets, where they are printed."""

    name: str
    validation: float | None
    test: float | None


_AT_384 = frozenset({(D384, (384,))})
_FIRST: Shown = (D256, (256,))
_TWO: Shown = (D384, (352, 384))

PUBLISHED = (
    PublishedBoxes("Table 8", _AT_384, "centre", 36.4, regression="SCR", tuned="fc"),
    PublishedBoxes("Table 8", _AT_384, "centre", 34.3, tuned="fc"),
    PublishedBoxes("Table 8", _AT_384, "centre", 33.1),
    PublishedBoxes("Table 9", frozenset({_FIRST}), "dense", 29.5),
    PublishedBoxes("Table 9", _AT_384, "dense", 28.2, 26.7),
    PublishedBoxes("Table 9", frozenset({_TWO}), "dense", 27.5),
    PublishedBoxes("Table 9", frozenset({_FIRST, _TWO}), "dense", 26.9, 25.3),
)

TABLE_10 = (
    Team("VGG", 26.9, 25.3),
    Team("GoogLeNet", None, 26.7),
    Team("OverFeat", 30.0, 29.9),
    Team("Krizhevsky et al.", None, 34.2),
)


def published_boxes(members: Sequence[Localised]) -> PublishedBoxes | None:
    """The paper's row of such a test, or of such tests fused; None where it has none.

    There is one where each is of all of ILSVRC-2012's validation pictures, by one of the paper's
    nets, as its `net` says.
    """
    nets = frozenset((m.net, m.protocol.scales) for m in members if m.net is not None)
    if len(nets) != len(members) or any(len(m.classes) != 1000 for m in members):
        return None
    how = {(m.protocol.name, m.regression, m.tuned) for m in members}
    for row in PUBLISHED:
        if row.nets == nets and how == {(row.way, row.regression, row.tuned)}:
            return row
    return None
