"""What a weights file of ours says of itself; the hash by which a network's tensors are known."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch

from verydeep.datasets.dataset import ROLES
from verydeep.datasets.seen import Memory
from verydeep.nets.table import Table
from verydeep.pictures.preprocessing import Pixels
from verydeep.safetensors_layout import bytes_of
from verydeep.schema import AndOthers, Sha256, fitting, shown
from verydeep.tensors_file import Kind
from verydeep.weights import schema
from verydeep.weights.paths import OURS

KIND = Kind(
    OURS,
    "weights file",
    3,
    if_damaged="copy or fetch it again, or train anew",
    if_other="take the version of verydeep that wrote it",
)
PICTURES = "pictures."
"""What the names of arrays that hold keys of pictures begin with, before the pictures' role."""


@dataclass(frozen=True)
class WeightsInfo:
    """What a weights file says of itself.

    `hash` is the sha256 over all the network's tensors; `has_memory` says whether the keys of the
    pictures that the weights had to do with are in the file.
    """

    table: dict[str, Any]
    classes: list[str]
    pixels: dict[str, Any]
    provenance: dict[str, Any]
    hash: Sha256 = ""
    has_memory: bool = False

    @property
    def is_unnamed(self) -> bool:
        """Whether its classes have no names: imported, under numbers that nobody has given."""
        made = self.provenance.get("imported")
        numbers = [str(place) for place in range(len(self.classes))]
        given = made is None or "classes" in made.get("given", ())
        return bool(numbers) and not given and self.classes == numbers


def info_of(said: Any) -> WeightsInfo:
    """What a header says; ValueError where it says what no file of ours does."""
    info: WeightsInfo = fitting(WeightsInfo, said)
    classes, table = schema.classes_of(info.classes), table_of(info)
    _ = pixels_of(info)
    fitting(Annotated[schema.Provenance, AndOthers()], info.provenance, "provenance")
    if len(classes) != table.class_count:
        raise ValueError(f"{len(classes)} class names for a table of {table.class_count} classes")
    return info


def table_of(info: WeightsInfo) -> Table:
    """The table that a weights file says."""
    return schema.table_of_words(info.table)


def pixels_of(info: WeightsInfo) -> Pixels:
    """The pixels that a weights file says."""
    return schema.pixels_of(info.pixels)


def memory_of(keys: Mapping[str, torch.Tensor]) -> Memory:
    """What a file's keys of pictures by role say; ValueError where they are none."""
    for role, tensor in keys.items():
        if role not in ROLES:
            raise ValueError(f"pictures that were {shown(role)}")
        if tensor.dtype != torch.int64 or tensor.ndim != 1:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise ValueError(f"its keys are none, but {kind} of {tensor.ndim} axes")
    return Memory({role: tensor.numpy() for role, tensor in keys.items()})


def layer_hashes(tensors: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """The sha256 of each layer's tensors, in the order of their names, with names and shapes."""
    digests: dict[str, Any] = defaultdict(hashlib.sha256)
    for name, tensor in sorted(tensors.items()):
        digest = digests[name.rpartition(".")[0]]
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(bytes_of(tensor))
    return {layer: digest.hexdigest() for layer, digest in digests.items()}


def hash_of_layers(layers: Mapping[str, str]) -> str:
    """The sha256 over layers, of each of theirs."""
    text = "".join(f"{k}{v}" for k, v in sorted(layers.items()))
    return hashlib.sha256(text.encode()).hexdigest()
