"""Pairs of pictures as a file lists them: LFW's pairs.txt (Huang et al., 2007).

Its first line has the number of folds and of pairs of each kind in a fold; then come, fold by fold,
those of one identity, a line `NAME I J` each, and those of two, `NAME I OTHER J`. Picture I of NAME
is NAME/NAME_000I, of whatever ending. With one number there are no folds (pairsDevTest.txt), and so
without a first line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from verydeep.errors import UserError
from verydeep.limits import FormatError, quoted, reading
from verydeep.parts.dataset import Part
from verydeep.verification.pairs import Pairs

MOST = 2**26
"""Bytes that such a file may have: a million pairs take some 40 million."""
REMEDY = "a line has NAME I J, or NAME I OTHER J, parted by tabs"
Named = tuple[str, str]
"""Two pictures as NAME/NAME_000I."""


@dataclass(frozen=True)
class Listed:
    """The pairs that a file lists, and the fold that each is of, where it tells of folds."""

    pairs: tuple[Named, ...]
    fold: tuple[int, ...] | None


def read_pairs(path: Path) -> Listed:
    """What such a file lists; UserError where it is none."""
    with reading(path, "pairs"):
        if path.stat().st_size > MOST:
            raise FormatError(f"more than {MOST:,} bytes", REMEDY)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            raise FormatError("not UTF-8", REMEDY) from None
        lines = [(i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip()]
        counts = _counts(lines[0][1]) if lines else None
        pairs = tuple(_pair(i, line) for i, line in lines[1 if counts else 0 :])
        if not pairs:
            raise FormatError("no pairs", REMEDY)
        return Listed(pairs, _folds(counts, len(pairs)))


def _counts(line: str) -> tuple[int, ...] | None:
    """The one or two numbers of the first line; None where it is a pair."""
    words = line.split()
    if len(words) > 2 or not all(re.fullmatch(r"[0-9]{1,9}", word) for word in words):
        return None
    return tuple(map(int, words))


def _folds(counts: tuple[int, ...] | None, pairs: int) -> tuple[int, ...] | None:
    """The fold of each pair; FormatError where there are not as many as the first line says."""
    if counts is None:
        return None
    folds, each = counts if len(counts) == 2 else (1, *counts)
    if 2 * folds * each != pairs:
        said = f"{folds} x 2 x {each} pairs are announced and {pairs:,} listed"
        raise FormatError(said, "fetch the file again")
    return tuple(i // (2 * each) for i in range(pairs)) if folds > 1 else None


def _pair(number: int, line: str) -> Named:
    words = [word.strip() for word in line.split("\t")] if "\t" in line else line.split()
    if len(words) == 3:
        words = [words[0], words[1], words[0], words[2]]
    if len(words) != 4 or not all(re.fullmatch(r"[0-9]{1,9}", words[i]) for i in (1, 3)):
        raise FormatError(f"line {number} is {quoted(line)}", REMEDY)
    left, right = (f"{words[i]}/{words[i]}_{int(words[i + 1]):04d}" for i in (0, 2))
    return left, right


def pairs_of(listed: Listed, part: Part, where: str) -> Pairs:
    """The pairs by their places in a part; UserError where pictures are missing in it.

    `where` says in print whose pictures they are.
    """
    places = _places(part)
    named = {name for pair in listed.pairs for name in pair}
    missing = sorted(name for name in named if name not in places)
    if missing:
        raise UserError(
            f"{len(missing):,} of {len(named):,} pictures of the pairs are not in {where}, such as "
            f"{missing[0]}; give the folder with a folder for each name in it"
        )
    left, right = (np.array([places[pair[i]] for pair in listed.pairs]) for i in (0, 1))
    fold = None if listed.fold is None else np.array(listed.fold)
    return Pairs.of(left, right, part.labels, fold)


def _places(part: Part) -> Mapping[str, int]:
    """The place of each picture by the last two words of its path, without its ending."""
    found: dict[str, int] = {}
    for i, name in enumerate(part.names):
        path = PurePosixPath(name.replace("\\", "/"))
        found.setdefault(f"{path.parent.name}/{path.stem}", i)
    return found
