"""ILSVRC-2012, classification and localisation, as the world stores it.

Pictures to train on lie in `train/<wnid>/`; those of the validation set, whose error the paper
prints, flat in `val/` with a list of their labels, or in `val/<wnid>/`. Kaggle's
`ILSVRC/Data/CLS-LOC/` stands for the folder above both, and a flat folder of validation pictures
beside a list for `val/`. Lists are looked for in the root, in the development kit's folder, beside
the pictures and beside the root. Some validation pictures that lie flat with a list of just them
are a data set to learn from too.

The classes are wnids ("n01440764") in sorted order, in which released weights have them; words for
them are `class_names(find_list(root, *WORDS))`, where the user has the list, and a note tells where
it is. Wnids rather than words are the classes because two classes are called "crane".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from verydeep.benchmarks import ilsvrc_lists
from verydeep.benchmarks.ilsvrc_boxes import BoxesOf, train_boxes, val_boxes
from verydeep.benchmarks.ilsvrc_files import (
    BOXES,
    IDS,
    LABELS,
    PLACES,
    SOLUTION,
    SYNSETS,
    TRUTH,
    WORDS,
    Pictures,
    find_list,
    is_here,
    stem_of,
    train_folder,
    val_folder,
)
from verydeep.benchmarks.ilsvrc_lists import class_names
from verydeep.errors import UserError
from verydeep.parts import splitting
from verydeep.parts.annotations import Labels, Objects
from verydeep.parts.dataset import Dataset, Part, fingerprint
from verydeep.parts.entries import some
from verydeep.pictures.boxes import Boxes

__all__ = ["WORDS", "class_names", "devkit_order", "find_list", "is_here", "open"]

VALIDATION_PICTURES = 50_000


def open(where: str | Path, split: int = 0) -> Dataset:
    """Dataset of ILSVRC-2012: train/, or nothing where it is absent, and the validation set.

    It is split already, but for a choice of validation pictures with Kaggle's list of them alone,
    which is split here. Reads names and sizes of files and the lists, no picture. Boxes are as the
    lists have them, so those of rescaled pictures need a list of their own; XML files tell the size
    of their picture, and boxes from there are scaled to the picture that is there. Of a picture in
    no list, and without a file, no objects are told. Raises UserError where a validation picture
    has no label, or two.
    """
    root = Path(where)
    train_root, val_root = train_folder(root), val_folder(root)
    if val_root is None:
        raise UserError(
            f"no validation pictures in {root}; expected val/ILSVRC2012_val_00000001.JPEG and so "
            f"on, or val/<wnid>/; to learn from train/ alone, give that folder"
        )
    train = Pictures.of(train_root) if train_root else Pictures(root / "train")
    val = Pictures.of(val_root)
    if not val.names:
        raise UserError(f"no pictures in {val_root}, or empty files only; unpack them again")
    lists = _Lists.of(root, flat=not val.sorted)
    wnids = _wnids(val, lists)
    classes = tuple(sorted({*train.wnids, *wnids, *(() if val.sorted else lists.classes)}))
    boxes, box_notes = val_boxes(root, val, lists.boxes_path, lists.boxes)
    held_out = _part(val, wnids, classes, boxes)
    print_of = fingerprint(_lines(classes, train, val, wnids))
    if _is_a_choice(root, train, val, lists):
        parts, note = splitting.split_here(held_out, split)
        made = tuple(role for role in parts if role != "train")
        notes = (f"{len(val.names):,} of ILSVRC-2012's validation pictures", note, *box_notes)
        return Dataset(str(root), "ilsvrc", classes, parts, made, notes + val.notes, print_of)
    learnt, train_notes = train_boxes(root, train)
    parts = {"train": _part(train, train.wnids, classes, learnt), "validation": held_out}
    boxed = (*train_notes, *box_notes)
    notes = (*_notes(root, train, val, lists), *boxed, *train.notes, *val.notes)
    return Dataset(str(root), "ilsvrc", classes, parts, (), notes, print_of)


def _is_a_choice(root: Path, train: Pictures, val: Pictures, lists: _Lists) -> bool:
    """Whether somebody chose some of the validation pictures, and put Kaggle's list of them beside.

    The list then names what lies there and nothing else, and two pictures of each class.
    """
    if train.names or val.root != root or len(val.names) >= VALIDATION_PICTURES:
        return False
    if lists.path != root / SOLUTION or {*map(stem_of, val.names)} != lists.labels.keys():
        return False
    return min(Counter(lists.labels.values()).values()) > 1


def devkit_order(root: Path) -> Labels | None:
    """For each class in sorted order, its place in the development kit's.

    None where no list of it can be read: it is for telling a wrong order, not for labels.
    """
    path = find_list(root, *IDS)
    with suppress(UserError):
        return ilsvrc_lists.devkit_places(ilsvrc_lists.devkit_ids(path)) if path else None
    return None


@dataclass(frozen=True)
class _Lists:
    """What the lists say of the validation pictures, by their stems, and which lists they are."""

    path: Path | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    classes: frozenset[str] = frozenset()
    boxes_path: Path | None = None
    boxes: Mapping[str, Boxes] | None = None

    @classmethod
    def of(cls, root: Path, flat: bool) -> _Lists:
        """Of the first list of labels that is there; flat pictures need one."""
        if path := find_list(root, SOLUTION):
            labels, boxes = ilsvrc_lists.solution(path)
            return cls(path, labels, frozenset(labels.values()), path, boxes)
        boxes_path = find_list(root, BOXES)
        table = ilsvrc_lists.boxes_table(boxes_path) if boxes_path else None
        if path := find_list(root, LABELS):
            labels = ilsvrc_lists.labels_table(path)
            return cls(path, labels, frozenset(labels.values()), boxes_path, table)
        if path := find_list(root, SYNSETS):
            labels = ilsvrc_lists.synset_labels(path)
            return cls(path, labels, frozenset(labels.values()), boxes_path, table)
        path, words = find_list(root, PLACES), find_list(root, *WORDS)
        if flat and path and words:
            names = class_names(words)
            labels = ilsvrc_lists.place_labels(path, names)
            return cls(path, labels, frozenset(names), boxes_path, table)
        path, ids_path = find_list(root, TRUTH), find_list(root, *IDS if flat else IDS[:1])
        if path and ids_path:
            ids = ilsvrc_lists.devkit_ids(ids_path)
            labels = ilsvrc_lists.ground_truth(path, ids)
            return cls(path, labels, frozenset(ids.values()), boxes_path, table)
        if flat:
            raise _no_labels(root, path)
        return cls(boxes_path=boxes_path, boxes=table)


def _no_labels(root: Path, truth: Path | None) -> UserError:
    if truth is None:
        return UserError(
            f"no labels for the validation pictures of {root}; put {SOLUTION}, or {TRUTH} with "
            f"{IDS[1]} of the same development kit, or {PLACES} with {WORDS[0]}, into that folder"
        )
    return UserError(
        f"{truth} has the development kit's own ids, and no list of their wnids is there; put "
        f"{IDS[1]} or {IDS[0]} beside it"
    )


def _wnids(val: Pictures, lists: _Lists) -> list[str]:
    """The class of each validation picture; UserError where there is none, or two."""
    if val.sorted:
        _agree(val, lists)
        return val.wnids
    without = [name for name in val.names if stem_of(name) not in lists.labels]
    if without:
        raise UserError(
            f"{len(without):,} of {len(val.names):,} pictures in {val.root} have no label in "
            f"{lists.path}, the first {without[0]}; give the whole list, or take them out"
        )
    return [lists.labels[stem_of(name)] for name in val.names]


def _agree(val: Pictures, lists: _Lists) -> None:
    """Refuses class folders into which pictures were sorted by a wrong order of the classes."""
    pairs = zip(val.names, val.wnids, strict=True)
    others = [name for name, wnid in pairs if lists.labels.get(stem_of(name), wnid) != wnid]
    if others:
        raise UserError(
            f"{len(others):,} of {len(val.names):,} pictures in {val.root} lie in the folder of "
            f"another class than {lists.path} says, the first {others[0]}, which is of "
            f"{lists.labels[stem_of(others[0])]}; sort them anew"
        )


def _part(
    pictures: Pictures,
    wnids: list[str],
    classes: tuple[str, ...],
    boxes: BoxesOf | None,
) -> Part:
    place = {wnid: i for i, wnid in enumerate(classes)}
    labels = np.fromiter((place[wnid] for wnid in wnids), np.int64, len(wnids))
    root, names = pictures.root, pictures.names

    def objects(i: int) -> Objects | None:
        """Those of a picture are of its own class."""
        found = boxes and boxes(i)
        return None if found is None else Objects.of_class(found, int(labels[i]))

    return Part(names, labels, lambda i: root / names[i], boxes and objects)


def _notes(root: Path, train: Pictures, val: Pictures, lists: _Lists) -> Iterator[str]:
    """How the dataset was read."""
    learnt = f"{len(train.names):,} pictures to train on" if train.names else "none to train on"
    yield f"ILSVRC-2012: {learnt}, {len(val.names):,} of the validation set"
    if lists.path and not val.sorted:
        yield f"labels of {lists.path}"
    stems = {stem_of(name) for name in val.names}
    absent = [stem for stem in lists.labels if stem not in stems]
    if absent:
        yield f"labelled, but not there: {len(absent):,} pictures ({some(absent)})"
    words = find_list(root, *WORDS)
    if words:
        yield f"classes are wnids; words for them are in {words}"


def _lines(
    classes: tuple[str, ...], train: Pictures, val: Pictures, wnids: list[str]
) -> Iterator[str]:
    """What identifies the pictures: class, name and size of each."""
    yield from classes
    for part, pictures, labels in (("train", train, train.wnids), ("test", val, wnids)):
        yield part
        for wnid, name, size in zip(labels, pictures.names, pictures.sizes, strict=True):
            yield f"{wnid} {name} {size}"
