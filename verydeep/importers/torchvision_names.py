"""What torchvision calls the layers of the nets beside VGG that it has, and timm those of ResNets.

For each net the names of its convolutions, norms and FC layers, in the order of our table's rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from verydeep.importers.known_nets import bare, weighted
from verydeep.nets import named
from verydeep.nets.table import Table

CROP = 224
"""The side of what torchvision trains them on; SqueezeNet's authors took 227."""


@dataclass(frozen=True)
class Peer:
    """A net of torchvision's: our name of it, its function, and its layers by their names.

    `also_timm` tells that timm has it under the same names. `more` is what else its function is to
    be told for a net without side heads.
    """

    net: str
    function: str
    layers: tuple[str, ...]
    also_timm: bool = False
    more: str = ""

    @property
    def mark(self) -> str:
        """The layer by whose name such a file is known."""
        return next((m for m in MARKS if m in self.layers), self.layers[0])

    @property
    def head(self) -> str:
        """The layer of the classes."""
        return self.layers[-1]


MARKS = ("layer1.0.conv1", "inception3a.branch1.conv", "features.3.squeeze")
"""Layers that nets of no other kind have under such a name."""
_STAGES = {
    "18": (2, 2, 2, 2), "34": (3, 4, 6, 3), "50": (3, 4, 6, 3), "101": (3, 4, 23, 3),
    "152": (3, 8, 36, 3),
}  # fmt: skip
_MODULES = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
_FIRES = {"1.0": (3, 4, 5, 7, 8, 9, 10, 12), "1.1": (3, 4, 6, 7, 9, 10, 11, 12)}


def _resnet(depth: str) -> Iterator[str]:
    """The first block of a stage has a shortcut of its own where it changes channels."""
    yield from ("conv1", "bn1")
    deep = depth not in ("18", "34")
    for stage, blocks in enumerate(_STAGES[depth], 1):
        for block in range(blocks):
            start = f"layer{stage}.{block}"
            for i in range(1, 4 if deep else 3):
                yield from (f"{start}.conv{i}", f"{start}.bn{i}")
            if block == 0 and (deep or stage > 1):
                yield from (f"{start}.downsample.0", f"{start}.downsample.1")
    yield "fc"


def _googlenet() -> Iterator[str]:
    parts = ("branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1")
    modules = [f"inception{number}.{part}" for number in _MODULES for part in parts]
    for module in ("conv1", "conv2", "conv3", *modules):
        yield from (f"{module}.conv", f"{module}.bn")
    yield "fc"


def _squeezenet(version: str) -> Iterator[str]:
    yield "features.0"
    for place in _FIRES[version]:
        for part in ("squeeze", "expand1x1", "expand3x3"):
            yield f"features.{place}.{part}"
    yield "classifier.1"


_ALEXNET = tuple(f"features.{i}" for i in (0, 3, 6, 8, 10))
PEERS = (
    Peer("AlexNet-one-tower", "alexnet", (*_ALEXNET, *(f"classifier.{i}" for i in (1, 4, 6)))),
    Peer("GoogLeNet-torchvision", "googlenet", tuple(_googlenet()),
         more=", aux_logits=False, init_weights=False"),
    *(Peer(f"ResNet-{depth}-v1.5", f"resnet{depth}", tuple(_resnet(depth)), also_timm=True)
      for depth in _STAGES),
    *(Peer(f"SqueezeNet-{version}", f"squeezenet{version.replace('.', '_')}",
           tuple(_squeezenet(version))) for version in _FIRES),
)  # fmt: skip


def peer_of(table: Table, family: str = "torchvision") -> Peer | None:
    """The net of a family that a table is, of whatever width and classes; None without one."""
    words = bare(table.words)
    for peer in PEERS:
        if words == _bare(peer.net) and (family == "torchvision" or peer.also_timm):
            return peer
    return None


@cache
def _bare(net: str) -> tuple[str, ...]:
    return bare(named.NETS[net].words)


def rows_of(peer: Peer, table: Table) -> dict[str, str]:
    """The name of each of our rows with tensors, and torchvision's of it, in our order.

    A table that ends before its classes has the names of what is there.
    """
    rows = [row.name for row in weighted(table)]
    return dict(zip(rows, peer.layers, strict=len(rows) == len(peer.layers)))
