"""What `look` says of boxes and points; each fault was put into pictures of 40 x 30 by hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import real_pictures
from verydeep.commands import main as command_line
from verydeep.datasets import Dataset, Part, open_dataset
from verydeep.datasets.box_faults import Marked, marked
from verydeep.datasets.inspection import inspect
from verydeep.parts.annotations import Objects, Points
from verydeep.pictures.windows import Window

SIZE = (30, 40)


def told_of(*boxes: Sequence[float], label: int = 0, difficult: bool = False) -> Objects:
    rows = np.array(boxes, float).reshape(-1, 4)
    return Objects(rows, np.full(len(rows), label), np.full(len(rows), difficult))


def dataset_of(objects: Sequence[Objects | None]) -> Dataset:
    """Pictures 0, 1 ... of class 0, each with these objects."""
    names = [str(i) for i in range(len(objects))]
    part = Part(names, np.zeros(len(names), int), lambda i: "", lambda i: objects[i])
    return Dataset("data", "made", ("a", "b"), {"train": part}, (), (), "0" * 16)


def found_in(*objects: Objects | None) -> Marked:
    """What is told of these objects."""
    dataset = dataset_of(objects)
    found = marked(dataset, {("train", i): SIZE for i in range(len(objects))})
    assert found is not None
    return found


def test_boxes_within_their_pictures_have_no_faults() -> None:
    """A whole pixel beyond is no fault: boxes of rescaled pictures were rounded."""
    found = found_in(told_of((0, 0, 40, 30), (-1, -1, 41, 31)), told_of((39.5, 29.5, 40, 30)))
    assert [*found.lines] == ["boxes: 3 in 2 pictures"]


FAULTS: dict[str, list[tuple[float, float, float, float]]] = {
    "boxes outside of their pictures": [(40, 0, 50, 30), (0, -9, 40, 0), (-5, 35, -1, 40)],
    "boxes that reach beyond their pictures": [(0, 0, 41.5, 30), (-1.5, 0, 4, 4), (9, 9, 12, 32)],
    "boxes that end before they begin": [(9, 2, 3, 8), (3, 8, 9, 2)],
    "boxes without area": [(3, 2, 3, 8), (3, 8, 9, 8)],
}


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_is_counted_once_with_the_first_and_what_to_do(kind: str) -> None:
    found = found_in(told_of((1, 2, 3, 4)), *(told_of(box) for box in FAULTS[kind]))
    count, first = len(FAULTS[kind]), " ".join(f"{side:g}" for side in FAULTS[kind][0])
    head, line = found.lines
    assert head == f"boxes: {count + 1} in {count + 1} pictures"
    assert line.startswith(f"{kind}: {count} (the first: 1: {first} in 40 x 30 pixels); ")
    assert len(line.partition("); ")[2]) > 10


def test_boxes_of_other_classes_and_pictures_without_any_are_told() -> None:
    """What is difficult is not tested, whatever it is of."""
    box, none = (1, 2, 3, 4), told_of()
    found = found_in(
        told_of(box), told_of(box, label=1), told_of(box, label=1, difficult=True), none, None
    )
    head, other, without = found.lines
    assert head == "boxes: 3 in 3 pictures"
    assert other.startswith("boxes of another class than the picture's: 1 (the first: 1: 1 2 3 4 ")
    assert without.startswith("pictures without boxes: 2 (the first: 3); ")


@pytest.mark.parametrize(
    ("shift", "doubt"),
    [
        (((0, 0, 0, 0),), None),
        (((1, 1, 0, 0),), "boxes look 1-based: none begins at 0, and 6 of 8 at 1; if they are, "),
        (((1, 1, 1, 1),), "boxes look 1-based: none begins at 0, and 6 of 8 at 1; if they are, "),
        (((1, 1, 1, 1), (0, 0, 0, 0)), "boxes look 1-based: 6 of 9 end 1 beyond the picture; "),
        (((-1, -1, 0, 0),), "boxes look 0-based where they should count from 1: 6 of 8 begin at "),
    ],
)
def test_boxes_that_do_not_count_from_0_look_so(
    shift: Sequence[Sequence[int]], doubt: str | None
) -> None:
    """Eight boxes from 0, of which six touch the left edge and others the right one, moved.

    One box that stays where it was is enough for a beginning at 0.
    """
    edges = [(0, 3, 40, 9)] * 4 + [(0, 5, 9, 9)] * 2 + [(7, 5, 40, 9)] * 2
    moved = [np.add(box, shift[0]).tolist() for box in edges]
    moved += [[0, 0, 3, 3]] * (len(shift) - 1)
    found = found_in(*(told_of(box) for box in moved))
    assert [line.startswith(doubt or "-") for line in found.doubts] == [True] * bool(doubt)


def test_points_outside_of_pictures_are_told() -> None:
    points = [np.array([[0, 0], [40, 30.0]]), np.array([[40.5, 3], [-1, 2], [3, 31]]), None]

    def told(i: int) -> Points | None:
        places = points[i]
        return None if places is None else Points(places, np.zeros(len(places), int))

    part = Part(["0", "1", "2"], np.zeros(3, int), lambda i: "", points=told)
    dataset = Dataset("data", "made", ("a",), {"train": part}, (), (), "0" * 16)
    found = marked(dataset, {("train", i): SIZE for i in range(3)})
    assert found is not None
    head, astray, without = found.lines
    assert head == "points: 5 in 2 pictures"
    assert astray.startswith("points outside of their pictures: 3 (the first: 1: 40.5 3 in 40 x ")
    assert without.startswith("pictures without points: 1 (the first: 2); ")


def test_data_without_boxes_has_none_to_look_at() -> None:
    part = Part(["0"], np.zeros(1, int), lambda i: "")
    dataset = Dataset("data", "made", ("a",), {"train": part}, (), (), "0" * 16)
    assert marked(dataset, {("train", 0): SIZE}) is None


def test_boxes_are_held_against_the_original_however_pictures_are_kept() -> None:
    """Kept at a half: 40 x 30 of 80 x 60, in which the box lies."""
    kept = Window((60, 80), (30, 40), (0.5, 0.5))
    part = Part(
        ["0"], np.zeros(1, int), lambda i: np.zeros((30, 40, 3), np.uint8),
        lambda i: told_of((0, 0, 80, 60)), windows=lambda i: kept,
    )  # fmt: skip
    dataset = Dataset("data", "made", ("a",), {"train": part}, (), (), "0" * 16)
    found = inspect(dataset, threads=1)
    assert found.marked is not None
    assert [*found.marked.lines] == ["boxes: 1 in 1 pictures"]
    assert found.sizes == [(30, 40)]


# --- the command


@pytest.fixture
def look(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs `verydeep look` with these words: exit code, stdout and stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["verydeep", "look", *words])
        with pytest.raises(SystemExit) as leaving:
            command_line.main()
        out, err = capsys.readouterr()
        return int(leaving.value.code or 0), out, err

    return run


def table_of(rows: Sequence[str], heading: str = "file,class,xmin,ymin,xmax,ymax") -> str:
    """A table beside four pictures of 40 x 30, light and dark, in images/."""
    Path("data/images").mkdir(parents=True)
    for i in range(4):
        shade = 255 * (i % 2)
        Image.new("RGB", (40, 30), (shade, shade, shade)).save(f"data/images/{i}.png")
    Path("data/boxes.csv").write_text("\n".join([heading, *rows]))
    return "data/boxes.csv"


Look = Callable[..., tuple[int, str, str]]


def test_looking_counts_boxes_and_names_what_is_wrong_with_them(look: Look) -> None:
    rows = ["0,cat,1,2,9,9", "1,cat,50,2,60,9", "2,dog,5,5,5,9", "3,dog,,,,", "2,dog,1,1,9,50"]
    code, out, _ = look(table_of(rows), "--sheet", "sheet.png")
    assert code == 0
    for line in (
        "boxes: 4 in 3 pictures",
        "boxes outside of their pictures: 1 (the first: cat/images/1.png: 50 2 60 9 in 40 x 30 ",
        "boxes that reach beyond their pictures: 1 (the first: dog/images/2.png: 1 1 9 50 in ",
        "boxes without area: 1 (the first: dog/images/2.png: 5 5 5 9 in 40 x 30 pixels); give",
        "pictures without boxes: 1 (the first: dog/images/3.png); ",
    ):
        assert line in out
    said = json.loads(look("data/boxes.csv", "--sheet", "other.png", "--json")[1])["marked"]
    assert (said["what"], said["count"], said["pictures"], said["doubts"]) == ("boxes", 4, 3, [])
    assert {kind: of["count"] for kind, of in said["faults"].items()} == {
        "boxes outside of their pictures": 1, "boxes that reach beyond their pictures": 1,
        "boxes without area": 1, "pictures without boxes": 1,
    }  # fmt: skip


def test_looking_at_pictures_of_several_classes_shows_a_row_for_each(look: Look) -> None:
    rows = [f"{i},{part},{k},{k},{k + 9},{k + 9}" for i in range(4) for k, part in enumerate("ab")]
    code, out, _ = look(table_of(rows), "--sheet", "sheet.png")
    assert code == 0
    assert "read with several classes a picture, for with one: data/boxes.csv has no pict" in out
    assert "boxes: 8 in 4 pictures" in out
    assert Path("sheet.png").is_file()


def test_a_wrong_table_is_one_line_for_who_looks(look: Look) -> None:
    path = table_of(["0,cat,1,2,9,x", "1,cat,9,2,6,9", "2,dog,5,5,5,9"])
    code, out, err = look(path)
    assert (code, out) == (2, "")
    assert "no four numbers: 1 (the first: line 2, images/0.png); whose box ends before" in err
    assert err.count("\n") <= 2  # that names are read, and the mistake
    Path(path).write_text("file,class,split\n0,cat,train\n1,dog,train\n2,emu,val\n")
    code, _, err = look(path)  # no picture is of several classes
    assert code == 2
    assert "has classes that" in err


def test_real_boxes_have_no_faults() -> None:
    """Those of ILSVRC beside pictures of a side of 224, and of raccoons of 256."""
    for name, count in (("imagenette_loc224", 813), ("VOCdevkit/raccoon", 217)):
        found = inspect(open_dataset(real_pictures(name))).marked
        assert found is not None
        assert [line.partition(" in ")[0] for line in found.lines] == [f"boxes: {count}"]
