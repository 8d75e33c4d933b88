"""Fusion: score files of several networks, or of several protocols, made into one answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from verydeep.errors import UserError
from verydeep.evaluation.metrics import BLOCK
from verydeep.evaluation.published import Published, Trained, published, three_scales
from verydeep.evaluation.same_pictures import titles_of
from verydeep.evaluation.scores import Scores, aligned
from verydeep.parts.dataset import ROLES


def fuse(scores: Sequence[Scores]) -> Scores:
    """The mean of the posteriors, in the order of the first scores' pictures, as float32.

    Equal weights, as in the paper, over protocols (Sect. 4.4) or networks (Sect. 4.5). Summed in
    float64 in the order given. What the pictures were is the worst that they were for any of the
    networks. Raises UserError where classes, pictures, labels or data differ.
    """
    if len(scores) < 2:
        raise UserError(f"{len(scores)} score file(s) to fuse; at least 2 are needed")
    members = [s.posteriors for s in aligned(scores)]
    first = scores[0]
    mean = np.empty_like(members[0], np.float32)
    step = max(1, BLOCK // max(1, mean.shape[1]))
    for start in range(0, len(mean), step):  # in float64 all of them would be large
        total = members[0][start : start + step].astype(np.float64)
        for other in members[1:]:
            total += other[start : start + step]
        mean[start : start + step] = total / len(members)
    return replace(
        first,
        posteriors=mean,
        weights=" ".join(s.weights for s in scores),
        role=min((s.role for s in scores), key=ROLES.index),
        net=None,
        members=tuple(titles_of(scores)),
        engine=each_once([s.engine for s in scores]),
        precision=each_once([s.precision for s in scores]),
        pooling=each_once([s.pooling for s in scores]),
    )


def each_once(words: Sequence[str]) -> str:
    """Each once, in order; those of what was fused before are taken apart."""
    return " and ".join(dict.fromkeys(" and ".join(words).split(" and ")))


def row_of(scores: Sequence[Scores]) -> Published | None:
    """What the paper has of such a test, or of such scores fused: each net in the same ways."""
    nets = {s.net for s in scores}
    ways = [{s.protocol.name for s in scores if s.net == net} for net in nets]
    if None in nets or len(scores[0].classes) != 1000 or any(w != ways[0] for w in ways):
        return None
    way = {("dense",): "dense", ("crops",): "crops", ("crops", "dense"): "both"}.get(
        tuple(sorted(ways[0])), "both" if ways[0] == {"both"} else ""
    )
    if len(scores) != len(nets) * len(ways[0]) or any(s.members for s in scores):
        return None
    scales = scores[0].protocol.scales
    if any(s.protocol.scales != (scales if len(nets) == 1 else _three(s.net)) for s in scores):
        return None
    return published([net for net in nets if net], way, scales)


def _three(net: Trained | None) -> tuple[int, ...]:
    """The three scales that the paper tests a net at."""
    assert net is not None
    _, smallest, largest = net
    return three_scales(smallest, largest)
