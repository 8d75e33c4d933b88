"""The study of initialisation: net D from several beginnings, and after half a training of A.

The paper began deep nets with layers of A, and later found that Glorot's weights make that
unnecessary (Sect. 3.1). Here all have the same epochs, those of A among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from verydeep.nets.cost import cost
from verydeep.nets.named import Sizes
from verydeep.studies.classification import FIXED, Net, rate_of
from verydeep.studies.classification import trainings as with_own_weights
from verydeep.studies.plan import Plan, Training
from verydeep.studies.sizes import PLAIN, Size
from verydeep.studies.tables import Cell, Source, Table
from verydeep.training.recipes import GAUSSIAN, GLOROT, RECIPES

NAME = "Sect. 3.1"
RANDOM = (GAUSSIAN, "gaussian:0.1", GLOROT, "he")
"""The deviation in circulation, the paper's variance of 0.01 read literally, and two by which a
layer passes on as much as it gets."""
FROM_A = "from A"
PLAINLY, WITH_NORMS = "without norms", "with norms"
_ENDS = {PLAINLY: "", WITH_NORMS: "-BN"}
LAST = ("FC-10", "soft-max")
"""Last rows that stand for those of any data, where work is counted."""


def tables(size: Size) -> list[Table]:
    """Sect. 3.1: D by its beginning, without norms and with them."""
    cells = [
        Cell(beginning, column, (Source(_name(beginning, column, size), "dense", (size.scale,)),))
        for beginning in (*RANDOM, FROM_A)
        for column in _ENDS
    ]
    return [Table(NAME, "net D by how it begins, dense", tuple(cells), note=_cost_of_halves(size))]


def plan(size: Size, seeds: Sequence[int]) -> Plan:
    """All that is trained for that table, which tests itself by what the table is of.

    A training whose loss is no number any more has failed, and the others go on. The rate of each
    beginning is that which is best in trials of as many epochs.
    """
    steps: list[Training] = []
    for column in _ENDS:
        for beginning in RANDOM:
            steps += _random(beginning, column, size, seeds)
        steps += _after_a(column, size, seeds)
    return Plan(tuple(steps))


def halves_of_a(seed: int, size: Size) -> dict[str, str]:
    """The trainings of that seed whose layers D begins with, by their nets: A and A with norms."""
    return {f"A{_ENDS[column]}": f"{_name(FROM_A, column, size)}-{seed}-A" for column in _ENDS}


def beside_a(size: Size) -> str:
    """How what A does not give begins: as A began."""
    return GAUSSIAN if size.is_papers else GLOROT


def _name(beginning: str, column: str, size: Size) -> str:
    """The name of trainings, less the seed; those of other studies are called as they are there."""
    if beginning == PLAIN["initial"] and not size.is_papers:
        return f"D{_ENDS[column]}"
    return f"D{_ENDS[column]}-{beginning.replace(':', '-').replace(' ', '-')}"


def _random(initial: str, column: str, size: Size, seeds: Sequence[int]) -> Iterator[Training]:
    """D from random weights, after the trials of its rate."""
    net, name = f"D{_ENDS[column]}", _name(initial, column, size)
    if name == net:
        yield from with_own_weights([Net(net, FIXED)], size, seeds)
        return
    tried = _trials(name, size)
    for trial, rate in zip(tried, size.rates, strict=False):
        yield _training(trial, net, size, size.trial, seeds[0], initial=initial, rate=rate)
    for seed in seeds:
        whole = f"{name}-{seed}"
        own: dict[str, Any] = {"initial": initial, **rate_of(size.rates)}
        yield _training(whole, net, size, size.epochs, seed, tried=tried, **own)


def _trials(name: str, size: Size) -> tuple[str, ...]:
    """Names of the trials of each rate; none where there is one rate alone."""
    return tuple(f"{name}-rate-{rate:g}" for rate in size.rates if len(size.rates) > 1)


def _after_a(column: str, size: Size, seeds: Sequence[int]) -> Iterator[Training]:
    """A for half of the epochs and D after it for the other half; trials of the rate alike."""
    name = _name(FROM_A, column, size)
    tried = _trials(name, size)
    for trial, rate in zip(tried, size.rates, strict=False):
        yield from _both(trial, column, size, size.trial, seeds[0], rate=rate)
    for seed in seeds:
        own = {"tried": tried, **rate_of(size.rates)}
        yield from _both(f"{name}-{seed}", column, size, size.epochs, seed, **own)


def _both(
    name: str, column: str, size: Size, epochs: int, seed: int, **own: Any
) -> Iterator[Training]:
    """A and then D."""
    first, last = _halves(epochs)
    own["initial"] = beside_a(size)
    ends = _ENDS[column]
    yield _training(f"{name}-A", f"A{ends}", size, first, seed, **own)
    yield _training(name, f"D{ends}", size, last, seed, after=f"{name}-A", tune="all", **own)


def _halves(epochs: int) -> tuple[int, int]:
    """The epochs of A, and those of D after it."""
    return epochs // 2, epochs - epochs // 2


def _training(
    name: str,
    net: str,
    size: Size,
    epochs: int,
    seed: int,
    *,
    after: str | None = None,
    tried: tuple[str, ...] = (),
    **own: Any,
) -> Training:
    """A training at one S that may fail, with `own` settings over those of the size."""
    settings = {**size.training(epochs), "net": net, "scale": size.scale, "seed": seed, **own}
    recipe = None
    if size.is_papers:
        recipe = RECIPES[f"{net[0]}-256"]
        settings |= {"epochs": epochs, "bad_start": "train"}
    return Training(name, settings, recipe, after, tried, may_fail=True)


def _cost_of_halves(size: Size) -> str:
    """How much work a training from A is beside the others, in words."""
    first, last = _halves(size.epochs)
    a, d = (cost(Sizes(net, size.width, size.crop, None).table(LAST)).multiply_adds for net in "AD")
    share = (first * a + last * d) / (size.epochs * d)
    return (
        f"{FROM_A}: A for {first} of the {size.epochs} epochs that all have, then D for {last}: "
        f"{share:.2f} of the others' multiply-adds."
    )
