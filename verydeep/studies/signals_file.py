"""What was measured of how nets begin, kept in a file of ours, to the same bits when it is read.

Figures may be no finite numbers, which JSON does not have, so they are arrays.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from verydeep import schema, tensors_file
from verydeep.schema import Count, Line, MisfitError, Seed, Sha256
from verydeep.studies.deep_stack import CASES, Draw, Reruns
from verydeep.studies.initialisation import Initialisation
from verydeep.studies.signals import LayerSignals, Signals

KIND = tensors_file.Kind(
    "verydeep-signals",
    "file of signals",
    1,
    if_damaged="take it away, and they are measured again",
    if_other="take it away, and they are measured again",
)
FIGURES = tuple(field.name for field in fields(LayerSignals) if field.name != "layer")


@dataclass(frozen=True)
class Measured:
    """What signals were measured of: the pictures, and the sizes of the nets they were shown to.

    `after` are the hashes of the weights of A that nets began with.
    """

    data: Line
    split: Seed
    seed: Seed
    pictures: Count
    scale: Count
    crop: Count
    width: float
    fc: Count | None = None
    after: tuple[Sha256, ...] = ()


@dataclass(frozen=True)
class _Net:
    """The words of some signals; all of them in the order of the arrays."""

    net: Line
    initial: Line
    layers: tuple[Line, ...]


@dataclass(frozen=True)
class _Said:
    """What the file says in words."""

    of: Measured
    nets: tuple[_Net, ...]
    cases: tuple[Line, ...]


def save_signals(found: Initialisation, of: Measured, path: Path) -> None:
    """Writes the file, whole or not at all; UserError where it cannot."""
    record = {
        "of": vars(of),
        "nets": [
            {"net": s.net, "initial": s.initial, "layers": [one.layer for one in s.layers]}
            for s in found.signals
        ],
        "cases": [each.case.name for each in found.lecture],
    }
    arrays = {f"signals.{i}": _figures(each) for i, each in enumerate(found.signals)}
    arrays |= {f"lecture.{i}": _draws(each) for i, each in enumerate(found.lecture)}
    arrays["losses"] = np.array([each.loss for each in found.signals])
    tensors_file.write(path, KIND, record, arrays)


def load_signals(path: Path) -> tuple[Initialisation, Measured]:
    """What was measured, and of what. Raises UserError where the file is damaged, or another."""
    content = tensors_file.read(path, KIND)
    with tensors_file.refusals(path, KIND):
        said: _Said = schema.fitting(_Said, content.record)
        arrays = content.arrays()
        if list(said.cases) != [case.name for case in CASES[: len(said.cases)]]:
            raise MisfitError("its cases are not the lecture's")
        signals = tuple(
            Signals(
                net.net, net.initial, float(arrays["losses"][i]),
                _layers(net, arrays[f"signals.{i}"]),
            )
            for i, net in enumerate(said.nets)
        )  # fmt: skip
        lecture = tuple(
            Reruns(CASES[i], _drawn(arrays[f"lecture.{i}"])) for i in range(len(said.cases))
        )
    return Initialisation(lecture, signals), said.of


def _figures(found: Signals) -> Float64[np.ndarray, "L F"]:
    """The figures of each layer; no prediction is NaN, which a prediction never is."""
    rows = [[getattr(layer, name) for name in FIGURES] for layer in found.layers]
    return np.array(rows, np.float64)  # None becomes NaN


def _layers(net: _Net, figures: Float64[np.ndarray, "L F"]) -> tuple[LayerSignals, ...]:
    place = FIGURES.index("predicted")
    found = []
    for name, row in zip(net.layers, figures.tolist(), strict=True):
        own = dict(zip(FIGURES, row, strict=True))
        if np.isnan(row[place]):
            own["predicted"] = None
        found.append(LayerSignals(layer=name, **own))
    return tuple(found)


def _draws(found: Reruns) -> Float64[np.ndarray, "R 2 L"]:
    """Means and deviations of each draw, layer by layer."""
    return np.array([astuple(draw) for draw in found.draws], np.float64)


def _drawn(figures: Float64[np.ndarray, "R 2 L"]) -> tuple[Draw, ...]:
    return tuple(Draw(tuple(means), tuple(stds)) for means, stds in figures.tolist())
