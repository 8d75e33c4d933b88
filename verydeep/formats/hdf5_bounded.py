"""An HDF5 file as `pyfive` reads it: one that gives out so many bytes of structure and no more."""

from __future__ import annotations

from io import BufferedIOBase

from verydeep.limits import FormatError

STRUCTURE = 2 << 20
"""Bytes of structure that are read of a file, all in all; MATLAB's of E, with its classes, is the
longest and has 0.7 MB. All of it made to be slow takes `pyfive` some seconds."""
HEADER = 256 << 10
"""Bytes of structure that are read for one object or one group's links."""
INDEX = 16 << 20
"""Bytes that are read besides to find the chunks of numbers."""


class BoundedFile:
    """A file as `pyfive` reads it, that gives out as much as is allowed and no more."""

    path = "None"

    def __init__(self, file: BufferedIOBase, base: int, size: int) -> None:
        self._file, self._base, self._size = file, base, size
        self._left = self._now = STRUCTURE
        self._index = INDEX

    def allow(self, most: int) -> None:
        """From here on so many bytes may be read, or what is left for the whole file."""
        self._now = min(most, self._left)

    def add(self, most: int) -> None:
        """Moves so many bytes from those for indices to those for all."""
        self._index -= most
        if self._index < 0:
            raise FormatError("its numbers are in too many chunks", "write them in larger ones")
        self._left += most

    def seek(self, offset: int) -> int:
        """Goes to an address, which must be within the file."""
        if not 0 <= offset <= self._size - self._base:
            raise FormatError(f"something is said to be at {offset:,}, beyond its end")
        return self._file.seek(self._base + offset) - self._base

    def tell(self) -> int:
        """The address of the next byte."""
        return self._file.tell() - self._base

    def read(self, size: int = -1) -> bytes:
        """The next bytes; each time counts as sixteen of them at least."""
        self._now -= max(size, 16)
        self._left -= max(size, 16)
        if size < 0 or min(self._now, self._left) < 0:
            raise FormatError("its structure has no end")
        return self._file.read(size)

    def fill(self, address: int, target: memoryview) -> None:
        """Numbers, which are counted elsewhere."""
        self._file.seek(self._base + address)
        if self._file.readinto(target) != len(target):
            raise FormatError("it is cut short")
