"""What Caffe's layers are, read from a `.caffemodel` or a prototxt: settings -> places in a net.

Field names and defaults are those of Caffe's `caffe.proto`. Layers that feed, split or judge a net
are passed over by name; all others are held against Table 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from verydeep.importers.layer_names import NOTHING, ForeignLayer, Window, layer_names, path_order

_KINDS = {
    "convolution": "conv", "innerproduct": "fc", "relu": "relu", "pooling": "pool", "lrn": "lrn",
    "softmax": "softmax", "dropout": NOTHING, "flatten": NOTHING,
}  # fmt: skip
FEEDING = {
    "data", "dummydata", "hdf5data", "imagedata", "input", "memorydata", "windowdata",
}  # fmt: skip
JUDGING = {"accuracy", "argmax", "silence", "softmaxloss", "softmaxwithloss"}
SCALE = "_scale"
"""What follows the name of a norm in that of its Scale, in files of ours."""
LRN_DEFAULTS = {"local_size": 5.0, "k": 1.0, "alpha": 1.0, "beta": 0.75}
"""Settings of response normalisation and what they are where nothing is said; `alpha` is divided by
`local_size` here too."""


@dataclass(frozen=True)
class LayerText:
    """A layer: type in small letters without underscores, settings, what it reads and gives.

    Settings are numbers by Caffe's names, those that are said; enumerations count from 0 and truths
    are 0 or 1. `shape` is that of its weights, where they are known.
    """

    name: str
    type: str
    settings: Mapping[str, list[float]] = field(default_factory=dict)
    bottoms: Sequence[str] = ()
    tops: Sequence[str] = ()
    shape: tuple[int, ...] = ()


def normal_type(text: str) -> str:
    """A type as both encodings have it: INNER_PRODUCT and InnerProduct are the same."""
    return text.replace("_", "").lower()


@dataclass(frozen=True)
class Step:
    """A layer that a picture goes through: its place in the file, its kind, its name in ours.

    The name is empty for layers without weights.
    """

    place: int
    kind: str
    name: str


def followed(layers: Sequence[LayerText]) -> list[Step]:
    """The layers that a picture goes through, in that order.

    Raises FormatError, by name, for what no net of Table 1 has.
    """
    makers: dict[str, int | None] = {}
    places: list[int] = []
    reads: list[list[int | None]] = []
    for i, layer in enumerate(layers):
        made: list[int | None] = [makers.get(name) for name in layer.bottoms]
        if layer.type in FEEDING | {"split"}:
            makers |= dict.fromkeys(layer.tops, made[0] if made else None)
        elif layer.type not in JUDGING:
            makers |= dict.fromkeys(layer.tops, len(places))
            places.append(i)
            reads.append(made)
    order = [places[i] for i in path_order([layers[i].name for i in places], reads)]
    told = [_told(layers[i]) for i in order]
    names = layer_names(told)
    return [Step(i, each.kind, name) for i, each, name in zip(order, told, names, strict=True)]


def _told(layer: LayerText) -> ForeignLayer:
    kind, said = _KINDS.get(layer.type, layer.type), layer.settings
    if kind == "lrn" and not any(said.get("norm_region", ())):  # across channels
        constants = [said.get(name, [default])[-1] for name, default in LRN_DEFAULTS.items()]
        return ForeignLayer(layer.name, kind, constants=constants)
    return ForeignLayer(layer.name, odd_kind(kind, said) or kind, _window(kind, layer))


def odd_kind(kind: str, said: Mapping[str, list[float]]) -> str:
    """What a layer is that does something else than others of its type; empty for most."""
    pool = {1: "average pooling", 2: "stochastic pooling"}
    if kind == "relu" and any(said.get("negative_slope", ())):
        return f"ReLU with a slope of {said['negative_slope'][-1]:g}"
    if kind == "pool" and any(said.get("global_pooling", ())):
        return "global pooling"
    if kind == "pool" and any(said.get("pool", ())):
        return pool.get(int(said["pool"][-1]), "another pooling")
    if kind == "fc" and (any(said.get("transpose", ())) or set(said.get("axis", [1])) != {1}):
        return "inner product of other axes"
    return ""


def _window(kind: str, layer: LayerText) -> Window:
    """The numbers of a window; none where the file has none at all."""
    if kind not in ("conv", "pool") or not layer.settings:
        return Window()
    kernel, stride, pad, dilation = (
        [n for key in (what, f"{what}_size", f"{what}_h", f"{what}_w")
         for n in layer.settings.get(key, ())]
        for what in ("kernel", "stride", "pad", "dilation")
    )  # fmt: skip
    groups = layer.settings.get("group", [1])
    return Window([*layer.shape[2:], *kernel], stride or [1], pad or [0], dilation, groups)
