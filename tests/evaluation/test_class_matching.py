"""Classes of nets and folders that are nothing but numbers.

Which index is which folder's is asked of torchvision's own ImageFolder; the nets answer by their
pictures' shades, so that each error is known before. Rates of false alarms are counted over all
orders of few classes, and over simulated networks of twelve.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.commands.test_commands import Run
from tests.commands.test_commands import verydeep as verydeep  # a fixture
from tests.conftest import TWO_CORES
from tests.verbs.test_evaluate import PIXELS, reading_shades
from verydeep import weights
from verydeep.commands.evaluate import answer
from verydeep.datasets import Dataset, Part
from verydeep.errors import UserError
from verydeep.evaluation.class_matching import other_orders, relabelled
from verydeep.evaluation.class_order import BY_NUMBER, Numbering, doubts, refuse_other_order
from verydeep.exporters import state_dict as state_dict_exporter
from verydeep.nets.network import build
from verydeep.parts.annotations import Labels
from verydeep.verbs.evaluate import evaluate
from verydeep.weights.file import WeightsInfo, read_info

pytestmark = pytest.mark.usefixtures("foreign_files_read_here")

IMPORTED = {"imported": {"file": "net.pth", "family": "torchvision"}}
"""What an import without names says, now and in earlier versions."""
TWELVE = [str(k) for k in range(12)]


def pictures(names: Sequence[str], root: str = "data") -> Path:
    """A folder for each name, of one picture whose every value is ten times its place here."""
    for k, name in enumerate(names):
        path = Path(root) / name / "0.png"
        path.parent.mkdir(parents=True)
        Image.new("RGB", (40, 40), (10 * k,) * 3).save(path)
    return Path(root)


def of_image_folder(root: Path, names: Sequence[str]) -> list[int]:
    """The index of each name as torchvision numbers the folders."""
    datasets = pytest.importorskip("torchvision").datasets
    found = datasets.ImageFolder(root).class_to_idx
    return [found[name] for name in names]


def bare_pth(answers: Sequence[int]) -> None:
    """net.pth, a state dict and nothing beside it."""
    state_dict_exporter.write(reading_shades(answers), "net.pth", "torchvision")
    torch.save(dict(torch.load("net.pth", weights_only=True)), "net.pth")


SHADES = ("--pixels", "0-255 std 10")


def test_a_net_of_image_folders_order_is_refused_until_its_folder_is_given(verydeep: Run) -> None:
    data = pictures(TWELVE)
    bare_pth(of_image_folder(data, TWELVE))
    imported = "weights", "import", "net.pth", *SHADES, "--out"
    assert "classes have no names, and are numbered 0 to 11" in verydeep(*imported, "o.st").out
    with pytest.raises(UserError) as refused:
        evaluate("o.st", "data", "centre", TWO_CORES, part_name="all")
    assert str(refused.value) == (
        "top-1 error is 83.33 %, but 0.00 % with the classes in the order of "
        "ImageFolder, by their letters: the network's classes have no names; import it again with "
        "--classes and the folder that it was trained on, or a list"
    )
    assert not list(Path().rglob("scores/*.safetensors"))
    said = verydeep(*imported, "o.st", "--overwrite", "--classes", "data")
    assert "note: classes are the folders of data as ImageFolder sorts them: 0, 1, 10, ..." in (
        said.out
    )
    assert evaluate("o.st", "data", "centre", TWO_CORES, part_name="all").top1 == 0
    said = verydeep("predict", "o.st", "data/10/0.png", "--top", "1")
    assert said.out.startswith("data/10/0.png  10 ")
    assert "no names" not in said.err


def test_a_net_of_the_numbers_own_order_is_tested_and_said_to_be_a_guess(verydeep: Run) -> None:
    pictures(TWELVE)
    bare_pth(range(12))
    verydeep("weights", "import", "net.pth", *SHADES, "--out", "o.st")
    said = verydeep("evaluate", "o.st", "data", "--part", "all", "--protocol", "centre")
    assert said.code == 0
    assert "top-1 error 0.0 %" in said.out
    guess = "the network's classes have no names: they are matched by number, which is a guess"
    assert guess in said.err
    said = verydeep("predict", "o.st", "data/10/0.png", "--top", "1")
    assert "each is called by the number of its score, from 0" in said.err


def test_weights_of_earlier_versions_are_known_to_have_no_names() -> None:
    data = pictures(TWELVE)
    weights.save(reading_shades(of_image_folder(data, TWELVE)), "old.safetensors", IMPORTED)
    with pytest.raises(UserError, match="but 0.00 % with the classes in the order of ImageFolder"):
        evaluate("old.safetensors", data, "centre", TWO_CORES, part_name="all")


def test_a_net_that_was_trained_here_on_folders_of_numbers_knows_their_names() -> None:
    data = pictures(TWELVE)
    weights.save(reading_shades(range(12)), "ours.safetensors")
    assert not read_info("ours.safetensors").is_unnamed
    tested = evaluate("ours.safetensors", data, "centre", TWO_CORES, part_name="all")
    assert tested.top1 == 0


def test_an_order_that_chance_may_explain_is_told_and_not_refused() -> None:
    data = pictures(["9", "10", "11"])
    answers = of_image_folder(data, ["9", "10", "11"])
    assert answers == [2, 0, 1]
    weights.save(reading_shades(answers), "few.safetensors", IMPORTED)
    tested = evaluate("few.safetensors", data, "centre", TWO_CORES, part_name="all")
    assert tested.top1 == 100
    assert (
        "warning: top-1 error is 100.00 %, but 0.00 % with the classes in the order of "
        "ImageFolder, by their letters, which may be by chance: the network's classes have no names"
    ) in answer(tested)


def dataset(*names: str) -> Dataset:
    none, one = (
        Part([f"{i}" for i in range(n)], np.arange(n), lambda i: b"") for n in (0, len(names))
    )
    return Dataset("data", "folder", names, {"train": none, "validation": one}, (), (), "print")


def unnamed(count: int) -> WeightsInfo:
    return WeightsInfo({}, [str(k) for k in range(count)], {}, IMPORTED)


def places(data: Dataset, info: WeightsInfo) -> list[int]:
    return list(relabelled(data.validation, data, info).labels.tolist())


@pytest.mark.parametrize("names", [TWELVE, [str(k) for k in range(1, 13)], ["7", "30", "200"]])
def test_as_many_numbers_as_classes_are_tried_in_both_orders(names: list[str]) -> None:
    """ImageFolder's comes from it, the numbers' own from the order in which they are written."""
    data, info = dataset(*names), unnamed(len(names))
    assert places(data, info) == list(range(len(names)))
    (other,) = other_orders(data, info)
    assert other.places.tolist() == of_image_folder(pictures(names), names)


def test_fewer_numbers_than_classes_are_places_in_all_of_them() -> None:
    """Two folders of a net of twelve; by hand from ImageFolder's 0, 1, 10, 11, 2 ... 9."""
    info = unnamed(12)
    assert places(dataset("2", "10"), info) == [2, 10]
    orders = {each.name: each.places[[2, 10]].tolist() for each in other_orders(
        dataset("2", "10"), info)}  # fmt: skip
    assert orders == {
        "the order of ImageFolder, by their letters, from 0": [4, 2],
        "the order of numbers from 1": [1, 9],
        "the order of ImageFolder, by their letters, from 1": [4, 1],  # 1, 10, 11, 12, 2
    }
    assert places(dataset("12"), info) == [11]
    with pytest.raises(UserError, match="a class '13' that the network does not know; the net"):
        places(dataset("13"), info)


@pytest.mark.parametrize("names", [["00", "01", "02", "10"], ["0", "1", "2", "3"]])
def test_where_both_orders_are_one_nothing_is_doubted(names: list[str]) -> None:
    assert places(dataset(*names), unnamed(4)) == [0, 1, 2, 3]
    assert not other_orders(dataset(*names), unnamed(4))


def test_padded_numbers_are_sorted_alike_by_letters() -> None:
    found = other_orders(dataset("002", "010"), unnamed(12))
    assert {each.name for each in found} == {"the order of numbers from 1"}


@pytest.mark.parametrize("names", [["cat", "dog"], ["0", "dog"], ["1", "01"], ["-1", "0"], ["²"]])
def test_names_that_are_no_numbers_are_not_matched_to_a_net_without_names(names: list[str]) -> None:
    with pytest.raises(UserError, match="import it again with --classes and the folder"):
        places(dataset(*names), unnamed(2))


def test_names_that_were_given_are_matched_by_name_numbers_too() -> None:
    given = {"imported": {**IMPORTED["imported"], "given": ["classes"]}}
    info = WeightsInfo({}, TWELVE, {}, given)
    assert not info.is_unnamed
    assert places(dataset("2", "10"), info) == [2, 10]
    assert not other_orders(dataset("2", "10"), info)


def test_scores_of_nameless_classes_are_not_taken_over_for_folders_of_their_numbers() -> None:
    source = build("A", 12, width=0.125, crop=32, fc=16, pixels=PIXELS)
    target = build("A", TWELVE, width=0.125, crop=32, fc=16, pixels=PIXELS)
    for provenance, taken in ((IMPORTED, False), ({}, True)):
        weights.save(source, "w.safetensors", provenance)
        layers, _ = weights.start_from(target, "w.safetensors")
        assert ("fc8" in layers) == taken


# --- how often it is wrong

LETTERS = np.array([0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 2, 3])
"""ImageFolder's place for each of 0 to 11, as torchvision says above."""


def refused(predictions: Labels, labels: Labels, order: Labels) -> bool:
    try:
        refuse_other_order(predictions, labels, [Numbering("it", order, "name", BY_NUMBER)])
    except UserError:
        return True
    return False


def test_letters_are_as_torchvision_sorts_them() -> None:
    assert of_image_folder(pictures(TWELVE), TWELVE) == LETTERS.tolist()


@pytest.mark.parametrize("share", [0.94, 0.6, 0.35])
def test_a_net_of_twelve_classes_in_the_other_order_is_found(share: float) -> None:
    labels = np.repeat(np.arange(12), 20)
    for seed in range(100):
        rng = np.random.default_rng(seed)
        anything = rng.integers(0, 12, len(labels))
        right = rng.random(len(labels)) < share
        assert refused(np.where(right, LETTERS[labels], anything), labels, LETTERS)
        assert not refused(np.where(right, labels, anything), labels, LETTERS)


@pytest.mark.parametrize("classes", [5, 7])
def test_no_more_orders_are_refused_than_is_said_of_all_there_are(classes: int) -> None:
    """Each order of the answers is as likely; one in 5,040 is the other itself."""
    labels = np.arange(classes)
    order = np.roll(labels, 1)
    found = [refused(np.array(p), labels, order) for p in permutations(range(classes))]
    assert sum(found) == (classes == 7)
    assert np.mean(found) <= BY_NUMBER


@pytest.mark.parametrize("outputs", [1, 5, 12])
def test_a_net_that_learnt_nothing_is_refused_less_than_once_in_a_thousand(outputs: int) -> None:
    """It answers each class with one of few, or each picture with anything."""
    labels = np.repeat(np.arange(12), 10)
    count = 0
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        answer = rng.choice(12, outputs, replace=False)[rng.integers(0, outputs, 12)]
        anything = rng.integers(0, 12, len(labels))
        count += refused(answer[labels], labels, LETTERS) + refused(anything, labels, LETTERS)
    assert count / 2000 < BY_NUMBER


def test_classes_that_both_orders_number_alike_speak_for_neither() -> None:
    """Of a hundred classes an order moves only seven in a ring, or two; by hand."""
    labels = np.arange(100)
    for moved, expected in ((7, True), (1, False)):
        order = labels.copy()
        order[:moved] = np.roll(labels[:moved], 1)
        answers = order.copy()
        answers[90:] = 0
        assert refused(answers, labels, order) == expected
        bad = labels.copy()
        bad[:moved] = 50
        assert not refused(bad, labels, order)
    assert not list(doubts(labels, labels, [Numbering("it", order, "name", BY_NUMBER)]))
