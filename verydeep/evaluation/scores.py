"""The score file: posteriors of a tested part with all that is needed to use them later.

Testing is done once; errors, comparisons and reports are arithmetic on these files. One
safetensors file: `posteriors` [N, K], `labels` [N], and as metadata the pictures' names, the
classes, the protocol and the hash of the weights.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from verydeep.datasets.dataset import Labels
from verydeep.errors import UserError
from verydeep.evaluation.posteriors import Posteriors
from verydeep.evaluation.views import Protocol
from verydeep.files import write_whole

FORMAT = 1
KEY = "verydeep-scores"


@dataclass(frozen=True)
class Scores:
    """Posteriors of pictures, with their names and labels, and how they came about.

    `weights` is the hash of the network's, `data` the dataset's fingerprint; `left_out` has a line
    for each picture that could not be read.
    """

    posteriors: Posteriors
    labels: Labels
    names: tuple[str, ...]
    classes: tuple[str, ...]
    protocol: Protocol
    weights: str
    data: str
    left_out: tuple[str, ...] = ()


def save_scores(scores: Scores, path: Path) -> None:
    """Writes a score file, whole or not at all. Raises UserError where it cannot be written."""
    about = {
        "format": FORMAT,
        "names": scores.names,
        "classes": scores.classes,
        "protocol": asdict(scores.protocol),
        "weights": scores.weights,
        "data": scores.data,
        "left_out": scores.left_out,
    }
    arrays = {"posteriors": scores.posteriors, "labels": scores.labels}
    write_whole(path, to_bytes(arrays, {KEY: json.dumps(about)}))


def is_scores(path: Path) -> bool:
    """Whether a file says of itself that it is a score file."""
    try:
        with safe_open(path, "np") as file:
            return KEY in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def load_scores(path: Path) -> Scores:
    """Scores of a file. Raises UserError where it is missing, damaged or no score file."""
    try:
        with safe_open(path, "np") as file:
            about = json.loads((file.metadata() or {})[KEY])
            posteriors, labels = file.get_tensor("posteriors"), file.get_tensor("labels")
        names, classes = tuple(about["names"]), tuple(about["classes"])
        stated = about["protocol"]
        protocol = Protocol(stated["name"], stated["crop"], tuple(stated["scales"]))
        weights, data = str(about["weights"]), str(about["data"])
        left_out = tuple(about["left_out"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is no score file of verydeep: {error}") from None
    if posteriors.shape != (len(names), len(classes)) or len(labels) != len(names):
        raise UserError(f"{path} is damaged: {posteriors.shape} posteriors for {len(names)} names")
    if not np.isfinite(posteriors).all():
        raise UserError(f"{path} is damaged: posteriors that are not finite")
    return Scores(posteriors, labels, names, classes, protocol, weights, data, left_out)
