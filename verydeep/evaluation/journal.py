"""What is done of a test, kept beside its score file until the whole is, against a kill.

A folder of safetensors files, each with the posteriors of some chunks of pictures, NaN for those
that could not be read. Whatever is of another test, or is damaged, is not taken.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from verydeep.errors import UserError
from verydeep.files import folder_lock, write_atomic

KEY = "verydeep-journal"
SECONDS = 5.0
"""Seconds between two writes, at the least: what a kill may cost beside the chunk at work."""


class Journal:
    """Keeps the rows of finished chunks; `about` says what test they are of, in plain data."""

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self.folder, self.about = folder, json.dumps(about, sort_keys=True)
        self._rows: dict[int, np.ndarray] = {}
        self._saved = monotonic()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within, the folder is there, and no other process keeps the same test in it.

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

    def kept(self) -> dict[int, np.ndarray]:
        """The rows of every chunk that was kept of this test, by number."""
        found: dict[int, np.ndarray] = {}
        for path in sorted(self.folder.glob("chunks-*.safetensors")):
            try:
                with safe_open(path, "np") as file:
                    about = file.metadata() or {}
                    rows = {int(name): file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            except (SafetensorError, OSError, ValueError, TypeError, AttributeError):
                continue
            if about.get(KEY) == self.about and about.get("sha256") == _digest(rows):
                found |= rows
        return found

    def add(self, chunk: int, rows: np.ndarray) -> None:
        """Takes the rows of a chunk, and puts all since the last time away when it is time."""
        self._rows[chunk] = rows.copy()
        if monotonic() - self._saved > SECONDS:
            self.save()

    def save(self) -> None:
        """Puts away what is not yet."""
        if self._rows:
            about = {KEY: self.about, "sha256": _digest(self._rows)}
            content = to_bytes({str(chunk): rows for chunk, rows in self._rows.items()}, about)
            write_atomic(self.folder / f"chunks-{min(self._rows):07}.safetensors", content)
        self._rows, self._saved = {}, monotonic()

    def remove(self) -> None:
        """Takes the folder away, when the score file is written."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _digest(rows: Mapping[int, np.ndarray]) -> str:
    """The sha256 of the rows, in the order of their chunks."""
    digest = hashlib.sha256()
    for chunk in sorted(rows):
        digest.update(f"{chunk} {rows[chunk].shape}".encode())
        digest.update(rows[chunk].tobytes())
    return digest.hexdigest()
