"""Datasets: folders are made for each test, and what must be found in them was counted by hand."""

from __future__ import annotations

import os
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from verydeep.datasets import Memory, open_dataset, refuse_too_small, settled
from verydeep.datasets.inspection import inspect, warnings
from verydeep.drawings.outlines import SHAPES
from verydeep.errors import UserError
from verydeep.folders.listing import class_name
from verydeep.packs.writer import pack
from verydeep.parts import entries
from verydeep.parts.entries import natural_key
from verydeep.pictures.reading import SUFFIXES, read_picture

Photos = Callable[..., Path]


def test_a_folder_is_split_by_class(photos: Photos) -> None:
    dataset = open_dataset(photos(10, 5, 2))
    assert dataset.classes == ("arrow", "crescent", "cross")
    assert np.bincount(dataset.validation.labels).tolist() == [2, 1, 1]  # a fifth, at least one
    assert np.bincount(dataset.train.labels).tolist() == [8, 4, 1]
    assert not set(dataset.train.names) & set(dataset.validation.names)
    assert any("20% of each class" in note and "seed 0" in note for note in dataset.notes)


def test_the_split_is_made_from_the_seed(photos: Photos) -> None:
    root = photos(20, 20)
    first, same, other = (open_dataset(root, seed).validation.names for seed in (0, 0, 1))
    assert first == same
    assert first != other


def test_the_seed_of_the_split_is_one_that_a_score_file_may_say(photos: Photos) -> None:
    root = photos(20, 20)
    for where in (str(root), "drawn:50x64"):
        assert len(open_dataset(where, 2**63 - 1).validation)
        for seed in (-1, 2**63, 2**63 + 1):
            with pytest.raises(UserError, match=rf"is {seed}; it must be in \[0, 2\^63\)"):
                open_dataset(where, seed)


def test_another_class_does_not_move_the_split_of_those_before_it(photos: Photos) -> None:
    root = photos(20, 20)
    before = open_dataset(root).validation.names
    photos(0, 0, 9, root="photos/more")
    (root / "more" / "cross").rename(root / "zebra")
    for left in (root / "more").iterdir():
        left.rmdir()
    (root / "more").rmdir()
    assert list(open_dataset(root).validation.names[: len(before)]) == list(before)


@pytest.mark.parametrize("name", ["val", "test", "Validation"])
def test_parts_that_are_there_are_taken(photos: Photos, name: str) -> None:
    photos(4, 3, root="photos/train")
    photos(2, 1, root=f"photos/{name}", first=50)
    dataset = open_dataset("photos")
    assert (len(dataset.train), len(dataset.validation)) == (7, 3)
    assert dataset.made == ()


def test_a_train_folder_alone_is_split(photos: Photos) -> None:
    photos(10, 10, root="photos/train")
    dataset = open_dataset("photos")
    assert (len(dataset.train), len(dataset.validation)) == (16, 4)
    assert "no val/ or test/" in dataset.notes[0]


def test_class_names_are_in_natural_order() -> None:
    names = ["10", "img12", "1", "Img2", "2", "b", "a10", "a9"]
    assert sorted(names, key=natural_key) == ["1", "2", "10", "a9", "a10", "b", "Img2", "img12"]


def test_what_is_no_picture_is_named(photos: Photos) -> None:
    root = photos(3, 3)
    (root / "readme.txt").write_text("hello")
    (root / ".DS_Store").write_text("")
    (root / "arrow" / "._x.png").write_text("")
    (root / "arrow" / "notes.md").write_text("")
    (root / "arrow" / "nothing.png").touch()
    (root / "loose.jpg").write_bytes(b"x")
    (root / "nobody").mkdir()
    dataset = open_dataset(root)
    assert dataset.classes == ("arrow", "crescent")
    notes = "\n".join(dataset.notes)
    for named in (
        "readme.txt", ".DS_Store", "arrow/._x.png", "arrow/notes.md", "arrow/nothing.png",
        "loose.jpg", "nobody/",
    ):  # fmt: skip
        assert named in notes
    assert len(dataset.everything) == 6


def test_pictures_in_folders_of_folders_and_behind_links_are_found(photos: Photos) -> None:
    root = photos(2, 2)
    (root / "arrow" / "more").mkdir()
    (root / "arrow" / "0.png").rename(root / "arrow" / "more" / "0.png")
    (root / "arrow" / "circle").symlink_to(root / "arrow")
    (root / "crescent" / "link.png").symlink_to(root / "crescent" / "0.png")
    dataset = open_dataset(root)
    assert sorted(dataset.everything.names) == [
        "arrow/1.png", "arrow/more/0.png", "crescent/0.png", "crescent/1.png",
    ]  # fmt: skip
    assert any("there already: 1 (crescent/link.png)" in note for note in dataset.notes)
    for i in range(len(dataset.everything)):
        assert read_picture(dataset.everything.source(i)).shape == (64, 64, 3)


def test_the_fingerprint_changes_with_any_picture(photos: Photos) -> None:
    root = photos(3, 3)
    before = open_dataset(root).fingerprint
    assert open_dataset(root).fingerprint == before
    Image.new("RGB", (9, 9)).save(root / "arrow" / "0.png")
    assert open_dataset(root).fingerprint != before


@pytest.mark.parametrize(
    ("counts", "message", "parts"),
    [
        ((5,), "one class folder only in .*: 'arrow'; at least 2 are needed", (4, 1)),
        ((5, 1), "class 'crescent' .* has one picture; at least 2", (4, 2)),
    ],
)
def test_too_little_to_learn_from_can_be_tested_on(
    photos: Photos, counts: tuple[int, ...], message: str, parts: tuple[int, int]
) -> None:
    dataset = open_dataset(photos(*counts))
    assert (len(dataset.train), len(dataset.validation)) == parts
    with pytest.raises(UserError, match=message):
        refuse_too_small(dataset)
    with pytest.raises(UserError, match=message):
        pack(dataset, Path("packed"))


def test_a_folder_of_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(UserError, match="no pictures in"):
        open_dataset(tmp_path / "photos")


def test_an_archive_unpacked_into_a_folder_of_its_own_name_is_pointed_at(
    photos: Photos, tmp_path: Path
) -> None:
    photos(3, 3, root="photos/photos")
    with pytest.raises(UserError, match="one class folder only .* give .*photos/photos$"):
        open_dataset(tmp_path / "photos")


def test_other_mistakes_with_a_folder_are_named(photos: Photos, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no folder .*nowhere"):
        open_dataset(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file"):
        open_dataset(tmp_path / "file")
    (tmp_path / "loose").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "loose" / "x.png")
    with pytest.raises(UserError, match="1 pictures but no class folders"):
        open_dataset(tmp_path / "loose")
    photos(3, 3, root="parts/train")
    photos(0, 2, 2, root="parts/val")
    with pytest.raises(UserError, match=r"classes that .*train has not: cross"):
        open_dataset(tmp_path / "parts")


def test_parts_without_pictures_are_refused_and_with_one_for_training(
    photos: Photos, tmp_path: Path
) -> None:
    photos(3, 3, root="parts/train")
    (tmp_path / "parts" / "val").mkdir()
    with pytest.raises(UserError, match="no pictures in the class folders of .*val"):
        open_dataset(tmp_path / "parts")
    photos(3, 1, root="few/train")
    photos(1, root="few/val")
    few = open_dataset(tmp_path / "few")
    assert (few.train.labels.tolist(), few.validation.labels.tolist()) == ([0, 0, 0, 1], [0])
    with pytest.raises(UserError, match="class 'crescent' .* one picture"):
        refuse_too_small(few)


def test_drawn_pictures_are_balanced_and_boxed() -> None:
    dataset = open_dataset("drawn:50x64", split=3)
    assert dataset.classes == SHAPES
    assert np.bincount(dataset.train.labels).tolist() == [5] * 10
    image = dataset.validation.source(0)
    assert isinstance(image, np.ndarray)
    assert image.shape == (64, 64, 3)
    assert dataset.validation.objects is not None
    found = dataset.validation.objects(3)
    assert found is not None
    assert (found.boxes.shape, found.labels.tolist()) == ((1, 4), [3])


def test_no_drawn_set_trains_on_what_another_tests_on() -> None:
    large, small = open_dataset("drawn:5000x64"), open_dataset("drawn:50x64")
    tested = {name.rpartition("/")[2] for name in small.validation.names}
    assert not tested & {name.rpartition("/")[2] for name in large.train.names}


@pytest.mark.parametrize("where", ["drawn:", "drawn:x", "drawn:5", "drawn:20x", "drawn:20x8x8"])
def test_a_wrong_drawn_set_is_refused(where: str) -> None:
    with pytest.raises(UserError, match="drawn"):
        open_dataset(where)


def test_looking_finds_faults_sizes_and_duplicates(photos: Photos) -> None:
    root = photos(4, 4)
    (root / "arrow" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not all of it")
    Image.open(root / "arrow" / "0.png").save(root / "crescent" / "copy.bmp")
    Image.new("RGB", (30, 20)).save(root / "arrow" / "small.png")
    found = inspect(open_dataset(root))
    assert [sum(found.counts[part]) for part in ("train", "validation")] == [9, 2]
    assert sorted(found.sizes)[0] == (20, 30)
    assert len(found.sizes) == 10
    assert len(found.faults) == 1
    assert "broken.jpg" in found.faults[0]
    (pair,) = found.duplicates
    assert sorted(name.split(" ")[0] for name in pair) == ["arrow/0.png", "crescent/copy.bmp"]


def test_a_duplicate_across_the_split_is_found(photos: Photos) -> None:
    photos(3, 3, root="photos/train")
    photos(1, 1, root="photos/val")  # the same drawings as the first of train
    found = inspect(open_dataset("photos"))
    assert len(found.across) == 2
    assert all(
        "(train)" in " ".join(group) and "(validation)" in " ".join(group) for group in found.across
    )


def test_one_picture_in_two_classes_is_named(photos: Photos) -> None:
    """By its pixels where all are read; by its bytes before a training, which reads none."""
    root = photos(4, 4)
    data = (root / "arrow" / "0.png").read_bytes()
    (root / "crescent" / "copy.png").write_bytes(data)
    (root / "arrow" / "again.png").write_bytes(data)  # of the same class: no contradiction
    Image.open(root / "arrow" / "1.png").save(root / "crescent" / "other.bmp")
    found = inspect(open_dataset(root)).contradictions
    assert [{name.split(" ")[0] for name in group} for group in sorted(found, key=len)] == [
        {"arrow/1.png", "crescent/other.bmp"},
        {"arrow/0.png", "arrow/again.png", "crescent/copy.png"},
    ]
    (line,) = warnings(settled(open_dataset(root), Memory()))
    assert line.startswith("the same file in two classes, so that one label is wrong: 1 (")
    assert "crescent/copy.png" in line
    (root / "crescent" / "copy.png").unlink()
    assert [*warnings(settled(open_dataset(root), Memory()))] == []


@pytest.mark.parametrize(("largest", "bits", "factor"), [(1023, 10, 64), (4095, 12, 16)])
def test_pictures_of_few_bits_of_sixteen_are_named(
    photos: Photos, largest: int, bits: int, factor: int
) -> None:
    """A 12-bit camera's values end at 4095: 65535 / 4095 is 16."""
    root = photos(5, 5)
    values = np.linspace(0, largest, 64).astype(np.uint16).reshape(8, 8)
    for i in range(3):
        Image.fromarray(values).save(root / "arrow" / f"camera{i}.{('png', 'tif')[i % 2]}")
    Image.new("RGB", (8, 8)).save(root / "arrow" / "night.png")  # of 8 bits, and black
    said = f"16 bits that use {bits} of them or fewer.*multiply their values by {factor}"
    (line,) = warnings(open_dataset(root))
    assert re.search(said, line)
    assert [found for _, found in inspect(open_dataset(root)).dark] == [bits] * 3


def test_a_hundred_thousand_names_take_little_memory(tmp_path: Path) -> None:
    """Less than 200 MB for 100,000 files: measured here on 10,000, with a tenth of it."""
    for label in range(10):
        folder = tmp_path / "many" / f"class{label}"
        folder.mkdir(parents=True)
        for i in range(1000):
            (folder / f"picture-with-a-long-name-{i:08}.jpg").write_bytes(b"x")
    tracemalloc.start()
    dataset = open_dataset(tmp_path / "many")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(dataset.everything) == 10_000
    assert peak < 20e6


def test_pictures_in_hidden_folders_are_hidden(photos: Callable[..., Path]) -> None:
    """Thumbnails that a file manager keeps beside the pictures would leak across the split."""
    root = photos(5, 5)
    (root / "arrow" / ".thumbnails").mkdir()
    (root / "arrow" / "0.png").rename(root / "arrow" / ".thumbnails" / "0.png")
    assert len(open_dataset(root).everything) == 9


def test_a_class_may_be_called_train_among_others(photos: Photos) -> None:
    root = photos(4, 4, 4)
    (root / "arrow").rename(root / "train")
    (root / "crescent").rename(root / "val")
    dataset = open_dataset(root)
    assert dataset.classes == ("cross", "train", "val")
    assert dataset.made == ("validation",)


def test_links_to_what_is_above_are_left_out(photos: Photos) -> None:
    """Twelve files stay twelve pictures, however links lead to them."""
    root = photos(6, 6)
    (root / "arrow" / "up").symlink_to("..")
    (root / "self").symlink_to(".")
    (root.parent / "outside").mkdir()
    (root.parent / "outside" / "back").symlink_to(root)
    (root / "crescent" / "around").symlink_to(root.parent / "outside")
    dataset = open_dataset(root)
    assert dataset.classes == ("arrow", "crescent")
    assert np.bincount(dataset.everything.labels).tolist() == [6, 6]
    (note,) = (note for note in dataset.notes if "folder above" in note)
    assert "3 (arrow/up/, crescent/around/back/, self/)" in note


def test_a_picture_of_two_links_is_one_picture_and_goes_by_the_first(photos: Photos) -> None:
    root = photos(2, 2)
    (root.parent / "elsewhere.png").write_bytes((root / "arrow" / "0.png").read_bytes())
    for name in ("b.png", "a.png"):
        (root / "arrow" / name).symlink_to(root.parent / "elsewhere.png")
    (root / "crescent" / "b.png").symlink_to(root.parent / "elsewhere.png")  # of another class
    names = sorted(open_dataset(root).everything.names)
    assert names == [
        "arrow/0.png", "arrow/1.png", "arrow/a.png", "crescent/0.png", "crescent/1.png",
        "crescent/b.png",
    ]  # fmt: skip


def elsewhere(entry: os.DirEntry[str], like: Path) -> Any:
    """An entry as another device would have it, of the same number as that of `like`."""
    status = entry.stat()
    found = Mock(spec=entry, path=entry.path)
    found.name = entry.name
    found.is_dir.return_value, found.is_symlink.return_value = entry.is_dir(), entry.is_symlink()
    found.stat.return_value = os.stat_result(
        (status.st_mode, like.stat().st_ino, status.st_dev + 1, *status[3:])
    )
    return found


def test_files_of_one_number_on_two_devices_are_two(
    photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = photos(3, 3)
    photos(1, root="other")
    (root / "arrow" / "far.png").symlink_to(root.parent / "other" / "arrow" / "0.png")
    listed = entries.entries_of

    def entries_of(folder: Path | str) -> list[Any]:
        like = root / "arrow" / "0.png"
        return [elsewhere(e, like) if e.name == "far.png" else e for e in listed(folder)]

    monkeypatch.setattr("verydeep.parts.entries.entries_of", entries_of)
    found = entries.below(root / "arrow", root)
    assert sorted(name for name, _ in found.files) == ["0.png", "1.png", "2.png", "far.png"]


def test_a_link_that_leads_nowhere_is_called_so(photos: Photos) -> None:
    root = photos(2, 2)
    (root / "arrow" / "gone.png").symlink_to("nowhere.png")
    notes = open_dataset(root).notes
    assert any("links that lead nowhere: 1 (arrow/gone.png)" in note for note in notes)
    assert not any("empty" in note for note in notes)


def test_a_link_that_leads_to_itself_is_one_that_leads_nowhere(photos: Photos) -> None:
    root = photos(2, 2)
    for place in (root, root / "arrow"):
        (place / "loop").symlink_to("loop")
    (root / "arrow" / "loop.png").symlink_to("loop.png")
    dataset = open_dataset(root)
    assert dataset.classes == ("arrow", "crescent")
    assert len(dataset.everything) == 4
    (note,) = (note for note in dataset.notes if "lead nowhere" in note)
    assert "links that lead nowhere: 2 (arrow/loop, arrow/loop.png)" in note


COMPOSED, DECOMPOSED = "Caf\u00e9", "Cafe\u0301"
"""One name in Unicode's two forms, NFC and NFD, by UAX 15."""


def test_a_class_is_called_the_same_whatever_the_locale() -> None:
    """The bytes of e with an acute in UTF-8, as Python has them where names are read as ASCII."""
    assert class_name("Caf\udcc3\udca9") == class_name("Caf\xe9") == "Caf\xe9"


def test_a_name_in_two_forms_is_one_class(photos: Photos) -> None:
    for part, form in (("train", COMPOSED), ("val", DECOMPOSED)):
        photos(3, 3, root=f"photos/{part}")
        Path("photos", part, "arrow").rename(Path("photos", part, form))
    dataset = open_dataset("photos")
    assert dataset.classes == (COMPOSED, "crescent")
    assert np.bincount(dataset.validation.labels).tolist() == [3, 3]
    assert dataset.validation.names[0] == f"{COMPOSED}/0.png"
    assert read_picture(dataset.validation.source(0)).shape == (64, 64, 3)
    pack(dataset, Path("packed"))
    assert open_dataset("packed").validation.names[0] == f"{COMPOSED}/0.png.jpg"


def test_a_name_in_both_forms_in_one_folder_is_refused(photos: Photos) -> None:
    root = photos(3, 3)
    (root / "arrow").rename(root / COMPOSED)
    (root / "crescent").rename(root / DECOMPOSED)
    with pytest.raises(UserError, match=rf"class '{COMPOSED}' twice.*NFC and NFD"):
        open_dataset(root)


def test_pictures_of_other_formats_are_named_by_them(
    photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where what decodes HEIC and AVIF is not installed; they are pictures where it is."""
    monkeypatch.setattr(entries, "SUFFIXES", SUFFIXES - {".heic", ".avif"})
    root = photos(2, 2)
    for name in ("a.heic", "b.HEIC", "c.avif", "d.jxl"):
        (root / "arrow" / name).write_bytes(b"x")
    notes = "\n".join(open_dataset(root).notes)
    assert (
        ".heic files, which are not read (pip install 'verydeep[heic]' to have them read, or "
        "convert them to JPEG or PNG): 2 (" in notes
    )
    assert ".avif files, which are not read (a Pillow with AVIF reads them, or convert" in notes
    assert ".jxl files, which are not read (convert them to JPEG or PNG): 1 (" in notes
    Path("phone/arrow").mkdir(parents=True)
    Path("phone/arrow/a.heic").write_bytes(b"x")
    with pytest.raises(UserError, match="no pictures in phone: 1 .heic files, which are not read"):
        open_dataset("phone")


def test_photographs_of_phones_make_classes() -> None:
    for name in ("cat/a.HEIC", "cat/b.heic", "dog/a.heif", "dog/b.avif"):
        Path("phone", name).parent.mkdir(parents=True, exist_ok=True)
        image = pillow_heif.from_bytes("RGB", (16, 16), bytes(768))
        Image.new("RGB", (16, 16)).save(f"phone/{name}") if "avif" in name else image.save(
            f"phone/{name}"
        )
    dataset = open_dataset("phone")
    assert (len(dataset.train), len(dataset.validation)) == (2, 2)
    assert inspect(dataset).faults == []


def test_netpbm_makes_classes(photos: Photos) -> None:
    root = photos(2, 2)
    for path in [*root.rglob("*.png")]:
        Image.open(path).save(path.with_suffix(".ppm"))
        path.unlink()
    dataset = open_dataset(root)
    assert dataset.classes == ("arrow", "crescent")
    assert inspect(dataset).faults == []


@pytest.mark.parametrize("name", ["@eaDir", "__MACOSX", ".thumbnails"])
def test_what_devices_and_archives_put_there_is_no_class(photos: Photos, name: str) -> None:
    root = photos(4, 4)
    (root / name).mkdir()
    (root / "arrow" / name).mkdir()
    for folder in (root, root / "arrow"):
        (folder / name / "x.png").write_bytes((root / "arrow" / "0.png").read_bytes())
    dataset = open_dataset(root)
    assert dataset.classes == ("arrow", "crescent")
    assert len(dataset.train) + len(dataset.validation) == 8
    assert any("hidden: 2" in note for note in dataset.notes)


@pytest.mark.parametrize("where", ["drawn:100000000000x48", "drawn:100x100000", "drawn:100x31"])
def test_drawn_sets_beyond_reason_are_refused(where: str) -> None:
    with pytest.raises(UserError, match="at most 10,000,000 of 32 to 4,096 pixels a side"):
        open_dataset(where)
