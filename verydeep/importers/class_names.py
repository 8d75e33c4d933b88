"""Class names as programs keep them, as plain values -> names in the order of the scores.

Trainers keep {"cat": 0} (torchvision's `class_to_idx`), {"0": "cat"}, ["cat", "dog"], or Keras's
{"0": ["n01440764", "tench"]}. What is no such thing is refused in a few words, of what was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from verydeep.benchmarks.ilsvrc_lists import WNID
from verydeep.errors import one_line

KEPT_AS = ("class_to_idx", "classes", "class_names", "idx_to_class")
"""What trainers call the names of the classes where they keep them beside the weights."""


def in_order(said: Any) -> tuple[str, ...]:
    """The names in the order of the scores; ValueError in a few words for what is none.

    >>> in_order({"cat": 0, "dog": 1}), in_order({"1": "dog", "0": "cat"})
    (('cat', 'dog'), ('cat', 'dog'))
    """
    if isinstance(said, list | tuple):
        names = [_name(each) for each in said]
    elif isinstance(said, dict) and all(type(place) is int for place in said.values()):
        names = by_number([(place, _name(name)) for name, place in said.items()])
    elif isinstance(said, dict):
        names = by_number([(_place(place), _name(name)) for place, name in said.items()])
    else:
        raise ValueError(f"a {type(said).__name__}")
    if not names:
        raise ValueError("no name")
    return tuple(names)


def by_number(pairs: Sequence[tuple[int, str]]) -> list[str]:
    """Names by their numbers, which must be 0, 1, 2 and so on; ValueError for any others."""
    names: dict[int, str] = {}
    for number, name in pairs:
        if number in names:
            both = f"'{one_line(names[number])}' and '{one_line(name)}'"
            raise ValueError(f"two names numbered {number}, {both}")
        names[number] = name
    gap = next((i for i in range(len(names)) if i not in names), None)
    if gap is not None:
        raise ValueError(f"{len(names):,} names and none numbered {gap}")
    return [names[i] for i in range(len(names))]


def beside(found: dict[Any, Any]) -> tuple[str, Any] | None:
    """What a checkpoint calls its class names, and what it keeps there; None where nothing.

    A number of classes, or a tensor, under such a word are no names.
    """
    kept = {word: dict.get(found, word) for word in KEPT_AS}
    names = ((word, said) for word, said in kept.items() if isinstance(said, dict | list | tuple))
    return next(names, None)


def _name(said: Any) -> str:
    """A name, or Keras's pair of a wnid and a word for it."""
    if isinstance(said, list | tuple) and len(said) == 2 and all(isinstance(s, str) for s in said):
        wnid, word = said
        if WNID.fullmatch(wnid):
            return f"{wnid} {word.replace('_', ' ')}"
    if not isinstance(said, str):
        raise ValueError(f"a name that is none, {one_line(said)!r:.40}")
    return said


def _place(said: Any) -> int:
    text = str(said)
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise ValueError(f"'{one_line(said):.40}' where a number is needed")
    return int(text)
