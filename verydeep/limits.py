"""What holds for the reading of any file that others made: limits, and one way of refusing.

Readers raise `FormatError`, whether a file is damaged or not what it says, and `reading` makes
of it the user's one line. Memory goes with the size of the file, not with what the file says of
itself.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path

import numpy as np

from verydeep.errors import UserError

MOST = 4 << 30
"""Bytes that no file is allowed to unfold to; the largest net of the paper has 0.57 GB."""

NESTING = 32
"""Values within values; MatConvNet's files have seven."""


class FormatError(Exception):
    """Why a file of another program cannot be read, and what would help."""

    def __init__(self, reason: str, remedy: str = "fetch the file again") -> None:
        super().__init__(f"{reason}; {remedy}")


@contextmanager
def reading(path: Path | str, kind: str = "") -> Iterator[None]:
    """Within, what is wrong with a file becomes one line that names it, and its kind."""
    failed = f"{path} cannot be read{kind and f' as {kind}'}"
    try:
        yield
    except FormatError as error:
        raise UserError(f"{failed}: {error}") from None
    except OSError as error:
        raise UserError(f"{failed}: {error.strerror or error}") from None
    except MemoryError:
        raise UserError(f"{failed}: not enough memory for it; close other programs") from None


def quoted(name: str) -> str:
    """A name out of a file as a message may show it: in quotes, short and in one line."""
    return ascii(name if len(name) <= 40 else f"{name[:37]}...")


def start_of(path: Path | str, count: int = 4096) -> bytes:
    """The first bytes of a file, at most so many; UserError where it cannot be read."""
    with reading(path), Path(path).open("rb") as file:
        return file.read(count)


def memory_limit(file_size: int) -> int:
    """Bytes that a file of this size may unfold to: 16 times its own, for the sake of zeros."""
    return min((64 << 20) + 16 * file_size, MOST)


def as_float32(numbers: np.ndarray) -> np.ndarray:
    """The numbers as float32, themselves where they are; what is too large is infinite."""
    with np.errstate(all="ignore"):
        return numbers.astype(np.float32, copy=False)


class Inflater:
    """A compressed part of a file, unfolded into memory of a size known before."""

    def __init__(self, file: BufferedIOBase, length: int) -> None:
        self._file, self._left = file, length
        self._stream = zlib.decompressobj()
        self._waiting = b""

    def fill(self, target: memoryview) -> None:
        """Fills all of the target; raises FormatError where there is not so much."""
        done = 0
        while done < len(target):
            piece = self._piece(min(len(target) - done, 1 << 20))
            target[done : done + len(piece)] = piece
            done += len(piece)

    def finish(self) -> None:
        """Sees that the part ends here, with the right checksum; raises FormatError where not."""
        while not self._stream.eof:
            if self._piece(1):
                raise FormatError("a compressed part holds more than it says")

    def _piece(self, most: int) -> bytes:
        """Some bytes, at most so many, or none yet; raises FormatError where none can come."""
        if not self._waiting:
            self._waiting = self._file.read(min(self._left, 1 << 16))
            self._left -= len(self._waiting)
        over = self._stream.eof or not self._waiting
        try:
            piece = self._stream.decompress(self._waiting, most)
        except zlib.error as error:
            raise FormatError(f"a compressed part is damaged ({error})") from None
        self._waiting = self._stream.unconsumed_tail
        if over and not piece:
            raise FormatError("a compressed part ends before its time")
        return piece
