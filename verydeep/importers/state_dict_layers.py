"""Which layer of Table 1 each tensor of such a state dict is of.

Places in torchvision's and timm's sequences tell where the pools are; FC layers are known by their
numbers, their shapes and what comes after them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise, takewhile

from torch import Tensor

from verydeep.importers.layer_names import TRUNKS
from verydeep.importers.other_nets import out_of_place
from verydeep.importers.state_dict_names import EXPECTED, FEATURE, PAPERS, Placed
from verydeep.limits import FormatError

TOPS = {
    "torchvision": ("classifier.0", "classifier.3", "classifier.6"),
    "timm": ("pre_logits.fc1", "pre_logits.fc2", "head.fc"),
}
"""What each family calls fc6, fc7 and fc8."""
OURS = ("fc6", "fc7", "fc8")
CLASSIFIER = re.compile(r"classifier\.(\d{1,3})\.weight")
KINDS = ("weight", "bias", "running_mean", "running_var")


def our_names(net: Placed, family: str) -> tuple[dict[str, str], list[str]]:
    """Our name of each tensor, and the file's of the layers that are left out.

    Raises FormatError for the first tensor that has no place, where that is none of a head's.
    """
    tops = _tops(net, family)
    layers = {m[1]: m[1] for name in net.state if (m := PAPERS.fullmatch(name))}
    layers = {layer: name for layer, name in layers.items() if not layer.startswith("fc")}
    layers |= {**_features(net.state), **dict(zip(tops, OURS, strict=False))}
    ours = {f"{layer}.{kind}": f"{layers[layer]}.{kind}" for layer in layers for kind in KINDS}
    unknown = [name for name in net.state if name not in ours]
    if any(name.startswith("features.") for name in unknown):
        raise FormatError(f"it has {out_of_place(unknown)}", EXPECTED)
    left = [net.theirs.get(name, name) for name in unknown] + [*net.left]
    if left and frozenset(n for n in layers.values() if n.startswith("conv")) not in TRUNKS:
        raise FormatError(f"it has {out_of_place(sorted(left))}", EXPECTED)
    return {k: v for k, v in ours.items() if k in net.state}, left


def _tops(net: Placed, family: str) -> list[str]:
    """The layers that are fc6, fc7 and fc8, or those of them before a head of another kind.

    Three in a classifier are these, whatever their numbers: dropout may stand before them, or not.
    Of others fc6 and fc7 are known by torchvision's numbers, and by fc7's being square.
    """
    state = net.state
    weights = {name.removesuffix(".weight") for name in state if name.endswith(".weight")}
    named = OURS if any(layer in weights for layer in OURS) else TOPS["timm"]
    if family == "timm" or named is OURS:
        found = [*takewhile(weights.__contains__, named)]
        return found[:2] if len(found) == 3 and _goes_on(net, found[2]) else found
    places = sorted(int(m[1]) for name in state if (m := CLASSIFIER.fullmatch(name)))
    layers = [f"classifier.{place}" for place in places]
    matrices = [layer for layer in layers if state[f"{layer}.weight"].ndim == 2]
    if len(layers) == len(matrices) == 3 and not _goes_on(net, layers[2]):
        return layers
    fc6, fc7 = TOPS["torchvision"][:2]
    shape = tuple(state[f"{fc7}.weight"].shape) if f"{fc7}.weight" in state else ()
    square = len(shape) == 2 and shape[0] == shape[1]
    return [fc6, fc7] if layers[:2] == matrices[:2] == [fc6, fc7] and square else []


def _goes_on(net: Placed, scores: str) -> bool:
    """Whether one of the layers without a place takes as many values as this one gives."""
    count = len(net.state[f"{scores}.weight"])
    return any(
        tuple(tensor.shape[1:] if name.endswith(".weight") else tensor.shape) == (count,)
        for name, tensor in net.left.items()
        if name.endswith((".weight", ".running_mean"))
    )


def _features(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Caffe's name of each convolution and norm, by its place in the sequence."""
    found = [match for name in state if (match := FEATURE.fullmatch(name))]
    places = sorted({int(match[1]) for match in found})
    joined = any(match[2] for match in found)
    # mmpretrain counts no ReLUs; else a ReLU, or a norm and a ReLU, comes next
    step = 1 if joined and any(b - a == 1 for a, b in pairwise(places)) else 2
    names: dict[str, str] = {}
    block, place, next_free = 1, 0, 0
    for i in places:
        is_norm = f"features.{i}.running_mean" in state
        pools = 0 if is_norm else i - next_free
        if pools not in (0, 1) or (pools and place == 0) or (is_norm and i != next_free - 1):
            raise FormatError(f"it has {out_of_place([f'features.{i}'])}", EXPECTED)
        if pools:
            block, place = block + 1, 0
        if not is_norm:
            place += 1
        if joined:
            layers = {f"features.{i}.{kind}": f"{kind}{block}_{place}" for kind in ("conv", "bn")}
        else:
            layers = {f"features.{i}": f"{'bn' if is_norm else 'conv'}{block}_{place}"}
        names |= layers
        next_free = i + step
    return names
