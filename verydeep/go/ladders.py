"""Ladders: whether stones with two liberties can be caught by one atari after the other.

The chaser puts the prey in atari, the prey extends or takes a chaser's stones in atari, until it
has three liberties and is free, or is caught. Reading ends after `DEPTH` moves, or once `NODES`
boards were looked at, and then counts as no ladder, for either side.
"""

from __future__ import annotations

from collections.abc import Iterator

from verydeep.go.board import BLACK, WHITE, Board

DEPTH, NODES = 100, 400
"""Moves of one line; a ladder across the board has some 70. Boards of one question."""
FREE = 3
"""Liberties from which on stones are caught by no ladder."""


class _TooLongError(Exception):
    """That the limits were met."""


class _Reading:
    """One question, and what it may still cost."""

    def __init__(self) -> None:
        self.left = NODES

    def after(self, board: Board, colour: int, point: int) -> Board | None:
        """The board after a move, if it is one."""
        self.left -= 1
        if self.left < 0:
            raise _TooLongError
        if not board.is_legal(colour, point):
            return None
        other = board.copy()
        other.play(colour, point)
        return other

    def is_caught_by(self, board: Board, prey: int, point: int, depth: int) -> bool:
        """Whether the chaser's move there catches the prey, which has two liberties."""
        mine = board.stones[prey]
        after = self.after(board, BLACK + WHITE - mine, point)
        if after is None or len(after.group(prey)[1]) != 1:
            return False
        return not any(
            self.is_free_by(after, prey, move, depth - 1) for move in ways_out(after, prey)
        )

    def is_free_by(self, board: Board, prey: int, point: int, depth: int) -> bool:
        """Whether the prey's move there, in atari, leaves it where it is not caught."""
        if depth <= 0:
            raise _TooLongError
        after = self.after(board, board.stones[prey], point)
        if after is None:
            return False
        liberties = after.group(prey)[1]
        if len(liberties) != FREE - 1:
            return len(liberties) >= FREE
        return not any(self.is_caught_by(after, prey, move, depth - 1) for move in liberties)


def ways_out(board: Board, prey: int) -> Iterator[int]:
    """Moves by which stones in atari may get out: their liberty, and takes of stones around."""
    stones, liberties = board.group(prey)
    chaser, seen = BLACK + WHITE - board.stones[prey], set[int]()
    moves = list(liberties)
    for stone in sorted(stones):
        for near in board._near[stone]:
            if board.stones[near] == chaser and near not in seen:
                group, free = board.group(near)
                seen |= group
                if len(free) == 1:
                    moves += free
    yield from dict.fromkeys(moves)


def catches(board: Board, prey: int, point: int) -> bool:
    """Whether a move at a point catches the stones at `prey`, which have two liberties."""
    try:
        return _Reading().is_caught_by(board, prey, point, DEPTH)
    except _TooLongError:
        return False


def frees(board: Board, prey: int, point: int) -> bool:
    """Whether a move at a point frees the stones at `prey`, which are in atari."""
    try:
        return _Reading().is_free_by(board, prey, point, DEPTH)
    except _TooLongError:
        return False
