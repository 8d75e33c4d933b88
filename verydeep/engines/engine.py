"""What runs a network on the machine at hand: PyTorch, our own convolutions, or other programs.

In come pictures, RGB uint8 [B, h, w, 3]; out go scores and posteriors. Engines differ in how they
run the trunk, the rows before the first that looks at a whole map, and in the last digits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from verydeep.errors import UserError
from verydeep.nets.network import Network
from verydeep.nets.rows import PICTURE
from verydeep.nets.table import SCORES

ENGINES = ("winograd", "openvino", "onnxruntime", "torch")
"""The default on a CPU first; which is the fastest depends on net, machine and batch:
docs/results.md, "The speed of inference"."""
PACKAGED = ("openvino", "onnxruntime")
Trunk = Callable[[UInt8[Tensor, "B h w 3"]], Float[Tensor, "B C r c"]]
"""Pictures in; out what the row gives that stands before the first to look at a whole map."""


@dataclass(frozen=True)
class Engine:
    """A network and what runs it; `trunk` gives what that of the network does."""

    name: str
    network: Network
    trunk: Trunk

    @property
    def columns(self) -> int:
        """Numbers in a row of evidence."""
        table = self.network.table
        if table.pooled is None:
            return table.outputs
        return table.shapes(table.crop, table.crop)[table.pooled][0]

    def score_map(self, views: UInt8[Tensor, "B h w 3"]) -> Float[Tensor, "B K r c"]:
        """Class scores at every position. Raises UserError for pictures that are too small."""
        return self.values(views, SCORES)

    def values(self, views: UInt8[Tensor, "B h w 3"], name: str) -> Float[Tensor, "B C r c"]:
        """What a row or an end behind the trunk gives; UserError for pictures that are too small.

        Behind the trunk is what reads of the picture by it alone.
        """
        table = self.network.table
        table.shapes(views.shape[1], views.shape[2])
        return self.network.run({table.trunk: self.trunk(views)}, [name])[name]

    def up_to(self, images: Float[Tensor, "B C h w"], row: str) -> Float[Tensor, "B D r c"]:
        """What a row of the trunk gives of pictures as the network wants them, nothing cut off.

        It is one that is, alone, all that later rows read. Other programs give that of the last
        row alone, so that PyTorch works in their place.
        """
        if self.name == "winograd" and row != PICTURE:
            from verydeep.engines.trunk import WinogradTrunk

            if isinstance(self.trunk, WinogradTrunk) and row in self.trunk.network.table.reaches:
                return self.trunk.up_to(row).values(images)
        return self.network.run({PICTURE: images}, [row])[row]

    def posteriors(self, views: UInt8[Tensor, "B h w 3"]) -> Float[Tensor, "B K"]:
        """Class posteriors: the soft-max of the score map's mean over space, or the sigmoid."""
        if self.name == "torch":  # the network as it is, whatever overrides it
            return self.network.posteriors(self.network.pixels.normalise(views))
        return self.network.likely(self.score_map(views).float().mean((2, 3)))

    def evidence(self, views: UInt8[Tensor, "B h w 3"]) -> Float[Tensor, "B C"]:
        """What is averaged over a picture's views, as `Network.evidence` has it."""
        pooled = self.network.table.pooled
        return self.posteriors(views) if pooled is None else self.values(views, pooled).flatten(1)

    def verdict(self, evidence: Float[Tensor, "B C"]) -> Float[Tensor, "B K"]:
        """Posteriors by the mean `evidence` of each picture's views."""
        return self.network.verdict(evidence)


def chosen(name: str | None, device: str, precision: str = "float32") -> str:
    """The engine to use: the one named, or the default for a device and a precision.

    Raises UserError for one that does not know them, or is not installed.
    """
    plain = device == "cpu" and precision == "float32"
    if name is None:
        return ENGINES[0] if plain else "torch"
    if name not in ENGINES:
        raise UserError(f"no engine '{name}'; there are {', '.join(ENGINES)}")
    if name != "torch" and not plain:
        raise UserError(
            f"engine {name} works on a CPU in float32, and this is {device} in {precision}; "
            f"leave --engine out"
        )
    if name in PACKAGED and find_spec(name) is None:
        raise UserError(f"engine {name} is not installed: pip install 'verydeep[engines]'")
    return name


def words(name: str, asked: bool) -> str:
    """What is said of the engine, in a line."""
    if asked or name == "torch":
        return f"engine {name}"
    return f"engine {name}, the default on a CPU; --engine torch for PyTorch's own"


def engine_for(network: Network, name: str = "torch", threads: int = 1, calls: int = 1) -> Engine:
    """The engine of that name for a network; `calls` threads may call it at once.

    Each call works with its share of `threads`; PyTorch's own with as many as PyTorch is set to.
    """
    share = max(1, threads // calls)
    trunk: Trunk
    if network.table.trunk == PICTURE:  # nothing that an engine could do
        trunk = _by_torch(network)
    elif name == "winograd":
        from verydeep.engines.trunk import WinogradTrunk

        trunk = WinogradTrunk(network, share)
    elif name == "openvino":
        from verydeep.engines.runtimes import OpenVino

        trunk = OpenVino(network, share, calls)
    elif name == "onnxruntime":
        from verydeep.engines.runtimes import OnnxRuntime

        trunk = OnnxRuntime(network, share)
    else:
        trunk = _by_torch(network)
    return Engine(name, network, trunk)


def engines_for(
    networks: Sequence[Network], name: str = "torch", threads: int = 1
) -> tuple[Engine, ...]:
    """The engine of that name for each network; those that share a trunk have it once."""
    made: dict[int, Engine] = {}
    for i, network in enumerate(networks):
        like = next((j for j in made if _is_one_trunk(networks[j], network)), None)
        made[i] = (
            engine_for(network, name, threads)
            if like is None
            else Engine(name, network, made[like].trunk)
        )
    return tuple(made.values())


def _is_one_trunk(one: Network, other: Network) -> bool:
    """Whether two networks are of one table and one kind of pixels, on the same trunk in memory."""
    rows = {row.name for row, _ in one.table.path({one.table.trunk})}
    pairs = zip(one.state_dict().items(), other.state_dict().values(), strict=True)
    return (one.table, one.pixels) == (other.table, other.pixels) and all(
        ours.data_ptr() == theirs.data_ptr()
        for (name, ours), theirs in pairs
        if name.rpartition(".")[0] in rows
    )


def with_trunk_of(engine: Engine, network: Network, threads: int = 1, calls: int = 1) -> Engine:
    """The engine of the same name for another network; of the same trunk, if theirs are the same.

    They are where rows, tensors and pixels up to there are, as in a net whose FC layers alone were
    trained from another's.
    """
    if is_trunk_of(engine.network, network):
        return Engine(engine.name, network, engine.trunk)
    return engine_for(network, engine.name, threads, calls)


def is_trunk_of(one: Network, other: Network) -> bool:
    """Whether two networks give the same up to the first row that looks at a whole map."""
    ours, theirs = ([row for row, _ in n.table.path({n.table.trunk})] for n in (one, other))
    if ours != theirs or one.table.trunk == PICTURE or not _seen_alike(one, other):
        return False
    own, others = one.state_dict(), other.state_dict()
    names = [name for name in own if name.rpartition(".")[0] in {row.name for row in ours}]
    return all(torch.equal(own[name], others[name]) for name in names)


def _seen_alike(one: Network, other: Network) -> bool:
    """Whether networks are shown the same part of any picture, in the same pixels."""
    pixels = replace(one.pixels, scale=other.pixels.scale)
    tables = one.table, other.table
    shown = {(table.crop, table.least, table.step) for table in tables}
    return pixels == other.pixels and len(shown) == 1


def _by_torch(network: Network) -> Trunk:
    last = network.table.trunk

    def trunk(views: UInt8[Tensor, "B h w 3"]) -> Float[Tensor, "B C r c"]:
        return network.activations(network.pixels.normalise(views), [last])[last]

    return trunk
