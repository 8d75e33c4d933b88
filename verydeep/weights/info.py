"""What a weights file of ours says of itself; the hash by which a network's tensors are known."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch

from verydeep.errors import UserError
from verydeep.nets.stack import refuse_misfits
from verydeep.nets.table import Table
from verydeep.parts.dataset import ROLES
from verydeep.parts.seen import Memory
from verydeep.pictures.preprocessing import Pixels
from verydeep.safetensors_layout import bytes_of
from verydeep.schema import AndOthers, MisfitError, Sha256, fitting, shown
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
    pictures that the weights had to do with are in the file. A stack has `members`, in place of one
    table and one network's pixels.
    """

    table: dict[str, Any] | None
    classes: list[str]
    pixels: dict[str, Any] | None
    provenance: dict[str, Any]
    hash: Sha256 = ""
    has_memory: bool = False
    members: list[dict[str, Any]] | None = None

    @property
    def record(self) -> dict[str, Any]:
        """The same as plain data; files of one network say nothing of members."""
        said = asdict(self)
        return said if self.members else {k: v for k, v in said.items() if k != "members"}

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
    classes, members = schema.classes_of(info.classes), members_of(info)
    fitting(Annotated[schema.Provenance, AndOthers()], info.provenance, "provenance")
    if info.members is not None:
        if info.table is not None or info.pixels is not None:
            raise MisfitError("it has a table or pixels beside its members, which have their own")
        refuse_misfits([(member.table, member.scales) for member in members])
    count = members[0].table.class_count
    if len(classes) != count:
        raise ValueError(f"{len(classes)} class names for a table of {count} classes")
    return info


@dataclass(frozen=True)
class MemberInfo:
    """A network that a weights file says: a member of a stack, with its Q, or the only one.

    `shared` says which earlier member's each of its other tensors is.
    """

    table: Table
    pixels: Pixels
    scales: tuple[int, ...] = ()
    shared: Mapping[str, int] = field(default_factory=dict)


def members_of(info: WeightsInfo) -> list[MemberInfo]:
    """The networks that a weights file says: the members of a stack, or the only one."""
    if info.members is None:
        return [MemberInfo(schema.table_of_words(info.table), schema.pixels_of(info.pixels))]
    return [
        MemberInfo(
            schema.table_of_words(said["table"]),
            schema.pixels_of(said["pixels"]),
            tuple(said["scales"]),
            said["shared"],
        )
        for said in fitting(schema.Members, info.members, "members")
    ]


def table_of(info: WeightsInfo) -> Table:
    """The table that the weights file of one network says."""
    return schema.table_of_words(info.table)


def pixels_of(info: WeightsInfo) -> Pixels:
    """The pixels that the weights file of one network says."""
    return schema.pixels_of(info.pixels)


def refuse_stack(info: WeightsInfo, path: Path | str) -> None:
    """Raises UserError where a weights file holds a stack, and one network is wanted."""
    if info.members:
        raise UserError(
            f"{path} is a stack of {len(info.members)}, and one network is wanted here; give one "
            f"that it was made of (`predict`, `evaluate` and verydeep.load_stack take stacks)"
        )


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
