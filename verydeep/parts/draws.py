"""Pictures drawn from each class to train and to test on, as the protocols of Caltech are.

A draw is a function of its seed, its number and the pictures' names. Those to train on are the
first of an order, those to test on the last: with more to train on those before are among them, and
as long as there are enough others the same ones are tested on. Splits that somebody stored in
`splits.json` are read by number.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np

from verydeep import randomness
from verydeep.errors import UserError, escaped, one_line
from verydeep.parts.annotations import Labels
from verydeep.parts.archives import located
from verydeep.parts.dataset import Dataset, Part

STORED = "splits.json"
MOST = 2**28
"""Bytes that such a file may have."""


@dataclass(frozen=True)
class Draw:
    """The pictures of one draw, in the order of the part that they were drawn from."""

    number: int
    train: Part
    test: Part


def drawn(
    part: Part,
    classes: Sequence[str],
    train: int,
    test: int | None = None,
    *,
    seed: int = 0,
    number: int = 0,
) -> Draw:
    """Draw `number` of a part: of each class `train` pictures to train and up to `test` to test on.

    Without `test` all others are tested on. What is drawn does not hang on the order of pictures
    or of classes. Raises UserError for a class that has no picture more than those to train on,
    and where not each picture is of one class.
    """
    labels = part.labels
    order = _order(part.names, seed, number)
    learnt, tested = [], []
    for label, name in enumerate(classes):
        members = order[labels[order] == label]
        if len(members) <= train:
            raise UserError(
                f"class '{escaped(name)}' has {len(members):,} pictures, and {train:,} of each "
                f"are to be drawn to train and one at least to test on; draw fewer, or take the "
                f"class out"
            )
        rest = members[train:]
        learnt.append(members[:train])
        tested.append(rest if test is None else rest[max(0, len(rest) - test) :])
    return Draw(number, *(part.only(np.sort(np.concatenate(of))) for of in (learnt, tested)))


def _order(names: Sequence[str], seed: int, number: int) -> Labels:
    """Places of the names in the order of this draw."""
    known = [name.encode(errors="surrogateescape") for name in names]
    digests = [int.from_bytes(blake2b(n, digest_size=8).digest(), "little") >> 1 for n in known]
    keys = randomness.words(seed, "split", 1 + number, np.array(digests, np.int64)).tolist()
    places = sorted(range(len(known)), key=lambda i: (keys[i], known[i], i))
    return np.array(places, np.int64)


def stored(dataset: Dataset) -> tuple[Draw, ...]:
    """The splits that `splits.json` in the data's folder, or beside it, names; none without one.

    It is a list `splits` of a list `train` and a list `test` each, of names `class/picture`. Raises
    UserError where it is not, or names what is not there.
    """
    where = located(dataset.where)
    path = next((p / STORED for p in (where, where.parent) if (p / STORED).is_file()), None)
    if path is None or not where.exists():
        return ()
    everything = dataset.everything
    places = {name: i for i, name in enumerate(everything.names)}
    draws = []
    for number, split in enumerate(_splits(path)):
        train, test = (_places(split[word], places, f"{path}, {word} {number}") for word in WORDS)
        if both := sorted({*train} & {*test}):
            raise UserError(
                f"split {number} of {path} has {len(both):,} pictures in train and in test, the "
                f"first {escaped(everything.names[both[0]])}; take them out of one of the two"
            )
        draws.append(Draw(number, everything.only(train), everything.only(test)))
    return tuple(draws)


WORDS = ("train", "test")


def _splits(path: Path) -> list[dict[str, list[str]]]:
    expected = 'expected {"splits": [{"train": ["class/picture", ...], "test": [...]}, ...]}'
    try:
        if path.stat().st_size > MOST:
            raise UserError(f"{path} has more than {MOST:,} bytes; {expected}")
        read: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON ({one_line(error)}); {expected}") from None
    splits = read.get("splits") if isinstance(read, dict) else None
    if not isinstance(splits, list) or not splits or not all(map(_is_split, splits)):
        raise UserError(f"{path} has no splits; {expected}")
    return splits


def _is_split(one: Any) -> bool:
    lists = [one.get(word) for word in WORDS] if isinstance(one, dict) else [None]
    return all(isinstance(of, list) and of and all(isinstance(n, str) for n in of) for of in lists)


def _places(names: Sequence[str], places: Mapping[str, int], where: str) -> list[int]:
    """Where the pictures of these names are, in order and each once."""
    known = [normalize("NFC", name) for name in names]
    if absent := [name for name in known if name not in places]:
        raise UserError(
            f"{len(absent):,} of {len(known):,} pictures of {where} are not there, the first "
            f"{escaped(absent[0][:100])}; unpack the data again, or move {STORED} away"
        )
    return sorted({places[name] for name in known})
