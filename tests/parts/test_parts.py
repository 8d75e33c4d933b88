"""What chose the weights is no test, and what was learnt is not tested on.

Which picture is which is known here by the bytes of its file, compared one by one; the split that
earlier versions drew was printed by the last of them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copyfile, copytree
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import TWO_CORES, drawn_photos, objects
from verydeep import weights
from verydeep.commands.train_answer import as_json, in_words
from verydeep.datasets import Memory, Part, open_dataset, settled
from verydeep.errors import UserError
from verydeep.folders import folder
from verydeep.nets.network import build
from verydeep.packs.writer import pack
from verydeep.parts.dataset import marks
from verydeep.parts.seen import PIECE, key_of
from verydeep.parts.splitting import with_test
from verydeep.pictures.reading import Source
from verydeep.report.page import write_page
from verydeep.report.protocols import _wherever
from verydeep.verbs.compare import compared
from verydeep.verbs.evaluate import evaluate
from verydeep.verbs.parts import to_test
from verydeep.verbs.run import Run
from verydeep.verbs.train import resume, train
from verydeep.weights.file import read_info, read_memory

Photos = Callable[..., Path]

SMALL: dict[str, Any] = {
    "net": "A", "width": 0.125, "crop": 32, "scale": 32, "fc": 16, "batch": 8, "epochs": 1,
}  # fmt: skip
OLD_TEST = [
    "arrow/2.png", "arrow/3.png", "crescent/6.png", "crescent/9.png", "cross/2.png", "cross/3.png",
]  # fmt: skip
"""What the version before set aside of three classes of ten pictures, by seed 3."""


def files(folder: str, **counts: int) -> Path:
    """Files that go by names of pictures, each with bytes of its own: nobody reads them here."""
    for name, count in counts.items():
        place = Path(folder) / name
        place.mkdir(parents=True)
        for i in range(count):
            (place / f"{i}.jpg").write_text(f"{folder} {name} {i}")
    return Path(folder)


def sizes(folder: Path) -> dict[str, int]:
    return {role: len(part) for role, part in open_dataset(folder).parts.items()}


def content(source: Source) -> bytes:
    return source if isinstance(source, bytes) else Path(str(source)).read_bytes()


def contents(part: Part) -> set[bytes]:
    return {content(part.source(i)) for i in range(len(part))}


# --- parts by role


def test_many_pictures_are_split_into_three_parts_and_fewer_into_two() -> None:
    assert sizes(files("many", a=500, b=500)) == {"train": 800, "validation": 100, "test": 100}
    assert sizes(files("few", a=500, b=499)) == {"train": 799, "validation": 200}
    assert sizes(files("uneven", a=901, b=99)) == {"train": 800, "validation": 200}


def test_what_is_set_aside_does_not_hang_on_the_number_of_parts() -> None:
    """The version before set these aside of one part of 200; of them it named the first eight."""
    dataset = open_dataset(files("many", c0=500, c1=500))
    held_out = {*dataset.validation.names, *dataset.parts["test"].names}
    assert len(held_out) == 200
    assert {f"c0/{i}.jpg" for i in (1, 6, 10, 13, 17, 18, 23, 36)} <= held_out


@pytest.mark.parametrize("word", ["val", "valid", "Validation"])
def test_each_part_that_is_there_is_used_for_what_it_is_for(word: str) -> None:
    for part, count in (("train", 9), (word, 5), ("test", 3)):
        files(f"photos/{part}", a=count, b=1)
    dataset = open_dataset("photos")
    assert sizes(Path("photos")) == {"train": 10, "validation": 6, "test": 4}
    assert content(dataset.parts["test"].source(0)) == b"photos/test a 0"
    assert dataset.made == ()


def test_a_test_folder_stays_a_test_where_a_part_to_choose_by_can_be_made_of_train() -> None:
    files("photos/train", a=500, b=500)
    files("photos/test", a=3, b=2)
    dataset = open_dataset("photos")
    assert sizes(Path("photos")) == {"train": 900, "validation": 100, "test": 5}
    assert dataset.made == ("validation",)
    assert all(name in dataset.parts["test"].names for name in ("a/2.jpg", "b/1.jpg"))


def test_a_test_folder_that_must_choose_the_weights_is_called_validation() -> None:
    files("photos/train", a=9, b=9)
    files("photos/test", a=3, b=2)
    dataset = open_dataset("photos")
    assert sizes(Path("photos")) == {"train": 18, "validation": 5}
    assert any("test/ chooses the weights" in note and "flatters" in note for note in dataset.notes)


def test_a_contests_test_folder_without_labels_is_left_alone() -> None:
    files("photos/train", a=9, b=9)
    files("photos/val", a=3, b=2)
    files("photos/test", unknown=7)
    assert sizes(Path("photos")) == {"train": 18, "validation": 5}
    assert any("left alone: test/" in note for note in open_dataset("photos").notes)


def test_drawn_parts_share_no_picture_and_tests_are_what_they_were() -> None:
    dataset = open_dataset("drawn:40x32")
    assert {r: len(p) for r, p in dataset.parts.items()} == {
        "train": 40, "validation": 10, "test": 10,
    }  # fmt: skip
    drawn = [np.asarray(dataset.everything.source(i)).tobytes() for i in range(60)]
    assert len({*drawn}) == 60
    assert dataset.parts["test"].names[3].endswith("/1000000003")


def test_all_parts_together_have_pictures_names_and_boxes_in_order() -> None:
    dataset = open_dataset("drawn:20x32")
    whole = dataset.everything
    for i, (part, k) in {0: ("train", 0), 21: ("validation", 1), 39: ("test", 9)}.items():
        own = dataset.parts[part]
        assert whole.names[i] == own.names[k]
        assert objects(whole, i).boxes.tolist() == objects(own, k).boxes.tolist()
        assert np.array_equal(np.asarray(whole.source(i)), np.asarray(own.source(k)))
    bare = replace(dataset, parts={"train": replace(whole, objects=None)})
    assert bare.everything.objects is None


# --- which picture it is


@pytest.mark.parametrize("size", [0, 100, 3 * PIECE, 20 * PIECE])
def test_a_picture_is_known_wherever_it_lies(size: int) -> None:
    data = np.random.default_rng(0).bytes(size)
    Path("a.jpg").write_bytes(data)
    assert key_of(Path("a.jpg")) == key_of("a.jpg") == key_of(data)
    others = [data + b"x", data[:-1] + b"x", b"x" + data[1:]]
    others.append(data[: size // 2] + b"x" + data[size // 2 + 1 :])
    keys = {key_of(data), *(key_of(other) for other in others if other != data)}
    assert len(keys) == 1 + len({other for other in others if other != data})


@pytest.mark.parametrize("suffix", ["bmp", "ppm", "tif", "array"])
def test_pictures_of_one_size_are_no_copies_wherever_they_differ(suffix: str) -> None:
    """60 pictures with a box of another colour each, between the first rows and the middle."""
    keys = set()
    for i in range(60):
        image = np.full((300, 300, 3), 99, np.uint8)
        image[90:110, 100:200] = 4 * i
        path = Path(f"{i}.{suffix}")
        if suffix == "array":
            keys.add(key_of(image))
            continue
        Image.fromarray(image).save(path)
        keys.add(key_of(path))
        assert key_of(path.read_bytes()) in keys
    assert len(keys) == 60


def test_copies_stay_together_in_a_split_that_is_made(photos: Photos) -> None:
    root = photos(10, 10)
    for i in range(10):
        copyfile(root / "arrow" / f"{i}.png", root / "arrow" / f"copy of {i}.png")
    plain, dataset = open_dataset(root), settled(open_dataset(root), Memory())
    assert contents(plain.train) & contents(plain.validation)
    assert not contents(dataset.train) & contents(dataset.validation)
    assert len(dataset.everything) == 30
    assert any("copies moved to the part of their like" in note for note in dataset.notes)


def test_copies_across_parts_that_were_found_are_said(photos: Photos) -> None:
    photos(4, 4, root="photos/train")
    photos(2, 2, root="photos/val", first=50)
    copyfile("photos/train/arrow/3.png", "photos/val/arrow/renamed.png")
    dataset = settled(open_dataset("photos"), Memory())
    (line,) = [note for note in dataset.notes if "byte for byte" in note]
    assert line == (
        "in the validation part and in train as well, byte for byte: 1 (arrow/renamed.png = "
        "arrow/3.png); its error flatters: take them out of one of the two"
    )
    assert len(dataset.validation) == 5


def test_copies_across_parts_are_tested_on_as_they_were_when_they_were_said(photos: Photos) -> None:
    photos(4, 4, root="photos/train", side=48)
    photos(2, 2, root="photos/val", side=48, first=50)
    copyfile("photos/train/arrow/3.png", "photos/val/arrow/renamed.png")
    run = train("photos", "a", TWO_CORES, **SMALL)
    scores = evaluate("a", "photos", "centre", TWO_CORES).scores
    assert scores.names == run.tests[0].scores.names
    assert len(scores.names) == 5
    assert scores.role == "validation"


def test_a_picture_that_cannot_be_read_is_a_copy_of_nothing() -> None:
    root = files("photos", a=10, b=10)
    dataset = open_dataset(root)
    for path in [*root.rglob("*.jpg")]:
        path.unlink()
    found = settled(dataset, Memory())
    assert list(found.validation.names) == list(dataset.validation.names)
    assert not Memory.of(found)


# --- weights remember


@pytest.fixture(scope="module")
def begun_once(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in a folder of its own, with photos/ beside it."""
    root = tmp_path_factory.mktemp("begun")
    data = drawn_photos(root / "photos", 10, 10, 10, side=48)
    return train(data, root / "a", TWO_CORES, **SMALL)


@pytest.fixture
def begun(begun_once: Run, tmp_path: Path) -> Run:
    """That run; each test has its own copy of its folder, `a`, and of photos/."""
    copytree(begun_once.folder.parent, tmp_path, dirs_exist_ok=True)
    return replace(begun_once, folder=Path("a"))


def parts_of(run: Run) -> dict[str, set[bytes]]:
    return {role: contents(part) for role, part in run.dataset.parts.items()}


def grow(photos: Photos, first: int) -> None:
    """Two more pictures for each class of photos/."""
    for path in photos(2, 2, 2, root=f"more{first}", side=48, first=first).rglob("*.png"):
        path.rename(Path("photos") / path.parent.name / f"more-{first}-{path.name}")


@pytest.mark.parametrize("how", ["the same", "another seed", "another split", "more pictures"])
def test_no_picture_that_was_learnt_is_set_aside_by_what_starts_from_it(
    begun: Run, photos: Photos, how: str
) -> None:
    options: dict[str, Any] = {"another seed": {"seed": 1}, "another split": {"split": 1}}
    if how == "more pictures":
        grow(photos, 40)
    before = parts_of(begun)
    tuned = train("photos", "b", TWO_CORES, start="a", **SMALL, **options.get(how, {}))
    after = parts_of(tuned)
    assert not before["train"] & after["validation"]
    assert before["validation"] <= after["validation"]
    assert any("24 pictures that a learnt stay in train" in note for note in tuned.notes)


def test_pictures_learnt_before_other_data_are_remembered_too(begun: Run, photos: Photos) -> None:
    other = photos(10, 10, 10, root="other", side=48, first=80)
    between = train(other, "b", TWO_CORES, start="a", **SMALL)
    assert not contents(begun.dataset.train) & contents(between.dataset.everything)
    grow(photos, 40)
    last = train("photos", "c", TWO_CORES, start="b", split=5, **SMALL)
    assert not contents(begun.dataset.train) & parts_of(last)["validation"]


def test_a_folders_own_split_gives_up_what_was_learnt(begun: Run, photos: Photos) -> None:
    photos(4, 4, 4, root="new/train", side=48, first=70)
    photos(2, 2, 2, root="new/val", side=48, first=90)
    learnt = begun.dataset.train
    for i in range(3):
        Path(f"new/val/arrow/renamed-{i}.png").write_bytes(content(learnt.source(i)))
    run = train("new", "b", TWO_CORES, start="a", **SMALL)
    assert len(run.dataset.validation) == 6
    (line,) = [note for note in run.notes if note.startswith("left out of validation")]
    assert line.startswith("left out of validation, learnt by a: 3 pictures (arrow/renamed-0.png")
    assert len(evaluate("a", "new", "centre", TWO_CORES).scores.labels) == 6
    for path in [*Path("new/val").rglob("[0-9]*.png")]:
        path.unlink()
    with pytest.raises(UserError, match="a has learnt from all that could be set aside of new"):
        train("new", "c", TWO_CORES, start="a", **SMALL)


def test_a_run_from_other_weights_goes_on_with_the_same_parts(begun: Run, photos: Photos) -> None:
    grow(photos, 40)
    whole = train("photos", "b", TWO_CORES, start="a", split=1, **SMALL)
    Path("a").rename("gone")
    again = resume("b", TWO_CORES)
    assert parts_of(again) == parts_of(whole)
    assert list(again.dataset.train.names) == list(whole.dataset.train.names)


def test_another_seed_trains_another_net_on_the_same_parts(begun: Run) -> None:
    other = train("photos", "b", TWO_CORES, seed=1, **SMALL)
    assert parts_of(other) == parts_of(begun)
    assert read_info("b/best.safetensors").hash != read_info("a/best.safetensors").hash


def test_eight_bytes_a_picture_are_remembered_beside_the_network(tmp_path: Path) -> None:
    network = build("A", 2, width=0.125, crop=32)
    keys = np.arange(1, 10_001)
    plain = weights.save(network, "plain.safetensors")
    assert weights.save(network, "w.safetensors", memory=Memory({"train": keys})) == plain
    more = Path("w.safetensors").stat().st_size - Path("plain.safetensors").stat().st_size
    assert 80_000 <= more < 80_000 + 300
    assert read_memory(tmp_path / "w.safetensors").keys["train"].tolist() == keys.tolist()
    assert not read_memory(tmp_path / "plain.safetensors")
    assert len(weights.load("w.safetensors").classes) == 2


def test_a_damaged_list_of_pictures_is_refused() -> None:
    network = build("A", 2, width=0.125, crop=32)
    weights.save(network, "w.safetensors", memory=Memory({"train": np.arange(1, 100)}))
    data = bytearray(Path("w.safetensors").read_bytes())
    data[data.index((57).to_bytes(8, "little"))] ^= 1
    Path("w.safetensors").write_bytes(data)
    with pytest.raises(UserError, match="the sha256 of its pictures.train is not"):
        read_memory("w.safetensors")


# --- tests


def test_what_a_run_learnt_is_not_tested_on_whatever_became_of_the_data(
    begun: Run, photos: Photos
) -> None:
    before = parts_of(begun)
    grow(photos, 40)
    Path("photos").rename("moved")
    for split in (None, 1):
        _, name, part, role = to_test(Path("a/best.safetensors"), "moved", split, None, TWO_CORES)
        assert (name, role) == ("validation", "validation")
        assert before["validation"] <= contents(part)
        assert not before["train"] & contents(part)
    everything = evaluate("a", "moved", "centre", TWO_CORES, part_name="all").scores
    assert (len(everything.labels), everything.role) == (36, "train")
    assert evaluate("a", "moved", "centre", TWO_CORES, part_name="val").scores.part == "validation"


@pytest.fixture
def knows_validation() -> Path:
    """Weights that have learnt the validation part of three/, and nothing else of it."""
    for part, count in (("train", 6), ("val", 5), ("test", 4)):
        files(f"three/{part}", a=count, b=1)
    keys = [key_of(path) for path in Path("three/val").rglob("*.jpg")]
    weights.save(build("A", ("a", "b"), width=0.125, crop=32, fc=16), "w.safetensors",
                 memory=Memory({"train": np.array(keys)}))  # fmt: skip
    return Path("w.safetensors")


@pytest.mark.parametrize("given", [None, "test"])
def test_an_unseen_test_part_stays_one_where_the_validation_part_was_learnt(
    knows_validation: Path, given: str | None
) -> None:
    _, name, part, role = to_test(knows_validation, "three", None, given, TWO_CORES)
    assert (name, role) == ("test", "test")
    assert contents(part) == {p.read_bytes() for p in Path("three/test").rglob("*.jpg")}


def test_all_is_all_whatever_was_learnt_of_it(knows_validation: Path) -> None:
    dataset, _, part, role = to_test(knows_validation, "three", None, "all", TWO_CORES)
    assert (len(part), role) == (6 + 1 + 5 + 1 + 4 + 1, "train")
    assert not any("left out" in note for note in dataset.notes)


def test_a_part_of_which_nothing_is_left_is_not_tested(knows_validation: Path) -> None:
    with pytest.raises(UserError, match="no pictures to test on in the validation part of three"):
        evaluate(knows_validation, "three", "centre", TWO_CORES, part_name="val")


def test_in_training_the_test_part_chooses_where_the_validation_part_was_learnt(
    photos: Photos,
) -> None:
    for part, first in (("train", 0), ("val", 20), ("test", 40)):
        photos(5, 5, root=f"three/{part}", side=48, first=first)
    for path in [*Path("three/test").rglob("*.png")]:
        path.rename(path.with_stem(f"t{path.stem}"))
    keys = [key_of(path) for path in Path("three/val").rglob("*.png")]
    classes = open_dataset("three").classes
    weights.save(build("A", classes, width=0.125, crop=32, fc=16), "w.safetensors",
                 memory=Memory({"train": np.array(keys)}))  # fmt: skip
    run = train("three", "b", TWO_CORES, start="w.safetensors", **SMALL)
    names = set(open_dataset("three").parts["test"].names)
    assert {*run.dataset.validation.names} == names
    found = _wherever(open_dataset("three"), run.tests[0].scores)
    assert names <= {*found.names}


@pytest.mark.parametrize(("learnt", "tested"), [("packed", "photos"), ("photos", "packed")])
def test_a_pack_and_its_folder_are_known_to_be_the_same_pictures(
    photos: Photos, learnt: str, tested: str
) -> None:
    root = photos(10, 10, 10, side=48)
    copyfile(root / "arrow" / "0.png", root / "arrow" / "copy.png")
    copyfile(root / "cross" / "0.png", root / "cross" / "copy.png")
    pack(open_dataset(root, 1), Path("packed"), 40)
    train(learnt, "a", TWO_CORES, split=1, **SMALL)
    scores = evaluate("a", tested, "centre", TWO_CORES, split=2 if tested == "photos" else 1).scores
    aside = [name.removesuffix(".jpg") for name in open_dataset("packed").validation.names]
    assert sorted(name.removesuffix(".jpg") for name in scores.names) == sorted(aside)
    assert (scores.part, scores.role) == ("validation", "validation")
    assert evaluate("a", tested, "centre", TWO_CORES, part_name="all").scores.role == "train"


def test_copies_are_packed_into_one_part(photos: Photos) -> None:
    root = photos(10, 10)
    for i in range(10):
        copyfile(root / "arrow" / f"{i}.png", root / "arrow" / f"copy of {i}.png")
    pack(open_dataset(root), Path("packed"), 40)
    found = open_dataset("packed")
    assert not contents(found.train) & contents(found.validation)
    assert len(found.everything) == 30


def test_a_pack_of_a_pack_still_knows_its_pictures(photos: Photos) -> None:
    root = photos(5, 5)
    pack(open_dataset(root), Path("packed"), 40)
    pack(open_dataset("packed"), Path("again"), 20)
    keys = {key_of(path) for path in root.rglob("*.png")}
    assert {*Memory.of(open_dataset("again")).keys["train"].tolist()} < keys


def test_more_pictures_of_a_drawn_set_are_those_that_were_learnt_and_others() -> None:
    train("drawn:20x48", "a", TWO_CORES, **SMALL)

    def role(data: str, part: str | None, split: int | None = None) -> str:
        return to_test(Path("a/best.safetensors"), data, split, part, TWO_CORES)[-1]

    assert [role("drawn:40x48", part) for part in ("train", "all", "validation", "test", None)] == [
        "train", "train", "validation", "test", "test",
    ]  # fmt: skip
    assert role("drawn:10x48", "train") == "train"
    assert role("drawn:40x32", "train") == role("drawn:40x48", "train", 1) == "test"


@pytest.mark.parametrize(("known", "words"), [(1, "1 picture"), (14, "14 pictures")])
def test_new_data_is_tested_on_but_for_what_the_weights_know(
    begun: Run, photos: Photos, known: int, words: str
) -> None:
    root = photos(10, 10, 10, root="new", side=48, first=60)
    for i in range(known):
        (root / "arrow" / f"old-{i}.png").write_bytes(content(begun.dataset.train.source(i)))
    dataset, name, part, role = to_test(Path("a/best.safetensors"), "new", None, None, TWO_CORES)
    assert (name, len(part), role) == ("all", 30, "test")
    assert not contents(part) & contents(begun.dataset.everything)
    line = f"left out, learnt or set aside by a/best.safetensors before: {words}"
    assert line in dataset.notes
    assert not any("copies" in note or "learnt stay" in note for note in dataset.notes)


def test_one_picture_is_counted_as_one(photos: Photos) -> None:
    root = photos(5, 5)
    for keys, line in (
        ({"train": [root / "arrow/0.png"]}, "1 picture that w learnt stays in train, 0 stay out"),
        ({"validation": [root / "arrow/0.png"]}, "0 pictures that w learnt stay in train, 1 stays"),
    ):
        memory = Memory({role: np.array([*map(key_of, paths)]) for role, paths in keys.items()})
        assert any(line in note for note in settled(open_dataset(root), memory, "w").notes)


def of_an_earlier_version(root: Path) -> None:
    """Weights as they were written before they remembered more than 64 marks; seed 3."""
    dataset = folder.open(root, 3)
    about = {
        "settings": {"seed": 3},
        "data": {
            "where": str(root),
            "fingerprint": dataset.fingerprint,
            "train": 24,
            "test": 6,
            "made_split": True,
            "marks": marks(dataset.train, range(24)),
        },
    }
    network = build("A", dataset.classes, width=0.125, crop=32, fc=16)
    weights.save(network, "old.safetensors", about)


@pytest.mark.parametrize("split", [None, 0])
def test_weights_of_an_earlier_version_are_tested_on_what_chose_them(
    photos: Photos, split: int | None
) -> None:
    of_an_earlier_version(photos(10, 10, 10, side=48))
    scores = evaluate("old.safetensors", "photos", "centre", TWO_CORES, split=split).scores
    assert sorted(scores.names) == OLD_TEST
    assert scores.role == "validation"
    tuned = train("photos", "b", TWO_CORES, start="old.safetensors", **SMALL)
    assert sorted(tuned.dataset.validation.names) == OLD_TEST


def test_weights_of_an_earlier_version_are_not_tested_on_data_that_has_changed(
    photos: Photos,
) -> None:
    of_an_earlier_version(photos(10, 10, 10, side=48))
    grow(photos, 40)
    for verb in (evaluate, lambda path, data: train(data, "b", TWO_CORES, start=path, **SMALL)):
        with pytest.raises(UserError, match="photos has changed since old.safetensors was trained"):
            verb("old.safetensors", "photos")
    assert len(evaluate("old.safetensors", "photos", "centre", part_name="all").scores.labels) == 36


# --- both errors


def test_a_run_tells_what_chose_the_weights_from_what_tested_them() -> None:
    run = train("drawn:20x48", "run", TWO_CORES, **SMALL)
    found = [(t.scores.role, t.scores.protocol.name) for t in run.tests]
    assert found == [
        (role, name) for role in ("validation", "test") for name in ("centre", "dense")
    ]
    chosen, tested = run.tests[0].scores, run.tests[-1].scores
    assert chosen.top(1) == run.best.figures["top1"]
    assert not {*chosen.names} & {*tested.names}
    printed = in_words(run, write_page(run))
    assert "validation error, dense" in printed
    assert "test error, dense" in printed
    assert "95 % interval" in printed
    page = Path("run/report.html").read_text()
    assert "validation, dense" in page
    assert "test, dense" in page
    assert "95 % interval" in page
    with Path("run/log.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert "validation_loss" in row
    assert "test_loss" not in row
    assert {s.role for s in compared([Path("run")]).scores} == {"test"}
    assert len(compared([*Path("run/scores").glob("*validation*")]).scores) == 2


def test_without_a_test_part_the_answer_says_so(begun: Run) -> None:
    assert "there is no test part" in in_words(begun, Path("page"))
    assert {t.scores.role for t in begun.tests} == {"validation"}


def test_a_run_of_an_earlier_version_is_not_gone_on_with(begun: Run) -> None:
    text = Path("a/run.toml").read_text()
    Path("a/run.toml").write_text(text.replace("split = 0\n", ""))
    with pytest.raises(UserError, match="was begun by an earlier verydeep"):
        resume(begun.folder, TWO_CORES)


def test_the_answer_as_json_has_parts_and_intervals(begun: Run) -> None:
    (centre, _) = json.loads(as_json(begun, Path("page")))["tests"]
    assert (centre["part"], centre["role"], len(centre["interval"])) == (
        "validation", "validation", 2,
    )  # fmt: skip


def two_parts(photos: Photos) -> Path:
    """A folder of train/ and val/, too small for a part to choose by where none was found."""
    photos(20, 20, root="data/train")
    photos(6, 6, root="data/val", first=100)
    return Path("data")


def test_the_part_that_was_found_is_a_test_where_some_of_train_chooses(photos: Photos) -> None:
    found = with_test(open_dataset(two_parts(photos)), 0)
    assert {role: len(part) for role, part in found.by_role.items()} == {
        "train": 36, "validation": 4, "test": 12,
    }  # fmt: skip
    learnt = contents(found.train) | contents(found.validation)
    assert contents(found.by_role["test"]) == {
        p.read_bytes() for p in Path("data/val").rglob("*.png")
    }
    assert learnt == {p.read_bytes() for p in Path("data/train").rglob("*.png")}
    assert "10% of each class of train chooses the weights" in found.notes[-1]


def test_what_has_a_test_or_nothing_found_to_test_on_stays_as_it_is(photos: Photos) -> None:
    one = open_dataset(photos(20, 20))
    assert with_test(one, 0) is one
    drawn = open_dataset("drawn:20x32")
    assert with_test(drawn, 0) is drawn


def test_a_run_that_draws_what_chooses_tests_on_what_was_found(photos: Photos) -> None:
    data = two_parts(photos)
    run = train(data, "run", TWO_CORES, **SMALL, validation="drawn")
    assert {tested.scores.role for tested in run.tests} == {"validation", "test"}
    tested = evaluate("run", data, runtime=TWO_CORES)
    assert (tested.scores.part, tested.scores.role) == ("test", "test")
    assert contents(tested.part) == {p.read_bytes() for p in Path("data/val").rglob("*.png")}
