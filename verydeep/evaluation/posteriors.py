"""From a part of a dataset to its posteriors, one row a picture: a walk, and what it makes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from math import prod

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, UInt8
from torch import Tensor

from verydeep.datasets.dataset import Part
from verydeep.engines.engine import Engine, engine_for
from verydeep.evaluation.dense import bytes_a_pixel, score_map_in_tiles
from verydeep.evaluation.journal import Journal
from verydeep.evaluation.rows import Rows
from verydeep.evaluation.views import Pass, Protocol
from verydeep.evaluation.walk import Walk, fault, walked
from verydeep.nets.cost import FLOAT
from verydeep.nets.network import Network
from verydeep.pictures.reading import Picture
from verydeep.runtime import memory
from verydeep.runtime.runtime import Runtime

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
    runtime = runtime or Runtime()
    shape = len(part), len(network.classes)
    memory.refuse(FLOAT * prod(shape), f"posteriors of {shape[0]:,} x {shape[1]:,}", REMEDY)
    threads = runtime.machine.threads
    walk = walk_of(network, part, protocol, threads, precision, engine)
    return _a_row_each(walked(walk, runtime, progress, journal))


def walk_of(
    network: Network,
    part: Part,
    protocol: Protocol,
    threads: int = 1,
    precision: str = "float32",
    engine: str | Engine = "torch",
) -> Walk:
    """The walk of a test: a row of posteriors for each picture, the mean over the passes."""
    network.eval()
    callers = threads if network.device.type == "cpu" else 1  # a GPU works on one batch at a time
    if isinstance(engine, str):
        engine = engine_for(network, engine, threads, calls=callers)
    show = _Shower(engine, precision)
    return Walk(
        part,
        network.pixels,
        protocol.passes,
        show,
        columns=len(network.classes),
        reduction="mean",
        size=chunk_of(len(part), protocol, network),
        limit=show.limit,
        callers=callers,
    )


def _a_row_each(found: Rows) -> Posteriors:
    """The one row of each picture, NaN where it could not be read."""
    if found.readable.all():
        return found.values
    rows = np.full((len(found), found.values.shape[1]), np.nan, np.float32)
    rows[found.readable] = found.values
    return rows


def chunk_of(pictures: int, protocol: Protocol, network: Network) -> int:
    """Pictures in a chunk: what the protocol shows of each, and how many there are, decide."""
    each = sum(p.pixels(p.scale, 4 * p.scale // 3) for p in protocol.passes)
    most = max(1, CHUNK[network.device.type] // each)
    return min(most, max(1, math.ceil(pictures / PARTS)))


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
        why = fault(part, network.pixels, protocol.passes, i)
        lines.append(why or f"{part.names[i]}: could not be read when its turn came; it can be now")
    return lines


class _Shower:
    """Shows batches to an engine, about `limit` pixels at once and never more than `most`."""

    def __init__(self, engine: Engine, precision: str) -> None:
        network = engine.network
        self.engine, self.device = engine, network.device.type
        self.half = precision == "bf16"
        self.most = _memory(self.device) // bytes_a_pixel(network.table)
        self.limit = min(PIXELS[self.device], self.most)

    @torch.inference_mode()
    def __call__(
        self, shown_as: Pass, pictures: Sequence[Picture]
    ) -> list[Float32[np.ndarray, "1 K"]]:
        """A row for each picture: its posteriors, averaged over its views."""
        images = torch.from_numpy(np.stack(pictures)).to(self.engine.network.device)
        views = shown_as.views(images)
        together = max(1, self.limit // (views.shape[2] * views.shape[3]))
        pieces = torch.split(views.flatten(0, 1), together)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.half):
            shown = torch.cat([self._posteriors(piece) for piece in pieces])
        rows = shown.view(len(images), views.shape[1], -1).mean(1, keepdim=True)
        return list(rows.cpu().numpy())

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
