"""Positions as a dataset, and a net of boards trained on them, from small games written here."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import verydeep
from tests.conftest import TWO_CORES
from verydeep.commands.evaluate import answer
from verydeep.datasets import open_dataset
from verydeep.errors import UserError
from verydeep.go.board import Board
from verydeep.go.games import LETTERS, positions_of, read_games
from verydeep.go.planes import planes, symmetric, symmetric_point
from verydeep.go.symmetries import with_symmetries
from verydeep.nets.special_layers import Planes
from verydeep.pictures.preprocessing import Pixels
from verydeep.training.recipes import recipe

SMALL: dict[str, Any] = {
    "net": "alphago128",
    "width": 0.125,
    "batch": 16,
    "epochs": 2,
    "latest_cuts": (),
}
MIDDLE = [x + 19 * y for y in (8, 9, 10) for x in (8, 9, 10)]


def record(seed: int, moves: int = 12, size: int = 19, where: Sequence[int] = ()) -> str:
    """A game of random legal moves, on some points or on all."""
    draws, found, line = random.Random(seed), Board(size), ""
    for k in range(moves):
        colour = 1 + k % 2
        free = [p for p in where or range(size * size) if found.is_legal(colour, p)]
        point = draws.choice(free)
        found.play(colour, point)
        line += f";{'BW'[k % 2]}[{LETTERS[point % size]}{LETTERS[point // size]}]"
    return f"(;GM[1]FF[4]SZ[{size}]{line})"


def folder(
    games: int = 6, name: str = "games", moves: int = 12, first: int = 0, where: Sequence[int] = ()
) -> Path:
    root = Path(name)
    root.mkdir(parents=True, exist_ok=True)
    for k in range(first, first + games):
        (root / f"{k}.sgf").write_text(record(k, moves, where=where))
    return root


def test_a_folder_of_games_is_positions_and_moves() -> None:
    """Five games of twelve moves to learn from, and one to choose by."""
    found = open_dataset(folder())
    assert (found.kind, len(found.classes), found.classes[:2]) == ("go", 361, ("A19", "B19"))
    assert (len(found.train), len(found.validation)) == (5 * 12, 12)
    layer = Planes()
    part, first = found.validation, found.validation.names[0]
    path = Path("games") / first.partition("/")[0]
    for i, (position, (_, point)) in enumerate(positions_of(read_games(path)[0])):
        code = torch.from_numpy(np.asarray(part.source(i))).permute(2, 0, 1)[None].float()
        assert torch.equal(layer(code)[0], torch.from_numpy(planes(position)).float())
        assert part.labels[i] == point
        assert part.names[i] == f"{path.name}/move {i + 1}"


def test_the_papers_recipe_trains_on_games_in_as_few_epochs_as_are_asked_for() -> None:
    """2 games of 8 moves in 8 symmetries are 8 steps of 16; 340 million steps become those, and
    halvings after 80, 160, 240 and 320 of them come after 1, 3, 5 and 7 (rounded down)."""
    games, mine = folder(3, moves=8, where=MIDDLE), recipe("alphago128")
    found = verydeep.train(games, "run", TWO_CORES, recipe=mine, width=0.0625, epochs=1)
    assert found.settings.at_steps == (1, 3, 5, 7, 8)
    assert (found.settings.cut_by, found.settings.momentum, found.settings.decay) == (2, 0, 0)
    assert [epoch.step for epoch in found.epochs] == [8]
    assert found.epochs[0].rate == pytest.approx(0.003 / 16)


def test_games_beside_pictures_and_links_to_themselves_leave_pictures_what_they_are() -> None:
    for name in ("ant", "bee"):
        Path(f"photos/{name}").mkdir(parents=True)
        for k in range(4):
            Image.new("RGB", (8, 8), (k, 9, 9)).save(f"photos/{name}/{k}.png")
    Path("photos/ant/notes.sgf").write_text(record(0))
    Path("photos/.again").symlink_to(".again")
    assert open_dataset("photos").classes == ("ant", "bee")
    folder(2, "photos/bee")
    assert open_dataset("photos").kind != "go"
    folder(6, "photos/ant")
    assert open_dataset("photos").kind == "go"


def test_what_is_learnt_comes_in_all_symmetries_with_its_move() -> None:
    found = open_dataset(folder(2))
    plain, part = found.train, with_symmetries(found).train
    assert (len(plain), len(part)) == (12, 12 * 8)
    assert len({*part.names}) == 12 * 8
    assert with_symmetries(found).validation is found.validation
    for i in (3, 11):
        own = np.asarray(plain.source(i))
        for k in range(8):
            code, label = np.asarray(part.source(8 * i + k)), int(part.labels[8 * i + k])
            assert (code == symmetric(own.transpose(2, 0, 1), k).transpose(1, 2, 0)).all()
            assert label == symmetric_point(int(plain.labels[i]), k)
            assert code[divmod(label, 19)][0] % 4 == 0  # an empty point
        assert part.keys is not None
        assert plain.keys is not None
        assert part.keys[8 * i] == plain.keys[i]
        assert part.names[8 * i] == plain.names[i]


def test_games_are_split_whole_and_by_the_seed() -> None:
    root = folder(10, moves=4)

    def games(split: int) -> list[set[str]]:
        parts = open_dataset(root, split).by_role.values()
        return [{name.partition("/")[0] for name in part.names} for part in parts]

    train, chosen = games(0)
    assert (len(train), len(chosen)) == (8, 2)
    assert train.isdisjoint(chosen)
    assert games(0) == games(0)
    assert any(games(split) != games(0) for split in range(1, 4))


def test_parts_that_lie_there_are_taken() -> None:
    for k, (part, count) in enumerate((("train", 3), ("val", 2), ("test", 1))):
        folder(count, f"games/{part}", moves=3, first=10 * k)
    found = open_dataset("games")
    assert {r: len(p) for r, p in found.by_role.items()} == {
        "train": 9, "validation": 6, "test": 3,
    }  # fmt: skip
    assert found.made == ()


def test_what_is_no_game_is_told_and_left_out() -> None:
    root = folder(3, moves=4)
    (root / "small.sgf").write_text(record(0, 4, 9))
    (root / "broken.sgf").write_bytes(b"(;CA[UTF-8]B[\xff")
    (root / "wrong.sgf").write_text("(;B[aa];W[bb];B[bb];W[cc])")
    (root / "empty.sgf").write_text("(;SZ[19]C[none was played])")
    (root / "two.sgf").write_text("(;GM[3];B[aa])" + record(8, 4) + "(;B[zz])" + record(9, 4))
    found = open_dataset(root)
    assert sum(len(p) for p in found.by_role.values()) == 5 * 4 + 2
    notes = "\n".join(found.notes)
    assert "games of another size: 1 (small.sgf: 9 x 9)" in notes
    assert (
        "files that cannot be read: 1 (games/broken.sgf cannot be read as SGF: not UTF-8" in notes
    )
    assert "games cut before an illegal move: 1 (wrong.sgf: move 3: B18 is no move: on" in notes
    assert "games without moves: 1 (empty.sgf)" in notes
    assert "games that cannot be read: 2 (two.sgf: GM is '3', and Go is 1; give games of" in notes
    names = {name.partition("/")[0] for part in found.by_role.values() for name in part.names}
    assert {"two.sgf#2", "two.sgf#4", "wrong.sgf"} <= names
    assert len(read_games(root / "two.sgf")) == 2


def test_alike_boards_of_two_games_are_no_copies_but_the_same_game_is_one() -> None:
    """All games begin with the empty board, and none is told of, nor moved for it."""
    root = folder(3, moves=4)
    keys = [p.keys for p in open_dataset(root).by_role.values()]
    assert all(one is not None for one in keys)
    assert len(np.unique(np.concatenate(keys))) == 3 * 4  # type: ignore[arg-type]
    (root / "again.sgf").write_text((root / "0.sgf").read_text())
    keys = [p.keys for p in open_dataset(root).by_role.values()]
    assert len(np.concatenate(keys)) == 4 * 4  # type: ignore[arg-type]
    assert len(np.unique(np.concatenate(keys))) == 3 * 4  # type: ignore[arg-type]


def test_what_cannot_be_learnt_from_is_one_line() -> None:
    folder(0, "nonsense").joinpath("a.sgf").write_text("no game")
    cases = (
        (
            lambda: open_dataset("nonsense"),
            "nonsense has no game .*: 1 .* stands nowhere in it",
        ),
        (
            lambda: verydeep.train(folder(1), **SMALL),
            "games has no game .* from; 2 are needed",
        ),
        (lambda: verydeep.train(folder(3, "three", 3)), "three has positions of Go, which nets of"),
        (lambda: verydeep.train("drawn:40x32", net="AlphaGo-128"), "AlphaGo-128 reads positions"),
        (lambda: verydeep.train("three", mirror=True, **SMALL), "mirror would change them"),
        (lambda: verydeep.train("three", scale=32, **SMALL), "scale would change them"),
        (lambda: verydeep.train("three", task="tag", **SMALL), "whose moves are classes"),
    )
    for work, line in cases:
        with pytest.raises(UserError, match=line) as caught:
            work()
        assert "\n" not in str(caught.value)


def test_a_net_learns_moves_and_is_tested_on_them() -> None:
    """Of games in the nine points in the middle, it learns that moves are there.

    A net that tells nothing of 361 points has a loss of ln 361, 5.9; of nine it is ln 9, 2.2.
    """
    run = verydeep.train(folder(5, moves=7, where=MIDDLE), "run", TWO_CORES, **SMALL)
    assert run.network.pixels == Pixels((19, 19), (0.0, 0.0, 0.0))
    assert (run.settings.momentum, run.settings.rate) == (0, 0.003)
    assert run.best.validation_loss < 5
    (tested,) = run.tests
    assert tested.scores.protocol.name == "centre"
    again = verydeep.evaluate("run", "games", "centre", TWO_CORES)
    assert again.top1 == pytest.approx(run.best.figures["top1"])
    assert "top-5 error" in answer(again)
    one = folder(1, "one", moves=7, first=20, where=MIDDLE)
    assert len(verydeep.evaluate("run", one, "centre", TWO_CORES).scores.truth) == 7
    with pytest.raises(UserError, match="shows mirror images; take --protocol centre"):
        verydeep.evaluate("run", "games", "ten", TWO_CORES)
    # and a net may be asked for planes that were made elsewhere
    given, moves = verydeep.positions("games/0.sgf")
    network = verydeep.load("run")
    with torch.inference_mode():
        scores = network.run({"planes": torch.from_numpy(given).float()}, ["scores"])["scores"]
    assert scores.shape == (len(moves), 361, 1, 1)


def test_positions_are_planes_and_moves() -> None:
    root = folder(2, moves=5)
    given, moves = verydeep.positions(root)
    assert (given.shape, moves.shape) == ((10, 48, 19, 19), (10,))
    whole, turned = verydeep.positions(root / "0.sgf", symmetries=True)
    assert whole.shape == (40, 48, 19, 19)
    assert (whole[::8] == given[:5]).all()
    assert (turned[::8] == moves[:5]).all()
    (root / "small.sgf").write_text(record(0, 4, 9))
    with pytest.raises(UserError, match=r"boards of sides \[9, 19\]; give those of one size"):
        verydeep.positions(root)
    Path("none").mkdir()
    with pytest.raises(UserError, match="no .sgf files in none"):
        verydeep.positions("none")
