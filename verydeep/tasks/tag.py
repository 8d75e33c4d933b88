"""Tagging: any number of K classes for a picture, each by itself, by the logistic loss of each.

The loss of a picture is summed over the classes, not averaged: so each score has the gradient that
the soft-max's has, posterior less truth, and the rates that are right for classification are here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional as F

from verydeep.evaluation.posteriors import readable
from verydeep.evaluation.several import (
    binary_cross_entropy,
    blind_map,
    mean_average_precision,
    signs_of,
)
from verydeep.nets.network import Network
from verydeep.nets.words import SIGMOID
from verydeep.parts.annotations import Labels
from verydeep.parts.dataset import Dataset, Part
from verydeep.pictures.windows import Window
from verydeep.tasks.centre import by_centre
from verydeep.tasks.task import (
    Answers,
    ClassWeights,
    Counts,
    Figure,
    Judgement,
    Scores,
    Targets,
    Task,
)

MOST = 100.0
"""What a picture of a rare class counts at most."""


def _target(
    part: Part, samples: Labels, classes: Sequence[str], views: Sequence[Window]
) -> Targets:
    return torch.from_numpy(signs_of(part.only(samples), len(classes))).float()


def _loss(scores: Scores, signs: Targets, weights: ClassWeights | None) -> torch.Tensor:
    """-log of what each class's truth is given, summed over classes; a sign of 0 counts nothing.

    Weights are those of pictures that are of a class, beside those that are not.
    """
    truth = (signs > 0).float()
    losses = F.binary_cross_entropy_with_logits(
        scores.float(), truth, reduction="none", pos_weight=weights
    )
    return (losses * signs.abs()).sum(1)


def _balanced(pictures: int, counts: Counts) -> ClassWeights:
    """(N - n) / n for a class of n of N pictures: those of it weigh as much as all the others.

    `MOST` at most, and 1 for a class without pictures.
    """
    weights = np.minimum((pictures - counts) / np.maximum(counts, 1), MOST)
    return torch.from_numpy(np.where(counts, weights, 1).astype(np.float32))


def _guess(network: Network, signs: Targets) -> float:
    """The loss of answering each class with its share of the targets."""
    known = (signs != 0).sum(0)
    shares = ((signs > 0).sum(0) / known.clamp_min(1)).expand_as(signs)
    losses = F.binary_cross_entropy(shares, (signs > 0).float(), reduction="none")
    return float((losses * signs.abs()).sum(1).mean())


def _of_posteriors(found: Answers, crops: Sequence[Window], part: Part) -> Judgement:
    """Mean loss and mAP; pictures that cannot be read are left out."""
    read = np.flatnonzero(readable(found))
    found, signs = found[read], signs_of(part.only(read), found.shape[1])
    loss = binary_cross_entropy(found, signs)
    return Judgement(loss, {"map": mean_average_precision(found, signs)})


def _without_looking(dataset: Dataset, part: Part) -> str:
    blind = blind_map(signs_of(part, len(dataset.classes)))
    return f"without looking: any order of the pictures has a mAP of about {blind:.1f} %"


TAG = Task(
    name="tag",
    outputs=lambda dataset: dataset.classes,
    last_rows=lambda dataset: (f"FC-{len(dataset.classes)}", SIGMOID),
    target=_target,
    loss=_loss,
    guess=_guess,
    judge=by_centre(_of_posteriors),
    of_centre=_of_posteriors,
    figures=(Figure("map", "mean average precision", "mAP", lower_is_better=False),),
    judged_by="by one centre crop",
    without_looking=_without_looking,
    protocols=("centre", "dense"),
    several=True,
    balanced=_balanced,
)
