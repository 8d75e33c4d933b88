"""Findings F9 to F11 of the paper's localisation, held against each other on the same pictures.

    uv run python bench/boxes.py DATA --out FOLDER [--from WEIGHTS] [--seeds 3] [--epochs 12]
        [--rates 0.02,0.005,0.001] [--set KEY=VALUE ...]

Of each seed a classifier is trained (or its FC layers, on the convolutions of WEIGHTS that are left
as they are), and from it nets of boxes: a box for each class (PCR) and one for all (SCR), with all
layers tuned and with the FC layers alone; in as many epochs, each at that rate which is best on the
validation part with the first seed. Each is tested on the part set aside, by the centre crop with
its class given, and densely with boxes merged, named
by its classifier, at the threshold that is best on the validation part. Of data with the list of
ILSVRC's boxes that has no parts of its own there are five folds in place of seeds: four are trained
on (and chosen by), one is tested on, so that all pictures are tested once.

Printed are the errors with their deviation over seeds, and for each finding the difference in
points with its 95 % interval over pictures, each with the mean of what it came to with all seeds.
What is in FOLDER already is not trained again.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from verydeep.commands.train import parsed
from verydeep.localisation.figures import figures, last_k
from verydeep.localisation.guesses import guesses
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import SILENT
from verydeep.runtime.runtime import Runtime
from verydeep.training.run_toml import RUN
from verydeep.verbs.localise import localise
from verydeep.verbs.measure_boxes import Located
from verydeep.verbs.train import resume, train
from verydeep.weights.paths import BEST

LIST = "LOC_val_solution.csv"
FOLDS = 5
KINDS = {"localise": "PCR", "localise-single": "SCR"}
TUNED = ("all", "fc")
Way = tuple[str, str, str]
"""PCR or SCR, what was tuned, and the protocol."""
FINDINGS: Mapping[str, tuple[Way, Way]] = {
    "F9, SCR less PCR, all layers tuned": (("SCR", "all", "centre"), ("PCR", "all", "centre")),
    "F9, SCR less PCR, FC layers tuned": (("SCR", "fc", "centre"), ("PCR", "fc", "centre")),
    "F10, FC less all layers tuned, PCR": (("PCR", "fc", "centre"), ("PCR", "all", "centre")),
    "F11, centre less dense, PCR": (("PCR", "all", "centre"), ("PCR", "all", "dense")),
}
RUNTIME = Runtime(Machine.this(), progress=SILENT)


@dataclass(frozen=True)
class Turn:
    """What is trained on and tested on with one seed, or in one fold."""

    number: int
    train: str
    test: str
    part: str | None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--from", dest="start")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--rates", default="0.02,0.005,0.001")
    parser.add_argument("--set", dest="settings", action="append", default=[])
    given = parser.parse_args()
    wrong: dict[Way, list[tuple[tuple[str, ...], np.ndarray]]] = {}
    errors: dict[Way, list[float]] = {}
    rates: dict[tuple[str, str], float] = {}
    for turn in turns(given.data, given.out, given.seeds):
        for way, located in tests(turn, given, rates):
            names, missed, error = missed_of(located)
            wrong.setdefault(way, []).append((names, missed))
            errors.setdefault(way, []).append(error)
            print(turn.number, *way, f"{error:.1f}", flush=True)
    print("| boxes | tuned | test | error, % |\n|---|---|---|---|")
    for way, found in errors.items():
        print(f"| {' | '.join(way)} | {told(found)} |")
    print("| finding | points | 95 % interval |\n|---|---|---|")
    for finding, (one, other) in FINDINGS.items():
        if one in wrong and other in wrong:
            mean, low, high = difference(wrong[one], wrong[other])
            print(f"| {finding} | {mean:+.1f} | {low:+.1f} to {high:+.1f} |")


def turns(data: str, out: Path, seeds: int) -> Iterator[Turn]:
    """The seeds, or the folds of ILSVRC's pictures in one folder."""
    if not (Path(data) / LIST).is_file():
        for seed in range(seeds):
            yield Turn(seed, data, data, None)
        return
    with (Path(data) / LIST).open(newline="") as file:
        head, *rows = csv.reader(file)
    order = np.random.default_rng(0).permutation(len(rows))
    for fold in range(FOLDS):
        tested = {int(i) for i in order[fold::FOLDS]}
        places = {"train": [], "test": []}  # type: dict[str, list[list[str]]]
        for i, row in enumerate(rows):
            places["test" if i in tested else "train"].append(row)
        for name, some in places.items():
            linked(Path(data), out / f"fold-{fold}" / name, head, some)
        folder = out / f"fold-{fold}"
        yield Turn(fold, str(folder / "train"), str(folder / "test"), "all")


def linked(data: Path, place: Path, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A folder of links to some of the pictures, with their lines of the list."""
    place.mkdir(parents=True, exist_ok=True)
    for row in rows:
        name = next(data.glob(f"{row[0]}.*")).name
        if not (place / name).exists():
            (place / name).symlink_to((data / name).resolve())
    with (place / LIST).open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])


def tests(
    turn: Turn, given: argparse.Namespace, rates: dict[tuple[str, str], float]
) -> Iterator[tuple[Way, Located]]:
    """All tests of a turn, trained and tested where they have not been; the first chooses rates."""
    settings = {"seed": turn.number, "epochs": given.epochs, **parsed(given.settings)}
    of_classes = dict(settings)
    if given.start:
        of_classes |= {"start": given.start, "tune": "fc"}
    classifier = trained(turn, given.out / f"cls{turn.number}", of_classes)
    of_boxes = {**settings, "start": str(classifier), "fall": "cosine"}
    for (task, kind), tune in product(KINDS.items(), TUNED):
        runs = {}
        tried = [float(rate) for rate in given.rates.split(",")]
        for rate in [rates[task, tune]] if (task, tune) in rates else tried:
            folder = given.out / f"{task}-{tune}-{rate:g}-{turn.number}"
            own = {**of_boxes, "task": task, "tune": tune, "rate": rate}
            runs[rate] = trained(turn, folder, own)
        best = min(runs, key=lambda rate: validation_error(runs[rate]))
        if (task, tune) not in rates:
            found = ", ".join(
                f"{rate:g}: {validation_error(run):.1f}" for rate, run in runs.items()
            )
            print(f"{kind}, {tune}: rate {best:g} (validation errors {found})", flush=True)
        rates[task, tune], run = best, runs[best]
        asked: dict[str, Any] = {"runtime": RUNTIME, "part_name": turn.part}
        centre = localise(run, turn.test, "centre", **asked)
        threshold = chosen(run, turn, classifier)
        dense = localise(
            run, turn.test, "dense", classifier=classifier, threshold=threshold, **asked
        )
        yield (kind, tune, "centre"), centre
        yield (kind, tune, "dense"), dense


def trained(turn: Turn, folder: Path, settings: Mapping[str, Any]) -> Path:
    """The folder of a run; it is trained, or gone on with, where that has not ended."""
    if not (folder / "report.txt").exists():
        run = folder if (folder / RUN).exists() else None
        if run:
            resume(folder, RUNTIME)
        else:
            train(turn.train, folder, RUNTIME, **settings)
        (folder / "report.txt").touch()
    assert (folder / BEST).exists()
    return folder


def validation_error(run: Path) -> float:
    """The error by which the weights of a run were chosen, in %."""
    with (run / "log.csv").open(newline="") as file:
        return min(float(row["missed"]) for row in csv.DictReader(file))


def chosen(run: Path, turn: Turn, classifier: Path) -> float:
    """The threshold that is best on the part that chose the weights."""
    from verydeep.localisation.choosing import choose_threshold

    found = localise(
        run, turn.train, "dense", RUNTIME, classifier=classifier, part_name="validation"
    )
    return choose_threshold(found.found)[0]


def missed_of(located: Located) -> tuple[tuple[str, ...], np.ndarray, float]:
    """Pictures, whether each was missed, with its class given or by five guesses, and the error."""
    found = located.found
    return found.names, guesses(found).wrong(last_k(found)), figures(found).error


def difference(
    one: Sequence[tuple[tuple[str, ...], np.ndarray]],
    other: Sequence[tuple[tuple[str, ...], np.ndarray]],
) -> tuple[float, float, float]:
    """How much more one misses than the other, in points, and the ends of the interval."""
    of: dict[str, list[float]] = {}
    for (names, ours), (others, theirs) in zip(one, other, strict=True):
        assert names == others
        for name, more in zip(names, ours.astype(float) - theirs, strict=True):
            of.setdefault(name, []).append(more)
    means = np.array([statistics.mean(found) for found in of.values()])
    mean, reach = float(means.mean()), 1.96 * float(means.std(ddof=1)) / len(means) ** 0.5
    return 100 * mean, 100 * (mean - reach), 100 * (mean + reach)


def told(found: Sequence[float]) -> str:
    """A mean with its deviation."""
    spread = f" ± {statistics.stdev(found):.1f}" if len(found) > 1 else ""
    return f"{statistics.mean(found):.1f}{spread}"


if __name__ == "__main__":
    main()
