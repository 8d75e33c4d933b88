"""Which pictures are taken for none of the classes: by a number, or a test beside the weights."""

from __future__ import annotations

from pathlib import Path

from verydeep.errors import UserError
from verydeep.evaluation.rejection import Rejection, chosen, temperature_of
from verydeep.evaluation.scores import Scores, is_scores, load_scores
from verydeep.evaluation.views import dense, protocol
from verydeep.nets.network import Network
from verydeep.nets.stack import Stack
from verydeep.runtime.progress import Progress
from verydeep.schema import shown
from verydeep.shell import command
from verydeep.verbs.measure import digest_of
from verydeep.weights.file import read_info
from verydeep.weights.paths import beside

Reject = float | str | None
"""The least that the largest posterior must be, "auto", or None where nothing is turned away."""


def rejection(
    asked: Reject, weights: Path, model: Network | Stack, progress: Progress
) -> Rejection | None:
    """What turns pictures away, and is told to `progress` in a line; None where nothing does.

    Raises UserError for what is no posterior, a network whose classes are each by itself, and
    "auto" without a test of the validation part.
    """
    if asked is None:
        return None
    if asked != "auto" and (isinstance(asked, str) or not 0 < asked <= 1):  # nor NaN
        raise UserError(f"reject is {shown(asked)}; it takes a posterior from 0 to 1, or auto")
    if model.has_several:
        raise UserError(
            "the network's classes are each by itself, and of a picture of none no class has a "
            "posterior of 0.5; leave reject out"
        )
    test = _validation(weights, model)
    if isinstance(asked, str):
        if test is None:
            raise UserError(_how_to_test(weights))
        choice = chosen(test)
        progress.say(str(choice))
        return choice.rejection
    temperature = 1.0 if test is None else temperature_of(test.posteriors, test.labels)
    by = "the validation part is not tested" if test is None else "by the validation part"
    progress.say(f"none of these below {asked:g}, at temperature {temperature:.2f} ({by})")
    return Rejection(float(asked), temperature)


def _validation(weights: Path, model: Network | Stack) -> Scores | None:
    """The test of the validation part beside weights, by what a picture is shown for an answer."""
    digest, way = (
        digest_of(model),
        dense(model) if isinstance(model, Stack) else protocol(model, "dense"),
    )
    for path in sorted((beside(weights) / "scores").glob("*.safetensors")):
        if not is_scores(path):
            continue
        scores = load_scores(path)
        plain = (scores.precision, scores.pooling) == ("float32", "down") and not scores.members
        ours = scores.weights == digest and scores.protocol == way
        if scores.role == "validation" and ours and plain:
            return scores
    return None


def _how_to_test(weights: Path) -> str:
    data = read_info(weights).provenance.get("data", {}).get("where", "DATA")
    testing = command("evaluate", weights, data, "--part", "validation")
    return (
        f"reject is auto, and {beside(weights) / 'scores'} has no dense test of the validation "
        f"part to choose by; `{testing}` makes it"
    )
