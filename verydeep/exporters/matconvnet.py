"""Our networks as MatConvNet's: a `.mat` with the layers, parameters and meta of a DagNN.

FC rows are convolutions over the whole map there too. Filters go out as H, W, I, O; pixels are RGB
in 0-255 less `averageImage`, for which the first filters are changed where a network wants others.
What the form has no place for (S, the table) stands beside it in `meta`, for us to read again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from verydeep.errors import UserError
from verydeep.exporters.byte_pixels import for_bytes
from verydeep.exporters.filters import Filters, filters_of
from verydeep.exporters.rows import no_place, refuse_kinds
from verydeep.files import write_atomic
from verydeep.formats.mat5_writer import HEADER, MOST_BYTES, variable
from verydeep.nets import rows
from verydeep.nets.network import Network
from verydeep.nets.rows import Row, Shape
from verydeep.nets.special_rows import Grey, Skip
from verydeep.nets.table import Table
from verydeep.pictures.preprocessing import Pixels
from verydeep.weights import metadata

WHOM = "MatConvNet"
TYPES: dict[type[Row], str] = {
    rows.Conv: "Conv", rows.FC: "Conv", Skip: "Conv", Grey: "Conv", rows.MaxPool: "Pooling",
    rows.AvePool: "Pooling", rows.WholeAvePool: "Pooling", rows.Mean: "Pooling",
    rows.BatchNorm: "BatchNorm", rows.LRN: "LRN", rows.ReLU: "ReLU", rows.Dropout: "DropOut",
    rows.Add: "Sum", rows.Concat: "Concat", rows.Softmax: "SoftMax", rows.Sigmoid: "Sigmoid",
}  # fmt: skip
"""What its layers are called, after "dagnn."."""
_WNID = re.compile(r"(n\d{8})(?: (.*))?")
Block = dict[str, Any]


def write(network: Network, path: Path | str) -> str:
    """Writes a network's `.mat`, of level 5; says what loads it and what it wants.

    Raises UserError for another suffix, for a row that MatConvNet has not, and where the file
    cannot be written or is too large.
    """
    path = Path(path)
    if path.suffix != ".mat":
        raise UserError(f"{path} does not end in .mat, as MATLAB's files do")
    size = sum(tensor.nbytes for tensor in network.state_dict().values())
    if size > MOST_BYTES:
        raise UserError(
            f"cannot write {path}: {size:,} bytes are more than the 2 GB that MATLAB takes in a "
            f"file of level 5; keep our own file, or train the net narrower"
        )
    refuse_kinds(network.table, TYPES, WHOM)
    _refuse_means_of_borders(network.table)
    network = for_bytes(network, "RGB", WHOM)
    shapes = network.table.shapes(network.table.crop, network.table.crop)
    layers, params = [], list[Block]()
    for row in network.table.rows:
        block, arrays = _layer(row, network, shapes[row.inputs[0]])
        own = [f"{row.name}_{kind}" for kind in arrays]
        layers.append({
            "name": row.name, "type": f"dagnn.{TYPES[type(row)]}", "inputs": [*row.inputs],
            "outputs": [row.name], "params": own, "block": (block,),
        })  # fmt: skip
        params += [{"name": n, "value": a} for n, a in zip(own, arrays.values(), strict=True)]
    variables = {"layers": tuple(layers), "params": tuple(params), "meta": (_meta(network),)}
    parts = [part for name, value in variables.items() for part in variable(name, value)]
    write_atomic(path, HEADER, *parts)
    return (
        f"it is loaded by dagnn.DagNN.loadobj(load('{path.name}')) and wants RGB, 0 to 255, minus "
        f"its averageImage"
    )


def _refuse_means_of_borders(table: Table) -> None:
    """Raises UserError for an average pool with a border, which MatConvNet leaves out of means."""
    for row in table.rows:
        if isinstance(row, rows.AvePool) and row.padding:
            raise no_place(table, row, WHOM, f"{type(row).__name__} with its border in the means")


def _layer(row: Row, network: Network, read: Shape) -> tuple[Block, dict[str, np.ndarray]]:
    """The settings of a row that reads such a map of a training crop, and its arrays by kind."""
    match row:
        case rows.Conv() | Skip() | Grey():
            return _convolution(filters_of(row, network, read[0]))
        case rows.Pool():
            needed = (row.positions(read[1]) - 1) * row.stride + row.kernel - read[1] - row.padding
            method = "max" if isinstance(row, rows.MaxPool) else "avg"
            return _pooling(method, row.kernel, row.stride, row.padding, max(row.padding, needed))
        case rows.Mean():
            return _pooling("avg", read[1])
        case rows.BatchNorm():
            return {"numChannels": _number(read[0]), "epsilon": _number(row.epsilon)}, _norm(
                dict(network.get_submodule(row.name).state_dict()), row.epsilon
            )
        case rows.LRN():
            return {"param": _number(row.size, row.k, row.alpha / row.size, row.beta)}, {}
        case rows.Dropout():
            return {"rate": _number(row.p)}, {}
        case rows.Concat():
            return {"dim": _number(3)}, {}
        case _:
            return {}, {}


def _convolution(made: Filters) -> tuple[Block, dict[str, np.ndarray]]:
    """Groups show in the channels that filters have."""
    filters = _array(made.weight).transpose(2, 3, 1, 0)
    block = {
        "size": _number(*filters.shape), "hasBias": _number(made.bias is not None),
        "pad": _number(*[made.padding] * 4), "stride": _number(made.stride, made.stride),
    }  # fmt: skip
    if made.dilation != 1:
        block["dilate"] = _number(made.dilation, made.dilation)
    arrays = {"filter": filters}
    if made.bias is not None:
        arrays["bias"] = _array(made.bias)[None]
    return block, arrays


def _pooling(
    method: str, kernel: int, stride: int = 1, first: int = 0, last: int = 0
) -> tuple[Block, dict[str, np.ndarray]]:
    """A pool with so much of a border before and after; one that rounds up has more after."""
    return {
        "method": method, "poolSize": _number(kernel, kernel),
        "pad": _number(first, last, first, last), "stride": _number(stride, stride),
    }, {}  # fmt: skip


def _norm(kept: Mapping[str, Tensor], epsilon: float) -> dict[str, np.ndarray]:
    """Factors, summands, and the moments: mean and deviation, with epsilon in the latter."""
    deviation = (kept["running_var"].double() + epsilon).sqrt().float()
    moments = np.stack([_array(kept["running_mean"]), _array(deviation)], 1)
    return {
        "mult": _array(kept["weight"])[:, None],
        "bias": _array(kept["bias"])[:, None],
        "moments": moments,
    }


def _meta(network: Network) -> Block:
    """What MatConvNet keeps of pictures and classes, and what we say of the network."""
    crop, pixels = network.table.crop, network.pixels
    border = max(0, pixels.test_scale - crop)
    normalization = {
        "imageSize": _number(crop, crop, 3), "border": _number(border, border),
        "averageImage": np.array(pixels.mean, np.float32).reshape(1, 1, 3),
        "keepAspect": _number(1), "interpolation": _interpolation(pixels),
    }  # fmt: skip
    names = [_WNID.fullmatch(name) for name in network.classes]
    matches = [match for match in names if match]
    wnids = len(matches) == len(names)
    classes = {
        "name": [m[1] for m in matches] if wnids else [*network.classes],
        "description": [m[2] or "" for m in matches] if wnids else [*network.classes],
    }
    return {
        "normalization": (normalization,),
        "classes": (classes,),
        metadata.KEY: metadata.to_text(network),
    }


def _interpolation(pixels: Pixels) -> str:
    """MATLAB's word for how pictures are rescaled."""
    return "lanczos3" if pixels.resize == "lanczos" else pixels.resize


def _number(*values: float) -> np.ndarray:
    """A row of numbers."""
    return np.array([values], np.float64)


def _array(tensor: Tensor) -> np.ndarray:
    found: np.ndarray = tensor.detach().float().cpu().numpy()
    return found
