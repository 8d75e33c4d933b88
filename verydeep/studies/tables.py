"""The paper's tables as places that tests of ours can stand in, beside what it printed there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from verydeep.studies.plan import Measurement

Errors = tuple[float | None, float | None]
"""Top-1 and top-5 error in %, where they were printed."""


@dataclass(frozen=True)
class Source:
    """A test of a training with each seed: its name less the seed, the protocol, and the Q.

    `named_by` is the training, less the seed, whose test says which classes boxes are asked for of,
    where that is not the classifier that rates them.
    """

    training: str
    protocol: str
    scales: tuple[int, ...]
    named_by: str | None = None

    def with_seed(self, seed: int, classifier: str | None = None) -> Measurement:
        """The test of one seed's training; of boxes with that classifier, less the seed."""
        of, *others = (
            name and f"{name}-{seed}" for name in (self.training, classifier, self.named_by)
        )
        return Measurement(str(of), self.protocol, self.scales, *others)


@dataclass(frozen=True)
class Cell:
    """A place of a table: the tests that stand there together, and what was printed.

    Posteriors are averaged, boxes merged as those of one net.
    """

    row: str
    column: str
    sources: tuple[Source, ...]
    published: Errors | None = None


@dataclass(frozen=True)
class Table:
    """A table of the paper, of which some places are ours to fill; what is told is top-k error.

    `note` is to be known of it.
    """

    name: str
    title: str
    cells: tuple[Cell, ...]
    k: int = 1
    note: str = ""

    @property
    def figure(self) -> str:
        """What stands in it."""
        return f"top-{self.k} error"

    @property
    def rows(self) -> tuple[str, ...]:
        """Its rows, in order."""
        return tuple(dict.fromkeys(cell.row for cell in self.cells))

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns, in order."""
        return tuple(dict.fromkeys(cell.column for cell in self.cells))

    def printed(self, cell: Cell) -> float | None:
        """The error in % that the paper printed in a place, where it did."""
        return cell.published and cell.published[0 if self.k == 1 else 1]

    def cell(self, row: str, column: str) -> Cell | None:
        """What stands there, if something does."""
        found = (cell for cell in self.cells if (cell.row, cell.column) == (row, column))
        return next(found, None)


def sources_of(tables: Iterable[Table]) -> Iterator[Source]:
    """Each test that some place of the tables wants, once."""
    yield from dict.fromkeys(s for table in tables for cell in table.cells for s in cell.sources)
