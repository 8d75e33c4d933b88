"""Safetensors files in pieces: written without a copy of the tensors, and never believed too far.

The layout is the format's own: eight bytes that say how long the header is, the header as JSON,
and the tensors' bytes, those of larger elements first and then by name. Writing a network's half
gigabyte so takes no memory but its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what looks at a header alone is not to wait for PyTorch
    from torch import Tensor

LARGEST_HEADER = 4 * 2**20
"""Bytes; that of a VGG with the names of a thousand classes takes under 0.1 MiB."""
NAMES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64",
}  # fmt: skip


def pieces(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> list[bytes | memoryview]:
    """A safetensors file of contiguous tensors, piece by piece: its header, then each tensor."""
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name in order:
        begin, end = end, end + tensors[name].nbytes
        header[name] = {
            "dtype": NAMES[str(tensors[name].dtype).removeprefix("torch.")],
            "shape": list(tensors[name].shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return [len(text).to_bytes(8, "little") + text, *(bytes_of(tensors[name]) for name in order)]


def bytes_of(tensor: Tensor) -> memoryview:
    """A tensor's bytes as they lie in memory; a copy only where it is not contiguous."""
    import torch

    if sys.byteorder != "little":
        raise NotImplementedError("tensors are written as little-endian machines have them")
    return tensor.detach().contiguous().view(-1).view(torch.uint8).numpy().data


def header(path: Path) -> dict[str, Any] | None:
    """The header of a safetensors file; None where it is none, or longer than any of ours."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            text = file.read(size) if 2 <= size <= LARGEST_HEADER else b""
        found = json.loads(text) if len(text) == size else None
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
