"""Weights that find places made ready to be asked for pictures, with the classifier they want."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from verydeep import weights
from verydeep.engines.engine import chosen, engine_for, with_trunk_of
from verydeep.errors import UserError
from verydeep.localisation.choosing import threshold_of
from verydeep.localisation.predictor import CentreLocaliser, ClassLocaliser, Localiser
from verydeep.localisation.showing import Nets
from verydeep.nets.network import Network
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import Progress
from verydeep.runtime.runtime import Runtime
from verydeep.shell import command
from verydeep.tasks.localise import ANY
from verydeep.verbs.localise import places_boxes, started_from
from verydeep.verbs.measure_boxes import by_of, names_of


def localiser(
    path: Path,
    classifier: str | Path | None,
    threshold: float | None,
    machine: Machine,
    engine: str | None,
    progress: Progress,
    asked: Sequence[str],
) -> Localiser:
    """The localiser of a weights file, with the classifier that is given or that it started from.

    A net with one box for all classes does without a classifier. `asked` are the words of the
    command that asks, which an error says with a classifier. Raises UserError where another
    net of boxes has none, for a classifier of a net that wants none, and for a threshold that is
    none.
    """
    merge_up_to = threshold_of(threshold)
    network = weights.load(path, machine.device)
    boxes = engine_for(network, chosen(engine, machine.device), machine.threads)
    if not places_boxes(network):
        _refuse_classes(network, path, classifier, threshold)
        return CentreLocaliser(boxes)
    by = _classifier(network, path, classifier, progress, asked)
    if by is None:
        return ClassLocaliser(Nets(boxes, None, names_of(network, (ANY,))), (), merge_up_to)
    told = by_of(by, None, Runtime(machine, progress=progress)).network
    assert told is not None
    nets = Nets(boxes, with_trunk_of(boxes, told, machine.threads), names_of(network, told.classes))
    return ClassLocaliser(nets, told.classes, merge_up_to)


def _classifier(
    network: Network, path: Path, given: str | Path | None, progress: Progress, asked: Sequence[str]
) -> str | Path | None:
    """The weights that tell classes apart; None where a net with one box does without."""
    if given is not None:
        return given
    started = started_from(path)
    if started is not None:
        progress.say(f"classes by {started}, which it started from")
    elif network.classes != (ANY,):
        again = command(*asked, "--classifier", "WEIGHTS")
        raise UserError(f"{path} places boxes and tells no classes apart; say what does: `{again}`")
    return started


def _refuse_classes(
    network: Network, path: Path, classifier: str | Path | None, threshold: float | None
) -> None:
    """Raises UserError for what is said of classes to a net that tells none."""
    said = "classifier" if classifier is not None else "threshold"
    if classifier is not None or threshold is not None:
        assert network.table.places is not None
        kind = network.table.places.kind
        raise UserError(f"{path} finds {kind} that are in every picture; leave --{said} out")
