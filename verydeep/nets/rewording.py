"""The words of a table changed into those of another: with norms, without, with other last rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from verydeep.errors import UserError
from verydeep.nets.notation import TIMES
from verydeep.nets.rows import NUMBERS
from verydeep.nets.table import NORM_WORD
from verydeep.nets.words import FLATTEN, HIDDEN, LENGTH, MEAN, POOLED, SIGMOID, SOFTMAX

LAST = (SOFTMAX, SIGMOID, *NUMBERS)
"""Words of what stands behind the scores."""
BY_PLACE = " position bias"
"""Of a convolution whose one channel stands for what is told of each place."""
_CHANNELS = re.compile(r"((?:\d+ x )?(?:conv\d+|FC|RBF)-)(\d+)(.*)")
"""A word with channels of its own: what stands before them, they, and what is behind."""

_SCALED = re.compile(r"((?:\d+ x )?(?:conv\d+|FC|local\d+|skip)-)(\d+)(.*)")
"""A word with channels that may be more or fewer."""


def scaled(word: str, width: float) -> str:
    """The word with such a share of its channels, rounded to eights; others as they are."""
    match = _SCALED.fullmatch(word)
    if match is None or word.endswith(BY_PLACE):
        return word
    return f"{match[1]}{max(8, 8 * round(int(match[2]) * width / 8))}{match[3]}"


def with_norms(words: Iterable[str]) -> tuple[str, ...]:
    """The words of a table with a norm after each convolution."""
    return tuple(re.sub(r"((?:\d+ x )?conv\d+-\d+)(.*)", rf"\1{NORM_WORD}\2", w) for w in words)


def without_norms(words: Iterable[str]) -> tuple[str, ...]:
    """The words of the table that has its norms put into convolutions with biases."""
    norm = re.compile(rf"{NORM_WORD}(?=$| )")
    options = re.compile(rf"{norm.pattern}| no bias| epsilon [\d.e-]+")
    return tuple(options.sub("", word) if norm.search(word) else word for word in words)


def with_classes(words: Sequence[str], classes: int) -> tuple[str, ...]:
    """The words with so many channels in the layer that gives the scores, and in side heads' alike.

    Raises UserError where nothing before the soft-max has channels of its own.
    """
    found = spelled(words)
    last = _layer_before(found, _end(found))
    match = _CHANNELS.fullmatch(found[last]) if last is not None else None
    if last is None or match is None:
        raise UserError(f"no word before '{SOFTMAX}' has channels, which would be its classes")
    places = [last, *(_layer_before(found, i) for i, word in enumerate(found) if word == ">")]
    for place in places:
        own = None if place is None else _CHANNELS.fullmatch(found[place])
        if place is not None and own and own[2] == match[2]:
            found[place] = f"{own[1]}{classes}{own[3]}"
    return tuple(found)


def with_last(words: Sequence[str], last: Iterable[str]) -> tuple[str, ...]:
    """The words with others from the last layer on, that of the scores.

    Of a net whose last layer is no FC row, but averaged after it, the channels alone are taken.
    Before an FC row that finds places a mean over space is left out, in which they would be lost.
    A net that gives an embedding already gives the one that is asked for in its place.
    """
    words, last = spelled(words), tuple(last)
    if FLATTEN in words:  # what it tells apart are places, whatever their number
        return tuple(words)
    if last[-1] == LENGTH and words[-1:] == [LENGTH] and words[-2].startswith("FC-"):
        return (*words[:-2], *last)
    place = body(words)
    if last[-1] in NUMBERS and place and words[place - 1] in (MEAN, POOLED):
        place -= 1
        words = [*words[:place], *words[place + 1 :]]
    match = _CHANNELS.fullmatch(last[0])
    if place == len(words) or match is None:
        return (*words[:place], *last)
    found = with_classes(words, int(match[2]))
    if words[place].startswith("FC-"):
        return (*found[:place], *last)
    return tuple(last[-1] if word in LAST else word for word in found)


def spelled(words: Iterable[str]) -> list[str]:
    """The words with "2 x conv3-8" and the like as so many words."""
    found: list[str] = []
    for word in words:
        match = TIMES.fullmatch(word)
        found += [match[2]] * int(match[1]) if match else [word]
    return found


def body(words: Sequence[str]) -> int:
    """How many words come before the last layer, that of the scores; all where there are none."""
    last, end = words[-1] if words else "", _end(words)
    if end == len(words) and (not last.startswith("FC-") or last.endswith(HIDDEN)):
        return len(words)
    place = _layer_before(words, end)
    return len(words) if place is None else place


def _end(words: Sequence[str]) -> int:
    """The place of what stands behind the scores; how many words there are without."""
    return next((i for i, word in enumerate(words) if word in LAST), len(words))


def _layer_before(words: Sequence[str], end: int) -> int | None:
    """The place of the last word with channels before a place, outside of side heads."""
    inside = 0
    for i in range(end - 1, -1, -1):
        inside += (words[i] == ">") - words[i].startswith("<")
        if not inside and (_CHANNELS.fullmatch(words[i]) or words[i][:1] in (")", "]", "(")):
            return i if _CHANNELS.fullmatch(words[i]) else None
        if inside < 0:
            return None
    return None
