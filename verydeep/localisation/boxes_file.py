"""The boxes file: where a network says objects are, with all that is needed to use it later.

A localisation test is done once; guesses, errors, merging at another threshold, fusion and
comparisons are arithmetic on these files. A file of ours with the boxes of every position and of
every candidate class as they came from the network, not merged yet (`boxes` [T, J, 4], `ratings`
[T, J], `ends` [N]), the candidates of every picture, the truth in flat arrays, and as its record
the pictures' names, the classes and how it came about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float32, Int64

from verydeep import schema, tensors_file
from verydeep.errors import UserError
from verydeep.evaluation.published import Trained
from verydeep.evaluation.views import Protocol
from verydeep.parts.annotations import Ends, FlatObjects, Labels, Objects, flat_places
from verydeep.parts.dataset import ROLES
from verydeep.schema import Between, Line, Seed

KIND = tensors_file.Kind(
    "verydeep-boxes",
    "boxes file",
    1,
    if_damaged="test again",
    if_other="test again, or take it away",
)
WAYS = ("centre", "dense")
"""The protocols of Appendix A: the true class in one centre crop, and every position at every Q."""

LARGEST = 1e6
"""The threshold up to which boxes may be merged, at the most, and no less than 0."""

Regression = Literal["PCR", "SCR"]
"""Whether the net has a box for each class, or one for all of them, as the paper calls them."""
Tuned = Literal["all", "fc", "last"]
"""The layers that learnt to place boxes: all, the fully-connected ones, or the last alone."""


@dataclass(frozen=True)
class Localised:
    """Boxes of pictures for each of a few candidate classes, the truth, and how they came about.

    Boxes are in pixels of the upright original picture. Picture i has one row for each position of
    each view, those before `ends[i]`; a row has a box for each of its J candidates, and the
    posterior of that class at that position, its rating. Candidates are classes, the most probable
    first, by the `posteriors` of the whole picture; `sizes` are (height, width). In `truth` every
    picture has an object of its label that is not difficult.

    The protocol "centre" is given the class: J = 1, the candidate is the label, and there is one
    position, so that nothing is merged and `threshold` is None. In "dense" boxes of a candidate are
    merged up to the `threshold`, which was `chosen_on` some pictures, or is the default where that
    is empty. Where the net has one box for all classes (SCR), all J of a row are the same.

    `weights` is a digest of the network that places boxes, `classifier` of what chose the
    candidates, and `candidates_by` the title of that test; the rest is as in `Scores`.
    """

    boxes: Float32[np.ndarray, "T J 4"]
    ratings: Float32[np.ndarray, "T J"]
    ends: Ends
    candidates: Int64[np.ndarray, "N J"]
    posteriors: Float32[np.ndarray, "N J"]
    labels: Labels
    sizes: Int64[np.ndarray, "N 2"]
    truth: FlatObjects
    names: tuple[Line, ...]
    classes: tuple[Line, ...]
    protocol: Protocol
    weights: str
    data: Line
    classifier: str = ""
    candidates_by: str = ""
    threshold: Annotated[float, Between(0, LARGEST)] | None = None
    chosen_on: Line = ""
    regression: Regression = "PCR"
    tuned: Tuned = "all"
    part: Line = "test"
    role: Line = "test"
    split: Seed = 0
    left_out: tuple[str, ...] = ()
    net: Trained | None = None
    members: tuple[str, ...] = ()
    engine: Line = "torch"
    precision: Line = "float32"
    pooling: Line = "down"

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"Localised({len(self.boxes):,} positions of {len(self):,} pictures: {self.title})"

    @property
    def counts(self) -> Int64[np.ndarray, " N"]:
        """How many positions each picture has."""
        return np.diff(self.ends, prepend=0)

    @property
    def is_given_class(self) -> bool:
        """Whether the box of the true class was asked for, whatever the picture is taken for."""
        return self.protocol.name == "centre"

    @property
    def title(self) -> str:
        """How they came about, in print."""
        if self.members:
            return f"the boxes of {len(self.members)}: {'; '.join(self.members)}"
        at = f"Q = {', '.join(map(str, self.protocol.scales))}"
        up = ", pooling up" if self.pooling == "up" else ""
        if self.is_given_class:
            return f"the true class in one centre crop of {self.protocol.crop}, {at}{up}"
        return f"dense, boxes merged, {at}{up}"

    def only(self, chosen: Int64[np.ndarray, " M"]) -> Localised:
        """The same of these pictures, in this order."""
        rows = flat_places(self.ends, chosen)
        return replace(
            self,
            boxes=self.boxes[rows],
            ratings=self.ratings[rows],
            ends=np.cumsum(self.counts[chosen]),
            truth=self.truth.only(chosen),
            names=tuple(self.names[i] for i in chosen.tolist()),
            **{name: getattr(self, name)[chosen] for name in OF_PICTURES},
        )


OF_PICTURES = ("candidates", "posteriors", "labels", "sizes")
TRUTH = ("true_boxes", "true_labels", "difficult", "true_ends")
ARRAYS = ("boxes", "ratings", "ends", *OF_PICTURES)
SAID = tuple(f.name for f in fields(Localised) if f.name not in (*ARRAYS, "truth"))
"""What a boxes file tells of in words, by name."""


def save_boxes(found: Localised, path: Path) -> None:
    """Writes a boxes file, whole or not at all. Raises UserError where it cannot be written."""
    record = {name: getattr(found, name) for name in SAID} | {"protocol": asdict(found.protocol)}
    objects = found.truth.objects
    truth = (objects.boxes, objects.labels, objects.difficult, found.truth.ends)
    arrays = {name: getattr(found, name) for name in ARRAYS}
    tensors_file.write(path, KIND, record, arrays | dict(zip(TRUTH, truth, strict=True)))


def is_boxes(path: Path) -> bool:
    """Whether a file says of itself that it is a boxes file."""
    return tensors_file.says(path, KIND)


def refuse_other(path: Path) -> None:
    """Raises UserError where something else than a boxes file would be overwritten."""
    if path.exists() and not is_boxes(path):
        raise UserError(f"{path} is there already and is no boxes file; choose another --out")


def load_boxes(path: Path) -> Localised:
    """The boxes of a file. Raises UserError where it is missing, damaged or no boxes file."""
    content = tensors_file.read(path, KIND)
    with tensors_file.refusals(path, KIND):
        said = schema.fitting_keys(Localised, content.record, without=(*ARRAYS, "truth"))
        arrays = content.arrays()
        pictures, classes = len(said["names"]), len(said["classes"])
        _refuse_other_arrays(arrays, pictures, classes)
        boxes, labels, difficult, ends = (arrays.pop(name) for name in TRUTH)
        truth = FlatObjects(Objects(boxes, labels, difficult), ends)
        found = Localised(**{**said, **arrays, "truth": truth})
        _refuse_misfits(found)
    return found


def _refuse_other_arrays(arrays: Mapping[str, np.ndarray], pictures: int, classes: int) -> None:
    """Raises ValueError where arrays are not those of so many pictures, in kind and shape."""
    if set(arrays) != {*ARRAYS, *TRUTH}:
        raise ValueError(f"its arrays are {', '.join(sorted(arrays))}")
    rows, objects = len(arrays["boxes"]), len(arrays["true_boxes"])
    candidates = arrays["candidates"].shape[1] if arrays["candidates"].ndim == 2 else 0
    kinds: dict[str, tuple[Any, tuple[int, ...]]] = {
        "candidates": (np.int64, (pictures, candidates)),
        "boxes": (np.float32, (rows, candidates, 4)),
        "ratings": (np.float32, (rows, candidates)),
        "ends": (np.int64, (pictures,)),
        "posteriors": (np.float32, (pictures, candidates)),
        "labels": (np.int64, (pictures,)),
        "sizes": (np.int64, (pictures, 2)),
        "true_boxes": (np.float64, (objects, 4)),
        "true_labels": (np.int64, (objects,)),
        "difficult": (np.bool_, (objects,)),
        "true_ends": (np.int64, (pictures,)),
    }
    for name, (kind, shape) in kinds.items():
        array = arrays[name]
        if array.dtype != kind or array.shape != shape:
            raise ValueError(
                f"its {name} are {array.dtype} of {list(array.shape)}; {np.dtype(kind)} of "
                f"{list(shape)} are needed"
            )
    for name in ("candidates", "labels", "true_labels"):
        if arrays[name].size and not 0 <= arrays[name].min() <= arrays[name].max() < classes:
            raise ValueError(f"its {name} are not all from 0 to {classes - 1}")
    for name in ("boxes", "ratings", "posteriors", "true_boxes"):
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"its {name} are not all finite numbers")


def _refuse_misfits(found: Localised) -> None:
    """Raises ValueError where what it says is not of one test."""
    if not len(found) or not found.candidates.shape[1]:
        raise ValueError("it has no pictures, or no candidates")
    if found.role not in ROLES:
        raise ValueError(f"pictures that were {schema.shown(found.role)}")
    if found.protocol.name not in WAYS or not found.protocol.scales:
        raise ValueError(f"no protocol {schema.shown(found.protocol.name)}, or none of its scales")
    if (found.counts < 1).any() or found.ends[-1] != len(found.boxes):
        raise ValueError("the ends of its positions are none")
    _refuse_other_truth(found)
    _refuse_other_candidates(found)


def _refuse_other_truth(found: Localised) -> None:
    if (found.sizes < 1).any():
        raise ValueError("pictures without a pixel")
    counts, objects = np.diff(found.truth.ends, prepend=0), found.truth.objects
    if (counts < 0).any() or found.truth.ends[-1] != len(objects):
        raise ValueError("the ends of its true boxes are none")
    picture = np.repeat(np.arange(len(found)), counts)
    own = (objects.labels == found.labels[picture]) & ~objects.difficult
    lacking = np.flatnonzero(np.bincount(picture[own], minlength=len(found)) == 0)
    if len(lacking):
        raise ValueError(f"no true box of picture {lacking[0]} is of its class and not difficult")


def _refuse_other_candidates(found: Localised) -> None:
    if not ((found.posteriors >= 0) & (found.posteriors <= 1)).all() or (found.ratings < 0).any():
        raise ValueError("posteriors or ratings that are none")
    if (np.diff(found.posteriors, axis=1) > 0).any():
        raise ValueError("candidates whose most probable one is not the first")
    if (np.diff(np.sort(found.candidates, axis=1), axis=1) == 0).any():
        raise ValueError("a candidate that is one twice")
    if found.is_given_class:
        if not np.array_equal(found.candidates, found.labels[:, None]):
            raise ValueError("candidates of a centre crop that are not the true classes")
        if found.threshold is not None or (found.counts > 1).any():
            raise ValueError("several boxes of a centre crop, or a threshold for merging them")
    elif found.threshold is None:
        raise ValueError("no threshold for merging its boxes")
