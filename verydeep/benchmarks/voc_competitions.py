"""PASCAL VOC's competitions: the parts of its lists, and by which names results are handed in.

Classification asks of pictures, which go by `2008_000001`, and action classification of people in
boxes that are given, `2010_006215 1`: the first object of a picture's annotation. Of the test
parts since 2008 the labels are not public; they are told as pictures without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from verydeep.benchmarks import voc
from verydeep.benchmarks.voc import Year
from verydeep.benchmarks.voc_action import LISTS as ACTIONS
from verydeep.benchmarks.voc_action import open_actions, person_box
from verydeep.benchmarks.voc_lists import LISTS, lines_of
from verydeep.benchmarks.voc_xml import annotated
from verydeep.errors import UserError, one_line
from verydeep.parts.archives import located
from verydeep.parts.dataset import ROLES, Part

WORDS = dict(zip(ROLES, ("train", "val", "test"), strict=True))
"""What VOC calls the parts of each role."""


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
    """That of what people do, each an item with its box; `other` is no class.

    Raises UserError where there is no folder of VOC's, no lists of actions, or none set aside.
    """
    year = _year(where)
    dataset = open_actions(year.root)
    parts = {
        role: replace(part, names=[name.replace("#", " ") for name in part.names])
        for role, part in dataset.by_role.items()
        if role not in dataset.made and len(part)
    }
    own = year.root / ACTIONS / f"{WORDS['test']}.txt"
    if "test" not in parts and own.is_file():
        items = [item for item in _people(year, own) if _stem(item) in year.files]
        parts["test"] = Part(
            [item.replace("#", " ") for item in items],
            None,
            lambda i: _picture(year, _stem(items[i])),
            lambda i: person_box(year, items[i]),
        )
    return Competition(str(where), dataset.classes, parts, dataset.notes)


def _year(where: str | Path) -> Year:
    folder = located(where)
    if not voc.is_here(folder):
        raise UserError(
            f"{where} is no folder of PASCAL VOC; expected {voc.PICTURES}/, {voc.ANNOTATIONS}/ "
            f"and {LISTS.parent}/ in it"
        )
    return Year.at(folder)


def _people(year: Year, path: Path) -> list[str]:
    """The people that a list without signs names, `ID OBJECT`, or by `ID` all in a picture."""
    found = []
    for number, line in enumerate(lines_of(path), 1):
        words = line.split()
        if len(words) > 2 or not all(word.isdecimal() for word in words[1:]):
            raise UserError(
                f"line {number} of {path} is '{one_line(line.strip()[:60])}'; expected a picture's "
                "name and the number of a person"
            )
        stem, *numbers = words or [""]
        found += [f"{stem}#{int(n)}" for n in numbers] or (_all_in(year, stem) if stem else [])
    return found


def _all_in(year: Year, stem: str) -> list[str]:
    """Every person that a picture's annotation tells of."""
    names = annotated(year.annotation(stem)).names if stem in year.there else ()
    return [f"{stem}#{number}" for number, name in enumerate(names, 1) if name == "person"]


def _picture(year: Year, stem: str) -> Path:
    return year.root / voc.PICTURES / year.files[stem]


def _stem(item: str) -> str:
    return item.rpartition("#")[0]
