"""Which features to carry over: rows of a net, one Q or several, beside pixels, HOG and its mean.

    uv run --with scikit-image python bench/transfer.py WEIGHTS DATA [--train 10,50] [--draws 3]
        [--ways pool5,averaged] [--scales 192,256,320]

DATA is a folder of classes, one with splits stored beside it, or PASCAL VOC's. Of each way of
describing pictures a linear SVM for each class is learnt from the pictures to train on of each
draw, C chosen on a fifth of these, and tested on those to test on. What is printed is the mean
class recall and the top-1 error, with their deviations over draws, in %, beside the same of the
nearest class mean. For VOC, which has parts of its own and several labels a picture, it is the mean
average precision (area) with its interval (bootstrap), and the share of pictures whose
most probable class is none of theirs. Draws are those that are stored, or `--draws` of `--train`
pictures a class from all of the data, tested on all others; where parts were found, they are of
train, and the test is all of the part set aside; `--train 10,all` learns from all of train too.

| way | a picture is |
|---|---|
| pixels | 32 x 32 pixels, less their mean |
| hog | HOG of 128 x 128 (Dalal and Triggs, 2005): cells of 16, blocks of 2 x 2, 9 directions |
| pool3, pool4, relu5_3, pool5 | the mean of that row's map, mirror image too, at the middle Q |
| averaged, stacked | pool5 at all of `--scales` |
| whole | relu7, of a net that has it |

Descriptors are kept in the user's cache, so a bench that was stopped goes on.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

from verydeep.datasets import Dataset, Part, open_dataset
from verydeep.descriptors.choice import choose_and_fit
from verydeep.descriptors.describe import described
from verydeep.descriptors.learning import CS
from verydeep.descriptors.linear import signs_of
from verydeep.descriptors.nearest_mean import nearest_mean
from verydeep.engines import engine as engines
from verydeep.evaluation.metrics import interval
from verydeep.evaluation.several import map_interval, mean_average_precision
from verydeep.parts.annotations import LabelSets
from verydeep.parts.draws import drawn, stored
from verydeep.pictures.reading import read_picture
from verydeep.runtime.machine import Machine
from verydeep.runtime.runtime import Runtime
from verydeep.verbs.features import pieces_of

ROWS = ("pool3", "pool4", "relu5_3", "pool5")
WAYS = ("pixels", "hog", *ROWS, "averaged", "stacked")
ALL = "all"
Describe = Callable[[Part], np.ndarray]


class Draw(NamedTuple):
    """Places of the pictures to train on, and of those to test on."""

    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class Tested:
    """What the pictures of a test came to: class by class, and which are of it, -1 or 1."""

    values: np.ndarray
    signs: np.ndarray

    @property
    def recall(self) -> float:
        """The mean over classes of the share of their pictures that are taken for them, in %."""
        labels, taken_for = self.signs.argmax(1), self.values.argmax(1)
        return 100 * statistics.mean(
            float((taken_for[labels == k] == k).mean()) for k in np.unique(labels)
        )

    @property
    def missed(self) -> np.ndarray:
        """Whether the most probable class of a picture is none of its own."""
        taken_for = self.values.argmax(1)
        return np.asarray(self.signs[np.arange(len(self.signs)), taken_for] < 1)

    @property
    def error(self) -> float:
        """The share of such pictures in %."""
        return 100 * float(self.missed.mean())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("weights")
    parser.add_argument("data")
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--train", default="")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--scales", default="192,256,320")
    given = parser.parse_args()
    scales = [int(q) for q in given.scales.split(",")]
    dataset = open_dataset(given.data, several="VOC" in given.data)
    plans = plans_of(dataset, [count for count in given.train.split(",") if count], given.draws)
    used = np.unique(np.concatenate([of for draws in plans.values() for d in draws for of in d]))
    part = dataset.everything.only(used)
    several = isinstance(part.truth, LabelSets)
    mean = "mAP" if several else "mean class recall"
    print(f"{dataset.where}: {len(part):,} pictures, {len(dataset.classes)} classes")
    print(f"| way | numbers | a class | draws | {mean} | error | nearest mean: {mean} | error |")
    print("|---|---|---|---|---|---|---|---|")
    for way in given.ways.split(","):
        x = describer(way, given.weights, scales)(part)
        for count, draws in plans.items():
            here = [Draw(*(np.searchsorted(used, of) for of in draw)) for draw in draws]
            print(row(way, x, part, dataset.classes, count, here), flush=True)


def plans_of(dataset: Dataset, counts: Sequence[str], draws: int) -> dict[str, list[Draw]]:
    """Draws by how many pictures of a class are learnt from, as places in all of the dataset."""
    everything = dataset.everything
    places = {name: i for i, name in enumerate(everything.names)}

    def placed(part: Part) -> np.ndarray:
        return np.array([places[name] for name in part.names])

    if "validation" not in dataset.made:  # parts were found
        train, test = dataset.train, placed(dataset.by_role[dataset.held_out])
        return {
            count: [Draw(placed(train), test)]
            if count == ALL
            else [
                Draw(placed(drawn(train, dataset.classes, int(count), number=i).train), test)
                for i in range(draws)
            ]
            for count in counts or [ALL]
        }
    found = {
        count: [drawn(everything, dataset.classes, int(count), number=i) for i in range(draws)]
        for count in counts
    } or {"stored": [*stored(dataset)]}
    return {
        count: [Draw(placed(one.train), placed(one.test)) for one in each]
        for count, each in found.items()
    }


def describer(way: str, weights: str, scales: Sequence[int]) -> Describe:
    """What makes descriptors [N, D] of pictures, of length one."""
    if way in ("pixels", "hog"):
        of = pixels if way == "pixels" else hog
        return lambda part: plainly(part, of)
    layer = way if way in ROWS else None if way == "whole" else "pool5"
    chosen = scales if way in ("averaged", "stacked") else scales[len(scales) // 2]

    def by_network(part: Part) -> np.ndarray:
        runtime = Runtime(Machine.this())
        pieces = pieces_of(weights, layer, chosen, way == "stacked", runtime)
        found = described(part, pieces, runtime, engines.chosen(None, runtime.machine.device))
        if found.faults:
            raise SystemExit(found.faults[0])
        return found.descriptors

    return by_network


def plainly(part: Part, of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Descriptors of pictures by a function of their pixels, of length one."""
    rows = np.array([of(read_picture(part.source(i))) for i in range(len(part))], np.float32)
    lengths = np.sqrt((rows**2).sum(1, keepdims=True))
    return np.asarray(rows / lengths)


def pixels(image: np.ndarray) -> np.ndarray:
    """A picture's pixels at 32 x 32, less their mean."""
    small = np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.BILINEAR))
    return np.asarray(small.ravel() - small.mean())


def hog(image: np.ndarray) -> np.ndarray:
    """The histograms of oriented gradients of a picture."""
    from skimage import feature  # type: ignore[import-not-found]

    small = np.asarray(Image.fromarray(image).resize((128, 128), Image.Resampling.BILINEAR))
    cells = {"pixels_per_cell": (16, 16), "cells_per_block": (2, 2), "orientations": 9}
    return np.asarray(feature.hog(small, channel_axis=2, **cells))


def row(
    way: str,
    x: np.ndarray,
    part: Part,
    classes: Sequence[str],
    count: str,
    draws: Sequence[Draw],
) -> str:
    """A row of the table: what the SVMs and the nearest class mean come to."""
    truth = part.truth
    several = isinstance(truth, LabelSets)
    if isinstance(truth, LabelSets):
        signs = truth.signs(len(classes))
    else:
        signs = signs_of(part.labels, len(classes))
    machines: list[Tested] = []
    means: list[Tested] = []
    for draw in draws:
        _, svms = choose_and_fit(x[draw.train], signs[draw.train], CS, names=classes)
        nearest = nearest_mean(x[draw.train], signs[draw.train], classes)
        for found, kept in ((svms.classifier, machines), (nearest, means)):
            kept.append(Tested(found.decision(x[draw.test]), signs[draw.test]))
    tell = with_interval if several else with_spread
    cells = way, f"{x.shape[1]:,}", count, f"{len(draws)}", tell(machines), tell(means)
    return f"| {' | '.join(cells)} |"


def with_spread(tests: Sequence[Tested]) -> str:
    """Two cells: recall and error, each the mean over draws with its deviation."""
    return " | ".join(
        spread([getattr(test, figure) for test in tests]) for figure in ("recall", "error")
    )


def spread(figures: Sequence[float]) -> str:
    """A mean with its deviation over draws."""
    around = f" ± {statistics.stdev(figures):.1f}" if len(figures) > 1 else ""
    return f"{statistics.mean(figures):.1f}{around}"


def with_interval(tests: Sequence[Tested]) -> str:
    """Two cells of one test: mAP and error, each with its interval."""
    (test,) = tests
    low, high = map_interval(test.values, test.signs)
    least, most = interval(test.missed)
    found = mean_average_precision(test.values, test.signs)
    return f"{found:.1f} ({low:.1f} to {high:.1f}) | {test.error:.1f} ({least:.1f} to {most:.1f})"


if __name__ == "__main__":
    main()
