"""From a part of a dataset to its posteriors, one row a picture.

Pictures are read by threads while the network works; those of one shape are shown to it together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Float

from verydeep.datasets.dataset import Part
from verydeep.evaluation.views import Protocol, Views
from verydeep.nets.network import Network
from verydeep.threads import in_order, one_thread_each

Posteriors = Float[np.ndarray, "N K"]

BATCH_PIXELS = {"cpu": 2**18, "cuda": 2**22}
"""Pixels shown to the network at once: 4 pictures of 256 x 256 a thread, or 64 on a GPU."""
WAITING = 8
"""Batches' worth of pictures of rare shapes that may wait for others like them."""


def posteriors(
    network: Network,
    part: Part,
    protocol: Protocol,
    *,
    threads: int = 2,
    watch: Callable[[int], None] = lambda done: None,
) -> Posteriors:
    """Class posteriors of every picture, averaged over its views; each row sums to one.

    `watch` is told how many pictures are done. Raises PictureError, naming the file, where one
    cannot be read.
    """
    network.eval()
    result = np.empty((len(part), len(network.classes)), np.float32)
    done = 0

    @torch.inference_mode()
    def show(batch: tuple[list[int], list[Views]]) -> tuple[list[int], Posteriors]:
        indices, views = batch
        images = torch.from_numpy(np.concatenate(views)).to(network.device)
        shown = network.posteriors(network.pixels.normalise(images))
        return indices, shown.view(len(indices), -1, shown.shape[1]).mean(1).cpu().numpy()

    batches = _batches(network, part, protocol, threads)
    with one_thread_each():
        for indices, shown in in_order(show, batches, threads, ahead=threads):
            result[indices] = shown
            done += len(indices)
            watch(done)
    return result


def _batches(
    network: Network, part: Part, protocol: Protocol, threads: int
) -> Iterator[tuple[list[int], list[Views]]]:
    """Pictures of one shape together: their numbers in the part, and their views."""

    def read(i: int) -> tuple[int, Views]:
        image = network.pixels.read(part.source(i), protocol.scale)
        return i, protocol.views(image)

    most = BATCH_PIXELS["cpu" if network.device.type == "cpu" else "cuda"]
    buckets: dict[tuple[int, ...], list[tuple[int, Views]]] = defaultdict(list)
    waiting = 0
    for i, views in in_order(read, range(len(part)), threads, ahead=8 * threads):
        buckets[views.shape].append((i, views))
        waiting += views[..., 0].size
        shape = views.shape
        if waiting > WAITING * most:  # many shapes: make room from the fullest
            shape = max(buckets, key=lambda s: len(buckets[s]) * buckets[s][0][1].size)
        elif len(buckets[shape]) * views[..., 0].size < most:
            continue
        waiting -= sum(v[..., 0].size for _, v in buckets[shape])
        yield _unzip(buckets.pop(shape))
    for bucket in buckets.values():
        yield _unzip(bucket)


def _unzip(bucket: list[tuple[int, Views]]) -> tuple[list[int], list[Views]]:
    return [i for i, _ in bucket], [views for _, views in bucket]
