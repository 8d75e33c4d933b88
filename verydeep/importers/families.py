"""The families of files that are read, a row for each.

A family's reader knows its files by how they begin, and is asked in this order: those that begin
with a mark of their own come first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from verydeep.errors import UserError
from verydeep.importers import caffe, keras, matconvnet, onnx, state_dict
from verydeep.importers.other_files import known_as
from verydeep.importers.parameters import Parameters
from verydeep.limits import start_of


@dataclass(frozen=True)
class Reader:
    """How a family's files are known and read.

    `read` is given what belongs to such files, if anything does: `beside` says what that is.
    """

    name: str
    knows: Callable[[Path], bool]
    read: Callable[..., Parameters]
    beside: str = ""


_TFLITE_AT, _TFLITE = 4, b"TFL3"
PROTOTXT, WHICH = "prototxt", "which"
READERS = (
    Reader("PyTorch state dict", state_dict.is_statedict, state_dict.read, WHICH),
    Reader("MatConvNet", matconvnet.is_matconvnet, matconvnet.read),
    Reader("Keras", keras.is_keras, keras.read),
    Reader("ONNX", onnx.is_onnx, onnx.read),
    Reader("Caffe", caffe.is_caffe, caffe.read, PROTOTXT),
)


_NEEDS_NONE = {
    PROTOTXT: "needs no prototxt, which is Caffe's",
    WHICH: "has one set of weights, as all but PyTorch's checkpoints",
}


def read(path: Path, prototxt: Path | None = None, which: str | None = None) -> Parameters:
    """The weights in a file of any family; UserError where none knows it.

    A `prototxt` goes with files of Caffe's, and `which` names one of several sets of weights in a
    checkpoint of PyTorch's.
    """
    given = {PROTOTXT: prototxt, WHICH: which}
    for reader in READERS:
        if reader.knows(path):
            for word, value in given.items():
                if value and word != reader.beside:
                    raise UserError(f"{path} {_NEEDS_NONE[word]}; leave --{word} out")
            return reader.read(path, *([given[reader.beside]] if reader.beside else []))
    raise UserError(f"{path} {_what_else(path)}")


def _what_else(path: Path) -> str:
    """What a file is that no family knows, as far as its beginning tells."""
    names = ", ".join(reader.name for reader in READERS)
    if start_of(path, 8)[_TFLITE_AT:] == _TFLITE:
        return f"is a model of TensorFlow Lite, which is not read; there are {names}"
    return known_as(path) or f"is of no kind that is read; there are {names}"
