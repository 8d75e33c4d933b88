"""Layers as a file tells of them, each given its place in a net of Table 1, or refused by name.

All families whose files tell the whole net are held against this: their readers put each layer into
the words below, in the order in which a picture goes through them. A convolution after the n-th
pooling is of block n + 1, what stands after the last pooling is an FC layer. Names count for
nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from itertools import takewhile

import numpy as np

from verydeep.limits import FormatError, quoted
from verydeep.nets import vgg
from verydeep.nets.rows import LRN, BatchNorm, Conv

REMEDY = "only nets of Table 1 are read"

_FOLLOWERS = {
    "the picture": ("conv",),
    "conv": ("norm", "relu"),
    "norm": ("relu",),
    "relu": ("conv", "lrn", "pool"),
    "lrn": ("conv", "pool"),
    "pool": ("conv", "fc"),
    "fc": ("relu", "softmax"),
    "an FC layer's relu": ("fc",),
    "softmax": (),
}
"""What may follow what in a net of Table 1, or in one with norms."""
_ENDS = ("relu", "lrn", "pool", "fc", "softmax", "an FC layer's relu")
_WORDS = {
    "conv": "a convolution", "norm": "batch normalisation", "relu": "a ReLU", "pool": "max pooling",
    "lrn": "local response normalisation", "fc": "an FC layer", "softmax": "the soft-max",
}  # fmt: skip
TRUNKS = frozenset(
    frozenset(row.name for row in vgg.table(name).rows if type(row) is Conv)
    for name in vgg.CONFIGURATIONS
)
"""The convolutions of each configuration."""
BLOCKS = 5
"""Of convolutions, each with its pooling, in every configuration."""
NOTHING = "nothing"
"""The kind of what changes no value when a net is tested: dropout, flattening and the like."""
_OF_BLOCKS = ("conv", "norm", "relu", NOTHING)
_HEADS = ("fc", "norm", "Dense over a map", "GlobalAveragePooling2D", "GlobalMaxPooling2D")
"""What a head of another kind may begin with; windows over a map are of the trunk, or refused."""


@dataclass(frozen=True)
class Window:
    """The numbers of a convolution or a pooling that a file tells, one or one for each side."""

    kernel: Collection[float] = ()
    stride: Collection[float] = ()
    pad: Collection[float] = ()
    dilation: Collection[float] = ()
    groups: Collection[float] = ()


@dataclass(frozen=True)
class ForeignLayer:
    """One layer as its file tells of it.

    `kind` is a key of the table above, NOTHING, or else whatever the file calls it, to be refused.
    `constants` are a response normalisation's size, k, alpha divided by size, and beta.
    """

    name: str
    kind: str
    window: Window = Window()
    constants: Sequence[float] = ()


def layer_names(layers: Sequence[ForeignLayer]) -> list[str]:
    """Our name for each layer with weights, in their order; empty for the others.

    Raises FormatError, in the name of the first layer that no net of Table 1 has there.
    """
    walk = _Walk(sum(layer.kind == "pool" for layer in layers))
    names = [walk.take(layer) for layer in layers]
    if walk.last not in _ENDS:
        raise FormatError(f"it ends with {walk.before}, after which a net of Table 1 has "
                          f"{_either(walk.last)}", REMEDY)  # fmt: skip
    return names


def before_head(layers: Sequence[ForeignLayer]) -> Sequence[ForeignLayer]:
    """The layers up to a head of another kind than Table 1's three FC layers; all where it is none.

    It begins after the last pooling and the convolutions after that, or, where two FC layers with
    their ReLUs follow a pooling as fc6 and fc7 do, after those. Where what comes there begins no
    head, such as average pooling or another convolution with a border, it is none.
    """
    pools = [place for place, layer in enumerate(layers) if layer.kind == "pool"]
    if not pools:
        return layers
    trunk = pools[-1] + 1
    if trunk < len(layers) and layers[trunk].kind == "conv" and any(layers[trunk].window.pad):
        trunk += len([*takewhile(lambda each: each.kind in _OF_BLOCKS, layers[trunk:])])
    kinds = [_kind_in_head(layer) for layer in layers[trunk:] if layer.kind != NOTHING]
    pooled = ends_with_pooling([layer.kind for layer in layers[:trunk]])
    whole = kinds in (["fc", "relu", "fc", "relu", "fc", *end] for end in ([], ["softmax"]))
    if (whole and pooled) or not kinds or kinds[0] not in _HEADS:
        return layers
    hidden = pooled and kinds[:4] == ["fc", "relu", "fc", "relu"]
    left = 4 if hidden else 0
    while left:
        left -= layers[trunk].kind != NOTHING
        trunk += 1
    return layers[:trunk]


def ends_with_pooling(kinds: Sequence[str]) -> bool:
    """Whether the last of layers of these kinds that does something is max pooling."""
    return next((kind for kind in reversed(kinds) if kind != NOTHING), "") == "pool"


def _kind_in_head(layer: ForeignLayer) -> str:
    """A layer's kind after the trunk, where a convolution without a border is an FC layer."""
    return "fc" if layer.kind == "conv" and not any(layer.window.pad) else layer.kind


class _Walk:
    """Where the walk along a net is: the kind of the last layer, the block and the place in it."""

    def __init__(self, pools: int) -> None:
        self.pools_left = pools
        self.last = self.before = "the picture"
        self.block, self.place = 1, 0

    def take(self, layer: ForeignLayer) -> str:
        """The name of the next layer."""
        if layer.kind == NOTHING:
            return ""
        kind = "fc" if self._is_fc(layer) else layer.kind
        if kind == "lrn" and not self._is_lrn(layer):
            raise FormatError(f"its layer {quoted(layer.name)} {_OTHER_LRN}", REMEDY)
        if kind not in _FOLLOWERS[self.last]:
            what = _WORDS.get(kind) or quoted(kind)
            raise FormatError(f"its layer {quoted(layer.name)} is {what}, where a net of Table 1 "
                              f"has {_either(self.last)}", REMEDY)  # fmt: skip
        if kind == "conv" and self.block > BLOCKS:
            raise FormatError(
                f"its layer {quoted(layer.name)} is a convolution with a border, where a net of "
                f"Table 1 has an FC layer after pool{BLOCKS}",
                REMEDY,
            )
        _check_window(layer, kind)
        self.before = quoted(layer.name)
        self.last = f"an FC layer's {kind}" if (self.last, kind) == ("fc", "relu") else kind
        return self._named(kind)

    def _is_fc(self, layer: ForeignLayer) -> bool:
        """Whether a convolution is an FC layer: over the whole map after the last pooling."""
        bare = not any(layer.window.pad)
        whole = self.last == "pool" and not self.pools_left and bare
        return layer.kind == "conv" and (whole or self.last.startswith("an FC"))

    def _is_lrn(self, layer: ForeignLayer) -> bool:
        """Whether response normalisation is A-LRN's, in constants and place."""
        ours = (LRN.size, LRN.k, LRN.alpha, LRN.beta)
        there = (self.block, self.place, self.last) == (1, 1, "relu")
        right = len(layer.constants) == 4 and np.allclose(layer.constants, ours, rtol=1e-6, atol=0)
        return there and right

    def _named(self, kind: str) -> str:
        """The name of a layer of this kind here; goes on to the next block where it ends one."""
        name = ""
        if kind == "conv":
            self.place += 1
        if kind in ("conv", "norm"):
            name = f"{'bn' if kind == 'norm' else kind}{self.block}_{self.place}"
        if kind in ("pool", "fc"):
            name = f"fc{self.block}" if kind == "fc" else ""
            self.block, self.place = self.block + 1, 0
            self.pools_left -= kind == "pool"
        return name


_OTHER_LRN = (
    "is local response normalisation other than A-LRN's, which is over 5 channels after "
    "conv1_1's ReLU, with k 2, alpha 0.0001 and beta 0.75"
)


def _either(last: str) -> str:
    """What may come after a layer, in words."""
    kinds = [_WORDS[kind] for kind in _FOLLOWERS[last] if kind != "norm"]
    *others, final = kinds or ["nothing more"]
    return f"{', '.join(others)} or {final}" if others else final


def _check_window(layer: ForeignLayer, kind: str) -> None:
    """Refuses windows that no net of Table 1 has: strides, groups, holes, other borders."""
    side = next(iter(layer.window.kernel), 1)
    pad = 0 if kind == "fc" else side // 2
    ours = (2, 2, 0, 1, 1) if kind == "pool" else (side, 1, pad, 1, 1)
    for field, value in zip(fields(Window), ours, strict=True):
        for found in getattr(layer.window, field.name):
            if found != value:
                raise FormatError(f"its layer {quoted(layer.name)} has {field.name} {found:g}, "
                                  f"where a net of Table 1 has {value:g}", REMEDY)  # fmt: skip


def path_order(names: Sequence[str], reads: Sequence[Sequence[int | None]]) -> list[int]:
    """The places of layers in the order in which a picture goes through them, one after the other.

    `reads` has for each the places of those whose values it takes, None for the picture. Raises
    FormatError, by name, where the net branches or a layer is left over.
    """
    readers: dict[int | None, list[int]] = {}
    for place, taken in enumerate(reads):
        if len(taken) != 1:
            raise FormatError(f"its layer {quoted(names[place])} reads {len(taken)} values, where "
                              f"each layer of a net of Table 1 reads one", REMEDY)  # fmt: skip
        readers.setdefault(taken[0], []).append(place)
    path: list[int] = []
    last: int | None = None
    while after := readers.pop(last, []):
        if len(after) > 1:
            both = " and ".join(quoted(names[place]) for place in after[:2])
            raise FormatError(f"its layers {both} read the same value: it branches", REMEDY)
        path += after
        last = after[0]
    if left := [place for taken in readers.values() for place in taken]:
        raise FormatError(
            f"its layer {quoted(names[min(left)])} is on no path from the picture", REMEDY
        )
    return path


def of_our_epsilon(variance: np.ndarray, epsilon: float, layer: str) -> np.ndarray:
    """The variance that gives with our epsilon the sum that this one gives with its own.

    Worked out in float64. Raises FormatError for an epsilon that is none, or a sum below ours.
    """
    if not 0 <= epsilon < np.inf:
        raise FormatError(f"the norm {layer} has an epsilon that is none", REMEDY)
    if np.float32(epsilon) == np.float32(BatchNorm.epsilon):
        return variance
    shifted = variance.astype(np.float64) + (epsilon - BatchNorm.epsilon)
    if shifted.min(initial=0) < 0 <= variance.min(initial=0):
        raise FormatError(f"the norm {layer} has an epsilon of {epsilon:g} and variances too "
                      f"small for ours of {BatchNorm.epsilon:g}", REMEDY)  # fmt: skip
    return shifted.astype(np.float32)
