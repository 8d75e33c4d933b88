"""Localisation: how long merging boxes takes, and a dense test of boxes beside one of classes.

    uv run python bench/localisation.py [FOLDER] [--net D] [--width 0.5] [--classes 100]

Merging: 100 pictures of 600 boxes for each of 5 classes, on one core, and one set of 300 to 5,000
boxes. Boxes are drawn about one to three objects of a picture, their middles with a deviation of 15
pixels, their sides, of 60 to 200 pixels, with one of 15 %, and are merged up to a score of 1, at
which next to all of an object's are one.

Dense: a classifier and a net of boxes (PCR) that differ in their FC layers alone, whose trunk is
therefore run once, on 16 pictures of FOLDER, or that are drawn, at Q = 256 with mirror images, in
turns with the classifier alone.

Times are medians, with the least and the most.
"""

from __future__ import annotations

import argparse
import statistics
from functools import partial

import numpy as np
from turns import in_turns, median_of

from verydeep.datasets import open_dataset
from verydeep.engines import engine as engines
from verydeep.engines.engine import engine_for, with_trunk_of
from verydeep.evaluation.posteriors import posteriors
from verydeep.evaluation.showing import callers
from verydeep.evaluation.views import protocol
from verydeep.localisation.dense import placed
from verydeep.localisation.merging import RatedBoxes, merged
from verydeep.localisation.showing import Nets
from verydeep.nets.network import Network, build
from verydeep.nets.rewording import with_last
from verydeep.nets.words import read_table
from verydeep.pictures.preprocessing import Pixels
from verydeep.runtime.machine import Machine
from verydeep.runtime.runtime import Runtime

PICTURES, CLASSES, BOXES = 100, 5, 600
GROWTH = (300, 600, 1200, 2500, 5000)
THRESHOLD = 1.0
TESTED, Q = 16, 256
PIXELS = Pixels((Q, Q), (123.68, 116.779, 103.939))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--net", default="D", choices=["A", "B", "D", "E"])
    parser.add_argument("--width", type=float, default=0.5)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    of_merging(given.runs)
    of_dense_tests(given)


def of_merging(runs: int) -> None:
    many = drawn(PICTURES * CLASSES, BOXES)
    turn = in_turns({"many": partial(merged, many, THRESHOLD)}, runs)["many"]
    seconds = median_of([one.processor for one in turn])
    print(f"merging {PICTURES} x {CLASSES} x {BOXES} boxes {seconds} s of one core")
    sets = {count: drawn(1, count) for count in GROWTH}
    ways = {str(count): partial(merged, one, THRESHOLD) for count, one in sets.items()}
    turns = in_turns(ways, runs)
    for count, found in turns.items():
        print(f"{int(count):8,} boxes {median_of([1000 * one.processor for one in found])} ms")


def of_dense_tests(given: argparse.Namespace) -> None:
    """Boxes of candidates at every position, beside posteriors of whole pictures."""
    machine = Machine.this()
    runtime, name = Runtime(machine), engines.chosen(None, machine.device)
    classifier = build(given.net, given.classes, width=given.width, pixels=PIXELS)
    boxes = with_boxes_of(classifier, given.classes)
    part = open_dataset(given.folder or "drawn:160x200").train
    part = part.only(np.linspace(0, len(part) - 1, TESTED).astype(np.int64))
    engine = engine_for(boxes, name, machine.threads, callers(machine.device, machine.threads))
    of_classes = with_trunk_of(engine, classifier)
    nets = Nets(engine, of_classes, np.arange(given.classes))
    chosen = protocol(classifier, "dense", Q)
    ways = {
        "classes": lambda: posteriors(classifier, part, chosen, runtime, engine=of_classes),
        "boxes": lambda: placed(nets, part, chosen, None, runtime),
    }
    turns = in_turns(ways, given.runs)
    medians = {}
    print(f"{given.net} of width {given.width:g}, {TESTED} pictures, Q = {Q}, {machine}")
    for way, found in turns.items():
        seconds = [turn.clock for turn in found]
        medians[way] = statistics.median(seconds)
        print(f"dense, {way:8} {median_of(seconds)} s")
    print(f"boxes / classes: {medians['boxes'] / medians['classes']:.3f}")


def with_boxes_of(classifier: Network, names: int) -> Network:
    """A net of the same layers but for the last, which gives a box for each of so many names."""
    table = classifier.table
    words = with_last(table.words, (f"FC-{4 * names}", "boxes"))
    own = read_table(table.name, words, table.crop)
    found = Network.random(own, classifier.classes, classifier.pixels, "glorot", 1)
    last = table.scores
    given = {n: v for n, v in classifier.state_dict().items() if not n.startswith(last)}
    found.load_state_dict(given, strict=False)
    return found


def drawn(problems: int, count: int, seed: int = 0) -> RatedBoxes:
    """So many sets of so many boxes about one to three objects each."""
    random = np.random.default_rng(seed)
    which = random.integers(0, random.integers(1, 4, problems)[:, None], (problems, count))
    middles = random.uniform(100, 300, (problems, 3, 2))
    sides = random.uniform(60, 200, (problems, 3, 2))
    middle = np.take_along_axis(middles, which[:, :, None], 1)
    middle += random.normal(0, 15, middle.shape)
    half = np.take_along_axis(sides, which[:, :, None], 1) / 2
    half *= np.exp(random.normal(0, 0.15, half.shape))
    boxes = np.concatenate([middle - half, middle + half], 2).reshape(-1, 4)
    ratings = random.uniform(0, 1, problems * count)
    ends = np.arange(1, problems + 1) * count
    return RatedBoxes(boxes.astype(np.float32).astype(np.float64), ratings, ends)


if __name__ == "__main__":
    main()
