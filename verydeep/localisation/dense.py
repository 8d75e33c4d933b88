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
from jaxtyping import Float32, Int64, UInt8

from verydeep.errors import UserError
from verydeep.evaluation.journal import Journal
from verydeep.evaluation.showing import by_shape, callers, chunk_of, room_for
from verydeep.evaluation.views import Pass, Protocol
from verydeep.evaluation.walk import Finished, Made, Walk, walked
from verydeep.localisation.showing import SIDES, Nets, Shower, size_and_evidence
from verydeep.parts.dataset import Part
from verydeep.pictures.windows import Window
from verydeep.runtime.runtime import Runtime

CANDIDATES = 5
"""Classes of which a picture's boxes are kept: the paper's error is that of five guesses."""
Shown = tuple[UInt8[np.ndarray, "_ _ 3"], Window]
"""A picture as it is shown, of whatever size, and what that shows of the original."""
EACH = SIDES + 1
"""Numbers of a candidate at a position: its box, and the posterior there."""


@dataclass(frozen=True)
class Candidates:
    """The classes that are asked for in each picture, most probable first, and how probable."""

    classes: Int64[np.ndarray, "N J"]
    posteriors: Float32[np.ndarray, "N J"]


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
    refuse_other_positions(nets)
    network = nets.boxes.network.eval()
    count = given.classes.shape[1] if given else min(CANDIDATES, len(nets.names))
    walk = Walk(
        part,
        network.pixels,
        protocol.passes,
        Shower(nets),
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
    views: Sequence[Shown],
    shown_as: Pass,
    given: Candidates | None,
    count: int = CANDIDATES,
) -> list[Placed]:
    """The boxes of several pictures as `placed` has them by one pass.

    Of so many candidates of each, where none are given; those that are given are of every picture.
    """
    refuse_other_positions(nets)
    show, found = Shower(nets), dict[int, Placed]()
    count = given.classes.shape[1] if given else min(count, len(nets.names))
    finish = _Finish(nets, given, count)
    for alike in by_shape([image for image, _ in views]):
        images, windows = zip(*(views[i] for i in alike), strict=True)
        for i, rows in zip(alike, show(shown_as, images, windows), strict=True):
            found[i] = _of_rows(finish(0, rows), count)
    return [found[i] for i in range(len(views))]


def refuse_other_positions(nets: Nets) -> None:
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
        size, evidence = size_and_evidence(self.nets, rows[of_views])
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
