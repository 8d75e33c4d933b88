"""Up to which threshold boxes are best merged: errors of localisation by threshold, and by choice.

    uv run python bench/merging.py DATA RUN... [--scales 80,96,112] [--classifier WEIGHTS]

RUN are trainings of boxes on DATA, such as those of several seeds. Each is tested densely on the
validation part, merged at every threshold of a grid; and on the test part at the default, and at
the threshold that is best on the validation part, as `evaluate --choose` takes it. Differences are
in points of top-5 error, above 0 where the second is better, with intervals (95 %) over pictures
and runs where there are several, else over pictures alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

import numpy as np

from verydeep.evaluation.comparison import compare_missed
from verydeep.localisation.boxes_file import Localised
from verydeep.localisation.choosing import GRID, THRESHOLD, choose_threshold
from verydeep.localisation.guesses import guesses
from verydeep.runtime.progress import SILENT
from verydeep.studies.pooling import difference_of_errors
from verydeep.verbs.localise import localise

SHOWN = tuple(round(0.1 * i, 1) for i in range(15))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--scales")
    parser.add_argument("--classifier", type=Path, help="where it is not what runs began with")
    given = parser.parse_args()
    chosen_by, tests = (
        [tested(run, given, part) for run in given.runs] for part in ("validation", "test")
    )
    of_thresholds(chosen_by)
    of_choice(chosen_by, tests)


def tested(run: Path, given: argparse.Namespace, part: str) -> Localised:
    """The boxes of a part by a run, unmerged."""
    with TemporaryDirectory() as folder:
        return localise(
            run, given.data, scales=given.scales, classifier=given.classifier, part_name=part,
            out=Path(folder, "boxes.safetensors"), progress=SILENT,
        ).found  # fmt: skip


def of_thresholds(tests: Sequence[Localised]) -> None:
    """Errors on the validation part at each threshold, the mean over runs."""
    each = [choose_threshold(test, SHOWN)[1] for test in tests]
    boxes = mean(float(test.counts.mean()) for test in tests)
    print(f"validation: {len(tests[0]):,} pictures, {boxes:.0f} boxes of a class in each")
    print("threshold  top-5 error  top-1 error  mean IoU, each the mean over runs")
    for trials in zip(*each, strict=True):
        top5, top1, overlap = (
            mean(getattr(trial, name) for trial in trials) for name in ("top5", "top1", "mean_iou")
        )
        print(f"{trials[0].threshold:9.1f}  {top5:9.1f} %  {top1:9.1f} %  {overlap:.3f}")


def of_choice(chosen_by: Sequence[Localised], tests: Sequence[Localised]) -> None:
    """What choosing comes to on the test part, beside the default."""
    best = [choose_threshold(test, GRID)[0] for test in chosen_by]
    print(f"test: {len(tests[0]):,} pictures; chosen {', '.join(f'{one:g}' for one in best)}")
    ways = {f"at {THRESHOLD:g}": [THRESHOLD] * len(tests), "as chosen": best}
    ways |= {f"at {one:g}": [one] * len(tests) for one in SHOWN if one != THRESHOLD}
    missed = {way: missed_at(tests, thresholds) for way, thresholds in ways.items()}
    default = f"at {THRESHOLD:g}"
    for way, of_way in missed.items():
        line = f"{way:9} {100 * of_way.mean():5.1f} %"
        print(line if way == default else f"{line}  {compared(missed[default], of_way)}")


def missed_at(tests: Sequence[Localised], thresholds: Sequence[float]) -> np.ndarray:
    """Whether each picture is missed at top-5, a row for each run."""
    pairs = zip(tests, thresholds, strict=True)
    return np.array([guesses(test, threshold).wrong(5) for test, threshold in pairs])


def compared(default: np.ndarray, other: np.ndarray) -> str:
    """By how many points the default errs more, with the interval."""
    if len(default) == 1:
        found = compare_missed(default[0], other[0], ("default", "other"), 5)
        points, (low, high) = found.difference, found.interval
    else:
        pooled = difference_of_errors(default, other)
        points, (low, high) = pooled.mean, pooled.interval()
    return f"{points:+.1f} points better ({low:+.1f} to {high:+.1f})"


if __name__ == "__main__":
    main()
