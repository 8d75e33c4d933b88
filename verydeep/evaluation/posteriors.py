"""From a part of a dataset to its posteriors, one row a picture.

Pictures are read by threads while the network works, once for all scales; those of one shape are
shown to it together. Work is cut into chunks of pictures that are worked on as if there were no
others: processes take them in turn, a test that was stopped goes on after the last whole one, and
the numbers are the same however that went.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from verydeep.datasets.dataset import Part
from verydeep.engines.engine import Engine, engine_for
from verydeep.errors import PictureError, UserError
from verydeep.evaluation.dense import bytes_a_pixel, score_map_in_tiles
from verydeep.evaluation.journal import Journal
from verydeep.evaluation.views import Pass, Protocol
from verydeep.nets.cost import FLOAT
from verydeep.nets.network import Network
from verydeep.pictures.preprocessing import Pixels
from verydeep.pictures.reading import Picture
from verydeep.runtime import memory
from verydeep.runtime.distributed import Ranks
from verydeep.runtime.runtime import Runtime
from verydeep.runtime.threads import in_order, one_thread_each

Posteriors = Float[np.ndarray, "N K"]

CHUNK = {"cpu": 2**24, "cuda": 2**30}
"""Pixels shown in a chunk, about: a minute of D on a CPU, seconds on a GPU."""
PARTS = 16
"""Chunks that there are at the least, for processes to share, where there are as many pictures."""
PIXELS = {"cpu": 2**18, "cuda": 2**24}
"""Most pixels shown to the network at once: 4 pictures of 256 x 256 a thread, or 256 on a GPU."""
MEMORY = {"cpu": 2**28, "cuda": 2**33}
"""Most bytes of one layer's values and its input's at once, by which there may be fewer pixels;
a picture that alone needs more is shown in tiles."""
SHARE = 8
"""A GPU's free memory over what those may take; workspaces and other values need the rest."""
REMEDY = "close other programs, or test on fewer pictures"
ROUNDING = 1e-3
"""What the sum of a row may be away from one: that of a soft-max in int8 is, by less."""
WAITING = 8
"""Batches' worth of pictures of rare shapes that may wait for others like them."""


def posteriors(
    network: Network,
    part: Part,
    protocol: Protocol,
    runtime: Runtime | None = None,
    progress: Callable[[int], None] = lambda done: None,
    journal: Journal | None = None,
    precision: str = "float32",
    engine: str | Engine = "torch",
) -> Posteriors:
    """Class posteriors of every picture, averaged over its views; each row sums to one.

    The row of a picture that cannot be read is NaN. `progress` is told how many pictures this
    process has done; `journal` keeps what is done against a kill. In precision "bf16" layers work
    in bfloat16, and scores are averaged in float32 all the same. `engine` is one of this network's,
    or the name of one.
    """
    runtime, network = runtime or Runtime(), network.eval()
    ranks, threads = runtime.ranks, runtime.machine.threads
    callers = threads if network.device.type == "cpu" else 1  # a GPU works on one batch at a time
    if isinstance(engine, str):
        engine = engine_for(network, engine, threads, calls=callers)
    show = _Shower(engine, precision)
    size = chunk_of(len(part), protocol, network)
    shape = len(part), len(network.classes)
    memory.refuse(FLOAT * prod(shape), f"posteriors of {shape[0]:,} x {shape[1]:,}", REMEDY)
    found = np.zeros(shape, np.float32)
    fault = partial(_fault, network, part, protocol)
    finished = _brought_back(found, size, journal, ranks, fault)
    waiting = [chunk for chunk in range(math.ceil(len(part) / size)) if chunk not in finished]
    chunks = waiting[ranks.rank :: ranks.world_size]
    passes, shown_in_all = len(protocol.passes), 0
    done = min(len(part), len(finished) * size) // ranks.world_size
    progress(done)
    with one_thread_each(), ranks.aside("the test"):
        batches = _batches(part, protocol, network.pixels, show.limit, chunks, size, threads)
        for batch, shown in in_order(show, batches, callers, ahead=callers):
            if shown is None:
                rows = found[batch.chunk * size : (batch.chunk + 1) * size]
                rows /= passes
                _refuse_not_finite(part, batch.chunk * size, rows)
                found[batch.numbers] = np.nan
                if journal is not None:
                    journal.add(batch.chunk, rows)
                continue
            found[batch.numbers] += shown
            shown_in_all += len(batch.numbers)
            progress(done + shown_in_all // passes)
    return ranks.all_reduce_rows(found, "the test")


def chunk_of(pictures: int, protocol: Protocol, network: Network) -> int:
    """Pictures in a chunk: what the protocol shows of each, and how many there are, decide."""
    each = sum(p.pixels(p.scale, 4 * p.scale // 3) for p in protocol.passes)
    most = max(1, CHUNK[network.device.type] // each)
    return min(most, math.ceil(pictures / PARTS))


def _refuse_not_finite(part: Part, first: int, rows: Posteriors) -> None:
    bad = np.flatnonzero(~np.isfinite(rows).all(1))
    if len(bad):
        raise UserError(
            f"the network's scores for {part.names[first + int(bad[0])]} are no finite numbers"
        )


def readable(found: Posteriors) -> Bool[np.ndarray, " N"]:
    """Which of the pictures could be read."""
    return np.asarray(~np.isnan(found[:, 0]))


def are_posteriors(rows: Posteriors, block: int = 2**22) -> Bool[np.ndarray, " N"]:
    """Which rows are finite, from 0 to 1, and sum to one as closely as float32 does.

    Looked at some at a time: of many classes a copy would be large.
    """
    found = np.zeros(len(rows), bool)
    step = max(1, block // max(1, rows.shape[1]))
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        within = ((some >= 0) & (some <= 1 + ROUNDING)).all(1)
        found[start : start + step] = within & (abs(some.sum(1, np.float64) - 1) <= ROUNDING)
    return found


def faults(network: Network, part: Part, protocol: Protocol, found: Posteriors) -> list[str]:
    """Why each picture without posteriors has none."""
    lines = []
    for i in np.flatnonzero(~readable(found)).tolist():
        why = _fault(network, part, protocol, i)
        lines.append(why or f"{part.names[i]}: could not be read when its turn came; it can be now")
    return lines


def _fault(network: Network, part: Part, protocol: Protocol, i: int) -> str | None:
    """Why a picture cannot be read; None if it can."""
    try:
        source = part.source(i)
        for scale in protocol.scales:
            network.pixels.read(source, scale)
    except PictureError as error:
        return str(error)
    return None


def _brought_back(
    found: Posteriors,
    size: int,
    journal: Journal | None,
    ranks: Ranks,
    fault: Callable[[int], str | None],
) -> set[int]:
    """Puts what a journal has in its place, and gives the numbers of those chunks.

    A chunk is worked on anew where a picture that could not be read can be now.
    """
    if journal is None:
        return set()
    kept = journal.kept() if ranks.is_main else {}
    taken = []
    for chunk, rows in kept.items():
        place = found[chunk * size : (chunk + 1) * size]
        if chunk >= 0 and len(place) and rows.shape == place.shape and _are_of_a_test(rows):
            without = chunk * size + np.flatnonzero(~readable(rows))
            if all(fault(i) for i in without.tolist()):
                place[:] = rows
                taken.append(chunk)
    return set(ranks.broadcast(taken))


def _are_of_a_test(rows: np.ndarray) -> bool:
    """Whether each row is one of posteriors, or NaN for a picture that could not be read."""
    return rows.dtype == np.float32 and bool((are_posteriors(rows) | np.isnan(rows).all(1)).all())


@dataclass(frozen=True)
class _Batch:
    """Pictures of one shape, by their numbers in the part, and the pass they are shown for.

    Without a pass it is the end of a chunk, and the numbers are those that cannot be read.
    """

    chunk: int
    shown_as: Pass | None
    numbers: list[int]
    images: Sequence[Picture] = ()


class _Shower:
    """Shows batches to an engine, about `limit` pixels at once and never more than `most`."""

    def __init__(self, engine: Engine, precision: str) -> None:
        network = engine.network
        self.engine, self.device = engine, network.device.type
        self.half = precision == "bf16"
        self.most = _memory(self.device) // bytes_a_pixel(network.table)
        self.limit = min(PIXELS[self.device], self.most)

    @torch.inference_mode()
    def __call__(self, batch: _Batch) -> tuple[_Batch, Posteriors | None]:
        """The batch, and the posteriors of its pictures, averaged over their views."""
        if batch.shown_as is None:
            return batch, None
        images = torch.from_numpy(np.stack(batch.images)).to(self.engine.network.device)
        views = batch.shown_as.views(images)
        together = max(1, self.limit // (views.shape[2] * views.shape[3]))
        pieces = torch.split(views.flatten(0, 1), together)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.half):
            shown = torch.cat([self._posteriors(piece) for piece in pieces])
        return batch, shown.view(len(images), views.shape[1], -1).mean(1).cpu().numpy()

    def _posteriors(self, views: UInt8[Tensor, "B h w 3"]) -> Float[Tensor, "B K"]:
        if views[..., 0].numel() > self.most:  # one view, for there is room for no more
            scores = score_map_in_tiles(self.engine, views, self.most).float().mean((2, 3))
            return scores.softmax(1)
        return self.engine.posteriors(views)


def _memory(device: str) -> int:
    """MEMORY, or less on a GPU that has less to give."""
    if device == "cpu":
        return MEMORY[device]
    free, _ = torch.cuda.mem_get_info()
    unused = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()  # PyTorch's, for reuse
    return memory_of(free + unused)


def memory_of(free: int) -> int:
    """MEMORY on a GPU with so many bytes free.

    A power of two, so that what a GPU has free at one time and at another, which is never quite
    the same, makes the same batches.
    """
    return min(MEMORY["cuda"], 1 << (max(1, free // SHARE).bit_length() - 1))


def _batches(
    part: Part,
    protocol: Protocol,
    pixels: Pixels,
    limit: int,
    chunks: Sequence[int],
    size: int,
    threads: int,
) -> Iterator[_Batch]:
    """The pictures of each chunk, those of one shape together, and then its end."""

    def read(i: int) -> dict[int, Picture] | None:
        try:
            source = part.source(i)
            return {scale: pixels.read(source, scale) for scale in protocol.scales}
        except PictureError:  # `faults` says why
            return None

    numbers = [i for c in chunks for i in range(c * size, min(len(part), (c + 1) * size))]
    unreadable: list[int] = []
    waiting = _Waiting(limit)
    reading = in_order(read, numbers, threads, ahead=8 * threads)
    for i, images in zip(numbers, reading, strict=True):
        chunk = i // size
        if images is None:
            unreadable.append(i)
        else:
            for shown_as in protocol.passes:
                yield from waiting.add(chunk, shown_as, i, images[shown_as.scale])
        if (i + 1) % size == 0 or i + 1 == len(part):
            yield from waiting.rest(chunk)
            yield _Batch(chunk, None, unreadable)
            unreadable = []


class _Waiting:
    """Pictures that wait for others of their shape."""

    def __init__(self, limit: int) -> None:
        self.limit, self._pixels = limit, 0
        self._buckets: dict[tuple[Pass, tuple[int, ...]], list[tuple[int, Picture]]] = defaultdict(
            list
        )

    def add(self, chunk: int, shown_as: Pass, i: int, image: Picture) -> Iterator[_Batch]:
        """Takes a picture; gives a batch when one is full, or when too many wait."""
        bucket = shown_as, image.shape
        self._buckets[bucket].append((i, image))
        self._pixels += shown_as.pixels(*image.shape[:2])
        if self._size(bucket) >= self.limit:
            yield self._taken(chunk, bucket)
        elif self._pixels > WAITING * self.limit:  # many shapes: make room from the fullest
            yield self._taken(chunk, max(self._buckets, key=self._size))

    def rest(self, chunk: int) -> Iterator[_Batch]:
        """All that still wait."""
        for bucket in list(self._buckets):
            yield self._taken(chunk, bucket)

    def _size(self, bucket: tuple[Pass, tuple[int, ...]]) -> int:
        shown_as, shape = bucket
        return len(self._buckets[bucket]) * shown_as.pixels(*shape[:2])

    def _taken(self, chunk: int, bucket: tuple[Pass, tuple[int, ...]]) -> _Batch:
        self._pixels -= self._size(bucket)
        numbers, images = zip(*self._buckets.pop(bucket), strict=True)
        return _Batch(chunk, bucket[0], list(numbers), images)
