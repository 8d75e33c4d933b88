"""What lies in folders: which entries are meant to be seen, which are pictures, in which order."""

from __future__ import annotations

import os
import re
from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verydeep.errors import UserError, escaped
from verydeep.pictures.heif import HOW_TO_READ
from verydeep.pictures.reading import SUFFIXES

SYSTEM = frozenset({"@eaDir", "__MACOSX", "#recycle", "$RECYCLE.BIN", "System Volume Information"})
"""Folders that storage devices and archives put between the user's."""
UNREAD = frozenset(
    ".heic .heif .hif .avif .jxl .jp2 .j2k .psd .svg .pdf .ico .tga .pcx .exr .hdr .dcm .nii .npy "  # noqa: SIM905
    ".dng .raw .cr2 .cr3 .nef .arw .orf .rw2 .raf .pfm .pam .mp4 .mov .avi .webm .mkv".split()
)
"""Ends of names of pictures and films that are none of ours."""


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Key that sorts "img2" before "img10", and does not mind the case of letters."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts] + [(2, 0, name)]


def is_hidden(path: str) -> bool:
    """Whether a path, relative to the folder that the user named, is not meant to be seen."""
    return any(name.startswith(".") or name in SYSTEM for name in path.split("/"))


def is_picture(name: str) -> bool:
    """Whether a file is a picture by its suffix."""
    return suffix_of(name) in SUFFIXES


def suffix_of(name: str) -> str:
    """The end of a name from its last dot on, in small letters."""
    return name[name.rfind(".") :].casefold()  # quick: a million are asked about


def some(names: Sequence[str], most: int = 3) -> str:
    """The names, or the first of them and how many more there are, in one line."""
    shown = ", ".join(map(escaped, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def entries_of(folder: Path | str) -> list[os.DirEntry[str]]:
    """Everything in a folder, in no order; UserError where it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise UserError(f"cannot list {folder}: {error.strerror}") from None


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one; a link that leads to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def why_empty(entry: os.DirEntry[str]) -> str | None:
    """Why a file has nothing to read, as its kind is called in a note; None where it has."""
    try:
        return None if entry.stat().st_size else "empty files"
    except OSError:
        return "links that lead nowhere" if entry.is_symlink() else "files that cannot be reached"


UP = "links to a folder above"
TWICE = "links to what is there already"


def why_no_picture(name: str) -> str | None:
    """What a file is called in a note that is no picture of ours by its suffix."""
    if is_picture(name):
        return None
    suffix = suffix_of(name)
    way = HOW_TO_READ.get(suffix, "")
    unread = f"{suffix} files, which are not read ({way}convert them to JPEG or PNG)"
    return unread if suffix in UNREAD else "no pictures by their names"


@dataclass
class Below:
    """The files below a folder: (name, bytes) of each, and (why, name) of what was passed over."""

    files: list[tuple[str, int]] = field(default_factory=list)
    passed_over: list[tuple[str, str]] = field(default_factory=list)


def below(folder: Path, root: Path) -> Below:
    """Every file below a folder of `root`; links are followed, and each file counts once.

    What is reached twice goes by its own name, or that of the first link to it.
    """
    found, places = Below(), set()
    numbers: dict[int, array[int]] = defaultdict(lambda: array("Q"))  # of files, by device
    folders, links = [(str(folder), "")], list[tuple[str, str]]()
    file_links = []
    while folders or links:
        links.sort(key=lambda link: natural_key(link[1]))
        place, prefix = folders.pop() if folders else links.pop(0)
        status = os.stat(place)  # noqa: PTH116 - a string, for speed
        if (status.st_dev, status.st_ino) in places:
            found.passed_over.append((TWICE, prefix))
            continue
        places.add((status.st_dev, status.st_ino))
        for entry in entries_of(place):
            name = prefix + entry.name
            if is_folder(entry):
                if leads_up(entry, root):
                    found.passed_over.append((UP, f"{name}/"))
                else:
                    (links if entry.is_symlink() else folders).append((entry.path, f"{name}/"))
            elif entry.is_symlink():
                file_links.append((natural_key(name), name, entry))
            elif reason := why_empty(entry):
                found.passed_over.append((reason, name))
            else:
                file = entry.stat()
                found.files.append((name, file.st_size))
                numbers[file.st_dev].append(file.st_ino)
    there = {device: set(inodes) for device, inodes in numbers.items()}
    _take_links(found, sorted(file_links, key=lambda link: link[0]), there)
    return found


def _take_links(
    found: Below, links: list[tuple[Any, str, os.DirEntry[str]]], there: dict[int, set[int]]
) -> None:
    """Adds the files that links lead to, but for those `there`: numbers of files by device."""
    for _, name, entry in links:
        if reason := why_empty(entry):
            found.passed_over.append((reason, name))
            continue
        file = entry.stat()
        inodes = there.setdefault(file.st_dev, set())
        if file.st_ino in inodes:
            found.passed_over.append((TWICE, name))
        else:
            inodes.add(file.st_ino)
            found.files.append((name, file.st_size))


def leads_up(entry: os.DirEntry[str], root: Path) -> bool:
    """Whether an entry is a link to a folder that it lies in itself, or that `root` does."""
    if not entry.is_symlink():
        return False
    target = os.path.realpath(entry.path)  # Path's own refuses a link that leads to itself
    return any(path.resolve().is_relative_to(target) for path in (Path(entry.path).parent, root))
