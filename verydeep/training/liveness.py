"""Whether a net can learn from the weights it begins with, asked before it is trained.

A step moves the weights of a layer by their gradient and by their decay. Where each layer passes on
less than it gets, scores of all pictures are as good as equal, gradients of all layers are less
than what decay takes, and the net stays at chance until its weights are gone. Of one batch it is
seen beforehand: the norm of each layer's gradient over that of its decay. At the beginning the
gradients of single pictures point everywhere, so that of n falls as 1 / sqrt(n): times sqrt(n) it
is that of one picture, however many were shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import torch

from verydeep import tasks
from verydeep.errors import UserError
from verydeep.nets.cost import cost
from verydeep.nets.network import Network
from verydeep.nets.norms import Norms, learnt_norms
from verydeep.nets.rows import PICTURE, BatchNorm
from verydeep.training.loader import CropSource, batches
from verydeep.training.settings import Settings

DECAY = 5e-4
"""The paper's: what gradients are measured by, whatever decay is asked for."""
LEAST = 1.0
"""The geometric mean over layers that is needed: one picture moves weights as much as decay does
(docs/results.md has what was measured of nets)."""
MULTIPLY_ADDS = 5e10
"""What the asking may cost, but for `FEWEST` crops: a few seconds on a core."""
FEWEST = 4


LEARNT = 0.9
"""Share of a guess's loss, such as ln K: below it a net has learnt already, and is not asked."""


def strengths(
    network: Network, source: CropSource, settings: Settings
) -> tuple[dict[str, float], float]:
    """By layer that is trained, the norm of one picture's gradient over that of the decay.

    With them comes the mean loss, as a share of a guess's. Of the first batch of the training, or
    some of its crops where the net is large, without dropout.
    """
    count = max(FEWEST, int(MULTIPLY_ADDS / cost(network.table).multiply_adds))
    few = replace(settings, batch=min(settings.batch, len(source.part), count))
    first = next(batches(replace(source, share=(0, 1)), few, epoch=0, threads=1))
    batch = first.part(0, few.batch, network.device)
    end = network.table.learnt
    near = {row.name for row, _ in network.table.path({network.table.ends[end]})}
    learning = {
        name: p
        for name, p in network.named_parameters()
        if p.requires_grad and name.partition(".")[0] in near
    }
    given, norms = {PICTURE: batch.shown(source.pixels)}, Norms(learnt_norms(network))
    scores = network.run(given, [end], {BatchNorm: norms})[end].mean((2, 3))
    task = tasks.named(settings.task)
    losses = task.loss(scores, batch.targets, None)
    loss = (losses * batch.weight).mean()
    gradients = torch.autograd.grad(loss, [*learning.values()])
    pairs = zip(learning.items(), gradients, strict=True)
    found = {
        name.removesuffix(".weight"): math.sqrt(few.batch)
        * float(gradient.norm() / (DECAY * weights.detach().norm()))
        for (name, weights), gradient in pairs
        if name.endswith(".weight")
    }
    return found, float(loss.detach()) / task.guess(network, batch.targets)


def refuse_dead(network: Network, source: CropSource, settings: Settings) -> None:
    """Raises UserError where a net would stay at chance, unless settings say to train it.

    One that was trained, and fits the pictures already, has small gradients as well: it is known
    by its loss.

    The line names the layer whose gradient is least, and what to begin with instead.
    """
    if settings.bad_start == "train":
        return
    found, loss = strengths(network, source, settings)
    if mean_of(found) >= LEAST or loss < LEARNT:
        return
    weakest = min(found, key=lambda name: found[name])
    instead = "--set initial=he" if settings.divide else "--set initial=glorot"
    raise UserError(
        f"{settings.net} would not learn from '{settings.initial}': signals fade on their way, and "
        f"a picture's gradient is {found[weakest]:.1g} times the decay in {weakest} and "
        f"{mean_of(found):.1g} times in the layers' mean, where {LEAST:g} is needed; begin with "
        f"--from WEIGHTS of a net that is trained, or {instead}; --set bad_start=train trains it "
        f"anyway"
    )


def mean_of(found: Mapping[str, float]) -> float:
    """The geometric mean; 0 where one of them is."""
    if not all(found.values()):
        return 0.0
    return math.exp(sum(map(math.log, found.values())) / len(found))
