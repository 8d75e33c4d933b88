"""What a file says of a network, believed only where it can be so: table, pixels, class names.

In comes what JSON made of it, of any kind; out goes what it says, or a ValueError in a few words.
Our own files are held against this as those of other programs are.
"""

from __future__ import annotations

from typing import Any

from verydeep.errors import UserError, escaped, harm_of
from verydeep.nets import vgg
from verydeep.nets.table import NORM_NAME, Table, read_table
from verydeep.preprocessing import RESIZE_RULES, Pixels

MOST_WORDS, LONGEST_WORD = 256, 32
"""Of a table; E has 25 words, of up to 12 letters with a norm."""


def table_of_words(said: Any) -> Table:
    """The table that a file tells of; ValueError where it tells of none."""
    try:
        name, words, crop = said["name"], said["words"], said["crop"]
        right = (
            _all(words, str)
            and len(words) <= MOST_WORDS
            and all(len(word) <= LONGEST_WORD for word in words)
            and name.removesuffix(NORM_NAME) in vgg.CONFIGURATIONS
            and _ends_right(words)
            and type(crop) is int
            and 0 < crop < 1 << 16
        )
        table = read_table(name, words, crop) if right else None
        names = [row.name for row in table.rows] if table else []
        if table and names and len(set(names)) == len(names) and table.class_count != 1:
            return table
    except (AttributeError, KeyError, TypeError, IndexError, UserError):
        pass
    raise ValueError("a table that is none")


def _ends_right(words: list[str]) -> bool:
    """Whether there are scores and one soft-max of them at the end, or neither."""
    if not any(word.startswith("FC-") for word in words):
        return "soft-max" not in words
    return words.index("soft-max") == len(words) - 1 and words[-2].startswith("FC-")


def pixels_of(said: Any) -> Pixels:
    """The pixels that a file tells of; ValueError where it tells of none."""
    try:
        scale, mean, std = said["scale"], said["mean"], said["std"]
        order, maximum, resize = said["order"], said["maximum"], said["resize"]
        right = (
            _all(scale, int, 2)
            and 1 <= scale[0] <= scale[1] < 1 << 16
            and _all(mean, int | float, 3)
            and all(abs(m) < 1e6 for m in mean)
            and _all(std, int | float, 3)
            and all(1e-6 <= s < 1e6 for s in std)
            and order in ("RGB", "BGR")
            and type(maximum) is int
            and maximum in (1, 255)
            and resize in RESIZE_RULES
        )
    except (KeyError, TypeError, IndexError):
        right = False
    if not right:
        raise ValueError("pixels that are none")
    return Pixels(
        (scale[0], scale[1]),
        (float(mean[0]), float(mean[1]), float(mean[2])),
        (float(std[0]), float(std[1]), float(std[2])),
        order,
        maximum,
        resize,
    )


def classes_of(said: Any) -> tuple[str, ...]:
    """The class names that a file tells of; ValueError where it tells of none, or of one twice."""
    names = names_of(said)
    if len(set(names)) != len(names):
        raise ValueError("class names that are none, or one of them twice")
    return names


def names_of(said: Any) -> tuple[str, ...]:
    """Class names as they are; ValueError where they are none, or cannot be shown in a line."""
    if not _all(said, str):
        raise ValueError("class names that are none")
    for name in said:
        if harm := harm_of(name):
            raise ValueError(f"a class name with {harm}, '{escaped(name)}'")
    return tuple(said)


def refuse_provenance(said: Any) -> None:
    """Raises ValueError where what is looked up in a file's provenance is of another kind."""
    if not isinstance(said, dict):
        raise ValueError("a provenance that is none")
    for part in ("settings", "data", "imported"):
        if not isinstance(said.get(part, {}), dict):
            raise ValueError(f"a provenance whose '{part}' is no table")
    settings, data, made = (said.get(part, {}) for part in ("settings", "data", "imported"))
    right = {
        "seed": _all([settings.get("seed", 0)], int) and settings.get("seed", 0) >= 0,
        "split": _all([settings.get("split", 0)], int) and settings.get("split", 0) >= 0,
        "width": _all([settings.get("width", 1)], int | float),
        "fc": settings.get("fc") is None or _all([settings["fc"]], int),
        "marks": _all(data.get("marks", []), str),
        **{part: _all(made.get(part, []), str) for part in ("notes", "guessed", "given")},
        "measured": made.get("measured") is None or isinstance(made["measured"], str),
    }
    for name, fits in right.items():
        if not fits:
            raise ValueError(f"a provenance whose '{name}' is none")


def _all(values: Any, kind: Any, count: int | None = None) -> bool:
    """Whether these are values of that kind, in a row, and so many where it says how many."""
    return (
        isinstance(values, list | tuple)
        and (count is None or len(values) == count)
        and all(isinstance(v, kind) and not isinstance(v, bool) for v in values)
    )
