"""Protocols from files to figures, held against plain loops over the pictures' own features."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import verydeep
from tests.conftest import drawn_photos
from tests.killing import free_port
from verydeep.commands.transfer_answer import outcome_as_json, outcome_in_words
from verydeep.datasets import open_dataset
from verydeep.descriptors.svm import fit
from verydeep.errors import UserError
from verydeep.evaluation.published_transfer import CALTECH_101
from verydeep.nets.network import build
from verydeep.parts.draws import drawn
from verydeep.pictures.preprocessing import Pixels
from verydeep.runtime.progress import SILENT
from verydeep.verbs.features import features
from verydeep.verbs.transfer import transfer
from verydeep.verbs.transfer_protocols import transfer_protocol
from verydeep.verbs.transfer_work import Outcome

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "d.safetensors"
    network = build("D", 3, width=0.0625, crop=32, fc=24, initial="he")
    network.pixels = Pixels(scale=(40, 56), mean=(120.0, 115.0, 100.0))
    verydeep.save(network, path)
    return path


def outcome_of(net: Path, data: Path | str, protocol: str, **asked: Any) -> Outcome:
    return transfer_protocol(net, data, protocol, progress=SILENT, **asked)


def by_name(net: Path, data: Path | str, **asked: Any) -> dict[str, np.ndarray]:
    names, rows = features(net, data, progress=SILENT, **asked)
    return dict(zip(names, rows, strict=True))


# --- draws


def recall(found: dict[str, np.ndarray], train: list[str], test: list[str], c: float) -> float:
    """The mean class recall in %, picture by picture; classes are the folders."""
    classes = sorted({name.split("/")[0] for name in found})

    def of(names: list[str]) -> tuple[np.ndarray, np.ndarray]:
        labels = [classes.index(name.split("/")[0]) for name in names]
        return np.array([found[name] for name in names]), np.array(labels)

    x, labels = of(train)
    (machines,) = fit(x, np.where(labels[:, None] == np.arange(len(classes)), 1, -1), [c])
    x, truth = of(test)
    answers = machines.classifier.decision(x).argmax(1)
    return float(np.mean([100 * (answers[truth == k] == k).mean() for k in np.unique(truth)]))


def test_draws_are_those_of_all_pictures_whatever_parts_they_lay_in(
    net: Path, photos: Callable[..., Path]
) -> None:
    """One of seven pictures cannot be read, so that with four to learn from two are left."""
    data = photos(7, 8, 9)
    broken = sorted(data.rglob("*.png"))[3]
    broken.write_bytes(b"none")
    outcome = outcome_of(net, data, "draws", train=[2, 4], test=3, draws=2, c=1.0)
    assert len(outcome.left_out) == 1
    assert broken.name in outcome.left_out[0]
    found, dataset = by_name(net, data), open_dataset(data)
    part = dataset.everything
    readable = part.only([i for i, name in enumerate(part.names) if name in found])
    for row, count, left in zip(outcome.draws, (2, 4), (9, 8), strict=True):
        assert (row.train, row.test, row.how) == (count, 3, f"{count} a class, drawn from seed 0")
        for number, one in enumerate(row.draws):
            draw = drawn(readable, dataset.classes, count, 3, number=number)
            expected = recall(found, [*draw.train.names], [*draw.test.names], 1.0)
            assert one.recall == pytest.approx(expected)
            assert (one.number, one.train, one.test) == (number, 3 * count, left)
        assert row.recall.mean == pytest.approx(np.mean([one.recall for one in row.draws]))


def test_pictures_of_the_same_name_in_two_parts_are_two(net: Path, tmp_path: Path) -> None:
    """Names are those within a part; descriptors go by place."""
    for part, first in (("train", 0), ("val", 50)):
        drawn_photos(tmp_path / f"data/{part}", 3, 3, first=first)
    outcome = outcome_of(net, tmp_path / "data", "draws", train=2, draws=3)
    assert [one.train + one.test for one in outcome.draws[0].draws] == [12, 12, 12]
    assert [one.train for one in outcome.draws[0].draws] == [4, 4, 4]


def caltech(tmp_path: Path) -> Path:
    """A small set that lies as Caltech-101 does, with one split stored."""
    root = drawn_photos(tmp_path / "101_ObjectCategories", 5, 5)
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    split = {
        "train": [n for n in names if n[-5] in "12"],
        "test": [n for n in names if n[-5] > "2"],
    }
    (tmp_path / "splits.json").write_text(json.dumps({"splits": [split]}))
    return root


def test_stored_splits_are_taken_where_they_are_what_is_asked_for(
    net: Path, tmp_path: Path
) -> None:
    root, asked = caltech(tmp_path), {"train": 2, "test": 2, "draws": 1, "c": 1.0}
    outcome = outcome_of(net, root, "draws", **asked)
    assert outcome.draws[0].how == "2 a class, by the splits of splits.json"
    found = by_name(net, root)
    train = [name for name in found if name[-5] in "12"]
    test = [name for name in found if name[-5] in "34"]
    assert outcome.draws[0].draws[0].recall == pytest.approx(recall(found, train, test, 1.0))
    for other in ({"seed": 0}, {"draws": 2}, {"train": 3}):
        outcome = outcome_of(net, root, "draws", **{**asked, **other})
        assert "drawn from seed 0" in outcome.draws[0].how
    assert outcome.paper is CALTECH_101
    assert outcome.differs[0] == "2 classes, not 102"
    assert "not the test of the paper's Table 11, Caltech-101: 2 classes" in outcome_in_words(
        outcome
    )


def test_the_papers_figures_stand_beside_the_same_test_alone(net: Path, tmp_path: Path) -> None:
    outcome = outcome_of(net, caltech(tmp_path), "draws", train=3, draws=1)
    row = replace(outcome.draws[0], train=30)
    words = outcome_in_words(replace(outcome, draws=(row,), differs=()))
    assert "Zeiler & Fergus" in words
    lines = words.splitlines()
    assert next(line for line in lines if line.startswith("D ")).endswith("91.8 +- 1.0")
    assert lines[-1].startswith("ours, relu7 of D, Q = 40")
    assert lines[-1].endswith(f"{row.recall.mean:.1f}")


def test_weights_that_know_the_pictures_are_told_of(net: Path, photos: Callable[..., Path]) -> None:
    made = transfer(net, photos(8, 8), progress=SILENT)
    outcome = outcome_of(made.weights, "photos", "draws", train=3, layer="relu7")
    (line,) = outcome.said
    count = len(made.features.of("train"))
    assert line == f"{count} of the pictures were learnt from, or chosen by, for the weights"


def test_processes_give_the_figures_of_one(
    net: Path, photos: Callable[..., Path], tmp_path: Path
) -> None:
    """The second network is the first one again, which process 0 alone then finds in its cache."""
    again = tmp_path / "again.safetensors"
    again.write_bytes(net.read_bytes())
    words = ["transfer", net, photos(6, 6), "--also", again, "--protocol", "draws", "--train", "3"]
    port = free_port()
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "verydeep", *map(str, words), "--json", "--quiet"],
            env={
                **os.environ, "RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "PYTHONPATH": str(ROOT),
                "XDG_CACHE_HOME": str(tmp_path / f"cache-{rank}"),
            },
            stdout=subprocess.PIPE,
        )
        for rank in range(2)
    ]  # fmt: skip
    said, nothing = (process.communicate(timeout=120)[0] for process in running)
    assert [process.returncode for process in running] == [0, 0]
    assert not nothing
    alone = transfer_protocol([net, again], "photos", "draws", train=3, progress=SILENT)
    both, own = json.loads(said), json.loads(outcome_as_json(alone))
    assert both["draws"] == own["draws"]


# --- PASCAL VOC

CLASSES = ("cat", "cow", "dog")
IDS = {"train": range(16), "val": range(16, 26), "test": range(26, 34)}


def sign(i: int, k: int) -> int:
    """Every fourth picture of none, every fifth difficult for one class."""
    return 0 if i % 5 == 4 and i % 3 == k and i % 4 != k else 1 if i % 4 == k else -1


def voc(root: Path, labelled: tuple[str, ...] = ("train", "val")) -> Path:
    """A folder of VOC's with noise of a class's own colour, a person in a box in each picture."""
    rng = np.random.default_rng(1)
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main", "ImageSets/Action"):
        (root / folder).mkdir(parents=True)
    lists = root / "ImageSets"
    for part, ids in IDS.items():
        (lists / f"Main/{part}.txt").write_text("".join(f"p{i:02}\n" for i in ids))
        (lists / f"Action/{part}.txt").write_text("".join(f"p{i:02}\n" for i in ids))
        for k, name in enumerate(CLASSES):
            if part in labelled:
                signs = {i: sign(i, k) for i in ids}
                main = "".join(f"p{i:02} {y:2}\n" for i, y in signs.items())
                people = "".join(f"p{i:02} 1 {y:2}\n" for i, y in signs.items())
                (lists / f"Main/{name}_{part}.txt").write_text(main)
                (lists / f"Action/{name}_{part}.txt").write_text(people)
    box = "<xmin>11</xmin><ymin>5</ymin><xmax>50</xmax><ymax>44</ymax>"
    text = f"<annotation><object><name>person</name><bndbox>{box}</bndbox></object></annotation>"
    for i in range(34):
        pixels = rng.integers(0, 150, (48, 60, 3))
        pixels[..., i % 4 % 3] += 40 * (i % 4 < 3)
        Image.fromarray(pixels.astype(np.uint8)).save(root / f"JPEGImages/p{i:02}.png")
        (root / f"Annotations/p{i:02}.xml").write_text(text)
    return root


def plain(rows: dict[str, np.ndarray], learn: list[int], of: range, c: float) -> np.ndarray:
    """Decision values of pictures by machines of others, by their numbers."""
    signs = np.array([[sign(i, k) for k in range(3)] for i in learn])
    x, test = (np.array([rows[f"p{i:02}"] for i in ids]) for ids in (learn, of))
    (machines,) = fit(x, signs, [c])
    return np.asarray(machines.classifier.decision(test))


def stems(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {Path(name).stem: row for name, row in found.items()}


def test_with_labels_of_the_test_it_is_learnt_from_trainval_and_c_chosen_on_val(
    net: Path, tmp_path: Path
) -> None:
    data = voc(tmp_path / "VOC2007", ("train", "val", "test"))
    outcome = outcome_of(net, data, "voc2007", results="results")
    (found,) = outcome.rankings
    rows = stems(by_name(net, data / "JPEGImages"))
    expected = plain(rows, [*range(26)], IDS["test"], found.c)
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=1e-5)
    assert outcome.part == "test"
    assert outcome.said[0] == (
        "learnt from train and val (26), C chosen by val, after train alone; tested on test (8)"
    )
    assert found.choice is not None
    assert found.choice.judged_by == "mean average precision"
    first, *_ = Path("results/VOC2007/Main/comp2_cls_test_cow.txt").read_text().splitlines()
    assert first == f"p26 {found.values[0, 1]:.8f}"


def test_without_labels_of_the_test_it_is_val_and_results_are_those_of_the_test(
    net: Path, tmp_path: Path
) -> None:
    data = voc(tmp_path / "VOC2012")
    outcome = outcome_of(net, data, "voc2012", results="results", c=1.0)
    (found,) = outcome.rankings
    rows = stems(by_name(net, data / "JPEGImages"))
    expected = plain(rows, [*range(16)], IDS["val"], 1.0)
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=1e-5)
    assert outcome.said == ("learnt from train (16), C as given; tested on val (10)",)
    assert outcome.differs[-1] == "tested on val, not on test, whose labels are not public"
    handed_in = plain(rows, [*range(26)], IDS["test"], 1.0)
    for k, name in enumerate(CLASSES):
        lines = Path(f"results/VOC2012/Main/comp2_cls_test_{name}.txt").read_text().splitlines()
        assert [line.split()[0] for line in lines] == [f"p{i:02}" for i in IDS["test"]]
        values = [float(line.split()[1]) for line in lines]
        np.testing.assert_allclose(values, handed_in[:, k], rtol=0, atol=1e-5)
    assert len(outcome.files) == 3
    with pytest.raises(UserError, match="cat.txt is there already"):
        outcome_of(net, data, "voc2012", results="results")


def test_people_are_described_by_the_picture_and_by_their_box(net: Path, tmp_path: Path) -> None:
    data = voc(tmp_path / "VOC2012")
    outcome = outcome_of(net, data, "action", results="results", c=1.0)
    whole, both = outcome.rankings
    assert [piece.of for piece in outcome.pieces] == ["picture", "box"]
    for i in range(34):
        image = Image.open(data / f"JPEGImages/p{i:02}.png").crop((10, 4, 50, 44))
        (tmp_path / "crops").mkdir(exist_ok=True)
        image.save(tmp_path / f"crops/p{i:02}.png")
    rows, boxes = (stems(by_name(net, folder)) for folder in (data / "JPEGImages", "crops"))
    stacked = {name: np.concatenate([rows[name], boxes[name]]) / np.sqrt(2) for name in rows}
    learn = [*range(16)]
    np.testing.assert_allclose(whole.values, plain(rows, learn, IDS["val"], 1), atol=1e-4)
    np.testing.assert_allclose(both.values, plain(stacked, learn, IDS["val"], 1), atol=1e-4)
    first, *_ = Path("results/VOC2012/Action/comp10_action_test_dog.txt").read_text().splitlines()
    expected = plain(stacked, [*range(26)], IDS["test"], 1)[0, 2]
    assert first.startswith("p26 1 ")
    assert float(first.split()[2]) == pytest.approx(expected, abs=1e-4)
    words = outcome_in_words(outcome)
    assert "picture and box: AP, area" in words
    assert "11 points" not in words
    said = json.loads(outcome_as_json(outcome))
    assert [one["of"] for one in said["rankings"]] == ["picture", "picture and box"]
    assert said["rankings"][1]["average_precision"]["area"]["classes"].keys() == {*CLASSES}


# --- what cannot be


@pytest.mark.parametrize(
    ("protocol", "asked", "line"),
    [
        (
            "voc2008",
            {},
            "no protocol 'voc2008' of transfer; there are draws, voc2007, voc2012",
        ),
        ("draws", {}, "wants --train N, pictures a class"),
        ("draws", {"train": 6}, "has 6 pictures, and 6 of each are to be drawn to train and one"),
        ("draws", {"train": 0}, "--train 0; expected numbers from 1 on"),
        ("draws", {"train": 2, "draws": 0}, "--draws 0; expected numbers from 1 on"),
        ("draws", {"train": 2, "results": "r"}, "--results is of PASCAL VOC's protocols"),
        ("voc2007", {"train": 3}, "--train is of --protocol draws; voc2007 goes by VOC's own"),
        ("voc2007", {}, "photos is no folder of PASCAL VOC; expected JPEGImages/"),
        ("action", {}, "photos is no folder of PASCAL VOC; expected JPEGImages/"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    protocol: str, asked: dict[str, Any], line: str, net: Path, photos: Callable[..., Path]
) -> None:
    with pytest.raises(UserError, match=line) as refused:
        outcome_of(net, photos(6, 7), protocol, **asked)
    assert "\n" not in str(refused.value)


def test_a_class_without_a_positive_to_learn_from_is_refused_by_name(
    net: Path, tmp_path: Path
) -> None:
    data = voc(tmp_path / "VOC2012")
    (data / "ImageSets/Main/cow_train.txt").write_text("".join(f"p{i:02} -1\n" for i in range(16)))
    with pytest.raises(UserError, match="class 'cow' has no picture of it that counts"):
        outcome_of(net, data, "voc2012")
