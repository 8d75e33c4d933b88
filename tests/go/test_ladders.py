"""Ladders, worked by hand: one that runs to the edge, one with a breaker, nets of liberties."""

from __future__ import annotations

import pytest

from tests.go.diagrams import board
from verydeep.go import ladders
from verydeep.go.board import BLACK, WHITE, Board, neighbours

RUNS = """
    . . . . . . . . .
    . . X . . . . . .
    . X O a . . . . .
    . X b . . . . . .
    . . . . . . . . .
    . . . . . . . . .
    . . . . . . . . .
    . . . . . . . . .
    . . . . . . . . .
"""

PREY = 2 * 9 + 2


def chased(found: Board, prey: int, depth: int = 60) -> bool:
    """Whether the chaser catches, by trying every atari and every answer to it, without limits."""
    mine, other = found.stones[prey], BLACK + WHITE - found.stones[prey]
    _, liberties = found.group(prey)
    assert depth
    if len(liberties) != 2:
        return len(liberties) < 2
    for point in liberties:
        after = found.copy()
        if not after.is_legal(other, point):
            continue
        after.play(other, point)
        answers = {*after.group(prey)[1]}
        for stone in after.group(prey)[0]:
            for near in neighbours(found.size)[stone]:
                if after.stones[near] == other and len(after.group(near)[1]) == 1:
                    answers |= after.group(near)[1]
        free = False
        for answer in answers:
            again = after.copy()
            if again.is_legal(mine, answer):
                again.play(mine, answer)
                free = free or not chased(again, prey, depth - 1)
        if not free:
            return True
    return False


def test_a_ladder_runs_across_the_board_to_the_edge() -> None:
    """Black at `a`, White at `b`, and so on in steps down to the right, where there is no more.

    From `b` White comes out at `a` with three liberties.
    """
    found, names = board(RUNS)
    assert {*found.group(PREY)[1]} == {names["a"], names["b"]}
    assert ladders.catches(found, PREY, names["a"])
    assert not ladders.catches(found, PREY, names["b"])
    assert chased(found, PREY)


@pytest.mark.parametrize("row", range(4, 8))
def test_a_stone_in_its_way_breaks_a_ladder(row: int) -> None:
    """A white stone on the diagonal meets the stones that run."""
    found, names = board(RUNS)
    found.put(WHITE, 9 * row + row)
    assert not ladders.catches(found, PREY, names["a"])
    assert not chased(found, PREY)


def test_a_stone_at_the_edge_is_caught_by_hand() -> None:
    """At the edge White has `a` and `b`. Black at `a` leaves it `b`, then `c`: two, and is caught
    by Black at `d`; at `b` Black leaves it `a`, where White's stones would have no liberty."""
    found, names = board("""
        . X O b c d .
        . X a X X X .
        . . X . . . .
        . . . . . . .
        . . . . . . .
        . . . . . . .
        . . . . . . .
    """)
    prey = 2
    assert found.group(prey)[1] == {names["a"], names["b"]}
    assert ladders.catches(found, prey, names["a"])
    assert ladders.catches(found, prey, names["b"])
    assert chased(found, prey)


def test_a_take_of_the_chaser_frees() -> None:
    """White in atari takes the black stone beside it, whose one liberty is `a`, and has three."""
    found, names = board("""
        . . . . . .
        . . O . . .
        . O X a . .
        . X O X . .
        . . X . . .
        . . . . . .
    """)
    prey = 3 * 6 + 2
    found.put(0, 4 * 6 + 2)  # so that it has one liberty below
    assert found.group(prey)[1] == {26}
    assert {*ladders.ways_out(found, prey)} == {26, names["a"]}
    assert ladders.frees(found, prey, names["a"])


@pytest.mark.parametrize("seed", range(3))
def test_random_positions_are_read_as_without_limits(seed: int) -> None:
    import random

    draws, size = random.Random(seed), 7
    for _ in range(25):
        found = Board(size)
        for number in range(22):
            colour = 1 + number % 2
            free = [p for p in range(size * size) if found.is_legal(colour, p)]
            found.play(colour, draws.choice(free))
        for prey in range(size * size):
            if found.stones[prey] and len(found.group(prey)[1]) == 2:
                points = found.group(prey)[1]
                ours = any(ladders.catches(found, prey, point) for point in points)
                assert ours == chased(found, prey)


def test_reading_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ladder of more moves, or more boards, than are read is none, for whoever asks."""
    found, names = board(RUNS)
    after = found.copy()
    after.play(BLACK, names["a"])
    broken = after.copy()
    broken.put(WHITE, 9 * 6 + 6)
    assert ladders.frees(broken, PREY, names["b"])
    for limit, value in (("DEPTH", 4), ("NODES", 6)):
        with monkeypatch.context() as patched:
            patched.setattr(ladders, limit, value)
            assert not ladders.catches(found, PREY, names["a"])
            assert not ladders.frees(broken, PREY, names["b"])
