"""The families of files that are read, a row for each.

A family's reader knows its files by how they begin, and is asked in this order: those that begin
with a mark of their own come first.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from verydeep.errors import UserError, one_line
from verydeep.importers import caffe, keras, matconvnet, onnx, state_dict
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


_WITHIN = "unpack it and give the file within"
_BEGINNINGS = (
    (b"version https://git-lfs", "is a pointer of Git LFS and no weights; run git lfs pull"),
    (b"<", "is a web page or XML and no weights; fetch the file itself, not the page about it"),
    (b"\x1f\x8b", f"is compressed by gzip; {_WITHIN}"),
    (b"BZh", f"is compressed by bzip2; {_WITHIN}"),
    (b"\xfd7zXZ", f"is compressed by xz; {_WITHIN}"),
    (b"\x28\xb5\x2f\xfd", f"is compressed by zstd; {_WITHIN}"),
    (b"7z\xbc\xaf\x27\x1c", f"is an archive of 7-Zip; {_WITHIN}"),
    (b"Rar!", f"is an archive of RAR; {_WITHIN}"),
    (b"\x93NUMPY", "is one array of NumPy and no net; give the file that the net was saved to"),
    (b"\x89PNG", "is a picture and no weights"),
    (b"\xff\xd8\xff", "is a picture and no weights"),
    (b"%PDF", "is a PDF and no weights"),
)
"""How files begin that are often taken for weights, and what they are."""
_TAR_AT, _TAR, _ZIP, _BOM = 257, b"ustar", b"PK\x03\x04", b"\xef\xbb\xbf"
_TFLITE_AT, _TFLITE = 4, b"TFL3"


def _what_else(path: Path) -> str:
    """What a file is that no family knows, as far as its beginning tells."""
    whole = start_of(path)
    start = whole.removeprefix(_BOM).lstrip().removeprefix(_BOM)
    if not start:
        return "is empty"
    for beginning, words in _BEGINNINGS:
        if start.startswith(beginning):
            return words
    if whole[_TAR_AT:].startswith(_TAR):
        return f"is a tar archive; {_WITHIN}"
    if whole.startswith(_ZIP):
        return _what_zip(path)
    names = ", ".join(reader.name for reader in READERS)
    if not any(whole):
        return "begins with nothing but zeros, and is damaged; fetch the file again"
    if whole[_TFLITE_AT:].startswith(_TFLITE):
        return f"is a model of TensorFlow Lite, which is not read; there are {names}"
    if _is_text(whole):
        return f"is a text and no weights, {_beginning(whole)}; fetch the file itself"
    return f"is of no kind that is read; there are {names}"


def _what_zip(path: Path) -> str:
    """What a zip archive is that is neither PyTorch's nor Keras's."""
    try:
        with zipfile.ZipFile(path) as archive:
            inside = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return "is a zip archive cut short: its end is missing; fetch the file again"
    if inside and all(name.endswith(".npy") for name in inside):
        return "is arrays of NumPy and no file of a net; give the file that the net was saved to"
    first = f" ({one_line(inside[0]):.40} in it)" if inside else ""
    return f"is a zip archive and none of PyTorch's or Keras's{first}; {_WITHIN}"


def _is_text(start: bytes) -> bool:
    """Whether a file begins as a text in UTF-8 does."""
    try:
        text = start.decode()
    except UnicodeDecodeError as error:
        if error.start < len(start) - 3:  # else a letter that is cut off
            return False
        text = start[: error.start].decode()
    return all(letter.isprintable() or letter in "\r\n\t\f" for letter in text)


def _beginning(start: bytes) -> str:
    return repr(one_line(start.decode(errors="replace"))[:40])
