"""What a net gives of centre crops before its length is made one, and that done: its embeddings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32

from verydeep.engines.engine import engine_for
from verydeep.evaluation.showing import a_row_each, callers, walk_of
from verydeep.evaluation.views import Pass
from verydeep.evaluation.walk import walked
from verydeep.nets.describing import describing
from verydeep.nets.network import Network
from verydeep.parts.dataset import Part
from verydeep.runtime.runtime import Runtime


def embeddings(
    network: Network,
    part: Part,
    runtime: Runtime,
    progress: Callable[[int], None] = lambda done: None,
) -> Float32[np.ndarray, "N D"]:
    """Numbers of length one of the centre crop of each picture; NaN of one that cannot be read."""
    cut, threads = describing(network), runtime.machine.threads
    engine = engine_for(cut, "torch", threads, callers(network.device.type, threads))
    shown = Pass("centre", network.table.crop, network.pixels.test_scale)
    found = a_row_each(walked(walk_of(engine, part, (shown,), threads), runtime, progress))
    lengths = np.linalg.norm(found.astype(np.float64), axis=1, keepdims=True)
    unit: Float32[np.ndarray, "N D"] = (found / np.maximum(lengths, 1e-12)).astype(np.float32)
    return unit
