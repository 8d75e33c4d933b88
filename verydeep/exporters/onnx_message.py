"""The messages of an ONNX file as bytes: nodes, tensors, what goes in and out, the model.

Field numbers are those of `onnx.proto`. Tensors are views of what is given, so that a model in
pieces takes no memory beside its network's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from verydeep.formats.protobuf import FLOAT
from verydeep.formats.protobuf_writer import (
    Parts,
    float_field,
    integers_field,
    message_field,
    number_field,
    text_field,
)

IR, OPSET = 8, 17
"""The version of the format, and of its operators: of June 2022."""
FLOATS, BYTES, INTEGERS = 1, 2, 7
"""Types of tensors, by their numbers in `TensorProto.DataType`: float32, uint8, int64."""

_FLOAT, _INTEGER, _INTEGERS = 1, 2, 7
"""Types of attributes, by their numbers in `AttributeProto.AttributeType`."""

Attribute = float | int | Sequence[int]


def node(op: str, reads: Sequence[str], gives: str, **attributes: Attribute) -> Parts:
    """A node that gives one value, and is named for it."""
    parts: Parts = []
    for name in reads:
        parts += text_field(1, name)
    parts += text_field(2, gives) + text_field(3, gives) + text_field(4, op)
    for name, value in attributes.items():
        parts += message_field(5, _attribute(name, value))
    return parts


def _attribute(name: str, value: Attribute) -> Parts:
    match value:
        case float():
            return text_field(1, name) + float_field(2, value) + number_field(20, _FLOAT)
        case int():
            return text_field(1, name) + number_field(3, value) + number_field(20, _INTEGER)
        case _:
            return text_field(1, name) + integers_field(8, value) + number_field(20, _INTEGERS)


def tensor(name: str, values: np.ndarray) -> Parts:
    """A tensor of the file's own, in raw bytes; float32, or int64 for what are integers."""
    kind = FLOATS if values.dtype.kind == "f" else INTEGERS
    raw = np.ascontiguousarray(values, FLOAT if kind == FLOATS else "<i8").reshape(-1)
    head = integers_field(1, values.shape) + number_field(2, kind) + text_field(8, name)
    return head + message_field(9, [raw.view(np.uint8).data])


def described(name: str, kind: int, shape: Sequence[int | str]) -> Parts:
    """What goes in or out: its name, type and shape, axes that may be of any length by a word."""
    axes: Parts = []
    for axis in shape:
        length = number_field(1, axis) if isinstance(axis, int) else text_field(2, axis)
        axes += message_field(1, length)
    kind_and_shape = number_field(1, kind) + message_field(2, axes)
    return text_field(1, name) + message_field(2, message_field(1, kind_and_shape))


def model(
    name: str,
    nodes: Sequence[Parts],
    tensors: Sequence[Parts],
    inputs: Sequence[Parts],
    outputs: Sequence[Parts],
    metadata: Mapping[str, str],
) -> Parts:
    """A whole model of one graph."""
    graph = [part for message in nodes for part in message_field(1, message)]
    graph += text_field(2, name)
    for number, messages in ((5, tensors), (11, inputs), (12, outputs)):
        for message in messages:
            graph += message_field(number, message)
    parts = number_field(1, IR) + text_field(2, "verydeep")
    parts += message_field(8, text_field(1, "") + number_field(2, OPSET))
    for key, value in metadata.items():
        parts += message_field(14, text_field(1, key) + text_field(2, value))
    return parts + message_field(7, graph)
