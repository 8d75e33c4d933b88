"""The memory of training, measured, beside what is reckoned of it before it begins.

    uv run python bench/memory.py [NET,WIDTH,CROP,BATCH,SHARD ...]

Each net is trained for three steps on random crops in a process of its own, with two threads, on a
CPU. `taken` is its peak resident set less what Python and PyTorch had before the network was built;
`reckoned` is what `footprint` says; `state` is weights, momentum and one gradient of each.
"""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from batches import random_batch

from verydeep.nets.cost import FLOAT, cost
from verydeep.nets.network import build
from verydeep.runtime.distributed import Ranks
from verydeep.runtime.threads import one_thread_each
from verydeep.training.footprint import footprint
from verydeep.training.settings import Settings
from verydeep.training.state import Training
from verydeep.training.step import Step

THREADS, STEPS = 2, 3
NETS = ("A,0.125,64,32,16", "A,0.25,64,32,16", "A,0.5,96,32,16", "D,0.5,128,32,16")


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(taken(sys.argv[2])))
        return
    print(f"{'net, width, crop, batch, shard':32} {'state':>8} {'taken':>8} {'reckoned':>8}  MB")
    for net in sys.argv[1:] or NETS:
        words = [sys.executable, __file__, "--one", net]
        found = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
        numbers = (found[name] / 1e6 for name in ("state", "taken", "reckoned"))
        print(f"{net:32} {' '.join(f'{n:8,.0f}' for n in numbers)}")


def taken(net: str) -> dict[str, int]:
    """Bytes that training a net takes, and what is reckoned."""
    name, *numbers = net.split(",")
    width, crop, batch, micro_batch = float(numbers[0]), *map(int, numbers[1:])
    before = peak()
    network = build(name, 10, width=width, crop=crop, initial="he").train()
    settings = Settings(
        net=name, width=width, crop=crop, scale=(crop, crop), batch=batch, micro_batch=micro_batch
    )
    training = Training.of(network, settings)
    crops = random_batch(batch, crop)
    with ThreadPoolExecutor(THREADS) as pool, one_thread_each():
        step = Step(training, settings, pool, Ranks())
        for number in range(STEPS):
            step(crops, number)
    reckoned = footprint(network.table, settings, THREADS, 0).total
    state = 3 * FLOAT * cost(network.table).parameters
    return {"state": state, "taken": peak() - before, "reckoned": reckoned}


def peak() -> int:
    """Bytes of the largest resident set so far; `getrusage` would count that of who began us."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


if __name__ == "__main__":
    main()
