"""The features file: descriptors of pictures, with all that is needed to use them later.

A file of ours with `descriptors` [N, D], `keys` [N] and, where pictures are labelled, `labels`; as
its record the pictures' names, the classes, the parts and how they were described.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float32, Int64

from verydeep import schema, tensors_file
from verydeep.errors import UserError, escaped
from verydeep.evaluation.views import SCALES
from verydeep.files import atomic_file
from verydeep.parts.annotations import LabelSets, Truth, truth_of
from verydeep.schema import Between, Count, Line, Most, Seed, Sha256

KIND = tensors_file.Kind(
    "verydeep-features",
    "features file",
    1,
    if_damaged="describe the pictures again",
    if_other="describe the pictures again",
)


What = Literal["picture", "box"]
"""What is described: the whole picture, or the one box that is told of it."""


@dataclass(frozen=True)
class PieceSaid:
    """How a piece of a descriptor came about: of which network, row and Q, how many numbers.

    `path` is the weights file, folder or name that was given; another file may be there now.
    """

    weights: Sha256
    net: Line
    layer: Line
    scales: Annotated[tuple[Annotated[int, Between(1, 2**16)], ...], Most(SCALES)]
    size: Count
    path: Line = ""
    of: What = "picture"

    @property
    def title(self) -> str:
        """How it came about, in print."""
        of = " of the box" if self.of == "box" else ""
        return f"{self.layer} of {self.net}{of}, Q = {', '.join(map(str, self.scales))}"


@dataclass(frozen=True)
class PartSaid:
    """A part of the data by its role, and how many of the pictures are of it, one after another."""

    role: Line
    count: Count


@dataclass(frozen=True)
class Features:
    """Descriptors of pictures, each of length one, with names and what is known of the pictures.

    `keys` say which pictures they are, whatever they are called; `truth` of which class each is, or
    of which classes, where that is known. `parts` are those of the data, in the pictures' order.
    `where` opens the data again, with the seed of the `split`, and `data` is its fingerprint;
    both are empty for pictures that were given one by one. `left_out` has a line for each picture
    that could not be read.
    """

    descriptors: Float32[np.ndarray, "N D"]
    keys: Int64[np.ndarray, " N"]
    truth: Truth
    names: tuple[Line, ...]
    classes: tuple[Line, ...]
    parts: tuple[PartSaid, ...]
    pieces: tuple[PieceSaid, ...]
    where: Line = ""
    data: Line = ""
    split: Seed = 0
    left_out: tuple[str, ...] = ()
    engine: Line = "torch"

    def __len__(self) -> int:
        return len(self.names)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.array(self.descriptors, dtype, copy=copy)

    def __iter__(self) -> Iterator[Any]:
        """Names and descriptors: `names, array = verydeep.features(...)`."""
        return iter((self.names, self.descriptors))

    def __repr__(self) -> str:
        count, size = self.descriptors.shape
        of = f" of {escaped(self.where)}" if self.where else ""
        return f"Features({count:,} pictures{of} x {size:,} numbers: {self.title})"

    @property
    def title(self) -> str:
        """How they came about, in print."""
        return "; ".join(piece.title for piece in self.pieces)

    def part_of(self, place: int) -> str:
        """The role of the part that a picture is of."""
        ends = np.cumsum([part.count for part in self.parts])
        return self.parts[int(np.searchsorted(ends, place, side="right"))].role

    def of(self, role: str) -> Features:
        """Those of the part with that role; UserError where there is none."""
        ends = np.cumsum([part.count for part in self.parts])
        for part, end in zip(self.parts, ends.tolist(), strict=True):
            if part.role == role:
                return self.only(np.arange(end - part.count, end), (part,))
        there = ", ".join(part.role for part in self.parts)
        raise UserError(f"no part '{role}' of these features; there are {there or 'none'}")

    def only(self, chosen: Int64[np.ndarray, " M"], parts: tuple[PartSaid, ...] = ()) -> Features:
        """Those of these pictures, in this order."""
        return replace(
            self,
            descriptors=self.descriptors[chosen],
            keys=self.keys[chosen],
            truth=truth_of(self.truth, chosen),
            names=tuple(self.names[i] for i in chosen.tolist()),
            parts=parts or (PartSaid("all", len(chosen)),),
        )

    def save(self, path: str | Path) -> None:
        """Writes them by the ending of the name: a .csv, NumPy's .npy, or else a file of ours."""
        path = Path(path)
        if path.suffix.casefold() == ".npy":
            _save_npy(self, path)
        elif path.suffix.casefold() == ".csv":
            _save_csv(self, path)
        else:
            save_features(self, path)


ARRAYS = ("descriptors", "keys", "truth")
SAID = tuple(field.name for field in fields(Features) if field.name not in ARRAYS)
"""What a features file tells of in words, by name."""


def save_features(features: Features, path: Path) -> None:
    """Writes a features file, whole or not at all. Raises UserError where it cannot be written."""
    said = {name: getattr(features, name) for name in SAID}
    said |= {"parts": [asdict(part) for part in features.parts]}
    said |= {"pieces": [asdict(piece) for piece in features.pieces]}
    arrays = {"descriptors": features.descriptors, "keys": features.keys}
    tensors_file.write(path, KIND, said, arrays | _arrays_of(features.truth))


def load_features(path: str | Path) -> Features:
    """Features of a file. Raises UserError where it is missing, damaged or of another kind."""
    path = Path(path)
    content = tensors_file.read(path, KIND)
    with tensors_file.refusals(path, KIND):
        said = schema.fitting_keys(Features, content.record, without=ARRAYS)
        arrays = content.arrays()
        found = Features(arrays["descriptors"], arrays["keys"], _truth_of(arrays), **said)
        _refuse_misfits(found)
    return found


def is_features(path: Path) -> bool:
    """Whether a file says of itself that it holds features."""
    return tensors_file.says(path, KIND)


def _arrays_of(truth: Truth) -> dict[str, np.ndarray]:
    if truth is None:
        return {}
    if isinstance(truth, LabelSets):
        sets = {"labels": truth.labels, "ends": truth.ends}
        return sets if truth.uncertain is None else {**sets, "uncertain": truth.uncertain}
    return {"labels": truth}


def _truth_of(arrays: Mapping[str, np.ndarray]) -> Truth:
    labels, ends = arrays.get("labels"), arrays.get("ends")
    for found in (labels, ends):
        if found is not None and (found.dtype != np.int64 or found.ndim != 1):
            raise ValueError(f"labels are {found.dtype} of {found.ndim} axes")
    if labels is None or ends is None:
        return labels
    if (np.diff(ends, prepend=0) < 0).any() or (len(ends) and ends[-1] != len(labels)):
        raise ValueError("the ends of its labels are none")
    uncertain = arrays.get("uncertain")
    if uncertain is not None and (uncertain.dtype != bool or uncertain.shape != labels.shape):
        raise ValueError("it does not say of each label whether it is uncertain")
    return LabelSets(labels, ends, uncertain)


def _refuse_misfits(found: Features) -> None:
    """Raises ValueError where names, parts, labels and descriptors are not of one set."""
    shape, pictures = found.descriptors.shape, len(found.names)
    if found.descriptors.dtype != np.float32 or len(shape) != 2 or shape[0] != pictures:
        raise ValueError(f"descriptors of {list(shape)} for {pictures} names")
    if shape[1] != sum(piece.size for piece in found.pieces):
        raise ValueError(f"descriptors of {shape[1]} numbers, which are not those of its pieces")
    if found.keys.dtype != np.int64 or found.keys.shape != (pictures,):
        raise ValueError(f"keys are {found.keys.dtype} of {list(found.keys.shape)}")
    if sum(part.count for part in found.parts) != pictures:
        raise ValueError("its parts are not of as many pictures")
    truth = found.truth
    if truth is not None and len(truth) != pictures:
        raise ValueError(f"labels of {len(truth)} pictures for {pictures} names")
    labels = truth.labels if isinstance(truth, LabelSets) else truth
    if (
        labels is not None
        and len(labels)
        and not -1 <= labels.min() <= labels.max() < len(found.classes)
    ):
        raise ValueError(f"labels are not all below {len(found.classes)}")
    bad = np.flatnonzero(~np.isfinite(found.descriptors).all(1))
    if len(bad):
        raise ValueError(f"the descriptor of picture {bad[0]} is no finite numbers")


def _save_npy(features: Features, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as file:
            np.save(file, features.descriptors)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None


def _save_csv(features: Features, path: Path) -> None:
    """A row for each picture: its name, its label or labels, and the numbers in full."""
    names = [f"x{i}" for i in range(features.descriptors.shape[1])]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as file:
            text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
            rows = csv.writer(text)
            rows.writerow(["picture", *(["label"] if features.truth is not None else []), *names])
            for i, name in enumerate(features.names):
                label = [] if features.truth is None else [_label(features, i)]
                rows.writerow([name, *label, *(f"{x:.9g}" for x in features.descriptors[i])])
            text.detach()
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None


def _label(features: Features, i: int) -> str:
    assert features.truth is not None
    found = np.atleast_1d(features.truth[i]).tolist()
    return ";".join(features.classes[label] for label in found if label >= 0)
