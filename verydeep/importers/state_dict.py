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

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from verydeep.errors import one_line
from verydeep.importers import state_dict_peers
from verydeep.importers.guesses import CROP_OF_A_MEAN
from verydeep.importers.layer_shapes import map_side
from verydeep.importers.other_nets import note_of_head
from verydeep.importers.parameters import AUTHORS, SCALE, Parameters
from verydeep.importers.state_dict_file import Extras, content, is_statedict
from verydeep.importers.state_dict_layers import our_names
from verydeep.importers.state_dict_names import BARE, PAPERS, Placed, placed
from verydeep.importers.state_dict_told import classes_told, crop_of, pixels_told
from verydeep.importers.torchvision_names import Peer
from verydeep.limits import FormatError, reading
from verydeep.nets.rows import FC
from verydeep.pictures.preprocessing import Pixels

__all__ = ["is_statedict", "read"]

AMDEGROOT = Pixels((256, 256), (0.48235, 0.45882, 0.40784), (1 / 255,) * 3, maximum=1)
"""The authors' own pixels, as torchvision gives them with the convolutions that it took over."""
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
    pixels, guessed = pixels_told(cfg)
    if not cfg and any(map(PAPERS.fullmatch, net.state)):  # of a port of Caffe's files, then
        pixels = AUTHORS
    if _all_nan(net.state.get("classifier.0.weight")):
        kept = {k: t for k, t in net.state.items() if not k.startswith("classifier.")}
        net = replace(net, state=kept)
        pixels, guessed = AMDEGROOT, (SCALE,)
        notes.append("its FC layers are NaN: it has the authors' convolutions, and no others")
    timms = any(name.startswith(("pre_logits", "head.")) for name in net.state)
    family = "timm" if timms else "torchvision"
    ours, left = our_names(net, family)
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
    classes = None if cut else classes_told(extras, notes)
    return Parameters(family, arrays, pixels, classes, tuple(notes), guessed=guessed, cut=cut)


def _of_peer(peer: Peer, net: Placed, extras: Extras) -> Parameters:
    """The weights of one of torchvision's nets beside VGG."""
    cfg, notes = extras.pretrained_cfg, [*extras.notes, *net.notes]
    crop = crop_of(cfg)
    table, state = state_dict_peers.as_ours(peer, net, crop)
    pixels, guessed = pixels_told(cfg, state_dict_peers.pixels_of(peer))
    if crop is None and not any(isinstance(row, FC) and row.kernel > 1 for row in table.rows):
        notes.append(CROP_OF_A_MEAN)
    notes += _of_kinds(state)
    arrays = {name: _as_float32(tensor, name).numpy() for name, tensor in state.items()}
    classes = classes_told(extras, notes) if table.has_scores else None
    family = "timm" if "architecture" in cfg else "torchvision"
    return Parameters(family, arrays, pixels, classes, tuple(notes), table, guessed=guessed)


def _of_kinds(state: Mapping[str, Tensor]) -> list[str]:
    """A note where there are numbers of another kind than ours."""
    kinds = {str(t.dtype).removeprefix("torch.") for t in state.values()} - {"float32"}
    return [f"weights of {', '.join(sorted(kinds))}, made float32"] if kinds else []


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
