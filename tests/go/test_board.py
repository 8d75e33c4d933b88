"""The rules of Go, on small boards worked by hand."""

from __future__ import annotations

import pytest

from tests.go.diagrams import board, drawn
from verydeep.errors import UserError
from verydeep.go.board import BLACK, WHITE, Board, IllegalMoveError, name_of


def test_groups_and_liberties_are_by_hand() -> None:
    """The three black stones are one group of six liberties, the white one has two."""
    found, _ = board("""
        . . . . .
        . X X . .
        . . X O .
        . . . X .
        . . . . .
    """)
    stones, liberties = found.group(6)
    assert (len(stones), len(liberties)) == (3, 6)
    assert found.group(13) == ({13}, {8, 14})
    assert found.group(18)[1] == {17, 19, 23}


def test_stones_without_liberties_are_taken() -> None:
    found, names = board("""
        . X X .
        X O O a
        . X X .
        . . . .
    """)
    assert found.captures(BLACK, names["a"]) == {5, 6}
    assert found.play(BLACK, names["a"]) == {5, 6}
    assert drawn(found).splitlines()[1] == "X . . X"


def test_suicide_is_no_move_but_a_take_is_one() -> None:
    """White has no liberty at `a`, nor at `b`, but once it takes the stone beside that."""
    found, names = board("""
        a X . X b
        X X . O X
        . . . . .
        . . . . .
        . . . . .
    """)
    for name in "ab":
        assert found.why_illegal(WHITE, names[name]) == "suicide"
    with pytest.raises(IllegalMoveError, match="A5 is no move: suicide"):
        found.play(WHITE, names["a"])
    assert found.is_legal(BLACK, names["a"])
    found.put(WHITE, 2)  # and `b` is the one liberty of the stone between
    assert found.play(WHITE, names["b"]) == {3}


def test_several_stones_cannot_kill_themselves_either() -> None:
    found, names = board("""
        a O X .
        O O X .
        X X X .
        . . . .
    """)
    assert found.why_illegal(WHITE, names["a"]) == "suicide"
    assert found.play(BLACK, names["a"]) == {1, 4, 5}


KO = """
    . X O .
    X a X O
    . X O .
    . . . .
"""


def test_a_ko_is_not_taken_back_at_once() -> None:
    found, names = board(KO)
    before = drawn(found)
    assert found.play(WHITE, names["a"]) == {6}
    assert found.why_illegal(BLACK, 6) == "takes a ko back at once"
    found.play(BLACK, 15)
    found.play(WHITE, 12)
    assert found.play(BLACK, 6) == {names["a"]}
    assert drawn(found).splitlines()[:3] == before.splitlines()[:3]


def test_whoever_took_a_ko_may_fill_it() -> None:
    """Where the other's move is not told, as in lessons: its own stones are all around it."""
    found, names = board(KO)
    found.play(WHITE, names["a"])
    assert found.is_legal(WHITE, 6)
    assert found.play(WHITE, 6) == set()
    assert found.group(6)[0] == {2, 5, 6, 7, 10}


def test_a_pass_lifts_a_simple_ko_but_no_superko() -> None:
    for rule, why in (("simple", None), ("positional", "repeats an earlier board")):
        found, names = board(KO, rule)  # type: ignore[arg-type]
        found.play(WHITE, names["a"])
        found.play(BLACK, None)
        found.play(WHITE, None)
        assert found.why_illegal(BLACK, 6) == why


def test_sending_two_and_returning_one_is_a_superko_alone() -> None:
    """Black plays `a`, White takes those two from `c`, Black takes that one: as it was before.

    Of two stones taken none is a ko that may not be taken back.
    """
    text = """
        a X c X .
        O O X X .
        O O . . .
        . . . . .
        . . . . .
    """
    for rule, why in (("simple", None), ("positional", "repeats an earlier board")):
        found, names = board(text, rule)  # type: ignore[arg-type]
        before = drawn(found)
        found.play(BLACK, names["a"])
        assert found.play(WHITE, names["c"]) == {0, 1}
        assert found.taken_back is None
        assert found.why_illegal(BLACK, 1) == why
        if why is None:
            assert found.play(BLACK, 1) == {names["c"]}
            assert drawn(found) == before


def test_a_copy_is_changed_by_itself() -> None:
    found, names = board(KO, "positional")
    other = found.copy()
    other.play(WHITE, names["a"])
    assert drawn(found) != drawn(other)
    assert found.is_legal(WHITE, names["a"])


def test_points_are_named_as_players_do() -> None:
    assert [name_of(point) for point in (0, 7, 8, 18, 360)] == ["A19", "H19", "J19", "T19", "T1"]
    assert name_of(0, 9) == "A9"


def test_what_is_no_point_or_no_board_is_refused() -> None:
    assert Board(9).why_illegal(BLACK, 81) == "outside of the board"
    found, _ = board("X .\n. .")
    assert found.why_illegal(WHITE, 0) == "on a stone"
    with pytest.raises(UserError, match="a board of 53 x 53; its side is from 1 to 52"):
        Board(53)
