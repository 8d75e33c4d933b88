"""MatConvNet's `.mat` files -> `Parameters`.

A net is a "simplenn" (a cell array `layers`, each with its `weights`, or `filters` and `biases` in
older files) or a "dagnn" (`params` by name, which the layers name). Filters are H, W, I, O in
MATLAB's order, FC layers convolutions over the whole map. Pixels are RGB in 0-255 minus
`averageImage`; they and the classes are in `meta`, in older files beside the layers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from verydeep.formats import mat5, mat73
from verydeep.formats.mat5 import Value
from verydeep.importers import matconvnet_graph
from verydeep.importers.layer_names import ends_with_pooling, layer_names, path_order
from verydeep.importers.matconvnet_layers import (
    NOT_OURS,
    MatLayer,
    as_ours,
    biases_of,
    each_of,
    is_numeric,
    norm_of,
    numbers_of,
    reads_of,
    struct,
    text,
)
from verydeep.importers.parameters import PIXELS, SCALE, Parameters
from verydeep.limits import FormatError, as_float32, reading, start_of
from verydeep.pictures.preprocessing import IMAGENET, RESIZE_RULES, Pixels
from verydeep.weights import metadata

FAMILY = "MatConvNet"

_WNID = re.compile(r"n\d{8}")


def is_matconvnet(path: Path | str) -> bool:
    """Whether a file is MATLAB's, by its first bytes; no other family's is."""
    start = start_of(path)
    return mat5.is_mat5(start) or mat73.is_mat73(start)


def read(path: Path | str) -> Parameters:
    """Weights of a MatConvNet file, simplenn or dagnn, of MATLAB 5, 7 or 7.3.

    Arrays are views where they can be. Raises UserError, one line, where the file is damaged or
    holds a net that is none of ours.
    """
    start = start_of(path)
    variables = mat73.read(path) if mat73.is_mat73(start) else mat5.read(path)
    with reading(path):
        return _parameters(struct(variables.get("net")) or variables)


def _parameters(net: dict[str, Value]) -> Parameters:
    if "layers" not in net:
        raise FormatError("it holds no 'layers' of a net", NOT_OURS)
    layers = [MatLayer.of(struct(each)) for each in each_of(net["layers"])]
    layers = [layer for layer in layers if not layer.judges]
    values = {text(each.get("name")): each.get("value")
              for each in map(struct, each_of(net.get("params")))}  # fmt: skip
    layers = [layer.with_parameters(values) for layer in layers]
    is_graph = "params" in net
    meta, notes = struct(net.get("meta")) or net, list[str]()
    if own := text(meta.get(metadata.KEY)):
        said = metadata.from_text(own)
        if said.table is not None:
            tensors = matconvnet_graph.tensors_of_ours(said.table, layers)
            return Parameters(FAMILY, tensors, said.pixels, said.classes, (), said.table)
    normalization = struct(meta.get("normalization"))
    lrn = pooled = table = None
    try:
        path = [layers[i] for i in _order(layers)] if is_graph else layers
        tensors = _of_table_1(path)
        lrn = any(layer.kind == "lrn" for layer in path)
        pooled = ends_with_pooling([layer.kind for layer in path])
    except FormatError:
        known = matconvnet_graph.net_of(layers, is_graph, _crop(normalization))
        if known is None:
            raise
        tensors, table = matconvnet_graph.tensors_of(known, layers), known.table
        notes += known.notes
    pixels = _pixels(normalization, notes)
    fields = {PIXELS: "averageImage", SCALE: "imageSize"}
    guessed = tuple(what for what, field in fields.items() if field not in normalization)
    scores = len(next(reversed(tensors.values())))
    classes = _classes(struct(meta.get("classes")), scores, notes)
    return Parameters(
        FAMILY, tensors, pixels, classes, tuple(notes), table, lrn, guessed,
        pooled=pooled,
    )  # fmt: skip


def _of_table_1(path: Sequence[MatLayer]) -> dict[str, np.ndarray]:
    """The tensors of a net of Table 1, whose layers follow one another."""
    tensors: dict[str, np.ndarray] = {}
    for layer, name in zip(path, layer_names([layer.told() for layer in path]), strict=True):
        if layer.kind == "norm":
            tensors |= {f"{name}.{part}": values for part, values in norm_of(layer).items()}
        elif name:
            tensors[f"{name}.weight"] = as_ours(layer.filters)
            tensors[f"{name}.bias"] = biases_of(layer, len(tensors[f"{name}.weight"]))
    return tensors


def _order(layers: list[MatLayer]) -> list[int]:
    """The places of a graph's layers, as a picture goes through them."""
    return path_order([layer.name for layer in layers], reads_of(layers))


def _pixels(normalization: dict[str, Value], notes: list[str]) -> Pixels:
    """RGB, 0-255, minus the file's mean, from pictures of the size that it names.

    `rgbVariance` only works while a net is trained.
    """
    if _number(normalization, "keepAspect") == 0:
        notes.append("it squeezes its pictures to a square (keepAspect); here they keep their "
                     "aspect")  # fmt: skip
    if "averageImage" not in normalization:
        return replace(IMAGENET, scale=_scale(normalization))
    average = as_float32(numbers_of(normalization["averageImage"], "its averageImage"))
    if average.size != 3 and average.ndim == 3 and average.shape[2] == 3:
        height, width, _ = average.shape
        with np.errstate(all="ignore"):
            average = average.mean((0, 1), dtype=np.float64)
        notes.append(f"its mean picture of {height} x {width} is taken as its mean of each channel")
    if average.size != 3 or not np.isfinite(average).all():
        raise FormatError("its averageImage is neither three numbers nor a picture")
    red, green, blue = average.ravel().tolist()
    rule = text(normalization.get("interpolation"))
    return Pixels(
        scale=_scale(normalization),
        mean=(red, green, blue),
        resize=rule if rule in RESIZE_RULES else IMAGENET.resize,
    )


def _crop(normalization: dict[str, Value]) -> int | None:
    """The side of the training crop; None where the file does not tell it, or it is none."""
    crop = _number(normalization, "imageSize")
    return int(crop) if crop is not None and 1 <= crop < 1 << 16 else None


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
    return float(value.ravel()[0]) if is_numeric(value) and value.size else None


def _classes(classes: dict[str, Value], scores: int, notes: list[str]) -> tuple[str, ...] | None:
    """Names of the classes: WordNet's ids and the first word for each, else what the file has."""
    names, described = (
        tuple(text(each) for each in each_of(classes.get(field)))
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
