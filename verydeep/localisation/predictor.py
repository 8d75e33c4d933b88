"""Localisers: nets that find places and what runs them, asked for pictures one by one.

A net of boxes of classes is asked as protocol 2 of Appendix A asks it: at every position of the
picture and its mirror image, for the likely classes, whose boxes are merged. Nets of things that
are all in every picture are asked by one centre crop, as they are judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from verydeep.engines.engine import Engine
from verydeep.evaluation.views import Protocol, protocol
from verydeep.localisation.choosing import THRESHOLD
from verydeep.localisation.dense import CANDIDATES, Candidates, Placed, placed_in
from verydeep.localisation.merging import RatedBoxes, merged
from verydeep.localisation.shares import boxes_of_shares, points_of_shares
from verydeep.localisation.showing import Nets
from verydeep.pictures.boxes import clipped
from verydeep.pictures.reading import Source

Box = tuple[float, float, float, float]
"""x_min, y_min, x_max, y_max in pixels of the upright original, inside of it."""
ALONE = Candidates(np.zeros((1, 1), np.int64), np.ones((1, 1), np.float32))
"""The one candidate of a net with one box, where nothing tells classes apart."""


class Guess(NamedTuple):
    """What is in a picture, how probable that is, and where it is.

    Nothing is said of the posterior of what is in every picture, and of a box of whatever class
    neither name nor posterior.
    """

    name: str | None
    posterior: float | None
    box: Box


class Point(NamedTuple):
    """A point by its name, in pixels of the upright original, where it may lie outside of it."""

    name: str
    x: float
    y: float


Found = Sequence[Guess | Point]
"""What was found in a picture: guesses, or points."""


@dataclass(frozen=True)
class ClassLocaliser:
    """A net of boxes of classes, and what says which classes are asked for.

    `classes` are those that the classifier tells apart; none where the net has one box and there
    is no classifier. Boxes of a class are merged up to the threshold.
    """

    nets: Nets
    classes: tuple[str, ...]
    threshold: float = THRESHOLD

    def ask(self, picture: Source, top: int | None = None) -> list[Guess]:
        """The `top` most probable classes of a picture, five by default, each with its box.

        They are the guesses of a test by dense boxes at the test scale. Raises PictureError where
        the picture cannot be read.
        """
        given = None if self.classes else ALONE
        found = placed_in(self.nets, picture, self._protocol, given, top or CANDIDATES)
        boxes = boxes_of(found, self.threshold)
        if not self.classes:
            return [Guess(None, None, boxes[0])]
        names = (self.classes[candidate] for candidate in found.candidates)
        return list(map(Guess, names, found.posteriors.tolist(), boxes))

    @property
    def _protocol(self) -> Protocol:
        return protocol(self.nets.boxes.network, "dense")


def boxes_of(found: Placed, threshold: float) -> list[Box]:
    """The box of each candidate of a picture: the strongest of its merged ones."""
    positions, candidates, _ = found.boxes.shape
    boxes = found.boxes.transpose(1, 0, 2).reshape(-1, 4).astype(np.float64)
    ends = positions * np.arange(1, candidates + 1)
    given = RatedBoxes(boxes, found.ratings.T.ravel().astype(np.float64), ends)
    strongest = merged(given, threshold).strongest()
    return [_box(row) for row in clipped(strongest.boxes, found.size)]


@dataclass(frozen=True)
class CentreLocaliser:
    """A net of things that are all in every picture: the box or the point of each."""

    engine: Engine

    @torch.inference_mode()
    def ask(self, picture: Source, top: int | None = None) -> Found:
        """Each thing of a picture by its name, whatever `top` is, by the centre crop.

        Raises PictureError where it cannot be read.
        """
        network = self.engine.network.eval()
        assert network.table.places is not None
        (shown_as,) = protocol(network, "centre").passes
        image, window = network.pixels.read_with_window(picture, shown_as.scale)
        view = shown_as.views(torch.from_numpy(image)[None].to(network.device))[0]
        crop, numbers = shown_as.windows(window)[0], self.engine.evidence(view)[0]
        shares = numbers.float().cpu().numpy().reshape(len(network.classes), -1)
        if network.table.places.kind == "points":
            places = points_of_shares(shares, crop).tolist()
            return [Point(name, x, y) for name, (x, y) in zip(network.classes, places, strict=True)]
        boxes = clipped(boxes_of_shares(shares, crop), crop.picture)
        return [Guess(name, None, _box(b)) for name, b in zip(network.classes, boxes, strict=True)]


Localiser = ClassLocaliser | CentreLocaliser


def _box(row: np.ndarray) -> Box:
    x_min, y_min, x_max, y_max = row.tolist()
    return x_min, y_min, x_max, y_max
