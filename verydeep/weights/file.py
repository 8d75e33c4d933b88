"""Our weights file: a file of ours that knows its table, its classes and its pixels.

Its record says table, classes, pixels and provenance, and the hash by which the network's tensors
are known; every byte is held against its sum at every load. Weights that were trained here carry
the keys of the pictures that they had to do with, eight bytes each. The same network gives the
same file, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from verydeep import tensors_file
from verydeep.errors import UserError, one_line
from verydeep.nets.network import Network
from verydeep.parts.seen import Memory
from verydeep.pictures.preprocessing import Pixels as Pixels
from verydeep.runtime import memory
from verydeep.runtime.machine import usable
from verydeep.safetensors_layout import Arrays
from verydeep.schema import of_json
from verydeep.weights import earlier, schema
from verydeep.weights.info import (
    KIND,
    PICTURES,
    WeightsInfo,
    hash_of_layers,
    info_of,
    layer_hashes,
    memory_of,
    pixels_of,
    refuse_stack,
    table_of,
)
from verydeep.weights.paths import BEST, find

__all__ = [
    "BEST",
    "KIND",
    "WeightsInfo",
    "find",
    "hash_of",
    "load",
    "memory_of",
    "pixels_of",
    "read_info",
    "read_memory",
    "save",
    "table_of",
]

NUMBERS = ("F32", "F64", "F16", "BF16")
"""What weights may be in, by the format's names."""


def save(
    network: Network,
    path: Path | str,
    provenance: dict[str, Any] | None = None,
    memory: Memory | None = None,
) -> str:
    """Writes a network's weights file, whole or not at all, and gives its hash.

    `provenance` is plain data: where the weights come from and how to make them again; `memory`
    says which pictures they had to do with. Raises UserError where the file cannot be written, or
    could not be read again: for two classes of one name, or a table of none of Table 1's names.
    """
    if network.table.channels != 3:
        raise UserError(
            f"cannot write {path}: {network.table.name} reads {network.table.channels} planes, and "
            f"weights files are of nets that read pictures"
        )
    tensors = tensors_of(network)
    info = WeightsInfo(
        table=schema.table_in_words(network.table),
        classes=list(network.classes),
        pixels=asdict(network.pixels),
        provenance=provenance or {},
        hash=hash_of_layers(layer_hashes(tensors)),
    )
    write(info, tensors, path, memory)
    return info.hash


def write(
    info: WeightsInfo, tensors: Arrays, path: Path | str, memory: Memory | None = None
) -> None:
    """Writes a weights file that says this and has these tensors; raises as `save` does."""
    keys = {PICTURES + role: torch.from_numpy(k) for role, k in (memory or Memory()).keys.items()}
    info = replace(info, has_memory=bool(keys))
    try:
        _ = info_of(of_json(json.dumps(info.record)))
    except ValueError as error:
        raise UserError(f"cannot write {path}, which could not be read again: {error}") from None
    tensors_file.write(Path(path), KIND, info.record, {**tensors, **keys})


def hash_of(network: Network) -> str:
    """The sha256 over all of a network's tensors: the `hash` of its weights file."""
    return hash_of_layers(layer_hashes(tensors_of(network)))


def tensors_of(network: Network) -> dict[str, torch.Tensor]:
    """A network's tensors by name, as a file has them."""
    return {name: t.detach().cpu().contiguous() for name, t in network.state_dict().items()}


def load(path: Path | str, device: str | torch.device = "cpu") -> Network:
    """Network of a weights file, ready to test, with `.table`, `.classes` and `.pixels`.

    Raises UserError where the file is missing, is none of ours, holds what is not finite, or is
    damaged, and where the device is not here. Weights of another precision become float32.
    """
    device, path = usable(device), find(path)
    info = read_info(path)
    refuse_stack(info, path)
    network = Network.empty(table_of(info), info.classes, pixels_of(info))
    tensors = read_tensors(path, shapes_of(network))
    network.load_state_dict(tensors, assign=True)
    return network.to(device).eval()


def read_info(path: Path | str) -> WeightsInfo:
    """What a weights file says of itself, without reading its tensors. Raises as `load` does."""
    path = find(path)
    if not tensors_file.has_sums(path):
        return earlier.read_info(path)
    head = tensors_file.read_head(path, KIND)
    try:
        return info_of(head.record)
    except ValueError as error:
        raise UserError(f"{path} describes itself wrongly: {error}") from None


def read_memory(path: Path | str) -> Memory:
    """Which pictures the weights of a file had to do with; raises as `load` does."""
    path = find(path)
    _ = read_info(path)  # refuses what is none of ours
    found = (
        tensors_file.read(path, KIND, _is_of_pictures).tensors()
        if tensors_file.has_sums(path)
        else earlier.keys(path)
    )
    keys = {name.removeprefix(PICTURES): k for name, k in found.items()}
    try:
        return memory_of(keys)
    except ValueError as error:
        raise UserError(f"{path} is damaged in its list of pictures: {error}") from None


def _is_of_pictures(name: str) -> bool:
    return name.startswith(PICTURES)


def shapes_of(network: Network) -> dict[str, tuple[int, ...]]:
    """The shapes of a network's tensors by name."""
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def read_tensors(path: Path, wanted: Mapping[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """The tensors of a file in float32; raises UserError where they are not of the wanted shapes.

    That is known from the header alone, before memory is taken for them.
    """
    _refuse_other_tensors(wanted, path)
    memory.refuse(path.stat().st_size, f"{path}", "close other programs")
    return _read(path)


def _refuse_other_tensors(wanted: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Raises UserError where a file's tensors are not those of its table, from its header alone."""
    found = {name: at for name, at in _layout(path).items() if not _is_of_pictures(name)}
    shapes = {name: shape for name, (_, shape) in found.items()}
    for name in sorted(wanted.keys() | shapes.keys()):
        if shapes.get(name) != wanted.get(name):
            there, needed = (_in_words(said.get(name)) for said in (shapes, wanted))
            raise UserError(
                f"{path} does not fit its own table: its {one_line(name)} is {there}, {needed} "
                f"needed"
            )
    for name, (kind, _) in found.items():
        if kind not in NUMBERS:
            raise UserError(
                f"{path} has weights in {kind}, in {name}; {', '.join(NUMBERS)} are read"
            )


def _layout(path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    if not tensors_file.has_sums(path):
        return earlier.layout(path)
    places = tensors_file.read_head(path, KIND).places
    return {name: (at.kind, at.shape) for name, at in places.items()}


def _in_words(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else " x ".join(map(str, shape))


def _read(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file in float32, once they are found to be what was written."""
    found = (
        tensors_file.read(path, KIND).tensors()
        if tensors_file.has_sums(path)
        else earlier.tensors(path)
    )
    tensors = {name: t.float() for name, t in found.items() if not _is_of_pictures(name)}
    for name, tensor in tensors.items():
        if not torch.stack(tensor.aminmax()).isfinite().all():
            raise UserError(
                f"{path} has weights that are no finite numbers, in {name}; its training came to "
                f"nothing, take another epoch's"
            )
    return tensors
