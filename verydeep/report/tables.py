"""Tables as text, for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from verydeep.errors import escaped


def text_table(rows: Sequence[Sequence[str]], left: int = 1, gap: int = 2) -> str:
    """Rows of cells as lines: the first `left` columns flush left, the others flush right."""
    rows = [[*map(escaped, row)] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((" " * gap).join(cells).rstrip())
    return "\n".join(lines)


def percent(value: float | None) -> str:
    """A percentage as the paper prints it, or a dash where there is none."""
    return "-" if value is None else f"{value:.1f}"


def short(number: float) -> str:
    """A count to three digits with its unit: 802816 is "803K", 102760448 is "103M"."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("K", 1e3)):
        if number >= size:
            value = number / size
            return f"{value:.0f}{unit}" if value >= 99.95 else f"{value:.3g}{unit}"
    return f"{number:g}"
