"""Prediction: a trained network and any pictures in, class names and posteriors out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from verydeep import weights
from verydeep.datasets.given import answered
from verydeep.engines.engine import chosen, words
from verydeep.errors import PictureError, UserError
from verydeep.evaluation.predictor import Prediction, Predictor
from verydeep.evaluation.rejection import Rejection
from verydeep.nets.network import Answer
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import Progress, Shown
from verydeep.verbs.rejection import Reject, rejection

UNNAMED = (
    "the network's classes have no names: each is called by the number of its score, from 0, which "
    "need not be the name of a folder; `verydeep weights import --classes` names them"
)
"""What is said before the answers of a network that nobody has named the classes of."""


def predict(
    weights_path: str | Path,
    pictures: Any,
    top: int | None = None,
    *,
    reject: Reject = None,
    device: str | None = None,
    engine: str | None = None,
    progress: Progress | None = None,
) -> list[Any]:
    """The `top` most probable classes of a picture, as (class name, posterior), by a weights file.

    Where nothing is said these are five; of a net of several labels a picture, those of a posterior
    of 0.5 and more. Of several pictures, a list of such lists, in order.
    With `reject` an answer is empty, none of these, where the largest posterior is below that
    number, or below what "auto" chooses by the test of the validation part that lies beside the
    weights; posteriors are then at the temperature which that test wants.
    `pictures` are whatever `Network.predict` takes, and what comes of them is the same; the engine
    is the fastest there is for the device, where none is named. `progress` is told how far it is,
    by default whoever asked.
    """
    if top is not None and top < 1:
        raise UserError(f"top {top} names no class; at least 1 is needed")
    progress = progress or Shown()
    machine = Machine.this(device)
    path = weights.find(weights_path, progress)
    predictor = Predictor.of(path, machine, engine)
    if predictor.is_unnamed:
        progress.say(UNNAMED)
    by = rejection(reject, path, predictor.model, progress)
    return answered(pictures, lambda one: _answer(predictor, predictor.ask(one), top, by), progress)


def answers(
    weights_path: str | Path,
    pictures: Sequence[str],
    top: int | None = None,
    device: str | None = None,
    engine: str | None = None,
    progress: Progress | None = None,
    reject: Reject = None,
) -> Iterator[tuple[str, Answer | str]]:
    """(picture, its most probable classes), or (picture, why it cannot be read), one by one.

    `engine` names what runs the network; without it, the fastest there is for the device. `reject`
    is that of `predict`.
    """
    machine, progress = Machine.this(device), progress or Shown()
    progress.say(words(chosen(engine, machine.device), asked=engine is not None))
    path = weights.find(weights_path)
    predictor = Predictor.of(path, machine, engine)
    if predictor.is_unnamed:
        progress.say(UNNAMED)
    by = rejection(reject, path, predictor.model, progress)
    for picture, found in zip(pictures, predictor.predict(pictures), strict=True):
        if isinstance(found, PictureError):
            yield picture, str(found)
        else:
            yield picture, _answer(predictor, found, top, by)


def _answer(
    predictor: Predictor, found: Prediction, top: int | None, by: Rejection | None
) -> Answer:
    """The most probable classes; none where the rejection turns the picture away."""
    posteriors = found.posteriors
    if by is not None:
        posteriors = by.tempered(posteriors)
        if by.turns_away(posteriors):
            return []
    return predictor.model.answer(posteriors, top)
