"""Draws: so many pictures of each class learnt from, others tested on, again and again.

It is the protocol of Caltech-101 and Caltech-256, and with few pictures that of low-shot tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from verydeep.benchmarks import caltech
from verydeep.datasets import Dataset, Part, open_dataset, with_pictures
from verydeep.descriptors.describe import Descriptors
from verydeep.descriptors.protocols import DrawsTested, DrawTested, Rows, scored_draw
from verydeep.errors import UserError
from verydeep.evaluation.published_transfer import (
    CALTECH_101,
    CALTECH_256,
    OnOther,
    Setting,
    differences,
)
from verydeep.parts.archives import located
from verydeep.parts.draws import STORED, Draw, drawn, stored
from verydeep.parts.splitting import SPLIT
from verydeep.verbs.features import said_of
from verydeep.verbs.transfer_work import Outcome, Work, side_of

CALTECHS = {paper.data: paper for paper in (CALTECH_101, CALTECH_256)}
TIMES = 3
"""Draws where nothing else is said, as the paper's."""


@dataclass(frozen=True)
class Asked:
    """What is drawn, and how often: of each class so many to train on, and up to so many others.

    Of several numbers to train on each is asked of, one after another; without `test` all others
    are tested on.
    """

    train: tuple[int, ...]
    test: int | None
    times: int

    def or_as(self, paper: OnOther | None) -> Asked:
        """The same, where nothing is said as the paper has it of its dataset.

        Raises UserError where there is no number to train on.
        """
        usual = (None, None, TIMES) if paper is None or paper.draws is None else paper.draws
        train = self.train or ((usual[0],) if usual[0] else ())
        if not train:
            raise UserError("--protocol draws wants --train N, pictures a class to learn from")
        return Asked(train, self.test or usual[1], self.times or usual[2])


def by_draws(work: Work, asked: Asked, stored_too: bool) -> Outcome:
    """The protocol of draws; `stored_too` takes those that somebody stored, where they are such.

    What cannot be drawn is refused before the work begins.
    """
    dataset = _numbered(with_pictures(open_dataset(work.data, work.seed)))
    everything = dataset.everything
    paper = CALTECHS.get(caltech.name_of(located(work.data)) or "")
    asked = asked.or_as(paper)
    kept = stored(dataset) if stored_too else ()
    for train in asked.train:
        _draws_of(everything, dataset.classes, train, asked, work.seed, kept)
    pieces = work.pieces(paper)
    notes = [note for note in dataset.notes if SPLIT not in note]
    x, read, faults = work.described(everything, pieces, notes)
    readable, tested = everything.only(read), []
    for train in asked.train:
        draws, how = _draws_of(readable, dataset.classes, train, asked, work.seed, kept)
        work.runtime.progress.say(f"learning from {how}")
        found = tuple(_scored(work, x, everything, dataset.classes, draw, read) for draw in draws)
        tested.append(DrawsTested(train, asked.test, found, how))
    known = tuple(work.known(everything))
    return Outcome(
        "draws", work.data, dataset.classes, tuple(map(said_of, pieces)), work.engine,
        draws=tuple(tested), paper=paper,
        differs=(*_differences(paper, dataset, asked), *known) if paper else (),
        said=known, left_out=faults,
    )  # fmt: skip


def _differences(paper: OnOther, dataset: Dataset, asked: Asked) -> tuple[str, ...]:
    """In what it is not the paper's test, of the number to train on that is the paper's."""
    usual, everything = paper.draws and paper.draws[0], dataset.everything
    train = usual if usual in asked.train else asked.train[0]
    drawn_as = train or 0, asked.test, asked.times
    pictures, side = {"all": len(everything)}, side_of(everything)
    return differences(paper, Setting(len(dataset.classes), pictures, side, "test", drawn_as))


def _scored(
    work: Work, x: Descriptors, part: Part, classes: Sequence[str], draw: Draw, read: Rows
) -> DrawTested:
    return scored_draw(
        x, part.labels, classes, _readable(draw.train, read), _readable(draw.test, read),
        number=draw.number, cs=work.cs, seed=work.seed,
    )  # fmt: skip


def _readable(part: Part, read: Rows) -> Rows:
    assert part.keys is not None
    return np.intersect1d(part.keys, read)


def _numbered(dataset: Dataset) -> Dataset:
    """The dataset with the places of its pictures among all of them for keys."""
    parts, start = dict(dataset.parts), 0
    for role, part in dataset.by_role.items():
        parts[dataset.roles[role]] = replace(part, keys=np.arange(start, start + len(part)))
        start += len(part)
    return replace(dataset, parts=parts)


def _draws_of(
    part: Part,
    classes: Sequence[str],
    train: int,
    asked: Asked,
    seed: int,
    kept: Sequence[Draw],
) -> tuple[Sequence[Draw], str]:
    """The draws of so many a class, stored ones where those are of as many, and which they are."""
    times, test = asked.times, asked.test
    if len(kept) >= times and all(_is_of(draw, classes, train, test) for draw in kept):
        return kept[:times], f"{train:,} a class, by the splits of {STORED}"
    draws = [drawn(part, classes, train, test, seed=seed, number=i) for i in range(times)]
    return draws, f"{train:,} a class, drawn from seed {seed}"


def _is_of(draw: Draw, classes: Sequence[str], train: int, test: int | None) -> bool:
    learnt_from, tested_on = (
        np.bincount(part.labels, minlength=len(classes)) for part in (draw.train, draw.test)
    )
    return bool((learnt_from == train).all() and test is not None and tested_on.max() <= test)
