"""What AlphaGo's policy network sees of a position: 48 planes of 0 and 1 (Nature 2016, Table 2).

    stones      own, other, empty: 3            ones                        1
    turns since a stone was played          8   liberties of a stone        8
    stones that a move would take           8   own stones in self-atari    8
    liberties after a move                  8   ladder capture              1
    ladder escape                           1   sensible                    1
    zeros                                   1

Of eight planes each is of one number, from 1 on, the last of 8 and more. Those of moves are of
legal ones. What is sensible is legal and fills no eye of one's own: a point whose neighbours are
all one's own stones, with no more than one of the other's across the corners, none at the edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from verydeep.go import ladders
from verydeep.go.board import BLACK, EMPTY, WHITE, Board, diagonals, neighbours

MOST = 8
OWN, OTHER, FREE, ONES = 0, 1, 2, 3
TURNS, LIBERTIES, TAKES, SELF_ATARI, AFTER = 4, 12, 20, 28, 36
CATCHES, FREES, SENSIBLE, ZEROS = 44, 45, 46, 47
COUNT = 48
Planes = UInt8[np.ndarray, "48 size size"]


@dataclass(frozen=True)
class Position:
    """A board, whose move it is, and the number of the move by which each stone came there.

    Stones that were set up, and empty points, have none: 0. `number` is that of the move to come.
    """

    board: Board
    to_play: int
    played: tuple[int, ...]
    number: int = 1


@dataclass(frozen=True)
class _Group:
    stones: frozenset[int]
    liberties: frozenset[int]


def planes(position: Position) -> Planes:
    """The 48 planes of a position, from the eyes of whoever is to play."""
    board, own = position.board, position.to_play
    found = np.zeros((COUNT, board.size * board.size), np.uint8)
    found[ONES] = 1
    groups = dict(_groups(board))
    for point, colour in enumerate(board.stones):
        if colour == EMPTY:
            found[FREE, point] = 1
            _of_move(position, groups, point, found[:, point])
            continue
        found[OWN if colour == own else OTHER, point] = 1
        since = position.number - position.played[point] if position.played[point] else MOST
        found[TURNS + _place(since), point] = 1
        found[LIBERTIES + _place(len(groups[point].liberties)), point] = 1
    for group in {id(group): group for group in groups.values()}.values():
        _of_ladders(board, own, group, found)
    return found.reshape(COUNT, board.size, board.size)


def _groups(board: Board) -> Iterator[tuple[int, _Group]]:
    """The group of every stone, one for all that are joined."""
    seen: set[int] = set()
    for point, colour in enumerate(board.stones):
        if colour != EMPTY and point not in seen:
            stones, liberties = board.group(point)
            seen |= stones
            group = _Group(frozenset(stones), frozenset(liberties))
            for stone in stones:
                yield stone, group


def _place(count: int) -> int:
    """The plane of a number from 1 on, of eight."""
    return min(count, MOST) - 1


def _of_move(position: Position, groups: dict[int, _Group], point: int, found: np.ndarray) -> None:
    """Fills in what a move at an empty point would do; nothing where it is no legal one."""
    board, own = position.board, position.to_play
    if not board.is_legal(own, point):
        return
    taken, joined, free = set[int](), {point}, set[int]()
    for near in neighbours(board.size)[point]:
        there = board.stones[near]
        if there == EMPTY:
            free.add(near)
        elif there == own:
            joined |= groups[near].stones
            free |= groups[near].liberties
        elif groups[near].liberties == {point}:
            taken |= groups[near].stones
    free |= {stone for stone in taken if joined & set(neighbours(board.size)[stone])}
    free.discard(point)
    if taken:
        found[TAKES + _place(len(taken))] = 1
    if len(free) == 1:
        found[SELF_ATARI + _place(len(joined))] = 1
    found[AFTER + _place(len(free))] = 1
    found[SENSIBLE] = not is_eye(board, own, point)


def is_eye(board: Board, colour: int, point: int) -> bool:
    """Whether an empty point is a true eye of a colour."""
    near, across = neighbours(board.size)[point], diagonals(board.size)[point]
    if any(board.stones[other] != colour for other in near):
        return False
    others = sum(board.stones[other] == BLACK + WHITE - colour for other in across)
    return others < 1 + (len(across) == 4)


def _of_ladders(board: Board, own: int, group: _Group, found: np.ndarray) -> None:
    """Fills in moves that catch a group of the other's in a ladder, or free one's own of it."""
    prey = min(group.stones)
    if board.stones[prey] != own and len(group.liberties) == 2:
        for point in group.liberties:
            if ladders.catches(board, prey, point):
                found[CATCHES, point] = 1
    if board.stones[prey] == own and len(group.liberties) == 1:
        for point in ladders.ways_out(board, prey):
            if ladders.frees(board, prey, point):
                found[FREES, point] = 1


def symmetric(given: np.ndarray, number: int) -> np.ndarray:
    """What lies on boards in its last two axes, in the symmetry of a number from 0 to 7.

    It is turned by a quarter as often as `number` modulo 4 says, and from 4 on mirrored first.
    """
    mirrored = given[..., ::-1] if number >= 4 else given
    return np.rot90(mirrored, number % 4, axes=(-2, -1))


def symmetric_point(point: int, number: int, size: int = 19) -> int:
    """Where a point lies then."""
    row, column = divmod(point, size)
    if number >= 4:
        column = size - 1 - column
    for _ in range(number % 4):
        row, column = size - 1 - column, row
    return row * size + column
