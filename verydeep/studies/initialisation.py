"""How deep nets begin: the lecture's stack, and signals in the paper's nets by initialisation.

In comes a batch of labelled pictures in a network's own pixels; out goes all that a page says of
initialisation (Sect. 3.1), the same for the same seed, however many threads there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jaxtyping import Float, Int64
from torch import Tensor

from verydeep.errors import UserError
from verydeep.nets import vgg
from verydeep.nets.cost import FLOAT, cost
from verydeep.nets.network import Network
from verydeep.nets.table import NORM_NAME, Table
from verydeep.pictures.preprocessing import IMAGENET
from verydeep.runtime import memory
from verydeep.runtime.runtime import Runtime
from verydeep.runtime.threads import in_order, one_thread_each
from verydeep.studies.beginnings import FROM_A
from verydeep.studies.deep_stack import RERUNS, Reruns
from verydeep.studies.deep_stack import reruns as reruns_of_stack
from verydeep.studies.signals import Signals, signals
from verydeep.training.footprint import KERNEL, bytes_of_values
from verydeep.weights.file import read_info
from verydeep.weights.warm_start import start_from

NETS = (*"ABCDE", *(f"{net}{NORM_NAME}" for net in "ABCDE"))
"""The paper's, without norms and with them."""
INITIALS = ("gaussian:0.01", "gaussian:0.1", "whole-gaussian:0.01", "glorot", "he")
"""What is compared: the deviation in circulation, the paper's variance of 0.01 read literally, the
first with the gains that it has in a whole net, and what makes either unnecessary."""


@dataclass(frozen=True)
class FromA:
    """Weights of a trained A, and what the layers begin with that it does not give."""

    path: Path
    rest: str


@dataclass(frozen=True)
class Initialisation:
    """The lecture's cases drawn again, and the signals of nets by initialisation, in order."""

    lecture: tuple[Reruns, ...]
    signals: tuple[Signals, ...]

    @property
    def nets(self) -> tuple[str, ...]:
        """The nets, each once."""
        return tuple(dict.fromkeys(each.net for each in self.signals))

    def of(self, net: str) -> tuple[Signals, ...]:
        """The signals of a net, one after another initialisation."""
        return tuple(each for each in self.signals if each.net == net)


def initialisation(
    images: Float[Tensor, "B 3 H W"],
    labels: Int64[Tensor, " B"],
    classes: int,
    width: float,
    crop: int,
    seed: int,
    *,
    nets: Sequence[str] = NETS,
    initials: Sequence[str] = INITIALS,
    after: Mapping[str, FromA] | None = None,
    fc: int | None = None,
    reruns: int = RERUNS,
    runtime: Runtime | None = None,
) -> Initialisation:
    """All of it, for nets of one width and crop ("D-BN" has norms), of pictures of that crop.

    `after` are weights of a trained "A", with which deeper nets begin too, and of an "A-BN", with
    which those with norms do. Nets are worked on side by side, as many as there is memory for.
    Raises UserError for pictures of another size, for what `vgg.table`, `initialise` and
    `start_from` refuse, and where memory is lacking.
    """
    if images.shape[2:] != (crop, crop):
        raise UserError(
            f"pictures of {images.shape[2]} x {images.shape[3]} for nets of crop {crop}; "
            f"give pictures of {crop} x {crop}"
        )
    runtime = runtime or Runtime()
    tables = {net: vgg.table(net, classes, width, crop, fc) for net in nets}
    cases = [
        (table, initial) for net, table in tables.items() for initial in _of(net, initials, after)
    ]
    threads = _at_once([*tables.values()], len(images), runtime)
    found: list[Signals] = []
    with one_thread_each():
        work = partial(_begun, images=images, labels=labels, seed=seed)
        for each in in_order(work, cases, threads, threads):
            found.append(each)
            runtime.progress.step("signals", len(found), len(cases), f"{each.net}, {each.initial}")
    return Initialisation(reruns_of_stack(seed, reruns, runtime), tuple(found))


def _of(
    net: str, initials: Sequence[str], after: Mapping[str, FromA] | None
) -> Sequence[str | FromA]:
    """All that a net begins with: of a trained A what is deeper than it alone."""
    a = f"A{NORM_NAME}" if net.endswith(NORM_NAME) else "A"
    return [*initials, *([after[a]] if after and a in after and net != a else [])]


def _begun(case: tuple[Table, str | FromA], images: Tensor, labels: Tensor, seed: int) -> Signals:
    """The signals of a network that begins so."""
    table, initial = case
    if isinstance(initial, FromA):
        names = read_info(initial.path).classes
        network = Network.random(table, names, IMAGENET, initial.rest, seed)
        start_from(network, initial.path)
        return signals(network.to(images.device), FROM_A, images, labels)
    names = [str(k) for k in range(table.class_count)]
    network = Network.random(table, names, IMAGENET, initial, seed).to(images.device)
    return signals(network, initial, images, labels)


def _at_once(tables: Sequence[Table], pictures: int, runtime: Runtime) -> int:
    """How many nets are worked on at once; UserError where there is no memory for one.

    Beside weights and values each takes their gradients.
    """
    needed = KERNEL + max(
        2 * (FLOAT * cost(table).parameters + bytes_of_values(table, pictures)) for table in tables
    )
    memory.refuse(
        needed, f"a net with signals of {pictures} pictures", "take fewer, or a smaller width"
    )
    there = memory.available()
    return max(1, min(runtime.machine.threads, len(tables), (there or needed) // needed))
