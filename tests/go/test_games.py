"""Games from SGF files, worked by hand; wrong files are one line each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.go.diagrams import drawn
from verydeep.errors import UserError
from verydeep.go.board import BLACK, WHITE
from verydeep.go.games import Game, positions_of, read_games


def games(text: str | bytes) -> list[Game]:
    path = Path("game.sgf")
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_games(path)


def test_moves_are_in_order_and_passes_are_none() -> None:
    """A point is column and row: `ba` is 1 of 19. `tt` and nothing are passes."""
    (game,) = games("(;GM[1]FF[4]SZ[19]RE[W+R];B[ba];W[ab];B[];W[tt];B[ss])")
    assert game.moves == ((BLACK, 1), (WHITE, 19), (BLACK, None), (WHITE, None), (BLACK, 360))
    assert (game.size, game.first, game.handicap, game.result) == (19, BLACK, 0, "W+R")


def test_stones_are_set_up_before_the_moves() -> None:
    (game,) = games("(;SZ[9]HA[2]AB[cc][gg]AW[ee]PL[W];W[dd])")
    assert game.stones == ((20, BLACK), (40, WHITE), (60, BLACK))
    assert (game.size, game.first, game.handicap) == (9, WHITE, 2)
    position, move = next(positions_of(game))
    assert (position.to_play, move) == (WHITE, (WHITE, 30))
    assert [position.board.stones[k] for k in (20, 40, 60)] == [BLACK, WHITE, BLACK]
    assert next(positions_of(games("(;SZ[9]AB[cc]PL[W])")[0]), None) is None
    assert games("(;SZ[9]AB[cc]PL[W])")[0].first == WHITE


def test_rectangles_of_points_are_all_of_them() -> None:
    (game,) = games("(;SZ[5]AB[aa:cb]AE[bb])")
    assert [point for point, _ in game.stones] == [0, 1, 2, 5, 7]


def test_on_a_larger_board_tt_is_a_point() -> None:
    (game,) = games("(;SZ[37:37];B[tt];W[AA])")
    assert [point for _, point in game.moves] == [19 + 37 * 19, 26 + 37 * 26]


def test_positions_are_before_their_moves_and_take_stones() -> None:
    """The white stone in the corner is taken by the fourth move, and its turn is forgotten."""
    (game,) = games("(;SZ[3];B[ba];W[aa];B[cc];W[];B[ab])")
    boards = [(drawn(p.board), p.number, p.to_play, p.played[0]) for p, _ in positions_of(game)]
    assert boards[0] == (". . .\n. . .\n. . .", 1, BLACK, 0)
    assert boards[4] == ("O X .\n. . .\n. . X", 5, BLACK, 2)
    *_, (last, _) = positions_of(game)
    assert drawn(last.board) == ". X .\nX . .\n. . X"


def test_an_illegal_move_is_one_line() -> None:
    (game,) = games("(;SZ[3];B[ba];W[ba])")
    with pytest.raises(UserError, match="move 2: B3 is no move: on a stone"):
        list(positions_of(game))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("(;GM[2];B[aa])", "GM is '2', and Go is 1; give games of Go"),
        ("(;SZ[19:13])", "SZ is '19:13'; it is from 1 to 52"),
        ("(;SZ[0])", "SZ is '0'"),
        ("(;SZ[999999999999])", "SZ is '999999999999'"),
        ("(;SZ[9];B[ja])", "'ja' is no point of 9 x 9"),
        ("(;B[a])", "'a' is no point of 19 x 19"),
        ("(;AB[])", "'' is no point"),
        ("(;HA[many])", "HA is 'many'"),
        ("(;B[aa];AB[bb])", "stones are set up after move 1"),
        ("(;AB" + "[aa:ss]" * 46 + ")", "more than 16,384 points are set up"),
        ("no game", "no game: '(;' stands nowhere in it"),
        (b"(;CA[UTF-8]PB[\xff])", "not UTF-8"),
    ],
)
def test_what_is_no_game_of_go_is_one_line(text: str | bytes, line: str) -> None:
    with pytest.raises(UserError) as caught:
        games(text)
    assert str(caught.value).startswith("game.sgf cannot be read as SGF: ")
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
