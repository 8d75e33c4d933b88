"""Which of a network's classes each label of a dataset is, by name, by wnid or by number.

Classes of imported weights may have no names: they are numbered as their scores are. Folders whose
names are numbers are then matched by number, which is a guess: ImageFolder, by which most such
networks are trained, sorts "10" before "2". Other orders come with a match, to be tried on what the
network answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from verydeep.benchmarks.ilsvrc import devkit_order
from verydeep.benchmarks.ilsvrc_lists import WNID, class_key
from verydeep.datasets import Dataset, Part
from verydeep.errors import UserError
from verydeep.evaluation.class_order import BY_NAME, BY_NUMBER, Numbering, Order
from verydeep.parts.annotations import Labels
from verydeep.weights.file import WeightsInfo

ILSVRC_CLASSES = 1000
BY_THE_KIT = "the development kit's order"
BY_LETTERS = "the order of ImageFolder, by their letters"
NAMED = (
    "network and labels number them differently; give the network its class names in the order of "
    "its own outputs, or labels in that order"
)
UNNAMED = (
    "the network's classes have no names; import it again with --classes and the folder that it "
    "was trained on, or a list"
)
MOST_DIGITS = 9


def relabelled(part: Part, dataset: Dataset, info: WeightsInfo) -> Part:
    """The part with labels that are places in the network's classes.

    They are matched by name or wnid, or by number where the network's classes have no names.
    Raises UserError where the data has a class that the network does not know.
    """
    if of_ilsvrc(dataset) and _by_order_alone(dataset, info):
        return part
    numbered = _numberings(dataset, info)
    places = next(iter(numbered.values())) if numbered else _by_name(dataset, info)
    return part.relabelled(places)


def other_orders(dataset: Dataset, info: WeightsInfo) -> tuple[Numbering, ...]:
    """Orders that the classes of weights for this data are known to come in by mistake."""
    if numbered := _numberings(dataset, info):
        taken = next(iter(numbered.values()))
        others = {tuple(places): name for name, places in reversed(numbered.items())}
        others.pop(tuple(taken))
        return tuple(
            Numbering(name, _over(taken, np.array(places), len(info.classes)), UNNAMED, BY_NUMBER)
            for places, name in others.items()
        )
    if not of_ilsvrc(dataset) or len(info.classes) != len(dataset.classes):
        return ()
    order = devkit_order(Path(dataset.where))
    if order is None or len(order) != len(dataset.classes):
        return ()
    return tuple(
        Numbering(BY_THE_KIT, places, NAMED, BY_NAME) for places in (order, np.argsort(order))
    )


def guess_in_words(dataset: Dataset, info: WeightsInfo) -> str | None:
    """What is guessed of which class is which, in a line; None where they have names."""
    if not info.is_unnamed:
        return None
    how = "by number" if _numberings(dataset, info) else "in the order of their wnids"
    return f"the network's classes have no names: they are matched {how}, which is a guess"


def of_ilsvrc(dataset: Dataset) -> bool:
    """Whether it is ILSVRC's: by its lists, or in plain folders by its thousand wnids."""
    wnids = all(WNID.fullmatch(class_key(name)) for name in dataset.classes)
    return dataset.kind == "ilsvrc" or (wnids and len(dataset.classes) == ILSVRC_CLASSES)


def _by_order_alone(dataset: Dataset, info: WeightsInfo) -> bool:
    """Whether classes go by their order alone: as many as there are, under no name that is."""
    ours, theirs = (set(map(class_key, names)) for names in (info.classes, dataset.classes))
    return len(info.classes) == len(dataset.classes) and not ours & theirs


def _by_name(dataset: Dataset, info: WeightsInfo) -> Labels:
    """The place of each of the dataset's classes by its name or wnid."""
    known = {class_key(name): place for place, name in enumerate(info.classes)}
    unknown = [name for name in dataset.classes if class_key(name) not in known]
    if unknown:
        shown = ", ".join(info.classes[:3])
        whose = f"it was trained on {len(info.classes)} classes, the first of them {shown}"
        raise UserError(
            f"{dataset.where} has a class '{unknown[0]}' that the network does not know; "
            f"{UNNAMED if info.is_unnamed else whose}"
        )
    return np.array([known[class_key(name)] for name in dataset.classes], dtype=np.int64)


def _numberings(dataset: Dataset, info: WeightsInfo) -> dict[str, Labels]:
    """Places of classes called by numbers, in each order that they may have; the first is taken.

    Nothing where the network's classes have names, or the folders' are no numbers that fit.
    """
    names, count = dataset.classes, len(info.classes)
    if not info.is_unnamed or not all(map(_is_number, names)):
        return {}
    numbers = np.array([int(name) for name in names], dtype=np.int64)
    if len(set(numbers.tolist())) < len(names) or len(names) > count:
        return {}
    if len(names) == count:
        ranks = _ranks(numbers.tolist())
        found = {"the order of their numbers": ranks, BY_LETTERS: _ranks(names)}
        kit = devkit_order(Path(dataset.where)) if count == ILSVRC_CLASSES else None
        if kit is not None and len(kit) == count:
            found[BY_THE_KIT] = np.argsort(kit)[ranks]
        return found
    found, digits = {}, max([len(name) for name in names if name[0] == "0"], default=1)
    for first in (0, 1):  # of fewer folders than classes, a number is a place
        if first <= numbers.min() and numbers.max() < first + count:
            letters = _ranks([str(first + i).zfill(digits) for i in range(count)])
            found[f"the order of numbers from {first}"] = numbers - first
            found[f"{BY_LETTERS}, from {first}"] = letters[numbers - first]
    return found


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdecimal() and len(name) <= MOST_DIGITS


def _ranks(values: Sequence[int] | Sequence[str]) -> Labels:
    """The place of each value among all of them, sorted."""
    order = sorted(range(len(values)), key=values.__getitem__)
    return np.argsort(np.array(order, dtype=np.int64))


def _over(taken: Labels, other: Labels, count: int) -> Order:
    """What each label would be in another order; those of no folder stay."""
    places = np.arange(count)
    places[taken] = other
    return places
