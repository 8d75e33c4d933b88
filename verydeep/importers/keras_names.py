"""Keras's files of weights alone, which tell no more of a net than the names of its layers.

Keras 2 has a group for each layer under the layer's own name, "block1_conv1" or "conv2d_3"; Keras 3
has "layers/conv2d_3", by class and number, whatever the layer is called. In come those names; out
go places in a net of Table 1. Numbers do not tell where the pools are: they are read where the
widths of all layers are those of one configuration, or where a file of our own names its table.
Layers of another head than Table 1's have no place, and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

from verydeep.importers.layer_names import REMEDY
from verydeep.limits import FormatError, quoted
from verydeep.nets import vgg
from verydeep.nets.rows import FC, Conv, MaxPool
from verydeep.nets.table import Table

NOT_OURS = "give a Keras file of VGG16 or VGG19"
EPSILON = 1e-3
"""Keras's own of its norms, where a file does not tell it."""
NORMALIZATION = "normalization"
"""The layer whose weights are a mean and a variance of pixels."""

_BLOCK = re.compile(r"block(\d+)_conv(\d+)")
_HEAD = {"fc1": "fc6", "fc2": "fc7", "predictions": "fc8"}
_NUMBERED = re.compile(r"(conv2d|dense|batch_normalization)(?:_(\d+))?")
_RELUS = re.compile(r"(re_lu|activation)(_\d+)?")
_WEIGHTLESS = re.compile(
    r"(input_layer|max_pooling2d|re_lu|activation|softmax|flatten|functional|sequential|layers|vars"
    r"|(spatial_|gaussian_|alpha_)?dropout(2d)?|gaussian_noise"
    r"|random_(flip|rotation|zoom|translation|contrast|brightness))(_\d+)?"
)
"""What Keras 3 calls layers without weights that a net of Table 1 has, and models within models."""
_OTHERS = re.compile(
    r"(average_pooling2d|rescaling|lambda|leaky_re_lu|p_re_lu|elu"
    r"|add|multiply|concatenate|up_sampling2d|zero_padding2d|permute|reshape)(_\d+)?"
)
"""What Keras 2 calls layers without weights that no net of Table 1 has, unless they are named."""


_OF_HEADS = re.compile(r"global_(average|max)_pooling2d(_\d+)?")
"""What stands in the place of flattening in a head of another kind."""


def is_layer(name: str) -> bool:
    """Whether a group of this name is one of those layers with weights that are placed."""
    known = name in _HEAD or name == NORMALIZATION
    return known or bool(_BLOCK.fullmatch(name) or _NUMBERED.fullmatch(name))


def refuse_other_layers(paths: Collection[tuple[str, ...]]) -> None:
    """Raises FormatError for a group whose name tells of what no net of Table 1 has."""
    for path in paths:
        name = path[-1] if path else ""
        by_class = path[-2:-1] == ("layers",)
        known = is_layer(name) or _WEIGHTLESS.fullmatch(name) or _OF_HEADS.fullmatch(name)
        if (by_class and not known) or _OTHERS.fullmatch(name):
            raise FormatError(f"it has a layer {quoted(name)}, which no net of Table 1 has", REMEDY)


def places_of(
    outputs: Mapping[str, int], paths: Collection[tuple[str, ...]], table: Table | None
) -> dict[str, str]:
    """Our name of each layer, in the net's order; `table` is what a file of our own names.

    `outputs` are the channels that each layer with weights gives, `paths` all groups of the file.
    Dense layers that are of another head have no name.
    """
    numbered = sorted((m for name in outputs if (m := _NUMBERED.fullmatch(name))), key=_number)
    convs, dense, norms = (
        [m[0] for m in numbered if m[1] == kind]
        for kind in ("conv2d", "dense", "batch_normalization")
    )
    if convs and table is None:
        table = _table_with([outputs[name] for name in convs])
        _refuse_other_pools(paths, table)
    rows = [row for row in table.rows if isinstance(row, Conv)] if table else []
    places = [row.name for row in rows if not isinstance(row, FC)] if convs else []
    tops = [row.name for row in rows if isinstance(row, FC)] or list(_HEAD.values())
    if len(places) != len(convs):
        raise FormatError(
            f"it has {len(convs)} convolutions, and a table of {len(places)}", NOT_OURS
        )
    pooled = any(path and _OF_HEADS.fullmatch(path[-1]) for path in paths)
    names = dict(zip(convs, places, strict=True)) | ({} if pooled else _HEAD)
    if len(dense) == len(tops) and not pooled:
        names |= dict(zip(dense, tops, strict=True))
    names |= {m[0]: f"conv{m[1]}_{m[2]}" for name in outputs if (m := _BLOCK.fullmatch(name))}
    used = sorted((name for name in outputs if name in names), key=lambda n: _order(names[n]))
    if len({names[name] for name in used}) < len(used):
        raise FormatError("two of its layers have the same place in a VGG net", NOT_OURS)
    before = [name for name in used if names[name].startswith("conv")]
    _refuse_other_norms(norms, before, outputs)
    ours = {name: names[name] for name in used}
    pairs = zip(norms, before, strict=False)
    return ours | {norm: ours[conv].replace("conv", "bn") for norm, conv in pairs}


def _table_with(widths: list[int]) -> Table:
    """The table of Table 1 whose convolutions have these channels, all scaled by one number."""
    for letter in "ABDE":  # C's are D's
        table = vgg.table(letter)
        ours = [row.channels for row in table.rows if type(row) is Conv]
        if len(ours) == len(widths) and all(
            width * ours[0] == our * widths[0] for width, our in zip(widths, ours, strict=True)
        ):
            return table
    few = f" of {', '.join(map(str, widths))} channels" if len(widths) <= 16 else ""
    raise FormatError(
        f"it has {len(widths)} convolutions{few}, which no net of Table 1 has: it may be a net cut "
        f"short, whose pools cannot be known",
        "give the whole net, or name its layers block1_conv1 and so on",
    )


def _refuse_other_pools(paths: Collection[tuple[str, ...]], table: Table) -> None:
    pools = sum(bool(path) and path[-1].startswith("max_pooling2d") for path in paths)
    wanted = sum(isinstance(row, MaxPool) for row in table.rows)
    if any("layers" in path for path in paths) and pools != wanted:
        raise FormatError(f"it has {pools} poolings, where its net has {wanted}", NOT_OURS)


def _refuse_other_norms(
    norms: Sequence[str], convs: Sequence[str], outputs: Mapping[str, int]
) -> None:
    """Raises FormatError where norms are not one for each convolution, of as many channels."""
    if norms and [outputs[name] for name in norms] != [outputs[name] for name in convs]:
        raise FormatError(
            f"it has {len(norms)} norms, which are not one for each of {len(convs)} convolutions",
            "save the whole model, which tells where they are",
        )


def refuse_norms_after_relus(paths: Collection[tuple[str, ...]], order: Sequence[str]) -> None:
    """Raises FormatError where what a file names shows that norms do not stand before ReLUs.

    `order` are its layers in order, as Keras 2 names them.
    """
    named = {path[-1] for path in paths if path}
    norms = [name for name in named if name.startswith("batch_normalization")]
    relus = [name for name in named if _RELUS.fullmatch(name)]
    late = [name for before, name in pairwise(order) if name in norms and _RELUS.fullmatch(before)]
    if len(relus) < len(norms) or late:
        raise FormatError("it has norms after its ReLUs, where they stand before them", REMEDY)


def _number(match: re.Match[str]) -> int:
    return int(match[2] or 0)


def _order(name: str) -> tuple[bool, int, int]:
    """Where a layer of Caffe's name stands in a net: convolutions before FC layers."""
    block, _, place = name.strip("convf").partition("_")
    return name.startswith("fc"), int(block), int(place or 0)
