"""Score files in, what they are worth out: alone, against each other, and fused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from verydeep.evaluation.chance import blind, no_better
from verydeep.evaluation.comparison import Comparison, MapComparison, compare, compare_maps
from verydeep.evaluation.fusion import fuse, row_of
from verydeep.evaluation.metrics import calibration
from verydeep.evaluation.scores import (
    Scores,
    aligned,
    load_scores,
    refuse_other,
    save_scores,
)
from verydeep.evaluation.several import blind_map
from verydeep.files import refuse_taken
from verydeep.verbs.tested_files import aligned_files, names_of, refuse_member


@dataclass(frozen=True)
class Compared:
    """Tests of the same pictures, the best first, and the others held against the first.

    The best has the fewest errors, or of tests with several labels a picture the highest mAP.
    """

    scores: tuple[Scores, ...]
    names: tuple[str, ...]
    comparisons: tuple[Comparison, ...] | tuple[MapComparison, ...]

    def as_data(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "tests": [
                {"name": name, **as_data([scores])}
                for name, scores in zip(self.names, self.scores, strict=True)
            ],
            "comparisons": [{**asdict(c), "text": str(c)} for c in self.comparisons],
        }


def compared(named: Sequence[Path]) -> Compared:
    """Score files held against each other.

    Raises UserError where they are not of the same pictures and classes.
    """
    files, given = aligned_files(named, load_scores, aligned)
    best_first = sorted(
        zip(names_of(files, given), given, strict=True), key=lambda each: each[1].cost
    )
    names, scores = zip(*best_first, strict=True)
    pairs = len(scores) * (len(scores) - 1) // 2
    found = [
        replace(_held_against(scores[0], other, pairs), name_a=names[0], name_b=name)
        for name, other in best_first[1:]
    ]
    return Compared(scores, names, tuple(found))


def _held_against(a: Scores, b: Scores, pairs: int) -> Any:
    """Two tests compared by what such tests are compared by."""
    return compare_maps(a, b, pairs) if a.has_several else compare(a, b, pairs=pairs)


@dataclass(frozen=True)
class Fused:
    """Tests of the same pictures in their order, what each is called, and the mean of them."""

    scores: tuple[Scores, ...]
    names: tuple[str, ...]
    together: Scores
    comparison: Comparison | MapComparison


def fused(named: Sequence[Path], out: Path | None = None, overwrite: bool = False) -> Fused:
    """Score files and the mean of them, held against the best; the mean is written to `out`.

    Raises UserError as `compared` does, and where something else would be overwritten.
    """
    if out is not None:
        refuse_other(out)
        refuse_member(out, named)
        refuse_taken(out, overwrite)
    files, members = aligned_files(named, load_scores, aligned)
    names, together = names_of(files, members), fuse(members)
    if out is not None:
        save_scores(together, out)
    best = min(range(len(members)), key=lambda i: members[i].cost)
    called = f"the mean of these {len(members)}"
    found = replace(
        _held_against(together, members[best], len(members)), name_a=called, name_b=names[best]
    )
    return Fused(tuple(members), tuple(names), together, found)


def as_data(members: Sequence[Scores], together: Scores | None = None) -> dict[str, Any]:
    """What one test, or several fused, came to; errors, or the mAP, in %, as plain data."""
    scores = together or members[0]
    row = row_of(members)
    about = {
        "title": scores.title,
        "part": scores.part,
        "role": scores.role,
        "weights": scores.weights,
        "pictures": len(scores.names),
        "left_out": len(scores.left_out),
        "classes": len(scores.classes),
        "interval": scores.interval,
    }
    if scores.has_several:
        return {**about, "map": scores.map, "blind_map": blind_map(scores.signs)}
    return {
        **about,
        "top1": scores.top(1),
        "top5": scores.top(5),
        "blind": asdict(blind(scores.labels, scores.classes)),
        "no_better": no_better(scores.posteriors, scores.labels, scores.classes),
        "calibration_error": calibration(scores.posteriors, scores.labels).error,
        "paper": row and {"table": row.table, "top1": row.top1, "top5": row.top5},
    }
