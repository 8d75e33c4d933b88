"""What a file of PyTorch's or of safetensors holds: tensors by name, and what is said of them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from verydeep.errors import one_line
from verydeep.formats import pth
from verydeep.importers import class_names
from verydeep.limits import FormatError, start_of
from verydeep.safetensors_layout import header

PRETRAINED_CFG = "pretrained_cfg"
"""timm's name for what it knows of a net: pixels and class names among it."""
WRAPPERS = ("state_dict", "model", "model_state_dict")
"""Names under which trainers keep a state dict beside other things."""
AVERAGES = re.compile(r"(?:model|state_dict)_(?:ema|swa)|(?:ema|swa)(?:_model|_state_dict)?")
"""Names under which they keep an average of the weights beside them."""
COUNT = "n_averaged"
"""What an average of PyTorch's own keeps among its tensors: how many it is of."""
_OWN = re.compile(r"\d+|features|classifier|pre_logits|head|(conv|bn)\d+_\d+|fc\d+")
"""What a part of a name is in a VGG; what all names begin with before one is a wrapper's."""
_PARALLEL = re.compile(r"(?<=^features\.)module\.")
"""What is put before the names of `features` where they alone are shared out over devices."""


def is_state(path: Path) -> bool:
    """Whether a file is one of PyTorch's or a safetensors file, by how it begins."""
    return pth.is_pth(path) or _is_safetensors(path)


def _is_safetensors(path: Path) -> bool:
    start = start_of(path, 9)
    return len(start) == 9 and start[8:] == b"{" and int.from_bytes(start[:8], "little") < 2**40


@dataclass(frozen=True)
class Extras:
    """What lies beside the tensors.

    `pretrained_cfg` is timm's record of the net, `classes` the class names with the word that a
    trainer has for them, and `notes` tell in a line each what a user should know.
    """

    pretrained_cfg: Mapping[str, Any]
    classes: tuple[str, Any] | None = None
    notes: tuple[str, ...] = ()


def content(path: Path) -> tuple[dict[str, Tensor], Extras]:
    """The tensors of a file by name, prefixes taken off, and what lies beside them."""
    if pth.is_pth(path):
        found, extras = _unwrapped(pth.load(path))
    else:
        head = header(path)
        if head is None:
            raise FormatError("its header is damaged or too long")
        extras = Extras(_pretrained_cfg(head.get("__metadata__", {})))
        with safe_open(path, "pt") as file:
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    found.pop(COUNT, None)
    wrapper = len(_shared(found))
    state = {_PARALLEL.sub("", name[wrapper:]): tensor for name, tensor in found.items()}
    odd = [name for name, tensor in state.items() if not _is_plain(tensor)]
    if odd or len(state) < len(found):
        name = odd[0] if odd else "one name twice"
        raise FormatError(f"it has {one_line(name)} in it", "save the model's state_dict alone")
    if sum(t.nbytes for t in state.values()) > path.stat().st_size:
        raise FormatError("its tensors take more bytes than it has")
    return state, extras


def _shared(names: Collection[str]) -> str:
    """What all names begin with, which wrappers of a module put there: "backbone.", "module."."""
    shared = ""
    if names:
        for first, last in zip(min(names).split("."), max(names).split("."), strict=False):
            if first != last or _OWN.fullmatch(first):
                break
            shared += f"{first}."
    return shared if all(name.startswith(shared) for name in names) else ""


def _unwrapped(found: Any) -> tuple[dict[str, Any], Extras]:
    """The dictionary of tensors in what was pickled, and what lies beside it."""
    cfg: Mapping[str, Any] = {}
    classes, notes = None, list[str]()
    for _ in WRAPPERS:
        if not isinstance(found, dict):
            break
        own = _pretrained_cfg({**getattr(found, "__dict__", {}), **dict(dict.items(found))})
        cfg = own or cfg
        inner = [key for key in WRAPPERS if isinstance(dict.get(found, key), dict)]
        if not inner:
            break
        classes = class_names.beside(found) or classes
        notes += _other_sets(found, inner[0])
        found = dict.get(found, inner[0])
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in dict.keys(found)):
        raise FormatError(
            f"it holds no state dict but a {type(found).__name__}", "save the model's state_dict"
        )
    return dict(dict.items(found)), Extras(cfg, classes, tuple(notes))


def _other_sets(found: dict[Any, Any], taken: str) -> Iterator[str]:
    """A note for each other set of weights that lies beside the one that is taken."""
    for name, value in dict.items(found):
        if value is dict.get(found, taken) or not isinstance(name, str):
            continue
        average = bool(AVERAGES.fullmatch(name))
        if (average or name in WRAPPERS) and _has_tensors(value, len(WRAPPERS)):
            yield (
                f"there are two sets of weights, '{taken}' and {'an average of them, ' * average}"
                f"'{name}'; '{taken}' is taken, so save '{name}' alone if it was tested"
            )


def _has_tensors(value: Any, depth: int) -> bool:
    """Whether a dictionary holds a tensor, or one within it does."""
    if not isinstance(value, dict) or not depth:
        return False
    return any(isinstance(v, Tensor) or _has_tensors(v, depth - 1) for v in dict.values(value))


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
