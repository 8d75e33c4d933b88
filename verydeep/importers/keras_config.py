"""What a whole Keras model says of itself (its config): its layers, and what makes its pixels.

In comes JSON, believed no more than any foreign file; out go layers in the order in which a picture
goes through them, those of models within the model in their place. Names and defaults are those of
Keras 2 and 3.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from verydeep.importers.layer_names import NOTHING, REMEDY, ForeignLayer, Window, path_order
from verydeep.importers.parameters import AUTHORS
from verydeep.limits import FormatError, quoted
from verydeep.pictures.preprocessing import Pixels
from verydeep.weights.schema import pixels_of

MODELS = {"Functional", "Model", "Sequential"}
PIXELS = {"Rescaling", "Normalization"}
AT_REST = {
    "Dropout", "SpatialDropout2D", "GaussianDropout", "GaussianNoise", "AlphaDropout",
    "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast",
    "RandomBrightness",
}  # fmt: skip
"""Layers that change nothing but while a net is trained."""
DEEPEST = 8


@dataclass(frozen=True)
class KerasLayer:
    """A layer: its name, its class and its own settings.

    `group` is where Keras 3 keeps its weights, by the classes of layers and their numbers.
    """

    name: str
    kind: str
    config: Mapping[str, Any]
    group: tuple[str, ...] = ()


Size = tuple[int, int]
"""Height and width of a picture."""


def layers_of(text: str) -> tuple[list[KerasLayer], Size | None]:
    """The layers of a model, in the order in which a picture goes through them, and its size.

    The size is that of the pictures that the model takes, None where it leaves it open. Raises
    FormatError where the text is none of a model, or the model branches.
    """
    try:
        model = json.loads(text)
        return _layers(model), _size(model)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise FormatError(
            "what it says of its layers is out of form", "save the model again"
        ) from None


def _layers(
    model: Mapping[str, Any], depth: int = 0, within: tuple[str, ...] = ()
) -> list[KerasLayer]:
    kind, config = model["class_name"], model["config"]
    if kind not in MODELS or depth > DEEPEST:
        raise FormatError(f"it is a model of the class {quoted(str(kind))}", REMEDY)
    entries = [entry for entry in _entries(config) if entry["class_name"] != "InputLayer"]
    names, groups = [_name(entry) for entry in entries], _groups(entries)
    if kind != "Sequential":
        places = {name: i for i, name in enumerate(names)}
        reads = [[places.get(name) for name in _sources(entry)] for entry in entries]
        entries = [entries[i] for i in path_order(names, reads)]
    found: list[KerasLayer] = []
    for entry in entries:
        group = (*within, "layers", groups[_name(entry)])
        if entry["class_name"] in MODELS:
            found += _layers(entry, depth + 1, group)
        else:
            kind, own = str(entry["class_name"]), dict(entry["config"])
            found.append(KerasLayer(_name(entry), kind, own, group))
    return found


def _groups(entries: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What Keras 3 calls each layer where it keeps weights: "conv2d", "conv2d_1" and so on."""
    counts: Counter[str] = Counter()
    found = {}
    for entry in entries:
        kind = _snake_case(str(entry["class_name"]))
        found[_name(entry)] = f"{kind}_{counts[kind]}" if counts[kind] else kind
        counts[kind] += 1
    return found


def _snake_case(kind: str) -> str:
    """A class's name as Keras 3 writes it: "Conv2D" is "conv2d", "ReLU" is "re_lu"."""
    apart = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W", "", kind))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", apart).lower()


def _size(model: Mapping[str, Any]) -> Size | None:
    """The size that a model's input has, or that its first layer says, as Keras 1 and 2 may."""
    entries = _entries(model["config"])
    entry = next((each for each in entries if each["class_name"] == "InputLayer"), entries[0])
    if entry["class_name"] in MODELS:
        return _size(entry)
    said = entry["config"].get("batch_shape", entry["config"].get("batch_input_shape"))
    if said is None:
        return None
    _, height, width, _ = said
    if not all(type(side) is int and 0 < side < 1 << 16 for side in (height, width)):
        return None
    return height, width


def _entries(config: Any) -> list[Mapping[str, Any]]:
    """What a model's settings say of each layer: a list of its own, as Keras 1 may have it."""
    return config if isinstance(config, list) else config["layers"]


def _name(entry: Mapping[str, Any]) -> str:
    return str(entry["name"] if "name" in entry else entry["config"]["name"])


def _sources(entry: Mapping[str, Any]) -> list[str]:
    """The names of the layers that a layer of a graph reads."""
    nodes = entry["inbound_nodes"]
    if len(nodes) != 1:
        raise FormatError(f"its layer {quoted(_name(entry))} is used {len(nodes)} times", REMEDY)
    return [*_histories(nodes[0])]


def _histories(node: Any) -> Iterator[str]:
    """Names of layers wherever a node tells of a value, as Keras 2 or 3 does."""
    history = node.get("keras_history", ()) if isinstance(node, dict) else node
    if isinstance(history, list) and len(history) >= 3 and isinstance(history[0], str):
        yield history[0]
    elif isinstance(node, dict | list):
        for inner in node.values() if isinstance(node, dict) else node:
            yield from _histories(inner)


def split(layers: Sequence[KerasLayer]) -> tuple[list[KerasLayer], list[KerasLayer]]:
    """The layers that make the pixels, and all after them; layers at rest are left out."""
    awake = [layer for layer in layers if layer.kind not in AT_REST]
    count = next((i for i, each in enumerate(awake) if each.kind not in PIXELS), len(awake))
    return awake[:count], awake[count:]


def told(layers: Sequence[KerasLayer]) -> list[ForeignLayer]:
    """The layers as `layer_names` takes them; an activation within a layer is one after it."""
    found: list[ForeignLayer] = []
    flat = False
    for layer in layers:
        flat = flat or layer.kind == "Flatten"
        try:
            found += _told(layer, flat)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise FormatError(
                f"what it says of its layer {quoted(layer.name)} is out of form"
            ) from None
    return found


def _told(layer: KerasLayer, flat: bool) -> Iterator[ForeignLayer]:
    kind, config = layer.kind, layer.config
    if config.get("data_format", "channels_last") != "channels_last":
        kind = f"{kind} over {config['data_format']}"
    readers: dict[str, Callable[[], ForeignLayer]] = {
        "Conv2D": lambda: ForeignLayer(layer.name, "conv", _convolution(config)),
        "MaxPooling2D": lambda: ForeignLayer(layer.name, *_pooling(config)),
        "Dense": lambda: ForeignLayer(layer.name, "fc" if flat else "Dense over a map"),
        "BatchNormalization": lambda: ForeignLayer(layer.name, _norm(config)),
        "ReLU": lambda: ForeignLayer(layer.name, _relu(config)),
        "Softmax": lambda: ForeignLayer(layer.name, "softmax"),
        "Flatten": lambda: ForeignLayer(layer.name, NOTHING),
        "Activation": lambda: ForeignLayer(layer.name, NOTHING),
    }
    yield readers[kind]() if kind in readers else ForeignLayer(layer.name, kind)
    if "activation" in config and kind in readers:
        activation = _activation(config["activation"])
        yield ForeignLayer(layer.name, NOTHING if activation == "linear" else activation)


def _convolution(config: Mapping[str, Any]) -> Window:
    kernel = _numbers(config["kernel_size"])
    borders: dict[str, list[float]] = {"same": [side // 2 for side in kernel], "valid": [0]}
    return Window(
        kernel,
        _numbers(config["strides"]),
        borders[config["padding"]],
        _numbers(config.get("dilation_rate", 1)),
        _numbers(config.get("groups", 1)),
    )


def _pooling(config: Mapping[str, Any]) -> tuple[str, Window]:
    kind = "pool" if config["padding"] == "valid" else f"max pooling of '{config['padding']}'"
    stride = config["strides"] or config["pool_size"]
    return kind, Window(_numbers(config["pool_size"]), _numbers(stride))


def _norm(config: Mapping[str, Any]) -> str:
    axis = config["axis"]
    right = (axis if isinstance(axis, int) else [*axis]) in (-1, 3, [-1], [3])
    return "norm" if right else f"BatchNormalization of axis {axis}"


def _relu(config: Mapping[str, Any]) -> str:
    settings = ("max_value", "negative_slope", "threshold")
    odd = [f"{name} {config[name]}" for name in settings if config.get(name)]
    return f"ReLU with {', '.join(odd)}" if odd or config.get("max_value") == 0 else "relu"


def _activation(value: Any) -> str:
    """The name of an activation, "linear" where there is none."""
    if isinstance(value, Mapping):  # a function, as Keras 3 may write it
        inner = value.get("config")
        return inner if isinstance(inner, str) else str(value.get("class_name"))
    return "linear" if value is None else str(value)


def _numbers(value: Any) -> list[float]:
    return [float(each) for each in (value if isinstance(value, list) else [value])]


def epsilon(layer: KerasLayer) -> float:
    """What a norm adds to its variance; FormatError where that is no number."""
    found = layer.config.get("epsilon", 1e-3)
    if not isinstance(found, float):
        raise FormatError(f"its layer {quoted(layer.name)} has an epsilon that is none", REMEDY)
    return found


def pixels(layers: Sequence[KerasLayer], statistics: Mapping[str, tuple[Any, Any]]) -> Pixels:
    """The pixels that these layers make of RGB in 0-255; the authors' where there are none.

    `statistics` are the mean and variance that the file keeps for a layer. The layers come to a
    factor and a summand for each channel, worked out in float64. Raises FormatError, by name, for
    what is no such thing.
    """
    if not layers:
        return AUTHORS
    factor, summand = np.ones(3), np.zeros(3)
    for layer in layers:
        try:
            by, plus = _factor_and_summand(layer, statistics.get(layer.name))
            factor, summand = factor * by, summand * by + plus
        except (ValueError, TypeError, KeyError):
            raise FormatError(
                f"its layer {quoted(layer.name)} is no factor and summand for three channels",
                REMEDY,
            ) from None
    first = layers[0].config.get("scale")
    maximum = 1 if isinstance(first, float) and np.isclose(first, 1 / 255, rtol=1e-6) else 255
    with np.errstate(all="ignore"):
        std = maximum / 255 / factor
        mean = -summand * std
    said = {"scale": AUTHORS.scale, "mean": (mean + 0.0).tolist(), "std": std.tolist(),
            "order": "RGB", "maximum": maximum, "resize": AUTHORS.resize}  # fmt: skip
    try:
        return pixels_of(said)
    except ValueError:
        raise FormatError(
            f"its layer {quoted(layers[0].name)} makes pixels that are none"
        ) from None


def _factor_and_summand(
    layer: KerasLayer, kept: tuple[Any, Any] | None
) -> tuple[np.ndarray, np.ndarray]:
    """What a layer multiplies by and then adds, for each of three channels."""
    config = layer.config
    if layer.kind == "Rescaling":
        return _three(config["scale"]), _three(config["offset"])
    if config.get("invert") or config.get("axis") not in (None, -1, 3, [-1], [3]):
        raise ValueError(layer.name)
    mean, variance = kept or (config["mean"], config["variance"])
    with np.errstate(all="ignore"):
        deviation = np.maximum(np.sqrt(_three(variance)), 1e-7)  # Keras's own least
    return 1 / deviation, -_three(mean) / deviation


def _three(value: Any) -> np.ndarray:
    """A number for each channel, one being three; ValueError for anything else."""
    numbers = np.asarray(value, np.float64).reshape(-1)
    if not np.isfinite(numbers).all():
        raise ValueError("no numbers")
    return np.broadcast_to(numbers, 3)
