"""Caffe's files of weights (`.caffemodel`), read and written; the authors' own nets are such files.

In comes a file in either encoding, `layers` of the years of the paper or `layer` since; out go
`Parameters`. A file names its layers and holds no pixels: without a prototxt that says otherwise
they are the authors', BGR from 0 to 255 less the mean of ILSVRC. Field numbers are those of
Caffe's `caffe.proto`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from verydeep.errors import UserError
from verydeep.preprocessing import Pixels
from verydeep.weights.foreign import about, prototxt
from verydeep.weights.foreign.caffe_export import OURS, write, write_prototxt
from verydeep.weights.foreign.chain import NAME, Layer, assembled, tensors_of
from verydeep.weights.foreign.parameters import (
    ALL_GUESSED,
    AUTHORS,
    OTHER_LRN,
    SCALE,
    Parameters,
    is_lrn_of_ours,
)
from verydeep.weights.foreign.prototxt import Description, LayerText, check_window, normal_type
from verydeep.weights.foreign.wire import (
    DOUBLE,
    FLOAT,
    NUMBER,
    SLICE,
    Budget,
    Field,
    MalformedError,
    fields,
    looks_like,
    naming,
    open_content,
    shown,
)

__all__ = ["is_caffe", "read", "write", "write_prototxt"]

_OLD_TYPES = {
    4: "CONVOLUTION", 6: "DROPOUT", 14: "INNER_PRODUCT", 15: "LRN", 17: "POOLING", 18: "RELU",
    20: "SOFTMAX",
}  # fmt: skip
_CONVOLUTION = {
    3: "pad", 4: "kernel_size", 5: "group", 6: "stride", 9: "pad_h", 10: "pad_w", 11: "kernel_h",
    12: "kernel_w", 13: "stride_h", 14: "stride_w", 18: "dilation",
}  # fmt: skip
_POOLING = {
    1: "pool", 2: "kernel_size", 3: "stride", 4: "pad", 5: "kernel_h", 6: "kernel_w", 7: "stride_h",
    8: "stride_w", 9: "pad_h", 10: "pad_w",
}  # fmt: skip
MOST_LAYERS, MOST_BLOBS, MOST_PIECES = 1000, 8, 64


@dataclass(frozen=True)
class _Encoding:
    """Field numbers of a layer."""

    field: int
    name: int
    type: int
    blobs: int
    convolution: int
    pooling: int
    lrn: int


_ENCODINGS = {
    2: _Encoding(2, name=4, type=5, blobs=6, convolution=10, pooling=19, lrn=18),
    100: _Encoding(100, name=1, type=2, blobs=7, convolution=106, pooling=121, lrn=118),
}


@dataclass(frozen=True)
class _Layer:
    text: LayerText
    blobs: tuple[np.ndarray, ...]


def is_caffe(path: Path | str) -> bool:
    """Whether a file's content is Caffe's, whatever its name; reads a few KB."""
    known = {1: SLICE, 2: SLICE, 3: SLICE, 4: NUMBER, 5: NUMBER, 6: SLICE, 7: NUMBER, 8: SLICE}
    try:
        for i, field in enumerate(fields(open_content(Path(path)), Budget(), cut=True)):
            if field.number == 2 and field.kind == SLICE:
                return looks_like(field, {1: SLICE, 2: SLICE, 3: SLICE, 4: SLICE, 5: NUMBER}, 4)
            if field.number == 100 and field.kind == SLICE:
                return looks_like(field, {1: SLICE, 2: SLICE, 3: SLICE, 4: SLICE, 5: SLICE}, 2)
            if known.get(field.number) != field.kind or i > 64:
                return False
    except (MalformedError, UserError):
        return False
    return False


def read(path: Path | str, prototxt: Path | str | None = None) -> Parameters:
    """Parameters of a `.caffemodel`; with a prototxt, layers are held against it.

    The prototxt also says the pictures' side, which must be what fc6 needs, and the pixels where
    it has a `transform_param`. Tensors are views of the file wherever it keeps four-byte floats in
    one piece. Raises UserError where the file is damaged or is no net of Table 1.
    """
    path = Path(path)
    with naming(path, "a caffemodel"):
        layers, own = _read_net(open_content(path))
        tensors = tensors_of(_weighted(layers))
        said = about.from_text(own) if own else about.About(AUTHORS)
        lrn = None if said.table else _has_lrn(layers)
    pixels, told = said.pixels, bool(own)
    notes = (
        []
        if own
        else [
            "the file does not name its classes; those of the authors' nets are the sorted synsets",
        ]
    )
    if prototxt is not None:
        pixels, told, more = _with_prototxt(Path(prototxt), layers, tensors, pixels, bool(own))
        notes += more
    guessed = () if own else (SCALE,) if told else ALL_GUESSED
    return Parameters(
        "caffe", tensors, pixels, said.classes, tuple(notes), said.table, lrn, guessed
    )


def _read_net(content: memoryview) -> tuple[list[_Layer], str]:
    """All layers, and what the file says of itself if it is ours."""
    layers, own = [], ""
    for field in fields(content, Budget()):
        if field.number in _ENCODINGS:
            layers.append(_read_layer(field, _ENCODINGS[field.number]))
        elif field.number == OURS:
            own = field.text()
        if len(layers) > MOST_LAYERS:
            raise MalformedError(f"it has over {MOST_LAYERS} layers; only nets of Table 1 are read")
    if not layers:
        raise MalformedError("it has no layers; is it a solver's state or a mean?")
    return layers, own


def _read_layer(field: Field, encoding: _Encoding) -> _Layer:
    name, kind, settings, blobs = "", "", None, []
    for part in field.fields():
        if part.number == encoding.name:
            name = part.text()
        elif part.number == encoding.type:
            kind = _type(part)
        elif part.number == encoding.blobs:
            blobs.append(_read_blob(part, name))
        elif part.number in (encoding.convolution, encoding.pooling):
            names = _CONVOLUTION if part.number == encoding.convolution else _POOLING
            settings = _settings(part, names)
        elif part.number == encoding.lrn:
            settings = _lrn_settings(part)
        elif part.number == 1 and encoding.field == 2:
            raise MalformedError(
                "its layers are in Caffe's very first encoding; upgrade_net_proto_binary of Caffe "
                "makes a later one of it"
            )
        if len(blobs) > MOST_BLOBS:
            raise MalformedError(f"layer {shown(name)} has over {MOST_BLOBS} blobs")
    return _Layer(LayerText(name, kind, settings), tuple(blobs))


def _type(field: Field) -> str:
    """A layer's type, which is a number in the first encoding and a text in the later."""
    if field.kind == NUMBER:
        return normal_type(_OLD_TYPES.get(field.integer(), f"type {field.integer()}"))
    return normal_type(field.text())


def _settings(field: Field, names: dict[int, str]) -> dict[str, list[float]]:
    """Numbers by Caffe's names, those that were asked for."""
    settings: dict[str, list[float]] = {}
    for part in field.fields():
        if part.number in names:
            settings.setdefault(names[part.number], []).extend(part.integers())
    return settings


def _lrn_settings(field: Field) -> dict[str, list[float]]:
    """Numbers of a response normalisation by Caffe's names."""
    settings: dict[str, list[float]] = {}
    for part in field.fields():
        if part.number in (1, 4):
            settings["local_size" if part.number == 1 else "norm_region"] = [*part.integers()]
        elif part.number in (2, 3, 5):
            name = {2: "alpha", 3: "beta", 5: "k"}[part.number]
            settings[name] = part.floats(FLOAT).tolist()
    return settings


def _has_lrn(layers: Sequence[_Layer]) -> bool:
    """Whether A-LRN's response normalisation follows conv1_1's ReLU; refuses any other.

    `alpha` is divided by `local_size` here too, and `k` is 1 where nothing is said of it.
    """
    kinds = [layer.text.type for layer in layers]
    if "lrn" not in kinds:
        return False
    place = kinds.index("lrn")
    said = {k: values[-1] for k, values in (layers[place].text.settings or {}).items() if values}
    constants = (said.get(*each) for each in _LRN_DEFAULTS.items())
    before = layers[place - 2] if kinds[max(place - 2, 0) : place] == _BEFORE_LRN else None
    if (
        kinds.count("lrn") > 1
        or before is None
        or before.text.name != "conv1_1"
        or said.get("norm_region")  # within a channel
        or not is_lrn_of_ours(*constants)
    ):
        raise MalformedError(OTHER_LRN)
    return True


_LRN_DEFAULTS = {"local_size": 5.0, "k": 1.0, "alpha": 1.0, "beta": 0.75}
_BEFORE_LRN = ["convolution", "relu"]


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
            raise MalformedError(f"a blob of layer {shown(layer)} is in over {MOST_PIECES} pieces")
    if old:
        shape = [old.get(i, 0) for i in (1, 2, 3, 4)]
    return assembled(f"a blob of layer {shown(layer)}", shape, doubles or floats)


def _weighted(layers: Sequence[_Layer]) -> list[Layer]:
    """The layers with weights, under their names; the last may be called as it likes."""
    with_blobs = [layer for layer in layers if layer.blobs]
    found: list[Layer] = []
    for layer in with_blobs:
        name, kind = layer.text.name, layer.text.type
        if kind not in ("convolution", "innerproduct") or len(layer.blobs) != 2:
            raise MalformedError(
                f"layer {shown(name)} of type {shown(kind)} has {len(layer.blobs)} blobs; "
                f"only convolutions and inner products, with two each, are read"
            )
        if layer is with_blobs[-1] and not NAME.fullmatch(name) and found:
            before = re.fullmatch(r"fc(\d+)", found[-1].name)
            name = f"fc{int(before[1]) + 1}" if before else name  # fc8_cats of a net trained on
        if not NAME.fullmatch(name):
            raise MalformedError(
                f"layer {shown(name)} has weights, and only nets of Table 1 are read, whose layers "
                f"are conv1_1 ... fc8"
            )
        found.append(_layer(name, layer))
    for layer in layers:
        check_window(layer.text, _shape(layer))
    return found


def _shape(layer: _Layer) -> tuple[int, ...]:
    return layer.blobs[0].shape if layer.blobs else ()


def _layer(name: str, layer: _Layer) -> Layer:
    weight, bias = layer.blobs
    if layer.text.type == "innerproduct":
        weight = weight.reshape(weight.shape[-2:] if weight.ndim > 1 else weight.shape)
        if weight.size != layer.blobs[0].size or weight.ndim != 2:
            raise MalformedError(f"{name} has a shape of {list(layer.blobs[0].shape)}")
    if bias.shape[-1] != bias.size:
        raise MalformedError(f"{name} has a bias of the shape {list(bias.shape)}")
    return Layer(name, weight, bias.reshape(-1))


def _with_prototxt(
    path: Path,
    layers: Sequence[_Layer],
    tensors: dict[str, np.ndarray],
    pixels: Pixels,
    ours: bool,
) -> tuple[Pixels, bool, list[str]]:
    """Pixels as the text has them, whether it tells all of them, and notes.

    Raises MalformedError where text and weights are of two nets.
    """
    description = prototxt.read(path)
    texts = {text.name: text for text in description.layers}
    with naming(path, "the prototxt of these weights"):
        for layer in layers:
            if layer.blobs:
                _check_text(texts.get(layer.text.name), layer)
        described = any(text.type == "lrn" for text in description.layers)
        if described != any(layer.text.type == "lrn" for layer in layers):
            raise MalformedError("of it and the weights' file, one has response normalisation")
        notes = _check_crop(description.crop, tensors)
    if ours and description.mean is None:
        return pixels, True, notes
    told = description.mean is not None or (
        description.gain is not None and not description.has_mean_file
    )
    return _pixels(description, pixels), told, [*notes, *_of_mean(description)]


def _pixels(description: Description, pixels: Pixels) -> Pixels:
    """Pixels as the text has them, of 0-255; where it says nothing of them, those that are given.

    A scale without a mean is of values that nothing is subtracted from. A mean in another file is
    not read: the one that is given stays.
    """
    mean, gain = description.mean, description.gain
    if mean is None and gain is None:
        return pixels
    if mean is None:
        mean = pixels.mean if description.has_mean_file else (0.0, 0.0, 0.0)
    std = 1 / (gain or 1.0)
    return replace(pixels, mean=mean, std=(std, std, std), maximum=255)


def _of_mean(description: Description) -> list[str]:
    """A note where the mean is not the prototxt's."""
    if description.mean is not None:
        return []
    if description.has_mean_file:
        return ["the prototxt's mean_file is another file; the mean is the authors'"]
    if description.gain is None:
        return ["the prototxt names no mean_value; the mean is the authors'"]
    return ["the prototxt names a scale and no mean_value; nothing is subtracted"]


def _check_text(text: LayerText | None, layer: _Layer) -> None:
    name = shown(layer.text.name)
    if text is None:
        raise MalformedError(f"it has no layer {name}, which has weights")
    if text.type != layer.text.type:
        raise MalformedError(f"its layer {name} is {shown(text.type)}, not {layer.text.type}")
    if text.outputs not in (None, layer.blobs[1].size):
        raise MalformedError(
            f"its layer {name} has {text.outputs} outputs, not {layer.blobs[1].size}"
        )
    check_window(text, _shape(layer))


def _check_crop(crop: int | None, tensors: dict[str, np.ndarray]) -> list[str]:
    """A note of the pictures' side, which must leave fc6 what it needs."""
    sides = [(k, v.shape[2]) for k, v in tensors.items() if re.fullmatch(r"fc\d+\.weight", k)]
    if crop is None or not sides:
        return []
    (name, side), *_ = sides
    pools = int(name[2:-7]) - 1
    if crop >> pools != side:
        raise MalformedError(
            f"its pictures of {crop} x {crop} leave {crop >> pools} positions a side, not the "
            f"{side} of {name}"
        )
    return [f"pictures are {crop} x {crop}, as the prototxt says"]
