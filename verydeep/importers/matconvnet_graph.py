"""The graph of a MatConvNet file of one of the nets beside VGG, and the tensors of its layers.

FC layers are convolutions over the whole map there: what has one place left of a training crop, and
no border. Pools have a border on each side: one more at the end is what rounds up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from verydeep.importers.graph_words import (
    CONCAT,
    PICTURE,
    SUM,
    Node,
    conv_word,
    in_order,
    lrn_word,
    pool_word,
)
from verydeep.importers.known_graphs import KnownGraph, filled, known
from verydeep.importers.layer_names import NOTHING
from verydeep.importers.matconvnet_layers import MatLayer, as_ours, biases_of, norm_of, reads_of
from verydeep.limits import FormatError
from verydeep.nets.rows import BatchNorm, Conv
from verydeep.nets.table import Table

USUAL_CROP = 224
"""Where the file tells none."""
_JOINING = {"dagnn.Concat": CONCAT, "dagnn.Sum": SUM, "concat": CONCAT}
_POOLS = {"avg pooling": "ave", "pool": "max"}
Shape = tuple[int, int]
"""Channels and side of a map."""


def net_of(layers: Sequence[MatLayer], is_graph: bool, crop: int | None) -> KnownGraph | None:
    """The net beside VGG that these layers are; None where they begin none.

    Those of no graph follow one another. Raises FormatError, by name, for a layer that it has not.
    """
    if is_graph:
        reads = [tuple(PICTURE if r is None else r for r in each) for each in reads_of(layers)]
    else:
        reads = [(place - 1,) for place in range(len(layers))]  # PICTURE, for the first
    nodes = [
        Node(layer.name, _kind(layer), read) for layer, read in zip(layers, reads, strict=True)
    ]
    try:
        order = in_order(nodes)
    except FormatError:
        return None
    shapes: dict[int, Shape] = {PICTURE: (3, crop or USUAL_CROP)}
    for place in order:
        read = [shapes[each] for each in nodes[place].reads]
        if not read:
            return None
        nodes[place], shapes[place] = _told(nodes[place], layers[place], read)
    return known(nodes, crop)


def tensors_of(net: KnownGraph, layers: Sequence[MatLayer]) -> dict[str, np.ndarray]:
    """The tensors of a net under our names; FormatError, by the file's names, for a misfit."""

    def filters(place: int, row: Conv) -> tuple[np.ndarray, np.ndarray]:
        found = as_ours(layers[place].filters)
        return found, biases_of(layers[place], len(found))

    return filled(net, filters, lambda places: norm_of(layers[places[0]]), lambda p: layers[p].name)


def tensors_of_ours(table: Table, layers: Sequence[MatLayer]) -> dict[str, np.ndarray]:
    """The tensors of a file of our own writing, whose layers have the names of its table's rows."""
    named = {layer.name: layer for layer in layers}
    tensors: dict[str, np.ndarray] = {}
    for row in table.rows:
        layer = named.get(row.name)
        if isinstance(row, Conv) and layer is not None:
            weight = tensors[f"{row.name}.weight"] = as_ours(layer.filters)
            if row.bias:
                tensors[f"{row.name}.bias"] = biases_of(layer, len(weight))
        elif isinstance(row, BatchNorm) and layer is not None:
            parts = norm_of(layer, row.epsilon)
            tensors |= {f"{row.name}.{kind}": values for kind, values in parts.items()}
    return tensors


def _kind(layer: MatLayer) -> str:
    if layer.kind in _POOLS:
        return "pool"
    named = {"lrn": "lrn", NOTHING: "dropout"}
    return _JOINING.get(layer.type) or named.get(layer.kind, layer.kind)


def _told(node: Node, layer: MatLayer, read: Sequence[Shape]) -> tuple[Node, Shape]:
    """A layer with its word, and the shape of what it gives."""
    channels, side = read[0]
    match node.kind:
        case "conv":
            return _conv(node, layer, channels, side)
        case "pool":
            return _pool(node, layer, channels, side)
        case "lrn":
            size, kappa, alpha, beta, *_ = [*layer.numbers("param"), *[math.nan] * 4]
            return replace(node, word=lrn_word(size, kappa, alpha * size, beta)), read[0]
        case "softmax" | "dropout":
            return replace(node, word={"softmax": "soft-max"}.get(node.kind, "dropout")), read[0]
        case _:
            total = sum(each for each, _ in read) if node.kind == CONCAT else channels
            return node, (total, side)


def _conv(node: Node, layer: MatLayer, channels: int, side: int) -> tuple[Node, Shape]:
    """A convolution, or an FC layer."""
    height, width, reads, count = layer.filters.shape
    stride, (first, last) = _same(layer, "stride", 1), _border(layer)
    if height != width or stride is None or first != last or channels % reads:
        return replace(node, word="conv of other sides"), (count, side)
    dilation = _same(layer, "dilate", 1) or 1
    left = (side + 2 * first - dilation * (height - 1) - 1) // stride + 1
    if left == 1 and first == 0 and stride == 1 and channels == reads:
        return replace(node, kind="fc", word=f"FC-{count}"), (count, 1)
    groups = channels // reads
    word = conv_word(height, count, stride, first, groups, dilation)
    return replace(node, word=word), (count, left)


def _pool(node: Node, layer: MatLayer, channels: int, side: int) -> tuple[Node, Shape]:
    kernel = {int(n) for n in layer.numbers("poolSize") or layer.numbers("pool")}
    stride, (first, last) = _same(layer, "stride", 1), _border(layer)
    if len(kernel) != 1 or min(kernel) < 1 or stride is None or last - first not in (0, 1):
        return replace(node, word="another pooling"), (channels, side)
    window = kernel.pop()
    word = pool_word(_POOLS[layer.kind], window, stride, first, up=last > first)
    return replace(node, word=word), (channels, (side + first + last - window) // stride + 1)


def _same(layer: MatLayer, setting: str, usual: int) -> int | None:
    """The number of a setting for both sides; None where it has several, or none that is one."""
    found = {int(n) for n in layer.numbers(setting) if 1 <= n < 1 << 16}
    if len(found) < 2:
        return next(iter(found), usual)
    return None


def _border(layer: MatLayer) -> tuple[int, int]:
    """What is added before and after each side; (0, -1) where the sides differ."""
    found = [int(n) for n in layer.numbers("pad") if 0 <= n < 1 << 16] or [0]
    top, bottom, left, right = found * 4 if len(found) == 1 else (*found, *[-1] * 4)[:4]
    return (top, bottom) if (top, bottom) == (left, right) else (0, -1)
