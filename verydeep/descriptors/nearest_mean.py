"""The nearest class mean: what any other classifier of the same features has to be better than.

A picture is taken for the class whose mean is nearest to its features. Nothing is chosen, and
nothing but means is learnt.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from verydeep.descriptors.gram import weighted
from verydeep.descriptors.linear import Features, Linear, checked, name_of
from verydeep.descriptors.svm import Signs
from verydeep.errors import UserError


def nearest_mean(x: Features, signs: Signs, names: Sequence[str] | None = None) -> Linear:
    """The classifier whose largest decision value is that of the nearest mean.

    The decision value of mean m is m . x - |m|^2 / 2: half of how much nearer it is to x than 0 is,
    in squares. Raises UserError where a class has no picture, by its name.
    """
    checked(x)
    if len(signs) != len(x):
        raise UserError(f"{len(x)} pictures have features and {len(signs)} have signs")
    of_class = (signs > 0).T
    counts = of_class.sum(1)
    if not counts.all():
        raise UserError(f"{name_of(int(counts.argmin()), names)} has no picture; it has no mean")
    means = weighted(torch.from_numpy(of_class / counts[:, None]), x).numpy()
    return Linear(means, -np.vecdot(means, means) / 2)
