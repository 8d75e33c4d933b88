"""Where the pictures that a table names lie: below its folder, or a folder beside it.

A name may lack its suffix or its folder. Nothing outside the table's folder is ever named.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath

from verydeep.folders.layout import folders_of, is_kind, role_of
from verydeep.parts.entries import entries_of, is_hidden, is_picture


class Places:
    """Finds pictures by a table's cells, one folder after another, each listed once."""

    def __init__(self, table: Path) -> None:
        self.root = table.parent
        self._absolute = f"{self.root.resolve().as_posix()}/"
        self._folders = _in_order(table)
        self._listed: dict[str, dict[str, str]] = {}
        self._known: dict[str, str | None] = {}

    def __call__(self, cell: str) -> str | None:
        """The picture's name below the table's folder; None where it is in none of the places.

        Of folders that are as likely the first one counts.
        """
        if cell not in self._known:
            self._known[cell] = self._found(cell)
        return self._known[cell]

    def _found(self, cell: str) -> str | None:
        text = cell.strip().replace("\\", "/").removeprefix(self._absolute)
        above, _, name = text.rpartition("/")
        inside = [part for part in above.split("/") if part not in ("", ".")]
        if not name or text.startswith("/") or ".." in inside or "\0" in text:
            return None
        for folder in self._folders:
            place = "/".join([*folder.split("/"), *inside] if folder else inside)
            if found := self._pictures(place).get(name):
                return f"{place}/{found}" if place else found
        return None

    def _pictures(self, place: str) -> dict[str, str]:
        """The pictures in a folder below the table's, by names and by those without suffix."""
        if place not in self._listed:
            folder = self.root / place
            entries = entries_of(folder) if folder.is_dir() and not is_hidden(place or "x") else []
            names = [e.name for e in entries if is_picture(e.name) and not is_hidden(e.name)]
            stems = defaultdict[str, list[str]](list)
            for name in names:
                stems[PurePosixPath(name).stem].append(name)
            by_stem = {stem: same[0] for stem, same in stems.items() if len(same) == 1}
            self._listed[place] = {**by_stem, **{name: name for name in names}}
        return self._listed[place]


def _in_order(table: Path) -> list[str]:
    """Folders to look into: the table's own, one called as it is, those of its part, others."""
    beside = folders_of(table.parent)
    inside = [below for top in beside if is_kind(top.name) for below in folders_of(top)]
    own = role_of(table.stem)

    def rank(folder: Path) -> int:
        role = role_of(folder.name)
        if folder.name == table.stem:
            return 0
        if role and own and role[0] == own[0]:
            return 1
        if role and not own:
            return {"train": 2, "validation": 3, "test": 5}[role[0]]
        return 5 if role else 4

    folders = sorted([*beside, *(below for below in inside if is_kind(below.name))], key=rank)
    return ["", *(folder.relative_to(table.parent).as_posix() for folder in folders)]
