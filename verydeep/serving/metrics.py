"""What a server has done, as Prometheus reads it (text format 0.0.4).

Numbers since the start; what happens at once (the queue) is asked for when it is told.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1, 2, 4, 8, 16, 32, 64)
"""Upper ends of the bins of times and of batches."""
TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Histogram:
    """How many values lie at or below each of some ends, their number and their sum."""

    def __init__(self, ends: Sequence[float]) -> None:
        self.ends, self.counts, self.sum = ends, [0] * (len(ends) + 1), 0.0

    def add(self, value: float) -> None:
        """Counts a value."""
        self.counts[bisect_left(self.ends, value)] += 1
        self.sum += value

    def lines(self, name: str, labels: str) -> Iterator[str]:
        """The lines of it, whose bins each hold those below."""
        total = 0
        for end, count in zip((*self.ends, "+Inf"), self.counts, strict=True):
            total += count
            yield f'{name}_bucket{{{labels},le="{end}"}} {total}'
        yield f"{name}_sum{{{labels}}} {self.sum:.6f}"
        yield f"{name}_count{{{labels}}} {total}"


class Metrics:
    """Counts of requests, of refusals by cause, of times and batches; any thread may count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests = Counter[tuple[str, int]]()
        self._refused = Counter[str]()
        self._seconds: dict[str, Histogram] = {}
        self._batches: dict[str, Histogram] = {}

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Counts a request to a path that there is, or to another, which has none of its own."""
        with self._lock:
            self._requests[path, status] += 1
            self._seconds.setdefault(path, Histogram(SECONDS)).add(seconds)

    def refused(self, cause: str) -> None:
        """Counts a request or a picture that was refused, by one of a few causes."""
        with self._lock:
            self._refused[cause] += 1

    def batch(self, work: str, size: int) -> None:
        """Counts a batch of a kind of work."""
        with self._lock:
            self._batches.setdefault(work, Histogram(SIZES)).add(size)

    def text(self, queue: int, ready: bool) -> str:
        """All of it as text, with the pictures that are read, wait or are worked on now."""
        with self._lock:
            lines = list(self._lines())
        lines += _head("queue", "gauge", "Pictures that are read, wait or are worked on.")
        lines += [f"verydeep_queue {queue}", *_head("ready", "gauge", "1 where it is ready.")]
        return "\n".join([*lines, f"verydeep_ready {int(ready)}", ""])

    def _lines(self) -> Iterator[str]:
        yield from _head("requests_total", "counter", "Requests by path and status.")
        for (path, status), count in sorted(self._requests.items()):
            yield f'verydeep_requests_total{{path="{path}",status="{status}"}} {count}'
        yield from _head("refusals_total", "counter", "Requests and pictures refused, by cause.")
        for cause, count in sorted(self._refused.items()):
            yield f'verydeep_refusals_total{{cause="{cause}"}} {count}'
        yield from _head("request_seconds", "histogram", "Seconds from header to answer.")
        for path, seconds in sorted(self._seconds.items()):
            yield from seconds.lines("verydeep_request_seconds", f'path="{path}"')
        yield from _head("batch_size", "histogram", "Pictures that the network worked on at once.")
        for work, sizes in sorted(self._batches.items()):
            yield from sizes.lines("verydeep_batch_size", f'work="{work}"')


def _head(name: str, kind: str, said: str) -> Iterator[str]:
    yield f"# HELP verydeep_{name} {said}"
    yield f"# TYPE verydeep_{name} {kind}"
