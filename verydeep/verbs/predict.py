"""Prediction: a trained network and any pictures in, class names and posteriors out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from verydeep import weights
from verydeep.datasets.given import answered
from verydeep.engines.engine import chosen, words
from verydeep.errors import PictureError, UserError
from verydeep.evaluation.predictor import Predictor
from verydeep.nets.network import Answer
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import Progress, Shown

UNNAMED = (
    "the network's classes have no names: each is called by the number of its score, from 0, which "
    "need not be the name of a folder; `verydeep weights import --classes` names them"
)
"""What is said before the answers of a network that nobody has named the classes of."""


def predict(
    weights_path: str | Path,
    pictures: Any,
    top: int = 5,
    *,
    device: str | None = None,
    engine: str | None = None,
    progress: Progress | None = None,
) -> list[Any]:
    """The `top` most probable classes of a picture, as (class name, posterior), by a weights file.

    Of several pictures, a list of such lists, in order.
    `pictures` are whatever `Network.predict` takes, and what comes of them is the same; the engine
    is the fastest there is for the device, where none is named. `progress` is told how far it is,
    by default whoever asked.
    """
    if top < 1:
        raise UserError(f"top {top} names no class; at least 1 is needed")
    progress = progress or Shown()
    machine = Machine.this(device)
    predictor = Predictor.of(weights.find(weights_path, progress), machine, engine)
    if predictor.is_unnamed:
        progress.say(UNNAMED)
    return answered(pictures, lambda picture: predictor.ask(picture).top(top), progress)


def answers(
    weights_path: str | Path,
    pictures: Sequence[str],
    top: int = 5,
    device: str | None = None,
    engine: str | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[str, Answer | str]]:
    """(picture, its most probable classes), or (picture, why it cannot be read), one by one.

    `engine` names what runs the network; without it, the fastest there is for the device.
    """
    machine, progress = Machine.this(device), progress or Shown()
    progress.say(words(chosen(engine, machine.device), asked=engine is not None))
    predictor = Predictor.of(weights.find(weights_path), machine, engine)
    if predictor.is_unnamed:
        progress.say(UNNAMED)
    for picture, found in zip(pictures, predictor.predict(pictures), strict=True):
        yield picture, str(found) if isinstance(found, PictureError) else found.top(top)
