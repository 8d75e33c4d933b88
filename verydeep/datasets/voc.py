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


def is_here(where: str | Path) -> bool:
    """Whether a folder, or one in it, has VOC's folders of pictures and of annotations."""
    with suppress(OSError, UserError):
        return bool(_roots(Path(where)))
    return False


def open(where: str | Path, split: int = 0) -> Dataset:
    """Dataset of the pictures of one class each, by the parts that lists make.

    Without lists, all of them are split here. Raises UserError where there are several years, or
    an annotation is none of VOC's.
    """
    root, *others = _roots(Path(where))
    if others:
        names = [path.name for path in (root, *others)]
        raise UserError(f"{where} holds {len(names)} data sets ({some(names)}); give {root}")
    files = {Path(n).stem: n for n in _names(root / PICTURES) if is_picture(n)}
    there = {Path(n).stem for n in _names(root / ANNOTATIONS) if n.endswith(".xml")}
    listed = {role: _listed(root, names) for role, names in ROLES.items()}
    parts = {role: stems for role, stems in listed.items() if stems is not None}
    if "train" not in parts:
        parts = {"train": sorted(there, key=natural_key)}
    left_out: dict[str, list[str]] = defaultdict(list)
    listings = {}
    for role, stems in parts.items():
        known = [stem for stem in stems if stem in files]
        labels = _labels(root, known, there, left_out)
        if labels:
            of_files = {files[stem]: label for stem, label in labels.items()}
            called = f"the list of {role}" if listed[role] is not None else ""
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


def _listed(root: Path, names: Sequence[str]) -> list[str] | None:
    """The pictures of a part, by the first of these lists that is there; None without any."""
    for name in names:
        path = root / LISTS / f"{name}.txt"
        if path.is_file():
            try:
                lines = path.read_text(encoding="utf-8-sig").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise UserError(f"cannot read {path}: {error}; copy it again") from None
            return [line.split()[0] for line in lines if line.strip()]
    return None


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
