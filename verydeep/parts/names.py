"""Names of pictures by the million: bytes in one piece, and each a text when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np
from jaxtyping import Int64, UInt8


class MadeNames(Sequence[str]):
    """Texts that are made when they are asked for."""

    def _one(self, i: int) -> str:
        raise NotImplementedError

    @overload
    def __getitem__(self, i: int) -> str: ...
    @overload
    def __getitem__(self, i: slice) -> list[str]: ...
    def __getitem__(self, i: int | slice) -> str | list[str]:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        return self._one(range(len(self))[i])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


class Names(MadeNames):
    """Names `<class>/<name>`, some 40 bytes each with their labels."""

    def __init__(
        self,
        text: UInt8[np.ndarray, " T"],
        ends: Int64[np.ndarray, " N"],
        labels: Int64[np.ndarray, " N"],
        classes: Sequence[str],
    ) -> None:
        self._text, self._ends, self._labels, self._classes = text, ends, labels, classes

    def __len__(self) -> int:
        return len(self._labels)

    def _one(self, i: int) -> str:
        name = self._text[self._ends[i - 1] if i else 0 : self._ends[i]].tobytes()
        return f"{self._classes[self._labels[i]]}/{name.decode(errors='surrogateescape')}"


class Chosen(MadeNames):
    """Some of the names, in another order."""

    def __init__(self, names: Sequence[str], places: Int64[np.ndarray, " N"]) -> None:
        self._names, self._places = names, places

    def __len__(self) -> int:
        return len(self._places)

    def _one(self, i: int) -> str:
        return self._names[int(self._places[i])]


class Chained(MadeNames):
    """The names of several, one after another."""

    def __init__(self, pieces: Sequence[Sequence[str]]) -> None:
        self._pieces, self._ends = pieces, np.cumsum([len(names) for names in pieces])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def _one(self, i: int) -> str:
        piece = int(np.searchsorted(self._ends, i, side="right"))
        return self._pieces[piece][i - int(self._ends[piece])]  # counted from the piece's end


def joined(names: Iterable[str]) -> tuple[bytes, list[int]]:
    """Names as bytes in one piece, and the length of each."""
    pieces = [name.encode(errors="surrogateescape") for name in names]
    return b"".join(pieces), [len(piece) for piece in pieces]
