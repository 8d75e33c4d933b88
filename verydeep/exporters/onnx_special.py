"""Rows that no net of Table 1 has as nodes of ONNX, some of them several."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor, nn

from verydeep.errors import UserError
from verydeep.exporters.onnx_message import Attribute
from verydeep.nets import special_layers as layers
from verydeep.nets import special_rows as rows
from verydeep.nets.rows import Row, Window

Node = Callable[..., str]
"""Adds a node, by its operator and what it reads; gives the name of its value, which is asked for
as `gives`."""
Hold = Callable[[str, np.ndarray], str]
"""Adds a tensor of the file's own, by its name; gives that."""
KINDS = (
    rows.Connected, rows.Flatten, rows.Grey, rows.L2Pool, rows.Local, rows.Maxout,
    rows.PositionBias, rows.RBF, rows.ScaledTanh, rows.Skip, rows.Subsample,
)  # fmt: skip
END = 2**31 - 1


def add_special(
    row: Row, layer: nn.Module, channels: int, reads: str, gives: str, node: Node, hold: Hold
) -> None:
    """Adds the nodes of such a row, which reads so many channels.

    Raises UserError for an untied convolution, which ONNX has not.
    """

    def own(what: str, values: Tensor | np.ndarray) -> str:
        array = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
        return hold(f"{row.name} {what}", array)

    match row, layer:
        case rows.Connected(), layers.Connected():
            filters = own("filters", layer.dense), own("bias", layer.bias)
            node("Conv", reads, *filters, gives=gives, **window(row))
        case rows.Subsample(), layers.Subsample():
            filters = own("filters", layer.filters), own("bias", layer.bias)
            node("Conv", reads, *filters, gives=gives, group=len(layer.bias), **window(row))
        case rows.Skip(), layers.Skip():
            kept = node("MaxPool", reads, gives=f"{row.name} kept", **window(row))
            more = row.channels - channels
            ends = own("ends", np.array([0, 0, 0, 0, 0, more, 0, 0]))
            node("Pad", kept, ends, gives=gives)
        case rows.L2Pool(), _:
            squares = node("Mul", reads, reads, gives=f"{row.name} squares")
            rounding = {"count_include_pad": 1, "ceil_mode": int(row.up)}
            means = f"{row.name} means"
            node("AveragePool", squares, gives=means, **window(row), **rounding)
            count = own("count", np.array(row.kernel**2, np.float32))
            node("Sqrt", node("Mul", means, count, gives=f"{row.name} sums"), gives=gives)
        case rows.ScaledTanh(), _:
            slope = own("slope", np.array(layers.SLOPE, np.float32))
            bent = node("Tanh", node("Mul", reads, slope, gives=f"{row.name} scaled"),
                        gives=f"{row.name} bent")  # fmt: skip
            node("Mul", bent, own("amplitude", np.array(layers.AMPLITUDE, np.float32)), gives=gives)
        case rows.Maxout(), _:
            every = own("axis", np.array([1])), own("step", np.array([row.pieces]))
            ends = own("end", np.array([END]))
            pieces = [
                node("Slice", reads, own(f"start {i}", np.array([i])), ends, *every,
                     gives=f"{row.name} piece {i}")
                for i in range(row.pieces)
            ]  # fmt: skip
            node("Max", *pieces, gives=gives)
        case rows.PositionBias(), layers.PositionBias():
            node("Add", reads, own("bias", layer.bias), gives=gives)
        case rows.Flatten(), _:
            node("Reshape", reads, own("shape", np.array([0, -1, 1, 1])), gives=gives)
        case rows.Grey(), _:
            node("ReduceMean", reads, gives=gives, axes=(1,), keepdims=1)
        case rows.RBF(), layers.RBF():
            codes = layer.get_buffer("codes")
            linear = own("codes", 2 * codes), own("lengths", -codes.square().sum((1, 2, 3)))
            nearness = node("Conv", reads, *linear, gives=f"{row.name} nearness")
            length = f"{row.name} length"
            node("ReduceSumSquare", reads, gives=length, axes=(1,), keepdims=1)
            node("Sub", nearness, length, gives=gives)
        case _:
            raise UserError(
                f"ONNX has no place for '{row.name}', a {type(row).__name__} row, whose weights "
                f"are of each place by itself; keep our own file"
            )


def window(row: Window) -> dict[str, Attribute]:
    """The attributes of a row that looks at a window."""
    return {
        "kernel_shape": (row.kernel,) * 2,
        "strides": (row.stride,) * 2,
        "pads": (row.padding,) * 4,
    }
