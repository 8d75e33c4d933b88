"""Caltech-101 and Caltech-256, by the names of their folders.

Class folders are all that they have, so that the rest is as of any folder; but the folders in some
of them are strays of those who made the set (`056.dog/greg`), and left out. The classes without a
subject, `BACKGROUND_Google` and `257.clutter`, are classes like the others: 102 and 257 in all, as
the VGG group counts the first.
"""

from __future__ import annotations

from pathlib import Path

from verydeep.errors import UserError
from verydeep.folders.folder import dataset_of
from verydeep.folders.listing import Listing
from verydeep.parts.dataset import Dataset
from verydeep.parts.entries import entries_of, is_hidden, some

FOLDERS = {"101_ObjectCategories": "Caltech-101", "256_ObjectCategories": "Caltech-256"}
BARE = ("BACKGROUND_Google", "257.clutter")
"""Classes of pictures of nothing in particular."""


def is_here(where: str | Path) -> bool:
    """Whether it is a folder called as theirs are, or one lies in it."""
    return bool(_folders(Path(where)))


def name_of(where: str | Path) -> str | None:
    """Which of the two it is; None where it is neither, or both."""
    found = _folders(Path(where))
    return FOLDERS[found[0].resolve().name] if len(found) == 1 else None


def open(where: str | Path, split: int = 0) -> Dataset:
    """Dataset of all classes, split here; `draws.drawn` draws the protocols' parts of it.

    Raises UserError where both sets are there.
    """
    root, (folder, *others) = Path(where), _folders(Path(where))
    if others:
        raise UserError(f"{where} holds {some([*FOLDERS])}, which are two data sets; give {folder}")
    listing = Listing.of(folder, flat=True)
    name = FOLDERS[folder.resolve().name]
    bare = (
        f"; {', '.join(found)} is one"
        if (found := [c for c in BARE if c in listing.pictures])
        else ""
    )
    notes = [f"{name}: {len(listing.pictures)} classes{bare}"]
    names = [entry.name for entry in entries_of(root)] if folder != root else []
    if beside := sorted(n for n in names if n != folder.name and not is_hidden(n)):
        notes.append(f"left alone beside {folder.name}/: {some(beside)}")
    return dataset_of(root, {"train": listing}, split, tuple(notes))


def _folders(where: Path) -> list[Path]:
    own = where.resolve().name in FOLDERS
    places = [where] if own else [where / name for name in FOLDERS]
    return [place for place in places if place.is_dir()]
