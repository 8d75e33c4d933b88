"""What `verydeep evaluate` prints of a net whose classes are each by themselves."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from verydeep.evaluation.scores import Scores
from verydeep.evaluation.several import answers
from verydeep.report.tables import percent, text_table
from verydeep.verbs.compare import as_data
from verydeep.verbs.measure import Tested
from verydeep.verbs.parts import WORDS


def answer(tested: Tested) -> str:
    """What testing gave, for the terminal."""
    scores = tested.scores
    about = as_data([scores])
    low, high = about["interval"]
    lines = [
        _by_class(scores),
        "",
        f"{len(scores.names):,} pictures, {scores.part}{WORDS[scores.role]}; {scores.title}",
        *([f"left out, unreadable: {len(scores.left_out)}"] if scores.left_out else ()),
        f"mAP {about['map']:.1f} % (95 % interval {low:.1f} to {high:.1f})",
        blindly(about),
        f"posteriors: {tested.path}",
    ]
    return "\n".join(lines)


def blindly(about: dict[str, Any]) -> str:
    """What is to be expected without looking, beside what a test came to."""
    return (
        f"without looking: any order of the pictures has a mAP of about {about['blind_map']:.1f} %"
    )


def _by_class(scores: Scores) -> str:
    """A line for each class: its average precision, and what comes of naming it from 0.5 on."""
    rows = [["in %", "pictures", "AP", "precision", "recall", "F1"]]
    for name, line in zip(scores.classes, by_class(scores), strict=True):
        figures = (line[key] for key in ("average_precision", "precision", "recall", "f1"))
        rows.append([name, f"{line['pictures']:,}", *map(percent, figures)])
    return text_table(rows)


def by_class(scores: Scores) -> list[dict[str, Any]]:
    """What each class came to, in %; None for what is not to be told of it."""
    found = answers(scores.posteriors, scores.signs)
    counts = (scores.signs > 0).sum(0).tolist()
    return [
        {"class": name, "pictures": count, "average_precision": precision, **asdict(named)}
        for name, count, precision, named in zip(
            scores.classes, counts, scores.average_precisions, found, strict=True
        )
    ]


def data_of(tested: Tested) -> dict[str, Any]:
    """The same for programs."""
    scores = tested.scores
    return {
        **as_data([scores]),
        "protocol": {**asdict(scores.protocol), "text": str(scores.protocol)},
        "left_out": list(scores.left_out),
        "by_class": by_class(scores),
        "engine": scores.engine,
        "precision": scores.precision,
        "pooling": scores.pooling,
        "scores": str(tested.path),
    }
