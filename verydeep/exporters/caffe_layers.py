"""The layers of a network as Caffe has them, for its weights and its text alike.

Settings go by the names and numbers of Caffe's `caffe.proto`. A norm is two layers: BatchNorm, and
the Scale of what that gives. FC rows are inner products, which give no map, so a net that has a
window after one is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil

import torch
from torch import Tensor

from verydeep.exporters.filters import Filters, filters_of
from verydeep.exporters.rows import no_place, refuse_kinds
from verydeep.importers.caffe_layers import SCALE
from verydeep.nets import rows
from verydeep.nets.network import Network
from verydeep.nets.rows import Row, Shape, Window
from verydeep.nets.special_rows import Grey, Skip
from verydeep.nets.table import Table

WHOM = "Caffe"
TYPES: dict[type[Row], str] = {
    rows.Conv: "Convolution", rows.FC: "InnerProduct", Skip: "Convolution", Grey: "Convolution",
    rows.MaxPool: "Pooling", rows.AvePool: "Pooling", rows.WholeAvePool: "Pooling",
    rows.Mean: "Pooling", rows.BatchNorm: "BatchNorm", rows.LRN: "LRN", rows.ReLU: "ReLU",
    rows.Dropout: "Dropout", rows.Add: "Eltwise", rows.Concat: "Concat", rows.Softmax: "Softmax",
    rows.Sigmoid: "Sigmoid",
}  # fmt: skip
_OF_MAPS = (Window, rows.Mean, rows.LRN, Grey)

Setting = int | float | str
"""A number, a truth, or the word of an enumeration."""
WORDS = {"MAX": 0, "AVE": 1, "SUM": 1, "FLOOR": 1}
"""Words of enumerations, and their numbers."""
NUMBERS: dict[str, tuple[int, dict[str, int]]] = {
    "convolution_param": (106, {
        "num_output": 1, "bias_term": 2, "pad": 3, "kernel_size": 4, "group": 5, "stride": 6,
        "dilation": 18,
    }),
    "inner_product_param": (117, {"num_output": 1, "bias_term": 2}),
    "pooling_param": (121, {
        "pool": 1, "kernel_size": 2, "stride": 3, "pad": 4, "global_pooling": 12, "round_mode": 13,
    }),
    "batch_norm_param": (139, {"use_global_stats": 1, "eps": 3}),
    "scale_param": (142, {"bias_term": 4}),
    "lrn_param": (118, {"local_size": 1, "alpha": 2, "beta": 3, "k": 5}),
    "dropout_param": (108, {"dropout_ratio": 1}),
    "eltwise_param": (110, {"operation": 1}),
}  # fmt: skip
"""The messages of settings: the number of each in a layer, and those of its fields."""


@dataclass(frozen=True)
class CaffeLayer:
    """A layer: what it is called, reads and gives, its settings in a message, and its blobs."""

    name: str
    type: str
    reads: tuple[str, ...]
    gives: str
    message: str = ""
    settings: Mapping[str, Setting] = field(default_factory=dict)
    blobs: tuple[Tensor, ...] = ()


def layers_of(network: Network) -> list[CaffeLayer]:
    """The layers of a network; UserError names a row that Caffe has no layer for."""
    table = network.table
    refuse_kinds(table, TYPES, WHOM)
    _refuse_others(table)
    shapes = table.shapes(table.crop, table.crop)
    return [layer for row in table.rows for layer in _layers(row, network, shapes)]


def _refuse_others(table: Table) -> None:
    """Raises UserError for a row that wants a map of an inner product, and for a sum of one row."""
    flat: set[str] = set()
    for row in table.rows:
        reads = [name in flat for name in row.inputs]
        if isinstance(row, rows.Add) and len(reads) == 1:
            raise no_place(table, row, WHOM, "Add of one row")
        if type(row) is rows.FC:
            flat.add(row.name)
        elif any(reads):
            if isinstance(row, _OF_MAPS) or not all(reads):
                raise no_place(table, row, WHOM, f"{type(row).__name__} of an FC layer")
            flat.add(row.name)


def _layers(row: Row, network: Network, shapes: Mapping[str, Shape]) -> Iterator[CaffeLayer]:
    """A row's one layer, or two."""
    read = shapes[row.inputs[0]]
    blobs: tuple[Tensor, ...] = ()
    message, settings = "", dict[str, Setting]()
    match row:
        case rows.FC():
            made = filters_of(row, network, read[0])
            message, settings = "inner_product_param", {"num_output": row.channels}
            blobs = made.weight.flatten(1), *made.biases
        case rows.Conv() | Skip() | Grey():
            made = filters_of(row, network, read[0])
            message, settings = "convolution_param", _convolution(made)
            blobs = made.weight, *made.biases
        case rows.BatchNorm():
            message, settings = "batch_norm_param", {"use_global_stats": True, "eps": row.epsilon}
            norm = network.get_submodule(row.name)
            blobs = *map(norm.get_buffer, ("running_mean", "running_var")), torch.ones(1)
        case rows.Pool():
            message, settings = "pooling_param", _pooling(row, read)
        case rows.Mean():
            message, settings = "pooling_param", {"pool": "AVE", "global_pooling": True}
        case rows.LRN():
            message = "lrn_param"
            settings = {
                "local_size": row.size, "alpha": row.alpha, "beta": row.beta, "k": row.k,
            }  # fmt: skip
        case rows.Dropout():
            message, settings = "dropout_param", {"dropout_ratio": row.p}
        case rows.Add():
            message, settings = "eltwise_param", {"operation": "SUM"}
    yield CaffeLayer(row.name, TYPES[type(row)], row.inputs, row.name, message, settings, blobs)
    if isinstance(row, rows.BatchNorm):
        yield _scale(row, network)


def _scale(row: rows.BatchNorm, network: Network) -> CaffeLayer:
    """What a norm is multiplied by, and what is added to it."""
    norm = network.get_submodule(row.name)
    blobs = tuple(map(norm.get_parameter, ("weight", "bias")))
    name, said = f"{row.name}{SCALE}", {"bias_term": True}
    return CaffeLayer(name, "Scale", (row.name,), row.name, "scale_param", said, blobs)


def _convolution(made: Filters) -> dict[str, Setting]:
    """Settings of a convolution, without those of most that are as Caffe has them by itself."""
    said: dict[str, Setting] = {
        "num_output": len(made.weight), "pad": made.padding, "kernel_size": made.kernel,
        "stride": made.stride,
    }  # fmt: skip
    if made.bias is None:
        said["bias_term"] = False
    if made.groups != 1:
        said["group"] = made.groups
    if made.dilation != 1:
        said["dilation"] = made.dilation
    return said


def _pooling(row: rows.Pool, read: Shape) -> dict[str, Setting]:
    """Settings of a pooling; it rounds down only where that makes another map of a training crop.

    Caffe rounds up, and leaves out a last window that begins beyond the values if there is padding.
    """
    said: dict[str, Setting] = {"pool": "MAX" if isinstance(row, rows.MaxPool) else "AVE"}
    said |= {"kernel_size": row.kernel, "stride": row.stride}
    if row.padding:
        said["pad"] = row.padding
    side, border = read[1], row.padding
    up = ceil((side + 2 * border - row.kernel) / row.stride) + 1
    up -= border > 0 and (up - 1) * row.stride >= side + border
    if up != row.positions(side):
        said["round_mode"] = "FLOOR"
    return said
