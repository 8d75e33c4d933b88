"""The pixels of another program's weights, in the words that `--pixels` takes and a note gives.

Words are an order of channels, a range of values, a mean that is subtracted and a deviation that
is divided by, as "BGR 0-255 mean 103.939,116.779,123.68"; or the name of a convention.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any

from verydeep.errors import UserError, one_line
from verydeep.importers.parameters import AUTHORS, TORCHVISION
from verydeep.pictures.preprocessing import Pixels
from verydeep.weights.schema import pixels_of

NONE = (0.0, 0.0, 0.0)
RANGES: dict[str, dict[str, Any]] = {
    "0-255": {"maximum": 255, "mean": NONE},
    "0-1": {"maximum": 1, "mean": NONE},
    "-1-1": {"maximum": 255, "mean": (127.5,) * 3, "std": (127.5,) * 3},
}
CONVENTIONS = {
    "caffe": AUTHORS,
    "torchvision": TORCHVISION,
    "tf": Pixels(AUTHORS.scale, **RANGES["-1-1"]),
}
"""What is trained on under a name: the authors' and Caffe's, torchvision's, and -1 to 1."""
FORM = (
    'give "BGR 0-255 mean 103.939,116.779,123.68", "RGB 0-1 mean 0.5,0.5,0.5 std 0.5,0.5,0.5", '
    "0-1, -1-1, caffe, torchvision or tf"
)


def pixels_in(text: str) -> Pixels:
    """The pixels that words say, at S = 256; UserError, with an example, for any others.

    The order is RGB where none is said; mean and deviation are in that order, in the range said.

    >>> pixels_in("BGR 0-1 mean 0.4").mean
    (0.4, 0.4, 0.4)
    """
    words = text.split()
    if len(words) == 1 and words[0].casefold() in CONVENTIONS:
        return CONVENTIONS[words[0].casefold()]
    order = words.pop(0).upper() if words and words[0].upper() in ("RGB", "BGR") else "RGB"
    if not words or words[0] not in RANGES:
        raise _mistake(text, f"'{one_line(words[0])}' is no range" if words else "it says no range")
    said = {"std": (1.0, 1.0, 1.0), **RANGES[words[0]]}
    rest = words[1:]
    if rest and words[0] == "-1-1":
        raise _mistake(text, "-1-1 says mean and deviation already")
    while rest:
        name, numbers = rest[0].casefold(), rest[1:2]
        if name not in ("mean", "std") or name in (word.casefold() for word in rest[2::2]):
            odd = one_line(rest[0])
            raise _mistake(text, f"'{odd}' is neither mean nor std, or is there twice")
        said[name] = _three(numbers, name, text)
        rest = rest[2:]
    try:
        return pixels_of({**asdict(TORCHVISION), **said, "order": order})
    except ValueError:
        raise _mistake(text, "no mean or deviation is so large or so small") from None


def scale_in(text: str) -> tuple[int, int]:
    """S from "256" or "256-512"; UserError for what is none."""
    ends = text.split("-")
    if len(ends) > 2 or not all(end.isascii() and end.isdecimal() and len(end) < 6 for end in ends):
        raise UserError(f"--scale is '{one_line(text)}'; S is a side such as 256, or 256-512")
    smallest, largest = int(ends[0]), int(ends[-1])
    if not 1 <= smallest <= largest < 1 << 16:
        raise UserError(f"--scale {text} is no side of pictures; give one such as 256, or 256-512")
    return smallest, largest


def in_words(pixels: Pixels) -> str:
    """A pixel convention in words."""
    small, large = pixels.scale
    scale = f"{small}" if small == large else f"{small}-{large}"
    return f"{values_in_words(pixels)}; S = {scale}, {pixels.resize}"


def values_in_words(pixels: Pixels) -> str:
    """Order, range, mean and deviation in words, without S."""
    divided = "" if pixels.std == (1, 1, 1) else f", divided by {_numbers(pixels.std)}"
    return f"{pixels.order}, 0 to {pixels.maximum}, minus {_numbers(pixels.mean)}{divided}"


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{v:.6g}" for v in values)


def _three(said: Sequence[str], name: str, text: str) -> tuple[float, ...]:
    """Three numbers of a word, or one for all channels."""
    try:
        numbers = [float(number) for number in said[0].split(",")] if said else []
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3) or not all(map(isfinite, numbers)):
        raise _mistake(text, f"{name} is not three numbers with commas between them")
    return tuple(numbers * 3 if len(numbers) == 1 else numbers)


def _mistake(text: str, why: str) -> UserError:
    return UserError(f"--pixels is '{one_line(text)}': {why}; {FORM}")
