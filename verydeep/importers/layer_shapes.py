"""The layers of a VGG in their order, each held against the one before: files -> our tensors.

In come layers under Caffe's names as a file has them; out go filters [O, I, h, w] and biases [O].
An inner product's columns are those of the maps before it, in C, h, w order, so the first one's
side follows from their channels: 25088 columns over 512 channels are 7 x 7.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from verydeep.importers.layer_names import REMEDY
from verydeep.limits import FormatError, as_float32


@dataclass(frozen=True)
class Layer:
    """A layer with weights: filters [O, I, h, w], or [O, columns] of an inner product.

    `norm` are the arrays of the batch normalisation after it, by PyTorch's names.
    """

    name: str
    weight: np.ndarray
    bias: np.ndarray | None = None
    norm: dict[str, np.ndarray] = field(default_factory=dict)


def tensors_of(layers: Sequence[Layer]) -> dict[str, np.ndarray]:
    """Tensors by our names; FormatError names the first layer that does not fit."""
    if not layers:
        raise FormatError("it has no layers with weights", REMEDY)
    tensors: dict[str, np.ndarray] = {}
    channels, products = 3, 0
    for layer in layers:
        weight = _as_filters(layer, channels, later=products > 0)
        products += layer.name.startswith("fc")
        channels = len(weight)
        bias = np.zeros(channels, np.float32) if layer.bias is None else layer.bias
        named = {f"{layer.name}.weight": weight, f"{layer.name}.bias": bias}
        named |= {f"{layer.name.replace('conv', 'bn')}.{k}": v for k, v in layer.norm.items()}
        for name, tensor in named.items():
            if tensor is not weight and tensor.shape != (channels,):
                raise FormatError(f"{name} has the shape {list(tensor.shape)}, not [{channels}]")
            _check_finite(name, tensor)
        tensors |= named
    return tensors


def _as_filters(layer: Layer, channels: int, later: bool) -> np.ndarray:
    """The weights as filters [O, I, h, w] over so many channels; `later` than the first FC."""
    weight = layer.weight
    if weight.ndim == 2 and layer.name.startswith("fc"):
        side = map_side(layer.name, weight.shape[1], channels)
        weight = weight.reshape(len(weight), channels, side, side)
    shape = weight.shape
    if len(shape) != 4 or shape[2] != shape[3] or shape[1] != channels:
        raise FormatError(
            f"{layer.name} has weights of {' x '.join(map(str, shape))}, where square filters over "
            f"{channels:,} channels were expected",
            REMEDY,
        )
    even = layer.name.startswith("conv") and shape[2] % 2 == 0
    if even or (later and shape[2] != 1):
        raise FormatError(f"{layer.name} has filters of the side {shape[2]}", REMEDY)
    return weight


def map_side(name: str, columns: int, channels: int) -> int:
    """Side of the square map that an inner product of so many columns reads: 7 for fc6 of D.

    Raises FormatError, in the name of the layer, where there is none.
    """
    side = math.isqrt(columns // max(1, channels))
    if side < 1 or columns != channels * side**2:
        raise FormatError(
            f"{name} has {columns:,} columns, which are no square of positions of the "
            f"{channels:,} channels before it",
            REMEDY,
        )
    return side


def _check_finite(name: str, values: np.ndarray) -> None:
    """Refuses NaN and infinity, which the least and the largest value show without a copy."""
    with np.errstate(all="ignore"):
        if not np.isfinite(values.min()) or not np.isfinite(values.max()):
            raise FormatError(f"{name} holds values that are no numbers")


def assembled(what: str, shape: Sequence[int], pieces: Sequence[np.ndarray]) -> np.ndarray:
    """Values in float32 and in their shape, a view where they are one piece of float32 already."""
    count = sum(len(piece) for piece in pieces)
    if not shape or min(shape) < 1 or math.prod(shape) != count:
        raise FormatError(f"{what} has the shape {list(shape[:8])} and {count:,} values")
    joined = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    return as_float32(joined).reshape(shape)
