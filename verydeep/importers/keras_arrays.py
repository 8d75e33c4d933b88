"""The arrays of Keras's layers as ours are laid out: kernels, biases, norms, and pixels' means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from verydeep.formats.hdf5 import Node
from verydeep.importers.keras_names import EPSILON, NOT_OURS
from verydeep.importers.layer_names import of_our_epsilon
from verydeep.importers.layer_shapes import map_side
from verydeep.limits import FormatError, as_float32, quoted

Group = dict[str, Node]
"""The datasets of a group, by name or number."""


def tensors_of(
    places: Mapping[str, str], held: Mapping[str, Group], epsilons: Mapping[str, float]
) -> dict[str, np.ndarray]:
    """Tensors by our names; `places` are those of layers, in the net's order."""
    tensors: dict[str, np.ndarray] = {}
    channels = 0
    for theirs, name in places.items():
        group = held.get(theirs, {})
        if name.startswith("bn"):
            parts = _norm(theirs, group, epsilons.get(theirs, EPSILON))
            tensors |= {f"{name}.{part}": as_float32(values) for part, values in parts.items()}
            continue
        kernel, bias = _kernel_and_bias(name, group)
        if kernel.ndim == 4:
            weight = kernel.transpose(3, 2, 0, 1)
            channels = len(weight)
        else:
            weight = _fully_connected(kernel, channels if name == "fc6" else len(kernel))
        tensors[f"{name}.weight"] = as_float32(weight)
        tensors[f"{name}.bias"] = as_float32(bias)
    return tensors


def _kernel_and_bias(name: str, group: Group) -> tuple[np.ndarray, np.ndarray]:
    """A layer's kernel and bias, told apart by their shapes; zeros where there is no bias."""
    axes = (4,) if name.startswith("conv") else (2, 4)
    kernels = [node for node in group.values() if len(node.shape) in axes]
    biases = [node for node in group.values() if len(node.shape) == 1]
    if len(kernels) != 1 or len(biases) > 1 or len(group) != 1 + len(biases):
        raise FormatError(f"its layer '{name}' has not one kernel and one bias", NOT_OURS)
    (kernel,) = kernels
    outputs = biases[0].shape[0] if biases else kernel.shape[-1]
    if kernel.shape[-1] != outputs or not all(kernel.shape):
        shape = " x ".join(map(str, kernel.shape))
        raise FormatError(f"the kernel of '{name}', {shape}, has not its outputs last", NOT_OURS)
    return kernel.numbers(), biases[0].numbers() if biases else np.zeros(outputs, np.float32)


_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean",
         "running_var": "moving_variance"}  # fmt: skip
"""Keras's names of the parts of a norm, in the order in which Keras 3 numbers them."""


def _norm(layer: str, group: Group, epsilon: float) -> dict[str, np.ndarray]:
    """A norm's arrays by our names: ones and zeros for factors and summands that it has not."""
    numbered = dict(zip(("0", "1", "2", "3"), _NORM.values(), strict=True))
    named = {numbered.get(name, name) if len(group) == 4 else name: node
             for name, node in group.items()}  # fmt: skip
    sides = {node.shape for node in named.values()}
    unknown = named.keys() - set(_NORM.values())
    if unknown or not {"moving_mean", "moving_variance"} <= named.keys() or len(sides) != 1:
        raise FormatError(f"its layer {quoted(layer)} has not the arrays of a norm", NOT_OURS)
    ones = np.ones(sides.pop(), np.float32)
    defaults = {"weight": ones, "bias": 0 * ones}
    parts = {part: named[theirs].numbers() if theirs in named else defaults[part]
             for part, theirs in _NORM.items()}  # fmt: skip
    parts["running_var"] = of_our_epsilon(parts["running_var"], epsilon, quoted(layer))
    return parts


def statistics_of(group: Group) -> tuple[Any, Any]:
    """The mean and the variance that a Normalization keeps; nothing where it has none."""
    pairs = (("mean", "0"), ("variance", "1"))
    found = [next((group[name].numbers() for name in names if name in group), None)
             for names in pairs]  # fmt: skip
    return found[0], found[1]


def _fully_connected(kernel: np.ndarray, channels: int) -> np.ndarray:
    """[rows, O] as [O, C, h, w]; rows go through h, w, C."""
    rows, outputs = kernel.shape
    side = map_side("fc6", rows, channels)
    return kernel.reshape(side, side, channels, outputs).transpose(3, 2, 0, 1)
