"""The families of files that are written, a row for each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from verydeep.errors import UserError
from verydeep.exporters import caffe, keras, matconvnet, onnx, openvino, state_dict, torch_export
from verydeep.importers.keras import MEAN
from verydeep.nets.folding import folded, without_mean
from verydeep.nets.network import Network


def _state_dict(family: str) -> Callable[[Network, Path], str]:
    def written(network: Network, path: Path) -> str:
        return state_dict.write(network, path, family)

    return written


def _caffe(network: Network, path: Path) -> str:
    """Caffe's two files."""
    if path.suffix != ".caffemodel":
        raise UserError(f"{path} does not end in .caffemodel, as Caffe's weights do")
    text = path.with_suffix(".prototxt")
    if text.exists() and not caffe.is_ours(text):
        raise UserError(f"{text} would be written too, and is none of ours; choose another --out")
    caffe.write(network, path)
    caffe.write_prototxt(network, text)
    return f"{text.name} is written too and describes it"


def _keras(network: Network, path: Path) -> str:
    keras.write(without_mean(folded(network)), path)
    return f"its first layer now wants BGR, 0 to 255, minus its attribute '{MEAN}'"


WRITERS: dict[str, Callable[[Network, Path], str]] = {
    "torchvision": _state_dict("torchvision"),
    "timm": _state_dict("timm"),
    "caffe": _caffe,
    "matconvnet": matconvnet.write,
    "keras": _keras,
    "onnx": onnx.write_onnx,
    "openvino": openvino.write_openvino,
    "torch-export": torch_export.write_torch_export,
}
"""What `weights export --to` knows; each says in a line what it did beyond the tensors."""

TAKES_OTHER_PIXELS = frozenset({"matconvnet", "keras", "onnx", "openvino", "torch-export"})
"""Families of files that want other pixels than the network does, and say which."""


def writer(family: str) -> Callable[[Network, Path], str]:
    """What writes a network as a family's file; UserError for a family that is not written."""
    if family not in WRITERS:
        raise UserError(f"no family '{family}' to write; there are {', '.join(WRITERS)}")
    return WRITERS[family]
