"""Localisers: nets that find places and what runs them, asked for pictures one by one or several.

A net of boxes of classes is asked as protocol 2 of Appendix A asks it: at every position of the
picture and its mirror image, for the likely classes, whose boxes are merged. Nets of things that
are all in every picture are asked by one centre crop, as they are judged. A picture is read, and
then answered for, as `evaluation/predictor.py` does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32

from verydeep.engines.engine import Engine
from verydeep.evaluation.views import Pass, protocol
from verydeep.localisation.choosing import THRESHOLD
from verydeep.localisation.dense import CANDIDATES, Candidates, Placed, Shown, placed_in
from verydeep.localisation.merging import RatedBoxes, merged
from verydeep.localisation.shares import boxes_of_shares, points_of_shares
from verydeep.localisation.showing import Nets
from verydeep.pictures.boxes import clipped
from verydeep.pictures.preprocessing import centre_crop
from verydeep.pictures.reading import Source
from verydeep.pictures.windows import Window

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
        return self.answers([self.read(picture)], top)[0]

    def read(self, picture: Source) -> Shown:
        """A picture as it is shown; PictureError where it cannot be read."""
        return self.nets.boxes.network.pixels.read_with_window(picture, self._pass.scale)

    def answers(self, views: Sequence[Shown], top: int | None = None) -> list[list[Guess]]:
        """What `ask` gives of each of several pictures."""
        given = None if self.classes else ALONE
        found = placed_in(self.nets, views, self._pass, given, top or CANDIDATES)
        return [self._guesses(each) for each in found]

    def _guesses(self, found: Placed) -> list[Guess]:
        boxes = boxes_of(found, self.threshold)
        if not self.classes:
            return [Guess(None, None, boxes[0])]
        names = (self.classes[candidate] for candidate in found.candidates)
        return list(map(Guess, names, found.posteriors.tolist(), boxes))

    @property
    def _pass(self) -> Pass:
        (shown_as,) = protocol(self.nets.boxes.network, "dense").passes
        return shown_as


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

    def ask(self, picture: Source, top: int | None = None) -> Found:
        """Each thing of a picture by its name, whatever `top` is, by the centre crop.

        Raises PictureError where it cannot be read.
        """
        return self.answers([self.read(picture)], top)[0]

    def read(self, picture: Source) -> Shown:
        """The centre crop of a picture; PictureError where it cannot be read."""
        network = self.engine.network
        (shown_as,) = protocol(network, "centre").passes
        image, window = network.pixels.read_with_window(picture, shown_as.scale)
        return centre_crop(image, shown_as.crop), shown_as.windows(window)[0]

    @torch.inference_mode()
    def answers(self, views: Sequence[Shown], top: int | None = None) -> list[Found]:
        """What `ask` gives of each of several pictures."""
        network = self.engine.network.eval()
        crops = torch.from_numpy(np.stack([crop for crop, _ in views])).to(network.device)
        numbers = self.engine.evidence(crops).float().cpu().numpy()
        pairs = zip(numbers.reshape(len(views), len(network.classes), -1), views, strict=True)
        return [self._places(shares, crop) for shares, (_, crop) in pairs]

    def _places(self, shares: Float32[np.ndarray, "N S"], crop: Window) -> Found:
        network = self.engine.network
        assert network.table.places is not None
        if network.table.places.kind == "points":
            places = points_of_shares(shares, crop).tolist()
            return [Point(name, x, y) for name, (x, y) in zip(network.classes, places, strict=True)]
        boxes = clipped(boxes_of_shares(shares, crop), crop.picture)
        return [Guess(name, None, _box(b)) for name, b in zip(network.classes, boxes, strict=True)]


Localiser = ClassLocaliser | CentreLocaliser


def _box(row: np.ndarray) -> Box:
    x_min, y_min, x_max, y_max = row.tolist()
    return x_min, y_min, x_max, y_max
