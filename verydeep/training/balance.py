"""Classes made to count the same: weights in the loss, or draws in which they come equally often.

Beside those are draws that bring pictures of a class together, for losses of whole batches. All go
by the labels of the training part alone; of several labels a picture, by each of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice

import numpy as np
from jaxtyping import Int64

from verydeep.nets.network import Network
from verydeep.parts.annotations import UNLABELLED, Labels, LabelSets, Truth, counts_of
from verydeep.parts.dataset import Part
from verydeep.tasks.task import ClassWeights, Task
from verydeep.training.settings import Settings

Pairs = tuple[Int64[np.ndarray, " L"], Int64[np.ndarray, " L"]]
"""Labels, and the picture that each is of."""


def class_weights(
    task: Task, network: Network, part: Part, settings: Settings
) -> ClassWeights | None:
    """What classes weigh in the loss, on the network's device; None where all weigh the same."""
    if settings.class_weights == "none" or task.balanced is None:
        return None
    counts = counts_of(part.truth, network.table.class_count)
    return task.balanced(len(part), counts).to(network.device)


def classes_seen(truth: Truth) -> int:
    """How many classes have a picture; that a picture is of none of several counts as one."""
    labels, pictures = _pairs(truth)
    none = isinstance(truth, LabelSets) and len(np.unique(pictures)) < len(truth)
    return len(np.unique(labels)) + none


def balanced_draws(truth: Truth, pictures: int, random: np.random.Generator) -> Labels:
    """As many draws as there are pictures, of every class as many, but for one, in random order.

    A class's pictures take turns, so that none is drawn twice more often than another of it.
    Pictures without a label are one class more. The second draw of picture i of N is i + N, the
    third i + 2 N.
    """
    groups = _groups(truth, pictures)
    sizes = np.full(len(groups), pictures // len(groups))
    sizes[random.permutation(len(groups))[: pictures % len(groups)]] += 1
    drawn = [_turns(group, int(size), random) for group, size in zip(groups, sizes, strict=True)]
    return _numbered(random.permutation(np.concatenate(drawn)), pictures)


def grouped_draws(
    truth: Truth, pictures: int, batch: int, each: int, random: np.random.Generator
) -> Labels:
    """Draws of whole batches, each of `each` pictures of a class, or all it has, and of others.

    That is FaceNet's mini-batch (Sect. 3.2 of it): P identities by K pictures. Classes take turns
    in random order, so do the pictures of each, and within a batch their order is random. A batch
    too small for two classes of as many has fewer of each. Numbers are those of `balanced_draws`.
    """
    groups = _groups(truth, pictures)
    each = min(each, max(2, batch // 2))
    turns = [_endlessly(group, random) for group in groups]
    batches = []
    coming, waiting = _endlessly(np.arange(len(groups)), random), deque[int]()
    for _ in range(max(1, pictures // batch)):
        taken: list[int] = []
        here, later = set[int](), list[int]()
        while len(taken) < min(batch, pictures):
            number = waiting.popleft() if waiting else next(coming)
            if number in here and len(here) < len(groups):
                later.append(number)
                continue
            here.add(number)
            size = min(each, len(groups[number]), min(batch, pictures) - len(taken))
            taken += islice(turns[number], size)
        waiting.extendleft(reversed(later))
        batches.append(random.permutation(np.array(taken, np.int64)))
    return _numbered(np.concatenate(batches), pictures)


def _endlessly(given: Int64[np.ndarray, " G"], random: np.random.Generator) -> Iterator[int]:
    """All of what is given in random order, and again in another."""
    while True:
        yield from random.permutation(given).tolist()


def _groups(truth: Truth, pictures: int) -> list[Int64[np.ndarray, " G"]]:
    """The pictures of each class; those without a label are one class more."""
    labels, of = _pairs(truth)
    order = np.argsort(labels, kind="stable")
    groups = np.split(of[order], np.flatnonzero(np.diff(labels[order])) + 1)
    without = np.setdiff1d(np.arange(pictures), of)
    return [group for group in (*groups, without) if len(group)]


def _turns(group: Labels, size: int, random: np.random.Generator) -> Int64[np.ndarray, " S"]:
    """So many of a group, each as often as any other, but for one time."""
    rounds = -(-size // len(group))
    return np.concatenate([random.permutation(group) for _ in range(rounds)] or [group])[:size]


def _numbered(drawn: Labels, pictures: int) -> Labels:
    """The draws with a multiple of the number of pictures added for each earlier one of theirs."""
    order = np.argsort(drawn, kind="stable")
    first = np.searchsorted(drawn[order], drawn[order])
    times = np.empty(len(drawn), np.int64)
    times[order] = np.arange(len(drawn)) - first
    return drawn + pictures * times


def _pairs(truth: Truth) -> Pairs:
    """The labels of all pictures that are certain, in one piece, and whose they are."""
    if isinstance(truth, LabelSets):
        kept = slice(None) if truth.uncertain is None else ~truth.uncertain
        return truth.certain, truth.pictures[kept]
    labels = np.zeros(0, np.int64) if truth is None else truth
    pictures = np.flatnonzero(labels != UNLABELLED)
    return labels[pictures], pictures
