"""MNIST's four files, made by hand: where they are found, what is shown of them, and faults."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.given_files import idx, mnist
from verydeep.datasets import open_dataset
from verydeep.errors import UserError
from verydeep.pictures.preprocessing import Pixels

PIXELS = Pixels((32, 32), (0.0, 0.0, 0.0))


@pytest.mark.parametrize("folder", ["digits", "digits/MNIST/raw", "digits/raw"])
@pytest.mark.parametrize("zipped", [True, False])
def test_pictures_stand_in_the_middle_of_32_by_32(folder: str, zipped: bool) -> None:
    drawn = mnist(Path(folder), zipped=zipped)
    dataset = open_dataset("digits")
    assert dataset.classes == tuple("0123456789")
    assert [len(dataset.by_role[role]) for role in ("train", "validation")] == [40, 10]
    assert dataset.train.labels[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    image, window = dataset.train.view(3, PIXELS, 32)
    assert image.shape == (32, 32, 3)
    assert np.array_equal(image[2:30, 2:30], np.stack([drawn[3]] * 3, 2))
    assert not image[:2].any()
    assert not image[:, 30:].any()
    assert (window.shown, window.picture) == ((-2, -2, 30, 30), (28, 28))


def test_names_with_a_dot_and_folders_of_one_file_are_taken() -> None:
    mnist(Path("a"), zipped=False)
    for path in [*Path("a").iterdir()]:
        other = Path("b", path.name.replace("-idx", ".idx"))
        other.mkdir(parents=True)
        shutil.copy(path, other / other.name)
    assert open_dataset("b").fingerprint == open_dataset("a").fingerprint


def test_enough_pictures_have_a_tenth_of_train_to_choose_by() -> None:
    mnist(Path("digits"), 1000, 20)
    parts = open_dataset("digits").by_role
    assert {role: len(part) for role, part in parts.items()} == {
        "train": 900, "validation": 100, "test": 20,
    }  # fmt: skip
    assert parts["test"].names[0] == "t10k/00000"


def test_an_archive_is_taken_as_it_is() -> None:
    mnist(Path("digits"))
    shutil.make_archive("mnist", "zip", "digits")
    assert open_dataset("mnist.zip").fingerprint == open_dataset("digits").fingerprint


def test_pictures_of_another_side_have_no_margin() -> None:
    mnist(Path("d"), zipped=False)
    Path("d/train-images-idx3-ubyte").write_bytes(idx(np.zeros((40, 32, 32))))
    Path("d/t10k-images-idx3-ubyte").write_bytes(idx(np.zeros((10, 32, 32))))
    part = open_dataset("d").train
    assert part.view(0, PIXELS, 32)[1].shown == (0, 0, 32, 32)


def test_what_is_missing_or_wrong_is_one_line() -> None:
    mnist(Path("d"), zipped=False)
    labels = Path("d/train-labels-idx1-ubyte")
    whole = labels.read_bytes()
    labels.write_bytes(idx(np.arange(39) % 10))
    with pytest.raises(UserError, match="train has 40 pictures and 39 labels"):
        open_dataset("d")
    labels.write_bytes(idx(np.arange(40) % 11))
    with pytest.raises(UserError, match="train has a label that is none of 10 classes"):
        open_dataset("d")
    labels.write_bytes(whole[:30])
    with pytest.raises(UserError, match="labels-idx1-ubyte cannot be read as IDX: it is cut short"):
        open_dataset("d")
    labels.unlink()
    with pytest.raises(UserError, match="d lacks train-labels-idx1-ubyte"):
        open_dataset("d")
    labels.write_bytes(whole)
    Path("d/t10k-images-idx3-ubyte").write_bytes(idx(np.zeros((10, 28, 20))))
    with pytest.raises(UserError, match="10 pictures of 20 x 28; they are no MNIST"):
        open_dataset("d")
