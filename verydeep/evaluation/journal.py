"""What is done of a walk over pictures, kept beside its result until the whole is, against a kill.

A folder of files of ours, each with the rows of some chunks of pictures. Whatever is of another
walk, or is damaged, is not taken.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import count
from json import dumps, loads
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np

from verydeep import tensors_file
from verydeep.errors import UserError
from verydeep.evaluation.rows import UNREAD, Rows
from verydeep.files import folder_lock

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ANEW = "what it kept is worked out anew"
KIND = tensors_file.Kind("verydeep-journal", "journal", 2, ANEW, ANEW)
SECONDS = 5.0
"""Seconds between two writes, at the least: what a kill may cost beside the chunk at work."""


class Journal:
    """Keeps the rows of finished chunks; `walk` is a record that says what walk they are of."""

    def __init__(self, folder: Path, walk: DataclassInstance) -> None:
        self.folder = folder
        self.walk = loads(dumps(asdict(walk)))  # as it comes back
        self._rows: dict[int, Rows] = {}
        self._saved = monotonic()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within, the folder is there, and no other process keeps the same walk in it.

        Raises UserError where one does, or where nothing can be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"cannot write into {self.folder.parent}: {error.strerror}; choose another --out"
            ) from None
        with folder_lock(self.folder):
            yield

    def kept(self) -> dict[int, Rows]:
        """The rows of every chunk that was kept of this walk, by number."""
        found: dict[int, Rows] = {}
        for path in sorted(self.folder.glob("chunks-*.safetensors")):
            try:
                content = tensors_file.read(path, KIND)
                if content.record == {"walk": self.walk}:
                    with tensors_file.refusals(path, KIND):
                        found |= _chunks(content.arrays())
            except UserError:  # damaged, or of another format
                continue
        return found

    def add(self, chunk: int, rows: Rows) -> None:
        """Takes the rows of a chunk, and puts all since the last time away when it is time."""
        self._rows[chunk] = rows
        if monotonic() - self._saved > SECONDS:
            self.save()

    def save(self) -> None:
        """Puts away what is not yet."""
        if self._rows:
            chunks = self._rows.items()
            arrays = {f"{chunk}.values": rows.values for chunk, rows in chunks}
            arrays |= {f"{chunk}.counts": rows.counts for chunk, rows in chunks}
            tensors_file.write(self._free_place(), KIND, {"walk": self.walk}, arrays)
        self._rows, self._saved = {}, monotonic()

    def _free_place(self) -> Path:
        """A file that is not there yet: one that is may hold other chunks beside a same first."""
        first = f"chunks-{min(self._rows):07}"
        names = (f"{first}{f'-{n}' if n else ''}.safetensors" for n in count())
        return next(path for name in names if not (path := self.folder / name).exists())

    def remove(self) -> None:
        """Takes the folder away, when the result is written."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _chunks(arrays: dict[str, np.ndarray]) -> dict[int, Rows]:
    """The rows of chunks by number; ValueError or KeyError where a file tells of none."""
    found = {}
    for name in arrays:
        chunk, _, what = name.rpartition(".")
        if what == "counts":
            found[int(chunk)] = _rows(arrays[f"{chunk}.values"], arrays[name])
    return found


def _rows(values: np.ndarray, counts: np.ndarray) -> Rows:
    if values.dtype != np.float32 or values.ndim != 2 or not np.isfinite(values).all():
        raise ValueError("its values are no rows of finite numbers")
    if counts.dtype != np.int64 or counts.ndim != 1 or (counts < UNREAD).any():
        raise ValueError("its counts are none")
    if counts.clip(0).sum() != len(values):
        raise ValueError("its counts are not those of its rows")
    return Rows(values, counts)
