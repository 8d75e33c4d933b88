"""What the protocols of Appendix B have in common: pictures described, and what comes out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from verydeep.datasets import Dataset, Memory, Part
from verydeep.descriptors.describe import Descriptors, Piece, described
from verydeep.descriptors.features import PieceSaid
from verydeep.descriptors.protocols import DrawsTested, Ranked, Rows
from verydeep.errors import PictureError
from verydeep.evaluation.published_transfer import OnOther
from verydeep.parts.dataset import ROLES
from verydeep.parts.seen import looked_into
from verydeep.pictures.reading import original_size
from verydeep.runtime.runtime import Runtime
from verydeep.training.recipes import CROP
from verydeep.verbs.features import pieces_of
from verydeep.weights.file import read_info, read_memory, table_of

SAMPLE = 64
"""Pictures whose sides are looked at to tell a dataset from one that was made smaller."""


@dataclass(frozen=True)
class Outcome:
    """What a protocol came to: draws, or rankings of a part by each class.

    `part` is the role of what was ranked; `said` tells in lines what was done. `paper` has the
    paper's figures of the same dataset, and `differs` in what this is another test, in which case
    they are no figures to stand beside it. `files` are result files.
    """

    protocol: str
    where: str
    classes: tuple[str, ...]
    pieces: tuple[PieceSaid, ...]
    engine: str
    part: str = ""
    draws: tuple[DrawsTested, ...] = ()
    rankings: tuple[Ranked, ...] = ()
    paper: OnOther | None = None
    differs: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    seconds: float = 0.0

    @property
    def title(self) -> str:
        """How pictures were described, in print."""
        return "; ".join(piece.title for piece in self.pieces)


@dataclass(frozen=True)
class Work:
    """What is the same for all protocols: how pictures are described, and what is asked."""

    weights: tuple[str | Path, ...]
    data: str
    layer: str | None
    scales: str | int | Sequence[int] | None
    stacked: bool
    cs: tuple[float, ...]
    seed: int
    runtime: Runtime
    engine: str

    def pieces(self, paper: OnOther | None) -> list[Piece]:
        """The pieces of a descriptor, at the paper's Q where none are given.

        Those are for nets of its crops; others have their own.
        """
        scales, stacked = self.scales, self.stacked
        if scales is None and paper and all(map(_has_papers_crop, self.weights)):
            scales, stacked = paper.scales, stacked or paper.stacked
            cost = sum(q * q for q in scales) / min(scales) ** 2
            self.runtime.progress.say(
                f"Q = {', '.join(map(str, scales))}, {'stacked' if stacked else 'averaged'}, as "
                f"the paper has it; --scales {min(scales)} alone is {cost:.0f} times as quick"
            )
        return pieces_of(self.weights, self.layer, scales, stacked, self.runtime)

    def described(
        self, part: Part, pieces: Sequence[Piece], notes: Sequence[str]
    ) -> tuple[Descriptors, Rows, tuple[str, ...]]:
        """Descriptors, which of them there are, and why the others are not."""
        for note in notes:
            self.runtime.progress.say(note)
        found = described(part, pieces, self.runtime, self.engine)
        for fault in found.faults:
            self.runtime.progress.say(f"left out, unreadable: {fault}")
        return found.descriptors, np.flatnonzero(~np.isnan(found.descriptors[:, 0])), found.faults

    def known(self, part: Part) -> Iterator[str]:
        """A line for weights that had to do with some of these pictures before."""
        memory = Memory()
        for path in self.weights:
            memory = memory | read_memory(path)
        if not memory:
            return
        dataset = Dataset(self.data, "", (), {"train": replace(part, keys=None)}, (), (), "")
        runtime = self.runtime
        keys = looked_into(dataset, runtime.machine.threads, runtime.progress).train.keys
        count = 0 if keys is None else int((memory.roles(keys) < ROLES.index("test")).sum())
        if count:
            yield f"{count:,} of the pictures were learnt from, or chosen by, for the weights"


def _has_papers_crop(path: str | Path) -> bool:
    return table_of(read_info(path)).crop == CROP


def side_of(part: Part) -> int:
    """The median of the larger sides of some pictures; 0 where none can be read."""
    sides = []
    for i in np.unique(np.linspace(0, len(part) - 1, SAMPLE).round().astype(int)).tolist():
        try:
            sides.append(max(original_size(part.source(i))))
        except PictureError:
            continue
    return int(np.median(sides)) if sides else 0
