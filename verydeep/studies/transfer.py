"""The study of transfer: one Q, three averaged and three stacked, of one net and of two (Table 11).

Stacking Q was better on Caltech-101 and -256, whose objects fill their pictures, and no better on
PASCAL VOC. Both are findings, so it is asked whether the two come to the same, whichever way it
falls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from verydeep.evaluation.published import three_scales
from verydeep.evaluation.published_transfer import OnOther
from verydeep.studies.claims import Claim
from verydeep.studies.findings import Asked, Comparison, Finding, Place

NAME = "transfer"
TABLE = "Table 11"
ONE, AVERAGED, STACKED = WAYS = ("one Q", "three Q, averaged", "three Q, stacked")
A_CLASS = {"tiny": 5, "small": 15, "medium": 30, "full": 60}
"""Pictures of each class that are learnt from, by the size of a study."""
LACKS_F13 = "F13 not tested: it is of two nets; give the other with a second --from"
APART = 32
"""Pixels between three Q where a net was trained at an S that is its crop."""

Figure = Literal["top-1 error", "mean class recall", "mAP"]
"""What a test is judged by; of the last two more is better."""


@dataclass(frozen=True)
class Of:
    """A net whose features are tested: its name, the hash of its weights, configuration, S."""

    name: str
    digest: str
    configuration: str
    crop: int
    scale: tuple[int, int]

    @property
    def three(self) -> tuple[int, ...]:
        """The three Q."""
        found = three_scales(*self.scale, self.crop)
        if len({*found}) == len(found):
            return found
        return tuple(self.crop + i * APART for i in range(3))

    def scales(self, way: str) -> tuple[int, ...]:
        """The Q of a way; the one is the least that it was trained at."""
        return self.scale[:1] if way == ONE else self.three


def both(nets: Sequence[Of]) -> str:
    """What the features of two nets are called that are stacked."""
    return " and ".join(net.name for net in nets)


def places(nets: Sequence[Of]) -> list[Place]:
    """All that is tested: each net in each way, and two nets stacked."""
    rows = [net.name for net in nets] + ([both(nets)] if len(nets) == 2 else [])
    return [(TABLE, row, way) for row in rows for way in WAYS]


def printed(nets: Sequence[Of], like: OnOther, place: Place, figure: Figure) -> float | None:
    """What Table 11 has in a place of data like this, in %; None where the paper tested no such.

    It has D, E and both, at several Q in the one way that was better. Where ours are errors it is
    what the paper's figure lacks of 100.
    """
    _, row, way = place
    if way != (STACKED if like.stacked else AVERAGED):
        return None
    names = {net.name: net.configuration for net in nets}
    if {*names.values()} == {"D", "E"}:
        names[both(nets)] = "D and E"
    found = {paper.method: paper.figure for paper in like.rows}.get(names.get(row, ""))
    return 100 - found if found is not None and figure == "top-1 error" else found


def claims(nets: Sequence[Of], like: OnOther) -> list[tuple[Finding, tuple[Asked, ...]]]:
    """F12 of each net; and F13 of two, by the effect that the paper printed of data like this."""
    averaged = [
        Comparison((TABLE, net.name, STACKED), (TABLE, net.name, AVERAGED), "alike") for net in nets
    ]
    words = "averaging Q is as good as stacking them: on VOC, and not so on Caltech, whose objects "
    found = [(Finding("F12", f"{words}fill the picture", tuple(averaged)), averaged)]
    if len(nets) == 2:
        way = STACKED if like.stacked else AVERAGED
        pairs = [
            Comparison((TABLE, both(nets), way), (TABLE, net.name, way), printed=lacking)
            for net, lacking in zip(nets, _printed(nets, like), strict=True)
        ]
        stacked = Finding("F13", "two nets stacked are better than either", tuple(pairs))
        found.append((stacked, pairs))
    return [
        (finding, tuple(Asked(c.first, c.second, Claim(str(c), c.kind, c.printed)) for c in of))
        for finding, of in found
    ]


def _printed(nets: Sequence[Of], like: OnOther) -> list[tuple[float, float]]:
    """What the paper's figures of D and E, and of each of them, lack of 100 %.

    Nets that are neither stand for one each.
    """
    figures = {row.method: row.figure for row in like.rows}
    names = [net.configuration for net in nets]
    own = names if {*names} == {"D", "E"} else ["D", "E"]
    return [(100 - figures["D and E"], 100 - figures[name]) for name in own]
