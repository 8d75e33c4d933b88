"""What a row gives of numbered crops, kept in files of a run, so that it is worked out once.

So many crops, one after another, make a file, which is a function of its number alone: processes
share the making, and a run that was killed goes on with what is whole. The files are mapped into
memory, where they stay as long as there is room, and values are read of those that are asked for.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float16, Float64

from verydeep import schema, tensors_file
from verydeep.errors import UserError
from verydeep.parts.annotations import Labels
from verydeep.runtime.distributed import Ranks
from verydeep.runtime.memory import in_words
from verydeep.schema import MisfitError, Sha256

KIND = tensors_file.Kind("verydeep-values", "file of values", 2, "it is made anew", "make it anew")
FILE = 2**24
"""Bytes of a file, about: of D some 330 crops, two minutes of two cores."""
HALF = 2
"""Bytes of a float16."""


@dataclass(frozen=True)
class Piece:
    """The values of some crops; `taken` are the pictures that they show, in their part.

    `windows` say what they show of those, in the numbers of `fields_of`.
    `faults` say, by places in the piece, which crops are of pictures that could not be read, why,
    and so that another was taken, or nothing.
    """

    values: Float16[np.ndarray, "n C h w"]
    taken: Labels
    windows: Float64[np.ndarray, "n 8"]
    faults: Mapping[int, str]


@dataclass(frozen=True)
class _About:
    """What a file says: what its values depend on, but for their number, and its faults."""

    of: Sha256
    faults: dict[str, str]


@dataclass(frozen=True)
class Files:
    """Where the values of `count` crops are kept, [C, h, w] each.

    `of` is a hash of all that they depend on, but for the number of a crop: what a file has of
    others is not taken.
    """

    folder: Path
    of: Sha256
    count: int
    shape: tuple[int, int, int]

    @property
    def size(self) -> int:
        """Crops of a file."""
        return max(1, FILE // (HALF * prod(self.shape)))

    @property
    def files(self) -> int:
        """Number of files."""
        return ceil(self.count / self.size)

    @property
    def bytes(self) -> int:
        """What all values take."""
        return HALF * self.count * prod(self.shape)

    def crops(self, number: int) -> range:
        """The crops of a file, by their numbers."""
        return range(number * self.size, min(self.count, (number + 1) * self.size))

    def need_space(self, remedy: str) -> None:
        """Raises UserError where the disk has no room for what is not there yet."""
        there = sum(path.stat().st_size for path in self.folder.glob("*.safetensors"))
        free = shutil.disk_usage(self.folder).free
        if self.bytes - there > free:
            raise UserError(
                f"values of {self.count:,} crops in {self.folder} take {in_words(self.bytes)}, and "
                f"{in_words(free)} are free; {remedy}"
            )

    def kept(self, number: int) -> Piece | None:
        """A file, mapped into memory; None where it is not there, not whole or of others."""
        path = self._path(number)
        try:
            content = tensors_file.read(path, KIND)
            with tensors_file.refusals(path, KIND):
                return self._mapped(path, content, len(self.crops(number)))
        except UserError:
            return None

    def put(self, number: int, piece: Piece) -> None:
        """Writes a file; raises UserError where it cannot be."""
        record: dict[str, Any] = {
            "of": self.of,
            "faults": {str(place): fault for place, fault in piece.faults.items()},
        }
        arrays = {"values": piece.values, "taken": piece.taken, "windows": piece.windows}
        tensors_file.write(self._path(number), KIND, record, arrays)

    def _path(self, number: int) -> Path:
        return self.folder / f"values-{number:06}.safetensors"

    def _mapped(self, path: Path, content: tensors_file.Content, count: int) -> Piece:
        about: _About = schema.fitting(_About, content.record)
        at, arrays = content.head.places["values"], content.arrays()
        if about.of != self.of or at.kind != "F16" or at.shape != (count, *self.shape):
            raise MisfitError("its values are of others")
        values = np.memmap(path, np.float16, "r", at.start, at.shape)
        faults = {int(place): f for place, f in about.faults.items()}
        return Piece(values, arrays["taken"], arrays["windows"], faults)


@dataclass(frozen=True)
class Kept:
    """The values of crops by their numbers; `size` of them are in each piece."""

    pieces: Sequence[Piece]
    size: int

    def windows(self, numbers: Labels) -> Float64[np.ndarray, "n 8"]:
        """What some crops show, in their order."""
        places = (divmod(number, self.size) for number in numbers.tolist())
        return np.array([self.pieces[piece].windows[place] for piece, place in places])

    def of(self, numbers: Labels) -> Piece:
        """Those of some crops, in their order, read into memory."""
        places = [divmod(number, self.size) for number in numbers.tolist()]
        return Piece(
            np.stack([self.pieces[piece].values[place] for piece, place in places]),
            np.array([self.pieces[piece].taken[place] for piece, place in places]),
            self.windows(numbers),
            {
                i: self.pieces[piece].faults[place]
                for i, (piece, place) in enumerate(places)
                if place in self.pieces[piece].faults
            },
        )


def made(files: Files, make: Callable[[range], Piece], ranks: Ranks) -> Kept:
    """The values of all crops; what is not kept is made, each process its share of the files.

    What one cannot see that another has made, it makes again.
    """
    pieces: dict[int, Piece] = {}
    with ranks.aside("values of fixed views"):
        for number in range(files.files)[ranks.rank :: ranks.world_size]:
            pieces[number] = _made(files, number, make)
    ranks.barrier("values of fixed views")
    with ranks.aside("values of fixed views"):
        for number in range(files.files):
            pieces[number] = pieces.get(number) or _made(files, number, make)
    return Kept([pieces[number] for number in range(files.files)], files.size)


def _made(files: Files, number: int, make: Callable[[range], Piece]) -> Piece:
    found = files.kept(number)
    if found is None:
        files.put(number, make(files.crops(number)))
        found = files.kept(number)
    assert found is not None
    return found
