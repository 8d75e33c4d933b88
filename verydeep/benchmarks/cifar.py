"""CIFAR-10 and CIFAR-100 as Krizhevsky hands them out: in binary, or as Python's pickles.

Pickles are read and nothing of them is run (`formats/plain_pickle.py`). A picture is 3 x 32 x 32
bytes, a colour after another; CIFAR-100 has 20 coarse labels beside its 100, which are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from verydeep.benchmarks.many_in_one import Pictures
from verydeep.errors import UserError, one_line
from verydeep.formats import plain_pickle
from verydeep.limits import FormatError, reading
from verydeep.parts import splitting
from verydeep.parts.annotations import Labels
from verydeep.parts.dataset import Dataset
from verydeep.parts.entries import some

SIDE = 32
VALUES = 3 * SIDE**2
LARGEST = 1 << 29
"""Bytes of a file of theirs at most; CIFAR-100's training pictures have 155 million."""


@dataclass(frozen=True)
class Form:
    """One of the four forms: its folder, its files, and how many labels stand before a picture.

    `labels` is what the pickles call the labels; in binary, which says nothing, it is empty, and
    the last of the bytes before a picture is its label.
    """

    name: str
    folder: str
    classes: int
    train: tuple[str, ...]
    test: str
    names: str
    label_bytes: int = 1
    labels: str = ""
    class_names: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """All the files that hold pictures."""
        return (*self.train, self.test)

    def is_in(self, place: Path) -> bool:
        """Whether the names of classes lie there, and any file of pictures."""
        named = (place / self.names).is_file()
        return named and any((place / name).is_file() for name in self.files)


FIVE = range(1, 6)
FORMS = (
    Form(
        "CIFAR-10", "cifar-10-batches-py", 10, tuple(f"data_batch_{i}" for i in FIVE),
        "test_batch", "batches.meta", labels="labels", class_names="label_names",
    ),
    Form(
        "CIFAR-10", "cifar-10-batches-bin", 10, tuple(f"data_batch_{i}.bin" for i in FIVE),
        "test_batch.bin", "batches.meta.txt",
    ),
    Form(
        "CIFAR-100", "cifar-100-python", 100, ("train",), "test", "meta",
        labels="fine_labels", class_names="fine_label_names",
    ),
    Form(
        "CIFAR-100", "cifar-100-binary", 100, ("train.bin",), "test.bin", "fine_label_names.txt",
        label_bytes=2,
    ),
)  # fmt: skip


def is_here(where: str | Path) -> bool:
    """Whether the files of one of the forms lie there, or in the folder that they unpack to."""
    return bool(_found(Path(where)))


def open(where: str | Path, split: int = 0) -> Dataset:
    """Dataset of the files there; a tenth of train chooses the weights, drawn from `split`.

    Those are the 45,000 and 5,000 of He et al. (2016). Raises UserError where a file is missing,
    damaged or none, and where several forms lie there.
    """
    root, ((form, place), *others) = Path(where), _found(Path(where))
    if others:
        folders = some([str(place) for _, place in ((form, place), *others)], 4)
        raise UserError(f"{where} holds CIFAR in several forms; give one of {folders}")
    missing = [name for name in form.files if not (place / name).is_file()]
    if missing:
        raise UserError(f"{place} lacks {some(missing)} of {form.name}; unpack the archive again")
    classes = _classes(form, place)
    listings = {
        "train": _pictures(form, place, "train", form.train, classes),
        "test": _pictures(form, place, "test", (form.test,), classes),
    }
    coarse = "; its coarse labels are left alone" if form.classes == 100 else ""
    note = f"{form.name}: {form.classes} classes, {SIDE} x {SIDE} pixels{coarse}"
    return splitting.dataset_of(root, listings, classes, split, (note,))


def _found(root: Path) -> list[tuple[Form, Path]]:
    """The forms that lie there, and where."""
    with suppress(OSError):
        own = [(form, root) for form in FORMS if form.is_in(root)]
        below = [(f, root / f.folder) for f in FORMS if f.is_in(root / f.folder)]
        return own or below
    return []


def _classes(form: Form, place: Path) -> tuple[str, ...]:
    """The names of the classes; UserError where they are not so many, or no names."""
    path = place / form.names
    with reading(path, form.name):
        if form.labels:
            said = _unpickled(path).get(form.class_names)
        else:
            text = path.read_bytes()[: 1 << 16].decode("utf-8", "replace")
            said = [line.strip() for line in text.splitlines() if line.strip()]
        names = tuple(said) if isinstance(said, list) else ()
        if len(names) != form.classes or not all(isinstance(n, str) and n for n in names):
            raise FormatError(f"it does not name {form.classes} classes")
        if len(set(names)) < len(names):
            raise FormatError("it names a class twice")
        return tuple(one_line(name) for name in names)


def _pictures(
    form: Form, place: Path, part: str, files: tuple[str, ...], classes: tuple[str, ...]
) -> Pictures:
    """The pictures of a part, of one file or several."""
    read = [*_read(form, place, files)]
    sheets = tuple(sheet for sheet, _ in read)
    return Pictures(part, sheets, np.concatenate([labels for _, labels in read]), classes)


def _read(
    form: Form, place: Path, files: tuple[str, ...]
) -> Iterator[tuple[UInt8[np.ndarray, "N 3 side side"], Labels]]:
    """The pictures of each file, where they lie in it, and their labels."""
    for path in (place / name for name in files):
        with reading(path, form.name):
            values, labels = _of_pickle(form, path) if form.labels else _of_binary(form, path)
            if len(labels) and not 0 <= labels.min() <= labels.max() < form.classes:
                raise FormatError(f"it has a label that is none of {form.classes}")
        yield values.reshape(-1, 3, SIDE, SIDE), labels


def _mapped(path: Path) -> UInt8[np.ndarray, " N"]:
    """The bytes of a file, which are fetched when they are looked at."""
    size = path.stat().st_size
    if not 0 < size <= LARGEST:
        raise FormatError(f"it has {size:,} bytes")
    return np.asarray(np.memmap(path, np.uint8, "r"))


def _of_binary(form: Form, path: Path) -> tuple[np.ndarray, Labels]:
    """Pictures and labels of records of so many bytes each."""
    data, record = _mapped(path), form.label_bytes + VALUES
    if len(data) % record:
        raise FormatError(
            f"its {len(data):,} bytes are no whole number of pictures of {record:,}: it is cut "
            f"short, or no {form.name}"
        )
    records = data.reshape(-1, record)
    return records[:, form.label_bytes :], records[:, form.label_bytes - 1].astype(np.int64)


def _of_pickle(form: Form, path: Path) -> tuple[np.ndarray, Labels]:
    """Pictures and labels of a pickle."""
    found = _unpickled(path)
    values, labels = found.get("data"), found.get(form.labels)
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.shape[1] != VALUES:
        raise FormatError(f"it has no array of pictures of {VALUES:,} bytes each")
    if (
        not isinstance(labels, list)
        or len(labels) != len(values)
        or not all(type(label) is int for label in labels)
    ):
        raise FormatError(f"it has no list '{form.labels}' of {len(values):,} whole numbers")
    return values, np.array(labels, np.int64)


def _unpickled(path: Path) -> dict[str, Any]:
    """What a pickle has, by name."""
    found = plain_pickle.read(_mapped(path))
    if not isinstance(found, dict):
        raise FormatError("it holds no dictionary")
    return found
