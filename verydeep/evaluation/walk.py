"""A walk over the pictures of a part: read, shown pass by pass, and made into rows of numbers.

Pictures are read by threads while the network works, once for all scales; those of one shape are
shown to it together. Work is cut into chunks of pictures, each of which is worked on as if there
were no others, so that what it gives is a function of its number alone: processes take them in
turn, a walk that was stopped goes on after the last whole one, and the rows are the same however
that went. What the rows are is not the walk's affair.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32

from verydeep.errors import PictureError, UserError
from verydeep.evaluation.journal import Journal
from verydeep.evaluation.rows import Rows
from verydeep.evaluation.views import Pass
from verydeep.parts.dataset import Part
from verydeep.pictures.preprocessing import Pixels
from verydeep.pictures.reading import Picture
from verydeep.pictures.windows import Size, Window
from verydeep.runtime.distributed import Ranks
from verydeep.runtime.runtime import Runtime
from verydeep.runtime.threads import in_order, one_thread_each

WAITING = 8
"""Batches' worth of pictures of rare shapes that may wait for others like them."""
Reduction = Literal["mean", "stack", "union"]
"""What is made of a picture's rows of all passes: their mean; all of them, in the order of the
passes, as many of each; or all of them, however many each gave."""
Made = Float32[np.ndarray, "_ C"]
Make = Callable[[Pass, Sequence[Picture], Sequence[Window]], Sequence[Made]]
"""From pictures of one shape, what they show of the originals, and the pass they are shown for, to
the rows of each."""
Finished = Float32[np.ndarray, "_ D"]
Finish = Callable[[int, Made], Finished]
"""From the number of a picture and its rows, reduced over the passes, to those that are kept."""
View = tuple[Picture, Window]
"""A picture as it is shown, and what that shows of the original."""


@dataclass(frozen=True)
class Walk:
    """What pictures are shown as, what is made of them, and how they are shared out.

    `make` is given pictures of about `limit` pixels in all views, and `callers` threads may call it
    at once. Rows are of `columns` numbers, once `finish` has made of them what is kept, if it is
    there. A chunk has `size` pictures.
    """

    part: Part
    pixels: Pixels
    passes: tuple[Pass, ...]
    make: Make
    columns: int
    reduction: Reduction
    size: int
    limit: int
    callers: int = 1
    finish: Finish | None = None

    @property
    def count(self) -> int:
        """Number of chunks."""
        return math.ceil(len(self.part) / self.size)

    def numbers(self, chunk: int) -> range:
        """The pictures of a chunk, by their numbers in the part."""
        return range(chunk * self.size, min(len(self.part), (chunk + 1) * self.size))

    def read(self, i: int) -> dict[int, View]:
        """A picture at every scale; raises PictureError where it cannot be read."""
        return _read(self.part, self.pixels, self.passes, i)

    def fault(self, i: int) -> str | None:
        """Why a picture cannot be read; None if it can."""
        return fault(self.part, self.pixels, self.passes, i)


def fault(part: Part, pixels: Pixels, passes: Sequence[Pass], i: int) -> str | None:
    """Why a picture of a part cannot be read for these passes; None if it can."""
    try:
        _read(part, pixels, passes, i)
    except PictureError as error:
        return str(error)
    return None


def _read(part: Part, pixels: Pixels, passes: Sequence[Pass], i: int) -> dict[int, View]:
    scales = dict.fromkeys(shown_as.scale for shown_as in passes)
    return {scale: part.view(i, pixels, scale) for scale in scales}


def walked(
    walk: Walk,
    runtime: Runtime,
    progress: Callable[[int], None] = lambda done: None,
    journal: Journal | None = None,
) -> Rows:
    """The rows of every picture of the part, on every process.

    `progress` is told how many pictures this process has done; `journal` keeps what is done against
    a kill. Raises UserError where a row is no finite numbers.
    """
    ranks = runtime.ranks
    done = _brought_back(walk, journal, ranks)
    finished = set(json.loads(ranks.broadcast(json.dumps(sorted(done)))))
    waiting = [chunk for chunk in range(walk.count) if chunk not in finished]
    ours = waiting[ranks.rank :: ranks.world_size]
    before = min(len(walk.part), len(finished) * walk.size) // ranks.world_size
    progress(before)
    with one_thread_each(), ranks.aside("the test"):
        threads = runtime.machine.threads
        for chunk, rows in chunks(walk, ours, threads, lambda shown: progress(before + shown)):
            done[chunk] = rows
            if journal is not None:
                journal.add(chunk, rows)
    return _gathered(walk, done, ranks)


def chunks(
    walk: Walk,
    numbers: Sequence[int],
    threads: int = 1,
    progress: Callable[[int], None] = lambda shown: None,
) -> Iterator[tuple[int, Rows]]:
    """(chunk, its rows) for each of these chunks, in their order; within `one_thread_each`."""
    made = defaultdict[int, list[tuple[Pass, Made]]](list)
    done: dict[int, Finished] = {}
    shown = Counter[int]()

    def make(batch: _Batch) -> tuple[_Batch, Sequence[Made]]:
        if batch.shown_as is None:
            return batch, []
        images, windows = zip(*batch.views, strict=True)
        return batch, walk.make(batch.shown_as, images, windows)

    batches = _batches(walk, numbers, threads)
    for batch, found in in_order(make, batches, walk.callers, ahead=walk.callers):
        if batch.shown_as is None:
            yield batch.chunk, _collected(walk, batch.chunk, done)
            done.clear()
            continue
        for i, rows in zip(batch.numbers, found, strict=True):
            _take(walk, made[i], batch.shown_as, rows)
            shown[i] += 1
            if shown[i] == len(walk.passes):  # finished at once, for rows may be many
                of_passes = _of_passes(walk, made.pop(i))
                done[i] = walk.finish(i, of_passes) if walk.finish else of_passes
        progress(shown.total() // len(walk.passes))


def _take(walk: Walk, there: list[tuple[Pass, Made]], shown_as: Pass, rows: Made) -> None:
    """Puts a picture's rows of one pass to those of the others; of a mean, the sum is enough."""
    if walk.reduction == "mean" and there:
        first, total = there[0]
        there[0] = first, total + rows
    else:
        there.append((shown_as, rows))


def _collected(walk: Walk, chunk: int, done: Mapping[int, Finished]) -> Rows:
    """The rows of a chunk's pictures, of which those that could not be read have none."""
    each = [done.get(i) for i in walk.numbers(chunk)]
    for i, rows in zip(walk.numbers(chunk), each, strict=True):
        if rows is not None and not np.isfinite(rows).all():
            raise UserError(f"the network's scores for {walk.part.names[i]} are no finite numbers")
    return Rows.of(each, walk.columns)


def _of_passes(walk: Walk, made: Sequence[tuple[Pass, Made]]) -> Made:
    """A picture's rows of all passes in one."""
    if walk.reduction == "mean":
        ((_, total),) = made
        return np.asarray(total / np.float32(len(walk.passes)))
    ordered = sorted(made, key=lambda one: walk.passes.index(one[0]))
    counts = {len(rows) for _, rows in ordered}
    if walk.reduction == "stack" and len(counts) > 1:
        raise ValueError(f"passes that are stacked gave {sorted(counts)} rows of one picture")
    return np.concatenate([rows for _, rows in ordered])


# --- what was done before, and by others


def _brought_back(walk: Walk, journal: Journal | None, ranks: Ranks) -> dict[int, Rows]:
    """What a journal has of these chunks, on process 0.

    A chunk is worked on anew where a picture that could not be read can be now.
    """
    kept = journal.kept() if journal is not None and ranks.is_main else {}
    return {chunk: rows for chunk, rows in kept.items() if _still_holds(walk, chunk, rows)}


def _still_holds(walk: Walk, chunk: int, rows: Rows) -> bool:
    numbers = walk.numbers(chunk)
    if chunk < 0 or not numbers or len(rows) != len(numbers):
        return False
    without = [i for i, there in zip(numbers, rows.readable, strict=True) if not there]
    return rows.values.shape[1] == walk.columns and all(walk.fault(i) for i in without)


def _gathered(walk: Walk, done: dict[int, Rows], ranks: Ranks) -> Rows:
    """The rows of all chunks, of which each process has some; lets go of them as it goes."""
    counts = np.zeros(len(walk.part), np.int64)
    for chunk, rows in done.items():
        counts[walk.numbers(chunk)] = rows.counts
    counts = ranks.all_reduce_rows(counts, "the test")
    ends = np.concatenate([[0], np.cumsum(counts.clip(0))])
    values = np.zeros((int(ends[-1]), walk.columns), np.float32)
    for chunk in sorted(done):
        first = ends[walk.numbers(chunk).start]
        rows = done.pop(chunk)
        values[first : first + len(rows.values)] = rows.values
    bits = ranks.all_reduce_rows(values.view(np.int32), "the test")  # a sum would turn -0 into 0
    return Rows(bits.view(np.float32), counts)


# --- batches


@dataclass(frozen=True)
class _Batch:
    """Pictures of one shape, by their numbers in the part, and the pass they are shown for.

    Without a pass it is the end of a chunk.
    """

    chunk: int
    shown_as: Pass | None = None
    numbers: Sequence[int] = ()
    views: Sequence[View] = ()


def _batches(walk: Walk, numbers: Sequence[int], threads: int) -> Iterator[_Batch]:
    """The pictures of each chunk, those of one shape together, and then its end."""

    def read(i: int) -> dict[int, View] | None:
        try:
            return walk.read(i)
        except PictureError:  # `fault` says why
            return None

    pictures = [i for chunk in numbers for i in walk.numbers(chunk)]
    reading = in_order(read, pictures, threads, ahead=8 * threads)
    for chunk in numbers:
        waiting = _Waiting(walk.limit)
        for i, views in zip(walk.numbers(chunk), reading, strict=False):
            if views is None:
                continue
            for shown_as in walk.passes:
                yield from waiting.add(chunk, shown_as, i, views[shown_as.scale])
        yield from waiting.rest(chunk)
        yield _Batch(chunk)


class _Waiting:
    """Pictures that wait for others of their shape."""

    def __init__(self, limit: int) -> None:
        self.limit, self._pixels = limit, 0
        self._buckets: dict[tuple[Pass, Size], list[tuple[int, View]]] = defaultdict(list)

    def add(self, chunk: int, shown_as: Pass, i: int, view: View) -> Iterator[_Batch]:
        """Takes a picture; gives a batch when one is full, or when too many wait."""
        bucket = shown_as, view[1].size
        self._buckets[bucket].append((i, view))
        self._pixels += shown_as.pixels(*view[1].size)
        if self._size(bucket) >= self.limit:
            yield self._taken(chunk, bucket)
        elif self._pixels > WAITING * self.limit:  # many shapes: make room from the fullest
            yield self._taken(chunk, max(self._buckets, key=self._size))

    def rest(self, chunk: int) -> Iterator[_Batch]:
        """All that still wait."""
        for bucket in list(self._buckets):
            yield self._taken(chunk, bucket)

    def _size(self, bucket: tuple[Pass, Size]) -> int:
        shown_as, size = bucket
        return len(self._buckets[bucket]) * shown_as.pixels(*size)

    def _taken(self, chunk: int, bucket: tuple[Pass, Size]) -> _Batch:
        self._pixels -= self._size(bucket)
        numbers, views = zip(*self._buckets.pop(bucket), strict=True)
        return _Batch(chunk, bucket[0], list(numbers), views)
