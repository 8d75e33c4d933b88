"""How long a checkpoint takes, and how much longer for being hashed.

    uv run python bench/checkpoints.py [--width 0.5] [--folder .]

Saves D with its momentum to a folder on the disk in question, hashed and not, in turns; medians
of nine.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

from verydeep import tensors_file
from verydeep.nets.network import build
from verydeep.training import checkpoints
from verydeep.training.checkpoints import About
from verydeep.training.settings import Settings
from verydeep.training.state import Training

RUNS = 9


def unhashed(data: Mapping[str, memoryview]) -> dict[str, str]:
    return dict.fromkeys(data, "0" * 64)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--width", type=float, default=0.5)
    parser.add_argument("--folder", type=Path, default=Path())
    given = parser.parse_args()
    training = Training.of(build("D", width=given.width), Settings(net="D", width=given.width))
    times: dict[str, list[float]] = {"hashed": [], "not hashed": []}
    hashes = tensors_file._sums
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        for run in range(RUNS):
            for step, (way, found) in enumerate(times.items()):
                tensors_file._sums = hashes if way == "hashed" else unhashed
                start = perf_counter()
                checkpoints.save(training, Path(folder), About({}, {}), 2 * run + step)
                found.append(perf_counter() - start)
    print(f"{checkpoints.bytes_of(training) / 1e6:.0f} MB")
    for way, found in times.items():
        median = statistics.median(found)
        print(f"{way:10} {median:.2f} s ({min(found):.2f} to {max(found):.2f})")
    hashed, bare = (statistics.median(found) for found in times.values())
    print(f"hashing adds {hashed / bare - 1:.0%}")


if __name__ == "__main__":
    main()
