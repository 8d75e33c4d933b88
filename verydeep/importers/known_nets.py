"""A net beside Table 1 that a file is recognised as: its table with the file's own channels.

Which net it is, is told by kinds, windows and order of its layers; channels and classes are the
file's, so that a net of another width, or with classes of a user's own, is read as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from verydeep.errors import UserError
from verydeep.limits import FormatError
from verydeep.nets.named import NETS
from verydeep.nets.rewording import body
from verydeep.nets.rows import BatchNorm, Row
from verydeep.nets.special_rows import LEARNT
from verydeep.nets.table import Table
from verydeep.nets.words import HIDDEN, read_table

CHANNELS = re.compile(r"((?:conv\d+|FC)-)(\d+)")
"""How a word with channels begins."""


def bare(words: Sequence[str]) -> tuple[str, ...]:
    """The words without their channels: what nets of other widths and classes have in common.

    >>> bare(["conv7-64-bn /2 no bias", "FC-1000", "soft-max"])
    ('conv7--bn /2 no bias', 'FC-', 'soft-max')
    """
    return tuple(CHANNELS.sub(r"\1", word) for word in words)


def weighted(table: Table) -> list[Row]:
    """The rows that have tensors, in their order: convolutions, FC rows and norms."""
    return [row for row in table.rows if isinstance(row, (*LEARNT, BatchNorm))]


def layer_words(words: Sequence[str]) -> list[int]:
    """The places of words with channels, one for each convolution or FC row."""
    return [place for place, word in enumerate(words) if CHANNELS.match(word)]


def channels_of(words: Sequence[str]) -> list[int]:
    """The channels of the layers, in their order."""
    return [int(match[2]) for word in words if (match := CHANNELS.match(word))]


def sized(words: Sequence[str], channels: Sequence[int]) -> tuple[str, ...]:
    """The words with other channels, in the order of their layers."""
    found = list(words)
    for place, count in zip(layer_words(words), channels, strict=True):
        found[place] = CHANNELS.sub(rf"\g<1>{count}", found[place])
    return tuple(found)


def without_head(words: Sequence[str]) -> tuple[str, ...]:
    """The words before the layer of the classes, and before dropout that stands there."""
    left = list(words[: body(words)])
    while left[-1].startswith("dropout"):
        left.pop()
    if left[-1].startswith("FC-"):
        left[-1] += f" {HIDDEN}"
    return tuple(left)


def table_of(
    name: str, words: Sequence[str], channels: Sequence[int], crop: int | None = None
) -> Table:
    """The table of a net by these words with so many channels; FormatError where it is none."""
    try:
        return read_table(name, sized(words, channels), crop or NETS[name].crop)
    except UserError as error:
        raise FormatError(f"it is no {name} of these sizes: {error}") from None


def refuse_misfits(
    table: Table,
    shapes: dict[str, tuple[int, ...]],
    theirs: Callable[[str], str],
) -> None:
    """Raises FormatError, by the file's own name, for the first tensor that does not fit.

    `shapes` are of what the file has, by our names, and `theirs` gives the file's name of each.
    """
    for name, wanted in shapes_of(table).items():
        if shapes[name] != wanted:
            raise FormatError(
                f"its {theirs(name)} is {_sides(shapes[name])}, where {table.name} has "
                f"{_sides(wanted)} after the layers before it",
                "is it another net, with names alike?",
            )


def shapes_of(table: Table) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a table's tensors, worked out without making any, however large."""
    at_crop = table.shapes(table.crop, table.crop)
    found = {}
    for row in table.rows:
        reads = [at_crop[name] for name in row.inputs]
        if weights := row.weights(*reads):
            found[f"{row.name}.weight"] = weights
        if biases := row.biases(*reads):
            found[f"{row.name}.bias"] = (biases,)
        if isinstance(row, BatchNorm):
            found |= {f"{row.name}.running_{kind}": weights for kind in ("mean", "var")}
    return found


def _sides(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "one number"
