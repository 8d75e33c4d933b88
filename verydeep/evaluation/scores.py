"""The score file: posteriors of a tested part with all that is needed to use them later.

Testing is done once; errors, comparisons and reports are arithmetic on these files. A file of ours
with `posteriors` [N, K], `labels` [N], and as its record the pictures' names, the classes, the
protocol and a digest of the network. Where classes are each by themselves it has `signs` [N, K] in
place of labels: 1 where a picture is of a class, -1 where it is not, 0 where that does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from verydeep import schema, tensors_file
from verydeep.errors import UserError
from verydeep.evaluation.average_precision import mean_of, of_each_class
from verydeep.evaluation.metrics import Interval, interval, top_error, wrong
from verydeep.evaluation.posteriors import Posteriors, are_posteriors
from verydeep.evaluation.published import Trained
from verydeep.evaluation.same_pictures import order_of, refuse_other_classes, refuse_other_data
from verydeep.evaluation.several import Signs, map_interval
from verydeep.evaluation.views import WAYS, Protocol
from verydeep.parts.annotations import Labels
from verydeep.parts.dataset import ROLES
from verydeep.schema import Line, Seed

KIND = tensors_file.Kind(
    "verydeep-scores",
    "score file",
    5,
    if_damaged="test again",
    if_other="test again, or take it away",  # of a folder that has others
    as_well=(4,),  # which knows no signs
)


@dataclass(frozen=True)
class Scores:
    """Posteriors of pictures, with their names and labels, and how they came about.

    `truth` says of which class pictures are: `labels` where each is of one, or `signs` where a
    posterior is each class's by itself, and a picture may be of several or none.
    `weights` is a digest of the network's tensors and pixels, `data` the dataset's fingerprint,
    `part` and the seed of the `split` say which pictures of it, and `role` what these were for the
    network: "train" where some were learnt from, "validation" where they chose the weights, else
    "test"; `left_out` has a line for each picture that could
    not be read. `net` is set where the network is one of the paper's, whole; `members` are the
    titles of those that were fused. `engine` is what ran the network, by which the last digits
    differ, `precision` what its layers worked in, and `pooling` how its pools rounded.
    """

    posteriors: Posteriors
    truth: Labels | Signs
    names: tuple[Line, ...]
    classes: tuple[Line, ...]
    protocol: Protocol
    weights: str
    data: Line
    part: Line = "test"
    role: Line = "test"
    split: Seed = 0
    left_out: tuple[str, ...] = ()
    net: Trained | None = None
    members: tuple[str, ...] = ()
    engine: Line = "torch"
    precision: Line = "float32"
    pooling: Line = "down"

    @property
    def has_several(self) -> bool:
        """Whether a picture may be of several classes, or none."""
        return self.truth.ndim == 2

    @property
    def labels(self) -> Labels:
        """The class of each picture; UserError where not each is of one."""
        if self.has_several:
            raise UserError(
                f"the pictures of this test have several labels each ({self.title[:200]}); give "
                f"one of pictures with one label each"
            )
        return self.truth

    @property
    def signs(self) -> Signs:
        """Whether each picture is of each class; UserError where each is of one alone."""
        if not self.has_several:
            raise UserError(
                f"the pictures of this test have one label each ({self.title[:200]}); give one of "
                f"a net that ends with a sigmoid"
            )
        return self.truth

    @property
    def title(self) -> str:
        """How they came about, in print."""
        if self.members:
            return f"the mean of {len(self.members)}: {'; '.join(self.members)}"
        return str(self.protocol) + (", pooling up" if self.pooling == "up" else "")

    @property
    def in_words(self) -> str:
        """The top-1 error, or the mAP, with its interval, of which pictures and by which test."""
        figure, value = ("mAP", self.map) if self.has_several else ("error", self.top(1))
        low, high = self.interval
        return (
            f"{self.role} {figure} {value:.1f} % ({low:.1f} to {high:.1f} with 95 % confidence) "
            f"on {len(self.names):,} pictures, {self.title[:200]}"
        )

    @cached_property
    def interval(self) -> Interval:
        """Where the top-1 error, or the mAP, lies with 95 % confidence, in %."""
        if self.has_several:
            return map_interval(self.posteriors, self.signs)
        return interval(wrong(self.posteriors, self.labels))

    def top(self, k: int) -> float:
        """Top-k error in %; 0 by definition where there are no more than k classes."""
        return top_error(self.posteriors, self.labels, k)

    @cached_property
    def average_precisions(self) -> tuple[float | None, ...]:
        """Of tests with several labels, that of each class in %; None where no picture is of it."""
        return of_each_class(self.posteriors, self.signs)

    @property
    def map(self) -> float:
        """The mean of the average precisions in %."""
        return mean_of(self.average_precisions)

    @property
    def cost(self) -> float:
        """A number that is the lower the better the test is: by errors, or by the mAP."""
        return 100 - self.map if self.has_several else self.top(1)

    def __repr__(self) -> str:
        return f"Scores({self.in_words})"


ARRAYS = ("posteriors", "truth")
SAID = tuple(field.name for field in fields(Scores) if field.name not in ARRAYS)
"""What a score file tells of in words, by name."""


def save_scores(scores: Scores, path: Path) -> None:
    """Writes a score file, whole or not at all. Raises UserError where it cannot be written."""
    record = {**{name: getattr(scores, name) for name in SAID}, "protocol": asdict(scores.protocol)}
    truth = {"signs" if scores.has_several else "labels": scores.truth}
    tensors_file.write(path, KIND, record, {"posteriors": scores.posteriors, **truth})


def is_scores(path: Path) -> bool:
    """Whether a file says of itself that it is a score file."""
    return tensors_file.says(path, KIND)


def refuse_other(path: Path) -> None:
    """Raises UserError where something else than a score file would be overwritten."""
    if path.exists() and not is_scores(path):
        raise UserError(f"{path} is there already and is no score file; choose another --out")


def load_scores(path: Path) -> Scores:
    """Scores of a file. Raises UserError where it is missing, damaged or no score file."""
    content = tensors_file.read(path, KIND)
    with tensors_file.refusals(path, KIND):
        said = schema.fitting_keys(Scores, content.record, without=ARRAYS)
        scores = Scores(*_arrays(**content.arrays()), **said)
        _refuse_misfits(scores)
    return scores


def _arrays(
    posteriors: np.ndarray, labels: np.ndarray | None = None, signs: np.ndarray | None = None
) -> tuple[Posteriors, Labels | Signs]:
    """The arrays of a file as they are to be; ValueError where they are of another kind."""
    if posteriors.dtype != np.float32 or posteriors.ndim != 2:
        raise ValueError(f"posteriors are {posteriors.dtype} of {posteriors.ndim} axes")
    if (labels is None) == (signs is None):
        raise ValueError("it has not one of labels and signs")
    if labels is None:
        assert signs is not None
        if signs.dtype != np.int8 or signs.shape != posteriors.shape:
            raise ValueError(f"signs are {signs.dtype} of {signs.shape}")
        if not np.isin(signs, (-1, 0, 1)).all():
            raise ValueError("signs are not all -1, 0 or 1")
        return posteriors, signs
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise ValueError(f"labels are {labels.dtype} of {labels.ndim} axes")
    if len(labels) and not 0 <= labels.min() <= labels.max() < posteriors.shape[1]:
        raise ValueError(f"labels are not all from 0 to {posteriors.shape[1] - 1}")
    return posteriors, labels.astype(np.int64, copy=False)


def _refuse_misfits(scores: Scores) -> None:
    """Raises ValueError where names, classes, labels and posteriors are not of one test."""
    pictures, classes = len(scores.names), len(scores.classes)
    if not pictures or scores.posteriors.shape != (pictures, classes):
        shape = " x ".join(map(str, scores.posteriors.shape))
        raise ValueError(f"{shape} posteriors for {pictures} names and {classes} classes")
    if len(scores.truth) != pictures:
        raise ValueError(f"{len(scores.truth)} labels for {pictures} names")
    if scores.role not in ROLES:
        raise ValueError(f"pictures that were {schema.shown(scores.role)}")
    if scores.protocol.name not in WAYS or not scores.protocol.scales:
        raise ValueError(f"no protocol {schema.shown(scores.protocol.name)}, or none of its scales")
    bad = np.flatnonzero(~are_posteriors(scores.posteriors, scores.has_several))
    if len(bad):
        wanted = "are not from 0 to 1" if scores.has_several else "do not sum to one"
        raise ValueError(f"the posteriors of picture {bad[0]} are none: they {wanted}")


def aligned(scores: Sequence[Scores], called: Sequence[str] | None = None) -> list[Scores]:
    """The same scores, all with their pictures in the order of the first ones.

    Raises UserError, naming the first difference, where classes, pictures or labels are others, or
    the data are by their fingerprint: drawings of another seed go by the same names. `called` are
    what the scores go by there, "score file 1" and so on where nothing is said.
    """
    first, *others = scores
    called = called or [f"score file {number}" for number in range(1, len(scores) + 1)]
    result = [first]
    for other, name in zip(others, called[1:], strict=True):
        refuse_other_classes(first, called[0], other, name)
        ordered = _reordered(first, called[0], other, name)
        _check_labels(first, called[0], ordered, name)
        refuse_other_data(first, other, name)
        result.append(ordered)
    return result


def _reordered(first: Scores, called: str, other: Scores, name: str) -> Scores:
    """The other scores in the order of the first ones, found by the pictures' names."""
    if other.names == first.names:
        return other
    order = order_of(first, called, other, name)
    posteriors, truth = other.posteriors[order], other.truth[order]
    return replace(other, posteriors=posteriors, truth=truth, names=first.names)


def _check_labels(first: Scores, called: str, other: Scores, name: str) -> None:
    if first.has_several != other.has_several:
        ours, theirs = (
            "several labels a picture" if scores.has_several else "one label a picture"
            for scores in (first, other)
        )
        raise UserError(f"{name} is of {theirs}, {called} of {ours}; test by nets of one kind")
    if first.has_several:
        _check_signs(first, called, other, name)
        return
    differs = first.labels != other.labels
    if differs.any():
        i = int(differs.argmax())
        theirs, ours = (scores.classes[scores.labels[i]] for scores in (other, first))
        raise UserError(
            f"{name} has other labels: picture '{first.names[i]}' is of class '{theirs}' there and "
            f"of class '{ours}' in {called}"
        )


def _check_signs(first: Scores, called: str, other: Scores, name: str) -> None:
    places = np.argwhere(first.signs != other.signs)
    if len(places):
        i, k = places[0].tolist()
        raise UserError(
            f"{name} has other labels: class '{first.classes[k]}' of picture '{first.names[i]}' is "
            f"{other.signs[i, k]} there and {first.signs[i, k]} in {called}"
        )
