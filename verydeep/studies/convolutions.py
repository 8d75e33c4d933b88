"""Weights whose convolutions the nets of a study begin with, in place of random ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from verydeep.errors import UserError
from verydeep.schema import Sha256
from verydeep.studies.sizes import PLAIN, Size
from verydeep.training.duration import LAST
from verydeep.training.recipes import GAUSSIAN
from verydeep.weights.file import find, hash_of, load, read_info
from verydeep.weights.warm_start import Origin


@dataclass(frozen=True)
class Convolutions:
    """Where such weights lie, their hash, and which net they are of.

    `fc` are the channels of its hidden FC layers where it has layers behind its convolutions.
    `initial` is what new layers begin with: where pixels are less their mean alone, as the paper's,
    values are tens of times as large as He's weights have them, by which a box is thousands off at
    first and learns at no rate that is tried; the paper's own weights are small.
    """

    path: Path
    hash: Sha256
    net: str
    width: float
    fc: int | None
    initial: str

    @classmethod
    def of(cls, start: str | Path, size: Size, given: Mapping[str, Any]) -> Convolutions:
        """Those of a file, a run or a name, for nets of this size with these settings.

        Raises UserError for what is no classifier's, or lacks some; for FC layers that do not fit;
        and for settings that the weights say themselves.
        """
        path = find(start)
        info = read_info(path)
        origin = Origin.of(path)
        table, sizes = origin.table, origin.sizes
        if table.places or not origin.is_whole:
            kind = "finds places" if table.places else f"lacks convolutions of {sizes.net}"
            raise UserError(f"{start} {kind}; give a classifier, or the convolutions of one")
        own = ("net", "width", *(("fc",) if table.has_scores else ()))
        if said := [name for name in own if name in given]:
            raise UserError(f"{said[0]} is that of {start}; leave --set {said[0]} out")
        if table.has_scores and sizes.fc != 0 and table.crop != size.crop:
            raise UserError(
                f"{start} has FC layers for crops of {table.crop}, and {size.crop} is asked for; "
                f"give --set crop={table.crop}, or weights without FC layers"
            )
        fc = sizes.fc if table.has_scores else None
        origin.table_for(replace(sizes, crop=size.crop), LAST)
        digest = info.hash or hash_of(load(path))
        initial = GAUSSIAN if set(origin.pixels.std) == {1.0} else PLAIN["initial"]
        return cls(path.resolve(), digest, sizes.net, sizes.width, fc, initial)

    @property
    def settings(self) -> dict[str, Any]:
        """Those of every net that has them."""
        own = {"net": self.net, "initial": self.initial}
        return own if self.fc is None else {**own, "fc": self.fc}
