"""The pictures of a study of transfer: what is described, and which are drawn to learn from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from verydeep.datasets import Dataset, Part, open_dataset, refuse_too_small
from verydeep.descriptors.linear import signs_of
from verydeep.descriptors.protocols import Rows
from verydeep.descriptors.svm import Signs
from verydeep.errors import UserError
from verydeep.parts.annotations import LabelSets
from verydeep.parts.dataset import joined
from verydeep.parts.draws import stored
from verydeep.randomness import generator
from verydeep.verbs.parts import opened
from verydeep.verbs.study_asked import refuse_few


@dataclass(frozen=True)
class Draw:
    """Places of the pictures that are learnt from and tested on, among those of the part."""

    learn: Rows
    test: Rows


@dataclass(frozen=True)
class Drawn:
    """The pictures that are described, of which classes they are, and the draws of them.

    `shared` says that all draws are tested on the same pictures; `how` what they are, in words. The
    seed of the `split` is that which they depend on, 0 of those that somebody stored.
    """

    part: Part
    signs: Signs
    draws: tuple[Draw, ...]
    shared: bool
    how: str
    split: int = 0

    @property
    def in_words(self) -> str:
        """How many there are, and what."""
        return f"{len(self.draws)} {self.how}"


def opened_to_draw(data: str | Path, split: int) -> tuple[Dataset, bool]:
    """The data with a part to test on, and whether its pictures have several labels each."""
    whole = open_dataset(data, split, True)
    several = any(not _one_each(part) for part in whole.parts.values())
    dataset = opened(data, {"split": split, "validation": "drawn"}, several)
    refuse_too_small(dataset)
    return dataset, several


def _one_each(part: Part) -> bool:
    truth = part.truth
    if not isinstance(truth, LabelSets):
        return True
    return truth.uncertain is None and bool((np.diff(truth.ends, prepend=0) == 1).all())


def _signs(part: Part, classes: int) -> Signs:
    if isinstance(part.truth, LabelSets):
        return part.truth.signs(classes)
    return signs_of(part.labels, classes)


def stored_draws(dataset: Dataset, count: int) -> Drawn | None:
    """The splits that somebody stored with the data, if there are any."""
    kept = stored(dataset)
    if not kept:
        return None
    if len(kept) < count:
        raise UserError(f"{dataset.where} has {len(kept)} splits stored; give --seeds {len(kept)}")
    everything = dataset.everything
    places = {name: i for i, name in enumerate(everything.names)}

    def rows(part: Part) -> Rows:
        return np.array([places[name] for name in part.names])

    draws = tuple(Draw(rows(draw.train), rows(draw.test)) for draw in kept[:count])
    signs = _signs(everything, len(dataset.classes))
    return Drawn(everything, signs, draws, False, "splits that lie with the data")


def draws_of(dataset: Dataset, a_class: int, count: int, split: int) -> Drawn:
    """Draws of so many pictures of each class to train on, or of all where there are fewer.

    Raises UserError where too few are set aside to be tested on, and for a class of which there is
    no second picture to choose C by.
    """
    refuse_few([dataset])
    train, test = dataset.train, dataset.by_role["test"]
    signs = _signs(train, len(dataset.classes))
    for label, name in enumerate(dataset.classes):
        if (there := int((signs[:, label] > 0).sum())) < 2:
            raise UserError(
                f"class '{name}' has {there} picture(s) to learn from; two are the least"
            )
    tested = np.arange(len(train), len(train) + len(test))
    draws = []
    for number in range(count):
        order = generator(split, "split", 1 + number).permutation(len(train))
        of_class = [order[signs[order, k] > 0][:a_class] for k in range(signs.shape[1])]
        draws.append(Draw(np.unique(np.concatenate(of_class)), tested))
    whole = joined([train, test])
    return Drawn(
        whole, _signs(whole, len(dataset.classes)), tuple(draws), True,
        f"draws of {a_class} pictures a class from train", split,
    )  # fmt: skip
