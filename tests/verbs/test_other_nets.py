"""Nets of boards and of embeddings, and games, where pictures or classes are due: a line each."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import verydeep
from verydeep import UserError
from verydeep.commands import main as command_line
from verydeep.go.board import name_of
from verydeep.nets.named import Sizes
from verydeep.nets.network import Network
from verydeep.pictures.preprocessing import BYTES, Pixels
from verydeep.runtime.machine import Machine
from verydeep.serving.model import served
from verydeep.verbs.describe import net_of

MOVES = tuple(name_of(point) for point in range(361))
BOARDS = "AlphaGo-128 reads positions of Go, and no pictures: `"
GAMES = "games has positions of Go, and no pictures"
NUMBERS = "A tells pictures by numbers, and no classes apart: `"


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a net of boards and of one of embeddings, a picture, and a folder of games."""
    root = tmp_path_factory.mktemp("given")
    table = Sizes("AlphaGo-128", 0.0625, 19).table(("FC-361", "soft-max"))
    verydeep.save(Network.random(table, MOVES, BYTES, "he", 0), root / "boards.safetensors")
    table = Sizes("A", 0.0625, 32, 16).table(("FC-128", "L2"))
    pixels = Pixels((32, 32), (128.0,) * 3, (60.0,) * 3)
    verydeep.save(Network.random(table, (), pixels, "he", 0), root / "numbers.safetensors")
    picture = np.random.default_rng(0).integers(0, 256, (40, 44, 3), np.uint8)
    Image.fromarray(picture).save(root / "a.png")
    (root / "games").mkdir()
    for k in "ab":
        (root / f"games/{k}.sgf").write_text(f"(;SZ[19];B[p{k}];W[dd])")
    return root


@pytest.fixture(autouse=True)
def _there(given: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(given)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("predict boards.safetensors a.png", BOARDS),
        ("explain boards.safetensors a.png", BOARDS),
        ("explain boards.safetensors --units relu1_2 --data drawn:10x48", BOARDS),
        ("features boards.safetensors a.png -o a.npy", BOARDS),
        ("verify boards.safetensors a.png a.png", BOARDS),
        ("transfer boards.safetensors drawn:40x32", BOARDS),
        ("dream boards.safetensors a.png", BOARDS),
        ("style boards.safetensors a.png a.png", BOARDS),
        ("look games", GAMES),
        ("pack games packed", GAMES),
        ("features numbers.safetensors games -o a.npy", GAMES),
        ("verify numbers.safetensors games", GAMES),
        ("transfer numbers.safetensors games", GAMES),
        ("explain numbers.safetensors --units relu1_1 --data games", GAMES),
        ("predict numbers.safetensors a.png", NUMBERS),
        ("explain numbers.safetensors a.png", NUMBERS),
        ("dream numbers.safetensors --class cat", NUMBERS),
    ],
)
def test_what_a_net_cannot_be_asked_is_one_line(
    words: str, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["verydeep", *words.split(), "--quiet"])
    with pytest.raises(SystemExit) as leaving:
        command_line.main()
    out, err = capsys.readouterr()
    assert (leaving.value.code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"verydeep: {line}")


def test_a_net_of_embeddings_is_told_as_one() -> None:
    told = net_of(verydeep.load("numbers.safetensors").table).in_words
    assert told.startswith("A, crop 32, to 128 numbers of length one, ")


def test_the_same_is_said_from_python_and_by_the_server() -> None:
    for name, line in (("boards", BOARDS), ("numbers", NUMBERS)):
        path = Path(f"{name}.safetensors")
        with pytest.raises(UserError, match=line):
            served(path, Machine.this("cpu"), verydeep.SILENT)
        with pytest.raises(UserError, match=line):
            verydeep.load(path).predict("a.png")
        with pytest.raises(UserError, match=line if name == "numbers" else "class 'arrow'"):
            verydeep.evaluate(path, "drawn:40x32", progress=verydeep.SILENT)
    with pytest.raises(UserError, match=BOARDS):
        verydeep.dream(verydeep.build("AlphaGo-128", width=0.0625), "a.png")
