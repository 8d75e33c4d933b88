"""A net that places boxes and what rates them, shown pictures: what they give, in rows of numbers.

A walk knows rows alone, of one width. So there is one for each position of each view, and behind
those of a view as many as it takes to say what is not of a position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from verydeep.engines.engine import Engine
from verydeep.evaluation.dense import in_tiles
from verydeep.evaluation.showing import room_for
from verydeep.evaluation.views import Pass
from verydeep.evaluation.walk import Made
from verydeep.nets.rows import NUMBERS
from verydeep.nets.table import SCORES, Table
from verydeep.parts.annotations import Labels
from verydeep.pictures.boxes import out_of_window
from verydeep.pictures.reading import Picture
from verydeep.pictures.windows import Window

SIDES = NUMBERS["boxes"]
SIZE = 2
"""Numbers that a picture's height and width are."""


@dataclass(frozen=True)
class Nets:
    """What places boxes and what rates them; `names` says by class which of its boxes is meant.

    Without a classifier the candidates are given, and all boxes of one are rated alike.
    """

    boxes: Engine
    classifier: Engine | None
    names: Labels

    @property
    def share_trunk(self) -> bool:
        """Whether what is before the first row that looks at a whole map is run once for both."""
        return self.classifier is not None and self.classifier.trunk is self.boxes.trunk

    @property
    def rates_positions(self) -> bool:
        """Whether the classifier has a posterior at each position, and not of whole maps alone."""
        return self.classifier is not None and self.classifier.network.table.pooled is None


class Shower:
    """Shows pictures to both nets: a row for each position, all boxes and all posteriors there.

    Rows that begin with NaN are behind those of each view: the picture's size, and in as many more
    as it takes the classifier's evidence of the view.
    """

    def __init__(self, nets: Nets) -> None:
        self.nets = nets
        self.limit, self.most = room_for(nets.boxes.network)

    @torch.inference_mode()
    def __call__(
        self, shown_as: Pass, pictures: Sequence[Picture], windows: Sequence[Window]
    ) -> list[Made]:
        """The rows of each picture."""
        images = torch.from_numpy(np.stack(pictures)).to(self.nets.boxes.network.device)
        views = shown_as.views(images)
        together = max(1, self.limit // (views.shape[2] * views.shape[3]))
        pieces = [self._maps(piece) for piece in torch.split(views.flatten(0, 1), together)]
        maps = [torch.cat(each).cpu().numpy() for each in zip(*pieces, strict=True)]
        count = views.shape[1]
        return [
            self._rows(shown_as, window, *(each[i : i + count] for each in maps))
            for i, window in zip(range(0, len(maps[0]), count), windows, strict=True)
        ]

    def _maps(
        self, views: Tensor
    ) -> tuple[Float[Tensor, "V N r c"], Float[Tensor, "V K P"], Float[Tensor, "V D"]]:
        """Box numbers and posteriors at each position, and the evidence of each view."""
        boxes, *of_classes = (values.float() for values in self._values(views))
        positions = boxes.shape[2] * boxes.shape[3]
        if self.nets.classifier is None:
            return boxes, boxes.new_zeros(len(boxes), 0, positions), boxes.new_zeros(len(boxes), 0)
        (found,), network = of_classes, self.nets.classifier.network
        if self.nets.rates_positions:
            return boxes, network.likely(found).flatten(2), network.likely(found.mean((2, 3)))
        evidence = found.flatten(1)
        return boxes, network.verdict(evidence)[:, :, None].expand(-1, -1, positions), evidence

    def _values(self, views: Tensor) -> list[Float[Tensor, "V _ r c"]]:
        """What both nets give at each position, or the classifier of whole maps of each view."""
        boxes, classifier = self.nets.boxes, self.nets.classifier
        asked = [(boxes, SCORES)]
        if classifier is not None:
            asked.append((classifier, classifier.network.table.pooled or SCORES))
        if views[..., 0].numel() > self.most:
            return [in_tiles(engine, views, self.most, name) for engine, name in asked]
        if not self.nets.share_trunk:
            return [engine.values(views, name) for engine, name in asked]
        values = {boxes.network.table.trunk: boxes.trunk(views)}
        return [engine.network.run(values, [name])[name] for engine, name in asked]

    def _rows(
        self,
        shown_as: Pass,
        window: Window,
        boxes: Float32[np.ndarray, "V N r c"],
        classes: Float32[np.ndarray, "V K P"],
        evidence: Float32[np.ndarray, "V D"],
    ) -> Made:
        table = self.nets.boxes.network.table
        rows = []
        each = zip(shown_as.windows(window), boxes, classes, evidence, strict=True)
        for view, numbers, likely, found in each:
            here = _boxes_of(table, view, numbers).reshape(-1, len(numbers))
            rows.append(np.concatenate([here, likely.T], 1))
            rows.append(_said(np.array([*window.picture, *found], np.float64), rows[0].shape[1]))
        return np.concatenate(rows).astype(np.float32)


def _said(numbers: Float64[np.ndarray, " M"], width: int) -> Float64[np.ndarray, "R C"]:
    """What is said of a view, in as few rows of such a width as hold it, which begin with NaN."""
    said = np.zeros((_rows_for(len(numbers), width - 1), width))
    said[:, 0] = np.nan
    said[:, 1:].flat[: len(numbers)] = numbers
    return said


def _rows_for(numbers: int, width: int) -> int:
    return -(-numbers // width)


def size_and_evidence(
    nets: Nets, said: Float32[np.ndarray, "R C"]
) -> tuple[Float32[np.ndarray, " 2"], Float32[np.ndarray, " D"]]:
    """A picture's size and the mean evidence of its views, by the rows that begin with NaN."""
    columns = nets.classifier.columns if nets.classifier else 0
    width = said.shape[1] - 1
    of_each = _rows_for(SIZE + columns, width)
    each = said[:, 1:].reshape(-1, of_each * width)
    return each[0, :SIZE], each[:, SIZE : SIZE + columns].mean(0)


def _boxes_of(
    table: Table, view: Window, numbers: Float32[np.ndarray, "N r c"]
) -> Float64[np.ndarray, "P n 4"]:
    """Boxes of the original picture by what a net gives at each position of a view."""
    _, rows, columns = numbers.shape
    shares = numbers.reshape(-1, SIDES, rows, columns).astype(np.float64)
    top = table.shown(view.size[0]).start + table.step * np.arange(rows)[:, None]
    left = table.shown(view.size[1]).start + table.step * np.arange(columns)
    x, y, width, height = shares.transpose(1, 2, 3, 0)  # [r, c, n] each
    x, y = x * table.crop + left[..., None], y * table.crop + top[..., None]
    width, height = (np.maximum(side, 0) * table.crop / 2 for side in (width, height))
    corners = np.stack([x - width, y - height, x + width, y + height], -1)
    return out_of_window(corners.reshape(-1, SIDES), view).reshape(rows * columns, -1, SIDES)
