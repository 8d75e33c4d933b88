"""Safetensors files in pieces: written without a copy of the arrays; the headers of any.

The layout is the format's own: eight bytes that say how long the header is, the header as JSON,
and the arrays' bytes, those of larger elements first and then by name. Writing a network's half
gigabyte so takes no memory but its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what looks at a header alone is not to wait for either
    import numpy as np
    from torch import Tensor

LARGEST_HEADER = 4 * 2**20
"""Bytes; that of a VGG with the names of a thousand classes takes under 0.1 MiB."""
LARGEST_OF_OURS = 100_000_000
"""Bytes, by the format; that of a test of ILSVRC's 50,000 pictures has 2 MB."""
NAMES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64",
    "int32": "I32", "int8": "I8", "uint64": "U64", "uint32": "U32", "uint8": "U8", "bool": "BOOL",
}  # fmt: skip
"""The format's names of kinds of numbers, by those of NumPy and PyTorch."""
KINDS = {kind: name for name, kind in NAMES.items()}
BYTES = {kind: 1 if kind == "BOOL" else int(kind.lstrip("BFIU")) // 8 for kind in KINDS}
"""Those of one number."""


Arrays = Mapping[str, "np.ndarray | Tensor"]


def pieces(arrays: Arrays, metadata: Mapping[str, str]) -> list[bytes | memoryview]:
    """A safetensors file, piece by piece: its header, then each array."""
    return [head(arrays, metadata), *(bytes_of(arrays[name]) for name in order(arrays))]


def order(arrays: Arrays) -> list[str]:
    """The names of arrays as their bytes lie in a file."""
    return sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))


def head(arrays: Arrays, metadata: Mapping[str, str]) -> bytes:
    """The eight bytes and the header of a file of these arrays."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name in order(arrays):
        start, end = end, end + arrays[name].nbytes
        header[name] = {
            "dtype": NAMES[str(arrays[name].dtype).removeprefix("torch.")],
            "shape": list(arrays[name].shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def bytes_of(array: np.ndarray | Tensor) -> memoryview:
    """An array's bytes as they lie in memory; a copy only where it is not contiguous."""
    import numpy as np

    if sys.byteorder != "little":
        raise NotImplementedError("arrays are written as little-endian machines have them")
    if not isinstance(array, np.ndarray):
        import torch

        array = array.detach().contiguous().view(-1).view(torch.uint8).numpy()
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def header(path: Path, most: int = LARGEST_HEADER) -> dict[str, Any] | None:
    """The header of any safetensors file; None where it is none, or longer than `most`."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            text = file.read(size) if 2 <= size <= most else b""
        found = json.loads(text) if len(text) == size else None
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
