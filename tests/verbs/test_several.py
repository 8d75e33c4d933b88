"""Verbs with nets of several labels a picture, and pictures that are of none of the classes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import verydeep
from tests.pairs import CLASSES, opened_as, pairs
from verydeep import SILENT, UserError
from verydeep.commands.main import app
from verydeep.evaluation.scores import load_scores
from verydeep.evaluation.several import signs_of
from verydeep.nets.network import Network, build
from verydeep.nets.rewording import with_last
from verydeep.nets.words import read_table
from verydeep.parts.annotations import LabelSets
from verydeep.pictures.preprocessing import Pixels
from verydeep.verbs.compare import compared, fused
from verydeep.verbs.quantise import export_int8

PIXELS = Pixels((32, 32), (0.0,) * 3)
DATA = "drawn:30x40"
SMALL: dict[str, Any] = {
    "net": "A-BN", "width": 0.125, "crop": 32, "scale": 40, "batch": 10, "epochs": 1,
}  # fmt: skip


def tagger(*biases: float, seed: int = 0) -> Network:
    """A net of classes that are each by itself, with these log odds where nothing else is said."""
    like = build("A", len(biases), width=0.125, crop=32, fc=8)
    words = with_last(like.table.words, (f"FC-{len(biases)}", "sigmoid"))
    table = read_table("A", words, 32)
    network = Network.random(table, CLASSES[: len(biases)], PIXELS, "he", seed)
    with torch.no_grad():
        network.get_parameter("fc8.bias").copy_(torch.tensor(biases))
    return network


def told(*words: str) -> str:
    done = CliRunner().invoke(app, [*words])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def picture(tmp_path: Path) -> str:
    """A black one, of which a net answers what its biases say."""
    Image.new("RGB", (40, 40)).save(tmp_path / "black.png")
    return str(tmp_path / "black.png")


def test_every_class_of_a_half_or_more_is_named(picture: str) -> None:
    verydeep.save(tagger(3.0, -3.0, 0.5, -0.5), "w.safetensors")
    found = verydeep.predict("w.safetensors", picture, progress=SILENT)
    assert [name for name, _ in found] == ["arrow", "cross"]
    assert [p for _, p in found] == pytest.approx([1 / (1 + np.exp(-3)), 1 / (1 + np.exp(-0.5))])
    alike = verydeep.load("w.safetensors").predict(picture)
    assert [name for name, _ in alike] == ["arrow", "cross"]
    assert len(verydeep.predict("w.safetensors", picture, top=3, progress=SILENT)) == 3
    assert told("predict", "w.safetensors", picture, "--quiet").count("\n") == 3


def test_of_none_of_its_classes_a_picture_may_be(picture: str) -> None:
    verydeep.save(tagger(-3.0, -1.0), "w.safetensors")
    assert verydeep.predict("w.safetensors", picture, progress=SILENT) == []
    assert told("predict", "w.safetensors", picture).strip() == f"{picture}  none of these"
    assert json.loads(told("predict", "w.safetensors", picture, "--json"))[0]["top"] == []
    with pytest.raises(UserError, match="each by itself"):
        verydeep.predict("w.safetensors", picture, reject=0.5, progress=SILENT)


def test_a_tagger_is_tested_by_average_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    opened_as(pairs(), monkeypatch)
    verydeep.save(tagger(0.0, 0.0, 0.0, 0.0), "w.safetensors")
    said = told("evaluate", "w.safetensors", "pairs", "--part", "test", "--quiet")
    assert "mAP" in said
    assert said.startswith("in %")
    about = json.loads(told("evaluate", "w.safetensors", "pairs", "--part", "test", "--json"))
    scores = load_scores(Path(about["scores"]))
    assert about["map"] == scores.map
    assert scores.signs.tolist() == signs_of(pairs().parts["test"], 4).tolist()
    assert [line["average_precision"] for line in about["by_class"]] == [*scores.average_precisions]
    tested = verydeep.evaluate("w.safetensors", "pairs", part_name="test", progress=SILENT)
    assert tested.map == scores.map
    with pytest.raises(UserError, match="several labels each"):
        _ = tested.top1
    with pytest.raises(UserError, match="each by itself, and what int8 costs"):
        export_int8(Path("w.safetensors"), "pairs", Path("x.onnx"))
    nothing = replace(pairs().parts["test"], truth=LabelSets.of([[]] * 20))
    opened_as(replace(pairs(), parts={**pairs().parts, "test": nothing}), monkeypatch)
    with pytest.raises(UserError, match="no picture of the test part of pairs is of any class"):
        verydeep.evaluate("w.safetensors", "pairs", part_name="test", progress=SILENT)


def test_tests_of_taggers_are_compared_and_fused(monkeypatch: pytest.MonkeyPatch) -> None:
    opened_as(pairs(), monkeypatch)
    for seed in range(2):
        verydeep.save(tagger(0.0, 0.0, 0.0, 0.0, seed=seed), f"{seed}.safetensors")
        verydeep.evaluate(
            f"{seed}.safetensors", "pairs", "centre", part_name="test", progress=SILENT,
            out=f"scores-{seed}.safetensors",
        )  # fmt: skip
    files = ["scores-0.safetensors", "scores-1.safetensors"]
    found = compared([Path(file) for file in files])
    assert found.scores[0].map >= found.scores[1].map
    (line,) = found.comparisons
    assert line.difference == pytest.approx(found.scores[0].map - found.scores[1].map)
    said = told("compare", *files)
    assert "worse by" in said
    assert "McNemar" not in said
    assert json.loads(told("compare", *files, "--json"))["comparisons"][0]["difference"] > 0
    together = fused([Path(file) for file in files], Path("both.safetensors")).together
    assert load_scores(Path("both.safetensors")).map == together.map
    assert f"{together.map:.1f}" in told("fuse", *files)
    done = CliRunner().invoke(app, ["compare", *files, "--page", "page.html"])
    assert "leave --page out" in str(done.exception)


# --- none of these


def test_what_is_below_a_number_is_none_of_these(picture: str) -> None:
    network = build("A", ["x", "y"], width=0.125, crop=32, fc=8, pixels=PIXELS)
    with torch.no_grad():
        network.get_parameter("fc8.bias").copy_(torch.tensor([1.0, 0.0]))
    verydeep.save(network, "w.safetensors")
    sure = np.e / (1 + np.e)
    (first, _) = verydeep.predict("w.safetensors", picture, reject=sure - 0.01, progress=SILENT)
    assert first == ("x", pytest.approx(sure))
    for pictures, expected in ((picture, []), ([picture, picture], [[], []])):
        found = verydeep.predict("w.safetensors", pictures, reject=sure + 0.01, progress=SILENT)
        assert found == expected
    assert told("predict", "w.safetensors", picture, "--reject", "0.9") == (
        f"{picture}  none of these\n"
    )
    for wrong in ("many", 0.0, 1.5, float("nan")):
        with pytest.raises(UserError, match="it takes a posterior from 0 to 1, or auto"):
            verydeep.predict("w.safetensors", picture, reject=wrong, progress=SILENT)
    with pytest.raises(UserError, match=r"evaluate w.safetensors DATA --part validation` makes it"):
        verydeep.predict("w.safetensors", picture, reject="auto", progress=SILENT)


def test_a_run_chooses_by_its_own_validation_part() -> None:
    """Which is of the pictures that chose it: the answers that it keeps are counted again."""
    run = verydeep.train(DATA, "run", progress=SILENT, **SMALL)
    said: list[str] = []

    class Heard(verydeep.Progress):
        def say(self, line: str) -> None:
            said.append(line)

    part = run.dataset.validation
    pictures = [part.source(i) for i in range(len(part))]
    plain = verydeep.predict("run", pictures, progress=SILENT)
    found = verydeep.predict("run", pictures, reject="auto", progress=Heard())
    labels = [run.network.classes[k] for k in part.labels]
    right = [own[0][0] == label for own, label in zip(plain, labels, strict=True)]
    kept = sum(bool(own) and good for own, good in zip(found, right, strict=True))
    (line,) = (line for line in said if line.startswith("none of these below"))
    assert f"{kept} of {sum(right)} right answers are kept" in line
    assert f"{sum(not a for a, g in zip(found, right, strict=True) if not g)} of" in line
    for path in Path("run/scores").glob("*validation*"):
        path.unlink()
    with pytest.raises(UserError, match="--part validation` makes it"):
        verydeep.predict("run", pictures, reject="auto", progress=SILENT)
