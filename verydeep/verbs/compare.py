"""Score files in, what they are worth out: alone, against each other, and fused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from verydeep.errors import UserError
from verydeep.evaluation.chance import blind, no_better
from verydeep.evaluation.comparison import Comparison, MapComparison, compare, compare_maps
from verydeep.evaluation.fusion import fuse, row_of
from verydeep.evaluation.metrics import calibration
from verydeep.evaluation.scores import (
    Scores,
    aligned,
    is_scores,
    load_scores,
    refuse_other,
    save_scores,
)
from verydeep.evaluation.several import blind_map
from verydeep.files import refuse_taken
from verydeep.shell import called


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


def files_of(named: Sequence[Path]) -> list[Path]:
    """The score files that files and folders name; a run's folder stands for those of its tests.

    A file named twice counts once. Raises UserError for a folder without any.
    """
    files: dict[Path, Path] = {}
    for path in named:
        folder = path / "scores" if (path / "scores").is_dir() else path
        inside = sorted(folder.glob("*.safetensors")) if path.is_dir() else [path]
        inside = [file for file in inside if not path.is_dir() or is_scores(file)]
        if not inside:
            raise UserError(f"no score files in {path}; `{called()} evaluate` writes them")
        for file in inside:
            files.setdefault(file.resolve(), file)
    return [*files.values()]


def compared(named: Sequence[Path]) -> Compared:
    """Score files held against each other.

    Raises UserError where they are not of the same pictures and classes.
    """
    files, given = _aligned(named)
    best_first = sorted(
        zip(_names(files, given), given, strict=True), key=lambda each: each[1].cost
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


def _aligned(named: Sequence[Path]) -> tuple[list[Path], list[Scores]]:
    """The files that are named, and their scores in one order of the pictures.

    Of the folder of a run that has a test part, those of the validation part are left out.
    Where a folder has tests of several data or parts, the refusal says which belong together.
    """
    loaded = {path: load_scores(path) for path in files_of(named)}
    files = [path for path in loaded if path in named or not _has_test(path, loaded)]
    scores = [loaded[path] for path in files]
    try:
        return files, aligned(scores, [str(path) for path in files])
    except UserError:
        groups: dict[tuple[str, str, int], list[str]] = defaultdict(list)
        for path, one in zip(files, scores, strict=True):
            groups[one.data, one.part, one.split].append(str(path))
        if len(groups) == 1 or not any(path.is_dir() for path in named):
            raise
    raise UserError(
        f"tests of {len(groups)} different sets of pictures; give the files of one set: "
        + "; or ".join(" ".join(group) for group in groups.values())
    )


def _has_test(path: Path, loaded: Mapping[Path, Scores]) -> bool:
    """Whether a file is of what chose the weights, and one of the data's test lies beside it."""
    beside = [s for other, s in loaded.items() if other.parent == path.parent]
    ours = loaded[path]
    tested = any(s.role == "test" and s.data == ours.data for s in beside)
    return ours.role == "validation" and tested


def _names(files: Sequence[Path], scores: Sequence[Scores]) -> list[str]:
    """Titles; with the run's or the file's name where the networks, or else titles, are not one."""
    names = [s.title for s in scores]
    if len({s.weights for s in scores}) > 1:
        whose = [p.parents[1].name if p.parent.name == "scores" else p.stem for p in files]
        names = [f"{who}: {name}" for who, name in zip(whose, names, strict=True)]
    if len(set(names)) < len(names):
        names = [f"{path.stem}: {s.title}" for path, s in zip(files, scores, strict=True)]
    return names


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
        if out.resolve() in {path.resolve() for path in files_of(named)}:
            raise UserError(f"{out} is one of those to be fused; choose another --out")
        refuse_taken(out, overwrite)
    files, members = _aligned(named)
    names, together = _names(files, members), fuse(members)
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
