"""A folder of labelled pictures: one folder for each class.

Two layouts are taken: `photos/cat/*.jpg`, which is split here; and `photos/train/cat/*.jpg` beside
`photos/val/cat/*.jpg`, `photos/test/cat/*.jpg` or both, which is split already. In both, a list of
names and classes may stand for class folders. Where pictures are
many there is a part to choose the weights by and another to test on; what chose is no test.
Everything that is no picture is named in the notes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from pathlib import Path

import numpy as np

from verydeep import randomness
from verydeep.datasets.annotations import Labels
from verydeep.datasets.dataset import ROLES, Dataset, Part, fingerprint
from verydeep.datasets.entries import entries_of, is_hidden, some
from verydeep.datasets.label_lists import label_lists
from verydeep.datasets.layout import part_folders, refuse_no_classes, unread_lists
from verydeep.datasets.listing import Listing
from verydeep.errors import UserError

HELD_OUT = 0.2
"""Share of each class that is set aside where the folder has no split: half of it each to choose
the weights by and to test on where pictures are many, and else all of it to choose by."""
MANY, MANY_A_CLASS = 1000, 100
"""Pictures, in all and of each class, from which on there is a part for both: 10 of each class."""


def is_here(where: str | Path) -> bool:
    """Always: a path that is nothing else is this, or `open` says what is wrong with it."""
    return True


def open(where: str | Path, split: int = 0) -> Dataset:
    """Dataset of a folder with one folder per class, whose names are the classes' names.

    Class names are in natural order ("2" before "10"). A folder without its own split gets one,
    drawn from `split`, a fifth of each class set aside, and one picture at the least. Pictures
    that lie flat are taken where a list beside them says of which class each is. Raises UserError
    where there are no pictures of classes.
    """
    root = Path(where)
    listings, notes = _listed(root)
    listings, left_alone = _labelled(listings)
    train = listings["train"]
    if len(listings) == 1 and train.root != root:
        note = f"{root} has {train.root.name}/ but no val/ or test/ of class folders beside it"
        return dataset_of(root, listings, split, (note, *left_alone, *notes))
    return dataset_of(root, listings, split, (*left_alone, *notes))


def dataset_of(
    root: Path, listings: dict[str, Listing], split: int, notes: tuple[str, ...]
) -> Dataset:
    """Dataset of what was listed by role: one listing is split here, several are split already."""
    if len(listings) == 1:
        return _split_here(root, listings["train"], split, notes)
    return _split_already(root, listings, split, notes)


def refuse_too_small(dataset: Dataset) -> None:
    """Raises UserError for a folder that can be tested on, but not trained on.

    That is one with one class, or with one picture of a class.
    """
    if dataset.kind != "folder":
        return
    if len(dataset.classes) < 2:
        raise UserError(
            f"one class folder only in {dataset.where}: '{dataset.classes[0]}'; at least 2 are "
            f"needed"
        )
    labels = np.concatenate([part.labels for part in dataset.by_role.values()])
    alone = np.flatnonzero(np.bincount(labels) == 1)
    if len(alone):
        raise UserError(
            f"class '{dataset.classes[alone[0]]}' in {dataset.where} has one picture; at least 2 "
            f"are needed, one to train and one to choose by: add pictures or take the folder out"
        )


def _listed(root: Path) -> tuple[dict[str, Listing], tuple[str, ...]]:
    """The pictures of parts by role, or all to train on, and what is said of the layout."""
    if not root.exists():
        raise UserError(f"no folder {root}; give a folder with one folder of pictures per class")
    if not root.is_dir():
        raise UserError(f"{root} is a file; give a folder with one folder of pictures per class")
    roots, found = part_folders(root), label_lists(root)
    lists = found.by_role
    if "train" not in lists:
        refuse_no_classes(roots.get("train", root), found.unread)
    if not roots and "train" not in lists:
        listing = Listing.of(root)
        _refuse_loose(listing, found.unread)
        return {"train": listing}, ()
    listings = {role: known.listing for role, known in lists.items()}
    listings |= {role: Listing.of(path) for role, path in roots.items()}
    listings = {role: listings[role] for role in ROLES if role in listings}
    used = [known for role, known in lists.items() if role not in roots]
    paths = [*roots.values(), *(path for known in used for path in (known.folder, known.path))]
    taken = {path.relative_to(root).parts[0] for path in paths if path != root}
    notes = tuple(note for known in used for note in known.notes)
    if listings["train"].root == root:
        return listings, notes
    names = (f"{e.name}/" if e.is_dir() else e.name for e in entries_of(root))
    others = sorted(name for name in names if name.rstrip("/") not in taken)
    first = listings["train"].root.relative_to(root).parts[0]
    beside = (f"left alone beside {first}/: {some(others)}",) if others else ()
    return listings, (*notes, *beside)


def _labelled(listings: dict[str, Listing]) -> tuple[dict[str, Listing], tuple[str, ...]]:
    """Those that can be used: a test/ beside val/ may be a contest's, whose labels nobody has."""
    if "validation" not in listings or "test" not in listings:
        return listings, ()
    train, test = listings["train"], listings["test"]
    if not test.pictures.keys().isdisjoint(train.pictures):
        return listings, ()
    line = f"left alone: {test.name}, which has none of the classes of {train.name}"
    return {role: found for role, found in listings.items() if role != "test"}, (line,)


def _split_here(root: Path, listing: Listing, seed: int, notes: tuple[str, ...]) -> Dataset:
    """The dataset of one listing, split by the seed of the split."""
    classes = _classes(listing)
    whole = listing.part(classes)
    made = ("validation", "test") if _is_enough(whole.labels) else ("validation",)
    parts = _drawn(whole, seed, HELD_OUT, made)
    counts = {role: f"{len(part):,}" for role, part in parts.items()}
    if "test" in made:
        note = (
            f"{HELD_OUT / 2:.0%} of each class set aside to choose the weights by and "
            f"{HELD_OUT / 2:.0%} to test on, drawn from split seed {seed}: {counts['train']} to "
            f"train, {counts['validation']} to choose by, {counts['test']} to test"
        )
    else:
        note = (
            f"{HELD_OUT:.0%} of each class set aside to choose the weights by, drawn from split "
            f"seed {seed}: {counts['train']} to train, {counts['validation']} to choose by; of "
            f"{MANY:,} pictures, {MANY_A_CLASS} of each class, there would be a test as well"
        )
    print_of = fingerprint(chain(classes, listing.lines()))
    notes = (*notes, note, *listing.notes)
    return Dataset(str(root), "folder", classes, parts, made, notes, print_of)


def _is_enough(labels: Labels) -> bool:
    """Whether there are pictures enough for one more part to be set aside."""
    counts = np.bincount(labels)
    return len(labels) >= MANY and bool(counts[counts > 0].min() >= MANY_A_CLASS)


def _drawn(whole: Part, seed: int, share: float, made: tuple[str, ...]) -> dict[str, Part]:
    """The parts of one: of every class the same share set aside, at least one picture.

    The roles that are made take turns with those that are set aside, so that these are the same
    pictures whether one role is made or two.
    """
    turns = np.zeros(len(whole), dtype=np.int64)
    for label in np.unique(whole.labels):
        members = np.flatnonzero(whole.labels == label)
        count = max(1, round(share * len(members)))
        drawn = randomness.generator(seed, "split", sample=int(label)).permutation(members)
        turns[drawn[:count]] = 1 + np.arange(count) % len(made)
    roles = enumerate(("train", *made))
    return {role: whole.only(np.flatnonzero(turns == turn)) for turn, role in roles}


def _split_already(
    root: Path, listings: dict[str, Listing], seed: int, beside: tuple[str, ...]
) -> Dataset:
    """The dataset of several listings, each a part; one to choose by is made if there is none."""
    train = listings["train"]
    classes = _classes(train)
    notes = [
        line for role in listings if role != "train" for line in _held_out(train, listings[role])
    ]
    parts = {role: listing.part(classes) for role, listing in listings.items()}
    uses = {"train": "to train on", "validation": "to choose the weights by", "test": "to test on"}
    found = [f"{listings[r].name} ({len(p):,} {uses[r]})" for r, p in parts.items()]
    notes.insert(0, f"parts found, with their pictures: {', '.join(found)}")
    made: tuple[str, ...] = ()
    if "validation" not in parts and _is_enough(parts["train"].labels):
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


def words_of(found: Collection[str]) -> tuple[str, ...]:
    """What the parts that were found go by in the fingerprint; two, as ever, by these."""
    return ("train", "test") if len(found) == 2 else ROLES


def _held_out(train: Listing, other: Listing) -> Iterator[str]:
    """A line for classes that a part that is not learnt from lacks; UserError for ones too many."""
    if not other.pictures:
        raise UserError(f"no pictures in the class folders of {other.root}")
    unknown = [name for name in other.pictures if name not in train.pictures]
    if unknown:
        theirs, ours = (found.called or found.root for found in (other, train))
        raise UserError(
            f"{theirs} has classes that {ours} has not: {some(unknown)}; both need the same ones"
        )
    absent = [name for name in train.pictures if name not in other.pictures]
    if absent:
        yield f"classes without a picture in {other.name}: {some(absent)}"


def _classes(listing: Listing) -> tuple[str, ...]:
    """The names of the classes that have pictures.

    Raises UserError where there are none, or they lie in the only one of these folders.
    """
    classes, root = tuple(listing.pictures), listing.root
    if len(classes) > 1:
        return classes
    if classes:
        only = root / listing.pictures[classes[0]].folder
        if any(entry.is_dir() and not is_hidden(entry.name) for entry in entries_of(only)):
            raise UserError(
                f"one class folder only in {root}: '{classes[0]}'; its folders are the data: give "
                f"{only}"
            )
        return classes
    _refuse_loose(listing, {})
    unread = next(
        (f": {len(n)} {why}" for why, n in listing.left_out.items() if "not read" in why), ""
    )
    raise UserError(f"no pictures in {root}{unread}; expected one folder of pictures per class")


def _refuse_loose(listing: Listing, unread: Mapping[str, str]) -> None:
    """Raises UserError for pictures that lie outside class folders, where these have none.

    `unread` says of lists of labels by name why they were not read.
    """
    loose = listing.left_out.get("pictures outside any class folder", [])
    if loose and not listing.pictures:
        lists = unread_lists(listing.root, unread)
        raise UserError(
            f"{listing.root} has {len(loose)} pictures but no class folders; put those of each "
            f"class into a folder named after it, or name them in labels.csv, a line `file,class` "
            f"each{f'; not read: {lists}' if lists else ''}"
        )
