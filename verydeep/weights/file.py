"""Our weights file: one safetensors file that knows its table, its classes and its pixels.

The metadata is one JSON text under the key "verydeep": format number, table, classes, pixels,
provenance, and a sha256 for each layer's tensors, which is checked at every load. Weights that
were trained here carry the keys of the pictures that they had to do with, eight bytes each, which
are read only when they are asked for. The same network gives the same file, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from safetensors import SafetensorError, safe_open

from verydeep.datasets.dataset import ROLES
from verydeep.datasets.seen import Memory
from verydeep.errors import UserError, one_line
from verydeep.files import write_atomic
from verydeep.nets.network import Network
from verydeep.nets.table import Table
from verydeep.pictures.preprocessing import Pixels
from verydeep.runtime import memory
from verydeep.safetensors_layout import bytes_of, pieces
from verydeep.schema import AndOthers, Sha256, fitting, of_json, shown
from verydeep.weights import schema
from verydeep.weights.paths import BEST, OURS, find

__all__ = ["BEST", "find", "hash_of", "load", "pixels_of", "read_info", "read_memory", "save"]

FORMAT = 2
READ = (1, FORMAT)
"""Formats that are read; the first had no keys of pictures."""
KEY = OURS
KINDS = ("F32", "F64", "F16", "BF16")
"""Numbers that weights may be in, by the format's names."""
PICTURES = "pictures."
"""What the names of tensors that hold keys begin with, before the pictures' role."""
_IMPORT = "weights of another program come in by `verydeep weights import`"


@dataclass(frozen=True)
class WeightsInfo:
    """What a weights file says of itself.

    `hash` is the sha256 over all the network's tensors, `pictures` that over the pictures' keys.
    """

    table: dict[str, Any]
    classes: list[str]
    pixels: dict[str, Any]
    provenance: dict[str, Any]
    layers: dict[str, Sha256]
    format: int = FORMAT
    hash: Sha256 = ""
    pictures: Sha256 = ""

    @property
    def is_unnamed(self) -> bool:
        """Whether its classes have no names: imported, under numbers that nobody has given."""
        made = self.provenance.get("imported")
        numbers = [str(place) for place in range(len(self.classes))]
        given = made is None or "classes" in made.get("given", ())
        return bool(numbers) and not given and self.classes == numbers


def save(
    network: Network,
    path: Path | str,
    provenance: dict[str, Any] | None = None,
    memory: Memory | None = None,
) -> str:
    """Writes a network's weights file, whole or not at all, and gives its hash.

    `provenance` is plain data: where the weights come from and how to make them again; `memory`
    says which pictures they had to do with. Raises
    UserError where the file cannot be written, or could not be read again: for two classes of one
    name, or a table of none of Table 1's names.
    """
    table, tensors = network.table, _tensors(network)
    keys = {PICTURES + role: torch.from_numpy(k) for role, k in (memory or Memory()).keys.items()}
    layers = _layer_hashes(tensors)
    info = WeightsInfo(
        table={"name": table.name, "crop": table.crop, "words": table.words},
        classes=list(network.classes),
        pixels=asdict(network.pixels),
        provenance=provenance or {},
        layers=layers,
        hash=_hash_of(layers),
        pictures=_hash_of(_layer_hashes(keys)) if keys else "",
    )
    text = json.dumps(asdict(info))
    try:
        _ = _info_of(of_json(text))
    except ValueError as error:
        raise UserError(f"cannot write {path}, which could not be read again: {error}") from None
    write_atomic(Path(path), *pieces({**tensors, **keys}, {KEY: text}))
    return info.hash


def hash_of(network: Network) -> str:
    """The sha256 over all of a network's tensors: the `hash` of its weights file."""
    return _hash_of(_layer_hashes(_tensors(network)))


def load(path: Path | str, device: str | torch.device = "cpu") -> Network:
    """Network of a weights file, ready to test, with `.table`, `.classes` and `.pixels`.

    Raises UserError where the file is missing, is none of ours, holds what is not finite, or is
    damaged: every tensor is held against its hash. Weights of another precision become float32.
    """
    path = find(path)
    info = read_info(path)
    network = Network.empty(table_of(info), info.classes, pixels_of(info))
    _refuse_other_tensors(network, path)
    memory.refuse(path.stat().st_size, f"{path}", "close other programs")
    network.load_state_dict(_read(path, info), assign=True)
    return network.to(device).eval()


def read_info(path: Path | str) -> WeightsInfo:
    """What a weights file says of itself, without reading its tensors. Raises as `load` does."""
    path = find(path)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is no safetensors file: {one_line(error)}; {_IMPORT}") from None
    if KEY not in metadata:
        raise UserError(
            f"{path} is a safetensors file, but none of verydeep's: no '{KEY}' in it; {_IMPORT}"
        )
    try:
        about = of_json(metadata[KEY])
        number = about.get("format", FORMAT) if isinstance(about, dict) else FORMAT
        if number in READ:
            return _info_of(about)
    except ValueError as error:
        raise UserError(f"{path} describes itself wrongly: {error}") from None
    # and nothing else of it, for another format may have other keys
    raise UserError(
        f"{path} has format {shown(number)}; this verydeep reads formats 1 and {FORMAT}"
    )


def read_memory(path: Path | str) -> Memory:
    """Which pictures the weights of a file had to do with; raises as `load` does."""
    path = find(path)
    info = read_info(path)
    with safe_open(path, "pt") as file:
        names = [name for name in file.keys() if name.startswith(PICTURES)]  # noqa: SIM118
        keys = {name: file.get_tensor(name) for name in names}
    try:
        memory = memory_of({name.removeprefix(PICTURES): k for name, k in keys.items()})
    except ValueError as error:
        raise UserError(f"{path} is damaged in its list of pictures: {error}") from None
    if info.pictures != (_hash_of(_layer_hashes(keys)) if keys else ""):
        raise UserError(f"{path} is damaged in its list of pictures: its sha256 is another")
    return memory


def memory_of(keys: Mapping[str, torch.Tensor]) -> Memory:
    """What a file's keys of pictures by role say; ValueError where they are none."""
    for role, tensor in keys.items():
        if role not in ROLES:
            raise ValueError(f"pictures that were {shown(role)}")
        if tensor.dtype != torch.int64 or tensor.ndim != 1:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise ValueError(f"its keys are none, but {kind} of {tensor.ndim} axes")
    return Memory({role: tensor.numpy() for role, tensor in keys.items()})


def table_of(info: WeightsInfo) -> Table:
    """The table that a weights file says."""
    return schema.table_of_words(info.table)


def pixels_of(info: WeightsInfo) -> Pixels:
    """The pixels that a weights file says."""
    return schema.pixels_of(info.pixels)


def _info_of(about: Any) -> WeightsInfo:
    """What a header says; ValueError where it says what no file of ours does."""
    info: WeightsInfo = fitting(WeightsInfo, about)
    classes, table = schema.classes_of(info.classes), table_of(info)
    _ = pixels_of(info)
    fitting(Annotated[schema.Provenance, AndOthers()], info.provenance, "provenance")
    if len(classes) != table.class_count:
        raise ValueError(f"{len(classes)} class names for a table of {table.class_count} classes")
    return info


def _refuse_other_tensors(network: Network, path: Path) -> None:
    """Raises UserError where a file's tensors are not those of its table, from its header alone."""
    wanted = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    with safe_open(path, "pt") as file:
        names = [name for name in file.keys() if not name.startswith(PICTURES)]  # noqa: SIM118
        parts = {name: file.get_slice(name) for name in names}
        shapes = {name: part.get_shape() for name, part in parts.items()}
        kinds = {name: part.get_dtype() for name, part in parts.items()}
    for name in sorted(wanted.keys() | shapes.keys()):
        if shapes.get(name) != wanted.get(name):
            there, needed = (_in_words(found.get(name)) for found in (shapes, wanted))
            raise UserError(
                f"{path} does not fit its own table: its {one_line(name)} is {there}, {needed} "
                f"needed"
            )
    for name, kind in kinds.items():
        if kind not in KINDS:
            raise UserError(f"{path} has weights in {kind}, in {name}; {', '.join(KINDS)} are read")


def _in_words(shape: list[int] | None) -> str:
    return "none" if shape is None else " x ".join(map(str, shape))


def _read(path: Path, info: WeightsInfo) -> dict[str, torch.Tensor]:
    """The tensors of a file in float32, once they are found to be what was written."""
    with safe_open(path, "pt") as file:
        names = [name for name in file.keys() if not name.startswith(PICTURES)]  # noqa: SIM118
        tensors = {name: file.get_tensor(name) for name in names}
    found = _layer_hashes(tensors)
    damaged = sorted(k for k in found.keys() | info.layers if found.get(k) != info.layers.get(k))
    if damaged or info.hash != _hash_of(info.layers):
        where = f"in layer {damaged[0]}" if damaged else "in its header"
        raise UserError(f"{path} is damaged {where}: its sha256 is not the one it was written with")
    for name in tensors:
        tensors[name] = tensors[name].float()
        if not torch.stack(tensors[name].aminmax()).isfinite().all():
            raise UserError(
                f"{path} has weights that are no finite numbers, in {name}; its training came to "
                f"nothing, take another epoch's"
            )
    return tensors


def _tensors(network: Network) -> dict[str, torch.Tensor]:
    return {name: t.detach().cpu().contiguous() for name, t in network.state_dict().items()}


def _layer_hashes(tensors: dict[str, torch.Tensor]) -> dict[str, str]:
    """The sha256 of each layer's tensors, in the order of their names, with names and shapes."""
    digests: dict[str, Any] = defaultdict(hashlib.sha256)
    for name, tensor in sorted(tensors.items()):
        digest = digests[name.rpartition(".")[0]]
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(bytes_of(tensor))
    return {layer: digest.hexdigest() for layer, digest in digests.items()}


def _hash_of(layers: dict[str, str]) -> str:
    return hashlib.sha256(
        "".join(f"{k}{v}" for k, v in sorted(layers.items())).encode()
    ).hexdigest()
