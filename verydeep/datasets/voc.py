"""PASCAL VOC, for classes: pictures that show objects of one class, with their parts.

`JPEGImages/` holds the pictures, `Annotations/` a file for each that names what is in it, and
`ImageSets/Main/` lists of names for the parts. Pictures with objects of several classes, or none,
are left out and counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from verydeep.datasets.dataset import Dataset
from verydeep.datasets.entries import entries_of, is_picture, natural_key, some
from verydeep.datasets.folder import dataset_of
from verydeep.datasets.layout import folders_of
from verydeep.datasets.listing import Listing
from verydeep.datasets.voc_xml import object_names
from verydeep.errors import UserError

PICTURES, ANNOTATIONS, LISTS = "JPEGImages", "Annotations", Path("ImageSets", "Main")
ROLES = {"train": ("train", "trainval"), "validation": ("val",), "test": ("test",)}
"""What the lists of each part are called; the first that is there counts."""
SEVERAL, NONE, MISSING = "of several classes", "of no object", "without an annotation"
PICTURELESS = "that are not there"


def is_here(where: str | Path) -> bool:
    """Whether a folder, or one in it, has VOC's folders of pictures and of annotations."""
    with suppress(OSError, UserError):
        return bool(_roots(Path(where)))
    return False


def open(where: str | Path, split: int = 0) -> Dataset:
    """Dataset of the pictures of one class each, by the parts that lists make.

    Without a list to train on, those that no other list names are it; without any, all of them are
    split here. Raises UserError where there are several years, or an annotation is none of VOC's.
    """
    root, *others = _roots(Path(where))
    if others:
        names = [path.name for path in (root, *others)]
        raise UserError(f"{where} holds {len(names)} data sets ({some(names)}); give {root}")
    files = {Path(n).stem: n for n in _names(root / PICTURES) if is_picture(n)}
    there = {Path(n).stem for n in _names(root / ANNOTATIONS) if n.endswith(".xml")}
    left_out: dict[str, list[str]] = defaultdict(list)
    listings = {}
    for role, (called, stems) in _parts(root, there).items():
        if gone := [stem for stem in stems if stem not in files]:
            left_out[PICTURELESS] += gone
        known = [stem for stem in stems if stem in files]
        labels = _labels(root, known, there, left_out)
        if labels:
            of_files = {files[stem]: label for stem, label in labels.items()}
            listings[role] = Listing.labelled(root / PICTURES, of_files, called)
    if "train" not in listings:
        raise UserError(f"no picture to train on in {root} shows objects of exactly one class")
    return dataset_of(Path(where), listings, split, tuple(_notes(root, left_out)))


def _roots(where: Path) -> list[Path]:
    """The folders that are laid out as VOC is: the one given, or those in it."""
    return [path for path in (where, *_below(where)) if _is_voc(path)]


def _below(where: Path) -> list[Path]:
    return [] if _is_voc(where) or not where.is_dir() else folders_of(where)


def _is_voc(path: Path) -> bool:
    return (path / PICTURES).is_dir() and (path / ANNOTATIONS).is_dir()


def _names(folder: Path) -> Iterator[str]:
    return (entry.name for entry in entries_of(folder))


def _parts(root: Path, there: set[str]) -> dict[str, tuple[str, list[str]]]:
    """What each part goes by in notes, and its pictures, of which none is in two of them."""
    names = {
        role: next((name for name in words if _list(root, name).is_file()), None)
        for role, words in ROLES.items()
    }
    lists = {role: (f"the list of {role}", _listed(root, n)) for role, n in names.items() if n}
    held_out = {stem for role, (_, stems) in lists.items() if role != "train" for stem in stems}
    if names["train"] == "trainval":
        called, stems = lists["train"]
        return {**lists, "train": (called, [stem for stem in stems if stem not in held_out])}
    if names["train"]:
        return lists
    pool = sorted(there - held_out, key=natural_key)
    if not pool:
        given = " and ".join(f"{name}.txt" for name in names.values() if name)
        why = f"{given} in {LISTS} name them all" if given else f"{ANNOTATIONS}/ has no annotation"
        raise UserError(
            f"no picture to train on in {root}: {why}; name others in {LISTS / 'train.txt'}"
        )
    return {"train": ("the pictures that no list names" if lists else "", pool), **lists}


def _list(root: Path, name: str) -> Path:
    return root / LISTS / f"{name}.txt"


def _listed(root: Path, name: str) -> list[str]:
    """The pictures that a list names."""
    path = _list(root, name)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {error}; copy it again") from None
    return [line.split()[0] for line in lines if line.strip()]


def _labels(
    root: Path, stems: Sequence[str], there: set[str], left_out: dict[str, list[str]]
) -> Mapping[str, str]:
    """The class of each picture that shows objects of one, by its annotation."""
    labels = {}
    for stem in stems:
        classes = object_names(root / ANNOTATIONS / f"{stem}.xml") if stem in there else None
        if classes is not None and len(classes) == 1:
            (labels[stem],) = classes
        else:
            why = MISSING if classes is None else SEVERAL if classes else NONE
            left_out[why].append(stem)
    return labels


def _notes(root: Path, left_out: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """How the dataset was read."""
    yield f"PASCAL VOC: classes by {ANNOTATIONS}/, of pictures with objects of one class"
    for why, stems in left_out.items():
        yield f"left out, pictures {why}: {len(stems):,} ({some(stems)})"
