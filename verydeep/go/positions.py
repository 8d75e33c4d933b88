"""Positions of Go as a dataset: each a picture of three bytes a point, its class the move.

Files are .sgf, in a folder or below it; `train/`, `val/` and `test/` are parts, or else games are
split by the seed, never the positions of one. What is learnt from comes in all eight symmetries, as
AlphaGo's did (`symmetries.py`). Boards are of 19 x 19; passes are no moves to learn.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from threading import Lock

import numpy as np
from jaxtyping import Int64, UInt8

from verydeep import randomness
from verydeep.errors import UserError
from verydeep.folders.layout import role_of
from verydeep.go.board import name_of
from verydeep.go.coding import Code, coded
from verydeep.go.games import Game, games_and_faults, positions_of
from verydeep.go.planes import planes
from verydeep.parts.dataset import ROLES, Dataset, Keys, Part, fingerprint
from verydeep.parts.entries import is_folder, is_picture, natural_key
from verydeep.parts.names import MadeNames
from verydeep.parts.splitting import HELD_OUT, SPLIT

KIND = "go"
SIZE = 19
ENOUGH = 100
"""Games from which on some are set aside to test on beside those that choose the weights."""
LOOKED_INTO = 100
"""Folders, and names in each, that are looked at for .sgf files."""
MOVE = 0x9E3779B97F4A7C15
"""An odd number of 64 bits, by whose multiples keys of one game differ."""
KEPT = 512
"""Games whose coded positions are kept in memory: some 220 kB each."""


def is_here(where: str | Path) -> bool:
    """Whether it is an .sgf file, or a folder with as many of them, or in its folders, as pictures.

    A folder that cannot be listed has none.
    """
    root = Path(where)
    if root.is_file():
        return _is_sgf(root.name)
    if not root.is_dir():
        return False
    games = pictures = 0
    for name in _some_names(root):
        games += _is_sgf(name)
        pictures += is_picture(name)
    return games > 0 and games >= pictures


def _is_sgf(name: str) -> bool:
    return name.casefold().endswith(".sgf") and not name.startswith(".")


def _some_names(root: Path) -> Iterator[str]:
    folders: list[str] = []
    with suppress(OSError), os.scandir(root) as entries:
        for entry in entries:
            with suppress(OSError):  # of a link to itself
                if len(folders) < LOOKED_INTO and is_folder(entry):
                    folders.append(entry.path)
            yield entry.name
    for folder in folders:
        with suppress(OSError), os.scandir(folder) as entries:
            yield from (entry.name for entry in islice(entries, LOOKED_INTO))


def open(where: str | Path, split: int = 0) -> Dataset:
    """Dataset of the positions of all games; UserError where there are none.

    One game alone can be tested on.
    """
    root = Path(where)
    found = _Found.of(root)
    if not found.games:
        raise UserError(f"{root} has no game of 19 x 19 with moves; {'; '.join(found.notes())}")
    parts, made, note = _parted(found, root, split)
    sizes = {role: len(games) for role, games in parts.items()}
    told = ", ".join(f"{count:,} to {WORDS[role]}" for role, count in sizes.items())
    return Dataset(
        str(root),
        KIND,
        tuple(name_of(point) for point in range(SIZE * SIZE)),
        {role: _part(found, games) for role, games in parts.items()},
        made,
        (f"games{note}: {told}", *found.notes()),
        fingerprint(found.lines),
    )


def refuse_nothing_to_learn(dataset: Dataset) -> None:
    """Raises UserError for games that can be tested on, but not trained on."""
    if dataset.kind == KIND and not len(dataset.train):
        why = "".join(f"; {note}" for note in dataset.notes[1:])
        raise UserError(
            f"{dataset.where} has no game of 19 x 19 to learn from; 2 are needed, another to "
            f"choose the weights by{why}"
        )


WORDS = {"train": "train on", "validation": "choose the weights by", "test": "test on"}


@dataclass(frozen=True)
class _Found:
    """The games of 19 x 19 that were found, by the names that they go by, and what was left out."""

    names: list[str]
    games: list[Game]
    lines: list[str]
    left_out: Mapping[str, list[str]]

    @classmethod
    def of(cls, root: Path) -> _Found:
        """Those of a file, or of all files below a folder."""
        found = cls([], [], [], defaultdict(list))
        for path in files_of(root):
            name = path.name if path == root else path.relative_to(root).as_posix()
            try:
                games, faults = games_and_faults(path)
            except UserError as error:
                found.left_out["files that cannot be read"].append(str(error))
                continue
            found.lines.append(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}")
            for place, game in games.items():
                found._add(_numbered(name, place), game)
            for place, why in faults.items():
                told = f"{_numbered(name, place)}: {why}"
                found.left_out["games that cannot be read"].append(told)
        return found

    def _add(self, name: str, game: Game) -> None:
        if game.size != SIZE:
            self.left_out["games of another size"].append(f"{name}: {game.size} x {game.size}")
            return
        legal, why = legal_part(game)
        if why:
            self.left_out["games cut before an illegal move"].append(f"{name}: {why}")
        if any(point is not None for _, point in legal.moves):
            self.names.append(name)
            self.games.append(legal)
        elif not why:
            self.left_out["games without moves"].append(name)

    def notes(self) -> list[str]:
        """A line for each kind of thing that was left out."""
        return [f"{what}: {len(which):,} ({which[0]})" for what, which in self.left_out.items()]


def _numbered(name: str, place: int) -> str:
    """What a game is called: as its file, with its number from the second on."""
    return f"{name}#{place + 1}" if place else name


def files_of(root: Path) -> list[Path]:
    """The .sgf files below a folder, in natural order, or the one file; UserError for none."""
    found = [root] if root.is_file() else [p for p in root.rglob("*") if _is_sgf(p.name)]
    files = sorted((p for p in found if p.is_file()), key=lambda p: natural_key(str(p)))
    if not files:
        raise UserError(
            f"no .sgf files in {root}; give a file of a game of Go, or a folder of such"
        )
    return files


def legal_part(game: Game) -> tuple[Game, str]:
    """The game up to its first illegal move, and why that is none; empty where there is none."""
    count, positions = 0, positions_of(game)
    try:
        for _ in positions:
            count += 1
    except UserError as error:
        moves = game.moves[: count - 1]
        return Game(game.size, game.stones, moves, game.first, game.handicap, game.result), str(
            error
        )
    return game, ""


def _parted(
    found: _Found, root: Path, split: int
) -> tuple[dict[str, list[int]], tuple[str, ...], str]:
    """The games of each role, by their places; which roles were made here; and that in a note."""
    numbers = range(len(found.games))
    roles = [role_of(name.partition("/")[0]) if "/" in name else None for name in found.names]
    if all(roles) and {role[0] for role in roles if role} > {"train"}:
        given = {role: [i for i in numbers if roles[i][0] == role] for role in ROLES}  # type: ignore[index]
        parts = {role: games for role, games in given.items() if games}
        if "validation" not in parts:
            parts["validation"] = parts.pop("test")
            return _in_order(parts), (), " as they lie, the test to choose by"
        return parts, (), " as they lie"
    made = ("validation", "test") if len(numbers) >= ENOUGH else ("validation",)
    each = max(1, round(HELD_OUT * len(numbers) / len(made)))
    order = randomness.generator(split, "split", epoch=1).permutation(len(numbers))
    ends = [each * (i + 1) for i in range(len(made))]
    drawn = dict(zip((*made, "train"), np.split(order, ends), strict=True))
    parts = {role: sorted(drawn[role].tolist()) for role in ROLES if role in drawn}
    return parts, made, f" {SPLIT} {split}"


def _in_order(parts: Mapping[str, list[int]]) -> dict[str, list[int]]:
    return {role: parts[role] for role in ROLES if role in parts}


def _part(found: _Found, games: Sequence[int]) -> Part:
    """The positions of some games."""
    rows = [
        (game, number, point)
        for game in games
        for number, (_, point) in enumerate(found.games[game].moves)
        if point is not None
    ]
    whose, numbers, points = np.array(rows, np.int64).reshape(-1, 3).T
    lock = Lock()

    @lru_cache(maxsize=KEPT)
    def codes(game: int) -> UInt8[np.ndarray, "M 19 19 3"]:
        return np.stack(
            [coded(planes(position)) for position, _ in positions_of(found.games[game])]
        )

    def source(i: int) -> Code:
        with lock:  # threads that ask for one game wait for it, and do not make it each
            code: Code = codes(int(whose[i]))[numbers[i]]
        return code

    names = _Names([found.names[game] for game in whose.tolist()], numbers)
    return Part(names, points.copy(), source, keys=_keys(found, whose, numbers))


def _keys(found: _Found, games: Int64[np.ndarray, " P"], numbers: Int64[np.ndarray, " P"]) -> Keys:
    """Which position each is: of which game, wherever its file lies, and which move.

    That boards of two games are alike makes them no copies: other moves were played on them.
    """
    digests = {
        game: hashlib.blake2b(repr((one.stones, one.moves)).encode(), digest_size=8).digest()
        for game, one in enumerate(found.games)
    }
    own = np.frombuffer(b"".join(digests[game] for game in games.tolist()), np.uint64)
    keys: Keys = (own + numbers.astype(np.uint64) * np.uint64(MOVE)).view(np.int64)
    return keys


class _Names(MadeNames):
    """Positions by game and the number of the move to come, counted from 1."""

    def __init__(self, games: Sequence[str], numbers: Int64[np.ndarray, " P"]) -> None:
        self.games, self.numbers = games, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def _one(self, i: int) -> str:
        return f"{self.games[i]}/move {self.numbers[i] + 1}"
