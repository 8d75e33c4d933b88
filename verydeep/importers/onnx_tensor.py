"""A tensor of an ONNX file as an array.

Raw data and packed floats are views of the file, or of one beside it; 8-byte and 2-byte floats
become float32.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from verydeep.formats.protobuf import DOUBLE, FLOAT, Field
from verydeep.importers.layer_shapes import assembled
from verydeep.importers.onnx_data import DataFiles, entry_of
from verydeep.limits import FormatError, quoted

_RAW: dict[int, np.dtype[Any]] = {1: FLOAT, 10: np.dtype("<f2"), 11: DOUBLE}
"""Types of floats, by their numbers in `TensorProto.DataType`."""
MOST_PIECES = 64


def name_of(tensor: Field) -> str:
    """A tensor's name."""
    names = [part.text() for part in tensor.fields() if part.number == 8]
    return names[-1] if names else ""


def array_of(tensor: Field, files: DataFiles) -> np.ndarray:
    """A tensor's values in float32; FormatError where it holds none, or not as many as it says.

    16-bit floats are read from raw data alone, which is where every exporter puts them.
    """
    shape, kind, name, pieces, elsewhere = _parts_of(tensor)
    if kind not in _RAW:
        raise FormatError(f"tensor {quoted(name)} is of type {kind}", "only floats are read")
    if elsewhere:
        if pieces or not shape or min(shape) < 1:
            raise FormatError(f"tensor {quoted(name)} has no values of its shape")
        length = math.prod(shape) * _RAW[kind].itemsize
        pieces = [np.frombuffer(files.span(elsewhere, length, name), _RAW[kind])]
    return assembled(f"tensor {quoted(name)}", shape, pieces)


def _parts_of(
    tensor: Field,
) -> tuple[list[int], int, str, list[np.ndarray], dict[str, str]]:
    """Shape, type, name, values in pieces, and where else they are, if they are in another file."""
    shape: list[int] = []
    kind, name, raw = 0, "", None
    pieces: list[np.ndarray] = []
    elsewhere: dict[str, str] = {}
    for part in tensor.fields():
        match part.number:
            case 1:
                shape += part.integers()
            case 2:
                kind = part.integer()
            case 4:
                pieces.append(part.floats(FLOAT))
            case 8:
                name = part.text()
            case 9:
                raw = part
            case 10:
                pieces.append(part.floats(DOUBLE))
            case 13:
                elsewhere |= [entry_of(part)]
        if max(len(shape), len(pieces), len(elsewhere)) > MOST_PIECES:
            raise FormatError(f"tensor {quoted(name)} is in over {MOST_PIECES} pieces")
    if raw is not None and kind in _RAW:
        pieces.append(raw.packed(_RAW[kind]))
    return shape, kind, name, pieces, elsewhere
