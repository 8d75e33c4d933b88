"""The graph of a Caffe file of one of the nets beside VGG, and the tensors of its layers as ours.

Caffe's batch normalisation is two layers: BatchNorm, whose sums are divided by its third blob, and
Scale. A bias before it goes into its mean. Pools round up where they do not say otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from verydeep.importers.caffe_layers import (
    FEEDING,
    JUDGING,
    LRN_DEFAULTS,
    SCALE,
    LayerText,
    odd_kind,
)
from verydeep.importers.caffe_message import CaffeLayer
from verydeep.importers.graph_words import (
    CONCAT,
    PICTURE,
    SUM,
    Node,
    conv_word,
    lrn_word,
    pool_word,
)
from verydeep.importers.known_graphs import KnownGraph, filled, known
from verydeep.importers.layer_names import of_our_epsilon
from verydeep.limits import FormatError, as_float32, quoted
from verydeep.nets.rows import FC, BatchNorm, Conv
from verydeep.nets.table import Table

EPSILON = 1e-5
"""What BatchNorm adds to variances where nothing is said."""
_KINDS = {
    "convolution": "conv", "innerproduct": "fc", "relu": "relu", "pooling": "pool", "lrn": "lrn",
    "softmax": "softmax", "dropout": "dropout", "concat": CONCAT, "eltwise": SUM,
    "batchnorm": "norm", "scale": "scale",
}  # fmt: skip
_SUM, _MEANS = 1, 1
"""Caffe's numbers of the sum among Eltwise's operations, and of the mean among pools."""


def net_of(layers: Sequence[LayerText], crop: int | None = None) -> KnownGraph | None:
    """The net beside VGG that these layers are, `places` being theirs; None where they begin none.

    Raises FormatError, by name, for a layer that it has not.
    """
    nodes, places = _nodes(layers)
    found = known(nodes, crop)
    if found is None:
        return None
    of_file = tuple(tuple(places[node] for node in of_row) for of_row in found.layers)
    return KnownGraph(found.table, of_file, found.notes)


def _nodes(layers: Sequence[LayerText]) -> tuple[list[Node], list[int]]:
    """The layers that a picture may go through, and the place of each in the file."""
    makers: dict[str, int] = {}
    nodes: list[Node] = []
    places: list[int] = []
    for place, layer in enumerate(layers):
        reads = tuple(makers.get(name, PICTURE) for name in layer.bottoms)
        if layer.type in FEEDING | {"split"}:
            makers |= dict.fromkeys(layer.tops, reads[0] if reads else PICTURE)
        elif layer.type not in JUDGING:
            makers |= dict.fromkeys(layer.tops, len(nodes))
            kind = _kind(layer)
            nodes.append(Node(layer.name, kind, reads, _word(kind, layer)))
            places.append(place)
    return nodes, places


def _kind(layer: LayerText) -> str:
    """A layer's kind; what Caffe calls it where it is none of those that are read."""
    kind, said = _KINDS.get(layer.type, layer.type), layer.settings
    if kind == "lrn" and any(said.get("norm_region", ())):
        return "LRN within channels"
    if kind == SUM and (
        set(said.get("operation", [_SUM])) != {_SUM} or set(said.get("coeff", [1])) != {1}
    ):
        return "eltwise other than a sum"
    if kind == CONCAT and {*said.get("axis", [1]), *said.get("concat_dim", [1])} != {1}:
        return "concat of another axis"
    if kind in ("relu", "fc"):
        return odd_kind(kind, said) or kind
    return kind


def _word(kind: str, layer: LayerText) -> str:
    """A layer's word in a table, or what no table has; empty for a kind without a word."""
    match kind:
        case "conv":
            return _conv(layer)
        case "fc" if layer.shape:
            return f"FC-{layer.shape[-2] if len(layer.shape) > 1 else layer.shape[0]}"
        case "pool":
            return _pool(layer)
        case "lrn":
            return _lrn(layer.settings)
        case "softmax":
            return "soft-max"
        case _:
            return kind if kind == "dropout" else ""


def _conv(layer: LayerText) -> str:
    said, shape = layer.settings, layer.shape
    stride, pad = _only(said, "stride", 1), _only(said, "pad", 0)
    groups, dilation = (int(said.get(name, [1])[-1]) for name in ("group", "dilation"))
    if len(shape) != 4 or shape[2] != shape[3] or stride is None or pad is None:
        return "conv of other sides"
    return conv_word(shape[2], shape[0], stride, pad, groups, dilation)


def _pool(layer: LayerText) -> str:
    said = layer.settings
    means = int(said.get("pool", [0])[-1])
    if any(said.get("global_pooling", ())) and means == _MEANS:
        return "avepool"
    side, stride, pad = _only(said, "kernel", 0), _only(said, "stride", 1), _only(said, "pad", 0)
    if means not in (0, _MEANS) or not side or stride is None or pad is None:
        return "another pooling"
    up = not any(said.get("round_mode", ()))
    return pool_word("ave" if means else "max", side, stride, pad, up)


def _only(said: Mapping[str, Sequence[float]], what: str, usual: int) -> int | None:
    """The number that a setting has for both sides; None where it has several."""
    keys = (what, f"{what}_size", f"{what}_h", f"{what}_w")
    found = {int(number) for key in keys for number in said.get(key, ())}
    return next(iter(found), usual) if len(found) < 2 else None


def _lrn(said: Mapping[str, Sequence[float]]) -> str:
    """The word of response normalisation, with the constants that are not Krizhevsky's."""
    size, k, alpha, beta = (said.get(n, [usual])[-1] for n, usual in LRN_DEFAULTS.items())
    return lrn_word(size, k, alpha, beta)


def tensors_of(net: KnownGraph, layers: Sequence[CaffeLayer]) -> dict[str, np.ndarray]:
    """The tensors of a net under our names; FormatError, by the file's names, for a misfit."""
    return filled(
        net,
        lambda place, row: _filters(layers[place], row),
        lambda places: _norm([layers[place] for place in places]),
        lambda place: layers[place].text.name,
    )


def tensors_of_ours(table: Table, layers: Sequence[CaffeLayer]) -> dict[str, np.ndarray]:
    """The tensors of a file of our own writing, whose layers have the names of its table's rows."""
    named = {layer.text.name: layer for layer in layers}
    tensors: dict[str, np.ndarray] = {}
    for row in table.rows:
        layer, scale = named.get(row.name), named.get(f"{row.name}{SCALE}")
        if isinstance(row, Conv) and layer is not None:
            weight, bias = _filters(layer, row)
            parts = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
        elif isinstance(row, BatchNorm) and layer is not None and scale is not None:
            words = ("weight", "bias", "running_mean", "running_var")
            blobs = (*scale.blobs[:2], *layer.blobs[:2])
            parts = {k: blob.reshape(-1) for k, blob in zip(words, blobs, strict=False)}
        else:
            continue
        tensors |= {f"{row.name}.{kind}": values for kind, values in parts.items()}
    return tensors


def _filters(layer: CaffeLayer, row: Conv) -> tuple[np.ndarray, np.ndarray | None]:
    """A layer's filters [O, I, h, w] and its biases, if it has any."""
    if len(layer.blobs) not in (1, 2):
        raise FormatError(f"layer {quoted(layer.text.name)} has {len(layer.blobs)} blobs")
    weight, *biases = layer.blobs
    if isinstance(row, FC):
        count = weight.shape[-2] if weight.ndim > 1 else len(weight)
        whole = weight.size % (count * row.kernel**2) == 0
        weight = weight.reshape(count, -1, *((row.kernel,) * 2 if whole else (1, 1)))
    return weight, biases[0].reshape(-1) if biases else None


def _norm(layers: Sequence[CaffeLayer]) -> dict[str, np.ndarray]:
    """A norm's tensors of its one or two layers."""
    name = layers[0].text.name
    if len(layers[0].blobs) != 3 or layers[0].blobs[2].size != 1:
        raise FormatError(f"layer {quoted(name)} has not a norm's mean, variance and factor")
    mean, variance, factor = (blob.reshape(-1).astype(np.float64) for blob in layers[0].blobs)
    gain = 1 / factor[0] if factor[0] else 0.0
    with np.errstate(all="ignore"):
        mean, variance = as_float32(mean * gain), as_float32(variance * gain)
    epsilon = layers[0].text.settings.get("eps", [EPSILON])[-1]
    parts: dict[str, np.ndarray] = {
        "weight": np.ones(mean.size, np.float32), "bias": np.zeros(mean.size, np.float32),
        "running_mean": mean, "running_var": of_our_epsilon(variance, epsilon, quoted(name)),
    }  # fmt: skip
    for scale in layers[1:]:
        parts |= {
            k: blob.reshape(-1) for k, blob in zip(("weight", "bias"), scale.blobs, strict=False)
        }
    return parts
