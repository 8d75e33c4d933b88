"""The training loop: mini-batch SGD with momentum on the multinomial logistic loss (Sect. 3.1).

In come a network, a part to train on, a part to test on and settings; out comes one `Epoch` after
another, with the network as it is at its end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter

import torch
from torch import Tensor
from torch.nn import functional as F

from verydeep import randomness
from verydeep.datasets.dataset import Part
from verydeep.errors import UserError
from verydeep.evaluation.metrics import top_error
from verydeep.evaluation.posteriors import posteriors
from verydeep.evaluation.views import protocol
from verydeep.nets.network import Dropout, Network
from verydeep.threads import one_thread_each
from verydeep.training.loader import Batch, batches, steps
from verydeep.training.settings import Settings

CUT = 10.0
"""What the rate is divided by (Sect. 3.1)."""


class NotFiniteError(UserError):
    """The loss is no finite number any more; the message names the step."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave: a line of the log.

    `loss` is the mean over its steps; `top1` and `top5` the errors in % and `test_loss` the mean
    negative log posterior on one centre crop of each test picture; `waiting` the share of the
    training time that was spent waiting for pictures.
    """

    epoch: int
    step: int
    rate: float
    loss: float
    test_loss: float
    top1: float
    top5: float
    seconds: float
    waiting: float

    def better_than(self, other: Epoch | None) -> bool:
        """Whether its error is lower, or as low with a lower loss."""
        return other is None or (self.top1, self.test_loss) < (other.top1, other.test_loss)


def fit(
    network: Network,
    train: Part,
    test: Part,
    settings: Settings,
    *,
    threads: int = 2,
    watch: Callable[[int, float], None] = lambda step, loss: None,
) -> Iterator[Epoch]:
    """Trains the network in place, and yields after each epoch.

    `watch` is told each step and its loss. Raises NotFiniteError when the loss is not finite, and
    PictureError where a picture cannot be read.
    """
    for module in network.modules():
        if isinstance(module, Dropout):
            module.p = settings.dropout
    optimiser = torch.optim.SGD(
        network.parameters(), settings.rate, settings.momentum, weight_decay=settings.decay
    )
    schedule = Schedule(settings)
    for number in range(settings.epochs):
        start = perf_counter()
        rate = schedule.rate(number)
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss, waiting = _train(network, train, settings, number, optimiser, threads, watch)
        trained = perf_counter() - start
        test_loss, top1, top5 = check(network, test, threads)
        yield (
            epoch := Epoch(
                number + 1,
                (number + 1) * steps(len(train), settings),
                rate,
                loss,
                test_loss,
                top1,
                top5,
                perf_counter() - start,
                waiting / trained,
            )
        )
        if schedule.ended_by(epoch):
            return


@dataclass
class Schedule:
    """When the rate is cut: on a plateau of the test error, three times, and then the end.

    Carries the best epoch so far and how many have passed without a better one.
    """

    settings: Settings
    cuts: int = 0
    best: Epoch | None = None
    since: int = 0
    reasons: list[str] = field(default_factory=list)

    def rate(self, epoch: int) -> float:
        """The rate of an epoch, counted from 0, in which the latest cuts are due by then."""
        latest = self.settings.latest_cuts
        due = sum(epoch >= round(share * self.settings.epochs) for share in latest)
        if due > self.cuts:
            self._cut(due, f"the latest of {self.settings.epochs} epochs")
        return self.settings.rate / CUT**self.cuts

    def ended_by(self, epoch: Epoch) -> bool:
        """Takes note of an epoch; True when the last plateau is over."""
        better = self.best is None or epoch.top1 < self.best.top1
        self.best, self.since = (epoch, 0) if better else (self.best, self.since + 1)
        if self.since < self.settings.patience:
            return False
        if self.cuts == len(self.settings.latest_cuts):
            return True
        self._cut(self.cuts + 1, f"no better for {self.since} epochs")
        return False

    def _cut(self, cuts: int, reason: str) -> None:
        self.cuts, self.since = cuts, 0
        self.reasons.append(reason)


def _train(
    network: Network,
    part: Part,
    settings: Settings,
    epoch: int,
    optimiser: torch.optim.Optimizer,
    threads: int,
    watch: Callable[[int, float], None],
) -> tuple[float, float]:
    """One epoch of steps: the mean loss, and the seconds spent waiting for pictures."""
    network.train()
    total, waiting = 0.0, 0.0
    count = steps(len(part), settings)
    source = batches(part, network.pixels, settings, epoch, threads)
    with ThreadPoolExecutor(threads) as pool, one_thread_each():
        for step in range(epoch * count, (epoch + 1) * count):
            asked = perf_counter()
            batch = next(source)
            waiting += perf_counter() - asked
            loss = set_gradients(network, batch, settings, step, pool)
            if not math.isfinite(loss):
                rate = optimiser.param_groups[0]["lr"]
                raise NotFiniteError(
                    f"the loss is {loss} at step {step + 1} (epoch {epoch + 1}, rate {rate:g}); "
                    f"try --rate {rate / 10:g}"
                )
            optimiser.step()
            total += loss
            watch(step + 1, loss)
    return total / count, waiting


def set_gradients(
    network: Network, batch: Batch, settings: Settings, step: int, pool: ThreadPoolExecutor
) -> float:
    """Sets each parameter's gradient of the mean loss over a batch, and gives that loss.

    A shard is worked on by one thread; shards are summed in their order, whichever is done first.
    """
    size = settings.shard if network.device.type == "cpu" else len(batch.labels)
    parameters = list(network.parameters())

    def shard(start: int) -> tuple[float, tuple[Tensor, ...]]:
        images = batch.images[start : start + size].to(network.device)
        labels = batch.labels[start : start + size].to(network.device)
        drawn = torch.Generator(network.device)
        drawn.manual_seed(randomness.torch_seed(settings.seed, "dropout", step, start))
        scores = network(network.pixels.normalise(images), drawn)
        loss = F.cross_entropy(scores, labels, reduction="sum") / len(batch.labels)
        return loss.item(), torch.autograd.grad(loss, parameters)

    losses, gradients = zip(*pool.map(shard, range(0, len(batch.labels), size)), strict=True)
    for parameter, *parts in zip(parameters, *gradients, strict=True):
        parameter.grad = sum(parts[1:], parts[0])
    return float(sum(losses))


def check(network: Network, test: Part, threads: int) -> tuple[float, float, float]:
    """Mean negative log posterior, top-1 and top-5 error in %, on one centre crop a picture."""
    found = posteriors(network, test, protocol(network, "centre"), threads=threads)
    own = found[range(len(test)), test.labels]
    loss = -torch.from_numpy(own).clamp_min(1e-12).log().mean().item()
    return loss, top_error(found, test.labels), top_error(found, test.labels, 5)
