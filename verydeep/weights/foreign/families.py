"""The families of files that are read and written, a row for each.

A family's reader knows its files by how they begin, and is asked in this order: those that begin
with a mark of their own come first.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from verydeep.bounds import refusals
from verydeep.errors import UserError
from verydeep.nets.folding import folded
from verydeep.nets.network import Network
from verydeep.weights.foreign import (
    caffe,
    caffe_export,
    keras,
    keras_export,
    matconvnet,
    onnx,
    onnx_export,
    openvino_export,
    statedict,
    torch_export,
)
from verydeep.weights.foreign.parameters import Parameters


@dataclass(frozen=True)
class Reader:
    """How a family's files are known and read; `read` takes a prototxt too, which few use."""

    name: str
    knows: Callable[[Path], bool]
    read: Callable[[Path, Path | None], Parameters]


def _alone(read: Callable[[Path], Parameters]) -> Callable[[Path, Path | None], Parameters]:
    """A reader of files that no prototxt belongs to."""

    def without(path: Path, prototxt: Path | None) -> Parameters:
        if prototxt is not None:
            raise UserError(f"{path} needs no prototxt, which is Caffe's; leave --prototxt out")
        return read(path)

    return without


READERS = (
    Reader("PyTorch state dict", statedict.is_statedict, _alone(statedict.read)),
    Reader("MatConvNet", matconvnet.is_matconvnet, _alone(matconvnet.read)),
    Reader("Keras", keras.is_keras, _alone(keras.read)),
    Reader("ONNX", onnx.is_onnx, _alone(onnx.read)),
    Reader("Caffe", caffe.is_caffe, caffe.read),
)


def _state_dict(family: str) -> Callable[[Network, Path], str]:
    def written(network: Network, path: Path) -> str:
        return statedict.write(network, path, family)

    return written


def _caffe(network: Network, path: Path) -> str:
    """Caffe's two files; of norms it has another kind, so ours are folded away."""
    if path.suffix != ".caffemodel":
        raise UserError(f"{path} does not end in .caffemodel, as Caffe's weights do")
    text = path.with_suffix(".prototxt")
    if text.exists() and not caffe_export.is_ours(text):
        raise UserError(f"{text} would be written too, and is none of ours; choose another --out")
    plain = folded(network)
    caffe_export.write(plain, path)
    caffe_export.write_prototxt(plain, text)
    return f"{text.name} is written too and describes it"


def _keras(network: Network, path: Path) -> str:
    keras_export.write(folded(network), path)
    return f"its first layer now wants BGR, 0 to 255, minus its attribute '{keras_export.MEAN}'"


WRITERS: dict[str, Callable[[Network, Path], str]] = {
    "torchvision": _state_dict("torchvision"),
    "timm": _state_dict("timm"),
    "caffe": _caffe,
    "keras": _keras,
    "onnx": onnx_export.write_onnx,
    "openvino": openvino_export.write_openvino,
    "torch-export": torch_export.write_torch_export,
}
"""What `weights export --to` knows; each says in a line what it did beyond the tensors."""

TAKES_OTHER_PIXELS = frozenset({"keras", "onnx", "openvino", "torch-export"})
"""Families of files that want other pixels than the network does, and say which."""


def read(path: Path, prototxt: Path | None = None) -> Parameters:
    """The weights in a file of any family; UserError where none knows it."""
    for reader in READERS:
        if reader.knows(path):
            return reader.read(path, prototxt)
    raise UserError(f"{path} {_what_else(path)}")


_BEGINNINGS = (
    (
        b"version https://git-lfs",
        "is a pointer of Git LFS and no weights; run git lfs pull",
    ),
    (b"<", "is a web page or XML and no weights; fetch the file itself, not the page about it"),
    (b"\x1f\x8b", "is compressed by gzip; unpack it first"),
)
"""How files begin that are often taken for weights, and what they are."""
_MEMBERS = (
    ("model.weights.h5", "is Keras's archive; save it on as one file: model.save('net.h5')"),
    ("", "is a zip archive and none of PyTorch's; unpack it first"),
)
"""What a file in a zip archive is called by which its kind is known, and what it is."""


def _what_else(path: Path) -> str:
    """What a file is that no family knows, as far as its beginning tells."""
    with refusals(path), path.open("rb") as file:
        start = file.read(2**10).lstrip()
    if not start:
        return "is empty"
    for beginning, words in _BEGINNINGS:
        if start.startswith(beginning):
            return words
    if zipfile.is_zipfile(path):
        with suppress(zipfile.BadZipFile, OSError), zipfile.ZipFile(path) as archive:
            inside = archive.namelist()
            return next(words for name, words in _MEMBERS if not name or name in inside)
    names = ", ".join(reader.name for reader in READERS)
    return f"is of no kind that is read; there are {names}"


def writer(family: str) -> Callable[[Network, Path], str]:
    """What writes a network as a family's file; UserError for a family that is not written."""
    if family not in WRITERS:
        raise UserError(f"no family '{family}' to write; there are {', '.join(WRITERS)}")
    return WRITERS[family]
