"""Maps of a layer's units in a picture: of those units whose best patches are known.

What is known was looked for in other pictures by `verydeep explain --units`, for these very
weights (`report/units_file.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch.nn import functional as F

from verydeep.errors import UserError
from verydeep.insight.score_maps import Heat
from verydeep.insight.view import View
from verydeep.nets.network import Network
from verydeep.nets.rows import PICTURE
from verydeep.pictures.reading import Picture
from verydeep.pictures.windows import Window
from verydeep.report.units_file import NAME, KnownUnits, load_units
from verydeep.serving.model import Model

MOST = 24
"""Units of a layer whose maps are told of a picture, the most excited first."""
SIDE = 128
"""Pixels of a map's longer side, at most."""


@dataclass(frozen=True)
class UnitMap:
    """The map of a unit in a picture: no value is below 0, and in each place stands the largest."""

    unit: int
    heat: Heat

    @property
    def largest(self) -> float:
        """The largest value in the picture."""
        return float(self.heat.max())

    def grey(self, largest: float) -> UInt8[np.ndarray, "H W"]:
        """It in 8 bits: 0 is 0, and 255 `largest`."""
        shares = self.heat / largest if largest > 0 else self.heat
        return (255 * shares).round().astype(np.uint8)


def known_units(folder: Path, model: Model) -> KnownUnits:
    """The units that a folder of `verydeep explain --units` tells of, for what is served.

    Raises UserError where there are none, or where they are of other weights.
    """
    again = "make them: verydeep explain WEIGHTS --units ROWS --data DATA --out FOLDER"
    if model.mapped is None:
        raise UserError("what is served has no maps, and so no units; leave --units out")
    path = folder / NAME
    if not path.exists():
        raise UserError(f"no units in {folder}; {again}")
    found, identity = load_units(path), model.identity
    served = identity.classifier or identity.weights
    if found.weights != served:
        raise UserError(
            f"{path} has units of other weights ({found.weights[:12]}, and {served[:12]} are "
            f"served); {again}"
        )
    table = model.mapped.network.table
    shapes = table.shapes(table.crop, table.crop)
    for name, row in found.rows.items():
        if name == PICTURE or shapes.get(name, (0,))[0] != row.units:
            raise UserError(f"{path} has a layer '{name}' that is none of the net's; {again}")
    return found


@torch.inference_mode()
def unit_maps(network: Network, image: Picture, row: str, units: list[int]) -> list[UnitMap]:
    """The maps of the units of a row that a picture excites most, out of these units."""
    view = View(network, image, Window.whole((image.shape[0], image.shape[1])))
    maps = network.run({PICTURE: view.images()}, [row])[row][0].float().clamp(min=0)
    strength = maps[units].amax((1, 2))
    order = strength.argsort(descending=True, stable=True)[:MOST].tolist()
    found = [UnitMap(units[i], _small(view.of_row(maps[units[i]], row))) for i in order]
    return sorted(found, key=lambda one: -one.largest)


def _small(heat: Heat) -> Float32[np.ndarray, "h w"]:
    """A map of a smaller side, where each place has the largest value of those it stands for."""
    by = max(1.0, max(heat.shape) / SIDE)
    size = [max(1, round(side / by)) for side in heat.shape]
    return F.adaptive_max_pool2d(torch.from_numpy(heat)[None], size)[0].numpy()
