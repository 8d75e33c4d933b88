"""Boxes files in, what they are worth out: alone, against each other, and fused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from verydeep.evaluation.comparison import Comparison, compare_missed
from verydeep.files import refuse_taken
from verydeep.localisation.boxes_file import Localised, load_boxes, refuse_other, save_boxes
from verydeep.localisation.figures import Figures, figures_of, last_k
from verydeep.localisation.fusion import aligned, fuse_boxes, what_of
from verydeep.localisation.guesses import Guesses, guesses
from verydeep.localisation.published import published_boxes
from verydeep.verbs.tested_files import aligned_files, names_of, refuse_member


@dataclass(frozen=True)
class Placed:
    """A test of where objects are: its file's content, what it is called, and what it came to."""

    test: Localised
    name: str
    guesses: Guesses
    figures: Figures

    @classmethod
    def of(cls, test: Localised, name: str) -> Placed:
        """The same with its boxes merged and counted."""
        made = guesses(test)
        return cls(test, name, made, figures_of(test, made))

    @property
    def cost(self) -> tuple[float, float]:
        """What is least for the best test: its error, and top-1 of those with the same."""
        return self.figures.error, self.figures.top1


@dataclass(frozen=True)
class ComparedBoxes:
    """Tests of the same pictures, the one with the fewest errors first, the others against it."""

    tests: tuple[Placed, ...]
    comparisons: tuple[Comparison, ...]

    def as_data(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "tests": [{"name": one.name, **as_data([one])} for one in self.tests],
            "comparisons": [{**asdict(c), "text": str(c)} for c in self.comparisons],
        }


def compared_boxes(named: Sequence[Path]) -> ComparedBoxes:
    """Boxes files held against each other.

    Raises UserError where they are not of the same pictures, classes and question.
    """
    first, *others = sorted(_placed(named), key=lambda one: one.cost)
    pairs = (len(others) + 1) * len(others) // 2
    found = tuple(_held_against(first, other, pairs) for other in others)
    return ComparedBoxes((first, *others), found)


def _placed(named: Sequence[Path]) -> list[Placed]:
    files, tests = aligned_files(named, load_boxes, aligned)
    return [Placed.of(test, name) for test, name in zip(tests, names_of(files, tests), strict=True)]


def _held_against(a: Placed, b: Placed, pairs: int) -> Comparison:
    """Two tests compared by the pictures that each has wrong."""
    k = last_k(a.test)
    missed_a, missed_b = (one.guesses.wrong(k) for one in (a, b))
    return compare_missed(missed_a, missed_b, (a.name, b.name), k, pairs, what_of(a.test))


@dataclass(frozen=True)
class FusedBoxes:
    """Tests of the same pictures in their order, all their boxes merged, and that against the best.

    The comparison is of as many pairs as there are tests, the best of which was chosen.
    """

    tests: tuple[Placed, ...]
    together: Placed
    comparison: Comparison


def fused_boxes(
    named: Sequence[Path], out: Path | None = None, overwrite: bool = False
) -> FusedBoxes:
    """Boxes files and all of their boxes merged, held against the best; they go to `out`.

    Raises UserError as `compared_boxes` does, where candidates are others, and where something else
    would be overwritten.
    """
    if out is not None:
        refuse_other(out)
        refuse_member(out, named)
        refuse_taken(out, overwrite)
    files, tests = aligned_files(named, load_boxes, aligned)
    united = fuse_boxes(tests)
    names = names_of(files, tests)
    if out is not None:
        save_boxes(united, out)
    placed = [Placed.of(test, name) for test, name in zip(tests, names, strict=True)]
    together = Placed.of(united, f"the boxes of these {len(tests)}")
    best = min(placed, key=lambda one: one.cost)
    return FusedBoxes(tuple(placed), together, _held_against(together, best, len(tests)))


def as_data(members: Sequence[Placed], together: Placed | None = None) -> dict[str, Any]:
    """What one test, or several fused, came to; errors in %, as plain data."""
    placed = together or members[0]
    test, row = placed.test, published_boxes([one.test for one in members])
    return {
        "title": test.title,
        "part": test.part,
        "role": test.role,
        "weights": test.weights,
        "classifier": test.classifier,
        "candidates_by": test.candidates_by,
        "class_given": test.is_given_class,
        "threshold": test.threshold,
        "chosen_on": test.chosen_on,
        "pictures": len(test),
        "left_out": len(test.left_out),
        "classes": len(test.classes),
        **placed.figures.as_data(),
        "paper": row and {"table": row.table, "error": row.validation},
    }
