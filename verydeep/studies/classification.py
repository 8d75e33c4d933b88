"""The studies of classification: depth, scales, protocols and fusion (Tables 3 to 6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verydeep.evaluation.published import PUBLISHED, Trained
from verydeep.studies.plan import Plan, Step, Training
from verydeep.studies.sizes import Size
from verydeep.studies.tables import Cell, Errors, Source, Table, sources_of
from verydeep.training.recipes import RECIPES, Recipe, chain
from verydeep.training.settings import Settings

NETS = ("A", "A-LRN", "B", "B-shallow", "C", "D", "E")
"""The nets of Table 3, and the shallow one of Sect. 4.1."""
DEEP = ("C", "D", "E")
"""Those that the paper trained at more than one S."""
FIXED, LARGER, JITTERED = "one S", "S = 384", "S jittered"
"""Ways of training; the second is the paper's alone."""
PAPERS_S = {FIXED: (256, 256), LARGER: (384, 384), JITTERED: (256, 512)}
ALL = "C, D and E, all"
"""Every net of these together, of the jittered ones D alone: seven in the paper (Table 6)."""
CENTRE = "centre crop"
"""The one way in which the paper tested the shallow net."""


@dataclass(frozen=True)
class Net:
    """A net of Table 1 trained in one of the ways, with each seed."""

    net: str
    way: str

    @property
    def name(self) -> str:
        """The name of its trainings, less the seed."""
        return self.net + {FIXED: "", LARGER: "-384", JITTERED: "-jitter"}[self.way]

    @property
    def trained(self) -> Trained:
        """What the paper trained."""
        return (self.net, *PAPERS_S[self.way])

    @property
    def recipe(self) -> Recipe:
        """The paper's."""
        return RECIPES[
            f"{self.net}-{ {FIXED: '256', LARGER: '384', JITTERED: 'jitter'}[self.way] }"
        ]

    def single(self, size: Size) -> tuple[int, ...]:
        """The one Q at which it is tested alone: S, or the middle of its range."""
        return (384,) if self.way == LARGER else self.three(size)[1:2]

    def three(self, size: Size) -> tuple[int, ...]:
        """The three Q."""
        if self.way == LARGER:
            return (352, 384, 416)
        return size.fixed_scales if self.way == FIXED else size.jittered_scales


def nets_of(size: Size, which: Sequence[str] = NETS) -> list[Net]:
    """Those of these nets in all the ways in which a study of this size trains them."""
    ways = (FIXED, LARGER, JITTERED) if size.is_papers else (FIXED, JITTERED)
    return [Net(net, way) for net in which for way in ways if way == FIXED or net in DEEP]


def trainings(nets: Sequence[Net], size: Size, seeds: Sequence[int]) -> Iterator[Training]:
    """All that is trained for these nets, each after what it stands on.

    By the paper's recipes deeper nets begin with layers of A, larger S with the weights of the
    smaller. Otherwise each net begins with random weights, so that all have the same epochs, and
    its rate is that which is best after `trial` epochs with the first seed at one S.
    """
    known: set[str] = set()
    for net in nets:
        for training in _papers(net, seeds) if size.is_papers else _ours(net, size, seeds):
            if training.name not in known:
                known.add(training.name)
                yield training


def _papers(net: Net, seeds: Sequence[int]) -> Iterator[Training]:
    """A net by the paper's recipe, after those that it stands on."""
    recipe = net.recipe
    before = {FIXED: Net("A", FIXED), LARGER: Net(net.net, FIXED), JITTERED: Net(net.net, LARGER)}
    if recipe.after:
        yield from _papers(before[net.way], seeds)
    for seed in seeds:
        after = f"{before[net.way].name}-{seed}" if recipe.after else None
        yield Training(f"{net.name}-{seed}", {"seed": seed}, recipe, after)


def _ours(net: Net, size: Size, seeds: Sequence[int]) -> Iterator[Training]:
    """A net scaled down, after the trials of its rate."""
    trial = {**size.training(size.trial), "net": net.net, "scale": size.scale, "seed": seeds[0]}
    trials = trials_of(net.net, size.rates, trial)
    yield from trials
    scale = f"{size.jitter[0]}-{size.jitter[1]}" if net.way == JITTERED else size.scale
    whole = {**size.training(size.epochs), **rate_of(size.rates), "net": net.net, "scale": scale}
    tried = tuple(training.name for training in trials)
    for seed in seeds:
        own = {**whole, "seed": seed}
        yield Training(f"{net.name}-{seed}", own, tried=tried, may_fail=True)


def epochs_behind(nets: Sequence[Net], size: Size) -> str:
    """How long nets have learnt in all, in words, where some begin with layers of others."""
    if not size.is_papers:
        return ""
    of: dict[int, list[str]] = {}
    for net in dict.fromkeys(nets):
        of.setdefault(Settings.epochs * len(chain(net.recipe)), []).append(net.name)
    told = "; ".join(f"{epochs} {', '.join(names)}" for epochs, names in sorted(of.items()))
    return f"Epochs, with those of the nets whose layers a net began with: up to {told}."


def trials_of(
    name: str, rates: Sequence[float], settings: Mapping[str, Any], after: str | None = None
) -> tuple[Training, ...]:
    """A training for each of several rates to be tried; none for one rate alone."""
    return tuple(
        Training(f"{name}-rate-{rate:g}", {**settings, "rate": rate}, None, after, may_fail=True)
        for rate in rates
        if len(rates) > 1
    )


def rate_of(rates: Sequence[float]) -> dict[str, float]:
    """The rate as a setting, where there is one alone."""
    return {"rate": rates[0]} if len(rates) == 1 else {}


def depth(size: Size) -> list[Table]:
    """Table 3: all nets at one test scale; and the shallow net beside B, by centre crops."""
    cells = [
        _cell(net, net.way, "dense", net.single(size), "Table 3")
        for net in nets_of(size)
        if net.net != "B-shallow"
    ]
    shallow = [
        Cell(net, CENTRE, (Source(net, "centre", (size.scale,)),)) for net in ("B", "B-shallow")
    ]
    behind = epochs_behind([net for net in nets_of(size) if net.net != "B-shallow"], size)
    of_b = epochs_behind([Net("B", FIXED), Net("B-shallow", FIXED)], size)
    return [
        Table("Table 3", "one test scale, dense", tuple(cells), note=behind),
        Table("Sect. 4.1", "five layers of 5 x 5 beside ten of 3 x 3", tuple(shallow), note=of_b),
    ]


def scales(size: Size) -> list[Table]:
    """Table 4: B to E at three test scales."""
    nets = nets_of(size, ("B", *DEEP))
    cells = [_cell(net, net.way, "dense", net.three(size), "Table 4") for net in nets]
    note = epochs_behind(nets, size)
    return [Table("Table 4", "three test scales, dense", tuple(cells), note=note)]


def protocols(size: Size) -> list[Table]:
    """Table 5: jittered D and E densely, by 50 crops a scale, and by both."""
    cells = []
    nets = [Net("D", JITTERED), Net("E", JITTERED)]
    for net in nets:
        ways = _ways([net], size)
        for way, sources in ways.items():
            printed = _printed("Table 5", [net], way, net.three(size))
            cells.append(Cell(net.net, way, sources, printed))
    note = epochs_behind(nets, size)
    return [Table("Table 5", "dense and multi-crop, three test scales", tuple(cells), note=note)]


def fusion(size: Size) -> list[Table]:
    """Table 6: jittered D and E together, and all of C, D and E."""
    two = [Net("D", JITTERED), Net("E", JITTERED)]
    cells = []
    for way, sources in _ways(two, size).items():
        cells.append(Cell("D and E", way, sources, _printed("Table 6", two, way, ())))
    for net in two:
        for way, sources in _ways([net], size).items():
            printed = _printed("Table 5", [net], way, net.three(size))
            cells.append(Cell(f"{net.net} alone", way, sources, printed))
    every = [net for net in nets_of(size, DEEP) if net.way != JITTERED or net.net == "D"]
    sources = tuple(Source(net.name, "dense", net.three(size)) for net in every)
    cells.append(Cell(ALL, "dense", sources, (24.7, 7.5)))
    note = epochs_behind([*two, *every], size)
    return [Table("Table 6", "several nets together", tuple(cells), note=note)]


STUDIES = {"depth": depth, "scales": scales, "protocols": protocols, "fusion": fusion}


def plan(tables: Sequence[Table], size: Size, seeds: Sequence[int]) -> Plan:
    """The trainings and tests that fill these tables.

    A training tests itself by a centre crop and densely at one Q: those tests are no steps.
    """
    wanted = [*sources_of(tables)]
    names = {source.training for source in wanted}
    nets = [net for net in nets_of(size) if net.name in names]
    steps: list[Step] = [*trainings(nets, size, seeds)]
    own = {(net.name, way, net.single(size)) for net in nets for way in ("centre", "dense")}
    for source in wanted:
        if (source.training, source.protocol, source.scales) not in own:
            steps += [source.with_seed(seed) for seed in seeds]
    return Plan(tuple(steps))


def _cell(net: Net, column: str, way: str, q: tuple[int, ...], table: str) -> Cell:
    """The place of one test of one net."""
    return Cell(net.net, column, (Source(net.name, way, q),), _printed(table, [net], way, ()))


def _ways(nets: Sequence[Net], size: Size) -> dict[str, tuple[Source, ...]]:
    """Tests of nets at three scales densely, by crops, and by both, as tests to be averaged."""
    dense = tuple(Source(net.name, "dense", net.three(size)) for net in nets)
    crops = tuple(Source(net.name, "crops", net.three(size)) for net in nets)
    return {"dense": dense, "crops": crops, "both": (*dense, *crops)}


def _printed(table: str, nets: Sequence[Net], way: str, scales: tuple[int, ...]) -> Errors | None:
    """What the paper printed in that table of these nets, shown in that way."""
    which = frozenset(net.trained for net in nets)
    for row in PUBLISHED:
        if row.table == table and row.nets == which and row.way == way:
            return row.top1, row.top5
    return None
