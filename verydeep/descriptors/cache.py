"""What networks made of pictures before, kept in the user's cache, so that it is made once.

A sheet holds the rows of one way of describing (network, Q, engine), by keys of the pictures'
content. It is a folder of files of ours that are written whole and never changed, so commands may
share it; a damaged one is taken away, and its rows made anew. All sheets together take so many
bytes at the most: those that were not used for the longest time go first.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int64

from verydeep import tensors_file
from verydeep.errors import UserError, one_line
from verydeep.files import cache_home
from verydeep.parts.seen import NO_KEY
from verydeep.pictures.reading import Source

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

KIND = tensors_file.Kind(
    "verydeep-sheet", "sheet of the cache", 1, "it is made anew", "it is made anew"
)
VARIABLE = "VERYDEEP_CACHE_GB"
USUAL = 4.0
"""Gigabytes that the cache of descriptors may take, where the environment says nothing else."""
MOST_FILES = 16
"""Files of a sheet, from which on they are made one."""
Keys = Int64[np.ndarray, " N"]
Rows = Float32[np.ndarray, "N C"]


def folder() -> Path:
    """The folder of all sheets, in the user's cache."""
    return cache_home() / "verydeep" / "features"


def limit() -> int:
    """Bytes that all sheets may take; 0 keeps none. UserError where the environment says no number.

    It is set in gigabytes by VERYDEEP_CACHE_GB.
    """
    said = os.environ.get(VARIABLE, "")
    try:
        gigabytes = float(said) if said else USUAL
    except ValueError:
        gigabytes = -1
    if not 0 <= gigabytes < 1e6:
        raise UserError(f"{VARIABLE}={one_line(said)}; give gigabytes, such as {USUAL:g}, or 0")
    return int(gigabytes * 1e9)


def content_key(source: Source, box: str = "") -> int:
    """64 bits of all that is in a picture, and of which box of it is meant; never `NO_KEY`.

    Raises OSError where it cannot be read.
    """
    digest = blake2b(box.encode(), digest_size=8)
    if isinstance(source, np.ndarray):
        digest.update(f"{source.shape} {source.dtype}".encode())
        digest.update(np.ascontiguousarray(source).data)
    else:
        digest.update(source if isinstance(source, bytes) else Path(source).read_bytes())
    return int.from_bytes(digest.digest(), "little", signed=True) or 1


@dataclass(frozen=True)
class Sheet:
    """The rows that are kept of one way of describing pictures; `folder` need not be there."""

    folder: Path
    columns: int

    @classmethod
    def of(cls, way: DataclassInstance, columns: int) -> Sheet:
        """That of a way, which is a record of all that the rows depend on."""
        text = json.dumps(asdict(way), sort_keys=True)
        return cls(folder() / hashlib.sha256(text.encode()).hexdigest()[:32], columns)

    def rows(self, keys: Keys) -> Rows:
        """The rows of pictures by their keys; NaN of those that are not kept."""
        found = np.full((len(keys), self.columns), np.nan, np.float32)
        for _, kept, values in self._files():
            order = np.argsort(kept, kind="stable")
            places = np.searchsorted(kept[order], keys).clip(max=len(kept) - 1)
            here = (kept[order][places] == keys) & (keys != NO_KEY)
            found[here] = values[order[places[here]]]
        return found

    def put(self, keys: Keys, values: Rows) -> None:
        """Keeps rows, where there is room; what cannot be written is not kept."""
        if not len(keys) or not limit():
            return
        with suppress(UserError):
            self._write(keys, values)
            self._made_one()
            _bound()

    def _write(self, keys: Keys, values: Rows) -> Path:
        name = hashlib.sha256(keys.tobytes()).hexdigest()[:24]
        path = self.folder / f"{name}.safetensors"
        tensors_file.write(path, KIND, {}, {"keys": keys, "values": values})
        return path

    def _files(self) -> Iterator[tuple[Path, Keys, Rows]]:
        """Each file with its keys and rows; a damaged one is taken away, and passed over."""
        for path in sorted(self.folder.glob("*.safetensors")):
            try:
                content = tensors_file.read(path, KIND)
                with tensors_file.refusals(path, KIND):
                    keys, values = self._checked(**content.arrays())
            except (UserError, TypeError):
                with suppress(OSError):
                    path.unlink()
                continue
            with suppress(OSError):
                os.utime(path)  # when it was used last
            yield path, keys, values

    def _checked(self, keys: np.ndarray, values: np.ndarray) -> tuple[Keys, Rows]:
        if keys.dtype != np.int64 or values.dtype != np.float32 or not len(keys):
            raise ValueError("its keys or rows are of another kind")
        if values.shape != (*keys.shape, self.columns) or not np.isfinite(values).all():
            raise ValueError("its rows are none")
        return keys, values

    def _made_one(self) -> None:
        """Makes one of its files, where they are many."""
        if len([*self.folder.glob("*.safetensors")]) < MOST_FILES:
            return
        files = [*self._files()]
        keys = np.concatenate([keys for _, keys, _ in files])
        keys, first = np.unique(keys, return_index=True)
        values = np.concatenate([values for *_, values in files])[first]
        whole = self._write(keys, values)
        for path, *_ in files:
            if path != whole:
                path.unlink(missing_ok=True)


def _bound() -> None:
    """Takes away what was not used for the longest time, until the rest is within bounds."""
    found = []
    for path in folder().rglob("*.safetensors"):
        with suppress(OSError):
            about = path.stat()
            found.append((about.st_mtime, about.st_size, path))
    too_much = sum(size for _, size, _ in found) - limit()
    for _, size, path in sorted(found):
        if too_much <= 0:
            break
        with suppress(OSError):
            path.unlink()
        too_much -= size
