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
from verydeep.formats.protobuf import (
    DOUBLE,
    FLOAT,
    FOUR_BYTES,
    NUMBER,
    SLICE,
    Budget,
    Field,
    fields,
    looks_like,
    open_content,
)
from verydeep.importers import prototxt as prototxts
from verydeep.importers.caffe_layers import LayerText, Step, followed, normal_type
from verydeep.importers.layer_names import REMEDY
from verydeep.importers.layer_shapes import Layer, assembled, tensors_of
from verydeep.importers.parameters import ALL_GUESSED, AUTHORS, SCALE, Parameters
from verydeep.importers.prototxt import Description
from verydeep.limits import FormatError, quoted, reading
from verydeep.pictures.preprocessing import Pixels
from verydeep.weights import metadata

OURS = 10_000
"""A field number of the whole net that Caffe has no use for: what our own files say there."""

_OLD_TYPES = {
    1: "ACCURACY", 4: "CONVOLUTION", 5: "DATA", 6: "DROPOUT", 8: "FLATTEN", 9: "HDF5_DATA",
    12: "IMAGE_DATA", 14: "INNER_PRODUCT", 15: "LRN", 17: "POOLING", 18: "RELU", 19: "SIGMOID",
    20: "SOFTMAX", 21: "SOFTMAX_LOSS", 22: "SPLIT", 23: "TANH", 24: "WINDOW_DATA",
    29: "MEMORY_DATA", 30: "ARGMAX", 32: "DUMMY_DATA", 36: "SILENCE",
}  # fmt: skip
_CONVOLUTION = {
    3: "pad", 4: "kernel_size", 5: "group", 6: "stride", 9: "pad_h", 10: "pad_w", 11: "kernel_h",
    12: "kernel_w", 13: "stride_h", 14: "stride_w", 18: "dilation",
}  # fmt: skip
_POOLING = {
    1: "pool", 2: "kernel_size", 3: "stride", 4: "pad", 5: "kernel_h", 6: "kernel_w", 7: "stride_h",
    8: "stride_w", 9: "pad_h", 10: "pad_w", 12: "global_pooling",
}  # fmt: skip
_LRN = {1: "local_size", 2: "alpha", 3: "beta", 4: "norm_region", 5: "k"}
_RELU = {1: "negative_slope"}
_PRODUCT = {5: "axis", 6: "transpose"}
MOST_LAYERS, MOST_BLOBS, MOST_PIECES = 1000, 8, 64
OTHER_TEXT = "give the prototxt of these weights"


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
        10: _CONVOLUTION, 17: _PRODUCT, 18: _LRN, 19: _POOLING, 30: _RELU,
    }),
    100: _Encoding(name=1, type=2, bottoms=3, tops=4, blobs=7, settings={
        106: _CONVOLUTION, 117: _PRODUCT, 118: _LRN, 121: _POOLING, 123: _RELU,
    }),
}  # fmt: skip


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
    except (FormatError, UserError):
        return False
    return False


def read(path: Path | str, prototxt: Path | str | None = None) -> Parameters:
    """Parameters of a `.caffemodel`; with a prototxt, layers are held against it.

    Each layer is named by its place in the net, whatever the file calls it. The prototxt also says
    the pictures' side, which must be what fc6 needs, and the pixels where it has a
    `transform_param`. Tensors are views of the file wherever it keeps four-byte floats in one
    piece. Raises UserError where the file is damaged or is no net of Table 1.
    """
    path = Path(path)
    with reading(path, "a caffemodel"):
        layers, own = _read_net(open_content(path))
        said = metadata.from_text(own) if own else metadata.Metadata(AUTHORS)
        steps = _placed(layers) if said.table is None else _named(layers)
        tensors = tensors_of([_layer(s.name, layers[s.place]) for s in steps if s.name])
    pixels, told = said.pixels, bool(own)
    notes = (
        []
        if own
        else [
            "the file does not name its classes; those of the authors' nets are the sorted synsets",
        ]
    )
    if prototxt is not None:
        description = prototxts.read(Path(prototxt))
        with reading(Path(prototxt), "the prototxt of these weights"):
            _check_text(description, layers, steps)
            notes += _check_crop(description.crop, tensors)
        if not own or description.mean is not None:
            pixels = _pixels(description, pixels)
            notes += _of_mean(description)
        told = told or _tells_pixels(description)
    guessed = () if own else (SCALE,) if told else ALL_GUESSED
    found = None if said.table else _has_lrn(steps)
    return Parameters(
        "caffe", tensors, pixels, said.classes, tuple(notes), said.table, found, guessed
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
            raise FormatError(f"it has over {MOST_LAYERS} layers", REMEDY)
    if not layers:
        raise FormatError("it has no layers", "is it a solver's state or a mean?")
    return layers, own


def _read_layer(field: Field, encoding: _Encoding) -> _Layer:
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
    return _Layer(LayerText(name, kind, settings, bottoms, tops, shape), tuple(blobs))


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


def _placed(layers: Sequence[_Layer]) -> list[Step]:
    """The layers that a picture goes through; those with weights have one or two blobs each."""
    steps = followed([layer.text for layer in layers])
    for step in steps:
        layer = layers[step.place]
        if len(layer.blobs) not in ((1, 2) if step.name else (0,)):
            raise FormatError(
                f"layer {quoted(layer.text.name)} of type {quoted(layer.text.type)} has "
                f"{len(layer.blobs)} blobs"
            )
    return steps


def _named(layers: Sequence[_Layer]) -> list[Step]:
    """The layers of a file of ours, which names its table, under the names that they have."""
    return [
        Step(i, layer.text.type, layer.text.name if layer.blobs else "")
        for i, layer in enumerate(layers)
    ]


def _has_lrn(steps: Sequence[Step]) -> bool:
    return any(step.kind == "lrn" for step in steps)


def _layer(name: str, layer: _Layer) -> Layer:
    weight, *biases = layer.blobs
    if layer.text.type == "innerproduct":
        weight = weight.reshape(weight.shape[-2:] if weight.ndim > 1 else weight.shape)
        if weight.size != layer.blobs[0].size or weight.ndim != 2:
            raise FormatError(f"{name} has a shape of {list(layer.blobs[0].shape)}")
    if any(bias.shape[-1] != bias.size for bias in biases):
        raise FormatError(f"{name} has a bias of the shape {list(biases[0].shape)}")
    return Layer(name, weight, biases[0].reshape(-1) if biases else None)


def _tells_pixels(description: Description) -> bool:
    """Whether a text says what is subtracted from pictures, if anything."""
    if description.mean is not None:
        return True
    return description.gain is not None and not description.has_mean_file


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


def _check_text(description: Description, layers: Sequence[_Layer], steps: Sequence[Step]) -> None:
    """Raises FormatError or FormatError where the text and the weights are of two nets."""
    text_of = {text.name: text for text in description.layers}
    weighted = {layers[step.place].text.name: step for step in steps if step.name}
    for name, step in weighted.items():
        layer, text = layers[step.place], text_of.get(name)
        if text is None:
            raise FormatError(f"it has no layer {quoted(name)}, which has weights", OTHER_TEXT)
        if text.type != layer.text.type:
            raise FormatError(
                f"its layer {quoted(name)} is {quoted(text.type)}, not {layer.text.type}",
                OTHER_TEXT,
            )
        for said in text.settings.get("num_output", ()):
            if len(layer.blobs) == 2 and said != layer.blobs[1].size:
                raise FormatError(
                    f"its layer {quoted(name)} has {said:g} outputs, not {layer.blobs[1].size}",
                    OTHER_TEXT,
                )
        text_of[name] = replace(text, shape=layer.text.shape)
    texts = [text_of[text.name] for text in description.layers]
    read = followed(texts)
    if [texts[step.place].name for step in read if step.name] != list(weighted):
        raise FormatError("its layers with weights are in another order, or are others", OTHER_TEXT)
    if _has_lrn(read) != _has_lrn(steps):
        raise FormatError("of it and the weights' file, one has response normalisation", OTHER_TEXT)


def _check_crop(crop: int | None, tensors: dict[str, np.ndarray]) -> list[str]:
    """A note of the pictures' side, which must leave fc6 what it needs."""
    sides = [(k, v.shape[2]) for k, v in tensors.items() if re.fullmatch(r"fc\d+\.weight", k)]
    if crop is None or not sides:
        return []
    (name, side), *_ = sides
    pools = int(name[2:-7]) - 1
    if crop >> pools != side:
        raise FormatError(
            f"its pictures of {crop} x {crop} leave {crop >> pools} positions a side, not the "
            f"{side} of {name}",
            OTHER_TEXT,
        )
    return [f"pictures are {crop} x {crop}, as the prototxt says"]
