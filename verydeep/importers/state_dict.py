"""State dicts of torchvision's and timm's VGGs, with batch normalisation and without.

In comes a .pth, .pt or .safetensors file, bare or wrapped as trainers wrap them; out go
`Parameters`.

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
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from verydeep.errors import one_line
from verydeep.importers.class_names import in_order
from verydeep.importers.layer_shapes import map_side
from verydeep.importers.other_nets import out_of_place
from verydeep.importers.parameters import ALL_GUESSED, AUTHORS, SCALE, TORCHVISION, Parameters
from verydeep.importers.state_dict_file import Extras, content, is_statedict
from verydeep.limits import FormatError, reading
from verydeep.pictures.preprocessing import Pixels
from verydeep.weights.schema import class_names_of, pixels_of

__all__ = ["is_statedict", "read"]

TOPS = {
    "torchvision": ("classifier.0", "classifier.3", "classifier.6"),
    "timm": ("pre_logits.fc1", "pre_logits.fc2", "head.fc"),
}
"""What each family calls fc6, fc7 and fc8."""
OURS = ("fc6", "fc7", "fc8")
EXPECTED = "expected are features.N and classifier.N, timm's names, or conv1_1 ... fc8"
AMDEGROOT = Pixels((256, 256), (0.48235, 0.45882, 0.40784), (1 / 255,) * 3, maximum=1)
"""The authors' own pixels, as torchvision gives them with the convolutions that it took over."""
FEATURE = re.compile(r"features\.(\d{1,3})\.(?:(conv|bn)\.)?(weight|bias|running_mean|running_var)")
CLASSIFIER = re.compile(r"classifier\.(\d{1,3})\.weight")
PAPERS = re.compile(r"((?:conv|bn)\d{1,2}_\d{1,2}|fc[678])\.\w+")
"""Names of the paper's, which are Caffe's and ours."""
BARE = re.compile(FEATURE.pattern.removeprefix(r"features\."))
"""The same names in the state dict of a net's `features` alone, or of the first of them."""
KINDS = ("weight", "bias", "running_mean", "running_var")
ONE_POSITION = (
    "that its crop is 32 is a guess: its first FC layer sees one position, which is also "
    "what is left where a net averages its last map (AdaptiveAvgPool2d(1))"
)
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


def read(path: Path | str) -> Parameters:
    """The weights in a state dict, under Caffe's names.

    Pixels are torchvision's, or those that the file tells. FC layers that are nothing but NaN, as
    in torchvision's `vgg16_features`, are left out. Raises UserError for a damaged or hostile
    file, and for one of another net.
    """
    with reading(path, "a state dict"):
        try:
            return _parameters(*content(Path(path)))
        except (FormatError, OSError, MemoryError):
            raise
        except Exception as error:  # a damaged file has PyTorch raise anything
            raise FormatError(one_line(error)) from None


def _parameters(state: dict[str, Tensor], extras: Extras) -> Parameters:
    state = {k: t for k, t in state.items() if not k.endswith(".num_batches_tracked")}
    if all(map(BARE.fullmatch, state)):
        state = {f"features.{name}": tensor for name, tensor in state.items()}
    family = "timm" if any(k.startswith(("pre_logits", "head.")) for k in state) else "torchvision"
    ours = _our_names(state, family)
    cfg, notes = extras.pretrained_cfg, list(extras.notes)
    pixels, guessed = _pixels(cfg)
    if not cfg and any(map(PAPERS.fullmatch, state)):  # of a port of Caffe's files, then
        pixels = AUTHORS
    kinds = {str(t.dtype).removeprefix("torch.") for t in state.values()} - {"float32"}
    if kinds:
        notes.append(f"weights of {', '.join(sorted(kinds))}, made float32")
    if _all_nan(state.get("classifier.0.weight")):
        state = {k: t for k, t in state.items() if not k.startswith("classifier.")}
        pixels, guessed = AMDEGROOT, (SCALE,)
        notes.append("its FC layers are NaN: it has the authors' convolutions, and no others")
    state = {ours[k]: t for k, t in sorted(state.items())}
    arrays = {k: _laid_out(t, k, state).numpy() for k, t in state.items()}
    fc6 = arrays.get("fc6.weight")
    if fc6 is not None and fc6.shape[2:] == (1, 1) and "pixels" not in cfg:
        notes.append(ONE_POSITION)
    classes = _classes(extras, notes)
    return Parameters(family, arrays, pixels, classes, tuple(notes), guessed=guessed)


def _our_names(state: Mapping[str, Tensor], family: str) -> dict[str, str]:
    """Our name of each tensor; raises FormatError for the first that has none."""
    tops = _tops(state) if family == "torchvision" else TOPS[family]
    layers = {m[1]: m[1] for name in state if (m := PAPERS.fullmatch(name))}
    layers |= {**_features(state), **dict(zip(tops, OURS, strict=False))}
    ours = {f"{layer}.{kind}": f"{layers[layer]}.{kind}" for layer in layers for kind in KINDS}
    if unknown := sorted(state.keys() - ours.keys()):
        raise FormatError(f"it has {out_of_place(unknown)}", EXPECTED)
    return ours


def _tops(state: Mapping[str, Tensor]) -> list[str]:
    """The layers of a classifier, whatever their numbers: dropout may stand before them, or not."""
    places = sorted(int(found[1]) for name in state if (found := CLASSIFIER.fullmatch(name)))
    if len(places) not in (0, 3):
        first = ", ".join(f"classifier.{place}" for place in places[:4])
        raise FormatError(
            f"it has {len(places)} layers with weights in its classifier ({first})", "a VGG has 3"
        )
    return [f"classifier.{place}" for place in places]


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
    if tensor.dtype not in FLOATS:
        raise FormatError(f"it has weights of {tensor.dtype} in {name}", "floats are needed")
    if tensor.ndim == 2:
        side = 1
        if name == "fc6.weight":
            side = map_side("fc6", tensor.shape[1], _last_channels(state))
        tensor = tensor.reshape(tensor.shape[0], -1, side, side)
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


def _pixels(cfg: Mapping[str, Any]) -> tuple[Pixels, tuple[str, ...]]:
    """The pixels that a file tells of, or torchvision's, and what of them is a guess."""
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
        return TORCHVISION, ALL_GUESSED


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
