"""How the nets of a paper are told: by name, words and crop; and how its table is read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PaperNet:
    """A net as published: the words of its table, and the crop and channels that it is read for.

    `printed` is the paper's table, cells between bars; several have a blank line between; `has` is
    what the net has that they do not show, in words. `also`
    are other names that people type. One that is not `scalable` has sizes that stand for something,
    so that no share of its channels makes a net; of one with `own_classes` the same is true of what
    it tells apart. `source` is its paper, where that is not the family's.
    """

    name: str
    words: tuple[str, ...]
    printed: str
    crop: int = 224
    channels: int = 3
    also: tuple[str, ...] = ()
    scalable: bool = True
    own_classes: bool = False
    source: str = ""
    has: str = ""


@dataclass(frozen=True)
class Family:
    """Nets of one paper, or of some that belong together."""

    title: str
    source: str
    nets: tuple[PaperNet, ...]


def columns(text: str) -> dict[str, tuple[str, ...]]:
    """The words of each column, under its heading; blank cells are none, and ; parts two words."""
    lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    return {
        name: tuple(word.strip() for cell in cells if cell for word in cell.split(";"))
        for name, *cells in zip(*lines, strict=True)
    }


def lines(text: str) -> list[dict[str, str]]:
    """The lines of a table below its first, each by the headings; cells may be blank."""
    head, *rows = [[cell.strip() for cell in row.split("|")] for row in text.strip().splitlines()]
    return [dict(zip(head, row, strict=True)) for row in rows]
