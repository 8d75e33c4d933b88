"""The 48 planes, on small boards worked by hand, and by moves played out on copies.

Numbers of planes are those of the paper's table in its order, as go/planes.py has them.
"""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from tests.go.diagrams import board, position
from tests.go.test_ladders import RUNS
from verydeep.go import planes as p
from verydeep.go.board import BLACK, WHITE, Board
from verydeep.go.coding import coded
from verydeep.go.games import Game, positions_of
from verydeep.go.planes import Planes, Position, planes, symmetric, symmetric_point
from verydeep.nets.special_layers import Planes as PlanesLayer


def number(found: Planes, first: int, point: int) -> int:
    """What eight planes tell of a point: a number from 1 to 8, or 0."""
    eight = found.reshape(48, -1)[first : first + 8, point]
    assert eight.sum() <= 1
    return int(eight.argmax()) + 1 if eight.any() else 0


def at(found: Planes, plane: int, point: int) -> bool:
    return bool(found.reshape(48, -1)[plane, point])


TEXT = """
    . X O a .
    X O . b .
    . X . . .
    . . . . .
    c X . . .
"""


def test_stones_are_own_and_other_by_who_is_to_play() -> None:
    for own in (BLACK, WHITE):
        given, _ = position(TEXT, own)
        found = planes(given).reshape(48, -1)
        stones = np.array(given.board.stones)
        assert (found[p.OWN] == (stones == own)).all()
        assert (found[p.OTHER] == (stones == BLACK + WHITE - own)).all()
        assert (found[p.FREE] == (stones == 0)).all()
        assert found[p.ONES].all()
        assert not found[p.ZEROS].any()


def test_liberties_are_by_hand() -> None:
    """The white stone at the top has the two points beside and below it; the other has one."""
    given, _ = position(TEXT)
    found = planes(given)
    assert [number(found, p.LIBERTIES, point) for point in (1, 2, 5, 6, 11)] == [1, 2, 2, 1, 3]
    assert number(found, p.LIBERTIES, 3) == 0


def test_takes_and_what_is_left_after_a_move_are_by_hand() -> None:
    """Black at the point below the top stone takes the one to the left of it.

    It is then joined with nothing, and has the point taken, and two more.
    """
    given, names = position(TEXT)
    found = planes(given)
    assert number(found, p.TAKES, 7) == 1
    assert number(found, p.AFTER, 7) == 3
    assert number(found, p.SELF_ATARI, 7) == 0
    assert [number(found, p.TAKES, names[name]) for name in "abc"] == [0, 0, 0]
    assert number(found, p.AFTER, names["b"]) == 4
    assert number(found, p.AFTER, names["c"]) == 3  # joined with the stone beside it


def test_self_atari_counts_all_stones_that_are_joined() -> None:
    """Black at `a` joins two stones, and the three have `b` alone."""
    given, names = position("""
        X a O . .
        X O . . .
        b O . . .
        O . . . .
        . . . . .
    """)
    found = planes(given)
    assert number(found, p.SELF_ATARI, names["a"]) == 3
    assert number(found, p.AFTER, names["a"]) == 1
    assert number(found, p.SELF_ATARI, names["b"]) == 3
    assert number(found, p.AFTER, names["b"]) == 1


def test_turns_are_counted_from_the_last_move() -> None:
    """Of three moves the last was one turn ago; what was set up is old."""
    game = Game(5, ((24, WHITE),), ((BLACK, 0), (WHITE, 2), (BLACK, None), (WHITE, 4), (BLACK, 6)))
    for given, _ in positions_of(game):
        found = planes(given)
    assert [number(found, p.TURNS, point) for point in (0, 2, 4, 24, 6)] == [4, 3, 1, 8, 0]


def test_nine_of_anything_is_eight() -> None:
    given, _ = position("""
        X X X X O
        X X X X O
        X . . . O
        . . . . .
        . . . . .
    """)
    found = planes(given)
    assert number(found, p.LIBERTIES, 0) == 4
    played = (1, *given.played[1:])
    old = Position(given.board, WHITE, played, number=30)
    assert number(planes(old), p.TURNS, 0) == 8
    taken, names = position("""
        X X X X O
        X X X X O
        X a O O .
        O O . . .
        . . . . .
    """, WHITE)  # fmt: skip
    assert number(planes(taken), p.TAKES, names["a"]) == 8


EYES = """
    a X . . .
    X X . . .
    X X X X .
    X b X c X
    X X O X O
"""


def test_a_true_eye_is_filled_by_nobody_sensible() -> None:
    """`a` is one. `b` has one white stone of four across, and is one. `c` has two, and is none."""
    given, names = position(EYES)
    found = planes(given)
    sensible = [at(found, p.SENSIBLE, names[name]) for name in "abc"]
    assert sensible == [False, False, True]
    assert at(found, p.SENSIBLE, 2)
    assert not at(planes(position(EYES, WHITE)[0]), p.SENSIBLE, names["a"])  # suicide


def test_at_the_edge_one_stone_across_makes_an_eye_false() -> None:
    given, names = position("""
        X a X . .
        O X X . .
        . . . . .
        . . . . .
        . . . . .
    """)
    assert at(planes(given), p.SENSIBLE, names["a"])
    given.board.put(0, 5)
    assert not at(planes(given), p.SENSIBLE, names["a"])


def test_ladders_are_on_the_moves_that_work() -> None:
    """As in test_ladders: Black catches the stone from `a`; from `b` it comes out at `a`, free."""
    given, names = position(RUNS)
    found = planes(given).reshape(48, -1)
    assert np.flatnonzero(found[p.CATCHES]).tolist() == [names["a"]]
    assert not found[p.FREES].any()
    atari = given.board.copy()
    atari.play(BLACK, names["b"])
    white = planes(Position(atari, WHITE, given.played)).reshape(48, -1)
    assert np.flatnonzero(white[p.FREES]).tolist() == [names["a"]]
    assert not white[p.CATCHES].any()


def played(seed: int, size: int, moves: int) -> Game:
    """A game of random legal moves."""
    draws, found, line = random.Random(seed), Board(size), []
    for k in range(moves):
        colour = 1 + k % 2
        free = [q for q in range(size * size) if found.is_legal(colour, q)]
        line.append((colour, draws.choice(free) if free else None))
        found.play(*line[-1])
    return Game(size, (), tuple(line))


@pytest.mark.parametrize("seed", range(3))
def test_what_moves_do_is_what_they_do_when_they_are_played(seed: int) -> None:
    for given, _ in positions_of(played(seed, 7, 60)):
        found, own = planes(given), given.to_play
        for point in range(49):
            legal = given.board.is_legal(own, point)
            told = [number(found, first, point) for first in (p.TAKES, p.AFTER, p.SELF_ATARI)]
            if not legal:
                assert told == [0, 0, 0]
                continue
            after = given.board.copy()
            taken = len(after.play(own, point))
            stones, liberties = after.group(point)
            alone = len(stones) if len(liberties) == 1 else 0
            assert told == [min(8, n) for n in (taken, len(liberties), alone)]


def test_codes_are_read_back_as_the_planes_they_were_made_of() -> None:
    """What the net's first row makes of the picture of a position is that position's planes."""
    layer = PlanesLayer()
    for given, _ in positions_of(played(7, 9, 90)):
        found = planes(given)
        code = torch.from_numpy(coded(found)).permute(2, 0, 1)[None].float()
        assert torch.equal(layer(code)[0], torch.from_numpy(found).float())


def test_planes_of_a_turned_board_are_the_turned_planes() -> None:
    """By the board itself turned, stone by stone, and the planes worked out anew."""
    *_, (given, _) = positions_of(played(3, 7, 40))
    found = planes(given)
    seen = set()
    for k in range(8):
        turned, moved = Board(7), [0] * 49
        for point, stone in enumerate(given.board.stones):
            place = symmetric_point(point, k, 7)
            turned.put(stone, place)
            moved[place] = given.played[point]
        anew = planes(Position(turned, given.to_play, tuple(moved), given.number))
        assert (symmetric(found, k) == anew).all()
        seen.add(bytes(turned.stones))
    assert len(seen) == 8


def test_the_board_of_a_diagram_is_what_it_shows() -> None:
    found, names = board("X a\nO .")
    assert [*found.stones] == [BLACK, 0, WHITE, 0]
    assert names == {"a": 1}
