"""Our networks as Caffe's files: the weights (`.caffemodel`) and the net's text (`.prototxt`).

Weights go out as they were trained, in the later encoding, under the names they have here. The
text says in its first lines which pixels they want; the weights' file says it too, in a field that
Caffe passes over, so that it comes back whole.
"""

from __future__ import annotations

from pathlib import Path

import torch

from verydeep.errors import UserError
from verydeep.exporters.rows import refuse_others
from verydeep.files import write_atomic
from verydeep.formats.protobuf_writer import (
    MOST_BYTES,
    Parts,
    floats_field,
    integers_field,
    message_field,
    text_field,
)
from verydeep.importers.caffe_message import OURS
from verydeep.nets import rows
from verydeep.nets.network import Network
from verydeep.nets.rows import PICTURE, Row
from verydeep.weights import metadata

_WRITTEN = ", written by verydeep."
"""How the first line of our texts ends."""

_TYPES = {
    rows.Conv: "Convolution",
    rows.FC: "InnerProduct",
    rows.MaxPool: "Pooling",
    rows.ReLU: "ReLU",
    rows.LRN: "LRN",
    rows.Dropout: "Dropout",
    rows.Softmax: "Softmax",
}


def write(network: Network, path: Path | str) -> None:
    """Writes a network's `.caffemodel`; UserError where it cannot be written or is too large."""
    path, side = Path(path), network.table.crop
    size = 4 * sum(parameter.numel() for parameter in network.parameters())
    if size > MOST_BYTES:
        raise UserError(
            f"cannot write {path}: {size:,} bytes are more than the 2 GB that Caffe reads; keep "
            f"our own file, or train the net narrower"
        )
    refuse_others(network.table, _TYPES, "Caffe")
    parts = text_field(1, f"verydeep {network.table.name}")
    parts += text_field(3, PICTURE)
    parts += message_field(8, integers_field(1, (1, 3, side, side)))
    for row in network.table.rows:
        parts += message_field(100, _layer(row, network))
    parts += text_field(OURS, metadata.to_text(network))
    write_atomic(path, *parts)


def write_prototxt(network: Network, path: Path | str) -> None:
    """Writes the text of a network for Caffe, to be tested on one crop of the training's size."""
    pixels, side = network.pixels, network.table.crop
    lines = [
        f"# Configuration {network.table.name}{_WRITTEN}",
        f"# Pictures: channels {pixels.order}, values 0-{pixels.maximum}, "
        f"minus {_three(pixels.mean)}, divided by {_three(pixels.std)};",
        f"# smaller side {pixels.test_scale} pixels ({pixels.resize}), crops of {side} x {side}.",
        f'name: "verydeep {network.table.name}"',
        f'input: "{PICTURE}"',
        f"input_shape {{ dim: 1 dim: 3 dim: {side} dim: {side} }}",
    ]
    exact = side % network.table.step == 0
    lines += [_layer_text(row, exact) for row in network.table.rows]
    write_atomic(Path(path), "\n".join([*lines, ""]).encode())


def is_ours(prototxt: Path) -> bool:
    """Whether a text is one that `write_prototxt` wrote, by its first line."""
    try:
        with prototxt.open("rb") as file:
            return file.readline(200).endswith(f"{_WRITTEN}\n".encode())
    except OSError:
        return False


def _layer(row: Row, network: Network) -> Parts:
    """A layer's message: name, type, what it reads, what it gives, weights."""
    parts = text_field(1, row.name) + text_field(2, _TYPES[type(row)])
    for name in row.inputs:
        parts += text_field(3, name)
    parts += text_field(4, row.name)
    if isinstance(row, rows.Conv):
        layer = network.get_submodule(row.name)
        for name, tensor in layer.named_parameters():
            as_columns = isinstance(row, rows.FC) and name == "weight"
            parts += message_field(7, _blob(tensor.flatten(1) if as_columns else tensor))
    return parts


def _blob(tensor: torch.Tensor) -> Parts:
    shape = message_field(7, integers_field(1, tuple(tensor.shape)))
    return floats_field(5, tensor.detach().float().cpu().numpy()) + shape


def _layer_text(row: Row, exact: bool) -> str:
    """A layer's line; `exact` where every map has an even side, so that pools need no rounding."""
    reads = " ".join(f'bottom: "{name}"' for name in row.inputs)
    start = f'layer {{ name: "{row.name}" type: "{_TYPES[type(row)]}" {reads} top: "{row.name}"'
    match row:
        case rows.FC():
            more = f" inner_product_param {{ num_output: {row.channels} }}"
        case rows.Conv():
            window = f"pad: {row.padding} kernel_size: {row.kernel} stride: {row.stride}"
            more = f" convolution_param {{ num_output: {row.channels} {window} }}"
        case rows.MaxPool():
            down = "" if exact or row.up else " round_mode: FLOOR"
            window = f"kernel_size: {row.kernel} stride: {row.stride}{down}"
            more = f" pooling_param {{ pool: MAX {window} }}"
        case rows.LRN():
            scale = f"alpha: {row.alpha} beta: {row.beta} k: {row.k}"
            more = f" lrn_param {{ local_size: {row.size} {scale} }}"
        case rows.Dropout():
            more = f" dropout_param {{ dropout_ratio: {row.p} }}"
        case _:
            more = ""
    return f"{start}{more} }}"


def _three(numbers: tuple[float, float, float]) -> str:
    return " ".join(f"{number:g}" for number in numbers)
