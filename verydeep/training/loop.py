"""The training loop: mini-batch SGD with momentum (Sect. 3.1) on the loss of a task.

In comes a `Training`, which is all that changes while a net is trained, and what does not: a part
to train on, a part to choose the weights by, settings. Out comes one `Epoch` after another. A
`Training` that was put away in the middle of an epoch and brought back goes on to the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import torch
from torch import Tensor

from verydeep.nets.network import Network
from verydeep.parts.dataset import Part
from verydeep.runtime.distributed import Ranks
from verydeep.runtime.runtime import Runtime
from verydeep.runtime.threads import one_thread_each, settle
from verydeep.tasks.task import Judgement
from verydeep.training.balance import class_weights
from verydeep.training.loader import Batch, CropSource, Load, batches, steps
from verydeep.training.settings import Settings
from verydeep.training.state import Epoch, Schedule, Training
from verydeep.training.step import Step, burst, why_not_finite

LOOK_BACK = {"cpu": 1, "cuda": 10}
"""Steps after which losses are read: a GPU must not be waited for at every one."""


Judge = Callable[[Network, Part, Runtime, Callable[[], None]], Judgement]
"""What judges a net by a part, as `Task.judge` does."""
AfterStep = Callable[[Training, Batch, float], None]
"""Called after each step, with its batch and its loss, NaN while that is not known yet."""


def go_on(*told: object) -> None:
    """Nothing is done about what is told."""


def fit(
    training: Training,
    source: CropSource,
    validation: Part,
    settings: Settings,
    runtime: Runtime | None = None,
    after_step: AfterStep = go_on,
    while_testing: Callable[[], None] = go_on,
    load: Load = batches,
    judge: Judge | None = None,
) -> Iterator[Epoch]:
    """Trains until the schedule ends, and yields after each epoch, with the weights to be kept.

    `while_testing` is called after every batch of the check that ends an epoch; that and
    `after_step` may raise, to stop the run. `load` makes the batches, and `judge`
    judges in place of the task. Raises NotFiniteError when the loss, that of the check too, or a
    gradient is not finite, and PictureError where a picture cannot be read and may not be.
    """
    runtime = runtime or Runtime()
    schedule, ended = training.schedule(settings)
    judge = judge or training.task.judge
    while not ended:
        number = len(training.epochs)
        schedule.begin(number)
        _train(training, source, settings, schedule, runtime, after_step, load)
        start = perf_counter()
        training.update_mean(settings.mean_from)
        with training.averaged():
            judged = judge(training.network, validation, runtime, while_testing)
        count = steps(len(source.part), settings)
        if not math.isfinite(judged.loss):
            raise burst(number, count, training.optimiser.rate)
        epoch = Epoch(
            number + 1,
            (number + 1) * count,
            training.optimiser.rate,
            training.loss / count,
            judged.loss,
            judged.figures,
            training.seconds + perf_counter() - start,
            training.waiting / max(training.seconds, 1e-9),
        )
        training.epochs.append(epoch)
        training.step, training.loss, training.seconds, training.waiting = 0, 0.0, 0.0, 0.0
        ended = schedule.ended_by(epoch) or number + 1 == settings.epochs
        with training.averaged():
            yield epoch


def _train(
    training: Training,
    source: CropSource,
    settings: Settings,
    schedule: Schedule,
    runtime: Runtime,
    after_step: AfterStep,
    load: Load,
) -> None:
    """What is left of an epoch's steps."""
    network = training.network.train()
    threads, ranks = runtime.machine.threads, runtime.ranks
    epoch, count = len(training.epochs), steps(len(source.part), settings)
    coming = load(source, settings, epoch, threads, training.step)
    look_back = LOOK_BACK[network.device.type]
    nothing = torch.zeros((), device=network.device)  # the loss of a step that is left out
    unread: list[tuple[int, Batch, Tensor]] = []
    with ThreadPoolExecutor(threads, initializer=settle) as pool, one_thread_each():
        weights = class_weights(training.task, network, source.part, settings)
        step = Step(training, settings, pool, ranks, weights)
        while training.step < count:
            asked = perf_counter()
            batch = next(coming)
            training.waiting += perf_counter() - asked
            number = epoch * count + training.step
            training.optimiser.set_rate(schedule.rate(number, count))
            left_out = number in training.left_out
            unread.append((number, batch, nothing if left_out else step(batch, number)))
            training.step += 1
            latest = float("nan")
            if len(unread) == look_back or training.step == count:
                latest = _read_back(training, unread, source, ranks)
            training.seconds += perf_counter() - asked
            after_step(training, batch, latest)


def _read_back(
    training: Training,
    unread: list[tuple[int, Batch, Tensor]],
    source: CropSource,
    ranks: Ranks,
) -> float:
    """Adds up the latest steps' losses, and gives the last; raises where one is not finite."""
    losses = torch.stack([loss for *_, loss in unread]).tolist()
    for (number, batch, _), loss in zip(unread, losses, strict=True):
        if not math.isfinite(loss):
            raise why_not_finite(training, batch, number, source.part, ranks)
        training.loss += loss
    unread.clear()
    return float(losses[-1])
