"""COCO: pictures in folders, and their objects in `annotations/instances_*.json`.

For several labels a picture, its classes are those of its objects, uncertain where all are crowds;
without, pictures with objects of one class are taken, and the others left out and counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from verydeep.benchmarks.coco_json import Instances, read
from verydeep.errors import UserError
from verydeep.folders.folder import dataset_of
from verydeep.folders.layout import folders_of, holds_pictures, role_of
from verydeep.folders.listing import Listing
from verydeep.folders.tags import Tags, classes_of
from verydeep.parts import splitting
from verydeep.parts.annotations import Objects
from verydeep.parts.dataset import ROLES, Dataset
from verydeep.parts.entries import entries_of, is_folder, is_hidden, is_picture, natural_key, some
from verydeep.pictures.boxes import rescaled
from verydeep.pictures.reading import original_size

ANNOTATIONS, INSTANCES = "annotations", "instances_"
TAG = "; --task tag takes them all"


def is_here(where: str | Path) -> bool:
    """Whether a folder has COCO's files of instances."""
    with suppress(OSError, UserError):
        return bool(_files(Path(where)))
    return False


def open(where: str | Path, split: int = 0) -> Dataset:
    """Dataset of the pictures with objects of one class, and these, in the parts of the files.

    One part alone is split here. Raises UserError where a file is none of COCO's, or names no
    picture that is there.
    """
    parts, notes = _parts(Path(where))
    left_out: dict[str, list[str]] = defaultdict(list)
    listings: dict[str, Listing] = {}
    for role, part in parts.items():
        labels = {}
        for i, name in part.there():
            if len(said := part.told.said(i)) == 1:
                (labels[name],) = said
            else:
                left_out["of several classes" if said else "of no object"].append(name)
        learnt = {*listings["train"].pictures} if listings else None
        for name in [n for n, label in labels.items() if learnt and label not in learnt]:
            left_out["of classes of which there is none to train on"].append(name)
            del labels[name]
        if labels:
            listings[role] = Listing.labelled(part.folder, labels, part.called)
            listings[role].objects_in = part.objects_in
        elif role == "train":
            raise UserError(f"no picture to train on in {where} shows objects of exactly one class")
    notes += [f"left out, pictures {w}: {len(n):,} ({some(n)}){TAG}" for w, n in left_out.items()]
    how = "COCO: classes by instances, of pictures with objects of one class"
    return dataset_of(Path(where), listings, split, (how, *notes))


def open_several(where: str | Path, split: int = 0) -> Dataset:
    """Dataset of all pictures, with all their labels and objects.

    Raises UserError as `open` does.
    """
    parts, notes = _parts(Path(where))
    found = {
        role: Tags.of(
            part.folder,
            {name: part.told.said(i) for i, name in part.there()},
            part.called,
            part.objects_in,
        )
        for role, part in parts.items()
    }
    how = "COCO: several labels a picture by its instances"
    classes = classes_of(found.values())
    if not classes:
        raise UserError(f"all objects in {where} are crowds; a class needs one that is none")
    return splitting.dataset_of(Path(where), found, classes, split, (how, *notes))


@dataclass(frozen=True)
class Told:
    """A part: its folder of pictures, what lies in it, and what a file tells of them."""

    called: str
    folder: Path
    files: frozenset[str]
    told: Instances
    place: Mapping[str, int]

    @classmethod
    def of(cls, folder: Path, told: Instances) -> Told:
        """The part in a folder."""
        place = {name: i for i, name in enumerate(told.names)}
        return cls(f"{folder.name}/", folder, frozenset(_pictures(folder)), told, place)

    def differences(self, file: str) -> Iterator[str]:
        """A line for what a file names and is not there, and one for what is there beside it."""
        for names, line in (
            (self.place.keys() - self.files, f"named by {file}, but not there"),
            (self.files - self.place.keys(),
             f"left out in {self.called}, pictures that {file} does not name"),
        ):  # fmt: skip
            if names:
                yield f"{line}: {len(names):,} ({some(sorted(names, key=natural_key))})"

    def there(self) -> Iterator[tuple[int, str]]:
        """The place and the name of each picture of the file that is there."""
        return ((i, name) for i, name in enumerate(self.told.names) if name in self.files)

    def objects_in(self, name: str, classes: tuple[str, ...]) -> Objects | None:
        """The objects in a picture, in its pixels, a crowd as a difficult one."""
        i = self.place[name]
        here = self.told.rows(i)
        places = {label: k for k, label in enumerate(classes)}
        names = [self.told.classes[label] for label in self.told.labels[here].tolist()]
        kept = np.array([label in places for label in names], bool)
        labels = np.array([places[label] for label in names if label in places], np.int64)
        now = original_size(self.folder / name)
        boxes = rescaled(self.told.boxes[here][kept], self.told.sizes[i], now)
        return Objects(boxes, labels, self.told.crowd[here][kept])


def _parts(root: Path) -> tuple[dict[str, Told], list[str]]:
    """The parts by role, and what is said of them; one alone is to be split."""
    found: dict[str, Told] = {}
    notes: list[str] = []
    empty: list[str] = []
    for role, (path, *others) in _by_role(_files(root)).items():
        if others:
            names = some([path.name, *(other.name for other in others)])
            raise UserError(
                f"{root / ANNOTATIONS} has several files of the {role} part ({names}); leave one"
            )
        told = read(path)
        if folder := _folder(root, path, told):
            found[role] = part = Told.of(folder, told)
            notes += (*told.notes, *part.differences(path.name))
        else:
            word = path.stem.removeprefix(INSTANCES)
            empty.append(
                f"{path.name} names {len(told.names):,} pictures, and none of them is in {word}/ "
                f"or images/{word}/"
            )
    if not found:
        raise UserError(f"{'; '.join(empty)}; put the pictures of {root} there")
    if len(found) == 1:
        found = dict(zip(["train"], found.values(), strict=True))
    elif "train" not in found:
        why = "; ".join(empty) or f"no {INSTANCES}train*.json in {ANNOTATIONS}/"
        raise UserError(f"no pictures to train on in {root}: {why}")
    return {role: found[role] for role in ROLES if role in found}, [*empty, *notes]


def _files(root: Path) -> list[Path]:
    """The files of instances, in order."""
    folder = root / ANNOTATIONS
    names = [entry.name for entry in entries_of(folder)] if folder.is_dir() else []
    known = [name for name in names if name.startswith(INSTANCES) and name.endswith(".json")]
    return [folder / name for name in sorted(known, key=natural_key)]


def _by_role(paths: list[Path]) -> dict[str, list[Path]]:
    """The files by what their parts are for; to train on where a name does not say."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        role = role_of(path.stem.removeprefix(INSTANCES))
        found[role[0] if role else "train"].append(path)
    return found


def _folder(root: Path, path: Path, told: Instances) -> Path | None:
    """The folder where most pictures of a file lie, of several the one that is called as it is."""
    word = path.stem.removeprefix(INSTANCES)
    places = [root / word, root / "images" / word]
    places += [p for p in (*folders_of(root), root / "images", root) if p not in places]
    names = {*told.names}
    counts = {p: len(names & _pictures(p)) for p in places if p.is_dir() and holds_pictures(p)}
    best = max(counts, key=lambda p: counts[p], default=None)
    return best if best is not None and counts[best] else None


def _pictures(folder: Path) -> set[str]:
    names = (entry.name for entry in entries_of(folder) if not is_folder(entry))
    return {name for name in names if is_picture(name) and not is_hidden(name)}
