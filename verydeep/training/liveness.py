"""Whether a net can learn from the weights it begins with, asked before it is trained.

A step moves the weights of a layer by their gradient and by their decay. Where each layer passes on
less than it gets, scores of all pictures are as good as equal, gradients of all layers are less
than what decay takes, and the net stays at chance until its weights are gone. Of one batch it is
seen beforehand: the norm of each layer's gradient over that of its decay.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch.nn import functional as F

from verydeep.errors import UserError
from verydeep.nets.cost import cost
from verydeep.nets.network import Network
from verydeep.training.loader import Source, batches
from verydeep.training.settings import Settings

DECAY = 5e-4
"""The paper's: what gradients are measured by, whatever decay is asked for."""
LEAST = 0.25
"""The geometric mean over layers below which nets were found to stay at chance
(docs/results.md)."""
MULTIPLY_ADDS = 5e10
"""What the asking may cost, but for `FEWEST` crops: a few seconds on a core."""
FEWEST = 4


def strengths(network: Network, source: Source, settings: Settings) -> dict[str, float]:
    """By layer that is trained, the norm of its gradient over that of its decay, of one batch.

    It is the first batch of the training, or of a large net some of its crops, without dropout.
    """
    count = max(FEWEST, int(MULTIPLY_ADDS / cost(network.table).multiply_adds))
    few = replace(settings, batch=min(settings.batch, len(source.part), count))
    first = next(batches(replace(source, share=(0, 1)), few, epoch=0, threads=1))
    batch = first.part(0, few.batch, network.device)
    learning = {name: p for name, p in network.named_parameters() if p.requires_grad}
    scores = network(batch.shown(source.pixels))
    losses = F.cross_entropy(scores, batch.labels, reduction="none")
    gradients = torch.autograd.grad((losses * batch.weight).mean(), [*learning.values()])
    pairs = zip(learning.items(), gradients, strict=True)
    return {
        name.removesuffix(".weight"): float(gradient.norm() / (DECAY * weights.detach().norm()))
        for (name, weights), gradient in pairs
        if name.endswith(".weight")
    }


def refuse_dead(network: Network, source: Source, settings: Settings) -> None:
    """Raises UserError where a net would stay at chance, unless settings say to train it.

    The line names the layer whose gradient is least, and what to begin with instead.
    """
    if settings.bad_start == "train":
        return
    found = strengths(network, source, settings)
    if mean_of(found) >= LEAST:
        return
    weakest = min(found, key=lambda name: found[name])
    instead = "--set initial=he" if settings.divide else "--set initial=glorot"
    raise UserError(
        f"{settings.net} would not learn from '{settings.initial}': signals fade on their way, and "
        f"the gradient of {weakest} is {found[weakest]:.1g} times its decay, of all layers "
        f"{mean_of(found):.1g} times in the mean, where {LEAST:g} is needed; begin with --from "
        f"WEIGHTS of a net that is trained, or {instead}; --set bad_start=train trains it anyway"
    )


def mean_of(found: Mapping[str, float]) -> float:
    """The geometric mean; 0 where one of them is."""
    if not all(found.values()):
        return 0.0
    return math.exp(sum(map(math.log, found.values())) / len(found))
