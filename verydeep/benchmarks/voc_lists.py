"""The lists of PASCAL VOC: pictures of each part, and of which class they are.

`ImageSets/Main/train.txt` names pictures; `cat_train.txt` says of each whether it shows a cat: 1,
-1, or 0 where all cats in it are difficult, which is neither learnt from nor counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from verydeep.errors import UserError, one_line
from verydeep.folders.tags import Said
from verydeep.parts.entries import entries_of, natural_key, some

LISTS = Path("ImageSets", "Main")
ROLES = {"train": ("train", "trainval"), "validation": ("val",), "test": ("test",)}
"""What the lists of each part are called; the first that is there counts."""


@dataclass(frozen=True)
class Listed:
    """The pictures of a part, what they go by in notes, and the word in the names of its lists."""

    called: str
    word: str
    stems: Sequence[str]


def parts(root: Path, there: set[str]) -> dict[str, Listed]:
    """The parts by role, of which no picture is in two; `there` are the annotated pictures.

    Without a list to train on, those that no other list names are it. Raises UserError where that
    leaves nothing.
    """
    names = {
        role: next((name for name in words if (root / LISTS / f"{name}.txt").is_file()), None)
        for role, words in ROLES.items()
    }
    lists = {
        role: Listed(f"the list of {role}", name, _stems(root / LISTS / f"{name}.txt"))
        for role, name in names.items()
        if name
    }
    held_out = {stem for role, of in lists.items() if role != "train" for stem in of.stems}
    if names["train"] == "trainval":
        of = lists["train"]
        stems = [stem for stem in of.stems if stem not in held_out]
        return {**lists, "train": Listed(of.called, of.word, stems)}
    if names["train"]:
        return lists
    pool = sorted(there - held_out, key=natural_key)
    if not pool:
        given = " and ".join(f"{name}.txt" for name in names.values() if name)
        why = f"{given} in {LISTS} name them all" if given else "Annotations/ has no annotation"
        raise UserError(
            f"no picture to train on in {root}: {why}; name others in {LISTS / 'train.txt'}"
        )
    return {"train": Listed("the pictures that no list names" if lists else "", "", pool), **lists}


def class_lists(root: Path, where: Path = LISTS) -> dict[str, dict[str, Path]]:
    """The lists of classes by the word of their part, each with its class; empty without any.

    They lie in the folder `where` of the root. Raises UserError where a part has those of some of
    the classes only.
    """
    folder = root / where
    names = [entry.name for entry in entries_of(folder)] if folder.is_dir() else []
    found: dict[str, dict[str, Path]] = {}
    for name in sorted(names, key=natural_key):
        label, _, word = name.removesuffix(".txt").rpartition("_")
        if label and name.endswith(".txt") and any(word in words for words in ROLES.values()):
            found.setdefault(word, {})[label] = folder / name
    every = {label for lists in found.values() for label in lists}
    for word, lists in found.items():
        if absent := sorted(every - lists.keys(), key=natural_key):
            raise UserError(
                f"{folder} has no {absent[0]}_{word}.txt ({some(absent)} of {len(every)} classes), "
                f"but lists of the others; copy the archive's ImageSets/ again"
            )
    return found


def signs(lists: Mapping[str, Path], listed: Listed) -> dict[str, Said]:
    """The labels of a part's pictures by the lists of its classes.

    Raises UserError for a line that is none of `ID 1`, `ID 0` and `ID -1`, and for pictures of
    which a list says nothing.
    """
    said: dict[str, dict[str, bool]] = {stem: {} for stem in listed.stems}
    for label, path in lists.items():
        of_class = _signs(path)
        if absent := [stem for stem in listed.stems if stem not in of_class]:
            raise UserError(
                f"{path} says nothing of {len(absent):,} pictures of {listed.word}.txt, the first "
                f"{one_line(absent[0])}; copy the archive's {LISTS} again"
            )
        for stem in listed.stems:
            if of_class[stem] >= 0:
                said[stem][label] = of_class[stem] > 0
    return {**said}


def _signs(path: Path) -> dict[str, int]:
    found = {}
    for number, line in enumerate(lines_of(path), 1):
        words = line.split()
        if words:
            if len(words) != 2 or words[1] not in ("1", "0", "-1", "+1"):
                raise UserError(
                    f"line {number} of {path} is '{one_line(line.strip()[:60])}'; expected a "
                    f"picture's name and 1, 0 or -1"
                )
            found[words[0]] = int(words[1])
    return found


def _stems(path: Path) -> list[str]:
    """The pictures that a list names."""
    return [line.split()[0] for line in lines_of(path) if line.strip()]


def lines_of(path: Path) -> list[str]:
    """The lines of a list; UserError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {error}; copy it again") from None
