"""MATLAB's "-v7.3" files, which are HDF5: variables by name, as `mat5` gives them.

MATLAB writes the axes in reverse order, a struct as a group with a member for each field, a cell
array as references into the group "#refs#", a struct array as a group whose members are
references, one for each element.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from verydeep.formats import hdf5
from verydeep.formats.hdf5 import Node
from verydeep.formats.mat5 import Unread, Value
from verydeep.limits import NESTING, FormatError

ARRAYS = 20_000
"""Most arrays in a file; MatConvNet's have some 3,000."""

NUMERIC = {
    "double", "single", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "logical",
}  # fmt: skip


def is_mat73(start: bytes) -> bool:
    """Whether a file that starts so is one of MATLAB's that are HDF5."""
    is_matlab = start.startswith(b"MATLAB 7.3") or start[124:128] in (b"\x00\x02IM", b"\x02\x00MI")
    return is_matlab and hdf5.signature_at(start) is not None


def read(path: Path | str) -> dict[str, Value]:
    """The variables of a file, by name; raises UserError where it is damaged or none."""
    with hdf5.opened(path) as file:
        walk = _Walk(file)
        members = file.node(file.root_address).links().items()
        return {name: walk.value(at, 0) for name, at in members if not name.startswith("#")}


class _Walk:
    """Values by address: each is read once, and none may hold itself."""

    def __init__(self, file: hdf5.File) -> None:
        self.file = file
        self.found: dict[int, Value] = {}
        self.open: set[int] = set()

    def value(self, address: int, depth: int) -> Value:
        """The value at an address, whatever it holds read with it."""
        if address in self.found:
            return self.found[address]
        if address in self.open:
            raise FormatError("its references go round in a circle")
        if depth > NESTING:
            raise FormatError(f"its values are nested over {NESTING} deep", "no net of ours is so")
        if len(self.found) + len(self.open) >= ARRAYS:
            raise FormatError(f"it holds over {ARRAYS:,} arrays", "no net of ours has so many")
        self.open.add(address)
        node = self.file.node(address)
        value = self._array(node, depth) if node.is_dataset else self._struct(node, depth)
        self.open.remove(address)
        self.found[address] = value
        return value

    def _array(self, node: Node, depth: int) -> Value:
        kind = _class(node)
        empty = node.attribute("MATLAB_empty") == [1]
        if kind == "cell":
            return [] if empty else self._values(node.references(), depth)
        if kind == "char":
            return "" if empty else _text(node)
        if kind == "struct" and empty:
            return ()
        if kind in NUMERIC:
            return np.empty((0, 0)) if empty else node.numbers().T
        return Unread(kind or "value without a class")

    def _struct(self, node: Node, depth: int) -> Value:
        """A struct, or a struct array where every field is references and no cell."""
        if _class(node) not in ("struct", ""):
            return Unread(_class(node))
        members = node.links()
        nodes = {name: self.file.node(at) for name, at in members.items()}
        if nodes and all(_is_of_elements(member) for member in nodes.values()):
            columns = [self._values(each.references(), depth) for each in nodes.values()]
            if len({len(column) for column in columns}) > 1:
                raise FormatError("the fields of a struct array have different lengths")
            return tuple(dict(zip(nodes, row, strict=True)) for row in zip(*columns, strict=True))
        return ({name: self.value(at, depth + 1) for name, at in members.items()},)

    def _values(self, addresses: list[int], depth: int) -> list[Value]:
        return [self.value(address, depth + 1) for address in addresses]


def _class(node: Node) -> str:
    """MATLAB's class of a value, or nothing."""
    names = node.attribute("MATLAB_class")
    return names[0] if names and isinstance(names[0], str) else ""


def _is_of_elements(node: Node) -> bool:
    """Whether a field holds a reference for each element of a struct array."""
    return node.is_dataset and not _class(node) and node.holds_references


def _text(node: Node) -> str:
    """The text of an array of characters; its rows, if several, as lines."""
    codes = node.numbers()
    if codes.dtype.kind != "u" or codes.dtype.itemsize > 2 or codes.ndim != 2:
        raise FormatError("an array of characters holds something else")
    rows = codes.T
    return "\n".join(row.astype("<u2").tobytes().decode("utf-16-le", "replace") for row in rows)
