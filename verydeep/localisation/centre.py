"""What a net that finds places tells of the centre crops of pictures, and what those show."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float32, Float64

from verydeep.engines.engine import engine_for
from verydeep.evaluation.showing import a_row_each, callers, walk_of
from verydeep.evaluation.views import Pass, Protocol
from verydeep.evaluation.walk import Made, Walk, walked
from verydeep.nets.network import Network
from verydeep.parts.dataset import Part
from verydeep.pictures.reading import Picture
from verydeep.pictures.windows import Window
from verydeep.runtime.runtime import Runtime

Numbers = Float32[np.ndarray, "N C"]
"""Places of each picture in shares of a crop; NaN of one that could not be read."""
FIELDS = 8
"""Numbers that a window is written in."""


def places(
    network: Network,
    part: Part,
    chosen: Protocol,
    runtime: Runtime,
    progress: Callable[[int], None] = lambda done: None,
    engine: str = "torch",
) -> tuple[Numbers, list[Window]]:
    """The numbers that a net gives of the centre crops of a part at one Q, and what each shows.

    The window of a picture that could not be read is that of nothing but the crop.
    """
    threads = runtime.machine.threads
    run = engine_for(network, engine, threads, callers(network.device.type, threads))
    walk = walk_of(run, part, chosen.passes, threads)
    found = a_row_each(walked(_with_windows(walk), runtime, progress))
    numbers, crop = found[:, :-FIELDS], network.table.crop
    windows = [
        Window.whole((crop, crop)) if np.isnan(row[0]) else window_of(row)
        for row in found[:, -FIELDS:].astype(np.float64)
    ]
    return numbers, windows


def _with_windows(walk: Walk) -> Walk:
    """A walk of one crop a picture whose rows tell what that shows, too."""

    def make(
        shown_as: Pass, pictures: Sequence[Picture], windows: Sequence[Window]
    ) -> Sequence[Made]:
        rows = walk.make(shown_as, pictures, windows)
        crops = [shown_as.windows(window)[0] for window in windows]
        told = (fields_of(crop).astype(np.float32)[None] for crop in crops)
        return [np.concatenate(both, 1) for both in zip(rows, told, strict=True)]

    return Walk(**{**vars(walk), "make": make, "columns": walk.columns + FIELDS})


def fields_of(window: Window) -> Float64[np.ndarray, " 8"]:
    """A window in numbers."""
    return np.array([*window.picture, *window.size, *window.scale, *window.offset], np.float64)


def window_of(fields: Float64[np.ndarray, " 8"]) -> Window:
    """The window of such numbers."""
    height, width, rows, columns, *rest = fields.tolist()
    picture, size = (round(height), round(width)), (round(rows), round(columns))
    return Window(picture, size, (rest[0], rest[1]), (rest[2], rest[3]))
