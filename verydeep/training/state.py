"""Where a training stands: all that changes meanwhile, and the schedule of its rate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from verydeep.nets.network import Network
from verydeep.nets.table import FC
from verydeep.training.settings import Settings
from verydeep.training.sgd import SGD
from verydeep.weights.warm_start import layers_of

CUT = 10.0
"""What the rate is divided by (Sect. 3.1)."""
CUTS = 3
"""How often it is, where settings do not say otherwise."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave: a line of the log.

    `loss` is the mean over its steps; `top1` and `top5` the errors in % and `validation_loss` the
    mean negative log posterior on one centre crop of each picture of the validation part; `waiting`
    the share of the training time that was spent waiting for pictures.
    """

    epoch: int
    step: int
    rate: float
    loss: float
    validation_loss: float
    top1: float
    top5: float
    seconds: float
    waiting: float

    def better_than(self, other: Epoch | None) -> bool:
        """Whether its error is lower, or as low with a lower loss."""
        return other is None or (self.top1, self.validation_loss) < (
            other.top1,
            other.validation_loss,
        )


def best_of(epochs: Sequence[Epoch]) -> Epoch | None:
    """The first of the epochs that none is better than."""
    best: Epoch | None = None
    for epoch in epochs:
        best = epoch if epoch.better_than(best) else best
    return best


@dataclass
class Schedule:
    """When the rate is cut: on a plateau of the validation error, three times, and then the end.

    Where settings have latest cuts, there are as many as those, on a plateau or when they are due.
    Carries the best epoch so far and how many have passed without a better one.
    """

    settings: Settings
    cuts: int = 0
    best: Epoch | None = None
    since: int = 0

    def rate(self, epoch: int) -> float:
        """The rate of an epoch, counted from 0, in which the latest cuts are due by then."""
        latest = self.settings.latest_cuts
        due = sum(epoch >= round(share * self.settings.epochs) for share in latest)
        if due > self.cuts:
            self.cuts, self.since = due, 0
        return self.settings.rate / CUT**self.cuts

    def ended_by(self, epoch: Epoch) -> bool:
        """Takes note of an epoch; True when the last plateau is over."""
        better = self.best is None or epoch.top1 < self.best.top1
        self.best, self.since = (epoch, 0) if better else (self.best, self.since + 1)
        if self.since < self.settings.patience:
            return False
        if self.cuts == (len(self.settings.latest_cuts) or CUTS):
            return True
        self.cuts, self.since = self.cuts + 1, 0
        return False


def tuned_layers(network: Network, tune: str) -> list[str]:
    """Names of the layers that are trained, of "all", those of "fc", or the "last"."""
    if tune == "all":
        return layers_of(network)
    fc = [row.name for row in network.table.rows if isinstance(row, FC)]
    return fc if tune == "fc" else [network.table.last_layer]


@dataclass
class Training:
    """All that changes while a net is trained; what a checkpoint must bring back.

    `step` counts those done in the epoch under way, over which `loss`, `seconds` and `waiting`
    are summed; `left_out` are steps, counted from the first of all, whose batches are not learnt
    from, because their loss was not finite when it was tried; `faults` name the pictures that could
    not be read when they were to be learnt from, and say why.
    """

    network: Network
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
        """A training that has not begun."""
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = settings.dropout
        tuned = tuned_layers(network, settings.tune)
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(name.partition(".")[0] in tuned)
        learning = {n: p for n, p in network.named_parameters() if p.requires_grad}
        optimiser = SGD(learning, settings.rate, settings.momentum, settings.decay)
        if not settings.average:
            return cls(network, optimiser)
        average = {name: tensor.detach().clone() for name, tensor in _tensors(network)}
        return cls(network, optimiser, average)

    def schedule(self, settings: Settings) -> tuple[Schedule, bool]:
        """The schedule as the epochs so far have left it, and whether they have ended it."""
        schedule, ended = Schedule(settings), False
        for number, epoch in enumerate(self.epochs):
            schedule.rate(number)
            ended = schedule.ended_by(epoch)
        return schedule, ended or len(self.epochs) >= settings.epochs

    @torch.no_grad()
    def update_average(self, decay: float, number: int) -> None:
        """Moves the average of the weights towards the weights as step `number` has left them.

        The weights after update k of n count (1 - decay) decay^(n - k) / (1 - decay^n): those that
        the training began with do not count, as in Adam's correction (Kingma & Ba, 2015, Sect. 3).
        """
        if self.average is not None:
            updates = number + 1 - sum(step < number for step in self.left_out)
            share = (1 - decay) / (1 - decay**updates)
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
