"""Weights files that hold a stack: several networks, each with its Q.

The tensors of a member stand under its number, from 1: `2.fc8.weight`. One that an earlier member
has to the bit is not there again, and the record says whose it is: one trunk at several Q is in the
file once, and in memory once when it is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from verydeep.errors import UserError, one_line
from verydeep.nets.network import Network
from verydeep.nets.stack import Member, Stack
from verydeep.parts.seen import Memory
from verydeep.runtime.machine import usable
from verydeep.safetensors_layout import bytes_of
from verydeep.weights import schema
from verydeep.weights.file import (
    find,
    hash_of,
    load,
    read_info,
    read_tensors,
    shapes_of,
    tensors_of,
    write,
)
from verydeep.weights.info import MemberInfo, WeightsInfo, hash_of_layers, members_of


def save_stack(
    stack: Stack,
    path: Path | str,
    provenance: dict[str, Any] | None = None,
    memory: Memory | None = None,
) -> str:
    """Writes a stack's weights file, whole or not at all, and gives its hash.

    `provenance` and `memory` are as `save` takes them, and what it raises is raised.
    """
    arrays, shared = _stored(stack)
    info = WeightsInfo(
        table=None,
        classes=list(stack.classes),
        pixels=None,
        provenance=provenance or {},
        hash=hash_of_stack(stack),
        members=[
            {
                "table": schema.table_in_words(member.network.table),
                "pixels": asdict(member.network.pixels),
                "scales": list(member.scales),
                "shared": whose,
            }
            for member, whose in zip(stack.members, shared, strict=True)
        ],
    )
    write(info, arrays, path, memory)
    return info.hash


def hash_of_stack(stack: Stack) -> str:
    """The sha256 over all tensors of a stack's members: the `hash` of its weights file."""
    return hash_of_layers({str(i): hash_of(m.network) for i, m in enumerate(stack.members, 1)})


def load_stack(path: Path | str, device: str | torch.device = "cpu") -> Stack:
    """Stack of a weights file, ready to test; raises UserError as `load` does.

    What members share in the file they share in memory.
    """
    device, path = usable(device), find(path)
    info = read_info(path)
    if info.members is None:
        raise UserError(f"{path} is one network, and no stack; verydeep.load takes it")
    said = members_of(info)
    networks = [Network.empty(each.table, info.classes, each.pixels) for each in said]
    wanted: dict[str, tuple[int, ...]] = {}
    for number, (each, network) in enumerate(zip(said, networks, strict=True), 1):
        _refuse_others(each, network, number, path)
        for name, shape in shapes_of(network).items():
            place = _place(each, number, name)
            if wanted.setdefault(place, shape) != shape:
                raise UserError(f"{path} does not fit its own tables: {place} is of two shapes")
    tensors = {name: t.to(device) for name, t in read_tensors(path, wanted).items()}
    for number, (each, network) in enumerate(zip(said, networks, strict=True), 1):
        own = {name: tensors[_place(each, number, name)] for name in network.state_dict()}
        network.load_state_dict(own, assign=True)
    pairs = zip(networks, said, strict=True)
    return Stack(tuple(Member(network.eval(), each.scales) for network, each in pairs))


def load_any(path: Path | str, device: str | torch.device = "cpu") -> Network | Stack:
    """What a weights file holds, one network or a stack, ready to test; raises as `load` does."""
    path = find(path)
    return load(path, device) if read_info(path).members is None else load_stack(path, device)


def _stored(stack: Stack) -> tuple[dict[str, torch.Tensor], Sequence[dict[str, int]]]:
    """The tensors of a file by name, and for each member whose its others are."""
    arrays: dict[str, torch.Tensor] = {}
    owners: dict[tuple[Any, ...], int] = {}
    shared: list[dict[str, int]] = []
    for number, member in enumerate(stack.members, 1):
        shared.append({})
        for name, tensor in tensors_of(member.network).items():
            content = hashlib.sha256(bytes_of(tensor)).hexdigest()
            key = name, tensor.dtype, tensor.shape, content
            owner = owners.setdefault(key, number)
            if owner == number:
                arrays[f"{number}.{name}"] = tensor
            else:
                shared[-1][name] = owner
    return arrays, shared


def _place(said: MemberInfo, number: int, name: str) -> str:
    """What a tensor of a member is called in the file."""
    return f"{said.shared.get(name, number)}.{name}"


def _refuse_others(said: MemberInfo, network: Network, number: int, path: Path) -> None:
    """Raises UserError where a member shares what it has not, or with none before it."""
    for name, owner in said.shared.items():
        if name not in network.state_dict() or owner >= number:
            raise UserError(
                f"{path} does not fit its own tables: its member {number} cannot share "
                f"{one_line(name)} with member {owner}"
            )
