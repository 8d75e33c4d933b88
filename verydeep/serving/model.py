"""What is served: weights of any net of ours, asked for pictures in two steps.

A picture's bytes are read by any thread, within limits, and answered for by the one that owns the
network, several at once. Nets that tell classes, those of several labels, stacks, and nets that
find boxes or points have one face here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from verydeep import weights
from verydeep.engines.engine import Engine, chosen, words
from verydeep.errors import PictureError, PictureTooLargeError, UserError
from verydeep.evaluation.predictor import Predictor, Read
from verydeep.localisation.dense import Shown
from verydeep.localisation.predictor import CentreLocaliser, Guess, Localiser, Point
from verydeep.nets.network import TOP, Answer, Network, answer_of
from verydeep.nets.stack import Stack
from verydeep.pictures.picture_files import format_of
from verydeep.pictures.reading import picture_size
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import Progress
from verydeep.verbs.localise import finds_places
from verydeep.verbs.localiser import localiser
from verydeep.verbs.predict import UNNAMED
from verydeep.weights.file import BEST, hash_of, read_info

LONGEST = 8
"""Times the smaller side of a picture that its larger one may be: a net is shown all of it."""
BATCH = {"cpu": 8, "cuda": 64}
"""Most pictures that a network works on at once."""
QUEUE = {"cpu": 32, "cuda": 256}
"""Pictures that are let in at once, where nobody says how many."""
WAYS = {"dense": "whole", "centre": "centre"}
"""Protocols of a net that tells classes, by what it is shown."""


class NoPictureError(PictureError):
    """Bytes that are no picture of a kind that is read."""


@dataclass(frozen=True)
class Seen:
    """A picture that was read: its size upright, and what the net is shown of it.

    `whole` is what its maps are made of, where they are asked for.
    """

    height: int
    width: int
    shown: Any
    whole: UInt8[np.ndarray, "_ _ 3"] | None = None


class Asked(NamedTuple):
    """A picture that is asked about, and how many classes are to be named."""

    seen: Seen
    top: int | None = None


@dataclass(frozen=True)
class Identity:
    """What an answer was made with: protocol, Q, and the hashes of weights."""

    protocol: str
    scales: tuple[int, ...]
    weights: str
    classifier: str | None = None


@dataclass(frozen=True)
class Classifier:
    """A net or a stack that tells classes."""

    predictor: Predictor
    identity: Identity
    name: str

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.predictor.model.classes

    @property
    def has_several(self) -> bool:
        """Whether a picture may be of several classes, or of none."""
        return self.predictor.model.has_several

    @property
    def mapped(self) -> Engine | None:
        """The network whose maps are drawn, with what runs it; of a stack there is none."""
        return self.predictor.engines[0] if isinstance(self.predictor.model, Network) else None

    def shown(self, picture: bytes) -> Read:
        """A picture as it is shown; PictureError where it cannot be read."""
        return self.predictor.read(picture)

    def answers(self, asked: Sequence[Asked]) -> list[Answer]:
        """The classes of each picture, as `predict` has them where nothing is said of `top`."""
        rows = self.predictor.posteriors([one.seen.shown for one in asked])
        pairs = zip(rows, asked, strict=True)
        return [
            answer_of(self.classes, row, one.top, several=self.has_several) for row, one in pairs
        ]


@dataclass(frozen=True)
class Finder:
    """A net that finds boxes or points, with what tells the classes of its boxes, if anything."""

    localiser: Localiser
    identity: Identity
    name: str
    has_several = False

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes that are told apart; none where nothing tells them."""
        return () if isinstance(self.localiser, CentreLocaliser) else self.localiser.classes

    @property
    def mapped(self) -> Engine | None:
        """The network that tells classes, whose maps are drawn, with what runs it, if any."""
        if isinstance(self.localiser, CentreLocaliser):
            return None
        return self.localiser.nets.classifier

    def shown(self, picture: bytes) -> Shown:
        """A picture as it is shown; PictureError where it cannot be read."""
        return self.localiser.read(picture)

    def answers(self, asked: Sequence[Asked]) -> list[list[Guess | Point]]:
        """What is found in each picture; the `top` most probable classes of it, five by default."""
        tops = [one.top or TOP for one in asked]
        found = self.localiser.answers([one.seen.shown for one in asked], max(tops))
        of_places = isinstance(self.localiser, CentreLocaliser)
        pairs = zip(found, tops, strict=True)
        return [[*each] if of_places else [*each[:top]] for each, top in pairs]


Model = Classifier | Finder


def read(model: Model, picture: bytes, *, mapped: bool = False) -> Seen:
    """A picture that came from anywhere, read within limits; for its maps too, if it is `mapped`.

    Raises NoPictureError for bytes of none, PictureTooLargeError for more pixels than are read or
    shown, by the header, and PictureError for one that is damaged.
    """
    try:
        format_of(picture)
    except PictureError as error:
        raise NoPictureError(str(error)) from None
    height, width = picture_size(picture)
    if max(height, width) > LONGEST * min(height, width):
        raise PictureTooLargeError(
            f"{width} x {height} is too narrow: one side is at most {LONGEST} times the other here"
        )
    whole, engine = None, model.mapped if mapped else None
    if engine is not None:
        whole = engine.network.pixels.read(picture, engine.network.pixels.test_scale)
    return Seen(height, width, model.shown(picture), whole)


def served(
    weights_path: str | Path,
    machine: Machine,
    progress: Progress,
    *,
    protocol: str = "dense",
    engine: str | None = None,
    classifier: str | Path | None = None,
    threshold: float | None = None,
    offline: bool = False,
) -> Model:
    """What a weights file, the folder of a run or a published name serves.

    Options are those of `predict`. Raises UserError for weights that are none, and for options that
    are none for their net.
    """
    path = weights.find(weights_path, progress, offline)
    progress.say(words(chosen(engine, machine.device), asked=engine is not None))
    if finds_places(path):
        if protocol != "dense":
            raise UserError(f"{path} finds places, in a way of its own; leave --protocol out")
        asked = ("serve", str(path))
        finder = localiser(path, classifier, threshold, machine, engine, progress, asked)
        return Finder(finder, _identity_of_finder(path, finder), _name(path))
    if classifier is not None or threshold is not None:
        said = "threshold" if classifier is None else "classifier"
        raise UserError(f"{path} places no boxes; leave --{said} out")
    if protocol not in WAYS:
        raise UserError(f"no protocol '{protocol}' here; there are {' and '.join(WAYS)}")
    predictor = Predictor.of(path, machine, engine, WAYS[protocol])
    if predictor.is_unnamed:
        progress.say(UNNAMED)
    model = predictor.model
    if isinstance(model, Stack) and protocol != "dense":
        raise UserError(f"{path} is a stack, which sees pictures whole; leave --protocol out")
    scales = model.scales if isinstance(model, Stack) else (model.pixels.test_scale,)
    return Classifier(predictor, Identity(protocol, scales, read_info(path).hash), _name(path))


def _name(path: Path) -> str:
    """What the page calls a network: its run, or its file."""
    return path.absolute().parent.name if path.name == BEST else path.stem


def _identity_of_finder(path: Path, finder: Localiser) -> Identity:
    if isinstance(finder, CentreLocaliser):
        pixels = finder.engine.network.pixels
        return Identity("centre", (pixels.test_scale,), read_info(path).hash)
    told = finder.nets.classifier
    return Identity(
        "dense",
        (finder.nets.boxes.network.pixels.test_scale,),
        read_info(path).hash,
        None if told is None else hash_of(told.network),
    )
