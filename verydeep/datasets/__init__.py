"""Labelled pictures, recognised from what is there."""

from pathlib import Path

from verydeep.datasets.dataset import Dataset, Part
from verydeep.datasets.drawn import open_drawn
from verydeep.datasets.folder import open_folder, refuse_too_small
from verydeep.datasets.ilsvrc import is_ilsvrc, open_ilsvrc
from verydeep.datasets.pack import is_packed, open_packed
from verydeep.datasets.seen import Memory, settled
from verydeep.errors import UserError
from verydeep.schema import MOST_SEED

__all__ = ["Dataset", "Memory", "Part", "open_dataset", "refuse_too_small", "settled"]


def open_dataset(where: str | Path, split: int = 0) -> Dataset:
    """Dataset at a path, or the built-in one where it says "drawn".

    `split` is the seed of the split into parts, where the data has none of its own, as a folder
    that `verydeep pack` wrote and ILSVRC-2012 have; by another, "drawn" pictures are others. Reads
    names and sizes of files, no picture. Raises UserError where there are no labelled pictures or
    the seed is none.
    """
    if not 0 <= split <= MOST_SEED:
        raise UserError(f"the seed of the split is {split}; it must be in [0, 2^63)")
    if str(where).split(":")[0] == "drawn" and not Path(where).exists():
        return open_drawn(str(where), split)
    if is_packed(Path(where)):
        return open_packed(Path(where))
    if is_ilsvrc(Path(where)):
        return open_ilsvrc(Path(where))
    return open_folder(Path(where), split)
