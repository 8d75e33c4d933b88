"""Embedding: a picture as 128 numbers of length one, near those of the same identity (FaceNet).

Classes are identities, of which other ones are tested than those that were learnt. The loss is of
triplets (Schroff et al., CVPR 2015, Sect. 3.1): of an anchor, a positive of the same identity and
a negative of another, max(0, |a - p|^2 - |a - n|^2 + margin). Every pair of one identity in a batch
is an anchor and a positive. Its negative is chosen in the batch, semi-hard (Sect. 3.2): the
nearest of those that are farther from the anchor than the positive is, or where none is, the
farthest of all.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from verydeep.errors import UserError
from verydeep.nets.network import Network
from verydeep.nets.words import LENGTH
from verydeep.parts.annotations import counts_of
from verydeep.parts.dataset import Dataset, Part
from verydeep.parts.identities import refuse_made_alike
from verydeep.runtime.runtime import Runtime
from verydeep.tasks.task import ClassWeights, Figure, Judgement, Scores, Targets, Task
from verydeep.verification.centre import embeddings
from verydeep.verification.distances import distances
from verydeep.verification.figures import equal_error_rate, validation_rate
from verydeep.verification.pairs import all_pairs

NUMBERS, MARGIN = 128, 0.2
"""Of FaceNet."""
FAR = 0.01
"""The false accept rate at which nets are judged while they are trained; tests say their own."""
TOGETHER = 512
"""Pictures of a part whose loss is worked out together."""


def triplet_losses(
    embeddings: Float[Tensor, "B D"], identities: Int64[Tensor, " B"], margin: float = MARGIN
) -> Float[Tensor, " B"]:
    """What the triplets of each anchor lose, such that the mean is that over all triplets.

    An anchor without a positive or a negative loses nothing.
    """
    apart = squared_distances(embeddings)
    same = identities[:, None] == identities[None]
    positive = same & ~torch.eye(len(same), dtype=torch.bool, device=same.device)
    anchors, positives = (positive & (~same).any(1, keepdim=True)).nonzero(as_tuple=True)
    if not len(anchors):
        return 0 * embeddings.sum(1)
    with torch.no_grad():
        nearer = apart[anchors, positives][:, None]
        others = torch.where(same[anchors], torch.nan, apart[anchors])
        farther = torch.where(others > nearer, others, torch.inf)
        farthest = others.nan_to_num(-torch.inf).argmax(1)
        negatives = torch.where(farther.isfinite().any(1), farther.argmin(1), farthest)
    lost = (apart[anchors, positives] - apart[anchors, negatives] + margin).clamp_min(0)
    each = torch.zeros_like(apart[:, 0]).index_add(0, anchors, lost)
    return each * len(embeddings) / len(anchors)


def squared_distances(embeddings: Float[Tensor, "B D"]) -> Float[Tensor, "B B"]:
    """Squared Euclidean distances of numbers of length one."""
    return (2 - 2 * embeddings @ embeddings.T).clamp_min(0)


def _loss(scores: Scores, identities: Targets, weights: ClassWeights | None) -> Tensor:
    return triplet_losses(scores.float(), identities)


def _fitting(dataset: Dataset) -> Dataset:
    """The dataset; UserError where a part has too few identities to learn from, or to choose by."""
    refuse_made_alike(dataset)
    for role in ("train", "validation"):
        part = dataset.by_role.get(role)
        if part is not None:
            refuse_few_identities(part, f"{role} of {dataset.where}")
    return dataset


def refuse_few_identities(part: Part, where: str) -> None:
    """Raises UserError where there are no pairs of one identity, or none of two."""
    counts = counts_of(part.labels, 1)
    if (counts > 0).sum() < 2:
        raise UserError(
            f"{where} has {(counts > 0).sum()} identity; pictures are told from those of others: "
            f"give 2 or more, with a folder each"
        )
    if (counts > 1).sum() < 1:
        raise UserError(
            f"of {(counts > 0).sum():,} identities of {where} each has one picture; give some "
            f"that have 2 or more"
        )


def _judge(
    network: Network, part: Part, runtime: Runtime, while_testing: Callable[[], None]
) -> Judgement:
    """The loss of triplets, and how often pairs of all pictures of a part are told wrongly."""
    found = embeddings(network, part, runtime, lambda done: while_testing())
    read = np.flatnonzero(~np.isnan(found[:, 0]))
    found, identities = found[read], part.labels[read]
    order = np.argsort(identities, kind="stable")
    losses = [
        triplet_losses(torch.from_numpy(found[some]), torch.from_numpy(identities[some])).sum()
        for some in np.split(order, range(TOGETHER, len(order), TOGETHER))
    ]
    pairs = all_pairs(identities)
    apart = distances(found, pairs)
    error, _ = equal_error_rate(apart, pairs.same)
    rate, _ = validation_rate(apart, pairs.same, FAR)
    figures = {"eer": 100 * error, "val": 100 * rate}
    return Judgement(float(sum(losses)) / len(read), figures)


EMBED = Task(
    name="embed",
    outputs=lambda dataset: (),
    last_rows=lambda dataset: (f"FC-{NUMBERS}", LENGTH),
    target=lambda part, samples, outputs, views: torch.from_numpy(part.labels[samples]),
    loss=_loss,
    guess=lambda network, identities: MARGIN,
    judge=_judge,
    figures=(
        Figure("eer", "equal error rate", "equal error rate"),
        Figure("val", f"validation rate at a false accept rate of {FAR:.0%}", "validation rate",
               lower_is_better=False),
    ),
    judged_by="by all pairs of one centre crop a picture",
    without_looking=lambda dataset, part: "without looking: any distances have an equal error rate "
    "of about 50 %",
    fitting=_fitting,
    jointly=True,
    least=3,
    apart=True,
)  # fmt: skip
