"""A tensor of an ONNX file as an array.

Raw data and packed floats are views of the file; 8-byte and 2-byte floats become float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from verydeep.formats.protobuf import DOUBLE, FLOAT, Field
from verydeep.importers.layer_shapes import assembled
from verydeep.limits import FormatError, quoted

_RAW: dict[int, np.dtype[Any]] = {1: FLOAT, 10: np.dtype("<f2"), 11: DOUBLE}
"""Types of floats, by their numbers in `TensorProto.DataType`."""
MOST_PIECES = 64


def name_of(tensor: Field) -> str:
    """A tensor's name."""
    names = [part.text() for part in tensor.fields() if part.number == 8]
    return names[-1] if names else ""


def array_of(tensor: Field) -> np.ndarray:
    """A tensor's values in float32; FormatError where it holds none, or not as many as it says.

    16-bit floats are read from raw data alone, which is where every exporter puts them.
    """
    shape, kind, name, pieces = _parts_of(tensor)
    if kind not in _RAW:
        raise FormatError(f"tensor {quoted(name)} is of type {kind}", "only floats are read")
    return assembled(f"tensor {quoted(name)}", shape, pieces)


def _parts_of(tensor: Field) -> tuple[list[int], int, str, list[np.ndarray]]:
    """Shape, type, name and values in pieces; refuses values that are in other files."""
    shape: list[int] = []
    kind, name, raw = 0, "", None
    pieces: list[np.ndarray] = []
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
                raise FormatError(
                    "it keeps its weights in other files (external data)",
                    "save the model as one file first",
                )
        if max(len(shape), len(pieces)) > MOST_PIECES:
            raise FormatError(f"tensor {quoted(name)} is in over {MOST_PIECES} pieces")
    if raw is not None and kind in _RAW:
        pieces.append(raw.packed(_RAW[kind]))
    return shape, kind, name, pieces
