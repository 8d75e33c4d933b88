"""What the nets of a study cost: parameters, multiply-adds of a crop, and seconds of training."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from verydeep.files import write_atomic
from verydeep.nets.cost import cost
from verydeep.report.tables import short
from verydeep.training.run import read_log
from verydeep.verbs.study import Studied

HEAD = ("net", "parameters", "multiply-adds", "of a crop of")
FILE = "costs.csv"
COLUMNS = ("net", "parameters", "multiply_adds", "crop", "seconds_an_epoch")


class Costs(NamedTuple):
    """A net of a study; `seconds` are the median of all epochs of all seeds, if any has any."""

    net: str
    parameters: int
    multiply_adds: int
    crop: int
    seconds: float | None

    @property
    def cells(self) -> tuple[str, ...]:
        """The same in words, under HEAD: what is so on any machine."""
        return self.net, f"{self.parameters:,}", short(self.multiply_adds), str(self.crop)


def write_costs(found: Studied) -> Path:
    """Writes costs.csv in the folder of a study, with the seconds of an epoch; gives its path.

    Those are of the machine that trained, and no two times the same.
    """
    path = found.folder / FILE
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(COLUMNS)
    for each in costs_of(found):
        seconds = "" if each.seconds is None else f"{each.seconds:.2f}"
        writer.writerow((*each[:-1], seconds))
    write_atomic(path, lines.getvalue().encode())
    return path


def costs_of(found: Studied) -> list[Costs]:
    """The nets of a study's tables, each once, by the names of their trainings less the seed."""
    return [_costs(name, found) for name in nets_of(found)]


def nets_of(found: Studied) -> Sequence[str]:
    """The nets of the tables, each once, as their trainings are called."""
    cells = [cell for t in found.planned.tables for cell in t.cells]
    return [*dict.fromkeys(source.training for cell in cells for source in cell.sources)]


def _costs(name: str, found: Studied) -> Costs:
    work, seeds = found.planned.work, found.planned.seeds
    training = work.plan.named(f"{name}-{seeds[0]}")
    last = training.task.last_rows(training.task.fitting(found.planned.dataset))
    table = training.whole.sizes.table(last)
    done = [f"{name}-{seed}" for seed in seeds if not work.failure(f"{name}-{seed}")]
    epochs = [epoch.seconds for run in done for epoch in read_log(found.folder / run)]
    whole = cost(table)
    median = statistics.median(epochs) if epochs else None
    return Costs(name, whole.parameters, whole.multiply_adds, table.crop, median)
