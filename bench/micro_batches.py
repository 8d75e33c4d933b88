"""A training step on the CPU: shards with a thread each, beside threads inside each operation.

    uv run python bench/micro_batches.py [--sizes]

Both ways take the same batches of A at width 0.25 and crop 64, in turns in one process, on a quiet
machine and beside one process that keeps a core busy. Milliseconds a picture, medians and extremes.
With --sizes it is micro-batches of several sizes that take turns, of several nets.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from time import perf_counter

import torch
from batches import random_batch
from turns import Way, in_turns

from verydeep.nets.network import build
from verydeep.runtime.distributed import Ranks
from verydeep.runtime.threads import one_thread_each
from verydeep.training.settings import Settings
from verydeep.training.state import Training
from verydeep.training.step import Step

RUNS, STEPS, BATCH = 7, 4, 32
CASES = (("A", 0.125, 48, 8), ("D", 0.25, 64, 16), ("A", 0.25, 64, 32), ("D", 1.0, 64, 16))
SIZES = (16, 8, 4)
CORES = len(os.sched_getaffinity(0))


def main() -> None:
    if "--sizes" in sys.argv[1:]:
        report_sizes()
        return
    print(f"A, width 0.25, crop 64, batch {BATCH}, {CORES} cores, torch {torch.__version__}")
    print("ms a picture:    shards, a thread each        threads inside operations    ratio")
    report("quiet")
    neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        report("busy neighbour")
    finally:
        neighbour.kill()


def report(name: str) -> None:
    """Times both ways in turns, and prints their medians."""
    times: tuple[list[float], list[float]] = ([], [])
    ways = steps()
    for run in range(RUNS + 1):
        for way, found in zip(ways, times, strict=True):
            start = perf_counter()
            for _ in range(STEPS):
                way()
            if run:  # the first warms up
                found.append(1000 * (perf_counter() - start) / STEPS / BATCH)
    shards, inside = (statistics.median(found) for found in times)
    print(f"{name:15}  {spread(times[0]):27}  {spread(times[1]):27}  {inside / shards:.2f}")


def report_sizes() -> None:
    """Times micro-batches of several sizes in turns, a thread for each, and prints that."""
    print(f"ms a picture by the size of micro-batches, {CORES} cores, torch {torch.__version__}")
    for net, width, crop, size in CASES:
        network = build(net, 10, width=width, crop=crop, initial="he").train()
        batch, ways = random_batch(size, crop), dict[str, Way]()
        for micro in SIZES:
            settings = Settings(crop=crop, batch=size, micro_batch=micro)
            training = Training.of(network, settings)
            step = Step(training, settings, ThreadPoolExecutor(CORES), Ranks())
            ways[f"{micro}"] = partial(step.gradients, batch, 0)
        with one_thread_each():
            turns = in_turns(ways, RUNS, calls=STEPS)
        told = (
            f"{micro}: {spread([1000 * turn.clock / size for turn in taken])}"
            for micro, taken in turns.items()
        )
        print(f"{net}, width {width:g}, crop {crop}, batch {size}  {'  '.join(told)}")


def steps() -> tuple[Callable[[], object], Callable[[], object]]:
    """One step by shards, and one as a whole with every core inside each operation."""
    network = build("A", 10, width=0.25, crop=64, initial="he").train()
    batch = random_batch(BATCH, 64)
    settings = Settings(crop=64, batch=BATCH, micro_batch=BATCH // CORES)
    training = Training.of(network, settings)
    whole_settings = replace(settings, micro_batch=BATCH)
    by_shards_step = Step(training, settings, ThreadPoolExecutor(CORES), Ranks())
    whole_step = Step(training, whole_settings, ThreadPoolExecutor(1), Ranks())

    def by_shards() -> object:
        with one_thread_each():
            return by_shards_step.gradients(batch, 0)

    def whole() -> object:
        torch.set_num_threads(CORES)
        return whole_step.gradients(batch, 0)

    return by_shards, whole


def spread(values: list[float]) -> str:
    """Median, smallest and largest."""
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


if __name__ == "__main__":
    main()
