"""The study of transfer: weights and labelled pictures in, Table 11's comparisons judged out.

Pictures are described in every way by the cache that `features` has; SVMs are learnt from several
draws of them, and tested on what was set aside. Each test is a score file in the study's folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64

from verydeep.descriptors.describe import Descriptors, Piece, described
from verydeep.descriptors.protocols import machines_of
from verydeep.engines import engine as engines
from verydeep.evaluation.metrics import confusion, wrong
from verydeep.evaluation.per_class import mean_class_recall
from verydeep.evaluation.posteriors import Posteriors
from verydeep.evaluation.scores import Scores, aligned, load_scores, save_scores
from verydeep.evaluation.views import Protocol
from verydeep.runtime.progress import Progress
from verydeep.runtime.runtime import Runtime, told
from verydeep.studies import transfer
from verydeep.studies.findings import Asked, Place
from verydeep.studies.transfer import STACKED, WAYS, Figure, Of
from verydeep.studies.verdicts import Evidence, evidence_of_errors, evidence_of_figures, verdicts
from verydeep.verbs.features import pieces_of
from verydeep.verbs.study import Judged
from verydeep.verbs.study_asked import (
    SEEDS,
)
from verydeep.verbs.study_transfer_plan import MOST, PlannedTransfer, planned_transfer, told_of


@dataclass(frozen=True)
class StudiedTransfer:
    """The study done: the tests of each place, one for each draw, and what was found."""

    planned: PlannedTransfer
    tests: Mapping[Place, tuple[Scores, ...]]

    def figures(self, place: Place) -> tuple[float, ...]:
        """The figure of each draw in %."""
        return tuple(_figure(scores, self.planned.figure) for scores in self.tests[place])

    @cached_property
    def judged(self) -> tuple[Judged, ...]:
        """The findings, corrected for all of their claims together."""
        found = transfer.claims(self.planned.nets, self.planned.like)
        asked = [one for _, of in found for one in of]
        by_claim = dict(zip(asked, verdicts([*map(self._evidence, asked)]), strict=True))
        return tuple(Judged(finding, tuple(by_claim[one] for one in of)) for finding, of in found)

    @property
    def untested(self) -> tuple[str, ...]:
        """What could not be told, a line each."""
        return () if len(self.planned.nets) == MOST else (transfer.LACKS_F13,)

    def _evidence(self, one: Asked) -> Evidence:
        if self.planned.figure == "top-1 error":
            first, second = (_missed(self.tests[place]) for place in (one.first, one.second))
            return evidence_of_errors(one.claim, first, second)
        figures = (np.array(self.figures(place)) for place in (one.first, one.second))
        return evidence_of_figures(one.claim, *figures)


def study_transfer(
    weights_paths: Sequence[str | Path],
    data: str | Path,
    out: str | Path | None = None,
    runtime: Runtime | None = None,
    *,
    size: str = "tiny",
    seeds: int = SEEDS,
    split: int = 0,
    progress: Progress | None = None,
) -> StudiedTransfer:
    """Table 11's comparisons (F12, F13) on labelled pictures, as far as it was not done yet.

    `seeds` counts the draws that are learnt from: those that somebody stored with the data, or so
    many pictures of each class by the size. Raises UserError as `planned_transfer` does.
    """
    runtime = told(runtime, progress)
    found = planned_transfer(weights_paths, data, out, runtime, size=size, seeds=seeds, split=split)
    for note in (*found.dataset.notes, f"learning from {found.drawn.in_words}"):
        runtime.progress.say(note)
    for way in WAYS:
        _tested(found, way, runtime)
    runtime.ranks.barrier("the tests")
    draws = range(len(found.drawn.draws))
    tests = {
        place: tuple(load_scores(found.path(place, i)) for i in draws)
        for place in transfer.places(found.nets)
    }
    return StudiedTransfer(found, tests)


def _tested(found: PlannedTransfer, way: str, runtime: Runtime) -> None:
    """Makes the tests of a way that are not there yet."""
    left = [(place, i) for place, i in found.left if place[2] == way]
    if not left:
        return
    engine = engines.chosen(None, runtime.machine.device)
    each = {}
    for net, path in zip(found.nets, found.paths, strict=True):
        pieces = _pieces(path, net, way, runtime)
        made = described(found.drawn.part, pieces, runtime, engine)
        for fault in made.faults:
            runtime.progress.say(f"left out, unreadable: {fault}")
        each[net.name] = made.descriptors
    if not runtime.ranks.is_main:
        return
    if len(found.nets) == MOST:
        stacked = np.concatenate([*each.values()], 1)
        each[transfer.both(found.nets)] = stacked / np.float32(MOST**0.5)
    for done, (place, i) in enumerate(left):
        runtime.progress.step("learning", done, len(left), f"{place[1]}, {way}, draw {i + 1}")
        save_scores(_scores(found, place, i, each[place[1]], engine), found.path(place, i))


def _pieces(path: Path, net: Of, way: str, runtime: Runtime) -> list[Piece]:
    """The pieces of a descriptor: one for each Q where they are stacked."""
    scales = net.scales(way)
    return pieces_of(path, None, scales, way == STACKED, runtime)


def _scores(found: PlannedTransfer, place: Place, i: int, x: Descriptors, engine: str) -> Scores:
    """The test of a draw, by SVMs whose C was best on a fifth of what they learn from."""
    drawn, draw = found.drawn, found.drawn.draws[i]
    read = np.flatnonzero(~np.isnan(x[:, 0]))
    learn, test = np.intersect1d(draw.learn, read), np.intersect1d(draw.test, read)
    several = found.figure == "mAP"
    _, machines = machines_of(
        x, drawn.signs, found.dataset.classes, learn, seed=i,
        judged_by="mean average precision" if several else "accuracy",
    )  # fmt: skip
    values = machines.classifier.decision(x[test])
    part = drawn.part.only(test)
    digest, data, words = told_of(found, place, i)
    net = next((net for net in found.nets if net.name == place[1]), found.nets[0])
    return Scores(
        _posteriors(values, several),
        drawn.signs[test] if several else part.labels,
        tuple(part.names),
        found.dataset.classes,
        Protocol("dense", net.crop, net.scales(place[2])),
        weights=digest,
        data=data,
        part=words,
        split=drawn.split,
        engine=engine,
    )


def _posteriors(values: Float64[np.ndarray, "N K"], several: bool) -> Posteriors:
    """Decision values in the order that they have, between 0 and 1."""
    raised = np.exp(values - values.max(1, keepdims=True))
    found = 1 / (1 + np.exp(-values)) if several else raised / raised.sum(1, keepdims=True)
    return np.asarray(found, np.float32)


def _missed(tests: Sequence[Scores]) -> Bool[np.ndarray, "R N"]:
    return np.array([wrong(s.posteriors, s.labels) for s in aligned(tests)])


def _figure(scores: Scores, figure: Figure) -> float:
    if figure == "mAP":
        return scores.map
    if figure == "top-1 error":
        return scores.top(1)
    return mean_class_recall(confusion(scores.posteriors, scores.labels))
