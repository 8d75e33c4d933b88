"""Lists of class names in the forms that trainers write.

Files are written by what writes them there: json, csv, Python's codecs, torch.save; the order of a
folder is torchvision's ImageFolder's.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests import theirs
from tests.commands.test_commands import Run
from tests.commands.test_commands import verydeep as verydeep  # a fixture
from tests.commands.test_weights_command import known, theirs_saved
from verydeep import load
from verydeep.errors import UserError
from verydeep.importers import state_dict
from verydeep.importers.class_list import classes_in

pytestmark = pytest.mark.usefixtures("foreign_files_read_here")

NAMES = ["cat", "dög", "a 320", "東京\u3000駅", "10", "tench, Tinca", "n1"]
NUMBERED = list(enumerate(NAMES))
BACKWARDS = NUMBERED[::-1]


def text(lines: list[str], encoding: str = "utf-8") -> Callable[[Path], object]:
    return lambda path: path.write_text("\r\n".join(lines) + "\r\n", encoding=encoding, newline="")


def as_json(said: Any) -> Callable[[Path], object]:
    return lambda path: path.write_text(json.dumps(said))


def as_csv(rows: list[Any], delimiter: str = ",") -> Callable[[Path], object]:
    def write(path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter=delimiter).writerows(rows)

    return write


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("plain.txt", text(NAMES)),
        ("bom.txt", text(NAMES, "utf-8-sig")),
        ("utf16.txt", text(NAMES, "utf-16")),
        ("big_endian.txt", text(["\ufeff" + NAMES[0], *NAMES[1:]], "utf-16-be")),
        ("before.txt", text([f"{i} {name}" for i, name in BACKWARDS])),
        ("colon.txt", text([f"{i}: {name}" for i, name in NUMBERED])),
        ("tab.txt", text([f"{i}\t{name}" for i, name in NUMBERED])),
        ("after.txt", text([f"{name} {i}" for i, name in BACKWARDS])),
        ("class_to_idx.json", as_json({name: i for i, name in BACKWARDS})),
        ("idx_to_class.json", as_json({str(i): name for i, name in BACKWARDS})),
        ("list.json", as_json(NAMES)),
        ("one.csv", as_csv([[name] for name in NAMES])),
        ("one_titled.csv", as_csv([["class"], *([name] for name in NAMES)])),
        ("two.csv", as_csv(BACKWARDS)),
        ("two_titled.csv", as_csv([("index", "name"), *BACKWARDS])),
        ("turned.csv", as_csv([("name", "label"), *((name, i) for i, name in BACKWARDS)])),
        ("semicolon.csv", as_csv(NUMBERED, ";")),
    ],
)
def test_a_list_is_read_in_each_form_that_trainers_write(
    name: str, write: Callable[[Path], object]
) -> None:
    write(Path(name))
    assert classes_in(Path(name)) == NAMES


def test_names_that_end_in_numbers_are_whole_names() -> None:
    cars = ["Audi A4 2012", "Audi A6 2011", "BMW 1 2012"]
    text(cars)(Path("cars.txt"))
    assert classes_in(Path("cars.txt")) == cars
    for same in (["class 0", "class 1"], ["class 1", "class 2"]):
        text(same)(Path("same.txt"))
        assert classes_in(Path("same.txt")) == same
    text(["0", "1", "10", "11", "2"])(Path("numbers.txt"))
    assert classes_in(Path("numbers.txt")) == ["0", "1", "10", "11", "2"]


@pytest.mark.parametrize("lines", [["dog 2", "cat 1", "ant 3"], ["1 cat", "2 dog", "3 ant"]])
def test_numbers_from_one_are_refused_before_names_and_after(lines: list[str]) -> None:
    text(lines)(Path("one.txt"))
    with pytest.raises(UserError, match="it holds 3 names and none numbered 0"):
        classes_in(Path("one.txt"))


def test_wnids_keep_their_first_word_whatever_stands_between() -> None:
    text(["n01440764\ttench, Tinca tinca", "n01443537\tgoldfish"])(Path("tabs.txt"))
    assert classes_in(Path("tabs.txt")) == ["n01440764 tench", "n01443537 goldfish"]


def test_a_folders_classes_are_in_image_folders_order() -> None:
    names = ["0", "1", "2", "10", "11", "b", "B", "é", "Z a"]
    for name in names:
        Path("data", name).mkdir(parents=True)
        Path("data", name, "0.png").touch()
    Path("data/list.txt").touch()
    found = pytest.importorskip("torchvision").datasets.ImageFolder("data").classes
    assert classes_in(Path("data")) == found != names
    Path("data/.ipynb_checkpoints").mkdir()
    assert classes_in(Path("data")) == found


def test_the_parts_of_a_split_are_no_classes() -> None:
    for part in ("train", "val"):
        for name in ("cat", "dog"):
            Path("data", part, name).mkdir(parents=True)
            Path("data", part, name, "0.png").touch()
    with pytest.raises(UserError, match="of a split and no classes: data/train, data/val; give"):
        classes_in(Path("data"))
    assert classes_in(Path("data/train")) == ["cat", "dog"]


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ([("cat", "dog")], "it holds two columns without numbers"),
        ([(0, 0), (1, 1)], 'two columns of numbers, and no line "index,name" over them'),
        ([(0, "cat", "x")], "it holds rows of 3 columns"),
        ([(0, "cat"), (1,)], "it holds rows of 1 and 2 columns"),
        ([(0, "cat"), (2, "dog")], "it holds 2 names and none numbered 1"),
        ([], "it holds rows of no columns"),
        ([["x" * 200_000]], "it holds a CSV that is none"),
    ],
)
def test_an_odd_csv_is_refused_by_what_it_holds(rows: list[Any], line: str) -> None:
    as_csv(rows)(Path("x.csv"))
    with pytest.raises(UserError, match=f"^x.csv is no list of class names: .*{line}"):
        classes_in(Path("x.csv"))


def test_a_csv_of_numbers_under_titles_is_read_by_them() -> None:
    as_csv([("name", "index"), ("0", 0), ("10", 1), ("1", 2)])(Path("x.csv"))
    assert classes_in(Path("x.csv")) == ["0", "10", "1"]


# --- beside the weights

SEVEN = ["0", "1", "10", "11", "2", "3", "4"]


def saved(**beside: Any) -> str:
    torch.save({"state_dict": theirs.network("A").state_dict(), **beside}, "w.pth")
    return "w.pth"


@pytest.mark.parametrize(
    "beside",
    [
        {"class_to_idx": {name: i for i, name in enumerate(SEVEN)}},
        {"classes": SEVEN},
        {"class_names": tuple(SEVEN)},
        {"idx_to_class": dict(enumerate(SEVEN))},
        {"classes": 7, "class_names": SEVEN},
    ],
)
def test_class_names_in_a_checkpoint_are_taken_and_said(beside: dict[str, Any]) -> None:
    found = state_dict.read(saved(**beside))
    assert found.classes == tuple(SEVEN)
    (note,) = (note for note in found.notes if "class names" in note)
    assert note.removeprefix("class names are those of its '").removesuffix("'") in beside


@pytest.mark.parametrize(
    ("beside", "line"),
    [
        ({"class_to_idx": {"a": 1, "b": 2}}, "its 'class_to_idx' holds 2 names and none numbered"),
        ({"classes": [0, 1]}, "its 'classes' holds a name that is none"),
        ({"classes": ["a\x1b[2J", "b"]}, "its 'classes' holds a class name with a control charact"),
        ({"classes": 7}, None),
        ({"classes": torch.zeros(7)}, None),
    ],
)
def test_what_is_no_list_of_names_in_a_checkpoint_is_passed_over(
    beside: dict[str, Any], line: str | None
) -> None:
    found = state_dict.read(saved(**beside))
    assert found.classes is None
    assert [note for note in found.notes if line and note.startswith(line)] == list(found.notes)
    assert bool(found.notes) == bool(line)


def test_a_list_that_is_given_stands_before_the_checkpoints(verydeep: Run) -> None:
    path = saved(class_to_idx={name: i for i, name in enumerate(SEVEN)})
    said = verydeep("weights", "import", path, "--out", "a.st")
    assert "note: class names are those of its 'class_to_idx'\n" in said.out
    assert "classes have no names" not in said.out
    assert load("a.st").classes == tuple(SEVEN)
    Path("names.txt").write_text("\n".join("abcdefg"))
    verydeep("weights", "import", path, "--out", "b.st", "--classes", "names.txt")
    assert load("b.st").classes == tuple("abcdefg")


# --- the development kit's order

WNIDS = [f"n{10_000_000 + i}" for i in range(7)]
KIT = WNIDS[5:] + WNIDS[:5]


def test_wnids_that_are_not_sorted_are_told(verydeep: Run) -> None:
    text([f"{wnid} {i} name" for i, wnid in enumerate(KIT, 1)])(Path("map_clsloc.txt"))
    path = theirs_saved()
    said = verydeep("weights", "import", path, "--out", "a.st", "--classes", "map_clsloc.txt")
    assert (
        "note: map_clsloc.txt names classes by wnids that are not sorted, n10000006 before "
        "n10000000; where the net was trained on sorted wnids, all would be misnamed\n"
    ) in said.out
    text([f"{wnid} name" for wnid in WNIDS])(Path("sorted.txt"))
    said = verydeep("weights", "import", path, "--out", "a.st", "--classes", "sorted.txt")
    assert "not sorted" not in said.out


def test_wnids_that_are_not_sorted_are_refused_for_a_published_net(
    verydeep: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    text([f"{wnid} {i} name" for i, wnid in enumerate(KIT, 1)])(Path("map_clsloc.txt"))
    path = theirs_saved()
    known(path, monkeypatch)
    said = verydeep("weights", "import", path, "--out", "a.st", "--classes", "map_clsloc.txt")
    assert said.mistake.endswith(
        "n10000006 before n10000000; those of vgg.pth are, and a list in the development kit's "
        "order would misname them: give synset_words.txt"
    )
    assert not Path("a.st").exists()
