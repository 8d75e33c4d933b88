"""Caffe's files of weights (`.caffemodel`) -> `Parameters`; the authors' own nets are such files.

A file names its layers and holds no pixels: without a prototxt that says otherwise they are the
authors', BGR from 0 to 255 less the mean of ILSVRC.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from verydeep.formats.protobuf import open_content
from verydeep.importers import caffe_graph
from verydeep.importers import prototxt as prototxts
from verydeep.importers.caffe_layers import LayerText, Step, followed
from verydeep.importers.caffe_message import CaffeLayer, is_caffe, read_net
from verydeep.importers.known_graphs import KnownGraph
from verydeep.importers.layer_names import ends_with_pooling
from verydeep.importers.layer_shapes import Layer, tensors_of
from verydeep.importers.parameters import ALL_GUESSED, AUTHORS, SCALE, Parameters
from verydeep.importers.prototxt import NetText
from verydeep.limits import FormatError, quoted, reading
from verydeep.nets.table import Table
from verydeep.pictures.preprocessing import Pixels
from verydeep.weights import metadata

__all__ = ["is_caffe", "read"]

OTHER_TEXT = "give the prototxt of these weights"
UNNAMED_OF_OTHERS = (
    "the file does not name its classes; those of published nets are the sorted synsets"
)
UNNAMED = "the file does not name its classes; those of the authors' nets are the sorted synsets"


def read(path: Path | str, prototxt: Path | str | None = None) -> Parameters:
    """Parameters of a `.caffemodel`; with a prototxt, layers are held against it.

    Each layer is named by its place in the net, whatever the file calls it. The prototxt also says
    the pictures' side, which must be what fc6 needs, and the pixels where it has a
    `transform_param`. Tensors are views of the file wherever it keeps four-byte floats in one
    piece. Raises UserError where the file is damaged or is no net of Table 1.
    """
    path = Path(path)
    with reading(path, "a caffemodel"):
        layers, own = read_net(open_content(path))
        said = metadata.from_text(own) if own else metadata.Metadata(AUTHORS)
        if said.table is not None:
            return _of_ours(layers, said, said.table, prototxt)
        try:
            steps = _placed(layers)
        except FormatError:
            if net := caffe_graph.net_of([x.text for x in layers]):
                return _of_known(layers, net, prototxt)
            raise
        tensors = tensors_of([_layer(s.name, layers[s.place]) for s in steps if s.name])
    pixels, told = said.pixels, bool(own)
    notes = [] if own else [UNNAMED]
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
    return Parameters(
        "caffe", tensors, pixels, said.classes, tuple(notes), None, _has_lrn(steps), guessed,
        pooled=ends_with_pooling([step.kind for step in steps]),
    )  # fmt: skip


def _of_ours(
    layers: Sequence[CaffeLayer], said: metadata.Metadata, table: Table, prototxt: Path | str | None
) -> Parameters:
    """Parameters of a file of our own writing; with a prototxt, layers are held against it."""
    notes, pixels = list[str](), said.pixels
    if prototxt is not None:
        description = prototxts.read(Path(prototxt))
        with reading(Path(prototxt), "the prototxt of these weights"):
            _check_text_of_ours(description, layers)
            if description.crop not in (None, table.crop):
                raise FormatError(
                    f"its pictures are of {description.crop}, those of the weights of {table.crop}",
                    OTHER_TEXT,
                )
        if description.crop:
            notes.append(_of_crop(table.crop))
        if description.mean is not None:
            pixels = _pixels(description, pixels)
    tensors = caffe_graph.tensors_of_ours(table, layers)
    return Parameters("caffe", tensors, pixels, said.classes, tuple(notes), table)


def _of_known(
    layers: Sequence[CaffeLayer], net: KnownGraph, prototxt: Path | str | None
) -> Parameters:
    """Parameters of one of the nets beside VGG; with a prototxt, layers are held against it."""
    notes, pixels, told = [UNNAMED_OF_OTHERS, *net.notes], AUTHORS, False
    if prototxt is not None:
        description = prototxts.read(Path(prototxt))
        with reading(Path(prototxt), "the prototxt of these weights"):
            weighted = [layers[place] for of_row in net.layers for place in of_row]
            texts = _texts(description, weighted)
            said = caffe_graph.net_of(texts, description.crop)
            if said is None or said.table.words != net.table.words:
                raise FormatError("it is of another net than the weights", OTHER_TEXT)
            if description.crop:
                notes.append(_of_crop(description.crop))
        net = replace(net, table=said.table)
        pixels, told = _pixels(description, pixels), _tells_pixels(description)
        notes += _of_mean(description)
    tensors = caffe_graph.tensors_of(net, layers)
    guessed = (SCALE,) if told else ALL_GUESSED
    return Parameters("caffe", tensors, pixels, None, tuple(notes), net.table, guessed=guessed)


def _placed(layers: Sequence[CaffeLayer]) -> list[Step]:
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


def _has_lrn(steps: Sequence[Step]) -> bool:
    return any(step.kind == "lrn" for step in steps)


def _layer(name: str, layer: CaffeLayer) -> Layer:
    weight, *biases = layer.blobs
    if layer.text.type == "innerproduct":
        weight = weight.reshape(weight.shape[-2:] if weight.ndim > 1 else weight.shape)
        if weight.size != layer.blobs[0].size or weight.ndim != 2:
            raise FormatError(f"{name} has a shape of {list(layer.blobs[0].shape)}")
    if any(bias.shape[-1] != bias.size for bias in biases):
        raise FormatError(f"{name} has a bias of the shape {list(biases[0].shape)}")
    return Layer(name, weight, biases[0].reshape(-1) if biases else None)


def _tells_pixels(description: NetText) -> bool:
    """Whether a text says what is subtracted from pictures, if anything."""
    if description.mean is not None:
        return True
    return description.gain is not None and not description.has_mean_file


def _pixels(description: NetText, pixels: Pixels) -> Pixels:
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


def _of_mean(description: NetText) -> list[str]:
    """A note where the mean is not the prototxt's."""
    if description.mean is not None:
        return []
    if description.has_mean_file:
        return ["the prototxt's mean_file is another file; the mean is the authors'"]
    if description.gain is None:
        return ["the prototxt names no mean_value; the mean is the authors'"]
    return ["the prototxt names a scale and no mean_value; nothing is subtracted"]


def _check_text(description: NetText, layers: Sequence[CaffeLayer], steps: Sequence[Step]) -> None:
    """Raises FormatError where the text and the weights are of two nets."""
    weighted = {layers[step.place].text.name: layers[step.place] for step in steps if step.name}
    texts = _texts(description, [*weighted.values()])
    read = followed(texts)
    if [texts[step.place].name for step in read if step.name] != list(weighted):
        raise FormatError("its layers with weights are in another order, or are others", OTHER_TEXT)
    if _has_lrn(read) != _has_lrn(steps):
        raise FormatError("of it and the weights' file, one has response normalisation", OTHER_TEXT)


def _check_text_of_ours(description: NetText, layers: Sequence[CaffeLayer]) -> None:
    """Raises FormatError where a text says of a layer otherwise than a file of ours does."""
    texts = {text.name: text for text in _texts(description, layers)}
    for layer in layers:
        ours, theirs = layer.text, texts[layer.text.name]
        for name, values in ours.settings.items():
            said = theirs.settings.get(name, [])
            if not np.array_equal(np.array(values, np.float32), np.array(said, np.float32)):
                raise FormatError(
                    f"its layer {quoted(ours.name)} has another {name} than the weights' file",
                    OTHER_TEXT,
                )
        if [*ours.bottoms] != [*theirs.bottoms]:
            raise FormatError(f"its layer {quoted(ours.name)} reads other layers", OTHER_TEXT)


def _texts(description: NetText, weighted: Sequence[CaffeLayer]) -> list[LayerText]:
    """The layers of a text with the shapes of the weights; FormatError where it is of others."""
    text_of = {text.name: text for text in description.layers}
    for layer in weighted:
        name = layer.text.name
        text = text_of.get(name)
        if text is None:
            has = ", which has weights" if layer.blobs else ""
            raise FormatError(f"it has no layer {quoted(name)}{has}", OTHER_TEXT)
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
    return [text_of[text.name] for text in description.layers]


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
    return [_of_crop(crop)]


def _of_crop(crop: int) -> str:
    return f"pictures are {crop} x {crop}, as the prototxt says"
