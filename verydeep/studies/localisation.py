"""The study of localisation: what is tuned, a box for each class, dense boxes (Tables 8 and 9).

Of each seed net D, or another that is asked for, is trained as the study of depth trains it, or FC
layers on the convolutions of weights that are there already; and from it the nets of boxes
(Appendix A), all for as many epochs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verydeep.evaluation.published_nets import in_print
from verydeep.localisation.boxes_file import Regression, Tuned
from verydeep.localisation.published import D256, D384, PUBLISHED, TABLE_10, Shown
from verydeep.studies.classification import (
    FIXED,
    LARGER,
    Net,
    rate_of,
    trainings,
    trials_of,
)
from verydeep.studies.convolutions import Convolutions
from verydeep.studies.plan import Plan, Step, Training
from verydeep.studies.sizes import Size
from verydeep.studies.tables import Cell, Errors, Source, Table, sources_of
from verydeep.tasks.localise import LOCALISE, LOCALISE_SINGLE
from verydeep.training.recipes import CROP, Recipe

TUNED: dict[Tuned, str] = {"fc": "FC layers", "all": "all layers"}
"""What learns to place boxes, as Table 8 tells the ways apart; where a net has no FC layers but the
last one, that is all of the first."""
TASKS = {"PCR": LOCALISE.name, "SCR": LOCALISE_SINGLE.name}
ONE, TWO, FUSED = "one Q", "two Q", "one Q and two"
OF_TWO_S, OF_TWO_KINDS = "PCR, S = 256 and 384, fused", "PCR and SCR, fused"
NOT_OF_TWO_S = (
    "The paper fused nets of two S. These are of one; those fused differ by what they learn, a box "
    "for each class or one for all."
)
PAPERS_RATE = 1e-3
FC_ALONE = {"tune": "fc", "cached": True}
"""How FC layers learn where convolutions of other weights are left as they are."""
CLASSIFIER = "classifier"
"""What a classifier on convolutions of other weights is called, less the seed."""


@dataclass(frozen=True)
class BoxNet:
    """A net of boxes: one for each class or for all, what of it is tuned, and of which net."""

    regression: Regression
    tuned: Tuned
    classifier: Net

    @property
    def name(self) -> str:
        """The name of its trainings, less the seed; one at the paper's larger S ends with that."""
        way = self.classifier.name.removeprefix(self.classifier.net)
        return f"{self.regression}-{self.tuned}{way}"

    def centre(self, size: Size) -> Source:
        """Its test by one centre crop, at Q = S."""
        return Source(self.name, "centre", self.classifier.single(size))

    def dense(self, size: Size, column: str) -> Source:
        """Its test by dense boxes, at Q = S, or there and at the Q below.

        Those of the paper are all of the classes that one net names, so that boxes can be fused.
        """
        single, two = self.classifier.single(size), self.classifier.three(size)[:2]
        named_by = Net("D", LARGER).name if size.is_papers else None
        return Source(self.name, "dense", single if column == ONE else two, named_by)


def box_nets(size: Size) -> list[BoxNet]:
    """The nets of boxes of Table 8; those of the paper are of S = 384."""
    classifier = Net(size.net, LARGER if size.is_papers else FIXED)
    regressions: tuple[Regression, ...] = ("SCR", "PCR")
    return [BoxNet(each, tuned, classifier) for each in regressions for tuned in TUNED]


AT_256 = BoxNet("PCR", "all", Net("D", FIXED))
"""The net of S = 256 that Table 9 has beside that of S = 384."""


def tables(size: Size) -> list[Table]:
    """Table 8, the centre crop with its class given; Table 9, dense boxes, of which five count.

    With nets of two S, as the paper's, Table 10 has those fused beside other teams.
    """
    nets = box_nets(size)
    centre = [
        Cell(net.regression, TUNED[net.tuned], (net.centre(size),), _printed(net, "centre", (384,)))
        for net in nets
    ]
    rates = ", ".join(f"{rate:g}" for rate in size.box_rates)
    tried = f"; rates {rates} tried" if len(size.box_rates) > 1 else f"; a rate of {rates}"
    tried = "" if size.is_papers else tried
    dense = _table_9(size, nets)
    return [
        Table("Table 8", f"boxes of a centre crop, its class given{tried}", tuple(centre)),
        dense,
        *([_table_10(dense.cells[-1])] if size.is_papers else []),
    ]


def _table_9(size: Size, nets: Sequence[BoxNet]) -> Table:
    """Dense boxes of PCR with all layers tuned, and those of two nets fused."""
    *others, pcr = (net for net in nets if net.tuned == "all")
    cells = [
        Cell("PCR", column, (pcr.dense(size, column),), _printed(pcr, "dense", scales))
        for column, scales in ((ONE, (384,)), (TWO, (352, 384)))
    ]
    two = pcr.dense(size, TWO)
    if size.is_papers:
        first = AT_256.dense(size, ONE)
        cells.insert(0, Cell("PCR, S = 256", ONE, (first,), _printed(AT_256, "dense", (256,))))
        printed = _printed(pcr, "dense", (256,), (352, 384))
        cells.append(Cell(OF_TWO_S, FUSED, (first, two), printed))
    elif others:
        other = others[0].dense(size, TWO)
        cells += [Cell("SCR", TWO, (other,)), Cell(OF_TWO_KINDS, TWO, (two, other))]
    note = _of_the_test_set() if size.is_papers else NOT_OF_TWO_S
    return Table("Table 9", "dense boxes, merged, all layers tuned", tuple(cells), k=5, note=note)


def _of_the_test_set() -> str:
    """What the paper has of Table 9 on ILSVRC's test set, whose truth is not published."""
    told = [
        f"{row.test:.1f} of S/Q {' and '.join(map(_s_and_q, sorted(row.nets)))}"
        for row in PUBLISHED
        if row.test is not None
    ]
    return f"On the test set, which is not ours to test on, the paper has {', '.join(told)}."


def _s_and_q(shown: Shown) -> str:
    """S and Q of a net as Table 9 has them."""
    (_, scale, _), scales = shown
    return f"{scale}/{', '.join(map(str, scales))}"


def _table_10(fused: Cell) -> Table:
    """The boxes of nets fused, among the teams of the paper."""
    us, *_ = TABLE_10
    cell = Cell(us.name, fused.column, fused.sources, (None, us.validation))
    each = (f"{t.name} {in_print(t.validation)}, {in_print(t.test)}" for t in TABLE_10)
    note = f"All teams on the validation and the test set, as printed: {'; '.join(each)}."
    return Table("Table 10", "among the best teams", (cell,), k=5, note=note)


def plan(size: Size, seeds: Sequence[int], begun: Convolutions | None = None) -> Plan:
    """The trainings and tests that fill these tables.

    Where nets have been `begun` the convolutions of classifiers are left as they are, and they are
    tuned at the rates that are tried for boxes.
    """
    nets = [*([AT_256] if size.is_papers else []), *box_nets(size)]
    of = {net.name: CLASSIFIER if begun else net.classifier.name for net in nets}
    own = [net.classifier for net in nets]
    steps: list[Step] = [
        *(_classifiers(begun, size, seeds) if begun else trainings(own, size, seeds))
    ]
    for net in nets:
        if size.is_papers:
            steps += _papers(net, seeds)
        else:
            steps += _ours(net, of[net.name], begun, size, seeds)
    for source in sources_of(tables(size)):
        classifier = of[source.training] if source.protocol == "dense" else None
        steps += [source.with_seed(seed, classifier) for seed in seeds]
    return Plan(tuple(steps))


def _papers(net: BoxNet, seeds: Sequence[int]) -> Iterator[Training]:
    """As Appendix A has it."""
    scale = net.classifier.trained[1]
    settings = {"net": "D", "crop": CROP, "scale": scale, "rate": PAPERS_RATE, **_learnt(net)}
    for seed in seeds:
        after = f"{net.classifier.name}-{seed}"
        yield Training(f"{net.name}-{seed}", {"seed": seed}, Recipe(net.name, settings), after)


def _classifiers(begun: Convolutions, size: Size, seeds: Sequence[int]) -> Iterator[Training]:
    """FC layers that learn classes on convolutions of other weights, after trials of their rate."""
    own = {"start": str(begun.path), "scale": size.scale, **begun.settings, **FC_ALONE}
    yield from _tried(CLASSIFIER, own, dict.fromkeys(seeds), size)


def _ours(
    net: BoxNet, classifier: str, begun: Convolutions | None, size: Size, seeds: Sequence[int]
) -> Iterator[Training]:
    """Scaled down, after the trials of its rate with the first seed."""
    own = {"scale": size.scale, **_learnt(net), **(begun.settings if begun else {"net": size.net})}
    if begun and net.tuned == "fc":
        own |= FC_ALONE
    yield from _tried(net.name, own, {seed: f"{classifier}-{seed}" for seed in seeds}, size)


def _tried(
    name: str, own: Mapping[str, Any], after: Mapping[int, str | None], size: Size
) -> Iterator[Training]:
    """A training for each seed, after what it begins with; before them trials with the first."""
    rates, first = size.box_rates, next(iter(after))
    trial = {**_in_epochs(own, size, size.trial), "seed": first}
    trials = trials_of(name, rates, trial, after[first])
    yield from trials
    whole = {**_in_epochs(own, size, size.epochs), **rate_of(rates)}
    tried = tuple(training.name for training in trials)
    for seed, before in after.items():
        yield Training(f"{name}-{seed}", {**whole, "seed": seed}, None, before, tried, True)


def _in_epochs(own: Mapping[str, Any], size: Size, epochs: int) -> dict[str, Any]:
    """All settings of a training of so many epochs; each of them has views of its own.

    So what is cached learns of the same crops as what is not.
    """
    views = {"views": epochs} if own.get("cached") else {}
    return {**size.training(epochs), **own, **views}


def _learnt(net: BoxNet) -> dict[str, Any]:
    return {"task": TASKS[net.regression], "tune": net.tuned}


def _printed(net: BoxNet, way: str, *shown: tuple[int, ...]) -> Errors | None:
    """What the paper printed of such a net shown in that way, top-1 of a centre crop, else top-5.

    Where that is at Q = 256 its S was that too, and else 384; of both, fused, it is at several.
    """
    nets = {(D256 if scales == (256,) else D384, scales) for scales in shown}
    asked = frozenset(nets), way, net.regression, net.tuned
    for row in PUBLISHED:
        if (row.nets, row.way, row.regression, row.tuned) == asked:
            return (row.validation, None) if way == "centre" else (None, row.validation)
    return None
