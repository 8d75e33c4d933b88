"""Where ILSVRC-2012 keeps what: its folders of pictures, its lists, and the names in them.

Pictures are listed by name and size, some 160 bytes each in memory; none is read.
"""

from __future__ import annotations

import os
import re
from array import array
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from verydeep.benchmarks.ilsvrc_lists import WNID
from verydeep.parts.entries import entries_of, is_folder, is_picture, natural_key, some, why_empty

DATA = ("", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC")
"""Folders that may hold train/ and val/."""
ANNOTATIONS = ("bbox", "ILSVRC/Annotations/CLS-LOC", "Annotations/CLS-LOC")
"""Folders that may hold train/<wnid>/*.xml and val/*.xml."""
DEVKIT = "ILSVRC2012_devkit_t12/data"
SOLUTION, TRAIN_SOLUTION = "LOC_val_solution.csv", "LOC_train_solution.csv"
LABELS, BOXES = "ilsvrc2012_val_labels.csv", "ilsvrc2012_val_boxes.csv"
TRUTH = "ILSVRC2012_validation_ground_truth.txt"
SYNSETS = "imagenet_2012_validation_synset_labels.txt"
PLACES = "val.txt"
IDS = ("devkit_id_to_wnid.txt", "meta.mat")
WORDS = ("synset_words.txt", "LOC_synset_mapping.txt")
LISTS = (SOLUTION, LABELS, BOXES, TRUTH, SYNSETS, *IDS, *WORDS)
VAL_PICTURE = re.compile(r"ILSVRC2012_val_\d{8}\.\w+")
PEEK = 100
"""Entries of a folder that are looked at to recognise it."""


def is_here(where: str | Path) -> bool:
    """Whether a folder is ILSVRC-2012, by its layout and the first names in it.

    train/ and val/ that both have wnid folders are any folder's layout too, which is split already
    and gives the same classes, pictures and labels: without a list of ILSVRC's in the root, for
    words or boxes, they are left to be read as such.
    """
    root = Path(where)
    with suppress(OSError, ValueError):  # which the listing of the folder will name
        val = val_folder(root)
        if val is None:
            return any((root / data).is_dir() for data in DATA[1:])
        if val == root or _begins(val, VAL_PICTURE):
            return True
        return train_folder(root) is None or _find([root, root / DEVKIT], *LISTS) is not None
    return False


def find_list(root: Path, *names: str) -> Path | None:
    """The first of these lists that is there: in the root, the development kit, or beside."""
    val, beside = val_folder(root) or root, root.resolve().parent
    return _find([root, root / DEVKIT, val, beside, beside / DEVKIT], *names)


def _find(places: Iterable[Path], *names: str) -> Path | None:
    paths = (place / (name + end) for name in names for end in ("", ".gz") for place in places)
    return next((path for path in paths if path.is_file()), None)


def stem_of(name: str) -> str:
    """A picture's name without folder and suffix, as lists have it."""
    return os.path.splitext(name.rpartition("/")[2])[0]  # noqa: PTH122 - 50,000 of them


def train_folder(root: Path) -> Path | None:
    """Where the folders of pictures to train on are."""
    folders = (root / data / "train" for data in DATA)
    return next((folder for folder in folders if _begins(folder, WNID)), None)


def val_folder(root: Path) -> Path | None:
    """Where the validation pictures are; the root itself, where a list is there or beside it."""
    for folder in (root / data / "val" for data in DATA):
        if _begins(folder, VAL_PICTURE) or _begins(folder, WNID):
            return folder
    lists = _find([root, root.resolve().parent], SOLUTION, LABELS, TRUTH, SYNSETS, PLACES)
    return root if lists and _begins(root, VAL_PICTURE) else None


def _begins(folder: Path, pattern: re.Pattern[str]) -> bool:
    """Whether one of the first names in a folder is of this kind."""
    with suppress(OSError, ValueError), os.scandir(folder) as entries:
        return any(pattern.fullmatch(entry.name) for entry in islice(entries, PEEK))
    return False


@dataclass
class Pictures:
    """The pictures below a folder: names in natural order, bytes, and the wnid of each folder.

    `sorted` says that they lie in a folder for each class; of others the wnids are "".
    """

    root: Path
    names: list[str] = field(default_factory=list)
    sizes: array[int] = field(default_factory=lambda: array("q"))
    wnids: list[str] = field(default_factory=list)
    sorted: bool = True
    left_out: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, root: Path) -> Pictures:
        """Those in the wnid folders of a folder, or where it has none, those in the folder."""
        entries = {entry.name: entry for entry in entries_of(root)}
        wnids = sorted(n for n, e in entries.items() if WNID.fullmatch(n) and is_folder(e))
        pictures = cls(root, sorted=bool(wnids))
        for wnid in wnids:
            pictures._take(entries_of(entries.pop(wnid).path), wnid, f"{wnid}/")
        if not wnids:
            pictures._take(list(entries.values()), "", "")
        elif entries:
            pictures.left_out["not in a class folder"] = sorted(entries)
        return pictures

    def _take(self, entries: list[os.DirEntry[str]], wnid: str, prefix: str) -> None:
        for entry in sorted(entries, key=lambda entry: natural_key(entry.name)):
            name = prefix + entry.name
            if entry.name.startswith(".") or not is_picture(entry.name) or is_folder(entry):
                self.left_out["no pictures by their names"].append(name)
            elif reason := why_empty(entry):
                self.left_out[reason].append(name)
            else:
                self.names.append(name)
                self.sizes.append(entry.stat().st_size)
                self.wnids.append(wnid)

    @property
    def notes(self) -> tuple[str, ...]:
        """A line for each kind of thing that was left out."""
        return tuple(
            f"left out in {self.root.name}/, {why}: {len(names):,} ({some(names)})"
            for why, names in self.left_out.items()
        )
