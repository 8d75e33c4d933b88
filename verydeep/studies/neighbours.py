"""Studies of the nets beside VGG: depth with sums and without, several nets alike, noisy labels.

`degradation` asks of He et al. (CVPR 2016) whether a plain net gets worse as it gets deeper, and a
residual one better; `neighbours` trains nets of other papers alike beside VGG's; `labels` learns
under wrong labels, as DisturbLabel does (Xie et al., CVPR 2016), with dropout and without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verydeep.evaluation.published_nets import printed_of
from verydeep.nets.vgg import CONFIGURATIONS
from verydeep.studies.classification import FIXED, Net, rate_of, trainings, trials_of
from verydeep.studies.plan import Plan, Training
from verydeep.studies.sizes import Size
from verydeep.studies.tables import Cell, Errors, Source, Table
from verydeep.training.neighbours import CIFAR
from verydeep.training.recipes import GLOROT, RECIPES, Recipe

DEPTH_OF_PLAIN, TOGETHER, LABELS = "Fig. 6", "Nets", "DisturbLabel"
"""The names of their tables: the first is of He et al."""
DEPTHS = (8, 14, 20, 32)
PLAIN_NET, RESIDUAL = "plain", "residual"
KINDS = {PLAIN_NET: "Plain", RESIDUAL: "ResNet"}
SIDE = 32
"""Pixels a side of what the nets of CIFAR-10, and of digits, are shown."""
NETS = ("A", "D", "D-BN", "ResNet-18", "GoogLeNet")
ALIKE = "alike"
NOISE = 0.1
"""The share of pictures that DisturbLabel gives a label drawn from all."""
NONE, DROPOUT, DISTURB, BOTH = "none", "dropout", "DisturbLabel", "both"
HOW: Mapping[str, Mapping[str, float]] = {
    NONE: {},
    DROPOUT: {"dropout": 0.5},
    DISTURB: {"disturb": NOISE},
    BOTH: {"dropout": 0.5, "disturb": NOISE},
}
PRINTED_OF_LABELS = {NONE: 0.86, DROPOUT: 0.68, DISTURB: 0.66, BOTH: 0.63}
"""Errors of Xie et al. on MNIST, in %."""


@dataclass(frozen=True)
class Way:
    """Something to be trained with each seed: its name less the seed, and all its settings."""

    name: str
    settings: Mapping[str, Any]
    recipe: Recipe | None = None


def degradation(size: Size) -> list[Table]:
    """The nets of CIFAR-10 by depth, as plain nets and with sums, by a centre crop."""
    cells = [
        Cell(
            f"{depth} layers",
            kind,
            (Source(f"{net}-{depth}", "centre", (SIDE,)),),
            _on_cifar(net, depth),
        )
        for depth in DEPTHS
        for kind, net in KINDS.items()
    ]
    title = "by depth, plain and residual, one crop; He et al. (2016), who have CIFAR-10"
    note = f"At {_width(size):g} of their width, on {SIDE} x {SIDE} pixels."
    return [Table(DEPTH_OF_PLAIN, title, tuple(cells), note=note)]


def neighbours(size: Size) -> list[Table]:
    """Nets of other papers beside VGG's, trained and tested alike."""
    nets = [Net(net, FIXED) for net in NETS]
    cells = [Cell(net.net, ALIKE, (Source(net.name, "dense", net.single(size)),)) for net in nets]
    return [Table(TOGETHER, "of several papers, trained and tested alike, dense", tuple(cells))]


def labels(size: Size) -> list[Table]:
    """LeNet with dropout, with wrong labels, and with both."""
    cells = [
        Cell(how, "LeNet", (Source(_lenet(how), "centre", (SIDE,)),), (printed, None))
        for how, printed in PRINTED_OF_LABELS.items()
    ]
    title = "LeNet under wrong labels; Xie et al. (2016), who have MNIST"
    note = f"LeNet is whole, on {SIDE} x {SIDE} pixels."
    return [Table(LABELS, title, tuple(cells), note=note)]


STUDIES: Mapping[str, Callable[[Size], list[Table]]] = {
    "degradation": degradation,
    "neighbours": neighbours,
    "labels": labels,
}


def plan(name: str, size: Size, seeds: Sequence[int]) -> Plan:
    """All that is trained for a study of that name, each net alike; it tests itself.

    The rate of each is that which is best in trials of as many epochs with the first seed.
    """
    if name == "neighbours":
        return Plan(tuple(_together(size, seeds)))
    ways = _by_depth(size) if name == "degradation" else _lenets()
    return Plan(tuple(step for way in ways for step in _trained(way, size, seeds)))


def _together(size: Size, seeds: Sequence[int]) -> Iterator[Training]:
    """Each net at the study's own sizes; at the papers' own each by its own recipe."""
    if not size.is_papers:
        yield from trainings([Net(net, FIXED) for net in NETS], size, seeds)
        return
    yield from trainings([Net(net, FIXED) for net in NETS if net in CONFIGURATIONS], size, seeds)
    with_norms = Recipe("D-BN", {**RECIPES["D-256-glorot"].settings, "net": "D-BN"})
    for recipe in (with_norms, RECIPES["ResNet-18"], RECIPES["GoogLeNet"]):
        yield from _trained(Way(recipe.name, {}, recipe), size, seeds)


def _trained(way: Way, size: Size, seeds: Sequence[int]) -> Iterator[Training]:
    """A way with every seed, after the trials of its rate, of which a recipe has none."""
    rates = () if way.recipe else size.rates
    trial = {**size.training(size.trial), **way.settings, "seed": seeds[0]}
    trials = trials_of(way.name, rates, trial)
    yield from trials
    whole = {**size.training(size.epochs), **rate_of(rates), **way.settings}
    tried = tuple(training.name for training in trials)
    for seed in seeds:
        own = {**whole, "seed": seed}
        yield Training(f"{way.name}-{seed}", own, way.recipe, tried=tried, may_fail=True)


def _by_depth(size: Size) -> Iterator[Way]:
    """Nets of CIFAR-10: four times as wide as VGG's are, having a quarter of their channels."""
    own = {"crop": SIDE, "scale": SIDE, "border": 4, "decay": CIFAR["decay"]}
    for depth in DEPTHS:
        for net in KINDS.values():
            name = f"{net}-{depth}"
            if size.is_papers:
                yield Way(name, {}, Recipe(f"CIFAR-{name}", {"net": name, **CIFAR}))
            else:
                yield Way(name, {**own, "net": name, "width": _width(size)})


def _width(size: Size) -> float:
    return min(1.0, 4 * size.width)


def _lenets() -> Iterator[Way]:
    """LeNet, whole at any size of a study and never mirrored, by what it is kept in check by.

    Its convolutions end in no ReLU, so that He's weights would be too large.
    """
    own = {"net": "LeNet-dropout", "width": 1.0, "crop": SIDE, "scale": SIDE, "mirror": False}
    for how, more in HOW.items():
        yield Way(_lenet(how), {**own, "initial": GLOROT, **more})


def _lenet(how: str) -> str:
    """What a LeNet's trainings are called, less the seed."""
    return "LeNet" if how == NONE else f"LeNet-{how.lower()}"


def _on_cifar(net: str, depth: int) -> Errors | None:
    """The error that was printed of a net on CIFAR-10, in %."""
    found = [row for row in printed_of(f"{net}-{depth}") if row.shown.startswith("CIFAR-10")]
    return (found[0].top1, None) if found else None
