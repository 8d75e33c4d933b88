"""Games of Go, from SGF files to positions and the moves that were played in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from verydeep.errors import UserError
from verydeep.formats.sgf import MOST as MOST_BYTES
from verydeep.formats.sgf import REMEDY, Node, main_lines
from verydeep.go.board import BLACK, EMPTY, MOST, WHITE, Board, IllegalMoveError, Ko
from verydeep.go.planes import Position
from verydeep.limits import FormatError, quoted, reading

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
COLOURS = {"B": BLACK, "W": WHITE}
SET_UP = {"AB": BLACK, "AW": WHITE, "AE": EMPTY}
MOST_SET_UP = 2**14
"""Points that one game may set up, a point as often as it is; the largest board has 2,704."""
SHORT = 19
"""The largest side of a board on which `tt` is a pass."""
Move = tuple[int, int | None]
"""Colour and point; None for a pass."""


@dataclass(frozen=True)
class Game:
    """A game as a file tells of it: the board, the stones set up at its beginning, the moves.

    `first` is who is to play first. `handicap` and `result` are what HA and RE say: the result is
    "B+3.5", "W+R" and the like, or empty.
    """

    size: int
    stones: tuple[tuple[int, int], ...]
    moves: tuple[Move, ...]
    first: int = BLACK
    handicap: int = 0
    result: str = ""


def read_games(path: Path) -> list[Game]:
    """The games of an SGF file, by their main lines; UserError where there are none of Go."""
    return [*games_and_faults(path)[0].values()]


def games_and_faults(path: Path) -> tuple[dict[int, Game], dict[int, str]]:
    """The games of an SGF file by their places in it, and why others there are none of Go.

    Raises UserError where all are none.
    """
    games, faults = dict[int, Game](), dict[int, FormatError]()
    with reading(path, "SGF"):
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        for place, nodes in enumerate(main_lines(data)):
            try:
                games[place] = game_of(nodes)
            except FormatError as error:
                faults[place] = error
        if not games:
            raise faults[0]
    return games, {place: str(error) for place, error in faults.items()}


def game_of(nodes: Sequence[Node]) -> Game:
    """The game of a main line; FormatError where that is none of Go."""
    root = nodes[0] if nodes else {}
    if (kind := _one(root, "GM", "1")) != "1":
        raise FormatError(f"GM is {quoted(kind)}, and Go is 1", "give games of Go")
    size = _size(root)
    stones, moves, first, set_up = dict[int, int](), list[Move](), BLACK, 0
    for node in nodes:
        for name, colour in SET_UP.items():
            for value in node.get(name, ()):
                if moves:
                    raise FormatError(f"stones are set up after move {len(moves)}", REMEDY)
                points = [*_points(value, size)]
                set_up += len(points)
                if set_up > MOST_SET_UP:
                    raise FormatError(f"more than {MOST_SET_UP:,} points are set up", REMEDY)
                stones |= dict.fromkeys(points, colour)
        if "PL" in node and not moves:
            first = COLOURS.get(_one(node, "PL", "")[:1].upper(), BLACK)
        for name, colour in COLOURS.items():
            moves += [(colour, _move(value, size)) for value in node.get(name, ())]
    if moves:
        first = moves[0][0]
    return Game(
        size,
        tuple((point, colour) for point, colour in sorted(stones.items()) if colour != EMPTY),
        tuple(moves),
        first,
        _number(root, "HA", 0, MOST * MOST),
        _one(root, "RE", "")[:100],
    )


def _one(node: Node, name: str, otherwise: str) -> str:
    """The first value of a property, without space about it."""
    return node.get(name, (otherwise,))[0].strip()


def _number(node: Node, name: str, otherwise: int, most: int, least: int = 0) -> int:
    value = _one(node, name, str(otherwise)) or str(otherwise)
    if not re.fullmatch(r"[0-9]{1,6}", value) or not least <= int(value) <= most:
        raise FormatError(f"{name} is {quoted(value)}; it is from {least} to {most}", REMEDY)
    return int(value)


def _size(root: Node) -> int:
    """The side of the board, of one number or of two that are the same."""
    across, _, down = _one(root, "SZ", "").partition(":")
    return _number(root if across != down else {"SZ": (across,)}, "SZ", 19, MOST, least=1)


def _points(value: str, size: int) -> Iterator[int]:
    """The point of a value, or those of a rectangle: "aa:cc"."""
    first, colon, last = value.strip().partition(":")
    start = _point(first, size)
    end = _point(last, size) if colon else start
    rows, columns = (
        sorted(pair) for pair in zip(divmod(start, size), divmod(end, size), strict=True)
    )
    for row in range(rows[0], rows[1] + 1):
        yield from range(row * size + columns[0], row * size + columns[1] + 1)


def _move(value: str, size: int) -> int | None:
    """The point of a move; None for a pass."""
    value = value.strip()
    return None if not value or (value == "tt" and size <= SHORT) else _point(value, size)


def _point(value: str, size: int) -> int:
    """The number of a point of two letters, column and row."""
    value = value.strip()
    places = [LETTERS.find(letter) for letter in value]
    if len(places) != 2 or not all(0 <= place < size for place in places):
        raise FormatError(f"{quoted(value)} is no point of {size} x {size}", REMEDY)
    return places[0] + size * places[1]


def positions_of(game: Game, ko: Ko = "simple") -> Iterator[tuple[Position, Move]]:
    """Each position of a game before a move, and that move. Raises UserError at an illegal one.

    A position's board is changed by the next: it is to be used, or copied, before that is asked
    for.
    """
    board, played = Board(game.size, ko), [0] * (game.size * game.size)
    for stone, colour in game.stones:
        board.put(colour, stone)
    for number, (colour, point) in enumerate(game.moves, 1):
        yield Position(board, colour, tuple(played), number), (colour, point)
        try:
            taken = board.play(colour, point)
        except IllegalMoveError as error:
            raise UserError(f"move {number}: {error}") from None
        for gone in taken:
            played[gone] = 0
        if point is not None:
            played[point] = number
