"""Our networks as state dicts of torchvision's and timm's nets, to the same bits."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from verydeep.errors import UserError, one_line
from verydeep.exporters.constructors import averages, loaded_by
from verydeep.exporters.rows import refuse_others
from verydeep.files import atomic_file, write_atomic
from verydeep.importers.state_dict_file import PRETRAINED_CFG
from verydeep.importers.state_dict_layers import TOPS
from verydeep.importers.torchvision_names import peer_of, rows_of
from verydeep.nets.network import Network
from verydeep.nets.rows import (
    FC,
    LRN,
    BatchNorm,
    Conv,
    Dropout,
    MaxPool,
    ReLU,
    Softmax,
    WholeAvePool,
)
from verydeep.safetensors_layout import pieces

MEAN_TOPS = {"torchvision": ("classifier",), "timm": ("head.fc",)}
"""What the layer of the classes is called where it is the only one, after a mean over space."""


def write(network: Network, path: Path | str, family: str) -> str:
    """Writes a network's state dict as torchvision or timm name it, .pth or .safetensors.

    Gives what loads it there, in words.

    The tensors are ours, bit for bit. Neither family has a place for pixels: ours stand beside the
    tensors, for us to read again, and for timm where its words can say them. Raises UserError for
    a network with layers that the family has not.
    """
    path = Path(path)
    if path.suffix not in (".pth", ".pt", ".safetensors"):
        raise UserError(f"{path} ends in no .pth, .pt or .safetensors, which say the kind of file")
    state = _state(network, family)
    cfg = _pretrained_cfg(network)
    if path.suffix == ".safetensors":
        write_atomic(path, *pieces(state, {"format": "pt", PRETRAINED_CFG: json.dumps(cfg)}))
        return loaded_by(network.table, family)
    vars(state)[PRETRAINED_CFG] = cfg
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as file:
            torch.save(state, file)
    except (OSError, RuntimeError) as error:
        size = sum(t.nbytes for t in state.values())
        raise UserError(f"cannot write {path} ({size:,} bytes): {one_line(error)}") from None
    return loaded_by(network.table, family)


def _state(network: Network, family: str) -> OrderedDict[str, Tensor]:
    """The network's tensors by the family's names, in its order and layout."""
    peer = peer_of(network.table, family)
    if peer is not None:
        theirs = rows_of(peer, network.table)
        fcs = [row.name for row in network.table.rows if isinstance(row, FC)]
        return _named(network, theirs, fcs)
    rows = network.table.rows
    kinds = (BatchNorm, Conv, FC, LRN, MaxPool, WholeAvePool, ReLU, Dropout, Softmax)
    refuse_others(network.table, kinds, f"{family}'s VGG")
    _ = network.table.scores  # neither family has a net without one
    fcs = [row.name for row in rows if isinstance(row, FC)]
    odd = [row.name for row in rows if isinstance(row, LRN)]
    tops = MEAN_TOPS if averages(network.table) else TOPS
    if odd or len(fcs) != len(tops[family]):
        raise UserError(
            f"{family} has no VGG with a layer '{odd[0]}'"
            if odd
            else f"{family}'s VGGs have {len(tops[family])} FC layers, this network {len(fcs)}"
        )
    theirs = {row.name: f"features.{i}" for i, row in enumerate(rows)}
    theirs |= dict(zip(fcs, tops[family], strict=True))
    return _named(network, theirs, {*(fcs if family == "torchvision" else fcs[-1:])})


def _named(
    network: Network, theirs: Mapping[str, str], matrices: Collection[str]
) -> OrderedDict[str, Tensor]:
    """The network's tensors, `theirs` being the name of each layer; `matrices` are no filters."""
    state: OrderedDict[str, Tensor] = OrderedDict()
    for name, tensor in network.state_dict().items():
        layer, _, kind = name.rpartition(".")
        is_matrix = layer in matrices and kind == "weight"
        tensor = tensor.detach().cpu().contiguous()
        if tensor.untyped_storage().nbytes() > tensor.nbytes:  # else all of it would be saved
            tensor = tensor.clone()
        state[f"{theirs[layer]}.{kind}"] = tensor.flatten(1) if is_matrix else tensor
        if kind == "running_var":
            state[f"{theirs[layer]}.num_batches_tracked"] = torch.tensor(0)
    return state


def _pretrained_cfg(network: Network) -> dict[str, Any]:
    """What timm keeps of a net, and our own pixels, which its words cannot all say."""
    pixels, crop = network.pixels, network.table.crop
    cfg = {
        "pixels": asdict(pixels),
        "input_size": [3, crop, crop],
        "crop_pct": crop / pixels.test_scale,
        "interpolation": pixels.resize,
        "num_classes": len(network.classes),
        "label_names": list(network.classes),
    }
    if pixels.order == "RGB":
        cfg["mean"] = [v / pixels.maximum for v in pixels.mean]
        cfg["std"] = [v / pixels.maximum for v in pixels.std]
    return cfg
