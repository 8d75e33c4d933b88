"""The messages of a `.caffemodel`: bytes in, layers with their settings and arrays out.

Both encodings are read, `layers` of the years of the paper and `layer` since. Field numbers are
those of Caffe's `caffe.proto`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from verydeep.formats.protobuf import (
    DOUBLE,
    FLOAT,
    FOUR_BYTES,
    NUMBER,
    SLICE,
    Beginning,
    Budget,
    Field,
    begins_like,
    fields,
)
from verydeep.importers.caffe_layers import LayerText, normal_type
from verydeep.importers.layer_names import REMEDY
from verydeep.importers.layer_shapes import assembled
from verydeep.limits import FormatError, quoted

OURS = 10_000
"""A field number of the whole net that Caffe has no use for: what our own files say there."""

_OLD_TYPES = {
    1: "ACCURACY", 3: "CONCAT", 4: "CONVOLUTION", 5: "DATA", 6: "DROPOUT", 8: "FLATTEN",
    9: "HDF5_DATA", 12: "IMAGE_DATA", 14: "INNER_PRODUCT", 15: "LRN", 17: "POOLING", 18: "RELU",
    19: "SIGMOID", 20: "SOFTMAX", 21: "SOFTMAX_LOSS", 22: "SPLIT", 23: "TANH",
    24: "WINDOW_DATA", 25: "ELTWISE", 29: "MEMORY_DATA", 30: "ARGMAX", 32: "DUMMY_DATA",
    36: "SILENCE",
}  # fmt: skip
_CONVOLUTION = {
    3: "pad", 4: "kernel_size", 5: "group", 6: "stride", 9: "pad_h", 10: "pad_w", 11: "kernel_h",
    12: "kernel_w", 13: "stride_h", 14: "stride_w", 18: "dilation",
}  # fmt: skip
_POOLING = {
    1: "pool", 2: "kernel_size", 3: "stride", 4: "pad", 5: "kernel_h", 6: "kernel_w", 7: "stride_h",
    8: "stride_w", 9: "pad_h", 10: "pad_w", 12: "global_pooling", 13: "round_mode",
}  # fmt: skip
_LRN = {1: "local_size", 2: "alpha", 3: "beta", 4: "norm_region", 5: "k"}
_RELU = {1: "negative_slope"}
_PRODUCT = {5: "axis", 6: "transpose"}
_CONCAT, _ELTWISE = {1: "concat_dim", 2: "axis"}, {1: "operation", 2: "coeff"}
_NORM = {3: "eps"}
MOST_LAYERS, MOST_BLOBS, MOST_PIECES = 1000, 8, 64


@dataclass(frozen=True)
class _Encoding:
    """Field numbers of a layer, and the names of those of its settings."""

    name: int
    type: int
    bottoms: int
    tops: int
    blobs: int
    settings: dict[int, dict[int, str]]


_ENCODINGS = {
    2: _Encoding(name=4, type=5, bottoms=2, tops=3, blobs=6, settings={
        9: _CONCAT, 10: _CONVOLUTION, 17: _PRODUCT, 18: _LRN, 19: _POOLING, 24: _ELTWISE,
        30: _RELU,
    }),
    100: _Encoding(name=1, type=2, bottoms=3, tops=4, blobs=7, settings={
        104: _CONCAT, 106: _CONVOLUTION, 110: _ELTWISE, 117: _PRODUCT, 118: _LRN, 121: _POOLING,
        123: _RELU, 139: _NORM,
    }),
}  # fmt: skip


@dataclass(frozen=True)
class CaffeLayer:
    """A layer of a file: what it says of itself, and its arrays."""

    text: LayerText
    blobs: tuple[np.ndarray, ...]


_NET = Beginning(
    {1: SLICE, 2: SLICE, 3: SLICE, 4: NUMBER, 5: NUMBER, 6: SLICE, 7: NUMBER, 8: SLICE}, needed=2
)
_LAYERS = {
    2: Beginning({1: SLICE, 2: SLICE, 3: SLICE, 4: SLICE, 5: NUMBER}, needed=4),
    100: Beginning({1: SLICE, 2: SLICE, 3: SLICE, 4: SLICE, 5: SLICE}, needed=2),
}


def is_caffe(path: Path | str) -> bool:
    """Whether a file's content is Caffe's, whatever its name; reads a few KB."""
    return begins_like(Path(path), _NET, _LAYERS)


def read_net(content: memoryview) -> tuple[list[CaffeLayer], str]:
    """All layers, and what the file says of itself if it is ours."""
    layers, own = [], ""
    for field in fields(content, Budget()):
        if field.number in _ENCODINGS:
            layers.append(_read_layer(field, _ENCODINGS[field.number]))
        elif field.number == OURS:
            own = field.text()
        if len(layers) > MOST_LAYERS:
            raise FormatError(f"it has over {MOST_LAYERS} layers", REMEDY)
    if not layers:
        raise FormatError("it has no layers", "is it a solver's state or a mean?")
    return layers, own


def _read_layer(field: Field, encoding: _Encoding) -> CaffeLayer:
    name, kind = "", ""
    settings: dict[str, list[float]] = {}
    wires: dict[int, list[str]] = {encoding.bottoms: [], encoding.tops: []}
    blobs: list[np.ndarray] = []
    for part in field.fields():
        if part.number == encoding.name:
            name = part.text()
        elif part.number == encoding.type:
            kind = _type(part)
        elif part.number in wires:
            wires[part.number].append(part.text())
        elif part.number == encoding.blobs:
            blobs.append(_read_blob(part, name))
        elif part.number in encoding.settings:
            _read_settings(part, encoding.settings[part.number], settings)
        elif part.number == 1 and encoding is _ENCODINGS[2]:
            raise FormatError(
                "its layers are in Caffe's very first encoding",
                "upgrade_net_proto_binary of Caffe makes a later one of it",
            )
        if max(len(blobs), *map(len, wires.values())) > MOST_BLOBS:
            raise FormatError(f"layer {quoted(name)} has over {MOST_BLOBS} blobs")
    shape = blobs[0].shape if blobs else ()
    bottoms, tops = wires.values()
    return CaffeLayer(LayerText(name, kind, settings, bottoms, tops, shape), tuple(blobs))


def _type(field: Field) -> str:
    """A layer's type, which is a number in the first encoding and a text in the later."""
    if field.kind == NUMBER:
        return normal_type(_OLD_TYPES.get(field.integer(), f"type {field.integer()}"))
    return normal_type(field.text())


def _read_settings(field: Field, names: dict[int, str], settings: dict[str, list[float]]) -> None:
    """Adds numbers by Caffe's names, those that are asked for."""
    for part in field.fields():
        if part.number in names:
            is_float = part.kind == FOUR_BYTES
            found = part.floats(FLOAT).tolist() if is_float else part.integers()
            settings.setdefault(names[part.number], []).extend(found)


def _read_blob(field: Field, layer: str) -> np.ndarray:
    """A blob in float32, a view where it can be one; doubles go first, as in Caffe."""
    old: dict[int, int] = {}
    shape: list[int] = []
    floats: list[np.ndarray] = []
    doubles: list[np.ndarray] = []
    for part in field.fields():
        if part.number in (1, 2, 3, 4):
            old[part.number] = part.integer()
        elif part.number == 5:
            floats.append(part.floats(FLOAT))
        elif part.number == 7:
            shape += [d for inner in part.fields() if inner.number == 1 for d in inner.integers()]
        elif part.number == 8:
            doubles.append(part.floats(DOUBLE))
        if max(len(floats), len(doubles), len(shape)) > MOST_PIECES:
            raise FormatError(f"a blob of layer {quoted(layer)} is in over {MOST_PIECES} pieces")
    if old:
        shape = [old.get(i, 0) for i in (1, 2, 3, 4)]
    return assembled(f"a blob of layer {quoted(layer)}", shape, doubles or floats)
