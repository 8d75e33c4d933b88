"""Labelled pictures, recognised from what is there."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from verydeep.benchmarks import caltech, cifar, coco, ilsvrc, mnist, voc
from verydeep.drawings import drawn
from verydeep.errors import UserError
from verydeep.folders import folder, table
from verydeep.folders.folder import refuse_too_small
from verydeep.go import positions
from verydeep.packs import pack
from verydeep.parts import archives
from verydeep.parts.dataset import Dataset, Part
from verydeep.parts.identities import with_identities_apart
from verydeep.parts.seen import Memory, settled
from verydeep.schema import MOST_SEED

__all__ = [
    "Dataset",
    "Memory",
    "Part",
    "open_dataset",
    "refuse_too_small",
    "settled",
    "with_pictures",
]


class Kind(Protocol):
    """A kind of dataset, which is a module: whether it is what lies there, and how it is opened."""

    def is_here(self, where: str | Path) -> bool:
        """Whether it is, by names alone; nothing is read, and nothing refused."""

    def open(self, where: str | Path, split: int = 0) -> Dataset:
        """The dataset; UserError where it cannot be opened."""


KINDS: tuple[Kind, ...] = (
    drawn,
    pack,
    table,
    ilsvrc,
    voc,
    coco,
    caltech,
    mnist,
    cifar,
    positions,
    folder,
)
"""Every kind, in the order in which they are asked whether they are there."""


SEVERAL: Mapping[Kind, Callable[[str | Path, int], Dataset]] = {
    voc: voc.open_several,
    coco: coco.open_several,
    table: table.open_several,
    folder: folder.open_several,
}
"""How the kinds that know several labels a picture are opened with them."""


APART: Mapping[Kind, Callable[[str | Path, int], Dataset]] = {folder: folder.open_apart}
"""How the kinds whose parts may have other classes than each other are opened so."""


def open_dataset(
    where: str | Path, split: int = 0, several: bool = False, apart: bool = False
) -> Dataset:
    """Dataset at a path, or the built-in one where it says "drawn".

    With `several` every part has `LabelSets`, of one label each where the data has one; and
    without, one label a picture, those of several or none left out and counted.

    With `apart` classes are identities: parts that are made have none in common, and parts that
    were found may have others each.

    `split` is the seed of the split into parts, where the data has none of its own, as a folder
    that `verydeep pack` wrote and ILSVRC-2012 have; by another, "drawn" pictures are others. Reads
    names and sizes of files, no picture. Raises UserError where there are no labelled pictures or
    the seed is none.
    """
    if not 0 <= split <= MOST_SEED:
        raise UserError(f"the seed of the split is {split}; it must be in [0, 2^63)")
    if archives.is_here(where):
        return _of_archive(Path(where), split, several, apart)
    kind = next(kind for kind in KINDS if kind.is_here(where))
    if apart:
        return with_identities_apart(APART.get(kind, kind.open)(where, split), split)
    if several:
        return (
            SEVERAL[kind](where, split) if kind in SEVERAL else kind.open(where, split).with_sets()
        )
    return kind.open(where, split)


def with_pictures(dataset: Dataset) -> Dataset:
    """The dataset; UserError for positions of Go, which are no pictures."""
    if dataset.kind == positions.KIND:
        raise UserError(
            f"{dataset.where} has positions of Go, and no pictures; `verydeep train` and "
            f"`verydeep evaluate` take it, with a net of boards"
        )
    return dataset


def _of_archive(archive: Path, split: int, several: bool, apart: bool) -> Dataset:
    """The dataset in a zip or tar file."""
    folder, note = archives.unpacked(archive)
    try:
        dataset = open_dataset(folder, split, several, apart)
    except UserError as error:
        raise UserError(f"{archive}, unpacked: {error}") from None
    return replace(dataset, where=str(archive), notes=(note, *dataset.notes))
