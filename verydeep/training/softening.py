"""Labels of training pictures that are not what they are, so that a net is never too sure.

DisturbLabel (Xie, Wang, Wei, Wang & Tian, CVPR 2016): a picture is now and then learnt from under a
label drawn from all classes. Label smoothing, which shares a little of every label out among the
classes at every step (Szegedy et al., CVPR 2016), is the task's loss (`Task.smoothed`).
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from verydeep import randomness
from verydeep.parts.annotations import Labels
from verydeep.tasks.task import Targets
from verydeep.training.settings import Settings


def disturbed(
    labels: Targets, samples: Labels, classes: int, settings: Settings, epoch: int
) -> Tensor:
    """The labels of draws, some of them others: each with a chance of `settings.disturb`.

    The other one is uniform over all classes, its own among them, so that a label is kept with a
    chance of 1 - disturb (C - 1) / C, as the paper has it. Each epoch disturbs others.
    """
    if not settings.disturb:
        return labels
    found = labels.clone()
    for place, sample in enumerate(np.asarray(samples).tolist()):
        draw = randomness.generator(settings.seed, "labels", epoch, sample)
        if draw.random() < settings.disturb:
            found[place] = int(draw.integers(classes))
    return found
