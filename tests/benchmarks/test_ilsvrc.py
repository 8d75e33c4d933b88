"""ILSVRC-2012: small trees of every layout, with labels and boxes worked out by hand.

The thousand classes and the 50,000 labels are checked list against list: three that were made
independently must tell the same. `lists/`, where it is there, holds them.
"""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from tests.conftest import TWO_CORES, objects, real_pictures
from verydeep.benchmarks import ilsvrc
from verydeep.benchmarks.ilsvrc import (
    WORDS,
    class_names,
    devkit_order,
    find_list,
)
from verydeep.benchmarks.ilsvrc_lists import (
    boxes_table,
    devkit_ids,
    devkit_places,
    ground_truth,
    labels_table,
    solution,
    xml_boxes,
)
from verydeep.datasets import open_dataset
from verydeep.errors import UserError
from verydeep.pictures.reading import read_picture
from verydeep.verbs.evaluate import evaluate
from verydeep.verbs.train import train

TRUTH = "ILSVRC2012_validation_ground_truth.txt"
DEVKIT = "ILSVRC2012_devkit_t12/data"
TENCH, SHARK, HEN = "n01440764", "n01484850", "n01514859"
IDS = f"1 {HEN}\n2 {TENCH}\n3 {SHARK}\n"
"""A development kit of three classes, in an order of its own."""
SOLUTION = f"""ImageId,PredictionString
ILSVRC2012_val_00000002,{HEN} 1 2 30 20 {HEN} 0 0 5.5 6
ILSVRC2012_val_00000001,{TENCH} 3 4 10 11
ILSVRC2012_val_00000003,{SHARK} 0 0 39 29
"""
XML = """<annotation><size><width>{}</width><height>{}</height><depth>3</depth></size>
<object><name>x</name><bndbox><xmin>10</xmin><ymin>20</ymin><xmax>30</xmax><ymax>60</ymax></bndbox>
</object></annotation>"""


def write(path: Path | str, text: str) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def picture(path: Path | str, shade: int = 0) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), (shade, shade, shade)).save(path, "JPEG")


def flat(folder: str, *numbers: int) -> None:
    for number in numbers:
        picture(f"{folder}/ILSVRC2012_val_{number:08}.JPEG", 50 * number)


def in_folders(folder: str, *counts: int) -> None:
    for wnid, count in zip((TENCH, SHARK, HEN), counts, strict=False):
        for i in range(count):
            picture(f"{folder}/{wnid}/{wnid}_{i + 9}.JPEG", 80 * (TENCH, SHARK, HEN).index(wnid))


@pytest.mark.parametrize("val", ["data/val", "data/ILSVRC/Data/CLS-LOC/val", "data"])
@pytest.mark.parametrize(
    "lists", ["data", f"data/{DEVKIT}", ".", DEVKIT, "data/val"], ids=lambda lists: f"in {lists}"
)
def test_labels_of_the_development_kit_are_in_its_own_order(val: str, lists: str) -> None:
    if val == "data" and lists != "data":
        lists = "."  # a root of pictures alone is known by a list in it or beside it
    flat(val, 1, 2, 3, 4)
    write(f"{lists}/{TRUTH}", "2\n1\n3\n1\n")
    write(f"{lists}/devkit_id_to_wnid.txt", IDS)
    if lists == "data/val" != val:
        with pytest.raises(UserError, match="no labels for the validation pictures of data"):
            open_dataset("data")
        return
    dataset = open_dataset("data")
    assert dataset.kind == "ilsvrc"
    assert dataset.classes == (TENCH, SHARK, HEN)
    assert dataset.validation.labels.tolist() == [0, 2, 1, 2]
    assert len(dataset.train) == 0
    assert [Path(name).stem[-1] for name in dataset.validation.names] == ["1", "2", "3", "4"]
    assert read_picture(dataset.validation.source(2))[0, 0, 0] == 150


UNSORTED = f"{SHARK} great white shark\n{TENCH} tench, Tinca tinca\n{HEN} hen\n"
"""Not in sorted order, in which Caffe counts classes whatever order a list of words has."""
BESIDE_FLAT = {
    "TensorFlow's": {
        "imagenet_2012_validation_synset_labels.txt": f"{TENCH}\n{HEN}\n{SHARK}\n{HEN}\n"},
    "Caffe's": {
        "val.txt": "".join(f"ILSVRC2012_val_{i:08}.JPEG {k}\n" for i, k in ((1, 0), (4, 2), (2, 2),
                                                                            (3, 1))),
        "synset_words.txt": UNSORTED},
}  # fmt: skip


@pytest.mark.parametrize("val", ["data/val", "data"])
@pytest.mark.parametrize("whose", BESIDE_FLAT)
def test_lists_of_other_programs_label_flat_pictures(whose: str, val: str) -> None:
    flat(val, 1, 2, 3, 4)
    for name, text in BESIDE_FLAT[whose].items():
        write(f"data/{name}", text)
    dataset = open_dataset("data")
    assert dataset.kind == "ilsvrc"
    assert dataset.classes == (TENCH, SHARK, HEN)
    assert dataset.validation.labels.tolist() == [0, 2, 1, 2]


@pytest.mark.parametrize("line", ["ILSVRC2012_val_00000001.JPEG 1", "x.JPEG 3", "x.JPEG", "x y"])
def test_a_wrong_line_of_caffes_list_is_named(line: str) -> None:
    """A picture twice, a number beyond the three classes, and none at all."""
    flat("data/val", 1)
    write("data/val.txt", f"ILSVRC2012_val_00000001.JPEG 0\n{line}\n")
    write("data/synset_words.txt", UNSORTED)
    with pytest.raises(UserError, match="line 2 of data/val.txt is .*a number from 0 to 2"):
        open_dataset("data")


def test_caffes_numbers_without_names_of_classes_are_refused_with_what_to_put_there() -> None:
    flat("data/val", 1)
    write("data/val.txt", "ILSVRC2012_val_00000001.JPEG 0\n")
    with pytest.raises(UserError, match=r"or val.txt with synset_words.txt, into that folder"):
        open_dataset("data")


def test_kaggle_gives_labels_and_boxes() -> None:
    in_folders("kaggle/ILSVRC/Data/CLS-LOC/train", 3, 2, 1)
    flat("kaggle/ILSVRC/Data/CLS-LOC/val", 1, 2, 3)
    write("kaggle/LOC_val_solution.csv", SOLUTION)
    write("kaggle/LOC_synset_mapping.txt", f"{TENCH} tench, Tinca tinca\n")
    for root in ("kaggle", "kaggle/ILSVRC"):
        dataset = open_dataset(root)
        assert dataset.classes == (TENCH, SHARK, HEN)
        assert dataset.train.labels.tolist() == [0, 0, 0, 1, 1, 2]
        assert list(dataset.train.names[:2]) == [f"{TENCH}/{TENCH}_{i}.JPEG" for i in (9, 10)]
        assert dataset.validation.labels.tolist() == [0, 2, 1]
        found = objects(dataset.validation, 1)
        assert found.boxes.tolist() == [[1, 2, 31, 21], [0, 0, 6.5, 7]]
        assert found.labels.tolist() == [2, 2]
        assert not found.difficult.any()
        assert dataset.train.objects is None
        assert dataset.made == ()
        assert any("LOC_synset_mapping.txt" in note for note in dataset.notes)
        assert read_picture(dataset.train.source(3))[0, 0, 0] == 80


def test_boxes_to_train_on_are_those_of_kaggles_list_of_them() -> None:
    """Of the third shark's two pictures one has two boxes, the other none."""
    in_folders("data/train", 1, 3)
    flat("data/val", 1, 2, 3)
    write("data/LOC_val_solution.csv", SOLUTION)
    lines = f"{SHARK}_11,{SHARK} 1 2 3 4 {SHARK} 5 6 39 29 \nn09999999_1,n09999999 1 1 2 2\n"
    write(
        "data/LOC_train_solution.csv", f"ImageId,PredictionString\n{lines}{TENCH}_9,{TENCH} 0 0 9 9"
    )
    part = open_dataset("data").train
    assert part.objects is not None
    assert [name.rpartition("/")[2] for name in part.names] == [
        f"{TENCH}_9.JPEG", f"{SHARK}_9.JPEG", f"{SHARK}_10.JPEG", f"{SHARK}_11.JPEG",
    ]  # fmt: skip
    assert [part.objects(i) is None for i in range(4)] == [False, True, True, False]
    assert objects(part, 0).boxes.tolist() == [[0, 0, 10, 10]]
    assert objects(part, 3).boxes.tolist() == [[1, 2, 4, 5], [5, 6, 40, 30]]
    assert objects(part, 3).labels.tolist() == [1, 1]
    write("data/LOC_train_solution.csv", f"ImageId,PredictionString\n{SHARK}_9,{HEN} 0 0 9 9\n")
    part = open_dataset("data").train
    assert part.objects is not None
    with pytest.raises(UserError, match=f"line 2 .* expected the class of its folder, {SHARK}"):
        part.objects(0)


def test_xml_files_tell_the_boxes_of_pictures_to_train_on_that_were_made_smaller() -> None:
    """Of 40 x 30 pixels, where the files say 80 x 60; the list is of pictures as they were."""
    in_folders("data/train", 2, 0)
    flat("data/val", 1, 2, 3)
    write("data/LOC_val_solution.csv", SOLUTION)
    line = f"{TENCH}_9,{TENCH} 10 20 30 60\n"
    write("data/LOC_train_solution.csv", f"ImageId,PredictionString\n{line}")
    for size, expected in (((80, 60), [5, 10, 15.5, 30.5]), ((40, 30), [10, 20, 31, 61])):
        write(f"data/bbox/train/{TENCH}/{TENCH}_9.xml", XML.format(*size))
        assert objects(open_dataset("data").train, 0).boxes.tolist() == [expected]
    listed, xml = "boxes of data/LOC_train_solution.csv", "boxes of data/bbox/train/*/*.xml"
    assert listed in open_dataset("data").notes
    Path("data/LOC_train_solution.csv").unlink()
    assert xml in open_dataset("data").notes


def test_a_choice_of_validation_pictures_beside_its_own_list_is_split_here() -> None:
    """Only where the list is of these and no others, and there are two of each class."""
    rows = [f"ILSVRC2012_val_{i:08},{(HEN, TENCH)[i % 2]} 0 0 {i} 9\n" for i in range(1, 11)]
    flat("data", *range(1, 11))
    write("data/LOC_val_solution.csv", "ImageId,PredictionString\n" + "".join(rows))
    dataset = open_dataset("data", 3)
    assert (dataset.kind, dataset.classes, dataset.made) == (
        "ilsvrc", (TENCH, HEN), ("validation",),
    )  # fmt: skip
    assert {role: len(part) for role, part in dataset.parts.items()} == {
        "train": 8, "validation": 2,
    }  # fmt: skip
    whole = dataset.everything
    for i, name in enumerate(whole.names):
        number = int(Path(name).stem[-2:])
        assert objects(whole, i).boxes.tolist() == [[0, 0, number + 1, 10]]
        assert dataset.classes[whole.labels[i]] == (HEN, TENCH)[number % 2]
    seeds = {tuple(open_dataset("data", seed).validation.names) for seed in range(5)}
    assert len(seeds) > 1
    for wnid, there in ((HEN, False), (SHARK, True)):  # one that is not there; a class of one
        flat("data", *([11] if there else []))
        more = f"ILSVRC2012_val_00000011,{wnid} 0 0 1 1\n"
        write("data/LOC_val_solution.csv", "ImageId,PredictionString\n" + "".join([*rows, more]))
        counts = {role: len(part) for role, part in open_dataset("data").parts.items()}
        assert counts == {"train": 0, "validation": 10 + there}


def test_tables_of_labels_and_boxes_are_read_packed_too() -> None:
    flat("val", 1, 2)
    table = f"image,class_index,wnid\nILSVRC2012_val_00000001,7,{SHARK}\n"
    table += f"ILSVRC2012_val_00000002,9,{TENCH}\n"
    Path("ilsvrc2012_val_labels.csv.gz").write_bytes(gzip.compress(table.encode()))
    write("ilsvrc2012_val_boxes.csv", "image,xmin,ymin,xmax,ymax\nILSVRC2012_val_00000001,1,2,3,4")
    dataset = open_dataset(".")
    assert dataset.validation.labels.tolist() == [1, 0]
    assert dataset.validation.objects is not None
    assert objects(dataset.validation, 0).boxes.tolist() == [[1, 2, 4, 5]]
    assert dataset.validation.objects(1) is None
    assert any("1 pictures have none" in note for note in dataset.notes)


def test_class_folders_are_labels() -> None:
    in_folders("data/val", 2, 0, 1)
    write("data/val/valprep.sh", "mv")
    dataset = open_dataset("data")
    assert dataset.kind == "ilsvrc"
    assert dataset.classes == (TENCH, HEN)
    assert dataset.validation.labels.tolist() == [0, 0, 1]
    assert any("valprep.sh" in note for note in dataset.notes)


def test_class_folders_need_no_list_that_cannot_be_read() -> None:
    in_folders("data/val", 2, 1)
    in_folders("data/train", 2, 1)
    write(f"data/{DEVKIT}/{TRUTH}", "1\n")
    write(f"data/{DEVKIT}/meta.mat", "no list")
    assert open_dataset("data").kind == "ilsvrc"
    assert devkit_order(Path("data")) is None
    write(f"data/{DEVKIT}/devkit_id_to_wnid.txt", IDS)
    order = devkit_order(Path("data"))
    assert order is not None
    assert order.tolist() == [1, 2, 0]


def test_pictures_sorted_into_wrong_folders_are_refused() -> None:
    picture(f"data/val/{TENCH}/ILSVRC2012_val_00000001.JPEG")
    picture(f"data/val/{SHARK}/ILSVRC2012_val_00000002.JPEG")
    assert len(open_dataset("data").validation) == 2
    write("data/LOC_val_solution.csv", SOLUTION)
    with pytest.raises(UserError, match=rf"1 of 2 pictures .*{SHARK}/.*02.JPEG, which is of {HEN}"):
        open_dataset("data")


@pytest.mark.parametrize(
    ("pictures", "others", "expected"),
    [
        (["train/cat/1.jpg", "val/cat/1.jpg"], [], False),
        (["cat/1.jpg", "dog/1.jpg"], ["LOC_val_solution.csv"], False),
        (["cat/1.jpg", "val/1.jpg"], [], False),
        ([f"{TENCH}/1.JPEG", f"{HEN}/1.JPEG"], ["synset_words.txt"], False),
        ([f"train/{TENCH}/1.JPEG"], [], False),
        ([f"train/{TENCH}/1.JPEG", f"val/{TENCH}/1.JPEG"], [], False),
        ([f"train/{TENCH}/1.JPEG", f"val/{TENCH}/1.JPEG"], ["synset_words.txt"], True),
        ([f"train/{TENCH}/1.JPEG", f"val/{TENCH}/1.JPEG"], [f"{DEVKIT}/meta.mat"], True),
        ([f"val/{TENCH}/1.JPEG"], [], True),
        (["val/ILSVRC2012_val_00000001.JPEG"], [], True),
        (["ILSVRC2012_val_00000001.JPEG"], [], False),
        (["ILSVRC2012_val_00000001.JPEG"], ["LOC_val_solution.csv"], True),
        ([f"Data/CLS-LOC/train/{TENCH}/1.JPEG"], [], True),
    ],
)
def test_it_is_known_by_what_is_there(
    pictures: list[str], others: list[str], expected: bool
) -> None:
    for name in pictures:
        picture(f"data/{name}")
    for name in others:
        write(f"data/{name}", "")
    assert ilsvrc.is_here(Path("data")) == expected
    assert not ilsvrc.is_here(Path("nowhere"))


def test_some_of_the_validation_pictures_are_enough() -> None:
    flat("val", 2)
    write("LOC_val_solution.csv", SOLUTION)
    dataset = open_dataset(".")
    assert dataset.classes == (TENCH, SHARK, HEN)
    assert dataset.validation.labels.tolist() == [2]
    (note,) = (note for note in dataset.notes if "not there" in note)
    assert "2 pictures (ILSVRC2012_val_00000001, ILSVRC2012_val_00000003)" in note


def test_a_picture_without_a_label_is_refused() -> None:
    flat("val", 1, 4, 5)
    write("LOC_val_solution.csv", SOLUTION)
    with pytest.raises(UserError, match=r"2 of 3 pictures .* no label .* the first .*00000004"):
        open_dataset(".")


def test_what_is_missing_is_asked_for() -> None:
    flat("data/val", 1)
    with pytest.raises(UserError, match=r"no labels .*; put LOC_val_solution.csv, or"):
        open_dataset("data")
    write(f"data/{TRUTH}", "2\n")
    with pytest.raises(UserError, match="own ids, .*; put meta.mat or devkit_id_to_wnid.txt"):
        open_dataset("data")
    picture(f"kaggle/ILSVRC/Data/CLS-LOC/train/{TENCH}/1.JPEG")
    with pytest.raises(UserError, match="no validation pictures in kaggle; expected"):
        open_dataset("kaggle")
    Path("empty/val").mkdir(parents=True)
    Path("empty/val/ILSVRC2012_val_00000001.JPEG").touch()
    with pytest.raises(UserError, match="no pictures in empty/val, or empty files"):
        open_dataset("empty")


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (class_names, f"{TENCH} tench\ngoldfish\n", "line 2 of .*list is 'goldfish'; expected"),
        (class_names, f"{TENCH} tench\n{TENCH} hen", "line 2 .*not named before"),
        (class_names, "", "list is empty"),
        (devkit_ids, f"1 {TENCH}\nx {HEN}", "line 2 .*expected an id and a wnid"),
        (devkit_ids, f"1 {TENCH}\n2 {TENCH}", "line 2 .*not named before"),
        (solution, "a,b\n", "expected the header 'ImageId,PredictionString'"),
        (solution, f"{SOLUTION}x,{TENCH} 1 2 3\n", "line 5 .*expected NAME,wnid"),
        (solution, f"{SOLUTION}x,{TENCH} 1 2 3 nan\n", "line 5"),
        (solution, f"{SOLUTION}x,{TENCH} 1 2 3 4 {HEN} 1 2 3 4\n", "line 5"),
        (solution, f"{SOLUTION}x,\n", "line 5"),
        (solution, SOLUTION + SOLUTION.splitlines()[1], "line 5 .*names once only"),
        (labels_table, "image,label\na,b", "expected the columns image,wnid"),
        (labels_table, "image,wnid\na,b", "line 2 .*expected a picture"),
        (labels_table, f"image,wnid\na,{TENCH},", "expected 2 fields"),
        (boxes_table, "image,xmin,ymin,xmax,ymax\na,1,2,3,inf", "line 2 .*four numbers"),
        (boxes_table, "image,xmin,ymin,xmax,ymax\na,1,2,3,1e300", "line 2 .*four numbers"),
        (lambda path: ground_truth(path, {1: TENCH}), "1\n2\n", "line 2 .*one of the 1 ids"),
        (lambda path: ground_truth(path, {1: TENCH}), "1\n\n1", "line 2 .* is ''; expected"),
    ],
)
def test_a_mistake_in_a_list_is_named(read: Callable[[Path], Any], text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        read(write("list", text))
    assert "\n" not in str(error.value)


def test_a_list_that_is_damaged_is_named() -> None:
    Path("cut.gz").write_bytes(gzip.compress(IDS.encode())[:-9])
    for path in (Path("cut.gz"), Path("nowhere"), write("latin", "")):
        if path.name == "latin":
            path.write_bytes(b"\xff\xfe")
        with pytest.raises(UserError, match=f"cannot read {path}: "):
            devkit_ids(path)


def test_meta_mat_gives_the_classes_without_children() -> None:
    """Written by scipy, as MATLAB would: compressed or not, 1860 x 1 in the development kit."""
    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
    rows = [(1, HEN, "hen", 0), (2, TENCH, "tench", 0), (3, SHARK, "shark", 0)]
    rows.append((1001, "n00001740", "entity", 3))
    for compressed in (False, True):
        synsets = np.array(rows, dtype=kinds)[:, None]
        savemat("meta.mat", {"synsets": synsets}, do_compression=compressed)
        assert devkit_ids(Path("meta.mat")) == devkit_ids(write("ids", IDS))


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        (None, "is no MATLAB file of level 5"),
        ({"rows": [1]}, "has no wnid for each id"),
        ({"synsets": [1, 2]}, "has no wnid for each id"),
        ({"synsets": {"ILSVRC2012_ID": 1, "WNID": "dog", "num_children": 0}}, "has no wnid for"),
        ({"synsets": {"ILSVRC2012_ID": "", "WNID": HEN, "num_children": [0, 0]}}, "has no wnid"),
    ],
)
def test_another_mat_file_is_refused_in_a_line(variables: dict[str, Any] | None, why: str) -> None:
    if variables is None:
        write("other.mat", "x" * 200)
    else:
        savemat("other.mat", variables)
    with pytest.raises(UserError, match=f"other.mat .*{why}"):
        devkit_ids(Path("other.mat"))


@pytest.mark.parametrize("folder", ["bbox", "Annotations/CLS-LOC"])
def test_boxes_in_xml_are_read_when_asked_for_in_the_pictures_own_pixels(folder: str) -> None:
    in_folders("data/train", 2, 1)
    flat("data/val", 1, 2, 3)
    write(f"data/{TRUTH}", "2\n1\n3\n")
    write("data/devkit_id_to_wnid.txt", IDS)
    write(f"data/{folder}/val/ILSVRC2012_val_00000001.xml", XML.format(40, 30))
    write(f"data/{folder}/val/ILSVRC2012_val_00000002.xml", XML.format(80, 60))
    write(f"data/{folder}/train/{TENCH}/{TENCH}_10.xml", XML.format(40, 30))
    empty = "<annotation><size><width>40</width><height>30</height></size></annotation>"
    write(f"data/{folder}/train/{TENCH}/{TENCH}_9.xml", empty)  # does not tell where the tench is
    dataset = open_dataset("data")
    assert objects(dataset.validation, 0).boxes.tolist() == [[10, 20, 31, 61]]
    assert objects(dataset.validation, 1).boxes.tolist() == [[5, 10, 15.5, 30.5]]  # it is 40 x 30
    assert objects(dataset.validation, 1).labels.tolist() == [2]  # the kit's first is the hen
    assert dataset.validation.objects is not None
    assert dataset.validation.objects(2) is None
    assert dataset.train.objects is not None
    assert [dataset.train.objects(i) is None for i in range(3)] == [True, False, True]
    assert any("1 pictures have none" in note for note in dataset.notes)
    write(f"data/{folder}/val/ILSVRC2012_val_00000001.xml", "<annotation>")
    with pytest.raises(UserError, match=r"00001.xml are not as in PASCAL VOC"):
        objects(open_dataset("data").validation, 0)


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY b "c">]>' + XML.format(4, 3),
        (XML.format(4, 3) + " " * 2**20),
        XML.format(4, 3).encode("utf-16").decode("latin-1"),
        XML.format(0, 3),
        XML.format("wide", 3),
        XML.format(4, 3).replace("<xmax>30</xmax>", ""),
        XML.format(4, 3).replace("30", "nan"),
        '<?xml version="1.0" encoding="no-such"?>' + XML.format(4, 3),
        "<annotation/>",
        "",
    ],
    ids=range(10),
)
def test_xml_that_is_not_of_boxes_is_refused(text: str) -> None:
    Path("x.xml").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match="boxes in x.xml are not") as error:
        xml_boxes(Path("x.xml"))
    assert "\n" not in str(error.value)


def test_the_fingerprint_changes_with_a_label_and_a_size() -> None:
    flat("val", 1, 2)
    write("LOC_val_solution.csv", SOLUTION)
    first = open_dataset(".").fingerprint
    assert open_dataset(".").fingerprint == first
    swapped = SOLUTION.replace("00000001", "x").replace("00000002", "00000001")
    write("LOC_val_solution.csv", swapped.replace("x", "00000002"))
    second = open_dataset(".").fingerprint
    Image.new("RGB", (90, 90)).save("val/ILSVRC2012_val_00000001.JPEG", quality=10)
    assert len({first, second, open_dataset(".").fingerprint}) == 3


def test_a_network_is_trained_on_it_and_tested_on_the_validation_set_alone() -> None:
    in_folders("data/train", 4, 4, 4)
    flat("data/val", 1, 2, 3)
    write("data/LOC_val_solution.csv", SOLUTION)
    small: dict[str, Any] = {
        "net": "A",
        "width": 0.125,
        "crop": 32,
        "scale": 32,
        "batch": 4,
        "epochs": 1,
    }
    run = train("data", "run", runtime=TWO_CORES, **small)
    assert run.network.classes == (TENCH, SHARK, HEN)
    flat("only/val", 1, 2)
    write("only/LOC_val_solution.csv", SOLUTION)
    tested = evaluate("run", "only", runtime=TWO_CORES)
    assert tested.scores.labels.tolist() == [0, 2]
    with pytest.raises(UserError, match="no pictures to train on"):
        train("only", "other", runtime=TWO_CORES, **small)


def test_ten_thousand_names_take_little_memory() -> None:
    """Half a GB for all 1.28 million, at the peak."""
    for label in range(10):
        folder = Path(f"data/train/n{label:08}")
        folder.mkdir(parents=True)
        for i in range(1000):
            (folder / f"n{label:08}_{i}.JPEG").write_bytes(b"x")
    in_folders("data/val", 1)
    write("data/synset_words.txt", f"{TENCH} tench")
    tracemalloc.start()
    dataset = open_dataset("data")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert dataset.kind == "ilsvrc"
    assert len(dataset.train) == 10_000
    assert peak < 4e6


def test_three_lists_of_50_000_labels_agree() -> None:
    lists = real_pictures("lists")
    ids = devkit_ids(lists / "devkit_id_to_wnid.txt")
    truth = ground_truth(lists / TRUTH, ids)
    assert len(truth) == 50_000
    assert truth == labels_table(lists / "ilsvrc2012_val_labels.csv.gz")
    words = class_names(lists / "synset_words.txt")
    assert sorted(ids.values()) == list(words)  # the thousand, in sorted order
    assert len(set(words.values())) < 1000  # two classes are called "crane"
    assert sorted(devkit_places(ids).tolist()) == list(range(1000))
    assert ids[1] == "n02119789"
    assert list(words)[devkit_places(ids).tolist().index(0)] == "n02119789"
    assert set(boxes_table(lists / "ilsvrc2012_val_boxes.csv.gz")) == set(truth)


def test_boxes_of_the_whole_list_end_where_their_pictures_do_and_no_later() -> None:
    """The list names the last pixel inside: none is beyond the last of the picture, many are it."""
    lists = real_pictures("lists")
    text = gzip.decompress((lists / "ilsvrc2012_val_labels.csv.gz").read_bytes()).decode()
    rows = (line.split(",") for line in text.split()[1:])
    sizes = {name: (int(width), int(height)) for name, _, _, width, height in rows}
    boxes = boxes_table(lists / "ilsvrc2012_val_boxes.csv.gz")
    ends = np.concatenate([boxes[name][:, 2:] - sizes[name] for name in boxes])
    starts = np.concatenate([found[:, :2] for found in boxes.values()])
    assert (ends.max(), starts.min()) == (0, 0)
    assert ((ends == 0).mean(0) > 0.05).all()
    assert ((starts == 0).mean(0) > 0.05).all()


def test_two_hundred_pictures_have_the_thousand_classes_of_the_lists() -> None:
    lists = real_pictures("lists")
    for name in (TRUTH, "devkit_id_to_wnid.txt", "synset_words.txt"):
        Path(name).symlink_to(lists / name)
    Path("val").mkdir()
    for number in range(1, 201):
        Path(f"val/ILSVRC2012_val_{number:08}.JPEG").write_bytes(b"x")
    dataset = ilsvrc.open(Path())
    assert len(dataset.classes) == 1000
    assert dataset.validation.labels[:3].tolist() == [
        65,
        970,
        230,
    ]  # as in ilsvrc2012_val_labels.csv
    words = find_list(Path(), *WORDS)
    assert words is not None
    assert class_names(words)[dataset.classes[65]].startswith("sea snake")
    order = devkit_order(Path())
    assert order is not None
    assert order[65] == 489  # of which the first line of the ground truth says 490, from 1


def test_real_pictures_and_boxes_agree_with_the_whole_list() -> None:
    lists, root = real_pictures("lists"), real_pictures("imagenette_loc224")
    dataset = open_dataset(root)
    assert dataset.kind == "ilsvrc"
    labels = labels_table(lists / "ilsvrc2012_val_labels.csv.gz")
    boxes = boxes_table(lists / "ilsvrc2012_val_boxes.csv.gz")
    text = gzip.decompress((lists / "ilsvrc2012_val_labels.csv.gz").read_bytes()).decode()
    rows = (line.split(",") for line in text.split()[1:])
    sizes = {name: (int(width), int(height)) for name, _, _, width, height in rows}
    whole = dataset.everything
    assert (len(dataset.classes), len(whole), dataset.made) == (10, 500, ("validation",))
    for i, name in enumerate(whole.names):
        stem = Path(name).stem
        assert dataset.classes[whole.labels[i]] == labels[stem]
        height, width, _ = read_picture(whole.source(i)).shape
        scale = np.tile([width / sizes[stem][0], height / sizes[stem][1]], 2)
        expected = np.array(sorted((boxes[stem] * scale).tolist()))
        found = np.array(sorted(objects(whole, i).boxes.tolist()))  # the lists' orders differ
        np.testing.assert_allclose(found, expected, atol=1)


def test_real_pictures_of_every_class_are_found_in_their_folders() -> None:
    root = real_pictures("ilsvrc_samples224")
    for source in sorted(root.glob("*.jpg")):
        wnid = source.name[:9]
        target = Path("data/val") / wnid / f"{wnid}_1.JPEG"
        target.parent.mkdir(parents=True)
        target.symlink_to(source)
    dataset = open_dataset("data")
    assert dataset.validation.labels.tolist() == list(range(1000))
    assert read_picture(dataset.validation.source(999)).ndim == 3
