"""How the words of a table are put: brackets around them, and options behind them.

In come words in their order; out go those in brackets put together, and what a word says after its
kind, by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from verydeep.errors import UserError

TIMES = re.compile(r"(\d{1,3}) x (.+)")
"""A word that stands for several of its kind."""
_OPTION = re.compile(
    r"/(?P<stride>\d+)|from (?P<maps>\d+(?:,\d+)*)"
    r"|(?P<name>pad|groups|dilation|epsilon|n|k|alpha|beta|dropout|maxout) (?P<value>[\d.e-]+)"
    r"|(?P<flag>ceil|linear|hidden|no bias|position bias|tanh)|(?P<p>[\d.]+)"
)
_KINDS: dict[str, tuple[type, float, float]] = {
    "stride": (int, 1, 64), "pad": (int, 0, 64), "groups": (int, 1, 2**16),
    "dilation": (int, 1, 64), "epsilon": (float, 1e-12, 1), "n": (int, 1, 99),
    "k": (float, 1e-6, 1e6), "alpha": (float, 0, 1e6), "beta": (float, 0, 100),
    "p": (float, 0, 0.999), "dropout": (float, 0, 0.999), "maxout": (int, 2, 64),
    "weight": (float, 0, 1e3),
}  # fmt: skip
"""Of each option its kind, and the least and the most that it may be."""
MOST_DEPTH = 32
_CLOSING = {"(": ")", "[": "]", "<": ">"}
Options = dict[str, Any]


@dataclass(frozen=True)
class Group:
    """Words between brackets: the kind of those, the branches, and what follows the last one."""

    kind: str
    branches: tuple[tuple[Item, ...], ...]
    title: str = ""
    linear: bool = False


Item = str | Group


def parsed(words: Sequence[str]) -> tuple[Item, ...]:
    """Words with those in brackets put together, and repeated where they say so."""
    rest = iter(words)
    branches, end = _branches(rest, "")
    if end or len(branches) > 1:
        raise UserError(f"'{end or '|'}' stands in no brackets that it belongs to")
    return branches[0]


def _branches(rest: Iterator[str], kind: str, depth: int = 0) -> tuple[list[tuple[Item, ...]], str]:
    """The branches up to the bracket that ends them, and that."""
    if depth > MOST_DEPTH:
        raise UserError(f"brackets within brackets, more than {MOST_DEPTH} deep")
    branches: list[list[Item]] = [[]]
    for word in rest:
        if word[:1] in _CLOSING and (word[0] == "<" or len(word) == 1):
            inner, end = _branches(rest, word[0], depth + 1)
            group = Group(word[0], tuple(inner), word[1:].strip())
            times, linear = _ending(end, word[0])
            branches[-1] += [replace(group, linear=linear)] * times
        elif word == "|" and kind and kind != "<":
            branches.append([])
        elif word[:1] in (")", "]", ">"):
            if not kind or word[0] != _CLOSING[kind]:
                raise UserError(f"'{word}' stands in no brackets that it belongs to")
            return [tuple(branch) for branch in branches], word
        elif match := TIMES.fullmatch(word):
            branches[-1] += [match[2]] * int(match[1])
        else:
            branches[-1].append(word)
    if kind:
        raise UserError(f"'{kind}' is never closed by '{_CLOSING[kind]}'")
    return [tuple(branch) for branch in branches], ""


def _ending(word: str, kind: str) -> tuple[int, bool]:
    """How many times a group stands there, and whether no ReLU follows it."""
    match = re.fullmatch(r"[)\]>]( linear)?(?: x (\d{1,3}))?", word)
    if match is None or (kind != "[" and word != _CLOSING[kind]):
        raise UserError(f"'{word}' ends no brackets; there are ')', '] x 3', '] linear' and '>'")
    return int(match[2] or 1), bool(match[1])


def options_of(word: str, rest: str) -> Options:
    """What a word says after its kind, by name."""
    found: Options = {}
    place = 0
    while place < len(rest):
        match = _OPTION.match(rest, place)
        if match is None or rest[match.end() : match.end() + 1] not in ("", " "):
            raise no_row(word)
        if match["maps"]:
            found["from"] = match["maps"]
        elif match["stride"]:
            found["stride"] = number(word, "stride", match["stride"])
        elif match["name"]:
            found[match["name"]] = number(word, match["name"], match["value"])
        else:
            found[match["flag"] or "p"] = True if match["flag"] else number(word, "p", match["p"])
        place = match.end() + 1
    return found


def number(word: str, name: str, text: str) -> int | float:
    """An option's value; UserError where it is none, or out of bounds."""
    kind, least, most = _KINDS[name]
    try:
        value: int | float = kind(text)
    except ValueError:
        raise no_row(word) from None
    if not least <= value <= most:
        raise UserError(f"'{word}': {name} is from {least:g} to {most:g}")
    return value


def no_row(word: str) -> UserError:
    """What is said of a word that is none."""
    return UserError(
        f"'{word}' is no row of a table; there are conv3-64, LRN, maxpool, FC-4096, "
        f"soft-max and the like"
    )
