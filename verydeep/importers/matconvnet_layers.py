"""The layers of a MatConvNet net, of either kind, and their arrays: values of MATLAB's -> ours.

Filters are H, W, I, O in MATLAB's order. A norm has factors, summands and moments, of which the
deviation has the training's epsilon in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from verydeep.formats.mat5 import Value
from verydeep.importers.layer_names import NOTHING, ForeignLayer, Window, of_our_epsilon
from verydeep.limits import FormatError, as_float32

NOT_OURS = "give a MatConvNet file of a VGG net, such as imagenet-vgg-verydeep-16.mat"
_KINDS = {
    "conv": "conv", "relu": "relu", "pool": "pool", "normalize": "lrn", "lrn": "lrn",
    "softmax": "softmax", "dropout": NOTHING, "bnorm": "norm",
    "dagnn.Conv": "conv", "dagnn.ReLU": "relu", "dagnn.Pooling": "pool", "dagnn.LRN": "lrn",
    "dagnn.SoftMax": "softmax", "dagnn.DropOut": NOTHING, "dagnn.BatchNorm": "norm",
}  # fmt: skip
_LOSSES = {"softmaxloss", "loss", "dagnn.Loss"}
_JUDGING = {"", "softmaxlog", "log", "classerror", "topkerror"}
"""Losses of nets whose scores go into a soft-max, and the errors that are counted beside them."""


@dataclass(frozen=True)
class MatLayer:
    """A layer of either kind of net, and its settings: in a graph they are in its `block`."""

    name: str
    type: str
    fields: dict[str, Value]
    settings: dict[str, Value]
    weights: list[Value]

    @classmethod
    def of(cls, fields: dict[str, Value]) -> MatLayer:
        """The layer that a struct tells of."""
        name, kind = text(fields.get("name")), text(fields.get("type"))
        older = [fields.get("filters"), fields.get("biases")]
        weights = each_of(fields["weights"]) if "weights" in fields else older
        return cls(name or kind, kind, fields, struct(fields.get("block")) or fields, weights)

    def with_parameters(self, values: dict[str, Value]) -> MatLayer:
        """The layer with those of a graph's parameters that it names, in a graph."""
        named = [text(each) for each in each_of(self.fields.get("params"))]
        return replace(self, weights=[values.get(name) for name in named]) if values else self

    @property
    def kind(self) -> str:
        """Its kind, by the words of `layer_names`, or its type where it is none of those."""
        kind = _KINDS.get(self.type, self.type)
        if kind == "relu" and any(leak := self.numbers("leak")):
            return f"{self.type} with a leak of {leak[0]:g}"
        method = text(self.settings.get("method")) or "max"
        return f"{method} pooling" if kind == "pool" and method != "max" else kind

    @property
    def judges(self) -> bool:
        """Whether it tells how well a net does, and is no part of it."""
        return self.type in _LOSSES and text(self.settings.get("loss")) in _JUDGING

    @property
    def filters(self) -> np.ndarray:
        """Filters H, W, I, O; MATLAB leaves out last axes of one."""
        numbers = numbers_of(self.weights[0] if self.weights else None, f"filters of '{self.name}'")
        if numbers.ndim > 4 or not numbers.size:
            raise FormatError(f"the filters of '{self.name[:40]}' have no four axes")
        return numbers.reshape(numbers.shape + (1,) * (4 - numbers.ndim), order="F")

    def numbers(self, setting: str) -> list[float]:
        """The numbers of a setting; none where the file does not tell it."""
        value = self.settings.get(setting)
        if not each_of(value):
            return []
        found: list[float] = numbers_of(value, f"{setting} of '{self.name}'").ravel()[:64].tolist()
        return found

    def told(self) -> ForeignLayer:
        """What the file tells of it."""
        if self.kind == "lrn":
            size, kappa, alpha, beta, *_ = [*self.numbers("param"), *[math.nan] * 4]
            return ForeignLayer(self.name, "lrn", constants=(size, kappa, alpha * size, beta))
        if self.kind not in ("conv", "pool"):
            return ForeignLayer(self.name, self.kind)
        kernel: Sequence[float] = self.numbers("poolSize") or self.numbers("pool")
        if self.kind == "conv":
            kernel = self.filters.shape[:2]
        stride, pad, dilation = map(self.numbers, ("stride", "pad", "dilate"))
        return ForeignLayer(self.name, self.kind, Window(kernel, stride, pad, dilation))


def reads_of(layers: Sequence[MatLayer]) -> list[list[int | None]]:
    """The places of those whose values each layer of a graph reads; None for the picture."""
    makers = {text(each): i for i, layer in enumerate(layers)
              for each in each_of(layer.fields.get("outputs"))}  # fmt: skip
    return [[makers.get(text(each)) for each in each_of(layer.fields.get("inputs"))]
            for layer in layers]  # fmt: skip


def as_ours(filters: np.ndarray) -> np.ndarray:
    """The filters as [O, I, h, w]; they are given as H, W, I, O."""
    return as_float32(filters.transpose(3, 2, 0, 1))


def biases_of(layer: MatLayer, count: int) -> np.ndarray:
    """A layer's biases; zeros where it has none."""
    if len(layer.weights) < 2 or not each_of(layer.weights[1]):
        return np.zeros(count, np.float32)
    numbers = numbers_of(layer.weights[1], f"the biases of '{layer.name}'")
    if numbers.size != count:
        raise FormatError(f"'{layer.name[:40]}' has {numbers.size:,} biases for {count:,} filters")
    return as_float32(numbers.reshape(-1, order="F"))


def norm_of(layer: MatLayer, epsilon: float | None = None) -> dict[str, np.ndarray]:
    """A norm's arrays by our names, of its factors, summands and moments.

    Moments are mean and deviation, of which the latter has the training's epsilon in it. Where that
    is known it is taken off, else the variance is made one of our epsilon.
    """
    arrays = [numbers_of(each, f"the weights of '{layer.name}'") for each in layer.weights]
    count = arrays[0].size if arrays else 0
    if [each.size for each in arrays] != [count, count, 2 * count] or arrays[2].shape[1] != 2:
        raise FormatError(f"its layer '{layer.name[:40]}' has not a norm's factors and moments")
    with np.errstate(all="ignore"):
        mean, square = arrays[2][:, 0], np.square(arrays[2][:, 1], dtype=np.float64)
        if epsilon is None:
            variance = of_our_epsilon(as_float32(square), 0.0, f"'{layer.name[:40]}'")
        else:
            variance = as_float32(np.maximum(square - epsilon, 0))
    parts = {
        "weight": arrays[0], "bias": arrays[1], "running_mean": mean, "running_var": variance,
    }  # fmt: skip
    return {name: as_float32(values.reshape(-1)) for name, values in parts.items()}


def each_of(value: Value) -> list[Any]:
    """The elements of a cell or a struct array; anything else is one, and nothing is none."""
    if isinstance(value, list):
        return value
    if isinstance(value, tuple):
        return [(element,) for element in value]
    return [] if value is None or (is_numeric(value) and not value.size) else [value]


def struct(value: Value) -> dict[str, Value]:
    """The fields of a single struct; none where it is anything else."""
    return value[0] if isinstance(value, tuple) and len(value) == 1 else {}


def text(value: Value) -> str:
    """The value where it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def is_numeric(value: Value) -> bool:
    """Whether a value is an array of numbers."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiu"


def numbers_of(value: Value, what: str) -> np.ndarray:
    """The value as an array of numbers; FormatError where it is none."""
    if not is_numeric(value):
        raise FormatError(f"{what} are missing, or are no numbers", NOT_OURS)
    numbers: np.ndarray = value
    return numbers
