"""State dicts of torchvision's and timm's VGGs, with batch normalisation and without.

In comes a .pth, .pt or .safetensors file, bare or wrapped as trainers wrap them; out go
`Parameters`. Of a net with a head of the user's own come its convolutions, and fc6 and fc7 where
they stand as torchvision's or timm's.

Their convolutions are numbered by their place in a sequence, "features.N", in which norms, ReLUs
and pools are counted too, so that the gaps tell where the pools are; mmpretrain's are
"features.N.conv" and "features.N.bn", with ReLUs not counted. torchvision's FC layers are matrices
(classifier.0, .3, .6, or wherever else three stand); timm's first two are convolutions
(pre_logits.fc1, .fc2, head.fc). The paper's own names, conv1_1 ... fc8, are taken as they are.
Such a file holds no graph: what stands between its layers, ReLUs and max-pooling over 2 x 2, or is
done to its last map, is a guess. Numbering of torchvision or timm implies their constructors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from verydeep.errors import one_line
from verydeep.importers import state_dict_peers
from verydeep.importers.class_names import in_order
from verydeep.importers.guesses import CROP_OF_A_MEAN
from verydeep.importers.layer_names import TRUNKS
from verydeep.importers.layer_shapes import map_side
from verydeep.importers.other_nets import note_of_head, out_of_place
from verydeep.importers.parameters import ALL_GUESSED, AUTHORS, SCALE, TORCHVISION, Parameters
from verydeep.importers.state_dict_file import Extras, content, is_statedict
from verydeep.importers.state_dict_names import (
    BARE,
    EXPECTED,
    FEATURE,
    PAPERS,
    Placed,
    placed,
)
from verydeep.importers.torchvision_names import Peer
from verydeep.limits import FormatError, reading
from verydeep.nets.rows import FC
from verydeep.pictures.preprocessing import Pixels
from verydeep.weights.schema import class_names_of, pixels_of

__all__ = ["is_statedict", "read"]

TOPS = {
    "torchvision": ("classifier.0", "classifier.3", "classifier.6"),
    "timm": ("pre_logits.fc1", "pre_logits.fc2", "head.fc"),
}
"""What each family calls fc6, fc7 and fc8."""
OURS = ("fc6", "fc7", "fc8")
AMDEGROOT = Pixels((256, 256), (0.48235, 0.45882, 0.40784), (1 / 255,) * 3, maximum=1)
"""The authors' own pixels, as torchvision gives them with the convolutions that it took over."""
CLASSIFIER = re.compile(r"classifier\.(\d{1,3})\.weight")
KINDS = ("weight", "bias", "running_mean", "running_var")
ONE_POSITION = (
    "that its crop is 32 is a guess: its first FC layer sees one position, which is also "
    "what is left where a net averages its last map (AdaptiveAvgPool2d(1))"
)
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


def read(path: Path | str, which: str | None = None) -> Parameters:
    """The weights in a state dict, under Caffe's names.

    `which` names the set to take where a checkpoint has several, such as "model_ema". Pixels are
    torchvision's, or those that the file tells. FC layers that are nothing but NaN, as in
    torchvision's `vgg16_features`, are left out. Raises UserError for a damaged or hostile file,
    and for one of another net.
    """
    with reading(path, "a state dict"):
        try:
            return _parameters(*content(Path(path), which))
        except (FormatError, OSError, MemoryError):
            raise
        except Exception as error:  # a damaged file has PyTorch raise anything
            said = one_line(error)
            short = "unexpected EOF" in said or "PytorchStreamReader failed" in said
            raise FormatError(f"it is cut short, or damaged ({said})" if short else said) from None


def _parameters(found: dict[str, Tensor], extras: Extras) -> Parameters:
    found = {k: t for k, t in found.items() if not k.endswith(".num_batches_tracked")}
    peer = state_dict_peers.found_among(found, extras.which, extras.sets)
    if peer is not None:
        return _of_peer(*peer, extras)
    if all(map(BARE.fullmatch, found)):
        found = {f"features.{name}": tensor for name, tensor in found.items()}
    net = placed(found, extras.which, extras.sets)
    cfg, notes = extras.pretrained_cfg, [*extras.notes, *net.notes]
    pixels, guessed = _pixels(cfg)
    if not cfg and any(map(PAPERS.fullmatch, net.state)):  # of a port of Caffe's files, then
        pixels = AUTHORS
    if _all_nan(net.state.get("classifier.0.weight")):
        kept = {k: t for k, t in net.state.items() if not k.startswith("classifier.")}
        net = replace(net, state=kept)
        pixels, guessed = AMDEGROOT, (SCALE,)
        notes.append("its FC layers are NaN: it has the authors' convolutions, and no others")
    timms = any(name.startswith(("pre_logits", "head.")) for name in net.state)
    family = "timm" if timms else "torchvision"
    ours, left = _our_names(net, family)
    ends = {"fc6.weight", "fc8.weight"} & {*ours.values()}
    cut = ends == {"fc6.weight"} or (bool(left) and not ends)
    if cut or left:
        layers = dict.fromkeys(name.rpartition(".")[0] or name for name in left)
        notes.append(note_of_head([*layers], ours.values()))
    state = {ours[k]: t for k, t in sorted(net.state.items()) if k in ours}
    notes += _of_kinds(state)
    arrays = {k: _laid_out(t, k, state).numpy() for k, t in state.items()}
    fc6 = arrays.get("fc6.weight")
    if fc6 is not None and fc6.shape[2:] == (1, 1) and "pixels" not in cfg:
        notes.append(ONE_POSITION)
    classes = None if cut else _classes(extras, notes)
    return Parameters(family, arrays, pixels, classes, tuple(notes), guessed=guessed, cut=cut)


def _of_peer(peer: Peer, net: Placed, extras: Extras) -> Parameters:
    """The weights of one of torchvision's nets beside VGG."""
    cfg, notes = extras.pretrained_cfg, [*extras.notes, *net.notes]
    crop = _crop(cfg)
    table, state = state_dict_peers.as_ours(peer, net, crop)
    pixels, guessed = _pixels(cfg, state_dict_peers.pixels_of(peer))
    if crop is None and not any(isinstance(row, FC) and row.kernel > 1 for row in table.rows):
        notes.append(CROP_OF_A_MEAN)
    notes += _of_kinds(state)
    arrays = {name: _as_float32(tensor, name).numpy() for name, tensor in state.items()}
    classes = _classes(extras, notes) if table.has_scores else None
    family = "timm" if "architecture" in cfg else "torchvision"
    return Parameters(family, arrays, pixels, classes, tuple(notes), table, guessed=guessed)


def _crop(cfg: Mapping[str, Any]) -> int | None:
    """The side of the training crop that a file tells; None where it tells none."""
    size = cfg.get("input_size")
    side = size[-1] if isinstance(size, list | tuple) and size else None
    return side if type(side) is int and 0 < side < 1 << 16 else None


def _of_kinds(state: Mapping[str, Tensor]) -> list[str]:
    """A note where there are numbers of another kind than ours."""
    kinds = {str(t.dtype).removeprefix("torch.") for t in state.values()} - {"float32"}
    return [f"weights of {', '.join(sorted(kinds))}, made float32"] if kinds else []


def _our_names(net: Placed, family: str) -> tuple[dict[str, str], list[str]]:
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


def _laid_out(tensor: Tensor, name: str, state: Mapping[str, Tensor]) -> Tensor:
    """A tensor as ours are: float32, contiguous, an FC layer's matrix as a convolution."""
    tensor = _as_float32(tensor, name)
    if tensor.ndim == 2:
        side = 1
        if name == "fc6.weight":
            side = map_side("fc6", tensor.shape[1], _last_channels(state))
        tensor = tensor.reshape(tensor.shape[0], -1, side, side)
    return tensor


def _as_float32(tensor: Tensor, name: str) -> Tensor:
    if tensor.dtype not in FLOATS:
        raise FormatError(f"it has weights of {tensor.dtype} in {name}", "floats are needed")
    return tensor.detach().float().contiguous()


def _last_channels(state: Mapping[str, Tensor]) -> int:
    """Channels that the last convolution gives."""
    convs = [(name, len(tensor)) for name, tensor in state.items() if name.startswith("conv")]
    return max(convs)[1] if convs else 512


def _all_nan(tensor: Tensor | None) -> bool:
    """Whether there is nothing but NaN in it; looked at whole only where the first is one."""
    if tensor is None or not tensor.numel() or not tensor.is_floating_point():
        return False
    return bool(tensor.flatten()[0].isnan() and tensor.isnan().all())


def _pixels(cfg: Mapping[str, Any], usual: Pixels = TORCHVISION) -> tuple[Pixels, tuple[str, ...]]:
    """The pixels that a file tells of, or the usual ones, and what of them is a guess."""
    try:
        if "pixels" in cfg:
            return pixels_of(cfg["pixels"]), ()
        scale = round(cfg["input_size"][-1] / cfg.get("crop_pct", 0.875))
        said = pixels_of(
            {
                "scale": (scale, scale),
                "mean": cfg["mean"],
                "std": cfg["std"],
                "order": "RGB",
                "maximum": 1,
                "resize": cfg.get("interpolation", "bilinear"),
            }
        )
        return said, () if "crop_pct" in cfg else (SCALE,)
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError, OverflowError):
        return usual, ALL_GUESSED


def _classes(extras: Extras, notes: list[str]) -> tuple[str, ...] | None:
    """The class names in timm's record, or those that a trainer kept beside the weights."""
    names = extras.pretrained_cfg.get("label_names")
    if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
        return class_names_of(names)
    if extras.classes is None:
        return None
    word, said = extras.classes
    try:
        names = class_names_of(in_order(said))
    except ValueError as error:
        notes.append(f"its '{word}' holds {error}, and is passed over")
        return None
    notes.append(f"class names are those of its '{word}'")
    return names
