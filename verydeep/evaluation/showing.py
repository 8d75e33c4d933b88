"""The walk of a network over a part: what it is shown, in batches of what size, and what it gives.

A picture's evidence is what is averaged over its views: posteriors, or of a network with a mean
row, what that gives. Posteriors of a test and descriptors of pictures are both such walks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from verydeep.engines.engine import Engine
from verydeep.evaluation.dense import bytes_a_pixel, in_tiles
from verydeep.evaluation.rows import Rows
from verydeep.evaluation.views import Pass
from verydeep.evaluation.walk import Reduction, Walk
from verydeep.nets.network import Network
from verydeep.nets.table import SCORES
from verydeep.parts.dataset import Part
from verydeep.pictures.reading import Picture
from verydeep.pictures.windows import Window

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


def callers(device: str, threads: int) -> int:
    """Threads that call an engine at once: a GPU works on one batch at a time."""
    return threads if device == "cpu" else 1


def walk_of(
    engine: Engine,
    part: Part,
    passes: tuple[Pass, ...],
    threads: int = 1,
    precision: str = "float32",
    reduction: Reduction = "mean",
) -> Walk:
    """The walk that gives a row of evidence for each picture and pass, by an engine made for it."""
    network = engine.network.eval()
    show = Shower(engine, precision)
    return Walk(
        part,
        network.pixels,
        passes,
        show,
        columns=engine.columns,
        reduction=reduction,
        size=chunk_of(len(part), passes, network.device.type),
        limit=show.limit,
        callers=callers(network.device.type, threads),
    )


def a_row_each(found: Rows) -> Float32[np.ndarray, "N C"]:
    """The one row of each picture, NaN where it could not be read."""
    if found.readable.all():
        return found.values
    rows = np.full((len(found), found.values.shape[1]), np.nan, np.float32)
    rows[found.readable] = found.values
    return rows


def chunk_of(pictures: int, passes: Sequence[Pass], device: str) -> int:
    """Pictures in a chunk: what the passes show of each, and how many there are, decide."""
    each = sum(p.pixels(p.scale, 4 * p.scale // 3) for p in passes)
    most = max(1, CHUNK[device] // each)
    return min(most, max(1, math.ceil(pictures / PARTS)))


def by_shape(pictures: Sequence[np.ndarray]) -> list[list[int]]:
    """The numbers of the pictures of each shape, which can be shown together."""
    found: dict[tuple[int, ...], list[int]] = {}
    for i, picture in enumerate(pictures):
        found.setdefault(picture.shape, []).append(i)
    return list(found.values())


def room_for(network: Network) -> tuple[int, int]:
    """Pixels to be shown to a network at once, about, and those that it has memory for."""
    device = network.device.type
    most = _memory(device) // bytes_a_pixel(network.table)
    return min(PIXELS[device], most), most


class Shower:
    """Shows batches to an engine, about `limit` pixels at once and never more than `most`."""

    def __init__(self, engine: Engine, precision: str = "float32") -> None:
        network = engine.network
        self.engine, self.device = engine, network.device.type
        self.half = precision == "bf16"
        self.limit, self.most = room_for(network)

    @torch.inference_mode()
    def __call__(
        self, shown_as: Pass, pictures: Sequence[Picture], windows: Sequence[Window] = ()
    ) -> list[Float32[np.ndarray, "1 C"]]:
        """A row for each picture: its evidence, averaged over its views."""
        images = torch.from_numpy(np.stack(pictures)).to(self.engine.network.device)
        views = shown_as.views(images)
        together = max(1, self.limit // (views.shape[2] * views.shape[3]))
        pieces = torch.split(views.flatten(0, 1), together)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.half):
            shown = torch.cat([self._evidence(piece) for piece in pieces])
        rows = shown.view(len(images), views.shape[1], -1).mean(1, keepdim=True)
        return list(rows.cpu().numpy())

    def _evidence(self, views: UInt8[Tensor, "B h w 3"]) -> Float[Tensor, "B C"]:
        if views[..., 0].numel() <= self.most:
            return self.engine.evidence(views)
        network = self.engine.network  # one view, for there is room for no more
        if network.table.pooled is not None:
            return in_tiles(self.engine, views, self.most, network.table.pooled).flatten(1)
        scores = in_tiles(self.engine, views, self.most, SCORES)
        return network.likely(scores.float().mean((2, 3)))


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
