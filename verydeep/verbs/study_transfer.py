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

from verydeep import weights
from verydeep.benchmarks import caltech
from verydeep.datasets import Dataset
from verydeep.descriptors.describe import Descriptors, Piece, described
from verydeep.descriptors.protocols import machines_of
from verydeep.engines import engine as engines
from verydeep.errors import UserError
from verydeep.evaluation.metrics import confusion, wrong
from verydeep.evaluation.per_class import mean_class_recall
from verydeep.evaluation.posteriors import Posteriors
from verydeep.evaluation.published_transfer import (
    CALTECH_101,
    CALTECH_256,
    VOC_2007,
    OnOther,
)
from verydeep.evaluation.scores import Scores, aligned, load_scores, save_scores
from verydeep.evaluation.views import Protocol
from verydeep.nets.cost import FLOAT
from verydeep.nets.describing import usual_layer
from verydeep.nets.table import Table
from verydeep.parts.archives import located
from verydeep.runtime.progress import Progress
from verydeep.runtime.runtime import Runtime, told
from verydeep.shell import command
from verydeep.studies import transfer
from verydeep.studies.estimate import Takes
from verydeep.studies.findings import Asked, Place
from verydeep.studies.transfer import A_CLASS, STACKED, WAYS, Figure, Of
from verydeep.studies.verdicts import Evidence, evidence_of_errors, evidence_of_figures, verdicts
from verydeep.tensors_file import DamagedError
from verydeep.training.duration import seconds_a_picture
from verydeep.verbs.features import pieces_of
from verydeep.verbs.study import Judged
from verydeep.verbs.study_asked import (
    SEEDS,
    name_of,
    not_learnt,
    refuse_few_seeds,
    refuse_other_sizes,
    words_of,
)
from verydeep.verbs.study_draws import Drawn, draws_of, opened_to_draw, stored_draws
from verydeep.weights.file import hash_of, read_info, table_of

CALTECHS = {paper.data: paper for paper in (CALTECH_101, CALTECH_256)}
MOST = 2
"""Nets that are stacked."""
WANTED = "study transfer asks for weights: give --from vgg16, vgg19, a weights file or a run"


@dataclass(frozen=True)
class PlannedTransfer:
    """The study before any of it is done."""

    nets: tuple[Of, ...]
    paths: tuple[Path, ...]
    dataset: Dataset
    drawn: Drawn
    figure: Figure
    like: OnOther
    folder: Path
    command: str

    def path(self, place: Place, draw: int) -> Path:
        """Where the score file of a test is, or will be."""
        _, row, way = place
        words = f"{row}-{way}".replace(", ", "-").replace(" ", "-")
        return self.folder / words / f"draw-{draw}.safetensors"

    @property
    def left(self) -> list[tuple[Place, int]]:
        """The tests that are not done yet, each a place and a draw."""
        draws = range(len(self.drawn.draws))
        asked = [(place, i) for place in transfer.places(self.nets) for i in draws]
        return [(place, i) for place, i in asked if not self.path(place, i).exists()]

    def estimates(self, runtime: Runtime) -> dict[str, Takes]:
        """What it takes to describe the pictures, by each net at each Q, if nobody has yet."""
        found, count = {}, len(self.drawn.part)
        for net, path in zip(self.nets, self.paths, strict=True):
            table = table_of(read_info(path))
            numbers = table.shapes(table.crop, table.crop)[usual_layer(table)][0]
            for q in sorted({*net.three, *net.scales(transfer.ONE)}):
                seconds = count * _seconds(table, q, runtime.machine.threads)
                found[f"{net.name}, Q = {q}"] = Takes(seconds, FLOAT * numbers * count)
        return found


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


def planned_transfer(
    weights_paths: Sequence[str | Path],
    data: str | Path,
    out: str | Path | None = None,
    runtime: Runtime | None = None,
    *,
    size: str = "tiny",
    seeds: int = SEEDS,
    split: int = 0,
) -> PlannedTransfer:
    """The plan of the study, nothing of which is done.

    Raises UserError for weights that are not there, data that cannot be drawn from, and a folder
    with tests of something else.
    """
    refuse_other_sizes(size, A_CLASS)
    refuse_few_seeds(seeds)
    runtime = told(runtime, None)
    nets, paths = _nets(weights_paths, runtime)
    dataset, several = opened_to_draw(data, split)
    dataset = not_learnt(dataset, paths, runtime)
    drawn = stored_draws(dataset, seeds) or draws_of(dataset, A_CLASS[size], seeds, split)
    figure: Figure = "mAP" if several else "top-1 error" if drawn.shared else "mean class recall"
    like = _like(dataset, several)
    folder = Path(out) if out else Path("runs") / f"study-transfer-{name_of(dataset, data)}-{size}"
    named = [word for path in weights_paths for word in ("--from", path)]
    words = words_of(size, seeds, split)
    again = command("study", "transfer", data, *named, *words, "--out", folder)
    found = PlannedTransfer(nets, paths, dataset, drawn, figure, like, folder, again)
    _refuse_others(found)
    return found


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
    for note in (*found.dataset.notes, f"learning from {found.drawn.how}"):
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


# --- what is asked, and what there is


def _nets(given: Sequence[str | Path], runtime: Runtime) -> tuple[tuple[Of, ...], tuple[Path, ...]]:
    """The nets of weights, and their files; each has a name of its own."""
    if not given:
        raise UserError(WANTED)
    if len(given) > MOST:
        raise UserError(f"{len(given)} weights came for the study of transfer; give one or two")
    paths = tuple(weights.find(path, runtime.progress) for path in given)
    names = [Path(path).stem if Path(path).suffix else Path(path).name for path in given]
    if len({*names}) < len(names):
        names = [f"{name} ({i})" for i, name in enumerate(names, 1)]
    nets = []
    for name, path in zip(names, paths, strict=True):
        network = weights.load(path)
        table, scale = network.table, network.pixels.scale
        nets.append(Of(name, hash_of(network), table.configuration, table.crop, scale))
    return tuple(nets), paths


def _like(dataset: Dataset, several: bool) -> OnOther:
    """The dataset of the paper's that data is, or is like: VOC has several labels a picture."""
    known = None if dataset.kind == "drawn" else caltech.name_of(located(dataset.where))
    return CALTECHS.get(known or "") or (VOC_2007 if several else CALTECH_256)


def _refuse_others(found: PlannedTransfer) -> None:
    """Raises UserError where the folder has something else, or tests of other weights or data.

    A test that is damaged is made again.
    """
    folder = found.folder
    if folder.exists() and (not folder.is_dir() or any(map(_is_strange, folder.iterdir()))):
        raise UserError(f"{folder} holds what is no study of transfer; choose another --out")
    for place in transfer.places(found.nets):
        for i in range(len(found.drawn.draws)):
            path = found.path(place, i)
            if not path.exists():
                continue
            try:
                kept = load_scores(path)
            except DamagedError:
                path.unlink()
                continue
            if (kept.weights, kept.data, kept.part) != _told(found, place, i):
                raise UserError(f"{path} is of other weights, data or draws; choose another --out")


def _is_strange(path: Path) -> bool:
    if path.is_dir():
        return any(not one.name.startswith("draw-") for one in path.iterdir())
    return path.name not in ("study.md", "report.html")


# --- describing, learning, testing


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
    digest, data, words = _told(found, place, i)
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
        engine=engine,
    )


def _posteriors(values: Float64[np.ndarray, "N K"], several: bool) -> Posteriors:
    """Decision values in the order that they have, between 0 and 1."""
    raised = np.exp(values - values.max(1, keepdims=True))
    found = 1 / (1 + np.exp(-values)) if several else raised / raised.sum(1, keepdims=True)
    return np.asarray(found, np.float32)


def _told(found: PlannedTransfer, place: Place, i: int) -> tuple[str, str, str]:
    """What a test is of: weights, data, and which draw."""
    two = transfer.both(found.nets)
    digests = [net.digest for net in found.nets if place[1] in (net.name, two)]
    return " ".join(digests), found.dataset.fingerprint, f"draw {i + 1}: {found.drawn.how}"


def _missed(tests: Sequence[Scores]) -> Bool[np.ndarray, "R N"]:
    return np.array([wrong(s.posteriors, s.labels) for s in aligned(tests)])


def _figure(scores: Scores, figure: Figure) -> float:
    if figure == "mAP":
        return scores.map
    if figure == "top-1 error":
        return scores.top(1)
    return mean_class_recall(confusion(scores.posteriors, scores.labels))


def _seconds(table: Table, q: int, cores: int) -> float:
    """About how long a picture of 4 : 3 and its mirror image take at one Q."""
    shown = 2 * q * (q * 4 / 3) / table.crop**2
    return shown * seconds_a_picture(table, cores, passes=1)
