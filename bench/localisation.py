"""Localisation: how long merging boxes takes.

    OMP_NUM_THREADS=1 uv run python bench/localisation.py

Merging: 100 pictures of 600 boxes for each of 5 classes, on one core, and one set of 300 to 5,000
boxes. Boxes are drawn about one to three objects of a picture, their middles with a deviation of 15
pixels, their sides, of 60 to 200 pixels, with one of 15 %, and are merged up to a score of 1, at
which next to all of an object's are one. Times are medians, with the least and the most.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
from turns import in_turns, median_of

from verydeep.localisation.merging import RatedBoxes, merged

PICTURES, CLASSES, BOXES = 100, 5, 600
GROWTH = (300, 600, 1200, 2500, 5000)
THRESHOLD = 1.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    of_merging(runs)


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
