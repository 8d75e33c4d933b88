"""Classification: one of K classes for a picture, by the multinomial logistic loss (Sect. 3.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional as F

from verydeep.evaluation.chance import blind
from verydeep.evaluation.metrics import negative_log_likelihood, top_error
from verydeep.evaluation.posteriors import readable
from verydeep.parts.dataset import Part
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


def _loss(scores: Scores, labels: Targets, weights: ClassWeights | None) -> torch.Tensor:
    return F.cross_entropy(scores.float(), labels, weights, reduction="none")


def _smoothed(
    scores: Scores, labels: Targets, weights: ClassWeights | None, share: float
) -> torch.Tensor:
    """The loss against labels of which a share is spread over all classes."""
    return F.cross_entropy(scores.float(), labels, weights, reduction="none", label_smoothing=share)


def _balanced(pictures: int, counts: Counts) -> ClassWeights:
    """N / (K n) for a picture of a class of n of N pictures, 1 on average; 0 for an empty class."""
    weights = pictures / (len(counts) * np.maximum(counts, 1))
    return torch.from_numpy(np.where(counts, weights, 0).astype(np.float32))


def _of_posteriors(found: Answers, crops: Sequence[Window], part: Part) -> Judgement:
    """Mean negative log posterior, top-1 and top-5 error.

    Pictures that cannot be read are left out.
    """
    read = np.flatnonzero(readable(found))
    found, labels = found[read], part.labels[read]
    loss = negative_log_likelihood(found, labels)
    return Judgement(loss, {"top1": top_error(found, labels), "top5": top_error(found, labels, 5)})


CLASSIFY = Task(
    name="classify",
    outputs=lambda dataset: dataset.classes,
    last_rows=lambda dataset: (f"FC-{len(dataset.classes)}", "soft-max"),
    target=lambda part, samples, outputs, views: torch.from_numpy(part.labels[samples]),
    loss=_loss,
    guess=lambda network, labels: math.log(len(network.classes)),
    judge=by_centre(_of_posteriors),
    of_centre=_of_posteriors,
    figures=(Figure("top1", "top-1 error", "error"), Figure("top5", "top-5 error", "top-5 error")),
    judged_by="by one centre crop",
    without_looking=lambda dataset, part: str(blind(part.labels, dataset.classes)),
    protocols=("centre", "dense"),
    balanced=_balanced,
    smoothed=_smoothed,
)
