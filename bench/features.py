"""Descriptors of pictures: against the test that shows the same, from the cache, and much of them.

    uv run python bench/features.py [FOLDER] [--net D] [--width 0.5] [--pictures 16] [--runs 5]
    uv run python bench/features.py --memory

FOLDER holds a folder of pictures for each class; without it pictures are drawn at 160 pixels.

- first: pool5 at Q = 256 of every picture and its mirror image, none of them in the cache, in turns
  with the posteriors of the same network dense at the same Q; both begin with files. The network
  has one FC layer behind a mean over space, which takes nothing: both do the same work;
- again: the same from the cache.

Medians in pictures a second, with the extremes, and their ratio.

`--memory` tells the most memory that 31,000 descriptors of 12,288 numbers take, stacked of three
pieces of 4,096 that lie in the cache, from their keys on.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from turns import in_turns, median_of, rates

from verydeep.datasets import Part, open_dataset
from verydeep.descriptors import cache
from verydeep.descriptors.describe import Piece, described, sheet_of
from verydeep.drawings.drawing import draw
from verydeep.engines.engine import chosen
from verydeep.evaluation.posteriors import posteriors
from verydeep.evaluation.views import protocol
from verydeep.nets.describing import describing
from verydeep.nets.network import build
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import SILENT
from verydeep.runtime.runtime import Runtime

Q = 256
STACKED = 31_000, 4_096, 3
"""Pictures, numbers of a piece, and pieces: Caltech-256 by relu7 at three Q."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--net", default="D", choices=["A", "B", "D", "E"])
    parser.add_argument("--width", type=float, default=0.5)
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--memory", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.environ["XDG_CACHE_HOME"] = place
        if given.memory:
            memory()
        else:
            speed(given, Path(place))


def speed(given: argparse.Namespace, place: Path) -> None:
    """Prints how quick descriptors are the first time and again, and how quick the test is."""
    folder = given.folder or drawn(place / "drawn", given.pictures)
    part = open_dataset(folder).everything
    part = part.only(range(min(len(part), given.pictures)))
    runtime = Runtime(Machine.this("cpu"), progress=SILENT)
    network = build(given.net, 10, width=given.width, crop=224, fc=0, initial="he").eval()
    dense, engine = protocol(network, "dense", Q), chosen(None, "cpu")
    pieces = [Piece(describing(network, "pool5"), "pool5", (Q,))]

    def first() -> None:
        shutil.rmtree(cache.folder(), ignore_errors=True)
        described(part, pieces, runtime, engine)

    def again() -> None:
        described(part, pieces, runtime, engine)

    ways = {
        "dense test": lambda: posteriors(network, part, dense, runtime, engine=engine),
        "first": first,
        "again": again,
    }
    print(f"{given.net} of width {given.width:g}, {len(part)} pictures, Q = {Q}, {runtime.machine}")
    taken = in_turns(ways, given.runs)
    for name, turns in taken.items():
        print(f"{name:12}{median_of(rates(turns, len(part)))} pictures a second")
    test, made = (statistics.median(rates(taken[name], len(part))) for name in [*ways][:2])
    print(f"first / dense test: {made / test:.3f}")


def drawn(folder: Path, count: int) -> Path:
    """A folder of drawn pictures of two classes."""
    for i in range(max(count, 8)):
        path = folder / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw(0, i, (160, 160)).image).save(path)
    return folder


def memory() -> None:
    """Prints the most memory that stacked descriptors take, all of them in the cache."""
    pictures, size, count = STACKED
    os.environ[cache.VARIABLE] = "10"
    sources = [str(i).encode() for i in range(pictures)]
    part = Part([str(i) for i in range(pictures)], None, sources.__getitem__)
    network = describing(build("A", 10, width=0.125, crop=32, fc=size).eval(), "relu7")
    pieces = [Piece(network, "relu7", (q,)) for q in range(40, 40 + count)]
    keys = np.array([cache.content_key(source) for source in sources])
    rng = np.random.default_rng(0)
    for piece in pieces:
        sheet = sheet_of(piece, piece.scales[0], "winograd")
        sheet.put(keys, rng.random((pictures, size), np.float32))
    before = most_gigabytes()
    found = described(part, pieces, Runtime(Machine.this("cpu"), progress=SILENT), "winograd")
    shape = " x ".join(f"{side:,}" for side in found.descriptors.shape)
    print(f"{shape}: {most_gigabytes():.2f} GiB at the most, {before:.2f} before")


def most_gigabytes() -> float:
    """The most memory that this process has taken so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
