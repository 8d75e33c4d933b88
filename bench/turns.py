"""Ways of doing one thing, timed in turns, so that what slows the machine slows them all alike.

In go functions by name; out come the times of each, turn by turn, the first turn left out.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter, process_time

import torch

Way = Callable[[], object]


@dataclass(frozen=True)
class Turn:
    """Seconds of one call, by the clock and of the processor over all threads."""

    clock: float
    processor: float


def in_turns(
    ways: Mapping[str, Way], runs: int, *, calls: int = 1, device: str = "cpu"
) -> dict[str, list[Turn]]:
    """The times of a call of each way, the mean of so many `calls` in each of its turns."""
    taken: dict[str, list[Turn]] = {name: [] for name in ways}
    for run in range(runs + 1):
        for name, way in ways.items():
            wait(device)
            clock, processor = perf_counter(), process_time()
            for _ in range(calls):
                way()
            wait(device)
            if run:  # the first warms up
                spent = perf_counter() - clock, process_time() - processor
                taken[name].append(Turn(spent[0] / calls, spent[1] / calls))
    return taken


def rates(turns: Sequence[Turn], pictures: int) -> list[float]:
    """Pictures a second of each turn, by the clock."""
    return [pictures / turn.clock for turn in turns]


def median_of(values: Sequence[float]) -> str:
    """The median with the extremes, for a table."""
    return f"{statistics.median(values):9.1f} ({min(values):.1f} to {max(values):.1f})"


def wait(device: str) -> None:
    """Until a GPU has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
