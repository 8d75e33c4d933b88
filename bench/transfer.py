"""Which features to carry over: rows of a net, one Q or several, beside pixels, HOG and its mean.

    uv run --with scikit-image python bench/transfer.py WEIGHTS DATA [--train 10,50] [--draws 3]
        [--ways pool5,averaged] [--scales 192,256,320]

DATA is a folder of classes, one with splits stored beside it, or PASCAL VOC's. Of each way of
describing pictures a linear SVM for each class is learnt from the pictures to train on of each
draw, C chosen on a fifth of these, and tested on those to test on. What is printed is the mean
class recall and its deviation over draws, in %, or for VOC, which has parts of its own, the mean
average precision (area) with all labels of a picture, beside the nearest class mean. Draws are
those that are stored, or `--draws` of `--train` pictures a class from all of the data, tested on
all others; where parts were found, they are of train, and the test is all of the part set aside.

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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from verydeep.datasets import Dataset, Part, open_dataset
from verydeep.datasets.annotations import LabelSets
from verydeep.datasets.draws import drawn, stored
from verydeep.descriptors.choice import choose_and_fit
from verydeep.descriptors.learning import CS
from verydeep.descriptors.linear import Linear, signs_of
from verydeep.descriptors.nearest_mean import nearest_mean
from verydeep.evaluation.average_precision import average_precisions
from verydeep.pictures.reading import read_picture
from verydeep.runtime.machine import Machine
from verydeep.runtime.runtime import Runtime
from verydeep.verbs.features import Given, features_of, pieces_of

ROWS = ("pool3", "pool4", "relu5_3", "pool5")
WAYS = ("pixels", "hog", *ROWS, "averaged", "stacked")
Describe = Callable[[Dataset], tuple[np.ndarray, tuple[str, ...]]]


@dataclass(frozen=True)
class Draw:
    """Places of the pictures to train on, and of those to test on."""

    train: np.ndarray
    test: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("weights")
    parser.add_argument("data")
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--train", default="")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--scales", default="192,256,320")
    given = parser.parse_args()
    several = "VOC" in given.data
    dataset = open_dataset(given.data, several=several)
    counts = [int(count) for count in given.train.split(",") if count]
    scales = [int(q) for q in given.scales.split(",")]
    print(f"{dataset.where}: {len(dataset.everything):,} pictures, {len(dataset.classes)} classes")
    print("| way | numbers | pictures a class | draws | linear SVM | nearest class mean |")
    print("|---|---|---|---|---|---|")
    for way in given.ways.split(","):
        x, names = describer(way, given.weights, scales)(dataset)
        for count, draws in plans(dataset, names, counts, given.draws):
            print(row(way, x, names, dataset, count, draws), flush=True)


def describer(way: str, weights: str, scales: Sequence[int]) -> Describe:
    """What makes descriptors of all pictures of a dataset, and tells which they are of."""
    if way in ("pixels", "hog"):
        of = pixels if way == "pixels" else hog
        return lambda dataset: plainly(dataset, of)
    layer = way if way in ROWS else None if way == "whole" else "pool5"
    chosen = scales if way in ("averaged", "stacked") else scales[len(scales) // 2]

    def described(dataset: Dataset) -> tuple[np.ndarray, tuple[str, ...]]:
        runtime = Runtime(Machine.this())
        pieces = pieces_of(weights, layer, chosen, way == "stacked", runtime)
        found = features_of(Given.of(dataset), pieces, runtime)
        return found.descriptors, found.names

    return described


def plainly(
    dataset: Dataset, of: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Descriptors of pictures by a function of their pixels, of length one."""
    part = dataset.everything
    rows = np.array([of(read_picture(part.source(i))) for i in range(len(part))], np.float32)
    lengths = np.sqrt((rows**2).sum(1, keepdims=True))
    return rows / lengths, tuple(part.names)


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


def plans(
    dataset: Dataset, names: Sequence[str], counts: Sequence[int], draws: int
) -> Iterator[tuple[str, list[Draw]]]:
    """How many pictures of a class are learnt from, in words, and draws of so many."""
    places = {name: i for i, name in enumerate(names)}

    def placed(part: Part) -> np.ndarray:
        return np.array([places[name] for name in part.names if name in places])

    found = "validation" not in dataset.made
    if found:
        test = placed(dataset.by_role[dataset.held_out])
        for count in counts:
            some = [
                drawn(dataset.train, dataset.classes, count, number=number).train
                for number in range(draws)
            ]
            yield str(count), [Draw(placed(part), test) for part in some]
        yield "all", [Draw(placed(dataset.train), test)]
        return
    kept = stored(dataset) if not counts else ()
    if kept:
        yield "stored", [Draw(placed(one.train), placed(one.test)) for one in kept]
    for count in counts:
        each = [
            drawn(dataset.everything, dataset.classes, count, number=number)
            for number in range(draws)
        ]
        yield str(count), [Draw(placed(one.train), placed(one.test)) for one in each]


def row(
    way: str,
    x: np.ndarray,
    names: Sequence[str],
    dataset: Dataset,
    count: str,
    draws: Sequence[Draw],
) -> str:
    """A row of the table: what the SVMs and the nearest class mean come to."""
    everything = dataset.everything
    order = {name: i for i, name in enumerate(everything.names)}
    part = everything.only([order[name] for name in names])
    several = isinstance(part.truth, LabelSets)
    classes = len(dataset.classes)
    if isinstance(part.truth, LabelSets):
        signs = part.truth.signs(classes)
    else:
        signs = signs_of(part.labels, classes)
    machines: list[float] = []
    means: list[float] = []
    for draw in draws:
        _, svms = choose_and_fit(x[draw.train], signs[draw.train], CS, names=dataset.classes)
        nearest = nearest_mean(x[draw.train], signs[draw.train], dataset.classes)
        for found, kept in ((svms.classifier, machines), (nearest, means)):
            kept.append(figure(found, x[draw.test], signs[draw.test], several))
    return f"| {way} | {x.shape[1]:,} | {count} | {len(draws)} | {told(machines)} | {told(means)} |"


def figure(found: Linear, x: np.ndarray, signs: np.ndarray, several: bool) -> float:
    """The mean class recall in %, or of several labels a picture the mean average precision."""
    values = found.decision(x)
    if several:
        return average_precisions(values, signs).mean
    labels, taken_for = signs.argmax(1), values.argmax(1)
    return 100 * statistics.mean(
        float((taken_for[labels == k] == k).mean()) for k in np.unique(labels)
    )


def told(figures: Sequence[float]) -> str:
    """A mean with its deviation over draws."""
    spread = f" ± {statistics.stdev(figures):.1f}" if len(figures) > 1 else ""
    return f"{statistics.mean(figures):.1f}{spread}"


if __name__ == "__main__":
    main()
