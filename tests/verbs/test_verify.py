"""Verification from Python and from the command line, of a tiny net that has learnt nothing.

What is told is worked out again from the descriptors that `verydeep.features` gives.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import verydeep
from tests.conftest import TWO_CORES, drawn_photos
from tests.verification.test_pairs import told as pairs_told
from verydeep.commands import verify as command
from verydeep.commands.main import main
from verydeep.errors import PictureError, UserError
from verydeep.nets.named import Sizes
from verydeep.nets.network import Network
from verydeep.pictures.preprocessing import Pixels
from verydeep.verbs.verify import FAR
from verydeep.verification.distances import FARTHEST
from verydeep.verification.figures import equal_error_rate
from verydeep.verification.pairs import all_pairs
from verydeep.weights.file import save


@pytest.fixture
def weights() -> Path:
    """A random net that ends in an embedding."""
    table = Sizes("ResNet-8", 0.5, 32).table(("FC-128", "L2"))
    pixels = Pixels((32, 32), (128.0,) * 3, (60.0,) * 3)
    save(Network.random(table, (), pixels, "he", 0), Path("faces.safetensors"))
    return Path("faces.safetensors")


def people(root: str = "people", *counts: int) -> Path:
    return drawn_photos(Path(root), *(counts or (4,) * 6), side=32)


def test_figures_are_those_of_the_descriptors(weights: Path) -> None:
    folder = people()
    found = verydeep.verify(weights, folder, TWO_CORES)
    described = verydeep.features(weights, folder)
    truth = described.truth
    assert isinstance(truth, np.ndarray)
    pairs = all_pairs(truth)
    apart = 2 - 2 * (described.descriptors[pairs.left] * described.descriptors[pairs.right]).sum(1)
    assert found.eer == pytest.approx(
        equal_error_rate(apart.astype(np.float64), pairs.same)[0], abs=0.02
    )
    assert (found.counts, found.identities, found.pictures) == ((36, 240), 6, 24)
    assert (found.part, found.role) == ("all", "test")
    assert found.accuracy is not None
    assert len(found.accuracy.folds) == 3  # of six identities two each
    assert "accuracy" in repr(found)


def test_the_distance_of_two_pictures_is_that_of_their_pair(weights: Path) -> None:
    folder = people()
    found = verydeep.verify(weights, folder, TWO_CORES, out="new/pairs.csv")
    lines = Path("new/pairs.csv").read_text().splitlines()
    assert lines[0] == "left,right,same,distance,fold"
    assert len(lines) == 1 + 276
    left, right, same, apart, _ = lines[1].split(",")
    assert same == "1"
    two = verydeep.distance(weights, folder / left, folder / right)
    assert two == pytest.approx(float(apart), abs=1e-5)
    assert two == pytest.approx(found.told.distances[0], abs=1e-5)
    assert verydeep.distance(weights, folder / left, folder / left) == 0


def test_pairs_of_a_file_are_those_that_are_told(weights: Path) -> None:
    folder = people()
    for k, name in enumerate(("arrow", "disc")):
        for i in range(4):
            (folder / name / f"{i}.png").rename(folder / name / f"{name}_{i + 1:04d}.png")
        assert k < 2
    Path("pairs.txt").write_text("2\t1\narrow\t1\t2\narrow\t1\tdisc\t1\n"
                                 "disc\t3\t4\ndisc\t2\tarrow\t4\n")  # fmt: skip
    found = verydeep.verify(weights, folder, TWO_CORES, pairs="pairs.txt")
    assert found.counts == (2, 2)
    names = [{found.names[i] for i in pair} for pair in pairs_told(found.told.pairs)]
    assert names[1] == {"arrow/arrow_0001.png", "disc/disc_0001.png"}
    assert found.accuracy is not None
    assert len(found.accuracy.folds) == 2
    for i in (2, 3):  # without which nothing is left of the second fold
        (folder / "disc" / f"disc_{i:04d}.png").write_bytes(b"no picture")
    found = verydeep.verify(weights, folder, TWO_CORES, pairs="pairs.txt")
    assert (found.counts, found.accuracy, len(found.left_out)) == ((1, 1), None, 2)
    Path("pairs.txt").write_text("arrow\t1\t9\n")
    with pytest.raises(UserError, match="1 of 2 pictures of the pairs are not in people"):
        verydeep.verify(weights, folder, TWO_CORES, pairs="pairs.txt")


def test_any_net_describes_faces(weights: Path) -> None:
    """A classifier by the row before its classes."""
    network = verydeep.build("ResNet-8", 3, width=0.5)
    save(network, Path("classes.safetensors"))
    found = verydeep.verify("classes.safetensors", people(), TWO_CORES)
    assert "of ResNet-8" in found.title


def test_what_cannot_be_verified_is_one_line(weights: Path) -> None:
    people("few", 8, 8)
    assert verydeep.verify(weights, "few", TWO_CORES).accuracy is None
    cases: list[tuple[Callable[[], Any], str]] = [
        (lambda: verydeep.verify(weights, people("two", 1, 1, 1, 1)), "each has one picture"),
        (lambda: verydeep.verify(weights, people("one", 5)), "one has 1 identity"),
        (lambda: verydeep.verify(weights, "two", far=1.5), "a false accept rate of 1.5"),
        (lambda: verydeep.distance(weights, "few", "few"), "32 pictures; a distance is of two"),
        (lambda: verydeep.evaluate(weights, "few"), "tells pictures by numbers, and no classes"),
        (lambda: verydeep.predict(weights, "few"), "tells pictures by numbers, and no classes"),
    ]
    for work, line in cases:
        with pytest.raises(UserError, match=line) as caught:
            work()
        assert "\n" not in str(caught.value)
    Path("broken.png").write_bytes(b"no picture")
    with pytest.raises(PictureError, match="broken.png"):
        verydeep.distance(weights, "broken.png", "few/arrow/0.png")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, answer and what was said of a command."""
    import sys

    sys.argv = ["verydeep", *words]
    with pytest.raises(SystemExit) as left:
        main()
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


def test_the_command_tells_figures_and_two_pictures(
    weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people()
    code, out, _ = run(capsys, "verify", str(weights), "people", "--far", "0.05")
    assert code == 0
    assert "accuracy, 3 folds" in out
    assert "equal error rate" in out
    assert "VAL at FAR 5 %" in out
    code, out, _ = run(capsys, "evaluate", str(weights), "people", "--json")
    about = json.loads(out)
    assert (about["identities"], about["pairs_of_one"], about["far_asked"]) == (6, 36, 0.1)
    two = ("people/arrow/0.png", "people/disc/0.png")
    _, out, _ = run(capsys, "verify", str(weights), *two)
    assert out.startswith("squared distance ")
    _, out, _ = run(capsys, "verify", str(weights), *two, "--threshold", "0")
    assert out.startswith("another: squared distance ")
    _, out, _ = run(capsys, "verify", str(weights), *two, "--threshold", "4", "--json")
    assert json.loads(out)["same"] is True


def test_a_run_says_how_its_net_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ("--width", "0.5", "--crop", "32", "--scale", "32", "--epochs", "1", "--batch", "8")
    people()
    code, out, err = run(capsys, "train", "people", "--task", "embed", "--net", "ResNet-8", *sizes,
                         "--out", "faces")  # fmt: skip
    assert code == 0, err
    assert "use it   verydeep verify faces PICTURE PICTURE" in out
    assert "equal error rate, %" in out
    assert (Path("faces") / "report.html").is_file()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("verify", "people", "--threshold", "1"), "--threshold is none for a folder"),
        (("verify", "a.png", "b.png", "--part", "test"), "--part is none for two pictures"),
        (("verify", "a.png", "b.png", "--far", "0.1"), "--far is none for two pictures"),
        (("verify", "a.png", "b.png", "--seed", "1"), "--seed is none for two pictures"),
        (("verify", "a.png", "b.png", "c.png"), "3 pictures; give two, or a folder"),
        (
            ("verify", "a.png", "b.png", "--threshold", "nan"),
            "distances of descriptors are from 0 to 4",
        ),
        (("verify", "a.png", "b.png", "--threshold=-1"), "--threshold -1; squared distances"),
        (("verify", "people", "--out", "people"), "--out people is a folder; give the name"),
        (
            ("verify", "people", "--out", "faces.safetensors/x.csv"),
            "cannot write faces.safetensors/",
        ),
        (("evaluate", "people", "--protocol", "crops"), "leave --protocol out"),
    ],
)
def test_wrong_words_are_one_line(
    weights: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], line: str
) -> None:
    people()
    assert (command.FAR, command.FARTHEST) == (FAR, FARTHEST)
    code, _, err = run(capsys, words[0], str(weights), *words[1:])
    assert code == 2
    assert line in err.splitlines()[-1]
