"""PASCAL VOC's competitions: the parts of its lists, and by which names results are handed in.

Classification asks of pictures, which go by `2008_000001`, and action classification of people in
boxes that are given, `2010_006215 1`: the first object of a picture's annotation. Of the test
parts since 2008 the labels are not public; they are told as pictures without.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from verydeep.datasets import voc
from verydeep.datasets.annotations import LabelSets, Objects
from verydeep.datasets.archives import located
from verydeep.datasets.dataset import ROLES, Part
from verydeep.datasets.entries import some
from verydeep.datasets.tags import Said
from verydeep.datasets.voc import Year
from verydeep.datasets.voc_lists import ACTIONS, LISTS, Listed, class_lists, people, signs
from verydeep.datasets.voc_xml import annotated
from verydeep.errors import UserError, escaped
from verydeep.pictures.boxes import rescaled
from verydeep.pictures.reading import original_size

WORDS = dict(zip(ROLES, ("train", "val", "test"), strict=True))
"""What VOC calls the parts of each role."""
OTHER = "other"
"""People who do something else: negatives of every action, and no action to be told."""


@dataclass(frozen=True)
class Competition:
    """The parts by role, and the classes; the names are those by which results are handed in.

    A part whose labels are not public has none. `notes` tell how it was read.
    """

    where: str
    classes: tuple[str, ...]
    parts: Mapping[str, Part]
    notes: tuple[str, ...] = ()

    @property
    def labelled(self) -> dict[str, Part]:
        """The parts of which labels are known."""
        return {role: part for role, part in self.parts.items() if part.truth is not None}


def classification(where: str | Path) -> Competition:
    """That of classes of pictures, several a picture; those all difficult are uncertain.

    Raises UserError where there is no folder of VOC's, and where its lists set nothing aside.
    """
    year = _year(where)
    if not year.parts["train"].word or len(year.parts) < 2:
        raise UserError(
            f"{LISTS}/ of {year.root} wants train.txt, and val.txt or test.txt: the protocol goes "
            "by VOC's own lists; copy the archive's ImageSets/ there"
        )
    dataset = voc.open_several(year.root)
    parts = {
        role: replace(part, names=[Path(name).stem for name in part.names])
        for role, part in dataset.by_role.items()
        if role in year.parts
    }
    if "test" in year.parts and "test" not in parts:
        stems = year.known(year.parts["test"])
        parts["test"] = Part(stems, None, lambda i: _picture(year, stems[i]))
    return Competition(str(where), dataset.classes, parts, dataset.notes)


def actions(where: str | Path) -> Competition:
    """That of what people do, a part of `Part`s with one box each; `other` is no class.

    Raises UserError where there is no folder of VOC's, or no lists of actions to learn by.
    """
    year = _year(where)
    lists = class_lists(year.root, ACTIONS)
    if WORDS["train"] not in lists:
        raise UserError(
            f"no {ACTIONS}/CLASS_train.txt in {year.root}; the protocol goes by VOC's lists of "
            "actions: copy the archive's ImageSets/ there"
        )
    classes = tuple(label for label in lists[WORDS["train"]] if label != OTHER)
    parts, gone = {}, list[str]()
    for role, word in WORDS.items():
        named = _people(year, word, lists.get(word, {}))
        known = [name for name in named if _stem(name) in year.files]
        gone += [name for name in named if _stem(name) not in year.files]
        if known:
            said = signs(lists[word], Listed("", word, known), words=2) if word in lists else None
            parts[role] = _part(year, known, classes, said)
    return Competition(str(where), classes, parts, tuple(_notes(classes, gone)))


def _year(where: str | Path) -> Year:
    folder = located(where)
    if not voc.is_here(folder):
        raise UserError(
            f"{where} is no folder of PASCAL VOC; expected {voc.PICTURES}/, {voc.ANNOTATIONS}/ "
            f"and {LISTS.parent}/ in it"
        )
    return Year.at(folder)


def _people(year: Year, word: str, lists: Mapping[str, Path]) -> list[str]:
    """Everybody whom the lists of a part name: those of classes, or else the part's own."""
    own = year.root / ACTIONS / f"{word}.txt"
    if not lists and not own.is_file():
        return []
    found = []
    for name in people(next(iter(lists.values()), own)):
        found += [name] if " " in name else _all_in(year, name)
    return found


def _all_in(year: Year, stem: str) -> list[str]:
    """Every person that a picture's annotation tells of."""
    names = annotated(year.annotation(stem)).names if stem in year.there else ()
    return [f"{stem} {number}" for number, name in enumerate(names, 1) if name == "person"]


def _part(
    year: Year, named: Sequence[str], classes: tuple[str, ...], said: Mapping[str, Said] | None
) -> Part:
    truth = None
    if said is not None:
        rows = [[_sign(said[name], label) for label in classes] for name in named]
        truth = LabelSets.of_signs(np.array(rows, np.int8))
    return Part(
        named, truth, lambda i: _picture(year, _stem(named[i])), lambda i: _person(year, named[i])
    )


def _sign(said: Said, label: str) -> int:
    return -1 if label not in said else int(said[label])


def _person(year: Year, name: str) -> Objects:
    """The box of one person."""
    stem, _, number = name.partition(" ")
    path = year.annotation(stem)
    found, place = annotated(path), int(number) - 1
    if not 0 <= place < len(found.boxes):
        raise UserError(
            f"{path} tells of {len(found.boxes)} objects, and {ACTIONS}/ names object "
            f"{escaped(number)}; copy the archive's Annotations/ again"
        )
    now = original_size(_picture(year, stem))
    return Objects.of_class(rescaled(found.boxes[place : place + 1], found.size, now), 0)


def _picture(year: Year, stem: str) -> Path:
    return year.root / voc.PICTURES / year.files[stem]


def _stem(name: str) -> str:
    return name.partition(" ")[0]


def _notes(classes: Sequence[str], gone: Sequence[str]) -> Iterator[str]:
    yield f"PASCAL VOC: {len(classes)} actions ({some(classes)}) by lists in {ACTIONS}/"
    if gone:
        yield f"left out, people in pictures that are not there: {len(gone):,} ({some(gone)})"
