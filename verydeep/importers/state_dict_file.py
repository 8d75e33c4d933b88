"""What a file of PyTorch's or of safetensors holds: tensors by name, and what is said of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from verydeep.errors import one_line
from verydeep.formats import pth
from verydeep.importers import class_names
from verydeep.importers.state_dict_names import another_set
from verydeep.limits import FormatError, start_of
from verydeep.safetensors_layout import header

PRETRAINED_CFG = "pretrained_cfg"
"""timm's name for what it knows of a net: pixels and class names among it."""
WRAPPERS = ("state_dict", "model", "model_state_dict")
"""Names under which trainers keep a state dict beside other things."""
WITHIN = ("module", "ema", "state")
"""Names under which an average that was asked for has them."""
_OPTIMISERS = re.compile(r"optim|sched|scaler|(^|_)opt(_|$|s$)", re.IGNORECASE)
"""What keeps tensors like those of a net beside it, and is none."""
COUNT = "n_averaged"
"""What an average of PyTorch's own keeps among its tensors: how many it is of."""


def is_statedict(path: Path | str) -> bool:
    """Whether a file is one of PyTorch's or a safetensors file, by how it begins."""
    return pth.is_pth(Path(path)) or _is_safetensors(Path(path))


def _is_safetensors(path: Path) -> bool:
    start = start_of(path, 9)
    return len(start) == 9 and start[8:] == b"{" and int.from_bytes(start[:8], "little") < 2**40


@dataclass(frozen=True)
class Extras:
    """What lies beside the tensors.

    `pretrained_cfg` is timm's record of the net, `classes` the class names with the word that a
    trainer has for them, and `notes` tell in a line each what a user should know. `which` is the
    set of weights that was asked for where no dictionary of the file is called so, `sets` are those
    that are.
    """

    pretrained_cfg: Mapping[str, Any]
    classes: tuple[str, Any] | None = None
    notes: tuple[str, ...] = ()
    which: str | None = None
    sets: tuple[str, ...] = ()


def content(path: Path, which: str | None = None) -> tuple[dict[str, Tensor], Extras]:
    """The tensors of a file by its own names, and what lies beside them.

    `which` is the name of the set of weights to take, where a checkpoint has several.
    """
    if pth.is_pth(path):
        found, extras = _unwrapped(pth.load(path), which)
    else:
        head = header(path)
        if head is None:
            raise FormatError("its header is damaged or too long")
        _refuse_cut_short(head, path)
        extras = Extras(_pretrained_cfg(head.get("__metadata__", {})), which=which)
        with safe_open(path, "pt") as file:
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    found.pop(COUNT, None)
    odd = [name for name, tensor in found.items() if not _is_plain(tensor)]
    if odd:
        raise FormatError(f"it has {one_line(odd[0])} in it", "save the model's state_dict alone")
    if _bytes_kept(found.values()) > path.stat().st_size:
        raise FormatError("its tensors take more bytes than it has")
    return found, extras


def _bytes_kept(tensors: Iterable[Tensor]) -> int:
    """Bytes that tensors need, those of one storage counted once: the most that one asks of it."""
    kept: dict[int, int] = {}
    for tensor in tensors:
        place = tensor.untyped_storage().data_ptr()
        kept[place] = max(tensor.nbytes, kept.get(place, 0))
    return sum(kept.values())


def _refuse_cut_short(head: Mapping[str, Any], path: Path) -> None:
    """Raises FormatError where a header tells of tensors beyond the end of its file."""
    spans = [dict.get(said, "data_offsets") for said in head.values() if isinstance(said, dict)]
    ends = [span[1] for span in spans if isinstance(span, list) and len(span) == 2]
    with path.open("rb") as file:
        start = 8 + int.from_bytes(file.read(8), "little")
    size = path.stat().st_size
    wanted = start + max((end for end in ends if isinstance(end, int)), default=0)
    if wanted > size:
        raise FormatError(f"it is cut short: {size:,} of {wanted:,} bytes are there")


def _unwrapped(found: Any, which: str | None) -> tuple[dict[str, Any], Extras]:
    """The dictionary of tensors in what was pickled, and what lies beside it.

    A set that is asked for may lie at any depth; where none is called so, names may begin with it.
    """
    cfg: Mapping[str, Any] = {}
    classes, notes, sets = None, list[str](), list[str]()
    wanted = WRAPPERS if which is None else (which, *WRAPPERS, *WITHIN)
    for _ in WRAPPERS:
        if not isinstance(found, dict):
            break
        own = _pretrained_cfg({**getattr(found, "__dict__", {}), **dict(dict.items(found))})
        cfg = own or cfg
        inner = [key for key in wanted if isinstance(dict.get(found, key), dict)]
        if not inner:
            break
        classes = class_names.beside(found) or classes
        others = _other_sets(found, inner[0])
        sets += [inner[0], *others]
        notes += [another_set(inner[0], other) for other in others if wanted is WRAPPERS]
        which = None if inner[0] == which else which
        found = dict.get(found, inner[0])
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in dict.keys(found)):
        raise FormatError(
            f"it holds no state dict but a {type(found).__name__}", "save the model's state_dict"
        )
    return dict(dict.items(found)), Extras(cfg, classes, tuple(notes), which, tuple(sets))


def _other_sets(found: dict[Any, Any], taken: str) -> list[str]:
    """The names of other sets of weights that lie beside the one that is taken."""
    return [
        name
        for name, value in dict.items(found)
        if isinstance(name, str)
        and value is not dict.get(found, taken)
        and not _OPTIMISERS.search(name)
        and _has_filters(value, len(WRAPPERS))
    ]


def _has_filters(value: Any, depth: int) -> bool:
    """Whether a dictionary holds filters of a net, or one within it does."""
    if not isinstance(value, dict) or not depth:
        return False
    return any(
        v.ndim == 4 if isinstance(v, Tensor) else _has_filters(v, depth - 1)
        for v in dict.values(value)
    )


def _pretrained_cfg(said: Mapping[Any, Any]) -> Mapping[str, Any]:
    """The record that timm keeps of a net, if there is one: a dictionary, or the JSON of one."""
    cfg = said.get(PRETRAINED_CFG)
    if isinstance(cfg, str):
        try:
            cfg = json.loads(cfg)
        except (ValueError, RecursionError):
            return {}
    return cfg if isinstance(cfg, dict) else {}


def _is_plain(tensor: Any) -> bool:
    return (
        isinstance(tensor, Tensor)
        and tensor.layout is torch.strided
        and tensor.device.type == "cpu"
        and not tensor.is_quantized
    )
