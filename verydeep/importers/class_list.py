"""Lists of class names that are given to go with another program's weights.

In comes a text of a name to a line, JSON, CSV, or the folder that a net was trained on; out go the
names in the order of the net's scores.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from itertools import pairwise
from pathlib import Path

from verydeep.benchmarks.ilsvrc_lists import WNID, class_key
from verydeep.errors import UserError, harm_of, one_line
from verydeep.folders.layout import folders_of, part_folders, refuse_no_classes
from verydeep.importers.class_names import by_number, in_order
from verydeep.weights.releases import Release

LARGEST_LIST = 2**22
"""Bytes of a list of class names; that of ILSVRC has 31,675."""
MOST_CLASSES = 100_000
FORMS = (
    'give a name to a line, a CSV, JSON such as {"cat": 0}, or the folder of class folders that '
    "the net was trained on"
)
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
BEFORE, AFTER = re.compile(r"(\d{1,9})[\s:,;]+(\S.*)"), re.compile(r"(.*\S)[\s:,;]+(\d{1,9})")
"""A number before a name, and after one."""
SYNSET = re.compile(r"(n\d{8})[\s:,;]+(\S.*)")
"""A wnid and words for it."""
HEADERS = {
    "number": {"index", "idx", "id", "number", "label", "class_id", "class_idx", "class_index"},
    "name": {"name", "names", "class", "classes", "class_name", "label_name", "category"},
}
"""Words over the columns of a CSV."""


def classes_in(path: Path) -> list[str]:
    """Names of classes from a list, in the order of the scores.

    Of a folder they are its folders, sorted as torchvision's `ImageFolder` numbers them: "10"
    stands before "2". Of a list such as `synset_words.txt`, where each line is a wnid and words for
    it, or Keras's `imagenet_class_index.json`, come the wnid and the first of its words,
    "n02123045 tabby": data is matched by the wnid alone. Raises UserError, in a line that says what
    was found, for a name that comes twice or is of more than a line, and for numbers that are not
    0, 1, 2 and so on.
    """
    try:
        names = _folders(path) if path.is_dir() else _listed(path)
    except OSError as error:
        raise _unreadable(path, error.strerror) from None
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} is no list of class names: it holds {error}; {FORMS}") from None
    _refuse_odd(names, path)
    return names


def notes_of_list(path: Path, names: list[str], release: Release | None) -> tuple[str, ...]:
    """What a user should know of the order of a list, a line each.

    All published nets number ILSVRC's classes by sorted wnid, the development kit does not: raises
    UserError for a list in another order that is given with a known release.
    """
    notes = []
    if path.is_dir():
        first = ", ".join(map(one_line, names[:3]))
        notes.append(f"classes are the folders of {path} as ImageFolder sorts them: {first}, ...")
    if odd := _out_of_order(names):
        said = f"{path} names classes by wnids that are not sorted, {odd}"
        if release is not None:
            raise UserError(
                f"{said}; those of {release.name} are, and a list in the development kit's order "
                f"would misname them: give synset_words.txt"
            )
        notes.append(f"{said}; where the net was trained on sorted wnids, all would be misnamed")
    return tuple(notes)


def _out_of_order(names: list[str]) -> str | None:
    """The first wnids of which a larger one stands before a smaller; None where all are sorted.

    Nothing is said of classes of which some have no wnid.
    """
    wnids = [class_key(name) for name in names]
    if not all(map(WNID.fullmatch, wnids)):
        return None
    falls = (pair for pair in pairwise(wnids) if pair[1] < pair[0])
    return next((f"{first} before {second}" for first, second in falls), None)


def _folders(path: Path) -> list[str]:
    """Names of the folders in a folder, by their letters, as `ImageFolder` sorts them."""
    names = sorted(folder.name for folder in folders_of(path))
    if not names:
        raise ValueError("no folders")
    if parts := part_folders(path):
        found = ", ".join(map(str, parts.values()))
        raise ValueError(f"the parts of a split and no classes: {found}")
    refuse_no_classes(path, {})
    return names


def _listed(path: Path) -> list[str]:
    """Names from a file, whichever of the forms it has."""
    if path.stat().st_size > LARGEST_LIST:
        raise UserError(f"{path} is too long to be a list of class names")
    content = path.read_bytes()
    try:
        text = content.decode("utf-16" if content.startswith(UTF16) else "utf-8-sig")
    except UnicodeDecodeError:
        raise _unreadable(path, "it is no text in UTF-8 or UTF-16") from None
    if text.lstrip().startswith(("{", "[")):
        return list(in_order(_json(text)))
    if path.suffix.casefold() == ".csv":
        return _columns(text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise ValueError("no name")
    return _lines(lines)


def _json(text: str) -> object:
    """What a text of JSON says; ValueError where it is none, or has one key twice."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("one of its keys twice")
        return found

    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise ValueError(f"JSON that is none ({one_line(error)})") from None
    except RecursionError:
        raise ValueError("JSON that is none (it is nested too deep)") from None


def _lines(lines: list[str]) -> list[str]:
    """Names of a line each, a number before or after them, or wnids and words."""
    synsets = [found for line in lines if (found := SYNSET.fullmatch(line))]
    if len(synsets) == len(lines):
        return [f"{found[1]} {found[2].partition(',')[0]}" for found in synsets]
    before = [found for line in lines if (found := BEFORE.fullmatch(line))]
    if len(before) == len(lines):
        return by_number([(int(found[1]), found[2]) for found in before])
    after = [found for line in lines if (found := AFTER.fullmatch(line))]
    numbers = sorted(int(found[2]) for found in after)
    counted = [list(range(start, start + len(lines))) for start in (0, 1)]
    if numbers in counted and len({found[1] for found in after}) == len(lines):
        return by_number([(int(found[2]), found[1]) for found in after])
    return lines  # a name may end in a number, as a car's in its year


def _columns(text: str) -> list[str]:
    """Names from a CSV, of one column, or of two of which one has numbers."""
    lines = text.splitlines()
    between = ";" if lines and ";" in lines[0] and "," not in lines[0] else ","
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=between)]
    except csv.Error as error:
        raise ValueError(f"a CSV that is none ({one_line(error)})") from None
    rows = [row for row in rows if any(row)]
    widths = {len(row) for row in rows}
    if widths not in ({1}, {2}):
        raise ValueError(f"rows of {' and '.join(map(str, sorted(widths)[:3])) or 'no'} columns")
    heads = [cell.casefold() for cell in rows[0]]
    kinds = [next((kind for kind, words in HEADERS.items() if h in words), "") for h in heads]
    if widths == {1}:
        return [row[0] for row in (rows[1:] if all(kinds) else rows)]
    titled = all(kinds) or not any(map(_is_number, heads))
    first, second = ([row[i] for row in rows[titled:]] for i in (0, 1))
    numbered = [bool(column) and all(map(_is_number, column)) for column in (first, second)]
    if not any(numbered):
        raise ValueError("two columns without numbers")
    if all(numbered) and sorted(kinds) != ["name", "number"]:
        raise ValueError('two columns of numbers, and no line "index,name" over them')
    is_first = kinds[0] == "number" if all(numbered) else numbered[0]
    numbers, names = (first, second) if is_first else (second, first)
    return by_number([(int(n), name) for n, name in zip(numbers, names, strict=True)])


def _is_number(cell: str) -> bool:
    return cell.isascii() and cell.isdecimal() and len(cell) <= 9


def _refuse_odd(names: list[str], path: Path) -> None:
    """Raises UserError for names that could not be shown, told apart, or kept."""
    if len(names) > MOST_CLASSES:
        raise UserError(f"{path} names {len(names):,} classes; {MOST_CLASSES:,} are the most")
    seen: set[str] = set()
    for name in names:
        if harm := harm_of(name) if name else "no letter":
            raise UserError(
                f"{path} names a class '{one_line(name) if name else ''}', with {harm}; give names "
                f"of letters, digits and spaces"
            )
        if class_key(name) in seen:
            raise UserError(
                f"{path} names two classes '{one_line(name)}'; give names that differ, or a "
                f"synset_words.txt"
            )
        seen.add(class_key(name))


def _unreadable(path: Path, reason: str | None) -> UserError:
    return UserError(f"cannot read the class names in {path}: {reason}")
