"""How long the small things take: help, a wrong option, and the names of 100,000 files.

    uv run python bench/startup.py

Each command is a process of its own, one after another in turns; medians with the extremes.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

RUNS = 7
COMMANDS = {
    "verydeep --help": ["--help"],
    "verydeep train --help": ["train", "--help"],
    "a wrong option": ["train", "photos", "--epoch", "3"],
    "verydeep nets D": ["nets", "D"],
}
INDEX = """
import sys
from verydeep.datasets import open_dataset
assert len(open_dataset(sys.argv[1]).everything) == 100_000
import resource
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(RUNS):
        for name, words in COMMANDS.items():
            start = perf_counter()
            subprocess.run([sys.executable, "-m", "verydeep", *words], capture_output=True)
            times[name].append(perf_counter() - start)
    for name, seconds in times.items():
        print(f"{name:26} {spread(seconds)}")
    with tempfile.TemporaryDirectory() as folder:
        index(Path(folder))


def index(root: Path) -> None:
    """Seconds and memory of opening a folder of 100,000 files, the imports included."""
    for label in range(100):
        (root / f"class{label}").mkdir()
        for i in range(1000):
            (root / f"class{label}" / f"ILSVRC2012_{i:08}.JPEG").write_bytes(b"x")
    seconds, peak = [], 0
    for _ in range(RUNS):
        start = perf_counter()
        done = subprocess.run([sys.executable, "-c", INDEX, root], capture_output=True, check=True)
        seconds.append(perf_counter() - start)
        peak = max(peak, int(done.stdout) * 1024)
    print(f"{'open 100,000 files':26} {spread(seconds)}, {peak / 1e6:.0f} MB in all")


def spread(seconds: list[float]) -> str:
    """Median, smallest and largest."""
    return f"{statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"


if __name__ == "__main__":
    main()
