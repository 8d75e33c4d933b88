"""How long the small things take: help, a wrong option, imports, a picture, 100,000 files.

    uv run python bench/startup.py

Each command is a process of its own, one after another in turns; medians with the extremes. What is
"over" another is the difference within a turn.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

RUNS = 7
MODULE = ["-m", "verydeep"]
COMMANDS = {
    "verydeep --help": [*MODULE, "--help"],
    "verydeep train --help": [*MODULE, "train", "--help"],
    "a wrong option": [*MODULE, "train", "photos", "--epoch", "3"],
    "verydeep nets D": [*MODULE, "nets", "D"],
    "Python": ["-c", "pass"],
    "import verydeep": ["-c", "import verydeep"],
    "import torch": ["-c", "import torch"],
    "verydeep predict NET PICTURE": [*MODULE, "predict", "NET", "PICTURE"],
}
OVER = {"import verydeep": "Python", "verydeep predict NET PICTURE": "import torch"}
"""Of these, what they take beside another."""
INDEX = """
import sys
from verydeep.datasets import open_dataset
assert len(open_dataset(sys.argv[1]).everything) == 100_000
import resource
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        indexed = index(Path(folder, "index"))
        given = net_and_picture(Path(folder))
        for _ in range(RUNS):
            for name, words in COMMANDS.items():
                command = [sys.executable, *(given.get(word, word) for word in words)]
                start = perf_counter()
                done = subprocess.run(command, capture_output=True)
                times[name].append(perf_counter() - start)
                assert (done.returncode == 0) == (name != "a wrong option"), done.stderr
        for name, seconds in times.items():
            print(f"{name:44} {spread(seconds)}")
        for name, other in OVER.items():
            beside = [ours - theirs for ours, theirs in zip(times[name], times[other], strict=True)]
            print(f"{f'{name} over {other}':44} {spread(beside)}")
        print(indexed)


def net_and_picture(folder: Path) -> dict[str, str]:
    """Files of D at a quarter of its width, 35 MB, and of a photograph's size of drawn pixels."""
    from PIL import Image

    import verydeep
    from verydeep.drawings.drawing import draw

    verydeep.save(verydeep.build("D", 10, width=0.25), folder / "net.safetensors")
    Image.fromarray(draw(0, 0, (480, 640)).image).save(folder / "picture.jpg")
    return {"NET": str(folder / "net.safetensors"), "PICTURE": str(folder / "picture.jpg")}


def index(root: Path) -> str:
    """Seconds and memory of opening a folder of 100,000 files, the imports included.

    Measured while this process is small: a child's peak counts what its parent had at the fork.
    """
    for label in range(100):
        (root / f"class{label}").mkdir(parents=True)
        for i in range(1000):
            (root / f"class{label}" / f"ILSVRC2012_{i:08}.JPEG").write_bytes(b"x")
    seconds, peak = [], 0
    for _ in range(RUNS):
        start = perf_counter()
        done = subprocess.run([sys.executable, "-c", INDEX, root], capture_output=True, check=True)
        seconds.append(perf_counter() - start)
        peak = max(peak, int(done.stdout) * 1024)
    return f"{'open 100,000 files':44} {spread(seconds)}, {peak / 1e6:.0f} MB in all"


def spread(seconds: list[float]) -> str:
    """Median, smallest and largest."""
    return f"{statistics.median(seconds):.3f} s ({min(seconds):.3f} to {max(seconds):.3f})"


if __name__ == "__main__":
    main()
