"""Occlusion: what a network says of a picture while a grey square hides one part of it, or another.

Three numbers for each place of the square, as Zeiler & Fergus (2014) print them: the posterior of a
class, what the map that is strongest on the whole picture sums to, and the most probable class.
Their text gives no size of the square: ours is to a crop, or to the smaller side of a picture that
is shown smaller, as 50 pixels are to 224, and is moved by 16.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, UInt8
from torch import Tensor

from verydeep.engines.engine import Engine
from verydeep.evaluation.showing import room_for
from verydeep.nets.rows import PICTURE
from verydeep.nets.table import SCORES
from verydeep.pictures.preprocessing import Pixels
from verydeep.pictures.reading import Picture
from verydeep.runtime.progress import SILENT, Progress

SIDE, STRIDE, CROP = 50, 16, 224
"""Side of the square and its step, in pixels, at this crop."""
BATCH = 8
"""Views that threads of most numbers share evenly."""
Centres = Float[np.ndarray, " _"]


@dataclass(frozen=True)
class Occluded:
    """What a network says with a square at each place, and without one.

    `rows` and `columns` are the squares' centres in pixels of what was shown; squares of `side`
    reach over its borders. `unit` is the map of `layer` that is strongest on the whole picture.
    """

    posteriors: Float32[np.ndarray, "r c"]
    activations: Float32[np.ndarray, "r c"]
    classes: Int64[np.ndarray, "r c"]
    rows: Centres
    columns: Centres
    posterior: float
    activation: float
    label: int
    side: int
    stride: int
    layer: str
    unit: int


Said = Callable[[UInt8[Tensor, "B h w 3"]], tuple[Float[Tensor, "B D r c"], Float[Tensor, "B K"]]]
"""From views to the maps of a layer, and the posteriors."""


def occluded(
    engine: Engine,
    image: Picture,
    label: int,
    layer: str | None = None,
    side: int | None = None,
    stride: int | None = None,
    progress: Progress = SILENT,
) -> Occluded:
    """What an engine says of a picture, with a square of the mean colour at every `stride` pixels.

    The layer is by default the trunk's last row, which every engine gives; for another PyTorch runs
    the network. Pictures are shown to it many at once.
    """
    table = engine.network.table
    seen = min(table.crop, *image.shape[:2])
    side, stride = side or scaled(SIDE, seen), stride or scaled(STRIDE, seen)
    layer = layer or table.trunk
    say = by_engine(engine, layer)
    clean, own = say(_batch(engine, image[None]))
    sums = clean.sum((2, 3))[0]
    unit = int(sums.argmax())
    rows, columns = (centres(n, stride) for n in image.shape[:2])
    found = list[Tensor]()
    total, done = len(rows) * len(columns), 0
    for views in _in_batches(engine, image, rows, columns, side):
        maps, posteriors = say(_batch(engine, views))
        best = posteriors.argmax(1).double()
        found.append(torch.stack([posteriors[:, label].double(), maps[:, unit].sum((1, 2)).double(),
                                  best], 1).cpu())  # fmt: skip
        done += len(views)
        progress.step("hiding parts", done, total)
    numbers = torch.cat(found).numpy().reshape(len(rows), len(columns), 3)
    return Occluded(
        numbers[..., 0].astype(np.float32),
        numbers[..., 1].astype(np.float32),
        numbers[..., 2].astype(np.int64),
        rows,
        columns,
        float(own[0, label]),
        float(sums[unit]),
        int(own[0].argmax()),
        side,
        stride,
        layer,
        unit,
    )


def scaled(size: int, side: int) -> int:
    """A size at a crop of 224 as one at a crop of another side."""
    return max(1, round(size * side / CROP))


def centres(side: int, stride: int) -> Centres:
    """Centres of squares along a side, in pixels: as many as it takes, as far from both ends.

    >>> centres(40, 16).tolist()
    [4.0, 20.0, 36.0]
    """
    count = side // stride + 1
    return (side - stride * (count - 1)) / 2 + stride * np.arange(count, dtype=np.float64)


def hidden(image: Picture, y: float, x: float, side: int, pixels: Pixels) -> Picture:
    """The picture with a square of the mean colour about (y, x), as much as lies in it."""
    top, left = round(y - side / 2), round(x - side / 2)
    found = image.copy()
    found[max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)] = grey(pixels)
    return found


def grey(pixels: Pixels) -> UInt8[np.ndarray, " 3"]:
    """The mean colour of a network's pixels, in RGB from 0 to 255."""
    mean = np.array(pixels.mean) * 255 / pixels.maximum
    found: UInt8[np.ndarray, " 3"] = mean.round().clip(0, 255).astype(np.uint8)
    return found[::-1].copy() if pixels.order == "BGR" else found


def by_engine(engine: Engine, layer: str) -> Said:
    """The maps of a layer and the posteriors of views, by an engine as far as that gives them."""
    network, table = engine.network, engine.network.table
    start = table.trunk if layer == table.trunk else PICTURE

    def say(
        views: UInt8[Tensor, "B h w 3"],
    ) -> tuple[Float[Tensor, "B D r c"], Float[Tensor, "B K"]]:
        with torch.inference_mode():
            if start == PICTURE:
                given = network.shown(network.pixels.normalise(views))
            else:
                given = engine.trunk(views)
            found = network.run({start: given}, [layer, SCORES])
            return found[layer], network.likely(found[SCORES].float().mean((2, 3)))

    return say


def together(engine: Engine, height: int, width: int) -> int:
    """Views of a size that are shown to an engine at once: `BATCH`, more if they are small.

    They are fewer where there is no memory for as many.
    """
    limit, most = (pixels // (height * width) for pixels in room_for(engine.network))
    return max(1, min(most, max(BATCH, limit)))


def _in_batches(
    engine: Engine, image: Picture, rows: Centres, columns: Centres, side: int
) -> Iterator[UInt8[np.ndarray, "B H W 3"]]:
    """The picture with a square at each place, row by row, so many at once."""
    places = [(y, x) for y in rows.tolist() for x in columns.tolist()]
    count, pixels = together(engine, image.shape[0], image.shape[1]), engine.network.pixels
    for first in range(0, len(places), count):
        some = places[first : first + count]
        yield np.stack([hidden(image, y, x, side, pixels) for y, x in some])


def _batch(engine: Engine, views: UInt8[np.ndarray, "B H W 3"]) -> UInt8[Tensor, "B H W 3"]:
    return torch.from_numpy(np.ascontiguousarray(views)).to(engine.network.device)
