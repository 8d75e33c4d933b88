"""The one thread that owns the network: what waits is worked on together, in the order it came.

In come things read already, each with the work that is to be done with it; out come futures. What
was cancelled before its turn, because nobody waits for it any more, is not worked on.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any

from verydeep.runtime.threads import settle

LINGER = 0.005
"""Seconds that a batch waits at most for what is being read meanwhile."""
FIRST, LATEST = 1.0, 0.2
"""Seconds a thing is taken to need before any was done; the share of the latest in the mean."""


@dataclass(frozen=True, eq=False)
class Work:
    """What is done with several things at once, `most` of them, giving a result for each."""

    name: str
    run: Callable[[Sequence[Any]], Sequence[Any]]
    most: int = 1


@dataclass(frozen=True)
class _Job:
    work: Work
    given: Any
    future: Future[Any] = field(default_factory=Future)


class NetworkThread:
    """Does jobs in one thread, those of the same work together; tells `listener` of each batch.

    A batch is what waits, and no more; while something is being read it waits `LINGER` for that.
    Works take turns, so that nothing waits for more than one batch of each of the others.
    """

    def __init__(self, listener: Callable[[str, int], None] = lambda name, size: None) -> None:
        self._waiting = deque[_Job]()
        self._changed = threading.Condition()
        self._being_read = 0
        self._seconds: dict[str, float] = {}
        self._ended, self._last = False, ""
        self._tell = listener
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)
        self._thread.start()

    def submit(self, work: Work, given: Any) -> Future[Any]:
        """What comes of it; cancel it where nobody wants that any more."""
        job = _Job(work, given)
        with self._changed:
            self._waiting.append(job)
            self._changed.notify_all()
        return job.future

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Within, something is being read that will be submitted, for which a batch may wait."""
        with self._changed:
            self._being_read += 1
        try:
            yield
        finally:
            with self._changed:
                self._being_read -= 1
                self._changed.notify_all()

    def seconds(self, work: Work) -> float:
        """Seconds that a thing of this work has taken lately, in its batch."""
        return self._seconds.get(work.name, FIRST)

    def end(self) -> None:
        """Ends the thread after the batch that it works on."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        settle()
        while batch := self._next():
            began = monotonic()
            work, size = batch[0].work, len(batch)
            try:
                results = work.run([job.given for job in batch])
            except BaseException as error:  # told to those who asked; the thread goes on
                for job in batch:
                    job.future.set_exception(error)
            else:
                for job, result in zip(batch, results, strict=True):
                    job.future.set_result(result)
            self._measure(work, (monotonic() - began) / size)
            self._tell(work.name, size)
            del batch  # pictures are not held while nothing is to be done

    def _next(self) -> list[_Job]:
        """Jobs to be done together; none once this is to end."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if self._ended:
                    return []
                first = self._turn()
                self._changed.wait_for(partial(self._is_enough, first), LINGER)
                batch = [job for job in self._take(first) if _is_wanted(job)]
                if batch:
                    self._last = first.name
                    return batch

    def _turn(self) -> Work:
        """The work of what waits longest, of another than the last one if there is such."""
        works = [job.work for job in self._waiting]
        return next((work for work in works if work.name != self._last), works[0])

    def _is_enough(self, work: Work) -> bool:
        count = sum(job.work is work for job in self._waiting)
        return count >= work.most or not self._being_read or self._ended

    def _take(self, work: Work) -> list[_Job]:
        """The first jobs of a work out of all that wait."""
        taken = [job for job in self._waiting if job.work is work][: work.most]
        for job in taken:
            self._waiting.remove(job)
        return taken

    def _measure(self, work: Work, seconds: float) -> None:
        before = self._seconds.get(work.name, seconds)
        self._seconds[work.name] = before + LATEST * (seconds - before)


def _is_wanted(job: _Job) -> bool:
    """Whether somebody still waits for it; from now on it cannot be cancelled."""
    return job.future.set_running_or_notify_cancel()
