"""A folder of labelled pictures: one folder for each class.

Two layouts are taken: `photos/cat/*.jpg`, which is split here; and `photos/train/cat/*.jpg` beside
`photos/val/cat/*.jpg`, `photos/test/cat/*.jpg` or both, which is split already. In both, a list of
names and classes may stand for class folders. Where pictures are
many there is a part to choose the weights by and another to test on.
Everything that is no picture is named in the notes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from verydeep.errors import UserError
from verydeep.folders.label_lists import Lists, label_lists
from verydeep.folders.layout import (
    has_pictures,
    part_folders,
    refuse_no_classes,
    unread_lists,
)
from verydeep.folders.listing import Listing
from verydeep.folders.nearly import lacking
from verydeep.folders.tags import classes_of
from verydeep.parts import splitting
from verydeep.parts.annotations import LabelSets
from verydeep.parts.dataset import ROLES, Dataset
from verydeep.parts.entries import entries_of, is_folder, is_hidden, natural_key, some


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
    if not root.exists():
        raise UserError(f"no folder {root}; give a folder with one folder of pictures per class")
    if not root.is_dir():
        raise UserError(
            f"{root} is a file; give a folder with one folder of pictures per class, a table of "
            f"pictures and classes (.csv, .tsv), or an archive (.zip, .tar)"
        )
    try:
        return _of_folder(root, split)
    except UserError as error:
        if (why := lacking(root)) is None:
            raise
        raise UserError(f"{why}; without, {error}" if has_pictures(root) else why) from None


def _of_folder(root: Path, split: int) -> Dataset:
    listings, notes = _listed(root)
    listings, left_alone = _labelled(listings)
    train = listings["train"]
    if len(listings) == 1 and train.root != root:
        note = f"{root} has {train.root.name}/ but no val/ or test/ of class folders beside it"
        return dataset_of(root, listings, split, (note, *left_alone, *notes))
    return dataset_of(root, listings, split, (*left_alone, *notes))


def open_apart(where: str | Path, split: int = 0) -> Dataset:
    """The same where parts may have classes that others have not, as identities in an open set."""
    root = Path(where)
    if not root.is_dir() or len(part_folders(root)) < 2:
        return open(where, split)
    listings, notes = _listed(root)
    names = {name for listing in listings.values() for name in listing.classes}
    classes = tuple(sorted(names, key=natural_key))
    return splitting.dataset_of(root, listings, classes, split, notes, apart=True)


def open_several(where: str | Path, split: int = 0) -> Dataset:
    """The same with the labels of a list as sets, several a picture where the list has several.

    Class folders give a picture one.
    """
    root = Path(where)
    lists = label_lists(root, several=True) if root.is_dir() and not part_folders(root) else Lists()
    if "train" not in lists.by_role:
        return open(where, split).with_sets()
    found = {role: lists.by_role[role].tags for role in ROLES if role in lists.by_role}
    notes = [note for known in lists.by_role.values() for note in known.notes]
    return splitting.dataset_of(root, found, classes_of(found.values()), split, tuple(notes))


def dataset_of(
    root: Path, listings: dict[str, Listing], split: int, notes: tuple[str, ...]
) -> Dataset:
    """Dataset of what was listed by role: one listing is split here, several are split already."""
    train = listings["train"]
    classes = _classes(train)
    for role, listing in listings.items():
        if role != "train":
            _refuse_unknown(train, listing)
    return splitting.dataset_of(root, listings, classes, split, notes)


def refuse_too_small(dataset: Dataset) -> None:
    """Raises UserError for a folder that can be tested on, but not trained on.

    That is one with one class, or with one picture of a class. Of pictures with several labels each
    any number will do.
    """
    if dataset.kind != "folder" or isinstance(dataset.train.truth, LabelSets):
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
    names = (f"{e.name}/" if is_folder(e) else e.name for e in entries_of(root))
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


def _refuse_unknown(train: Listing, other: Listing) -> None:
    """Raises UserError for a part that is not learnt from without pictures, or with other classes.

    That it lacks some is none.
    """
    if not other.pictures:
        raise UserError(f"no pictures in the class folders of {other.root}")
    unknown = [name for name in other.pictures if name not in train.pictures]
    if unknown:
        theirs, ours = (found.called or found.root for found in (other, train))
        raise UserError(
            f"{theirs} has classes that {ours} has not: {some(unknown)}; both need the same ones"
        )


def _classes(listing: Listing) -> tuple[str, ...]:
    """The names of the classes that have pictures.

    Raises UserError where there are none, or they lie in the only one of these folders.
    """
    classes, root = tuple(listing.pictures), listing.root
    if len(classes) > 1:
        return classes
    if classes:
        only = root / listing.pictures[classes[0]].folder
        if only != root and any(
            is_folder(entry) and not is_hidden(entry.name) for entry in entries_of(only)
        ):
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
