"""MatConvNet's `.mat` files of VGG nets -> `Parameters`.

A net is a "simplenn" (a cell array `layers`, each with its `weights`, or `filters` and `biases` in
older files) or a "dagnn" (`params` by name, which the layers name). Filters are H, W, I, O in
MATLAB's order, FC layers convolutions over the whole map. Pixels are RGB in 0-255 minus
`averageImage`; they and the classes are in `meta`, in older files beside the layers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from verydeep.formats import mat5, mat73
from verydeep.formats.mat5 import Value
from verydeep.importers.layer_names import (
    NOTHING,
    ForeignLayer,
    Window,
    ends_with_pooling,
    layer_names,
    of_our_epsilon,
    path_order,
)
from verydeep.importers.parameters import PIXELS, SCALE, Parameters
from verydeep.limits import FormatError, as_float32, reading, start_of
from verydeep.pictures.preprocessing import IMAGENET, RESIZE_RULES, Pixels

FAMILY = "MatConvNet"
NOT_OURS = "give a MatConvNet file of a VGG net, such as imagenet-vgg-verydeep-16.mat"

_WNID = re.compile(r"n\d{8}")

_KINDS = {
    "conv": "conv", "relu": "relu", "pool": "pool", "normalize": "lrn", "lrn": "lrn",
    "softmax": "softmax", "dropout": NOTHING, "bnorm": "norm",
    "dagnn.Conv": "conv", "dagnn.ReLU": "relu", "dagnn.Pooling": "pool", "dagnn.LRN": "lrn",
    "dagnn.SoftMax": "softmax", "dagnn.DropOut": NOTHING, "dagnn.BatchNorm": "norm",
}  # fmt: skip
_LOSSES = {"softmaxloss", "loss", "dagnn.Loss"}
_JUDGING = {"", "softmaxlog", "log", "classerror", "topkerror"}
"""Losses of nets whose scores go into a soft-max, and the errors that are counted beside them."""


def is_matconvnet(path: Path | str) -> bool:
    """Whether a file is MATLAB's, by its first bytes; no other family's is."""
    start = start_of(path)
    return mat5.is_mat5(start) or mat73.is_mat73(start)


def read(path: Path | str) -> Parameters:
    """Weights of a MatConvNet file, simplenn or dagnn, of MATLAB 5, 7 or 7.3.

    Arrays are views where they can be. Raises UserError, one line, where the file is damaged or
    holds no VGG net.
    """
    start = start_of(path)
    variables = mat73.read(path) if mat73.is_mat73(start) else mat5.read(path)
    with reading(path):
        return _parameters(_struct(variables.get("net")) or variables)


def _parameters(net: dict[str, Value]) -> Parameters:
    if "layers" not in net:
        raise FormatError("it holds no 'layers' of a net", NOT_OURS)
    layers = [_Layer.of(_struct(each)) for each in _each(net["layers"])]
    layers = [layer for layer in layers if not layer.judges]
    values = {_text(each.get("name")): each.get("value")
              for each in map(_struct, _each(net.get("params")))}  # fmt: skip
    order = _order(layers) if "params" in net else range(len(layers))
    path = [layers[i].with_parameters(values) for i in order]
    tensors: dict[str, np.ndarray] = {}
    told = [layer.told() for layer in path]
    for layer, name in zip(path, layer_names(told), strict=True):
        if layer.kind == "norm":
            tensors |= {f"{name}.{part}": values for part, values in _norm(layer).items()}
        elif name:
            tensors[f"{name}.weight"] = _as_ours(layer.filters)
            tensors[f"{name}.bias"] = _biases(layer, len(tensors[f"{name}.weight"]))
    lrn, notes = any(layer.kind == "lrn" for layer in path), list[str]()
    meta = _struct(net.get("meta")) or net
    normalization = _struct(meta.get("normalization"))
    pixels = _pixels(normalization, notes)
    fields = {PIXELS: "averageImage", SCALE: "imageSize"}
    guessed = tuple(what for what, field in fields.items() if field not in normalization)
    scores = len(next(reversed(tensors.values())))
    classes = _classes(_struct(meta.get("classes")), scores, notes)
    return Parameters(
        FAMILY, tensors, pixels, classes, tuple(notes), lrn=lrn, guessed=guessed,
        pooled=ends_with_pooling([layer.kind for layer in told]),
    )  # fmt: skip


@dataclass(frozen=True)
class _Layer:
    """A layer of either kind of net, and its settings: in a graph they are in its `block`."""

    name: str
    type: str
    fields: dict[str, Value]
    settings: dict[str, Value]
    weights: list[Value]

    @classmethod
    def of(cls, fields: dict[str, Value]) -> _Layer:
        """The layer that a struct tells of."""
        name, kind = _text(fields.get("name")), _text(fields.get("type"))
        older = [fields.get("filters"), fields.get("biases")]
        weights = _each(fields["weights"]) if "weights" in fields else older
        return cls(name or kind, kind, fields, _struct(fields.get("block")) or fields, weights)

    def with_parameters(self, values: dict[str, Value]) -> _Layer:
        """The layer with those of a graph's parameters that it names, in a graph."""
        named = [_text(each) for each in _each(self.fields.get("params"))]
        return replace(self, weights=[values.get(name) for name in named]) if values else self

    @property
    def kind(self) -> str:
        """Its kind, by the words of `layer_names`, or its type where it is none of those."""
        kind = _KINDS.get(self.type, self.type)
        if kind == "relu" and any(leak := self.numbers("leak")):
            return f"{self.type} with a leak of {leak[0]:g}"
        method = _text(self.settings.get("method")) or "max"
        return f"{method} pooling" if kind == "pool" and method != "max" else kind

    @property
    def judges(self) -> bool:
        """Whether it tells how well a net does, and is no part of it."""
        return self.type in _LOSSES and _text(self.settings.get("loss")) in _JUDGING

    @property
    def filters(self) -> np.ndarray:
        """Filters H, W, I, O; MATLAB leaves out last axes of one."""
        numbers = _numbers(self.weights[0] if self.weights else None, f"filters of '{self.name}'")
        if numbers.ndim > 4 or not numbers.size:
            raise FormatError(f"the filters of '{self.name[:40]}' have no four axes")
        return numbers.reshape(numbers.shape + (1,) * (4 - numbers.ndim), order="F")

    def numbers(self, setting: str) -> list[float]:
        """The numbers of a setting; none where the file does not tell it."""
        value = self.settings.get(setting)
        if not _each(value):
            return []
        found: list[float] = _numbers(value, f"{setting} of '{self.name}'").ravel()[:64].tolist()
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


def _order(layers: list[_Layer]) -> list[int]:
    """The places of a graph's layers, as a picture goes through them."""
    makers = {_text(each): i for i, layer in enumerate(layers)
              for each in _each(layer.fields.get("outputs"))}  # fmt: skip
    reads = [[makers.get(_text(each)) for each in _each(layer.fields.get("inputs"))]
             for layer in layers]  # fmt: skip
    return path_order([layer.name for layer in layers], reads)


def _as_ours(filters: np.ndarray) -> np.ndarray:
    """Filters H, W, I, O as [O, I, h, w]."""
    return as_float32(filters.transpose(3, 2, 0, 1))


def _biases(layer: _Layer, count: int) -> np.ndarray:
    """A layer's biases; zeros where it has none."""
    if len(layer.weights) < 2 or not _each(layer.weights[1]):
        return np.zeros(count, np.float32)
    numbers = _numbers(layer.weights[1], f"the biases of '{layer.name}'")
    if numbers.size != count:
        raise FormatError(f"'{layer.name[:40]}' has {numbers.size:,} biases for {count:,} filters")
    return as_float32(numbers.reshape(-1, order="F"))


def _norm(layer: _Layer) -> dict[str, np.ndarray]:
    """A norm's arrays by our names, of its factors, summands and moments.

    Moments are mean and deviation, of which the latter has the training's epsilon in it.
    """
    arrays = [_numbers(each, f"the weights of '{layer.name}'") for each in layer.weights]
    count = arrays[0].size if arrays else 0
    if [each.size for each in arrays] != [count, count, 2 * count] or arrays[2].shape[1] != 2:
        raise FormatError(f"its layer '{layer.name[:40]}' has not a norm's factors and moments")
    with np.errstate(all="ignore"):
        mean, variance = arrays[2][:, 0], as_float32(np.square(arrays[2][:, 1], dtype=np.float64))
    parts = {
        "weight": arrays[0], "bias": arrays[1], "running_mean": mean,
        "running_var": of_our_epsilon(variance, 0.0, f"'{layer.name[:40]}'"),
    }  # fmt: skip
    return {name: as_float32(values.reshape(-1)) for name, values in parts.items()}


def _pixels(normalization: dict[str, Value], notes: list[str]) -> Pixels:
    """RGB, 0-255, minus the file's mean, from pictures of the size that it names.

    `rgbVariance` only works while a net is trained.
    """
    if _number(normalization, "keepAspect") == 0:
        notes.append("it squeezes its pictures to a square (keepAspect); here they keep their "
                     "aspect")  # fmt: skip
    if "averageImage" not in normalization:
        return replace(IMAGENET, scale=_scale(normalization))
    average = as_float32(_numbers(normalization["averageImage"], "its averageImage"))
    if average.size != 3 and average.ndim == 3 and average.shape[2] == 3:
        height, width, _ = average.shape
        with np.errstate(all="ignore"):
            average = average.mean((0, 1), dtype=np.float64)
        notes.append(f"its mean picture of {height} x {width} is taken as its mean of each channel")
    if average.size != 3 or not np.isfinite(average).all():
        raise FormatError("its averageImage is neither three numbers nor a picture")
    red, green, blue = average.ravel().tolist()
    rule = _text(normalization.get("interpolation"))
    return Pixels(
        scale=_scale(normalization),
        mean=(red, green, blue),
        resize=rule if rule in RESIZE_RULES else IMAGENET.resize,
    )


def _scale(normalization: dict[str, Value]) -> tuple[int, int]:
    """S: the crop and the border around it, or the crop by the part that it is (`cropSize`).

    224 and 32 where the file does not say.
    """
    crop, border = _number(normalization, "imageSize"), _number(normalization, "border")
    part = _number(normalization, "cropSize")
    crop = 224.0 if crop is None else crop
    if border is None and part is not None:
        scale = round(crop / part) if 0 < part <= 1 and math.isfinite(crop) else math.nan
    else:
        scale = crop + (32.0 if border is None else border)
    if not (math.isfinite(scale) and 1 <= scale <= 1 << 16):
        raise FormatError("its imageSize is no size of a picture")
    return int(scale), int(scale)


def _number(normalization: dict[str, Value], field: str) -> float | None:
    """The first number of a setting; None where there is none."""
    value: Any = normalization.get(field)
    return float(value.ravel()[0]) if _is_numeric(value) and value.size else None


def _classes(classes: dict[str, Value], scores: int, notes: list[str]) -> tuple[str, ...] | None:
    """Names of the classes: WordNet's ids and the first word for each, else what the file has."""
    names, described = (
        tuple(_text(each) for each in _each(classes.get(field)))
        for field in ("name", "description")
    )
    if not names and not described:
        return None
    if len(names or described) != scores:
        notes.append(f"names {len(names or described):,} classes for {scores:,} scores; left out")
        return None
    if all(map(_WNID.fullmatch, names)) and len(described) == len(names):
        words = (words.partition(",")[0] for words in described)
        return tuple(f"{wnid} {word}".strip() for wnid, word in zip(names, words, strict=True))
    return names or described


def _each(value: Value) -> list[Any]:
    """The elements of a cell or a struct array; anything else is one, and nothing is none."""
    if isinstance(value, list):
        return value
    if isinstance(value, tuple):
        return [(element,) for element in value]
    return [] if value is None or (_is_numeric(value) and not value.size) else [value]


def _struct(value: Value) -> dict[str, Value]:
    """The fields of a single struct; none where it is anything else."""
    return value[0] if isinstance(value, tuple) and len(value) == 1 else {}


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ""


def _is_numeric(value: Value) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiu"


def _numbers(value: Value, what: str) -> np.ndarray:
    if not _is_numeric(value):
        raise FormatError(f"{what} are missing, or are no numbers", NOT_OURS)
    numbers: np.ndarray = value
    return numbers
