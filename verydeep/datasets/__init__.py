"""Labelled pictures, recognised from what is there."""

from pathlib import Path

from verydeep.datasets.dataset import Dataset, Part
from verydeep.datasets.drawn import open_drawn
from verydeep.datasets.folder import open_folder, refuse_too_small
from verydeep.datasets.ilsvrc import is_ilsvrc, open_ilsvrc
from verydeep.datasets.packed import is_packed, open_packed
from verydeep.errors import UserError

__all__ = ["Dataset", "Part", "open_dataset", "refuse_too_small"]


def open_dataset(where: str | Path, seed: int = 0) -> Dataset:
    """Dataset at a path, or the built-in one where it says "drawn".

    A folder that `verydeep pack` wrote has its parts already, and so has ILSVRC-2012; no seed
    changes them. Reads names and sizes of files, no picture. Raises UserError where there are no
    labelled pictures or the seed is none.
    """
    if not 0 <= seed < 2**64:
        raise UserError(f"seed is {seed}; it must be in [0, 2^64)")
    if str(where).split(":")[0] == "drawn" and not Path(where).exists():
        return open_drawn(str(where), seed)
    if is_packed(Path(where)):
        return open_packed(Path(where))
    if is_ilsvrc(Path(where)):
        return open_ilsvrc(Path(where))
    return open_folder(Path(where), seed)
