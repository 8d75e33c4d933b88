"""Dreams and styles from Python and from the command line: what is made, kept, refused."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from math import isnan
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import verydeep
from tests.stacks import two_nets
from verydeep import SILENT, Progress, UserError
from verydeep.ascent.looking import Frame
from verydeep.ascent.styling import STRENGTH
from verydeep.commands import dream as commands
from verydeep.commands import main as command_line
from verydeep.nets.network import Network, build
from verydeep.pictures.preprocessing import Pixels
from verydeep.verbs.dream import grown
from verydeep.weights.stacks import save_stack

PIXELS = Pixels((40, 40), (120.0, 115.0, 110.0), (58.0, 58.0, 58.0))
Run = Callable[..., tuple[int, str, str]]


def network() -> Network:
    return build("D", ("ant", "bee", "cat"), width=0.0625, crop=32, fc=16, pixels=PIXELS,
                 initial="he")  # fmt: skip


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (53, 71, 3), dtype=np.uint8)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    verydeep.save(network(), "net.safetensors")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["verydeep", *words])
        with pytest.raises(SystemExit) as leaving:
            command_line.main()
        out, err = capsys.readouterr()
        return int(leaving.value.code or 0), out, err

    return run


@pytest.mark.parametrize(
    ("asked", "steps", "size"),
    [
        ({"class_name": "bee"}, 2, (32, 32)),
        ({"unit": "relu3_1:2", "plain": True}, 2, (32, 32)),
        ({"layer": "pool3", "size": 40}, 2, (40, 40)),
        ({"picture": True}, 8, (32, 43)),
        ({"picture": True, "class_name": "cat"}, 2, (32, 43)),
        ({"picture": True, "guide": True, "layer": "relu2_2"}, 8, (32, 43)),
        ({"picture": True, "invert": "relu2_1", "size": 24}, 2, (24, 32)),
    ],
)
def test_what_is_asked_for_is_made(
    asked: dict[str, object], steps: int, size: tuple[int, int], picture: np.ndarray
) -> None:
    given = {name: picture if value is True and name != "plain" else value
             for name, value in asked.items()}  # fmt: skip
    made = verydeep.dream(network(), **given, steps=2, progress=SILENT)  # type: ignore[arg-type]
    assert made.image.shape == (*size, 3)
    assert made.is_whole
    assert len(made.values) == steps


def test_files_are_repeated_bit_for_bit_by_a_seed(run: Run, picture: np.ndarray) -> None:
    Image.fromarray(picture).save("a.png")
    for name, seed in (("1.png", "7"), ("2.png", "7"), ("3.png", "8")):
        code, out, _ = run("dream", "net.safetensors", "a.png", "--steps", "1", "--seed", seed,
                           "--out", name, "--json")  # fmt: skip
        assert code == 0
        said = json.loads(out)
        assert (said["file"], said["size"], said["seed"]) == (name, [32, 43], int(seed))
    one, again, other = (Path(f"{k}.png").read_bytes() for k in (1, 2, 3))
    assert one == again != other


def test_a_style_is_put_on(run: Run, picture: np.ndarray) -> None:
    Image.fromarray(picture).save("a.png")
    Image.fromarray(picture[:48, ::-1]).save("b.png")
    code, out, _ = run("style", "net.safetensors", "a.png", "b.png", "--steps", "3")
    assert code == 0
    assert out.startswith("style.png  43 x 32, taking on the style, 3 of 3 steps")
    code, out, _ = run("style", "net.safetensors", "a.png", "b.png", "--steps", "2", "--noise")
    assert out.startswith("style-2.png")
    assert commands.STRENGTH == STRENGTH


class _Interrupting(Progress):
    """Presses Ctrl-C while a step goes on, as often as it is told to."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)

    def step(self, what: str, done: int, total: int, note: str = "") -> None:
        if done == 3:
            os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_keeps_the_picture_as_it_is_then() -> None:
    heard = _Interrupting()
    made = verydeep.dream(network(), unit="relu2_1:0", steps=50, out="a.png", progress=heard)
    assert not made.is_whole
    assert len(made.values) == 3
    assert heard.said == ["ending after this step; once more leaves at once"]
    whole = verydeep.dream(network(), unit="relu2_1:0", steps=3, progress=SILENT)
    assert np.array_equal(made.image, whole.image)
    assert np.array_equal(np.asarray(Image.open("a.png")), made.image)


def test_what_is_no_number_any_more_ends_it_with_what_was_before() -> None:
    blank = np.zeros((4, 4, 3), np.uint8)
    frames = [Frame(blank, 1, 3, 0.5), Frame(blank + 9, 2, 3, float("nan"))]
    made = grown(frames, "x", "value", SILENT)
    assert made.values == (0.5,)
    assert not made.image.any()
    with pytest.raises(UserError, match="the first step gives no number"):
        grown(frames[1:], "x", "value", SILENT)


def test_a_picture_with_pixels_that_are_no_numbers_is_not_kept() -> None:
    image = torch.zeros(1, 3, 4, 4)
    assert Frame.of(image, 1, 2, 0.5).value == 0.5
    image[0, 1, 2, 3] = float("inf")
    assert isnan(Frame.of(image, 2, 2, 0.5).value)


def test_no_number_any_more_is_no_interruption(
    run: Run, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverging(*_: object) -> Iterator[Frame]:
        yield Frame.of(torch.zeros(1, 3, 4, 4), 1, 5, 0.5)
        yield Frame.of(torch.full((1, 3, 4, 4), float("nan")), 2, 5, 0.5)

    monkeypatch.setattr("verydeep.verbs.style.styled", diverging)
    Image.fromarray(picture).save("a.png")
    code, out, err = run("style", "net.safetensors", "a.png", "a.png")
    assert (code, "1 of 5 steps" in out) == (2, True)
    assert "step 2 gives no number any more" in err
    assert "interrupted" not in err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "give a picture to dream into, or what to make one of"),
        (["--class", "bea"], "no class 'bea'; did you mean 'bee'?"),
        (["--class", "bee", "--layer", "relu1_1"], "--class and --layer: a picture is made for"),
        (["--unit", "relu1_1"], "--unit relu1_1; give a row and a number, such as relu3_1:7"),
        (["--unit", "relu1_1:99"], "no unit 99 of 'relu1_1'; they are numbered from 0 to "),
        (["--layer", "relu1_7"], "no layer 'relu1_7' in configuration D; did you mean"),
        (["--layer", "fc7"], "'fc7' of D has no map of the picture"),
        (["--invert", "relu1_1"], "--invert wants a picture"),
        (["--layer", "relu1_1", "--guide", "a.png"], "--guide wants a picture to dream into"),
        (["a.png", "--plain"], "--plain is of pictures out of nothing"),
        (["none.png"], "none.png: no such file"),
        (["--unit", "relu1_1:0", "--size", "0"], "--size 0; give 1 or more"),
        (["--class", "bee", "--size", "24"], "a picture of 24 x 24 is too small"),
        (["--unit", "relu1_1:0", "--seed", "-1"], "--seed -1; give 0 to 9223372036854775807"),
        (["--unit", "relu1_1:0", "--seed", str(2**63)], "--seed 9223372036854775808; give 0 to"),
        (["--unit", "relu1_1:0", "--out", "a.jpg"], "--out a.jpg; pictures are written as PNG"),
        (["--unit", "relu1_1:0", "--out", "a.png"], "a.png is there already"),
        (["--unit", "relu1_1:0", "--out", "a.png/b.png"], "cannot write a.png/b.png: File exists"),
    ],
)
def test_what_cannot_be_made_is_refused_in_a_line(
    words: list[str], line: str, run: Run, picture: np.ndarray
) -> None:
    Image.fromarray(picture).save("a.png")
    code, out, err = run("dream", "net.safetensors", *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"verydeep: {line}")
    assert err.count("\n") == 1


def test_styles_that_cannot_be_are_refused(picture: np.ndarray) -> None:
    for asked, line in (
        ({"strength": -1.0}, "--strength -1.0; give more than 0"),
        ({"strength": float("inf")}, "--strength inf; give more than 0, and 1e\\+09 at most"),
        ({"seed": 2**128}, "--seed 3402.*; give 0 to 9223372036854775807"),
        ({"steps": 0}, "--steps 0; give more than 0"),
        ({"size": 6}, "too small"),
    ):
        with pytest.raises(UserError, match=line):
            verydeep.style(network(), picture, picture, **asked, progress=SILENT)


def test_a_stack_is_refused() -> None:
    save_stack(two_nets().stack, Path("stack.safetensors"))
    with pytest.raises(UserError, match="stack"):
        verydeep.dream("stack.safetensors", unit="relu1_1:0", progress=SILENT)
