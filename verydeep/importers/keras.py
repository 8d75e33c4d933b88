"""Keras's `.keras` and `.h5` files of VGG nets -> `Parameters`, whole models or weights alone.

A whole model tells of its layers and is held against Table 1 by them (`keras_config.py`); a file
of weights alone has nothing but names (`keras_names.py`). Kernels are H, W, I, O; the first FC
layer's rows go through H, W, C. Pixels are BGR in 0-255 minus the mean of the authors' files, but
where a model makes its own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from verydeep.formats import hdf5, keras_archive, mat73
from verydeep.formats.hdf5 import File, Node
from verydeep.importers import keras_config
from verydeep.importers.guesses import IMAGENET_CROP, WINDOWS
from verydeep.importers.keras_arrays import Group, statistics_of, tensors_of
from verydeep.importers.keras_config import KerasLayer, Size
from verydeep.importers.keras_names import (
    EPSILON,
    NORMALIZATION,
    NOT_OURS,
    is_layer,
    places_of,
    refuse_norms_after_relus,
    refuse_other_layers,
)
from verydeep.importers.layer_names import (
    NOTHING,
    TRUNKS,
    before_head,
    ends_with_pooling,
    layer_names,
)
from verydeep.importers.other_nets import note_of_head
from verydeep.importers.parameters import ALL_GUESSED, AUTHORS, Parameters
from verydeep.importers.parameters import SCALE as S
from verydeep.limits import FormatError, quoted, reading, start_of
from verydeep.nets.table import Table
from verydeep.pictures.preprocessing import Pixels
from verydeep.weights.schema import table_of_words

FAMILY = "Keras"

MEAN, SCALE, TABLE = "verydeep_mean", "verydeep_scale", "verydeep_table"
"""Attributes of our own files: what has to be subtracted, S and the table; Keras looks at none."""

OBJECTS, DEPTH = 5000, 8
"""Most groups and datasets in a file, and how deep; a whole model of VGG19 has some 200 in 5."""

_OTHERS = {"optimizer_weights", "optimizer", "_layer_checkpoint_dependencies"}
"""Groups beside a model's own weights."""
_SEED = "seed_generator"
"""Where layers keep the state of their randomness."""

Groups = dict[tuple[str, ...], Group]
"""The datasets of each group of a file, by its path."""


def is_keras(path: Path | str) -> bool:
    """Whether a file is Keras 3's archive, or HDF5 and not MATLAB's; of the rest `read` tells."""
    start = start_of(path)
    if keras_archive.is_archive(Path(path)):
        return True
    return hdf5.signature_at(start) is not None and not mat73.is_mat73(start)


def read(path: Path | str) -> Parameters:
    """Weights of a VGG, with or without norms or its FC layers.

    Every layer that the file tells of is placed in a net of Table 1, and every weight. Arrays are
    views where they can be. Raises UserError, one line, where the file is damaged or holds no VGG.
    """
    if keras_archive.is_archive(Path(path)):
        return _of_archive(Path(path))
    with hdf5.opened(path) as file:
        root = file.node(file.root_address)
        model = root.links().get("model_weights", file.root_address)
        if "theano" in file.node(model).attribute("backend"):
            raise FormatError(
                "its kernels are mirrored, as Theano has them", "save it on TensorFlow"
            )
        groups = _groups(file, model)
        config = root.attribute("model_config")
        if config:
            layers, size = keras_config.layers_of(str(config[0]))
            held = _by_layer(groups, {layer.name for layer in layers}.__contains__)
            return _of_model(held, layers, size)
        return _of_weights(groups, root, file.node(model).attribute("layer_names"))


def _of_archive(path: Path) -> Parameters:
    """The weights in Keras 3's archive, whose groups are named by the classes of the layers."""
    with reading(path):
        archive = keras_archive.opened(path)
        layers, size = keras_config.layers_of(archive.config)
    with hdf5.opened(path, (archive.start, archive.end)) as file:
        groups = _groups(file, file.root_address)
        names = {(*layer.group, "vars"): layer.name for layer in layers}
        weights = {group: datasets for group, datasets in groups.items() if datasets}
        if odd := [group for group in weights if group not in names]:
            raise _no_place(odd[0])
        held = {names[group]: datasets for group, datasets in weights.items()}
        return _of_model(held, layers, size)


def _groups(file: File, model: int) -> Groups:
    """All groups, and the datasets right in each."""
    found: Groups = {}
    waiting: list[tuple[int, tuple[str, ...]]] = [(model, ())]
    seen = {model}
    while waiting:
        address, path = waiting.pop()
        found[path] = {}
        for name, at in file.node(address).links().items():
            if at in seen or (not path and name in _OTHERS) or name == _SEED:
                continue
            seen.add(at)
            if len(seen) > OBJECTS or len(path) > DEPTH:
                raise FormatError("it has more groups than any VGG net", NOT_OURS)
            node = file.node(at)
            if node.is_dataset:
                found[path][name.removesuffix(":0")] = node
            else:
                waiting.append((at, (*path, name)))
    return found


def _by_layer(groups: Groups, known: Callable[[str], bool]) -> dict[str, Group]:
    """The datasets of each layer: the nearest group around them whose name is a layer's."""
    found: dict[str, Group] = {}
    for path, datasets in groups.items():
        if not datasets:
            continue
        layer = next((name for name in reversed(path) if known(name)), None)
        if layer is None:
            raise _no_place(path)
        if layer in found:
            raise FormatError(f"its layer {quoted(layer)} is there twice", NOT_OURS)
        found[layer] = datasets
    return found


def _no_place(path: tuple[str, ...]) -> FormatError:
    group = quoted("/".join(path))
    return FormatError(f"its group {group} has weights, and no place in a VGG net", NOT_OURS)


def _of_model(held: dict[str, Group], layers: list[KerasLayer], size: Size | None) -> Parameters:
    """The weights of a model that tells of its layers.

    S is the side of the pictures that it takes; at 224 it stays a guess, for that is the crop of
    nets of a larger S too.
    """
    if len({layer.name for layer in layers}) < len(layers):
        raise FormatError("two of its layers have one name", NOT_OURS)
    before, net = keras_config.split(layers)
    whole = keras_config.told(net)
    told = before_head(whole)
    places = {step.name: name for step, name in zip(told, layer_names(told), strict=True) if name}
    head = list(dict.fromkeys(step.name for step in whole[len(told) :] if step.kind != NOTHING))
    if left := held.keys() - places.keys() - {layer.name for layer in before} - {*head}:
        raise FormatError(
            f"its layer {quoted(min(left))} has weights, and no place for them", NOT_OURS
        )
    epsilons = {layer.name: keras_config.epsilon(layer) for layer in net}
    tensors = tensors_of(places, held, epsilons)
    statistics = {layer.name: statistics_of(held[layer.name]) for layer in before
                  if layer.name in held}  # fmt: skip
    if size and "fc6.weight" in tensors:
        _refuse_other_map(size, sum(step.kind == "pool" for step in told), tensors["fc6.weight"])
    pixels = keras_config.pixels(before, statistics)
    guessed: tuple[str, ...] = (S,) if before else ALL_GUESSED
    if size and size[0] == size[1] != IMAGENET_CROP:
        pixels, guessed = replace(pixels, scale=size), tuple(x for x in guessed if x != S)
    pooled = ends_with_pooling([step.kind for step in told])
    return replace(_parameters(tensors, pixels, guessed, head, pooled=pooled), lrn=False)


def _refuse_other_map(size: Size, pools: int, fc6: np.ndarray) -> None:
    """Raises FormatError where pictures of the size that a model takes leave fc6 another map."""
    left = tuple(side >> pools for side in size)
    if left != fc6.shape[2:]:
        taken, given, wanted = (" x ".join(map(str, x)) for x in (size, left, fc6.shape[2:]))
        raise FormatError(f"it takes pictures of {taken}, of which {pools} poolings leave {given}, "
                      f"where its first FC layer has {wanted}", NOT_OURS)  # fmt: skip


def _of_weights(groups: Groups, root: Node, order: list[Any]) -> Parameters:
    """The weights of a file that has nothing but the names of its layers."""
    table = _table(root)
    refuse_other_layers(groups)
    own = [path for path, datasets in groups.items() if datasets and not any(map(is_layer, path))]
    held = _by_layer({path: group for path, group in groups.items() if path not in own}, is_layer)
    statistics = held.pop(NORMALIZATION, None)
    outputs = {name: _outputs(group) for name, group in held.items()}
    places = places_of(outputs, groups, table)
    head = sorted([name for name in outputs if name not in places] + [path[-1] for path in own])
    if head and {name for name in places.values() if name.startswith("conv")} not in TRUNKS:
        raise _no_place(own[0] if own else (head[0],))
    notes = [WINDOWS] if table is None else []
    if any(name.startswith("bn") for name in places.values()):
        refuse_norms_after_relus(groups, [str(name) for name in order])
        notes.append(f"norms are a guess: before the ReLUs, with Keras's own epsilon of {EPSILON:g}"
                     f"; the file does not say")  # fmt: skip
    tensors = tensors_of(places, held, {})
    if statistics is None:
        guessed = () if root.attribute(MEAN) else ALL_GUESSED
        return _parameters(tensors, _pixels(root), guessed, head, table, notes)
    first = KerasLayer(NORMALIZATION, "Normalization", {})
    kept = {NORMALIZATION: statistics_of(statistics)}
    return _parameters(tensors, keras_config.pixels([first], kept), (S,), head, table, notes)


def _outputs(group: Group) -> int:
    """Channels that a layer gives: the length of its bias, or else its kernel's last side."""
    shapes = sorted((node.shape for node in group.values() if node.shape), key=len)
    return shapes[0][-1] if shapes else 0


def _parameters(
    tensors: dict[str, np.ndarray],
    pixels: Pixels,
    guessed: tuple[str, ...],
    head: Sequence[str],
    table: Table | None = None,
    notes: Sequence[str] = (),
    pooled: bool | None = None,
) -> Parameters:
    """What is given of a net; `head` are the layers of another head, which are left out."""
    if "conv1_1.weight" not in tensors:
        raise FormatError("it holds no weights of a VGG net's first layer", NOT_OURS)
    cut = bool(head) or {"fc6.weight", "fc8.weight"} & tensors.keys() == {"fc6.weight"}
    if cut:
        notes = (note_of_head(head, tensors, pooled is not False), *notes)
    elif "fc6.weight" not in tensors:
        notes = ("has no FC layers: without its top", *notes)
    return Parameters(
        FAMILY, tensors, pixels, None, tuple(notes), table, guessed=guessed, cut=cut, pooled=pooled
    )


def _pixels(root: Node) -> Pixels:
    """Those of the authors' files, or those that a file of our own names."""
    mean, scale = root.attribute(MEAN), root.attribute(SCALE)
    if len(mean) != 3 or len(scale) != 2:
        return AUTHORS
    try:
        blue, green, red = map(float, mean)
        smallest, largest = map(int, scale)
    except (ValueError, OverflowError):
        raise FormatError(f"its attributes {MEAN} and {SCALE} are no numbers") from None
    if not all(map(math.isfinite, (blue, green, red))) or not 1 <= smallest <= largest <= 1 << 16:
        raise FormatError(f"its attributes {MEAN} and {SCALE} are no mean and no sizes")
    return Pixels((smallest, largest), (blue, green, red), order="BGR")


def _table(root: Node) -> Table | None:
    """The table that a file of our own names."""
    said = root.attribute(TABLE)
    try:
        return table_of_words(json.loads(said[0])) if said else None
    except (ValueError, TypeError, RecursionError):
        raise FormatError(f"its attribute {TABLE} is no table") from None
