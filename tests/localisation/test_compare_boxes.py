"""`compare` and `fuse` of boxes files: what is read, how tests are called, and what is printed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.localisation.made import centre, dense, four
from verydeep.commands.compare import compare, fuse
from verydeep.errors import UserError
from verydeep.evaluation.scores import Scores, save_scores
from verydeep.evaluation.views import Protocol
from verydeep.localisation.boxes_file import Localised, load_boxes, save_boxes
from verydeep.localisation.fusion import compare_boxes
from verydeep.verbs.compare_boxes import compared_boxes, fused_boxes

A, B = Path("runs/a/boxes/x.safetensors"), Path("runs/b/boxes/x.safetensors")


def worse() -> Localised:
    """The four pictures, the boxes of the first of which are those of the fourth."""
    boxes = four().boxes.copy()
    boxes[0] = boxes[3]
    return replace(four(), boxes=boxes, weights="other")


@pytest.fixture
def _two_runs() -> None:
    save_boxes(worse(), A)
    save_boxes(four(), B)


@pytest.mark.usefixtures("_two_runs")
def test_the_test_with_the_fewest_errors_comes_first() -> None:
    found = compared_boxes([Path("runs/a"), Path("runs/b")])
    assert [one.name for one in found.tests] == [f"b: {four().title}", f"a: {four().title}"]
    assert [one.figures.top5 for one in found.tests] == [50.0, 75.0]
    expected = compare_boxes(four(), worse())
    better, other = f"b: {four().title}", f"a: {four().title}"
    assert found.comparisons == (replace(expected, name_a=better, name_b=other),)


def test_tests_are_ranked_by_the_error_that_tells_them_apart() -> None:
    """The one names the second first, and is right on 2 of 4 at once; the other on 3 among five."""
    at_once = replace(four(), candidates=np.array([[0, 1], [2, 0], [1, 0], [0, 2]]))
    boxes, candidates = four().boxes.copy(), np.array([[0, 1], [0, 2], [1, 0], [0, 1]])
    boxes[3, 1] = [0, 0, 100, 100]
    among_five = replace(four(), boxes=boxes, candidates=candidates, weights="other")
    save_boxes(at_once, A)
    save_boxes(among_five, B)
    found = [(one.figures.top1, one.figures.top5) for one in compared_boxes([A, B]).tests]
    assert found == [(75.0, 25.0), (50.0, 50.0)]


@pytest.mark.usefixtures("_two_runs")
def test_boxes_files_are_compared_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    compare([Path("runs/a"), Path("runs/b")])
    said = capsys.readouterr().out.splitlines()
    assert said[0].split() == [
        "localisation", "error,", "%", "top-1", "top-5", "95", "%", "interval", "mean", "IoU",
    ]  # fmt: skip
    assert said[1].split()[-6:] == ["75.0", "50.0", "15.0", "to", "85.0", "0.83"]
    assert said[4].startswith("of the best: among five guesses the place alone is wrong on 25.0 %")
    assert f"best: b: {four().title}" in said
    compare([Path("runs/a"), Path("runs/b")], json=True)
    about = json.loads(capsys.readouterr().out)
    assert [test["top5"] for test in about["tests"]] == [50.0, 75.0]
    assert about["tests"][0]["threshold"] == 0.5
    assert about["tests"][0]["mistakes5"] == {"place": 25.0, "name": 0.0, "both": 25.0}
    assert about["comparisons"][0]["only_b"] == 1


@pytest.mark.usefixtures("_two_runs")
def test_boxes_files_are_fused_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    fuse([A, B], out=Path("both.safetensors"))
    said = capsys.readouterr().out
    assert "the boxes of these 2 " in said
    assert said.endswith("boxes: both.safetensors\n")
    assert load_boxes(Path("both.safetensors")).ends.tolist() == [2, 4, 6, 8]
    fuse([A, B], json=True)
    about = json.loads(capsys.readouterr().out)
    assert len(about) == 3
    assert about[2]["title"].startswith("the boxes of 2: ")
    with pytest.raises(UserError, match="is one of those to be fused"):
        fuse([A, B], out=A)
    Path("thesis").write_bytes(b"a")
    with pytest.raises(UserError, match="no boxes file"):
        fuse([A, B], out=Path("thesis"))
    with pytest.raises(UserError, match="1 boxes file"):
        fuse([A])


def test_one_test_alone_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    save_boxes(centre(), A)
    compare([A])
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("error with the class given, %")
    assert said[1].startswith("the true class in one centre crop of 32, Q = 64")
    assert "the place is wrong on 0.0 %" in said
    assert not any(line.startswith("best") for line in said)


def test_the_paper_stands_beside_the_same_test(capsys: pytest.CaptureFixture[str]) -> None:
    classes, protocol = tuple(map(str, range(1000))), Protocol("dense", 224, (256,))
    two = Protocol("dense", 224, (352, 384))
    one = dense(classes=classes, protocol=protocol, net=("D", 256, 256))
    other = replace(one, protocol=two, net=("D", 384, 384), weights="other")
    save_boxes(one, A)
    save_boxes(other, B)
    compare([A])
    assert "29.5 (Table 9)" in capsys.readouterr().out
    fuse([A, B])
    assert "26.9 (Table 9)" in capsys.readouterr().out
    assert fused_boxes([A, B]).together.test.net is None


def test_files_of_two_kinds_are_refused() -> None:
    scores = Scores(
        np.full((2, 3), 1 / 3, np.float32), np.array([0, 2]), ("a.jpg", "ü.png"),
        ("cat", "dog", "owl"), Protocol("dense", 32, (64,)), "digest", "print",
    )  # fmt: skip
    save_boxes(dense(), A)
    save_scores(scores, Path("runs/a/scores/y.safetensors"))
    said = f"^{A} is a boxes file, and runs/a/scores/y.safetensors is not; give the files of one"
    for verb in (compare, fuse):
        with pytest.raises(UserError, match=said):
            verb([Path("runs/a")])


def test_of_a_run_that_has_a_test_what_chose_its_weights_is_left_out() -> None:
    save_boxes(four(), A)
    save_boxes(replace(worse(), role="validation", weights="digest"), A.with_name("y.safetensors"))
    assert len(compared_boxes([Path("runs/a")]).tests) == 1
    assert len(compared_boxes([A, A.with_name("y.safetensors")]).tests) == 2
