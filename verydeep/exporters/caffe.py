"""Our networks as Caffe's files: the weights (`.caffemodel`) and the net's text (`.prototxt`).

Weights go out as they were trained, in the later encoding, under the names they have here. The
text says in its first lines which pixels they want; the weights' file says it too, in a field that
Caffe passes over, so that it comes back whole. Settings of layers are in both, of one making.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from verydeep.errors import UserError
from verydeep.exporters.caffe_layers import NUMBERS, WORDS, CaffeLayer, Setting, layers_of
from verydeep.files import write_atomic
from verydeep.formats.protobuf_writer import (
    MOST_BYTES,
    Parts,
    float_field,
    floats_field,
    integers_field,
    message_field,
    number_field,
    text_field,
)
from verydeep.importers.caffe_message import OURS
from verydeep.nets.network import Network
from verydeep.nets.rows import PICTURE
from verydeep.weights import metadata

_WRITTEN = ", written by verydeep."
"""How the first line of our texts ends."""


def write(network: Network, path: Path | str) -> None:
    """Writes a network's `.caffemodel`.

    Raises UserError where it cannot be written or is too large, and for a row that Caffe has not.
    """
    path, side = Path(path), network.table.crop
    size = sum(tensor.nbytes for tensor in network.state_dict().values())
    if size > MOST_BYTES:
        raise UserError(
            f"cannot write {path}: {size:,} bytes are more than the 2 GB that Caffe reads; keep "
            f"our own file, or train the net narrower"
        )
    layers = layers_of(network)
    parts = text_field(1, f"verydeep {network.table.name}")
    parts += text_field(3, PICTURE)
    parts += message_field(8, integers_field(1, (1, 3, side, side)))
    for layer in layers:
        parts += message_field(100, _message(layer))
    parts += text_field(OURS, metadata.to_text(network))
    write_atomic(path, *parts)


def write_prototxt(network: Network, path: Path | str) -> None:
    """Writes the text of a network for Caffe, to be tested on one crop of the training's size."""
    pixels, side = network.pixels, network.table.crop
    lines = [
        f"# {network.table.name}{_WRITTEN}",
        f"# Pictures: channels {pixels.order}, values 0-{pixels.maximum}, "
        f"minus {_three(pixels.mean)}, divided by {_three(pixels.std)};",
        f"# smaller side {pixels.test_scale} pixels ({pixels.resize}), crops of {side} x {side}.",
        f'name: "verydeep {network.table.name}"',
        f'input: "{PICTURE}"',
        f"input_shape {{ dim: 1 dim: 3 dim: {side} dim: {side} }}",
    ]
    lines += [_text(layer) for layer in layers_of(network)]
    write_atomic(Path(path), "\n".join([*lines, ""]).encode())


def is_ours(prototxt: Path) -> bool:
    """Whether a text is one that `write_prototxt` wrote, by its first line."""
    try:
        with prototxt.open("rb") as file:
            return file.readline(200).endswith(f"{_WRITTEN}\n".encode())
    except OSError:
        return False


def _message(layer: CaffeLayer) -> Parts:
    """A layer's message: name, type, what it reads, what it gives, weights, settings."""
    parts = text_field(1, layer.name) + text_field(2, layer.type)
    for name in layer.reads:
        parts += text_field(3, name)
    parts += text_field(4, layer.gives)
    for blob in layer.blobs:
        parts += message_field(7, _blob(blob))
    if layer.settings:
        number, fields = NUMBERS[layer.message]
        parts += message_field(number, _settings(layer.settings, fields))
    return parts


def _settings(settings: Mapping[str, Setting], fields: Mapping[str, int]) -> Parts:
    """The fields of a message of settings."""
    parts: Parts = []
    for name, value in settings.items():
        if isinstance(value, float):
            parts += float_field(fields[name], value)
        else:
            number = WORDS[value] if isinstance(value, str) else int(value)
            parts += number_field(fields[name], number)
    return parts


def _blob(tensor: torch.Tensor) -> Parts:
    shape = message_field(7, integers_field(1, tuple(tensor.shape)))
    return floats_field(5, tensor.detach().float().cpu().numpy()) + shape


def _text(layer: CaffeLayer) -> str:
    """A layer's line."""
    reads = " ".join(f'bottom: "{name}"' for name in layer.reads)
    start = f'layer {{ name: "{layer.name}" type: "{layer.type}" {reads} top: "{layer.gives}"'
    said = " ".join(f"{name}: {_word(value)}" for name, value in layer.settings.items())
    more = f" {layer.message} {{ {said} }}" if said else ""
    return f"{start}{more} }}"


def _word(value: Setting) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _three(numbers: tuple[float, float, float]) -> str:
    return " ".join(f"{number:g}" for number in numbers)
