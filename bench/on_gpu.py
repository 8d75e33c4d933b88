r"""All that wants a GPU, in one go: its tests, then every measurement; one JSON and one table.

    PYTHONPATH=. python bench/on_gpu.py [--out FOLDER] [--only PART,PART] [--dry-run]

For one H100 or H200, in at most seven minutes, without a network. FOLDER is $OUT where that is set,
else `gpu/`; `gpu.json` and `gpu.md` are written there, anew after each part. Each part runs in a
process of its own and is stopped when its time is over; what it had told by then stands. Whatever
fails is in the JSON with its traceback, and stops nothing else; the exit code is then 1.

Where packages cannot be fetched, carry them, this project's own among them, in `.wheels/`, which
git ignores; leave out those that are there. Before, with a network, and then on that machine:

    uv build --wheel --out-dir .wheels
    pip download -d .wheels --no-deps --only-binary=:all: --python-version 3.12 \
        --platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 \
        simplejpeg pyfive beartype jaxtyping wadler-lindig

    python -m pip install -q --no-index --no-deps --target /tmp/site .wheels/*.whl
    PYTHONPATH=/tmp/site:. python bench/on_gpu.py --out gpu

`--dry-run` goes the same ways on the CPU, in tiny sizes, in well under a minute.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from traceback import format_exc

import gpu_parts
from found import Fact, Failure, Figure, Found, Tell, as_line, markdown, of_line, summary
from gpu_parts import TINY, WHOLE, Sizes

AHEAD = 3
"""Seconds before the end of its time at which a part writes down where it is."""


@dataclass(frozen=True)
class PartOfIt:
    """What is run, and the most seconds that it may take."""

    work: Callable[[Sizes, Tell], None]
    seconds: float


PARTS = {
    "machine": PartOfIt(gpu_parts.machine, 20),
    "tests": PartOfIt(gpu_parts.tests, 90),
    "training step": PartOfIt(gpu_parts.training_step, 130),
    "training": PartOfIt(gpu_parts.training, 50),
    "testing": PartOfIt(gpu_parts.testing, 60),
    "inference": PartOfIt(gpu_parts.inference, 60),
}
"""In the order in which they are run; 410 seconds at most."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", "gpu")))
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas between them")
    parser.add_argument("--dry-run", action="store_true")
    given = parser.parse_args()
    wanted = given.only.split(",")
    if unknown := [name for name in wanted if name not in PARTS]:
        parser.error(f"no part '{unknown[0]}'; there are {', '.join(PARTS)}")
    given.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[Found]] = {}
    for name in wanted:
        print(f"{name} ...", file=sys.stderr, flush=True)
        found[name] = run(PARTS[name], TINY if given.dry_run else WHOLE)
        write(found, given.out)
    print((given.out / "gpu.md").read_text())
    sys.exit(any(isinstance(each, Failure) for part in found.values() for each in part))


def run(part: PartOfIt, sizes: Sizes) -> list[Found]:
    """What a part told of before it ended, in a process of its own, however it ended."""
    began = perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        told, stacks = Path(folder) / "told", Path(folder) / "stacks"
        given = part, sizes, told, stacks
        process = multiprocessing.get_context("fork").Process(target=_child, args=given)
        process.start()
        process.join(part.seconds)
        hangs = process.is_alive()
        if hangs:
            os.killpg(process.pid or 0, signal.SIGKILL)
            process.join()
        lines = told.read_text().splitlines() if told.exists() else []
        found = [of_line(json.loads(line)) for line in lines if line.endswith("}")]
        where = stacks.read_text() if stacks.exists() else ""
    if hangs:
        found.append(Failure("the whole part", f"{where}\nstopped after {part.seconds:.0f} s"))
    elif process.exitcode:
        found.append(Failure("the whole part", f"{where}\nended with code {process.exitcode}"))
    return [*found, Fact("seconds", perf_counter() - began)]


def _child(part: PartOfIt, sizes: Sizes, told: Path, stacks: Path) -> None:
    """Runs a part, and writes what it tells of a line each."""
    os.setsid()  # so that what it starts can be stopped with it
    with told.open("w", buffering=1) as lines, stacks.open("w") as where:
        faulthandler.enable(where)
        faulthandler.dump_traceback_later(max(0.5, part.seconds - AHEAD), file=where)

        def tell(found: Found) -> None:
            lines.write(json.dumps(as_line(found)) + "\n")

        try:
            part.work(sizes, tell)
        except BaseException:
            tell(Failure("the whole part", format_exc()))
        faulthandler.cancel_dump_traceback_later()


def write(found: dict[str, list[Found]], out: Path) -> None:
    """Writes `gpu.json` and `gpu.md`."""
    about = {
        name: {
            "facts": {each.name: each.value for each in part if isinstance(each, Fact)},
            "figures": [summary(each) for each in part if isinstance(each, Figure)],
            "failures": [asdict(each) for each in part if isinstance(each, Failure)],
        }
        for name, part in found.items()
    }
    (out / "gpu.json").write_text(json.dumps(about, indent=1) + "\n")
    (out / "gpu.md").write_text("# What a GPU says\n" + markdown(found) + "\n")


if __name__ == "__main__":
    main()
