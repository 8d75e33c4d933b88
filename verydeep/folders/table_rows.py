"""The rows of a table in a text file, however its cells are parted."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from verydeep.errors import one_line

ENDS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
"""Ends of names of tables, and what parts their columns; semicolons may part those of a .csv."""
MOST = 2**28
"""Bytes that a table may have: a million pictures take some 40 million."""

Rows = list[tuple[int, list[str]]]
"""Rows with the numbers of their lines; empty ones are none."""


def rows_of(path: Path) -> Rows | str:
    """The rows of a table, of which there is one at least; where it cannot be read, why."""
    try:
        if path.stat().st_size > MOST:
            return f"more than {MOST:,} bytes"
        text = path.read_text(encoding="utf-8-sig")
        reader = csv.reader(text.splitlines(), delimiter=_parting(path, text))
        rows = [(reader.line_num, row) for row in reader if row]
    except UnicodeDecodeError:
        return "not UTF-8"
    except (OSError, csv.Error) as error:
        return one_line(str(error))
    return rows or "empty"


def counted(faults: Mapping[str, Sequence[str]]) -> str:
    """Rows that cannot be used, by what is wrong with them, each kind with the first."""
    return "; ".join(
        f"{why}: {len(which):,} (the first: {one_line(which[0][:100])})"
        for why, which in faults.items()
    )


def _parting(path: Path, text: str) -> str:
    first = text.partition("\n")[0]
    usual = ENDS[path.suffix.casefold()]
    return ";" if usual == "," and first.count(";") > first.count(",") else usual
