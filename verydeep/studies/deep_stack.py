"""The lecture's deep stack: what ten layers of random weights make of unit-Gaussian inputs.

1,000 inputs of 500 numbers go through 10 layers of 500 units without biases, whose weights are
normal. In come a seed and a number, out go mean and deviation of the values layer by layer. What
the lecture printed is one draw, so that it is held against the spread of many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from verydeep import randomness
from verydeep.errors import UserError
from verydeep.runtime.runtime import Runtime
from verydeep.runtime.threads import in_order, one_thread_each

LAYERS, UNITS, INPUTS = 10, 500, 1000
RERUNS = 20
"""Draws by which the spread of a figure is told, where nothing is said."""
FEWEST = 5
"""Draws that a spread is told of at the least."""
FAR = 4.0
"""Deviations of single draws that a printed figure may be away from their mean, so that of thirty
figures none is by chance."""
ROUNDED = 5e-7
"""Half of the last of six decimals, which is what was printed."""

Quantity = Literal["mean", "std"]


@dataclass(frozen=True)
class Printed:
    """A figure of the lecture: what it is of the values of which layer, counted from 1."""

    quantity: Quantity
    layer: int
    value: float


@dataclass(frozen=True)
class Case:
    """Weights of one deviation and the function behind each layer, with what was printed of them.

    `weights` says in words how the deviation comes about.
    """

    weights: str
    function: Literal["tanh", "ReLU"]
    std: float
    printed: tuple[Printed, ...]

    @property
    def name(self) -> str:
        """What a plot or a table calls it."""
        return f"{self.function}, {self.weights}"

    def layer(
        self, values: Float[Tensor, "B D"], normals: Float[Tensor, "D D"]
    ) -> Float[Tensor, "B D"]:
        """What a layer of these weights gives, drawn with a deviation of 1."""
        summed = values @ (normals * self.std)
        return summed.tanh() if self.function == "tanh" else summed.relu()


def _printed(quantity: Quantity, *values: float) -> tuple[Printed, ...]:
    """Figures of all layers, or of the first and the last."""
    layers = range(1, LAYERS + 1, 1 if len(values) == LAYERS else LAYERS - 1)
    return tuple(Printed(quantity, n, v) for n, v in zip(layers, values, strict=True))


CASES = (
    Case(
        "0.01 N(0, 1)", "tanh", 0.01,
        _printed("std", 0.213081, 0.047551, 0.010630, 0.002378, 0.000532, 0.000119, 0.000026,
                 0.000006, 0.000001, 0.0),
    ),
    Case("1.0 N(0, 1)", "tanh", 1.0, _printed("std", 0.981879, 0.981736)),
    Case(
        "N(0, 1) / √fan-in (Xavier)", "tanh", UNITS**-0.5,
        _printed("std", 0.627953, 0.486051, 0.407723, 0.357108, 0.320917, 0.292116, 0.273387,
                 0.254935, 0.239266, 0.228008),
    ),
    Case(
        "N(0, 1) / √fan-in (Xavier)", "ReLU", UNITS**-0.5,
        _printed("mean", 0.398623, 0.018408) + _printed("std", 0.582273, 0.026076),
    ),
    Case(
        "N(0, 1) / √(fan-in / 2) (He)", "ReLU", (UNITS / 2) ** -0.5,
        _printed("mean", 0.562488, 0.552531) + _printed("std", 0.825232, 0.844523),
    ),
)  # fmt: skip
"""What the lecture shows, in its order."""


@dataclass(frozen=True)
class Draw:
    """Mean and deviation of the values behind each layer, of one draw of inputs and weights."""

    means: tuple[float, ...]
    stds: tuple[float, ...]


@dataclass(frozen=True)
class Verdict:
    """A printed figure beside what draws of ours come to: their mean and their deviation."""

    printed: Printed
    mean: float
    spread: float

    @property
    def holds(self) -> bool:
        """Whether the printed figure may be one more such draw."""
        return abs(self.printed.value - self.mean) <= FAR * self.spread + ROUNDED


@dataclass(frozen=True)
class Reruns:
    """A case with several draws of it."""

    case: Case
    draws: tuple[Draw, ...]

    def over_draws(self, quantity: Quantity, layer: int) -> tuple[float, float]:
        """Mean and deviation of a figure of a layer, counted from 1."""
        each = [(d.means if quantity == "mean" else d.stds)[layer - 1] for d in self.draws]
        return float(np.mean(each)), float(np.std(each, ddof=1))

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What becomes of each figure that was printed."""
        return tuple(Verdict(p, *self.over_draws(p.quantity, p.layer)) for p in self.case.printed)


def reruns(seed: int, count: int = RERUNS, runtime: Runtime | None = None) -> tuple[Reruns, ...]:
    """Every case with so many draws; threads change nothing of them.

    Raises UserError for so few that their spread says nothing.
    """
    if count < FEWEST:
        raise UserError(f"{count} rerun(s) have no spread to speak of; {FEWEST} or more are needed")
    runtime = runtime or Runtime()
    threads = runtime.machine.threads
    found = []
    with one_thread_each():
        for drawn in in_order(partial(draws, seed), range(count), threads, threads):
            found.append(drawn)
            runtime.progress.step("the lecture's stack", len(found), count)
    by_case = zip(*found, strict=True)
    return tuple(Reruns(case, each) for case, each in zip(CASES, by_case, strict=True))


def draws(seed: int, number: int = 0, cases: Sequence[Case] = CASES) -> tuple[Draw, ...]:
    """Draw `number` of each case: the same inputs and normal numbers for all of them."""
    inputs = _normals(seed, number, 0, INPUTS)
    values = [inputs for _ in cases]
    moments: list[list[tuple[float, float]]] = [[] for _ in cases]
    for layer in range(1, LAYERS + 1):
        normals = _normals(seed, number, layer, UNITS)
        values = [case.layer(v, normals) for case, v in zip(cases, values, strict=True)]
        for found, v in zip(moments, values, strict=True):
            found.append((float(v.mean()), float(v.std(correction=0))))
    return tuple(Draw(*(tuple(each) for each in zip(*found, strict=True))) for found in moments)


def _normals(seed: int, number: int, layer: int, rows: int) -> Float[Tensor, "rows D"]:
    """Normal numbers for a layer's weights, in the layout [in, out]; those of layer 0 go in."""
    drawn = randomness.generator(seed, "initial", number, layer)
    return torch.from_numpy(drawn.standard_normal((rows, UNITS), np.float32))
