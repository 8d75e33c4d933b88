"""Positions: SGF files in, the planes that AlphaGo's policy network sees and its moves out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from verydeep.errors import UserError
from verydeep.go.games import positions_of, read_games
from verydeep.go.planes import planes, symmetric, symmetric_point
from verydeep.go.positions import files_of, legal_part
from verydeep.go.symmetries import SYMMETRIES


def positions(
    where: str | Path, symmetries: bool = False
) -> tuple[UInt8[np.ndarray, "N 48 S S"], Int64[np.ndarray, " N"]]:
    """The planes of every position of the games in a file or a folder, and the moves played there.

    Of each game it is the main line, up to an illegal move; passes are left out. Planes are 0 or 1,
    in the order of `verydeep.go.planes`; a move is its point's number, row by row from the upper
    left. With `symmetries` each position comes eight times, turned and mirrored. Raises UserError
    for files that cannot be read, boards of several sizes, and where there is no move.

    >>> planes, moves = verydeep.positions("game.sgf")
    >>> planes.shape, moves.shape
    ((211, 48, 19, 19), (211,))
    """
    games = [game for path in files_of(Path(where)) for game in read_games(path)]
    if len(sizes := {game.size for game in games}) > 1:
        raise UserError(f"{where} has boards of sides {sorted(sizes)}; give those of one size")
    found = [
        (symmetric(planes(position), k), symmetric_point(point, k, game.size))
        for game in games
        for position, (_, point) in positions_of(legal_part(game)[0])
        if point is not None
        for k in range(SYMMETRIES if symmetries else 1)
    ]
    if not found:
        raise UserError(f"{where} has no move to learn from; give games with moves")
    return np.stack([one for one, _ in found]), np.array([move for _, move in found], np.int64)
