"""CIFAR-10 and CIFAR-100 in all their forms, made by hand, and what is wrong with others."""

from __future__ import annotations

import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from tests.given_files import NAMES_10, array_of, cifar_10, list_of, pickled
from verydeep.datasets import open_dataset
from verydeep.errors import UserError
from verydeep.pictures.reading import read_picture

PY, BIN = Path("cifar-10-batches-py"), Path("cifar-10-batches-bin")


@pytest.mark.parametrize("python", [True, False])
def test_cifar_10_in_either_form_is_the_same(python: bool) -> None:
    drawn = cifar_10(PY if python else BIN, python=python)
    dataset = open_dataset(".")
    assert dataset.classes == tuple(NAMES_10)
    assert [len(dataset.by_role[role]) for role in ("train", "validation")] == [100, 20]
    assert dataset.train.labels[18:22].tolist() == [8, 9, 0, 1]
    image = read_picture(dataset.train.source(41))  # the second of the third file
    for colour in range(3):  # a colour after another, row by row
        assert np.array_equal(
            image[:, :, colour].ravel(), drawn[41, 1024 * colour : 1024 * (colour + 1)]
        )
    same = open_dataset(PY if python else BIN)
    assert same.fingerprint == dataset.fingerprint


@pytest.mark.parametrize("python", [True, False])
def test_cifar_100_has_its_fine_labels(python: bool) -> None:
    place = Path("cifar-100-python" if python else "cifar-100-binary")
    place.mkdir()
    fine, names = np.arange(100), [f"thing {i}" for i in range(100)]
    coarse = fine // 5
    drawn = np.random.default_rng(0).integers(0, 256, (100, 3072), np.uint8)
    for part in ("train", "test"):
        if python:
            of_20, of_100 = list_of(coarse.tolist()), list_of(fine.tolist())
            items = {"coarse_labels": of_20, "fine_labels": of_100, "data": array_of(drawn)}
            (place / part).write_bytes(pickled(items))
        else:
            rows = np.concatenate([np.stack([coarse, fine], 1).astype(np.uint8), drawn], 1)
            (place / f"{part}.bin").write_bytes(rows.tobytes())
    if python:
        (place / "meta").write_bytes(pickled({"fine_label_names": list_of(names)}))
    else:
        (place / "fine_label_names.txt").write_text("\n".join(names))
    dataset = open_dataset(place)
    assert dataset.classes == tuple(names)
    assert dataset.train.labels.tolist() == fine.tolist()
    second = read_picture(dataset.train.source(7))[0, 1]
    assert second.tolist() == drawn[7, [1, 1025, 2049]].tolist()
    assert any("its coarse labels are left alone" in note for note in dataset.notes)


def test_the_archive_is_taken_as_it_was_downloaded() -> None:
    cifar_10(PY)
    with tarfile.open("cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(PY)
    dataset = open_dataset("cifar-10-python.tar.gz")
    assert dataset.fingerprint == open_dataset(PY).fingerprint
    assert dataset.where == "cifar-10-python.tar.gz"


def test_two_forms_in_one_folder_are_not_chosen_between() -> None:
    cifar_10(PY)
    cifar_10(BIN, python=False)
    with pytest.raises(UserError, match="several forms; give one of cifar-10-batches-py, cifar-10"):
        open_dataset(".")


def test_files_cut_short_or_missing_are_named() -> None:
    cifar_10(BIN, python=False)
    file = BIN / "data_batch_4.bin"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    with pytest.raises(UserError, match=r"data_batch_4.bin cannot be read as CIFAR-10: its 61,459"):
        open_dataset(BIN)
    file.write_bytes(b"\x0a" + whole[1:])
    with pytest.raises(UserError, match="a label that is none of 10"):
        open_dataset(BIN)
    file.write_bytes(b"")
    with pytest.raises(UserError, match="it has 0 bytes"):
        open_dataset(BIN)
    file.unlink()
    with pytest.raises(UserError, match="lacks data_batch_4.bin of CIFAR-10; unpack the archive"):
        open_dataset(BIN)
    file.write_bytes(whole)
    (BIN / "batches.meta.txt").write_text("cat\ndog\n")
    with pytest.raises(UserError, match="it does not name 10 classes"):
        open_dataset(BIN)


def test_a_pickle_that_is_a_program_is_not_run() -> None:
    cifar_10(PY)
    (PY / "data_batch_2").write_bytes(b"\x80\x02cposix\nmkdir\nU\x04made\x85R.")
    with pytest.raises(UserError, match="asks for 'posix.mkdir', which no pictures need; a pickle"):
        open_dataset(PY)
    assert not Path("made").exists()


def test_pickles_of_other_things_are_refused() -> None:
    cifar_10(PY)
    file = PY / "data_batch_2"
    labels, data = list_of([1, 2]), array_of(np.zeros((2, 3072)))
    for items, said in (
        ({"labels": labels}, "no array of pictures of 3,072 bytes"),
        ({"labels": labels, "data": array_of(np.zeros((2, 300)))}, "no array of pictures"),
        ({"labels": list_of([1]), "data": data}, "no list 'labels' of 2 whole numbers"),
        ({"labels": list_of(["1", "2"]), "data": data}, "no list 'labels' of 2 whole numbers"),
        ({"labels": list_of([1, 77]), "data": data}, "a label that is none of 10"),
    ):
        file.write_bytes(pickled(items))
        with pytest.raises(UserError, match=said):
            open_dataset(PY)
    file.write_bytes(pickle.dumps([1], 2))
    with pytest.raises(UserError, match="it holds no dictionary"):
        open_dataset(PY)
