"""PASCAL VOC, for classes, with its own parts.

`JPEGImages/` holds the pictures, `Annotations/` a file for each that names what is in it, and
`ImageSets/Main/` lists of names for the parts. For one class a picture, those with objects of
several classes, or none, are left out and counted; for several, all are taken, by the lists of each
class where they are there, which are the protocol, and else by the annotations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from verydeep.benchmarks.voc_lists import LISTS, Listed, class_lists, parts, signs
from verydeep.benchmarks.voc_xml import annotated, certain_names, object_names
from verydeep.errors import UserError, one_line
from verydeep.folders.folder import dataset_of
from verydeep.folders.layout import folders_of
from verydeep.folders.listing import Listing
from verydeep.folders.tags import Said, Tags, classes_of
from verydeep.parts import splitting
from verydeep.parts.annotations import Objects
from verydeep.parts.dataset import Dataset
from verydeep.parts.entries import entries_of, is_picture, some
from verydeep.pictures.boxes import rescaled
from verydeep.pictures.reading import original_size

PICTURES, ANNOTATIONS = "JPEGImages", "Annotations"
SEVERAL, NONE, MISSING = "of several classes", "of no object", "without an annotation"
PICTURELESS, UNTOLD = "that are not there", "of which no list says the classes"
TAG = "; --task tag takes them all"


def is_here(where: str | Path) -> bool:
    """Whether a folder, or one in it, has VOC's folders of pictures and of annotations."""
    with suppress(OSError, UserError):
        return bool(_roots(Path(where)))
    return False


def open(where: str | Path, split: int = 0) -> Dataset:
    """Dataset of the pictures of one class each with their objects, by the parts that lists make.

    Without a list to train on, those that no other list names are it; without any, all of them are
    split here. Raises UserError where there are several years, or an annotation is none of VOC's.
    """
    year, listings = Year.at(where), {}
    for role, listed in year.parts.items():
        labels = _labels(year, year.known(listed))
        if labels:
            of_files = {year.files[stem]: label for stem, label in labels.items()}
            listings[role] = Listing.labelled(year.root / PICTURES, of_files, listed.called)
            listings[role].objects_in = year.objects_in
    if "train" not in listings:
        year.refuse_pictureless()
        raise UserError(f"no picture to train on in {year.root} shows objects of exactly one class")
    notes = _notes(year, f"classes by {ANNOTATIONS}/, of pictures with objects of one class")
    return dataset_of(Path(where), listings, split, tuple(notes))


def open_several(where: str | Path, split: int = 0) -> Dataset:
    """Dataset of all pictures, with all their labels and objects.

    A label is uncertain where all objects of the class are difficult. Raises UserError as `open`
    does, and where the lists of classes are not whole.
    """
    year, found = Year.at(where), dict[str, Tags]()
    lists = class_lists(year.root)
    for role, listed in year.parts.items():
        said = _said(year, Listed(listed.called, listed.word, year.known(listed)), lists)
        if said:
            of_files = {year.files[stem]: of_one for stem, of_one in said.items()}
            found[role] = Tags.of(year.root / PICTURES, of_files, listed.called, year.objects_in)
    if "train" not in found:
        year.refuse_pictureless()
        raise UserError(f"no picture to train on in {year.root} has labels")
    every = {label: None for of_part in lists.values() for label in of_part}
    classes = tuple(every) or classes_of(found.values())
    if not classes:
        raise UserError(f"no picture in {year.root} shows an object; expected names in annotations")
    how = f"lists of each class in {LISTS}/" if lists else f"{ANNOTATIONS}/"
    notes = _notes(year, f"several labels a picture by {how}")
    return splitting.dataset_of(Path(where), found, classes, split, tuple(notes))


@dataclass(frozen=True)
class Year:
    """A folder laid out as VOC is, what lies in it, and what of it is left out, by the reason.

    `files` are the names of pictures by their stems, `there` the stems of annotations.
    """

    root: Path
    files: Mapping[str, str]
    there: set[str]
    parts: Mapping[str, Listed]
    left_out: dict[str, list[str]]

    @classmethod
    def at(cls, where: str | Path) -> Year:
        """That of a folder, or the one in it; UserError where there are several."""
        root, *others = _roots(Path(where))
        if others:
            names = [path.name for path in (root, *others)]
            raise UserError(f"{where} holds {len(names)} data sets ({some(names)}); give {root}")
        files = {Path(n).stem: n for n in _names(root / PICTURES) if is_picture(n)}
        there = {Path(n).stem for n in _names(root / ANNOTATIONS) if n.endswith(".xml")}
        return cls(root, files, there, parts(root, there), defaultdict(list))

    def known(self, listed: Listed) -> list[str]:
        """The pictures of a list that are there; the others are counted."""
        if gone := [stem for stem in listed.stems if stem not in self.files]:
            self.left_out[PICTURELESS] += gone
        return [stem for stem in listed.stems if stem in self.files]

    def refuse_pictureless(self) -> None:
        """Raises UserError where pictures to train on are named, and none of them is there."""
        stems = self.parts["train"].stems
        if stems and not any(stem in self.files for stem in stems):
            raise UserError(
                f"{self.root} tells of {len(stems):,} pictures to train on, the first "
                f"{one_line(stems[0])}, and none of them is in {PICTURES}/; put them there"
            )

    def annotation(self, stem: str) -> Path:
        """Where the annotation of a picture lies."""
        return self.root / ANNOTATIONS / f"{stem}.xml"

    def objects_in(self, name: str, classes: tuple[str, ...]) -> Objects | None:
        """The objects of these classes in a picture; None without an annotation."""
        stem = Path(name).stem
        if stem not in self.there:
            return None
        found = annotated(self.annotation(stem))
        now = original_size(self.root / PICTURES / name)
        kept = np.array([label in classes for label in found.names], bool)
        labels = [classes.index(label) for label in found.names if label in classes]
        boxes = rescaled(found.boxes[kept], found.size, now)
        return Objects(boxes, np.array(labels, np.int64), found.difficult[kept])


def _roots(where: Path) -> list[Path]:
    """The folders that are laid out as VOC is: the one given, or those in it."""
    return [path for path in (where, *_below(where)) if _is_voc(path)]


def _below(where: Path) -> list[Path]:
    return [] if _is_voc(where) or not where.is_dir() else folders_of(where)


def _is_voc(path: Path) -> bool:
    return (path / PICTURES).is_dir() and (path / ANNOTATIONS).is_dir()


def _names(folder: Path) -> Iterator[str]:
    return (entry.name for entry in entries_of(folder))


def _labels(year: Year, stems: Sequence[str]) -> Mapping[str, str]:
    """The class of each picture that shows objects of one, by its annotation."""
    labels = {}
    for stem in stems:
        classes = object_names(year.annotation(stem)) if stem in year.there else None
        if classes is not None and len(classes) == 1:
            (labels[stem],) = classes
        else:
            why = MISSING if classes is None else SEVERAL if classes else NONE
            year.left_out[why].append(stem)
    return labels


def _said(
    year: Year, listed: Listed, lists: Mapping[str, Mapping[str, Path]]
) -> Mapping[str, Said]:
    """The labels of a part's pictures, by the lists of classes, or by annotations without any.

    Where only other parts have such lists, this one's labels are not public.
    """
    if listed.word in lists:
        return signs(lists[listed.word], listed)
    if lists and listed.word:
        year.left_out[UNTOLD] += listed.stems
        return {}
    year.left_out[MISSING] += [stem for stem in listed.stems if stem not in year.there]
    known = [stem for stem in listed.stems if stem in year.there]
    return {stem: certain_names(year.annotation(stem)) for stem in known}


def _notes(year: Year, how: str) -> Iterator[str]:
    """How the dataset was read."""
    yield f"PASCAL VOC: {how}"
    for why, stems in year.left_out.items():
        if stems:
            more = TAG if why in (SEVERAL, NONE) else ""
            yield f"left out, pictures {why}: {len(stems):,} ({some(stems)}){more}"
