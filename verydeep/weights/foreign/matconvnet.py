"""MatConvNet's `.mat` files of VGG nets -> `Parameters`.

A net is a "simplenn" (a cell array `layers`, each with its `weights`, or `filters` and `biases` in
older files) or a "dagnn" (`params` by name, which the layers name). Filters are H, W, I, O in
MATLAB's order, FC layers convolutions over the whole map. Pixels are RGB in 0-255 minus
`averageImage`; they and the classes are in `meta`, in older files beside the layers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from verydeep import mat5
from verydeep.bounds import Damaged, as_float32, refusals
from verydeep.mat5 import Value
from verydeep.preprocessing import IMAGENET, RESIZE_RULES, Pixels
from verydeep.weights.foreign import mat73
from verydeep.weights.foreign.hdf5 import HEAD
from verydeep.weights.foreign.parameters import (
    OTHER_LRN,
    PIXELS,
    SCALE,
    Parameters,
    is_lrn_of_ours,
)

FAMILY = "MatConvNet"
NOT_OURS = "give a MatConvNet file of a VGG net, such as imagenet-vgg-verydeep-16.mat"

_NAME = re.compile(r"conv\d+_\d+|fc\d+")
_WNID = re.compile(r"n\d{8}")

Layer = tuple[str, Value, Value]
"""Name, filters and biases of a layer with weights."""


def is_matconvnet(path: Path | str) -> bool:
    """Whether a file is MATLAB's, by its first bytes; no other family's is."""
    with refusals(path), Path(path).open("rb") as file:
        start = file.read(HEAD)
    return mat5.is_mat5(start) or mat73.is_mat73(start)


def read(path: Path | str) -> Parameters:
    """Weights of a MatConvNet file, simplenn or dagnn, of MATLAB 5, 7 or 7.3.

    Arrays are views where they can be. Raises UserError, one line, where the file is damaged or
    holds no VGG net.
    """
    with refusals(path), Path(path).open("rb") as file:
        start = file.read(HEAD)
    variables = mat73.read(path) if mat73.is_mat73(start) else mat5.read(path)
    with refusals(path):
        return _parameters(_struct(variables.get("net")) or variables)


def _parameters(net: dict[str, Value]) -> Parameters:
    if "layers" not in net:
        raise Damaged("it holds no 'layers' of a net", NOT_OURS)
    layers = [_struct(layer) for layer in _each(net["layers"])]
    found = _dagnn(layers, net["params"]) if "params" in net else _simplenn(layers)
    tensors: dict[str, np.ndarray] = {}
    for name, filters, biases in found:
        if not _NAME.fullmatch(name) or f"{name}.weight" in tensors:
            raise Damaged(f"its layer '{name[:40]}' is none of a VGG net's, or is twice", NOT_OURS)
        tensors[f"{name}.weight"] = _filters(name, filters)
        tensors[f"{name}.bias"] = _biases(name, biases, len(tensors[f"{name}.weight"]))
    if not tensors:
        raise Damaged("none of its layers has weights", NOT_OURS)
    lrn, notes = _has_lrn(layers), list[str]()
    meta = _struct(net.get("meta")) or net
    normalization = _struct(meta.get("normalization"))
    pixels = _pixels(normalization, notes)
    told = {PIXELS: "averageImage", SCALE: "imageSize"}
    guessed = tuple(what for what, field in told.items() if field not in normalization)
    scores = len(next(reversed(tensors.values())))
    classes = _classes(_struct(meta.get("classes")), scores, notes)
    return Parameters(FAMILY, tensors, pixels, classes, tuple(notes), lrn=lrn, guessed=guessed)


def _simplenn(layers: list[dict[str, Value]]) -> Iterator[Layer]:
    """The convolutions of a list of layers, in its order."""
    for layer in layers:
        if _text(layer.get("type")) != "conv":
            continue
        weights = layer.get("weights", [layer.get("filters"), layer.get("biases")])
        yield _weights(_text(layer.get("name")), weights)


def _dagnn(layers: list[dict[str, Value]], params: Value) -> Iterator[Layer]:
    """The convolutions of a graph, whose parameters are found by their names."""
    values = {_text(each.get("name")): each.get("value") for each in map(_struct, _each(params))}
    for layer in layers:
        if _text(layer.get("type")) != "dagnn.Conv":
            continue
        name = _text(layer.get("name"))
        named = _each(layer.get("params")) or [f"{name}f", f"{name}b"]
        yield _weights(name, [values.get(_text(each)) for each in named])


def _has_lrn(layers: list[dict[str, Value]]) -> bool:
    """Whether A-LRN's response normalisation follows conv1_1's ReLU; refuses other norms."""
    kinds = [_text(layer.get("type")) for layer in layers]
    if {"bnorm", "dagnn.BatchNorm"} & set(kinds):
        raise Damaged("it has batch normalisation, which is not read", NOT_OURS)
    places = [i for i, kind in enumerate(kinds) if kind in ("normalize", "lrn", "dagnn.LRN")]
    if not places:
        return False
    relu = _before(layers, places[0])
    conv = None if relu is None or kinds[relu] not in _RELUS else _before(layers, relu)
    if (
        len(places) > 1
        or conv is None
        or _text(layers[conv].get("name")) != "conv1_1"
        or not _is_ours(layers[places[0]])
    ):
        raise Damaged(OTHER_LRN, NOT_OURS)
    return True


_RELUS = ("relu", "dagnn.ReLU")


def _before(layers: list[dict[str, Value]], place: int) -> int | None:
    """The place of the layer that a layer reads: by its variable in a graph, else the one above."""
    reads = [_text(each) for each in _each(layers[place].get("inputs"))]
    if not reads:
        return place - 1 if place else None
    gives = ([_text(each) for each in _each(layer.get("outputs"))] for layer in layers)
    return next((i for i, names in enumerate(gives) if reads[0] in names), None)


def _is_ours(layer: dict[str, Value]) -> bool:
    """Whether `param`, N, kappa, alpha and beta, is ours; this alpha is not divided by N."""
    param = (_struct(layer.get("block")) or layer).get("param")
    if param is None or not _is_numeric(param) or param.size != 4:
        return False
    size, kappa, alpha, beta = param.ravel().tolist()
    return is_lrn_of_ours(size, kappa, alpha * size, beta)


def _weights(name: str, weights: Value) -> Layer:
    pair = _each(weights)
    if len(pair) != 2:
        raise Damaged(f"its layer '{name[:40]}' has not a filter bank and its biases")
    return name, pair[0], pair[1]


def _filters(name: str, filters: Value) -> np.ndarray:
    """Filters H, W, I, O as [O, I, h, w]; MATLAB leaves out last axes of one."""
    numbers = _numbers(filters, f"the filters of '{name}'")
    if numbers.ndim > 4 or not numbers.size:
        raise Damaged(f"the filters of '{name}' have no four axes")
    numbers = numbers.reshape(numbers.shape + (1,) * (4 - numbers.ndim), order="F")
    return as_float32(numbers.transpose(3, 2, 0, 1))


def _biases(name: str, biases: Value, count: int) -> np.ndarray:
    numbers = _numbers(biases, f"the biases of '{name}'")
    if numbers.size != count:
        raise Damaged(f"'{name}' has {numbers.size:,} biases for {count:,} filters")
    return as_float32(numbers.reshape(-1, order="F"))


def _pixels(normalization: dict[str, Value], notes: list[str]) -> Pixels:
    """RGB, 0-255, minus the file's mean, from pictures of the size that it names."""
    if "averageImage" not in normalization:
        return replace(IMAGENET, scale=_scale(normalization))
    average = as_float32(_numbers(normalization["averageImage"], "its averageImage"))
    if average.size != 3 and average.ndim == 3 and average.shape[2] == 3:
        height, width, _ = average.shape
        with np.errstate(all="ignore"):
            average = average.mean((0, 1), dtype=np.float64)
        notes.append(f"its mean picture of {height} x {width} is taken as its mean of each channel")
    if average.size != 3 or not np.isfinite(average).all():
        raise Damaged("its averageImage is neither three numbers nor a picture")
    red, green, blue = average.ravel().tolist()
    rule = _text(normalization.get("interpolation"))
    return Pixels(
        scale=_scale(normalization),
        mean=(red, green, blue),
        resize=rule if rule in RESIZE_RULES else IMAGENET.resize,
    )


def _scale(normalization: dict[str, Value]) -> tuple[int, int]:
    """S: the crop and the border around it, 224 and 32 where the file does not say."""
    crop, border = (
        float(value.ravel()[0]) if _is_numeric(value) and value.size else default
        for value, default in ((normalization.get(k, ""), d) for k, d in _SIZES.items())
    )
    scale = crop + border
    if not (math.isfinite(scale) and 1 <= scale <= 1 << 16):
        raise Damaged("its imageSize is no size of a picture")
    return int(scale), int(scale)


_SIZES = {"imageSize": 224.0, "border": 32.0}


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
        raise Damaged(f"{what} are missing, or are no numbers", NOT_OURS)
    numbers: np.ndarray = value
    return numbers
