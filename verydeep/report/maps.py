"""Where a network looks: score maps of right, doubtful and wrong answers, all on one scale."""

from __future__ import annotations

from html import escape

import numpy as np

from verydeep.evaluation.metrics import wrong
from verydeep.insight.score_maps import Heat, score_maps
from verydeep.nets.network import Network
from verydeep.report.thumbnails import data_uri, lit
from verydeep.verbs.measure import Tested

SHOWN = 4
"""Pictures of each kind of answer."""


def where_it_looks(network: Network, tested: Tested) -> str:
    """Score maps of some pictures, of what they show and of what they were taken for."""
    kinds = {
        "Surely right": surely_right(tested),
        "Right, but only just": doubtful(tested),
        "Surely wrong": surely_wrong(tested),
    }
    shown = {kind: [_Shown(network, tested, i) for i in found] for kind, found in kinds.items()}
    largest = max(float(heat.max()) for each in shown.values() for one in each for heat in one.maps)
    groups = "".join(
        f'<h3>{kind}</h3><div class="cards maps">{"".join(one.figure(largest) for one in each)}'
        f"</div>"
        for kind, each in shown.items()
        if each
    )
    return (
        f"{_scale(largest)}{groups}"
        "<p>The network run densely over each picture: the colour of a place is the posterior that "
        f"{_given_by(network)} the class that the picture shows, and in a third picture, the "
        "class that it was taken for. All have the scale above. Figures are posteriors of the "
        "whole picture.</p>"
    )


def _given_by(network: Network) -> str:
    """What gives the posterior of a place, and a verb."""
    if network.table.pooled is None:
        return "a crop about it gives"
    return "its own share of the scores, whose mean over all places they are, gives"


def surely_right(tested: Tested) -> list[int]:
    """Pictures of different classes, those first that are right with the highest posteriors.

    Of each class it is one that a quarter of its own beat.
    """
    scores = tested.scores
    own = scores.posteriors[np.arange(len(scores.labels)), scores.labels]
    right = np.flatnonzero(~wrong(scores.posteriors, scores.labels))
    chosen = []
    for label in np.unique(scores.labels[right]):
        members = right[scores.labels[right] == label]
        chosen.append(int(members[np.argsort(own[members])[-(len(members) // 4 + 1)]]))
    return sorted(chosen, key=lambda i: -own[i])[:SHOWN]


def doubtful(tested: Tested) -> list[int]:
    """Pictures that are right by the least: the second answer is close behind."""
    scores = tested.scores
    two = np.sort(scores.posteriors, axis=1)[:, -2:]
    right = np.flatnonzero(~wrong(scores.posteriors, scores.labels))
    ahead = (two[:, 1] - two[:, 0])[right]
    return [int(i) for i in right[np.argsort(ahead, kind="stable")][:SHOWN]]


def surely_wrong(tested: Tested, most: int = SHOWN) -> list[int]:
    """Pictures that were most confidently taken for something else."""
    scores = tested.scores
    missed = np.flatnonzero(wrong(scores.posteriors, scores.labels))
    surest = missed[np.argsort(-scores.posteriors[missed].max(1), kind="stable")]
    return [int(i) for i in surest[:most]]


class _Shown:
    """A picture with its maps: of its own class, and of the one it was taken for."""

    def __init__(self, network: Network, tested: Tested, i: int) -> None:
        scores = tested.scores
        first, second = np.argsort(-scores.posteriors[i], kind="stable")[:2].tolist()
        own = int(scores.labels[i])
        self.own, self.other = own, second if first == own else first
        self.names, self.posteriors = scores.classes, scores.posteriors[i]
        self.image = network.pixels.read(tested.part.source(i), network.pixels.test_scale)
        labels = [own] if first == own else [own, self.other]
        self.maps = score_maps(network, self.image, labels)

    def figure(self, largest: float) -> str:
        pictures = [self.image, *(lit(self.image, heat / largest) for heat in self.maps)]
        images = "".join(f'<img src="{data_uri(picture)}" alt="">' for picture in pictures)
        said = f"<b>{self._said(self.own)}</b>"
        between = ", then" if len(self.maps) == 1 else ", taken for"
        return (
            f"<figure><div>{images}</div><figcaption>{said}{between} {self._said(self.other)}"
            f"</figcaption></figure>"
        )

    def _said(self, label: int) -> str:
        return f"{escape(self.names[label])} {self.posteriors[label]:.0%}"


def _scale(largest: float) -> str:
    """What the colours of the maps stand for, over a grey picture."""
    heat: Heat = np.tile(np.linspace(0, 1, 160, dtype=np.float32), (12, 1))
    bar = data_uri(lit(np.full((12, 160, 3), 128, np.uint8), heat))
    return f'<p class="scale">posterior 0 % <img src="{bar}" alt="to"> {largest:.0%}</p>'
