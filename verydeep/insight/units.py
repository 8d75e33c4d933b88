"""What units like: for each unit of some rows the pictures of a part that excite it most.

One pass over the pictures keeps of each unit the largest values, one of a picture, with their
places (Zeiler & Fergus, 2014). Each is shown as the part of its picture that it sees, and as what
comes of it alone down a DeconvNet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64, UInt8
from torch import Tensor

from verydeep.errors import PictureError
from verydeep.insight.signals import DECONVNET, of_value, signal
from verydeep.insight.view import View, per_grey_level
from verydeep.nets.locality import Locality
from verydeep.nets.network import Network
from verydeep.nets.rows import PICTURE, Conv
from verydeep.parts.dataset import Part
from verydeep.pictures.boxes import clipped, out_of_window
from verydeep.runtime.progress import SILENT, Progress
from verydeep.runtime.threads import in_order

KEPT = 9
"""Pictures of each unit."""
ALIKE = 0.99
"""Correlation, over pictures, from which on two units are taken for one."""
ENOUGH = 20
"""Pictures from which on that can be told."""
GROUND = 128
"""Grey of what a unit sees beyond its picture."""


@dataclass(frozen=True)
class Strongest:
    """Of each unit of a row the largest values, the largest first, and where they were.

    `pictures` are their numbers in the part, -1 where no more pictures excite the unit, and
    `places` (y, x) in its map. A unit is dead that no picture excites; `duplicates` are pairs of
    units whose largest values go together over all pictures.
    """

    row: str
    values: Float32[np.ndarray, "U k"]
    pictures: Int64[np.ndarray, "U k"]
    places: Int64[np.ndarray, "U k 2"]
    dead: Bool[np.ndarray, " U"]
    duplicates: tuple[tuple[int, int], ...]


class _Kept:
    """The largest values of a row's units so far."""

    def __init__(self, row: str, units: int, kept: int) -> None:
        self.row, self.kept, self.seen = row, kept, 0
        self.values = torch.zeros(units, 0)
        self.pictures = torch.zeros(units, 0, dtype=torch.int64)
        self.flat = torch.zeros(units, 0, dtype=torch.int64)
        self.columns = torch.zeros(units, 0, dtype=torch.int64)
        self._sums = torch.zeros(units, dtype=torch.float64)
        self._products = torch.zeros(units, units, dtype=torch.float64)

    def add(self, number: int, maps: Float[Tensor, "U h w"]) -> None:
        """Takes what a picture gives."""
        largest, flat = maps.flatten(1).max(1)
        width = torch.full_like(flat, maps.shape[2])
        values = torch.cat([self.values, largest[:, None].float()], 1)
        order = values.argsort(dim=1, descending=True, stable=True)[:, : self.kept]
        self.values = values.gather(1, order)
        numbers = torch.full_like(flat, number)
        self.pictures = torch.cat([self.pictures, numbers[:, None]], 1).gather(1, order)
        self.flat = torch.cat([self.flat, flat[:, None]], 1).gather(1, order)
        self.columns = torch.cat([self.columns, width[:, None]], 1).gather(1, order)
        own = largest.double()
        self.seen += 1
        self._sums += own
        self._products.addr_(own, own)

    def found(self) -> Strongest:
        """All that is said of the row."""
        values = self.values.numpy()
        there = values > 0
        places = torch.stack([self.flat // self.columns, self.flat % self.columns], 2).numpy()
        dead = np.asarray(~there.any(1))
        return Strongest(
            self.row, values, np.where(there, self.pictures.numpy(), -1), places, dead,
            self._duplicates(dead),
        )  # fmt: skip

    def _duplicates(self, dead: np.ndarray) -> tuple[tuple[int, int], ...]:
        if self.seen < ENOUGH:
            return ()
        means = self._sums / self.seen
        spread = self._products / self.seen - means[:, None] * means
        deviations = spread.diagonal().clamp(min=0).sqrt()
        alive = torch.from_numpy(~dead) & (deviations > 1e-6 * means.abs())
        scale = torch.where(alive, deviations, torch.inf)
        alike = (spread / scale[:, None] / scale >= ALIKE).triu(1).nonzero()
        return tuple((int(one), int(other)) for one, other in alike)


def strongest(
    network: Network,
    part: Part,
    rows: Sequence[str],
    kept: int = KEPT,
    threads: int = 1,
    progress: Progress = SILENT,
) -> tuple[dict[str, Strongest], tuple[str, ...]]:
    """Of each of these rows what excites its units most, and why pictures cannot be read."""
    table = network.table
    shapes = table.shapes(table.crop, table.crop)
    found = {row: _Kept(row, shapes[row][0], kept) for row in rows}
    faults = list[str]()

    def read(i: int) -> View | PictureError:
        try:
            return View.of_part(network, part, i)
        except PictureError as error:
            return error

    views = in_order(read, range(len(part)), threads, ahead=4 * threads)
    with torch.inference_mode():
        for i, view in enumerate(views):
            if isinstance(view, PictureError):
                faults.append(str(view))
            else:
                given = network.run({PICTURE: view.images()}, list(found))
                for row, maps in given.items():
                    found[row].add(i, maps[0].cpu())
            progress.step("looking for what units like", i + 1, len(part))
    return {row: each.found() for row, each in found.items()}, tuple(faults)


# --- one value of a unit, seen


@dataclass(frozen=True)
class Seen:
    """What one value of a unit sees of its picture, and its projection, of one size.

    `box` is where that lies in the upright original's pixels, as far as it is inside of it.
    """

    patch: UInt8[np.ndarray, "h w 3"]
    projection: Float32[np.ndarray, "h w 3"]
    box: tuple[float, float, float, float]


def seen(view: View, row: str, unit: int, place: tuple[int, int]) -> Seen:
    """What a value sees, as `patch`, and its projection by a DeconvNet there."""
    found = view.of_pixels(per_grey_level(projected(view, row, unit, place),
                                          view.network.pixels))  # fmt: skip
    (top, bottom), (left, right) = spans = _sight(view, row, place)
    corners = np.array([[left, top, right, bottom]], np.float64)
    (box,) = clipped(out_of_window(corners, view.window), view.window.picture).tolist()
    return Seen(patch(view, row, place), _cut(found, spans, 0), tuple(box))


def patch(view: View, row: str, place: tuple[int, int]) -> UInt8[np.ndarray, "h w 3"]:
    """What a value sees of its picture, cut by its receptive field.

    Where that is larger than the picture it is all of the picture; beyond its edges it is grey.
    """
    return _cut(view.image, _sight(view, row, place), GROUND)


def _sight(view: View, row: str, place: tuple[int, int]) -> list[tuple[int, int]]:
    """From where to where a value sees a picture, down and across."""
    local = Locality.of(view.network.table, row)
    cuts = [local.sight(p, shown) for p, shown in zip(place, view.shown, strict=True)]
    size = view.image.shape[:2]
    if all(cut.end - cut.first <= n for cut, n in zip(cuts, size, strict=True)):
        return [(cut.first, cut.end) for cut in cuts]
    return [(max(0, cut.first), min(n, cut.end)) for cut, n in zip(cuts, size, strict=True)]


def projected(view: View, row: str, unit: int, place: tuple[int, int]) -> Float[Tensor, "3 h w"]:
    """The projection of one value of a unit to what the network is shown: its value, kept alone.

    The network runs over the part of the picture that the value sees, by whole strides, as no
    more of it counts; over all of it up to a row that is made for the places of one map.
    """
    table, images = view.network.table, view.images()
    if any(each.name == table.placed for each, _ in table.path({row})):
        return signal(view.network, images, row, of_value(unit, place), DECONVNET)[0]
    local = Locality.of(table, row)
    cuts, inner = [], []
    for p, side in zip(place, images.shape[2:], strict=True):
        start = max(0, p - ceil(local.before / local.stride)) * local.stride
        end = (p + 1 + ceil(local.after / local.stride)) * local.stride
        cuts.append(slice(start, side - max(0, side - end) // local.stride * local.stride))
        inner.append(p - start // local.stride)
    rows, columns = cuts
    start_of = of_value(unit, (inner[0], inner[1]))
    found = torch.zeros_like(images)
    found[:, :, rows, columns] = signal(
        view.network, images[:, :, rows, columns], row, start_of, DECONVNET
    )
    return found[0]


def _cut(values: np.ndarray, spans: Sequence[tuple[int, int]], ground: int) -> np.ndarray:
    """A part of a picture, which may reach beyond it."""
    (top, bottom), (left, right) = spans
    found = np.full((bottom - top, right - left, 3), ground, values.dtype)
    height, width = values.shape[:2]
    y, x = slice(max(0, top), min(height, bottom)), slice(max(0, left), min(width, right))
    found[y.start - top : y.stop - top, x.start - left : x.stop - left] = values[y, x]
    return found


def first_filters(network: Network) -> UInt8[np.ndarray, "U k k 3"] | None:
    """The filters of the first layer in RGB, each by its own range about mid-grey.

    None of a net that does not begin with a convolution of pictures in colour.
    """
    row = next((row for row in network.table.rows if isinstance(row, Conv)), None)
    if row is None or row.inputs != (PICTURE,):
        return None
    weights = network.get_parameter(f"{row.name}.weight").detach().cpu()
    if weights.shape[1] != 3:
        return None
    weights = weights.flip(1) if network.pixels.order == "BGR" else weights
    shares = weights / weights.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12)
    colours = (127.5 + 127.5 * shares).round().to(torch.uint8)
    return np.ascontiguousarray(colours.permute(0, 2, 3, 1).numpy())
