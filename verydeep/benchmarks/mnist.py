"""MNIST, and what is handed round in its form (Fashion-MNIST, KMNIST): four IDX files.

They are taken by their names, gzipped or not, in a folder or in torchvision's `MNIST/raw`. Pictures
of 28 x 28 are shown in the middle of 32 x 32, as LeCun et al. (1998) have them before LeNet-5: so
its first convolutions see the ends of every stroke. They are grey, which any net is shown as three
equal colours, and a net of one channel as it is.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np

from verydeep.benchmarks.many_in_one import Pictures
from verydeep.errors import UserError
from verydeep.formats import idx
from verydeep.parts import splitting
from verydeep.parts.dataset import Dataset

PARTS = {"train": "train", "test": "t10k"}
"""What the parts are called in the names of files."""
PLACES = ("", "raw", "MNIST/raw", "FashionMNIST/raw", "KMNIST/raw")
"""Folders below the one that is given in which the files may lie, torchvision's among them."""
DIGIT, FIELD = 28, 32
CLASSES = tuple(str(digit) for digit in range(10))


def is_here(where: str | Path) -> bool:
    """Whether any of the four files lies there by its name."""
    return _place(Path(where)) is not None


def open(where: str | Path, split: int = 0) -> Dataset:
    """Dataset of the files there; a tenth of train chooses the weights, drawn from `split`.

    Raises UserError where one is missing, damaged or none.
    """
    root = Path(where)
    place = _place(root)
    assert place is not None
    listings = {role: _pictures(place, called) for role, called in PARTS.items()}
    note = f"IDX files: pictures of {_side(listings['train'])} pixels a side, labels 0 to 9"
    margin = listings["train"].margin
    shown = (f"each in the middle of {FIELD} x {FIELD}, {margin} pixels around it",)
    notes = (note, *(shown if margin else ()))
    return splitting.dataset_of(root, listings, CLASSES, split, notes)


def _place(root: Path) -> Path | None:
    """The folder, there or below, that has such files."""
    with suppress(OSError):
        for place in (root / name for name in PLACES):
            if any(_file(place, part, "images", 3) for part in PARTS.values()):
                return place
    return None


def _file(place: Path, part: str, what: str, axes: int) -> Path | None:
    """The file of a part's images or labels, by any of the names that it has."""
    names = [f"{part}-{what}{sign}idx{axes}-ubyte{end}" for sign in "-." for end in ("", ".gz")]
    found = (place / name for name in names)
    within = (place / name / name for name in names)  # as some archives unpack
    return next((path for path in (*found, *within) if path.is_file()), None)


def _pictures(place: Path, part: str) -> Pictures:
    """A part's pictures and labels; UserError where a file of it is missing, damaged or none."""
    images, labels = _file(place, part, "images", 3), _file(place, part, "labels", 1)
    if images is None or labels is None:
        what = "images-idx3" if images is None else "labels-idx1"
        raise UserError(f"{place} lacks {part}-{what}-ubyte, or {part}-{what}-ubyte.gz; fetch it")
    found = idx.read(images, 3)
    if not found.size or found.shape[1] != found.shape[2]:
        count, height, width = found.shape
        raise UserError(f"{images} holds {count} pictures of {width} x {height}; they are no MNIST")
    margin = (FIELD - DIGIT) // 2 if found.shape[1] == DIGIT else 0
    said = idx.read(labels, 1).astype(np.int64)
    return Pictures(part, (found[:, None],), said, CLASSES, margin)


def _side(pictures: Pictures) -> int:
    return int(pictures.sheets[0].shape[2])
