"""Boxes of a picture's likely classes at every position of every view (protocol 2 of Appendix A).

A net that places boxes is run densely over the picture at each Q, and over its mirror image; so is
the classifier, whose posterior at a position rates the box there. Where both have one trunk that is
run once. Boxes are not merged here. Of all classes a few are kept, the candidates: those that the
classifier finds most probable in the whole picture, by its own verdict of the mean evidence of all
views, as when it is tested alone; or that another test found. A classifier of whole maps has no
posteriors at positions, and rates all boxes of a view by what it says of that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor

from verydeep.engines.engine import Engine
from verydeep.errors import UserError
from verydeep.evaluation.dense import in_tiles
from verydeep.evaluation.journal import Journal
from verydeep.evaluation.showing import callers, chunk_of, room_for
from verydeep.evaluation.views import Pass, Protocol
from verydeep.evaluation.walk import Finished, Made, Walk, walked
from verydeep.nets.rows import NUMBERS
from verydeep.nets.table import SCORES, Table
from verydeep.parts.annotations import Labels
from verydeep.parts.dataset import Part
from verydeep.pictures.boxes import out_of_window
from verydeep.pictures.reading import Picture, Source
from verydeep.pictures.windows import Window
from verydeep.runtime.runtime import Runtime

CANDIDATES = 5
"""Classes of which a picture's boxes are kept: the paper's error is that of five guesses."""
SIDES = NUMBERS["boxes"]
EACH = SIDES + 1
"""Numbers of a candidate at a position: its box, and the posterior there."""


@dataclass(frozen=True)
class Candidates:
    """The classes that are asked for in each picture, most probable first, and how probable."""

    classes: Int64[np.ndarray, "N J"]
    posteriors: Float32[np.ndarray, "N J"]


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


@dataclass(frozen=True)
class Placed:
    """Boxes at the positions of a picture, in pixels of the original, each of J candidates.

    `size` is (height, width) of the picture.
    """

    boxes: Float32[np.ndarray, "P J 4"]
    ratings: Float32[np.ndarray, "P J"]
    candidates: Int64[np.ndarray, " J"]
    posteriors: Float32[np.ndarray, " J"]
    size: tuple[int, int]


def placed(
    nets: Nets,
    part: Part,
    protocol: Protocol,
    given: Candidates | None,
    runtime: Runtime,
    progress: Callable[[int], None] = lambda done: None,
    journal: Journal | None = None,
) -> list[Placed | None]:
    """The boxes of each picture at every position, of its candidates; None of one not read.

    Raises UserError where the classifier's positions are others than those of the boxes.
    """
    _refuse_other_positions(nets)
    network = nets.boxes.network.eval()
    count = given.classes.shape[1] if given else min(CANDIDATES, len(nets.names))
    walk = Walk(
        part,
        network.pixels,
        protocol.passes,
        _Shower(nets),
        columns=EACH * count,
        reduction="union",
        size=chunk_of(len(part), protocol.passes, network.device.type),
        limit=room_for(network)[0],
        callers=callers(network.device.type, runtime.machine.threads),
        finish=_Finish(nets, given, count),
    )
    found = walked(walk, runtime, progress, journal)
    return [_of_rows(rows, count) if len(rows) else None for rows in found.each()]


@torch.inference_mode()
def placed_in(
    nets: Nets,
    picture: Source,
    protocol: Protocol,
    given: Candidates | None,
    count: int = CANDIDATES,
) -> Placed:
    """The boxes of one picture as `placed` has them, of so many candidates where none are given.

    Raises PictureError where it cannot be read.
    """
    _refuse_other_positions(nets)
    pixels, show = nets.boxes.network.eval().pixels, _Shower(nets)
    rows: list[Made] = []
    for shown_as in protocol.passes:
        image, window = pixels.read_with_window(picture, shown_as.scale)
        rows += show(shown_as, [image], [window])
    count = given.classes.shape[1] if given else min(count, len(nets.names))
    return _of_rows(_Finish(nets, given, count)(0, np.concatenate(rows)), count)


def _refuse_other_positions(nets: Nets) -> None:
    """Raises UserError where a classifier has its positions elsewhere than the net of boxes."""
    if nets.classifier is None or not nets.rates_positions:
        return
    ours, theirs = nets.boxes.network.table, nets.classifier.network.table
    if (ours.crop, ours.step, ours.least) != (theirs.crop, theirs.step, theirs.least):
        raise UserError(
            f"the classifier looks at crops of {theirs.crop}, every {theirs.step} pixels, and the "
            f"boxes are of crops of {ours.crop}, every {ours.step}; take a classifier of the same "
            f"crop"
        )


class _Shower:
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
    rows = -(-len(numbers) // (width - 1))
    said = np.zeros((rows, width))
    said[:, 0] = np.nan
    said[:, 1:].flat[: len(numbers)] = numbers
    return said


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


@dataclass(frozen=True)
class _Finish:
    """Of a picture's rows of all views those of its candidates; a first row says which they are.

    Candidates are by the verdict of the classifier, as when it is tested.
    """

    nets: Nets
    given: Candidates | None
    count: int

    def __call__(self, i: int, rows: Made) -> Finished:
        boxed = SIDES * len(self.nets.boxes.network.classes)
        of_views = np.isnan(rows[:, 0])
        size, evidence = self._size_and_evidence(rows[of_views, 1:])
        if self.given is not None:
            candidates, posteriors = self.given.classes[i], self.given.posteriors[i]
        else:
            likely = self._verdict(evidence)
            candidates = np.argsort(-likely, kind="stable")[: self.count]
            posteriors = likely[candidates]
        here = rows[~of_views]
        boxes = here[:, :boxed].reshape(len(here), -1, SIDES)[:, self.nets.names[candidates]]
        if self.nets.classifier is None:
            ratings = np.broadcast_to(posteriors, boxes.shape[:2])
        else:
            ratings = here[:, boxed:][:, candidates]
        first = np.concatenate([size, candidates, posteriors]).astype(np.float32)
        first = np.pad(first, (0, EACH * self.count - len(first)))
        found = np.concatenate([boxes, ratings[..., None]], 2).reshape(len(here), -1)
        return np.concatenate([first[None], found])

    def _size_and_evidence(
        self, said: Float32[np.ndarray, "R C"]
    ) -> tuple[Float32[np.ndarray, " 2"], Float32[np.ndarray, " D"]]:
        """The picture's size and the mean evidence of its views, by the rows that tell of those."""
        columns = self.nets.classifier.columns if self.nets.classifier else 0
        of_each = -(-(2 + columns) // said.shape[1])
        each = said.reshape(-1, of_each * said.shape[1])
        return each[0, :2], each[:, 2 : 2 + columns].mean(0)

    @torch.inference_mode()
    def _verdict(self, evidence: Float32[np.ndarray, " D"]) -> Float32[np.ndarray, " K"]:
        """The classifier's posteriors by the mean evidence of a picture's views."""
        classifier = self.nets.classifier
        assert classifier is not None
        given = torch.from_numpy(evidence)[None].to(classifier.network.device)
        return classifier.verdict(given)[0].cpu().numpy()


def _of_rows(rows: Finished, count: int) -> Placed:
    """What finished rows say."""
    size, (candidates, posteriors) = rows[0, :2], np.split(rows[0, 2 : 2 + 2 * count], 2)
    here = rows[1:].reshape(-1, count, EACH)
    return Placed(
        here[..., :SIDES],
        here[..., SIDES],
        candidates.astype(np.int64),
        posteriors,
        (int(size[0]), int(size[1])),
    )
