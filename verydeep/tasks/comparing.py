"""Score files in, what they are worth out: alone, against each other, and fused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from verydeep.errors import UserError
from verydeep.evaluation.comparison import Comparison, compare
from verydeep.evaluation.fusion import fuse, row_of
from verydeep.evaluation.metrics import calibration, interval, wrong
from verydeep.evaluation.scores import Scores, aligned, is_scores, load_scores, save_scores


@dataclass(frozen=True)
class Compared:
    """Tests of the same pictures, in their order, and each but the best held against the best."""

    scores: tuple[Scores, ...]
    comparisons: tuple[Comparison, ...]

    def as_data(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "tests": [as_data([s]) for s in self.scores],
            "comparisons": [{**asdict(c), "text": str(c)} for c in self.comparisons],
        }


def found_scores(named: Sequence[Path]) -> list[Scores]:
    """The score files that files and folders name; a run's folder stands for those of its tests.

    Raises UserError for a folder without any.
    """
    files: list[Path] = []
    for path in named:
        folder = path / "scores" if (path / "scores").is_dir() else path
        inside = sorted(folder.glob("*.safetensors")) if path.is_dir() else [path]
        inside = [file for file in inside if not path.is_dir() or is_scores(file)]
        if not inside:
            raise UserError(f"no score files in {path}; `verydeep evaluate` writes them")
        files += inside
    return [load_scores(path) for path in files]


def compared(named: Sequence[Path]) -> Compared:
    """Score files held against each other.

    Raises UserError where they are not of the same pictures and classes.
    """
    scores = aligned(found_scores(named))
    best = min(scores, key=lambda s: s.top(1))
    others = [compare(best, other) for other in scores if other is not best]
    return Compared(tuple(scores), tuple(others))


def fused(named: Sequence[Path], out: Path | None = None) -> tuple[list[Scores], Scores]:
    """Score files, and the mean of them, which is written to `out`.

    Raises UserError as `compared` does, and where something else would be overwritten.
    """
    if out is not None and out.exists() and not is_scores(out):
        raise UserError(f"{out} is there already and is no score file; choose another --out")
    members = aligned(found_scores(named))
    together = fuse(members)
    if out is not None:
        save_scores(together, out)
    return members, together


def as_data(members: Sequence[Scores], together: Scores | None = None) -> dict[str, Any]:
    """What one test, or several fused, came to; errors in %, as plain data."""
    scores = together or members[0]
    row = row_of(members)
    return {
        "title": scores.title,
        "protocol": str(scores.protocol),
        "weights": scores.weights,
        "pictures": len(scores.labels),
        "left_out": len(scores.left_out),
        "classes": len(scores.classes),
        "top1": scores.top(1),
        "interval": interval(wrong(scores.posteriors, scores.labels)),
        "top5": scores.top(5),
        "calibration_error": calibration(scores.posteriors, scores.labels).error,
        "paper": row and {"table": row.table, "top1": row.top1, "top5": row.top5},
    }
