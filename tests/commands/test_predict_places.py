"""What `verydeep predict` prints of places, and what it draws; answers are by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from verydeep.commands import predict_places as places
from verydeep.commands.predict import predict
from verydeep.errors import UserError
from verydeep.localisation.predictor import Guess, Point
from verydeep.nets.network import Network, build
from verydeep.nets.rewording import with_last
from verydeep.nets.words import read_table
from verydeep.pictures.preprocessing import Pixels
from verydeep.weights.file import save

GUESSES = [Guess("cat", 0.75, (1.0, 2.25, 30.0, 40.5)), Guess("a dog", 0.125, (0.0, 0.0, 5.0, 6.0))]
POINTS = [Point("eye", -1.25, 10.0), Point("nose", 20.0, 30.0)]


def test_a_picture_alone_has_a_table() -> None:
    assert places.lines("a.jpg", GUESSES, alone=True) == (
        "a.jpg\n"
        "  box    posterior  x_min  y_min  x_max  y_max\n"
        "  cat        0.750    1.0    2.2   30.0   40.5\n"
        "  a dog      0.125    0.0    0.0    5.0    6.0"
    )
    unnamed = [Guess(None, None, GUESSES[0].box)]
    assert places.lines("a.jpg", unnamed, alone=True) == (
        "a.jpg\n  box     x_min  y_min  x_max  y_max\n  object    1.0    2.2   30.0   40.5"
    )
    assert places.lines("a.jpg", POINTS, alone=True) == (
        "a.jpg\n  point     x     y\n  eye    -1.2  10.0\n  nose   20.0  30.0"
    )


def test_pictures_have_a_line_each() -> None:
    assert places.lines("a.jpg", GUESSES, alone=False) == (
        "a.jpg  cat 0.750 [1.0 2.2 30.0 40.5]  a dog 0.125 [0.0 0.0 5.0 6.0]"
    )
    assert places.lines("a.jpg", POINTS, alone=False) == "a.jpg  eye [-1.2 10.0]  nose [20.0 30.0]"


def test_programs_are_told_the_same() -> None:
    assert places.as_data("a.jpg", GUESSES[:1]) == {
        "picture": "a.jpg",
        "top": [{"class": "cat", "posterior": 0.75, "box": [1.0, 2.25, 30.0, 40.5]}],
    }
    assert places.as_data("a.jpg", POINTS[:1]) == {
        "picture": "a.jpg", "points": [{"name": "eye", "x": -1.25, "y": 10.0}],
    }  # fmt: skip


def test_the_first_guess_is_drawn_or_as_many_as_are_asked_for() -> None:
    things = [guess._replace(posterior=None) for guess in GUESSES]
    assert places.to_draw(GUESSES, None) == GUESSES[:1]
    assert places.to_draw(GUESSES, 2) == GUESSES
    assert places.to_draw(things, None) == things
    assert places.to_draw(POINTS, None) == POINTS


@pytest.fixture
def weights() -> Path:
    """A random net of one box of whatever class, and a classifier beside it."""
    like = build("A", 3, width=0.125, crop=32, fc=16, pixels=Pixels((40, 40), (0.0, 0.0, 0.0)))
    table = read_table("A", with_last(like.table.words, ("FC-4", "boxes")), 32)
    save(Network.random(table, ("object",), like.pixels, "he", 0), Path("boxes.safetensors"))
    save(like, Path("classes.safetensors"))
    Image.fromarray(np.full((60, 90, 3), 128, np.uint8)).save("a.png")
    return Path("boxes.safetensors")


def test_pictures_are_drawn_from_the_command_line(
    weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given: dict[str, Any] = {"quiet": True, "json": True, "save": Path("drawn")}
    predict(weights, ["a.png"], **given)
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["picture"], len(told["top"])) == ("a.png", 1)
    with Image.open("drawn/a.jpg") as picture:
        assert picture.size == (540, 360)
    with pytest.raises(UserError, match="drawn has files already"):
        predict(weights, ["a.png"], **given)
    with pytest.raises(UserError, match="places no boxes to be drawn; leave --save out"):
        predict(Path("classes.safetensors"), ["a.png"], **given)
