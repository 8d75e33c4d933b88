"""The families of files that are read, a row for each.

A family's reader knows its files by how they begin, and is asked in this order: those that begin
with a mark of their own come first.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from verydeep.errors import UserError
from verydeep.importers import caffe, keras, matconvnet, onnx, state_dict
from verydeep.importers.parameters import Parameters
from verydeep.limits import start_of


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
    Reader("PyTorch state dict", state_dict.is_statedict, _alone(state_dict.read)),
    Reader("MatConvNet", matconvnet.is_matconvnet, _alone(matconvnet.read)),
    Reader("Keras", keras.is_keras, _alone(keras.read)),
    Reader("ONNX", onnx.is_onnx, _alone(onnx.read)),
    Reader("Caffe", caffe.is_caffe, caffe.read),
)


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
    start = start_of(path).lstrip()
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
