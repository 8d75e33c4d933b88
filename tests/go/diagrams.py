"""Boards as diagrams: X Black, O White, `.` empty; letters are empty points that a test names."""

from __future__ import annotations

from verydeep.go.board import BLACK, WHITE, Board, Ko
from verydeep.go.planes import Position

STONES = {"X": BLACK, "O": WHITE}


def board(text: str, ko: Ko = "simple") -> tuple[Board, dict[str, int]]:
    """The board of a diagram, and the points that it names."""
    rows = [line.split() for line in text.strip().splitlines()]
    assert all(len(row) == len(rows) for row in rows)
    found, names = Board(len(rows), ko), {}
    for point, letter in enumerate(letter for row in rows for letter in row):
        if letter in STONES:
            found.put(STONES[letter], point)
        elif letter != ".":
            names[letter] = point
    return found, names


def drawn(given: Board) -> str:
    """The diagram of a board."""
    letters = [".XO"[stone] for stone in given.stones]
    rows = (letters[i : i + given.size] for i in range(0, len(letters), given.size))
    return "\n".join(" ".join(row) for row in rows)


def position(text: str, to_play: int = BLACK) -> tuple[Position, dict[str, int]]:
    """The position of a diagram, its stones set up, and the points that it names."""
    found, names = board(text)
    return Position(found, to_play, (0,) * len(found.stones)), names
