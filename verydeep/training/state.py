"""Where a training stands: all that changes meanwhile, and the schedule of its rate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor, nn

from verydeep import schema, tasks
from verydeep.nets.network import Network
from verydeep.nets.rows import FC, PICTURE, BatchNorm, Dropout
from verydeep.nets.special_rows import LEARNT
from verydeep.nets.table import Head, Table
from verydeep.tasks.task import Figure, Task
from verydeep.training.settings import Settings
from verydeep.training.sgd import SGD

CUTS = 3
"""How often the rate is cut, where settings do not say otherwise (Sect. 3.1)."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave: a line of the log.

    `loss` is the mean over its steps; `validation_loss` and the task's `figures`, by name, are of
    the validation part; `waiting` is the share of the training time that was spent waiting for
    pictures.
    """

    epoch: int
    step: int
    rate: float
    loss: float
    validation_loss: float
    figures: Mapping[str, float]
    seconds: float
    waiting: float

    @classmethod
    def of_line(cls, line: Mapping[str, Any]) -> Epoch:
        """The epoch that a line tells of; MisfitError where it tells of none."""
        names = columns([])
        figures = {name: value for name, value in line.items() if name not in names}
        own = schema.fitting_keys(cls, line, without=["figures"], beside=figures)
        return cls(**own, figures=schema.fitting(dict[str, float], figures))

    @property
    def line(self) -> dict[str, float]:
        """The same as log.csv and checkpoints have it: a value for each of its columns."""
        values = {**vars(self), **self.figures}
        return {name: values[name] for name in columns(self.figures)}


def columns(figures: Iterable[str]) -> list[str]:
    """The columns of log.csv, the task's figures among them."""
    names = [field.name for field in fields(Epoch)]
    place = names.index("figures")
    return [*names[:place], *figures, *names[place + 1 :]]


def best_of(epochs: Sequence[Epoch], watched: Figure) -> Epoch | None:
    """The first of the epochs that none is better than: by that figure, then by the loss."""

    def cost(epoch: Epoch) -> tuple[float, float]:
        return watched.cost(epoch.figures[watched.name]), epoch.validation_loss

    return min(epochs, key=cost, default=None)


@dataclass
class Schedule:
    """The rate of each step, and when a training is over.

    Where it falls at steps, the last of those ends it. Where it falls on plateaus it is cut on one
    of a figure, three times, and then comes the end. That figure is the one `watched`, of the
    validation part. Where settings have latest cuts, there are as many as those, on a plateau or
    when they are due. Carries the best cost so far and how many epochs have passed without a better
    one.
    """

    settings: Settings
    watched: Figure
    cuts: int = 0
    best: float = math.inf
    since: int = 0

    def begin(self, epoch: int) -> None:
        """Takes note that an epoch begins, counted from 0: the latest cuts are due by then."""
        latest = self.settings.latest_cuts
        due = sum(epoch >= round(share * self.settings.epochs) for share in latest)
        if due > self.cuts:
            self.cuts, self.since = due, 0

    def rate(self, step: int, steps: int) -> float:
        """The rate of a step of the epoch that has begun, counted from 0 over all, `steps` each."""
        settings = self.settings
        rising = settings.warm_up * steps
        if step < rising:
            return settings.rate * (step + 1) / math.ceil(rising)
        if settings.fall == "plateau":
            return settings.rate / settings.cut_by**self.cuts
        if settings.fall == "steps":
            return settings.rate / settings.cut_by ** sum(
                step >= at for at in settings.at_steps[:-1]
            )
        if settings.fall == "stairs":
            share, epochs = settings.stairs
            return float(settings.rate * share ** (step // (epochs * steps)))
        fallen = (step - rising) / (settings.epochs * steps - rising)
        return settings.rate * (1 + math.cos(math.pi * fallen)) / 2

    def ended_by(self, epoch: Epoch) -> bool:
        """Takes note of an epoch; True when the last plateau is over."""
        if self.settings.fall == "steps":
            return epoch.step >= self.settings.at_steps[-1]
        if self.settings.fall != "plateau":
            return False
        cost = self.watched.cost(epoch.figures[self.watched.name])
        self.best, self.since = (cost, 0) if cost < self.best else (self.best, self.since + 1)
        if self.since < self.settings.patience:
            return False
        if self.cuts == (len(self.settings.latest_cuts) or CUTS):
            return True
        self.cuts, self.since = self.cuts + 1, 0
        return False


def tuned_layers(table: Table, tune: str) -> list[str]:
    """Names of the layers that are trained, of "all", those of "fc", or the "last".

    Only layers that the scores come from learn, and with "all" those of side heads whose losses
    count. Where there are no FC layers, "fc" is the last.
    """
    ends = {table.scores} if table.has_scores else {table.rows[-1].name}
    ends |= {head.row for head in learning_heads(table, tune)}
    layers = [row for row, _ in table.path(ends) if isinstance(row, (*LEARNT, BatchNorm))]
    fc = [row.name for row in layers if isinstance(row, FC)]
    last = [row.name for row in layers if row.name in table.class_layers] or fc[-1:]
    return {"all": [row.name for row in layers], "fc": fc or last}.get(tune, last)


def learning_heads(table: Table, tune: str) -> list[Head]:
    """The side heads whose losses are learnt from beside that of the scores, if there are such."""
    counting = tune == "all" and not table.is_embedding
    return [head for head in table.heads if head.weight > 0 and counting]


def cached_row(table: Table) -> str:
    """The name of the row whose values can be kept while only layers behind it are trained.

    That is the last of the trunk, before any dropout that it ends with.
    """
    name = table.trunk
    while name != PICTURE and isinstance(table[name], Dropout):
        (name,) = table[name].inputs
    return name


def trains_trunk(table: Table, tune: str) -> bool:
    """Whether any of the layers that are trained stands before the row that can be kept."""
    ends = {table.scores} if table.has_scores else {table.rows[-1].name}
    behind = {row.name for row, _ in table.path(ends, {cached_row(table)})}
    return not behind.issuperset(tuned_layers(table, tune))


@dataclass
class Training:
    """All that changes while a net is trained for a task; what a checkpoint must bring back.

    `step` counts those done in the epoch under way, over which `loss`, `seconds` and `waiting`
    are summed; `left_out` are steps, counted from the first of all, whose batches are not learnt
    from, because their loss was not finite when it was tried; `faults` name the pictures that could
    not be read when they were to be learnt from, and say why.
    """

    network: Network
    task: Task
    optimiser: SGD
    average: dict[str, Tensor] | None = None
    epochs: list[Epoch] = field(default_factory=list)
    step: int = 0
    loss: float = 0.0
    seconds: float = 0.0
    waiting: float = 0.0
    left_out: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, network: Network, settings: Settings) -> Training:
        """A training that has not begun, for the task that settings name."""
        task = tasks.named(settings.task)
        for row in network.table.rows:
            module = network.get_submodule(row.name)
            if isinstance(module, nn.Dropout) and not (isinstance(row, Dropout) and row.fixed):
                module.p = settings.dropout
        tuned = tuned_layers(network.table, settings.tune)
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(name.partition(".")[0] in tuned)
        learning = {n: p for n, p in network.named_parameters() if p.requires_grad}
        optimiser = SGD(learning, settings.rate, settings.momentum, settings.decay)
        if not settings.average and not settings.mean_from:
            return cls(network, task, optimiser)
        average = {name: tensor.detach().clone() for name, tensor in _tensors(network)}
        return cls(network, task, optimiser, average)

    def schedule(self, settings: Settings) -> tuple[Schedule, bool]:
        """The schedule as the epochs so far have left it, and whether they have ended it."""
        schedule, ended = Schedule(settings, self.task.watched), False
        for number, epoch in enumerate(self.epochs):
            schedule.begin(number)
            ended = schedule.ended_by(epoch)
        return schedule, ended or len(self.epochs) >= settings.epochs

    @torch.no_grad()
    def update_average(self, decay: float, number: int) -> None:
        """Moves the average of the weights towards the weights as step `number` has left them.

        The weights after update k of n count (1 - decay) decay^(n - k) / (1 - decay^n): those that
        the training began with do not count, as in Adam's correction (Kingma & Ba, 2015, Sect. 3).
        """
        if self.average is not None and decay:
            updates = number + 1 - sum(step < number for step in self.left_out)
            share = (1 - decay) / (1 - decay**updates)
            for name, tensor in _tensors(self.network):
                self.average[name].lerp_(tensor, share)

    @torch.no_grad()
    def update_mean(self, first: int) -> None:
        """Takes the weights at the end of an epoch into the mean of those from epoch `first` on.

        Until then the mean is of the weights as they are; without a first there is none.
        """
        if self.average is not None and first:
            share = 1 / max(1, len(self.epochs) + 2 - first)
            for name, tensor in _tensors(self.network):
                self.average[name].lerp_(tensor, share)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within, the network has the average of its weights where one is kept."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        if self.average is not None:
            for name, tensor in _tensors(self.network):
                # by exchange of their memory, for the largest layer is most of a network
                kept = tensor.data
                tensor.data, self.average[name] = self.average[name], kept


def _tensors(network: Network) -> Iterator[tuple[str, Tensor]]:
    """A network's parameters, and the statistics that its norms keep."""
    yield from network.named_parameters()
    yield from network.named_buffers()
