"""Prediction: a trained network and any pictures in, class names and posteriors out, and boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from verydeep import weights
from verydeep.engines.engine import chosen, words
from verydeep.errors import PictureError, UserError
from verydeep.evaluation.predictor import Prediction, Predictor
from verydeep.evaluation.rejection import Rejection
from verydeep.nets.network import Answer
from verydeep.parts.given import answered
from verydeep.pictures.reading import Source
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import Progress, Shown
from verydeep.verbs.localise import finds_places
from verydeep.verbs.localiser import localiser
from verydeep.verbs.rejection import Reject, rejection

UNNAMED = (
    "the network's classes have no names: each is called by the number of its score, from 0, which "
    "need not be the name of a folder; `verydeep weights import --classes` names them"
)
"""What is said before the answers of a network that nobody has named the classes of."""


Ask = Callable[[Source], list[Any]]
"""What answers for a picture; it raises PictureError for one that cannot be read."""


def predict(
    weights_path: str | Path,
    pictures: Any,
    top: int | None = None,
    *,
    reject: Reject = None,
    classifier: str | Path | None = None,
    threshold: float | None = None,
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

    Of a net that places boxes an answer is a list of `Guess`: (class name, posterior, box), where a
    box is (x_min, y_min, x_max, y_max) in pixels of the upright original. The classes are told by
    the `classifier`, weights that by default are those that the run of this net started from; the
    boxes of each are merged up to the `threshold`, as in a test by dense boxes. A net of points
    gives a list of `Point`: (name, x, y).

    `pictures` are whatever `Network.predict` takes, and what comes of them is the same; the engine
    is the default for the device, where none is named. `progress` is told how far it is,
    by default whoever asked.
    """
    if top is not None and top < 1:
        raise UserError(f"top {top} names no class; at least 1 is needed")
    progress = progress or Shown()
    machine = Machine.this(device)
    path = weights.find(weights_path, progress)
    ask = _ask(path, machine, top, engine, reject, classifier, threshold, progress)
    return answered(pictures, ask, progress)


def answers(
    weights_path: str | Path,
    pictures: Sequence[str],
    top: int | None = None,
    device: str | None = None,
    engine: str | None = None,
    progress: Progress | None = None,
    reject: Reject = None,
    classifier: str | Path | None = None,
    threshold: float | None = None,
) -> Iterator[tuple[str, list[Any] | str]]:
    """(picture, its answer), or (picture, why it cannot be read), one by one.

    `engine` names what runs the network; without it, the default for the device. The
    others are those of `predict`.
    """
    machine, progress = Machine.this(device), progress or Shown()
    progress.say(words(chosen(engine, machine.device), asked=engine is not None))
    path = weights.find(weights_path)
    ask = _ask(path, machine, top, engine, reject, classifier, threshold, progress)
    for picture in pictures:
        try:
            yield picture, ask(picture)
        except PictureError as error:
            yield picture, str(error)


def _ask(
    path: Path,
    machine: Machine,
    top: int | None,
    engine: str | None,
    reject: Reject,
    classifier: str | Path | None,
    threshold: float | None,
    progress: Progress,
) -> Ask:
    """What answers by a weights file. Raises UserError for options that are none for its net."""
    if finds_places(path):
        if reject is not None:
            raise UserError(f"{path} finds places, and turns no picture away; leave --reject out")
        asked = ("predict", str(path), "PICTURE")
        finder = localiser(path, classifier, threshold, machine, engine, progress, asked)
        return lambda picture: [*finder.ask(picture, top)]
    if classifier is not None or threshold is not None:
        said = "threshold" if classifier is None else "classifier"
        raise UserError(f"{path} places no boxes; leave --{said} out")
    predictor = Predictor.of(path, machine, engine)
    if predictor.is_unnamed:
        progress.say(UNNAMED)
    by = rejection(reject, path, predictor.model, progress)
    return lambda picture: _answer(predictor, predictor.ask(picture), top, by)


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
