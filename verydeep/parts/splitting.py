"""A dataset's parts made of what was found: split already, or split here from a seed.

In comes what lies there by role, of whatever kind it is; out comes the dataset. Where pictures are
many there is a part to choose the weights by and another to test on; what chose is no test. All
folds together test each picture once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from verydeep import randomness
from verydeep.errors import UserError
from verydeep.parts.annotations import Labels, LabelSets, Truth
from verydeep.parts.dataset import ROLES, Dataset, Part, fingerprint
from verydeep.parts.entries import some

HELD_OUT = 0.2
"""Share of each class that is set aside where the folder has no split: half of it each to choose
the weights by and to test on where pictures are many, and else all of it to choose by."""
CHOOSES = ("validation",)
MANY, MANY_A_CLASS = 1000, 100
"""Pictures, in all and of each class, from which on there is a part for both: 10 of each class."""
SPLIT = "drawn from split seed"
"""In a note on parts that were made when the data was opened."""
RAREST = "; a picture of several classes goes with the rarest"


@runtime_checkable
class Found(Protocol):
    """What lies there of one part: its pictures, and what is said of them."""

    @property
    def name(self) -> str:
        """What it goes by in notes."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that have pictures in it, in order."""

    @property
    def notes(self) -> tuple[str, ...]:
        """A line for each kind of thing that was left out."""

    def lines(self) -> Iterator[str]:
        """What identifies the pictures and their labels."""

    def part(self, classes: tuple[str, ...]) -> Part:
        """All the pictures, their labels places in the classes."""


def dataset_of(
    root: Path,
    listings: Mapping[str, Found],
    classes: tuple[str, ...],
    seed: int,
    notes: tuple[str, ...],
    apart: bool = False,
) -> Dataset:
    """Dataset of what was found by role: alone it is split here, several are split already.

    That parts lack classes of others is told, but where they are meant to be `apart`.
    """
    if len(listings) == 1:
        return _split_here(root, listings["train"], classes, seed, notes)
    return _split_already(root, listings, classes, seed, notes, apart)


def _split_here(
    root: Path, listing: Found, classes: tuple[str, ...], seed: int, notes: tuple[str, ...]
) -> Dataset:
    """The dataset of what was found of one part, split by the seed of the split."""
    parts, note = split_here(listing.part(classes), seed)
    print_of = fingerprint(chain(classes, listing.lines()))
    notes = (*notes, note, *listing.notes)
    made = tuple(role for role in parts if role != "train")
    return Dataset(str(root), "folder", classes, parts, made, notes, print_of)


def split_here(whole: Part, seed: int) -> tuple[dict[str, Part], str]:
    """Parts of pictures that are not split, drawn from the seed of the split, and a note of it."""
    made = ("validation", "test") if _is_enough(whole.truth) else ("validation",)
    parts = _drawn(whole, seed, HELD_OUT, made)
    rarest = RAREST if isinstance(whole.truth, LabelSets) else ""
    counts = {role: f"{len(part):,}" for role, part in parts.items()}
    if "test" in made:
        note = (
            f"{HELD_OUT / 2:.0%} of each class set aside to choose the weights by and "
            f"{HELD_OUT / 2:.0%} to test on, drawn from split seed {seed}: {counts['train']} to "
            f"train, {counts['validation']} to choose by, {counts['test']} to test{rarest}"
        )
    else:
        note = (
            f"{HELD_OUT:.0%} of each class set aside to choose the weights by, drawn from split "
            f"seed {seed}: {counts['train']} to train, {counts['validation']} to choose by; of "
            f"{MANY:,} pictures, {MANY_A_CLASS} of each class, there would be a test as "
            f"well{rarest}"
        )
    return parts, note


def _is_enough(truth: Truth) -> bool:
    """Whether there are pictures enough for one more part to be set aside."""
    assert truth is not None
    counts = np.bincount(truth.certain if isinstance(truth, LabelSets) else truth)
    return len(truth) >= MANY and bool(counts[counts > 0].min(initial=MANY) >= MANY_A_CLASS)


def _drawn(whole: Part, seed: int, share: float, made: tuple[str, ...]) -> dict[str, Part]:
    """The parts of one: of every class the same share set aside, at least one picture.

    The roles that are made take turns with those that are set aside, so that these are the same
    pictures whether one role is made or two.
    """
    turns = np.zeros(len(whole), dtype=np.int64)
    labels = _one_each(whole)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = max(1, round(share * len(members)))
        drawn = randomness.generator(seed, "split", sample=int(label)).permutation(members)
        turns[drawn[:count]] = 1 + np.arange(count) % len(made)
    roles = enumerate(("train", *made))
    return {role: whole.only(np.flatnonzero(turns == turn)) for turn, role in roles}


def _one_each(whole: Part) -> Labels:
    """A class of each picture, by which it is drawn."""
    return _rarest(whole.truth) if isinstance(whole.truth, LabelSets) else whole.labels


def _rarest(sets: LabelSets) -> Labels:
    """The rarest class of each picture; one more for those of none, or alone in theirs."""
    counts = np.bincount(sets.labels, minlength=1)
    order = np.append(np.argsort(counts, kind="stable"), len(counts))  # the rarest first
    place = np.argsort(order)
    first = np.full(len(sets), len(counts))
    np.minimum.at(first, sets.pictures, place[sets.labels])
    rarest = order[first]
    alone = np.bincount(rarest, minlength=len(order)) == 1
    return np.where(alone[rarest], len(counts), rarest)


def _split_already(
    root: Path,
    listings: Mapping[str, Found],
    classes: tuple[str, ...],
    seed: int,
    beside: tuple[str, ...],
    apart: bool,
) -> Dataset:
    """The dataset of several parts that were found; one to choose by is made if there is none."""
    train = listings["train"]
    absent = {
        found.name: [name for name in classes if name not in found.classes]
        for found in listings.values()
        if not apart
    }
    notes = [f"classes without a picture in {n}: {some(a)}" for n, a in absent.items() if a]
    parts = {role: listing.part(classes) for role, listing in listings.items()}
    uses = {"train": "to train on", "validation": "to choose the weights by", "test": "to test on"}
    found = [f"{listings[r].name} ({len(p):,} {uses[r]})" for r, p in parts.items()]
    notes.insert(0, f"parts found, with their pictures: {', '.join(found)}")
    made: tuple[str, ...] = ()
    if "validation" not in parts and _is_enough(parts["train"].truth):
        made = ("validation",)
        parts = {**_drawn(parts["train"], seed, HELD_OUT / 2, made), "test": parts["test"]}
        notes.append(
            f"{HELD_OUT / 2:.0%} of each class of {train.name} set aside to choose the "
            f"weights by, drawn from split seed {seed}: {len(parts['validation']):,}"
        )
    elif "validation" not in parts:
        name = listings["test"].name
        parts["validation"] = parts.pop("test")
        notes.append(
            f"{name} chooses the weights, for there is no val/ and {train.name} has too few "
            f"to make one ({MANY:,} and {MANY_A_CLASS} of each class): its error is a validation "
            f"error, which flatters"
        )
    said = zip(words_of(listings), listings.values(), strict=True)
    lines = chain(classes, *(chain([word], listing.lines()) for word, listing in said))
    notes = [*notes, *beside, *(line for listing in listings.values() for line in listing.notes)]
    return Dataset(str(root), "folder", classes, parts, made, tuple(notes), fingerprint(lines))


def with_test(dataset: Dataset, seed: int) -> Dataset:
    """The same with a test: what was found to choose by is set aside, and some of train chooses.

    A tenth of each class is drawn for it from the seed of the split. A dataset that has a test, or
    of which nothing was found but pictures to train on, is as it was.
    """
    parts = dataset.by_role
    if {"test", "validation"} - parts.keys() != {"test"} or "validation" in dataset.made:
        return dataset
    name = dataset.roles["validation"]
    found = _drawn(parts["train"], seed, HELD_OUT / 2, CHOOSES)
    note = (
        f"{HELD_OUT / 2:.0%} of each class of {dataset.roles['train']} chooses the weights, drawn "
        f"from split seed {seed}: {len(found['validation']):,}; {name} is the test"
    )
    return replace(
        dataset,
        parts={**found, "test": parts["validation"]},
        made=("validation",),
        notes=(*dataset.notes, note),
        roles={role: role for role in ROLES},
    )


def has_own_parts(dataset: Dataset) -> bool:
    """Whether somebody else than the seed of the split set pictures aside."""
    return any(role != "train" and role not in dataset.made for role in dataset.by_role)


def in_fold(dataset: Dataset, fold: tuple[int, int], seed: int) -> Dataset:
    """The same pictures with fold i of k as the test, (i, k), and the others to learn from.

    Pictures of each class are dealt out in turn, in an order drawn from the seed of the split, so
    that all folds together test each picture once. A tenth of each class of the others chooses the
    weights. Raises UserError for data that is split already, and for a class with too few pictures.
    """
    if has_own_parts(dataset):
        raise UserError(f"{dataset.where} is split already; folds are of data without parts")
    (number, count), whole = fold, dataset.everything
    labels, order = _one_each(whole), list[int]()
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < count and label < len(dataset.classes):
            raise UserError(
                f"class '{dataset.classes[label]}' has {len(members)} picture(s), too few for "
                f"{count} folds; add pictures, or take fewer folds or the class out"
            )
        drawn = randomness.generator(seed, "split", epoch=count, sample=int(label))
        order += drawn.permutation(members).tolist()
    turns = np.empty(len(whole), np.int64)
    turns[order] = np.arange(len(order)) % count
    test = whole.only(np.flatnonzero(turns == number))
    others = _drawn(whole.only(np.flatnonzero(turns != number)), seed, HELD_OUT / 2, CHOOSES)
    parts = {**others, "test": test}
    kept = tuple(note for note in dataset.notes if SPLIT not in note)
    note = (
        f"fold {number + 1} of {count}, drawn from split seed {seed}: {len(parts['train']):,} to "
        f"train, {len(parts['validation']):,} to choose by, {len(test):,} to test"
    )
    return replace(
        dataset,
        parts=parts,
        made=("validation", "test"),
        notes=(*kept, note),
        roles={role: role for role in ROLES},
    )


def words_of(found: Collection[str]) -> tuple[str, ...]:
    """What the parts that were found go by in the fingerprint; two, as ever, by these."""
    return ("train", "test") if len(found) == 2 else ROLES
