"""Keras's `.h5` files of VGG nets -> `Parameters`, and networks -> Keras 3's `.weights.h5`.

Layers are groups: "block1_conv1" with its kernel and bias under names that changed with Keras's
versions, below "model_weights" in the file of a whole model; Keras 3 has "layers/conv2d/vars/0",
numbered in order. Numbers do not tell where the pools are: they are read where the widths of all
layers are those of one configuration, or where a file of our own names its table. Kernels are
H, W, I, O; the first FC layer's rows go through H, W, C. Pixels are BGR in 0-255 minus the mean of
the authors' files.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from verydeep.bounds import Damaged, as_float32, refusals
from verydeep.errors import UserError
from verydeep.files import write_whole
from verydeep.nets import vgg
from verydeep.nets.network import Network
from verydeep.nets.table import FC, LRN, Conv, Table
from verydeep.preprocessing import Pixels
from verydeep.weights.foreign import hdf5, mat73
from verydeep.weights.foreign.hdf5 import HEAD, File, Node
from verydeep.weights.foreign.parameters import ALL_GUESSED, AUTHORS, Parameters, table_in_words
from verydeep.weights.said import table_of_words

FAMILY = "Keras"
NOT_OURS = "give a Keras file of VGG16 or VGG19"

SUFFIX = ".weights.h5"
"""Of the files that are written; what else ends in .h5 Keras 3 reads as Keras 2 laid it out."""

MEAN, SCALE, TABLE = "verydeep_mean", "verydeep_scale", "verydeep_table"
"""Attributes of our own files: what has to be subtracted, S and the table; Keras looks at none."""

OBJECTS, DEPTH = 5000, 8
"""Most groups and datasets in a file, and how deep; a whole model of VGG19 has some 200 in 5."""

_OTHERS = {"optimizer_weights", "optimizer", "vars", "_layer_checkpoint_dependencies"}
"""Groups beside a model's own weights."""

_BLOCK = re.compile(r"block(\d+)_conv(\d+)")
_HEAD = {"fc1": "fc6", "fc2": "fc7", "predictions": "fc8"}
_NUMBERED = re.compile(r"(conv2d|dense)(?:_(\d+))?")


def is_keras(path: Path | str) -> bool:
    """Whether a file is HDF5 and not MATLAB's, by its first bytes; of the rest `read` tells."""
    with refusals(path), Path(path).open("rb") as file:
        start = file.read(HEAD)
    return hdf5.signature_at(start) is not None and not mat73.is_mat73(start)


def read(path: Path | str) -> Parameters:
    """Weights of VGG16 or VGG19, with or without its FC layers, of Keras 1, 2 or 3.

    Arrays are views where they can be. Raises UserError, one line, where the file is damaged or
    holds no VGG net.
    """
    with hdf5.opened(path) as file:
        root = file.node(file.root_address)
        model = root.links().get("model_weights", file.root_address)
        if "theano" in file.node(model).attribute("backend"):
            raise Damaged("its kernels are mirrored, as Theano has them", "save it on TensorFlow")
        table = _table(root)
        tensors = _tensors(_named(dict(_layers(file, model)), table))
        notes = () if "fc6.weight" in tensors else ("has no FC layers: without its top",)
        pixels, guessed = _pixels(root), () if root.attribute(MEAN) else ALL_GUESSED
        return Parameters(FAMILY, tensors, pixels, None, notes, table, guessed=guessed)


def _layers(file: File, model: int) -> Iterator[tuple[str, list[Node]]]:
    """Each layer's name and datasets: a layer is the nearest group whose name is a layer's."""
    found: dict[str, list[Node]] = {}
    waiting, seen = [(model, "", 0)], {model}
    while waiting:
        address, layer, depth = waiting.pop()
        for name, at in file.node(address).links().items():
            if at in seen or (not depth and name in _OTHERS):
                continue
            seen.add(at)
            if len(seen) > OBJECTS or depth > DEPTH:
                raise Damaged("it has more groups than any VGG net", NOT_OURS)
            node = file.node(at)
            inner = name if _is_layer(name) else layer
            if not node.is_dataset:
                waiting.append((at, inner, depth + 1))
            elif layer:
                found.setdefault(layer, []).append(node)
    yield from found.items()


def _is_layer(name: str) -> bool:
    return bool(_BLOCK.fullmatch(name) or _NUMBERED.fullmatch(name)) or name in _HEAD


def _named(layers: dict[str, list[Node]], table: Table | None) -> dict[str, list[Node]]:
    """Layers by Caffe's names, in the net's order; numbered ones by their place in a table."""
    numbered = sorted((m for name in layers if (m := _NUMBERED.fullmatch(name))), key=_number)
    convs, dense = ([m[0] for m in numbered if m[1] == kind] for kind in ("conv2d", "dense"))
    table = table or (_table_with([_outputs(layers[name]) for name in convs]) if convs else None)
    rows = [row for row in table.rows if isinstance(row, Conv)] if table else []
    places = [row.name for row in rows if not isinstance(row, FC)] if convs else []
    tops = [row.name for row in rows if isinstance(row, FC)] or list(_HEAD.values())
    if len(places) != len(convs):
        raise Damaged(f"it has {len(convs)} convolutions, and a table of {len(places)}", NOT_OURS)
    if len(dense) not in (0, len(tops)):
        count = len(tops)
        raise Damaged(f"it has {len(dense)} dense layers, where its net has {count}", NOT_OURS)
    names = dict(zip(convs, places, strict=True))
    names |= dict(zip(dense, tops, strict=False)) | _HEAD
    names |= {m[0]: f"conv{m[1]}_{m[2]}" for name in layers if (m := _BLOCK.fullmatch(name))}
    used = sorted(layers, key=lambda name: _order(names[name]))
    if len({names[name] for name in used}) < len(used):
        raise Damaged("two of its layers have the same place in a VGG net", NOT_OURS)
    return {names[name]: layers[name] for name in used}


def _table_with(widths: list[int]) -> Table:
    """The table of Table 1 whose convolutions have these channels, all scaled by one number."""
    for letter in "ABDE":  # C's are D's
        table = vgg.table(letter)
        ours = [row.channels for row in table.rows if type(row) is Conv]
        if len(ours) == len(widths) and all(
            width * ours[0] == our * widths[0] for width, our in zip(widths, ours, strict=True)
        ):
            return table
    few = f" of {', '.join(map(str, widths))} channels" if len(widths) <= 16 else ""
    raise Damaged(
        f"it has {len(widths)} convolutions{few}, which no net of Table 1 has: it may be a net cut "
        f"short, whose pools cannot be known",
        "give the whole net, or name its layers block1_conv1 and so on",
    )


def _outputs(nodes: list[Node]) -> int:
    """Channels that a layer gives: the length of its bias."""
    return next((node.shape[0] for node in nodes if len(node.shape) == 1), 0)


def _number(match: re.Match[str]) -> int:
    return int(match[2] or 0)


def _order(name: str) -> tuple[int, int, int]:
    """Where a layer of Caffe's name stands in a net: convolutions before FC layers."""
    block, _, place = name.strip("convf").partition("_")
    return name.startswith("fc"), int(block), int(place or 0)


def _tensors(layers: dict[str, list[Node]]) -> dict[str, np.ndarray]:
    tensors: dict[str, np.ndarray] = {}
    channels = 0
    for name, nodes in layers.items():
        kernel, bias = _pair(name, nodes)
        if name.startswith("conv"):
            weight = kernel.transpose(3, 2, 0, 1)
            channels = len(weight)
        else:
            weight = _fully_connected(kernel, channels if name == "fc6" else len(kernel))
        tensors[f"{name}.weight"] = as_float32(weight)
        tensors[f"{name}.bias"] = as_float32(bias)
    if "conv1_1.weight" not in tensors:
        raise Damaged("it holds no weights of a VGG net's first layer", NOT_OURS)
    return tensors


def _pair(name: str, nodes: list[Node]) -> tuple[np.ndarray, np.ndarray]:
    """A layer's kernel and bias, told apart by their shapes."""
    axes = 4 if name.startswith("conv") else 2
    kernels = [node for node in nodes if len(node.shape) == axes]
    biases = [node for node in nodes if len(node.shape) == 1]
    if len(kernels) != 1 or len(biases) != 1 or len(nodes) != 2:
        raise Damaged(f"its layer '{name}' has not one kernel and one bias", NOT_OURS)
    (kernel,), (bias,) = kernels, biases
    if kernel.shape[-1] != bias.shape[0] or not all(kernel.shape):
        shape = " x ".join(map(str, kernel.shape))
        raise Damaged(f"the kernel of '{name}', {shape}, has not its outputs last", NOT_OURS)
    return kernel.numbers(), bias.numbers()


def _fully_connected(kernel: np.ndarray, channels: int) -> np.ndarray:
    """[rows, O] as [O, C, h, w]; rows go through h, w, C."""
    rows, outputs = kernel.shape
    side = math.isqrt(rows // channels) if channels else 0
    if side * side * channels != rows:
        raise Damaged(f"{rows:,} rows of its first FC layer are no square of {channels} channels")
    return kernel.reshape(side, side, channels, outputs).transpose(3, 2, 0, 1)


def _pixels(root: Node) -> Pixels:
    """Those of the authors' files, or those that a file of our own names."""
    mean, scale = root.attribute(MEAN), root.attribute(SCALE)
    if len(mean) != 3 or len(scale) != 2:
        return AUTHORS
    try:
        blue, green, red = map(float, mean)
        smallest, largest = map(int, scale)
    except (ValueError, OverflowError):
        raise Damaged(f"its attributes {MEAN} and {SCALE} are no numbers") from None
    if not all(map(math.isfinite, (blue, green, red))) or not 1 <= smallest <= largest <= 1 << 16:
        raise Damaged(f"its attributes {MEAN} and {SCALE} are no mean and no sizes")
    return Pixels((smallest, largest), (blue, green, red), order="BGR")


def _table(root: Node) -> Table | None:
    """The table that a file of our own names."""
    said = root.attribute(TABLE)
    try:
        return table_of_words(json.loads(said[0])) if said else None
    except (ValueError, TypeError, RecursionError):
        raise Damaged(f"its attribute {TABLE} is no table") from None


def write(network: Network, path: Path | str) -> None:
    """Writes a network's weights for `model.load_weights`, whole or not at all.

    The first layer is changed to want BGR in 0-255 minus a mean, exactly: that mean is the file's
    attribute "verydeep_mean" and has to be subtracted instead of `preprocess_input`'s where it is
    another. Raises UserError for another suffix, without `h5py`, for LRN, or where the file cannot
    be written.
    """
    path = Path(path)
    if not path.name.endswith(SUFFIX):
        raise UserError(f"{path} does not end in {SUFFIX}, by which Keras 3 knows its own files")
    try:
        import h5py
    except ImportError:
        raise UserError(
            "Keras files are written by h5py, which is missing: `pip install h5py`"
        ) from None
    for row in network.table.rows:
        if isinstance(row, LRN):
            raise UserError(f"Keras has no layer for '{row.name}' of configuration A-LRN; train A")
    content = io.BytesIO()
    with h5py.File(content, "w", libver="earliest") as file:
        file.attrs[MEAN], file.attrs[SCALE] = _mean(network.pixels), network.pixels.scale
        file.attrs[TABLE] = json.dumps(table_in_words(network.table))
        for name, arrays in _for_keras(network):
            for i, array in enumerate(arrays):
                file[f"layers/{name}/vars/{i}"] = array
    write_whole(path, content.getbuffer())


def _mean(pixels: Pixels) -> list[float]:
    """The mean of each channel, blue first, in 0-255."""
    mean = [value * 255 / pixels.maximum for value in pixels.mean]
    return mean[::-1] if pixels.order == "RGB" else mean


def _for_keras(network: Network) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Keras 3's names of the layers with weights, and their kernel and bias as it has them."""
    counts = {"conv2d": 0, "dense": 0}
    for row in network.table.rows:
        if not isinstance(row, Conv):
            continue
        kind = "dense" if isinstance(row, FC) else "conv2d"
        layer = network.get_submodule(row.name)
        weight, bias = (
            layer.get_parameter(part).detach().cpu().numpy() for part in ("weight", "bias")
        )
        if not any(counts.values()):
            weight = _for_bgr(weight, network.pixels)
        kernel = np.ascontiguousarray(weight.transpose(2, 3, 1, 0))
        name = f"{kind}_{counts[kind]}" if counts[kind] else kind
        counts[kind] += 1
        yield name, (kernel.reshape(-1, len(bias)) if kind == "dense" else kernel, bias)


def _for_bgr(weight: np.ndarray, pixels: Pixels) -> np.ndarray:
    """The first layer's filters for BGR in 0-255, whatever range and deviation they had."""
    gain = pixels.maximum / 255 / np.array(pixels.std, np.float64)
    scaled = (weight * gain[:, None, None]).astype(np.float32)
    return scaled[:, ::-1] if pixels.order == "RGB" else scaled
