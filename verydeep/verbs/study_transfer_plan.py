"""The plan of a study of transfer: nets, pictures, draws of them, and which tests are left."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from verydeep import weights
from verydeep.benchmarks import caltech
from verydeep.datasets import Dataset
from verydeep.errors import UserError
from verydeep.evaluation.published_transfer import (
    CALTECH_101,
    CALTECH_256,
    VOC_2007,
    OnOther,
)
from verydeep.evaluation.scores import load_scores
from verydeep.nets.cost import FLOAT
from verydeep.nets.describing import usual_layer
from verydeep.nets.table import Table
from verydeep.parts.archives import located
from verydeep.runtime.runtime import Runtime, told
from verydeep.shell import command
from verydeep.studies import transfer
from verydeep.studies.estimate import Takes
from verydeep.studies.findings import Place
from verydeep.studies.transfer import A_CLASS, Figure, Of
from verydeep.tensors_file import DamagedError
from verydeep.training.duration import seconds_a_picture
from verydeep.verbs.study_asked import (
    SEEDS,
    name_of,
    not_learnt,
    refuse_other_seeds,
    refuse_other_sizes,
    words_of,
)
from verydeep.verbs.study_draws import Drawn, draws_of, opened_to_draw, stored_draws
from verydeep.weights.file import hash_of, read_info, table_of

CALTECHS = {paper.data: paper for paper in (CALTECH_101, CALTECH_256)}
COUNTED = re.compile(r": (the )?\d+ ")
"""What earlier tests tell beside which draws theirs is of: how many there were."""
MOST = 2
"""Nets that are stacked."""
WANTED = "study transfer asks for weights: give --from vgg16, vgg19, a weights file or a run"


@dataclass(frozen=True)
class PlannedTransfer:
    """The study before any of it is done; tests that are `damaged` are to be made again."""

    nets: tuple[Of, ...]
    paths: tuple[Path, ...]
    dataset: Dataset
    drawn: Drawn
    figure: Figure
    like: OnOther
    folder: Path
    command: str
    damaged: frozenset[Path] = frozenset()

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
        paths = [self.path(place, i) for place, i in asked]
        there = [path.exists() and path not in self.damaged for path in paths]
        return [one for one, done in zip(asked, there, strict=True) if not done]

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
    refuse_other_seeds(seeds)
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
    return replace(found, damaged=_damaged(found))


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
    nets: list[Of] = []
    for name, path in zip(names, paths, strict=True):
        network = weights.load(path)
        table, scale = network.table, network.pixels.scale
        if any(hash_of(network) == net.digest for net in nets):
            raise UserError(f"{paths[0]} and {path} are the same weights; give one of them alone")
        nets.append(Of(name, hash_of(network), table.configuration, table.crop, scale))
    return tuple(nets), paths


def _like(dataset: Dataset, several: bool) -> OnOther:
    """The dataset of the paper's that data is, or is like: VOC has several labels a picture."""
    known = None if dataset.kind == "drawn" else caltech.name_of(located(dataset.where))
    return CALTECHS.get(known or "") or (VOC_2007 if several else CALTECH_256)


def _damaged(found: PlannedTransfer) -> frozenset[Path]:
    """Tests that lie in the folder and are damaged.

    Raises UserError where the folder has something else, or tests of other weights, data or draws.
    """
    damaged = set()
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
                damaged.add(path)
                continue
            theirs = kept.weights, kept.data, COUNTED.sub(": ", kept.part)
            if (*theirs, kept.split) != (*told_of(found, place, i), found.drawn.split):
                raise UserError(f"{path} is of other weights, data or draws; choose another --out")
    return frozenset(damaged)


def _is_strange(path: Path) -> bool:
    if path.is_dir():
        return any(not one.name.startswith("draw-") for one in path.iterdir())
    return path.name not in ("study.md", "report.html")


def told_of(found: PlannedTransfer, place: Place, i: int) -> tuple[str, str, str]:
    """What a test is of: weights, data, and which draw."""
    two = transfer.both(found.nets)
    digests = [net.digest for net in found.nets if place[1] in (net.name, two)]
    return " ".join(digests), found.dataset.fingerprint, f"draw {i + 1}: {found.drawn.how}"


def _seconds(table: Table, q: int, cores: int) -> float:
    """About how long a picture of 4 : 3 and its mirror image take at one Q."""
    shown = 2 * q * (q * 4 / 3) / table.crop**2
    return shown * seconds_a_picture(table, cores, passes=1)
