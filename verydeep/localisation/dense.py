"""Boxes of a picture's likely classes at every position of every view (protocol 2 of Appendix A).

A net that places boxes is run densely over the picture at each Q, and over its mirror image; so is
the classifier, whose posterior at a position rates the box there. Where both have one trunk that is
run once. Boxes are not merged here. Of all classes a few are kept, the candidates: those that the
classifier finds most probable in the whole picture, as it does when it is tested alone (of one that
means whole maps, posteriors are averaged over views and not what it means), or that another test
found.
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

    A row for each view begins with NaN and says the picture's size and the posteriors of the view.
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
        boxes, classes = (torch.cat(maps).cpu().numpy() for maps in zip(*pieces, strict=True))
        count = views.shape[1]
        return [
            self._rows(shown_as, window, boxes[i : i + count], classes[i : i + count])
            for i, window in zip(range(0, len(boxes), count), windows, strict=True)
        ]

    def _maps(self, views: Tensor) -> tuple[Float[Tensor, "V N r c"], Float[Tensor, "V K P1"]]:
        """Box numbers at each position, and posteriors: there, and last of the whole view."""
        boxes, *of_classes = (scores.float() for scores in self._scores(views))
        positions = boxes.shape[2] * boxes.shape[3]
        if self.nets.classifier is None:
            return boxes, boxes.new_zeros(len(boxes), 0, positions + 1)
        (scores,), likely = of_classes, self.nets.classifier.network.likely
        whole = likely(scores.mean((2, 3)))[:, :, None]
        here = likely(scores).flatten(2) if self.nets.rates_positions else whole
        return boxes, torch.cat([here.expand(-1, -1, positions), whole], 2)

    def _scores(self, views: Tensor) -> list[Float[Tensor, "V _ r c"]]:
        """What both nets give at each position."""
        boxes, classifier = self.nets.boxes, self.nets.classifier
        engines = [boxes] if classifier is None else [boxes, classifier]
        if views[..., 0].numel() > self.most:
            return [in_tiles(engine, views, self.most, SCORES) for engine in engines]
        if not self.nets.share_trunk:
            return [engine.score_map(views) for engine in engines]
        values = {boxes.network.table.trunk: boxes.trunk(views)}
        return [engine.network.run(values, [SCORES])[SCORES] for engine in engines]

    def _rows(
        self,
        shown_as: Pass,
        window: Window,
        boxes: Float32[np.ndarray, "V N r c"],
        classes: Float32[np.ndarray, "V K P1"],
    ) -> Made:
        table = self.nets.boxes.network.table
        rows = []
        for view, numbers, likely in zip(shown_as.windows(window), boxes, classes, strict=True):
            here = _boxes_of(table, view, numbers).reshape(-1, len(numbers))
            rows.append(np.concatenate([here, likely[:, :-1].T], 1))
            whole = np.concatenate([np.zeros(len(numbers)), likely[:, -1]])
            whole[: len(_WHOLE)] = np.nan, *window.picture
            rows.append(whole[None])
        return np.concatenate(rows).astype(np.float32)


_WHOLE = ("NaN", "height", "width")
"""How the row of a view begins."""


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
    """Of a picture's rows of all views those of its candidates; a first row says which they are."""

    nets: Nets
    given: Candidates | None
    count: int

    def __call__(self, i: int, rows: Made) -> Finished:
        boxed = SIDES * len(self.nets.boxes.network.classes)
        is_whole = np.isnan(rows[:, 0])
        size = rows[is_whole][0, 1 : len(_WHOLE)]
        if self.given is not None:
            candidates, posteriors = self.given.classes[i], self.given.posteriors[i]
        else:
            likely = rows[is_whole, boxed:].mean(0)
            candidates = np.argsort(-likely, kind="stable")[: self.count]
            posteriors = likely[candidates]
        here = rows[~is_whole]
        boxes = here[:, :boxed].reshape(len(here), -1, SIDES)[:, self.nets.names[candidates]]
        if self.nets.classifier is None:
            ratings = np.broadcast_to(posteriors, boxes.shape[:2])
        else:
            ratings = here[:, boxed:][:, candidates]
        first = np.concatenate([size, candidates, posteriors]).astype(np.float32)
        first = np.pad(first, (0, EACH * self.count - len(first)))
        found = np.concatenate([boxes, ratings[..., None]], 2).reshape(len(here), -1)
        return np.concatenate([first[None], found])


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
