"""Names for the files that are written of pictures: those of the pictures, each another."""

from __future__ import annotations

from pathlib import Path


class FileNames:
    """Names for files of pictures, with a number where pictures would share one.

    >>> names = FileNames()
    >>> [names.of(picture) for picture in ("a-2.png", "a.jpg", "b/a.jpg")]
    ['a-2', 'a', 'a-3']
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def of(self, picture: str) -> str:
        """A name without suffix, which no picture before has."""
        stem = name = Path(picture).stem
        while name in self._last:
            self._last[stem] += 1
            name = f"{stem}-{self._last[stem]}"
        self._last[name] = 1
        return name
