"""A walk that makes another number of rows of each picture, to be killed and shared by processes.

Run as `python -m tests.evaluation.ragged JOURNAL OUT [CALLS]`; under RANK and WORLD_SIZE it is one
of several. Writes the rows to OUT, or kills itself when it has made rows so many times.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from verydeep.evaluation import journal
from verydeep.evaluation.journal import Journal
from verydeep.evaluation.views import Pass
from verydeep.evaluation.walk import Made, Reduction, Walk, walked
from verydeep.parts.dataset import Part
from verydeep.pictures.preprocessing import Pixels
from verydeep.pictures.reading import Picture, Source
from verydeep.pictures.windows import Window
from verydeep.runtime.distributed import join
from verydeep.runtime.machine import Machine
from verydeep.runtime.runtime import Runtime

PASSES = (Pass("whole", 8, 16), Pass("centre", 8, 12), Pass("whole", 8, 12))
UNREADABLE = 4
COUNT = 17


@dataclass(frozen=True)
class Named:
    """What the journal is of."""

    name: str = "ragged"


def source(i: int) -> Source:
    """A small picture of one of four shapes, all of whose pixels are i."""
    if i == UNREADABLE:
        return b"no picture"
    return np.full((16 + 4 * (i % 2), 16 + 8 * (i % 3 == 0), 3), i, np.uint8)


def rows_of(i: int, shown_as: Pass) -> list[tuple[float, float, float]]:
    """i mod 4 rows, none among them, that say of what they are; one number is minus nought."""
    place = float(PASSES.index(shown_as))
    return [(float(i), place, -0.0 if row == 0 else float(row)) for row in range(i % 4)]


def ragged(reduction: Reduction = "union", calls: int | None = None) -> Walk:
    """Chunks of three pictures, of which the last is smaller; a picture or two at once."""
    left = [10**9 if calls is None else calls]

    def make(shown_as: Pass, pictures: Sequence[Picture], windows: Sequence[Window]) -> list[Made]:
        assert [window.size for window in windows] == [image.shape[:2] for image in pictures]
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        found = [rows_of(int(picture[0, 0, 0]), shown_as) for picture in pictures]
        return [np.array(rows, np.float32).reshape(-1, 3) for rows in found]

    part = Part([f"{i}.png" for i in range(COUNT)], np.zeros(COUNT, np.int64), source)
    pixels = Pixels((16, 16), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    return Walk(part, pixels, PASSES, make, 3, reduction, size=3, limit=1000, callers=2)


def main(kept: str, out: str, calls: str | None = None) -> None:
    journal.SECONDS = -1.0  # kept after every chunk
    Path(kept).mkdir(exist_ok=True)
    together = join()
    runtime = Runtime(Machine("cpu", 2), together)
    walk = ragged(calls=None if calls is None else int(calls))
    found = walked(walk, runtime, journal=Journal(Path(kept), Named()))
    np.savez(out, values=found.values, counts=found.counts)
    together.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
