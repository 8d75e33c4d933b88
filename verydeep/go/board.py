"""A board and the rules of Go: liberties, captures, ko; suicide is no move.

Points are numbered row by row from the upper left, as SGF has them: `ba` is 1. A colour is 1 for
Black and 2 for White, 0 an empty point. A board is changed by moves; `copy` makes another.
"""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Literal

from verydeep.errors import UserError

EMPTY, BLACK, WHITE = 0, 1, 2
MOST = 52
"""The largest side: SGF has no letters for more."""
Ko = Literal["simple", "positional"]
"""Which repetition is no move: taking back at once, or any earlier board (positional superko)."""


class IllegalMoveError(UserError):
    """Why a move cannot be played."""


@lru_cache(maxsize=MOST)
def neighbours(size: int) -> tuple[tuple[int, ...], ...]:
    """The points beside each point of a board of a side."""
    return _beside(size, ((0, -1), (-1, 0), (1, 0), (0, 1)))


@lru_cache(maxsize=MOST)
def diagonals(size: int) -> tuple[tuple[int, ...], ...]:
    """The points across the corners of each point."""
    return _beside(size, ((-1, -1), (1, -1), (-1, 1), (1, 1)))


def _beside(size: int, steps: tuple[tuple[int, int], ...]) -> tuple[tuple[int, ...], ...]:
    found = []
    for y in range(size):
        for x in range(size):
            near = ((x + dx, y + dy) for dx, dy in steps)
            found.append(tuple(i + size * j for i, j in near if 0 <= i < size and 0 <= j < size))
    return tuple(found)


@lru_cache(maxsize=MOST)
def _words(size: int) -> tuple[tuple[int, int, int], ...]:
    """A word of 64 bits for each stone at each point, whose sums tell boards (Zobrist, 1970)."""
    drawn = random.Random(size)
    return tuple((0, drawn.getrandbits(64), drawn.getrandbits(64)) for _ in range(size * size))


class Board:
    """Stones on a board, and what earlier boards forbid.

    `ko` says which repetitions are no move: that which takes a stone back at once, or with
    "positional" any board that was there before, by whomever it was made. Passes are no boards.
    """

    def __init__(self, size: int = 19, ko: Ko = "simple") -> None:
        if not 1 <= size <= MOST:
            raise UserError(f"a board of {size} x {size}; its side is from 1 to {MOST}")
        self.size, self.ko = size, ko
        self.stones = bytearray(size * size)
        self.taken_back: int | None = None
        self._near = neighbours(size)
        self._hash, self._before = 0, {0}

    def copy(self) -> Board:
        """The same board once more, to be changed by itself."""
        other = Board.__new__(Board)
        other.size, other.ko, other.stones = self.size, self.ko, bytearray(self.stones)
        other.taken_back, other._near, other._hash = self.taken_back, self._near, self._hash
        other._before = self._before if self.ko == "simple" else set(self._before)
        return other

    def put(self, colour: int, point: int) -> None:
        """A stone set up, or taken away by EMPTY: no move, which captures nothing."""
        words = _words(self.size)[point]
        self._hash ^= words[self.stones[point]] ^ words[colour]
        self.stones[point] = colour
        self._before = {self._hash}
        self.taken_back = None

    def group(self, point: int) -> tuple[set[int], set[int]]:
        """The stones that are joined with the one at a point, and their liberties."""
        stones, near = self.stones, self._near
        colour, found, liberties, waiting = stones[point], {point}, set[int](), [point]
        while waiting:
            for other in near[waiting.pop()]:
                there = stones[other]
                if there == EMPTY:
                    liberties.add(other)
                elif there == colour and other not in found:
                    found.add(other)
                    waiting.append(other)
        return found, liberties

    def captures(self, colour: int, point: int) -> set[int]:
        """The other's stones that a move at an empty point would take."""
        other, found = BLACK + WHITE - colour, set[int]()
        for near in self._near[point]:
            if self.stones[near] == other and near not in found:
                stones, liberties = self.group(near)
                if liberties == {point}:
                    found |= stones
        return found

    def why_illegal(self, colour: int, point: int) -> str | None:
        """Why a move is none; None where it is one."""
        if not 0 <= point < len(self.stones):
            return "outside of the board"
        if self.stones[point] != EMPTY:
            return "on a stone"
        if point == self.taken_back and self.captures(colour, point):  # and fills it not
            return "takes a ko back at once"
        near = self._near[point]
        if self.ko == "simple" and any(self.stones[other] == EMPTY for other in near):
            return None
        taken = self.captures(colour, point)
        if not taken and not self._lives(colour, point):
            return "suicide"
        if self.ko == "positional" and self._hash_after(colour, point, taken) in self._before:
            return "repeats an earlier board"
        return None

    def is_legal(self, colour: int, point: int) -> bool:
        """Whether a move may be played."""
        return self.why_illegal(colour, point) is None

    def _lives(self, colour: int, point: int) -> bool:
        """Whether a stone there has a liberty, or is joined with one that has another."""
        for near in self._near[point]:
            if self.stones[near] == EMPTY:
                return True
            if self.stones[near] == colour and len(self.group(near)[1]) > 1:
                return True
        return False

    def _hash_after(self, colour: int, point: int, taken: set[int]) -> int:
        words = _words(self.size)
        found = self._hash ^ words[point][colour]
        for stone in taken:
            found ^= words[stone][self.stones[stone]]
        return found

    def play(self, colour: int, point: int | None) -> set[int]:
        """Plays a move, None for a pass; the stones that it takes. Raises IllegalMoveError."""
        if point is None:
            self.taken_back = None
            return set()
        if why := self.why_illegal(colour, point):
            raise IllegalMoveError(f"{name_of(point, self.size)} is no move: {why}")
        taken = self.captures(colour, point)
        self._hash = self._hash_after(colour, point, taken)
        if self.ko == "positional":
            self._before.add(self._hash)
        self.stones[point] = colour
        for stone in taken:
            self.stones[stone] = EMPTY
        self.taken_back = None
        if len(taken) == 1:
            stones, liberties = self.group(point)
            if len(stones) == 1 and liberties == taken:
                (self.taken_back,) = taken
        return taken


COLUMNS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"
"""As boards are labelled, without I."""


def name_of(point: int, size: int = 19) -> str:
    """A point as players name it: the upper left of 19 x 19 is A19."""
    row, column = divmod(point, size)
    before, last = divmod(column, len(COLUMNS))
    return f"{COLUMNS[before - 1] if before else ''}{COLUMNS[last]}{size - row}"
