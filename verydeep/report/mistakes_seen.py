"""The worst mistakes, what of each picture spoke for them, and whether that is to be believed.

Each picture stands beside its Grad-CAM of the class that it was taken for, all on one scale. The
surest mistake has its gradient too, and both maps by the network with all of its layers shuffled:
what stays alike is no work of what was learnt. In all 15 passes forward, and as many back, 13 of
them to the row of Grad-CAM alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape

from verydeep.engines.engine import engine_for
from verydeep.errors import UserError
from verydeep.insight.maps import Map, maps_of
from verydeep.insight.sanity import rank_correlation, shuffled, stages, strength
from verydeep.insight.signals import frozen
from verydeep.insight.view import View, refuse_large
from verydeep.nets.network import Network
from verydeep.report.heat import Scale, bar, painted, scales_of, told
from verydeep.report.html import CUE, table
from verydeep.report.maps import surely_wrong
from verydeep.report.thumbnails import data_uri
from verydeep.verbs.measure import Tested

SHOWN = 12
"""Mistakes."""
SIDE = 140
"""Pixels of the larger side of a map in the row of the shuffled network."""


@dataclass(frozen=True)
class _Mistake:
    """A picture that was taken for another class, `label`, and what spoke for that."""

    name: str
    caption: str
    label: int
    view: View
    maps: Sequence[Map]

    @classmethod
    def of(cls, network: Network, tested: Tested, i: int) -> _Mistake:
        """That of picture i."""
        scores, pixels = tested.scores, network.pixels
        label = int(scores.posteriors[i].argmax())
        own, other = (escape(scores.classes[k]) for k in (scores.labels[i], label))
        caption = f"<b>{other}</b> {scores.posteriors[i, label]:.0%}<br>is {own}"
        view = View(network, *tested.part.view(i, pixels, pixels.test_scale))
        return cls(scores.names[i], caption, label, view, _maps(view, label, ["gradcam"]))

    def figure(self, scales: Mapping[str, Scale]) -> str:
        """The picture beside its maps."""
        image = self.view.image
        shown = [image, *(painted(image, one.values, scales[one.method]) for one in self.maps)]
        images = "".join(f'<img src="{data_uri(one)}" alt="">' for one in shown)
        return (
            f'<figure title="{escape(self.name)}"><div>{images}</div>'
            f"<figcaption>{self.caption}</figcaption></figure>"
        )


def worst_mistakes(network: Network, tested: Tested) -> str:
    """The pictures that were most confidently taken for something else, with their maps."""
    net = frozen(network)
    found = [_Mistake.of(net, tested, i) for i in surely_wrong(tested, SHOWN)]
    if not found:
        return "<p>None at all.</p>"
    scales = scales_of([one for each in found for one in each.maps])
    figures = "".join(one.figure(scales) for one in found)
    if not scales:
        return f'<div class="cards">{figures}</div>'
    first = next(one for one in found if one.maps)
    (row,), scale = (one.said for one in first.maps), scales["gradcam"]
    return (
        f'<div class="cards pairs">{figures}</div><p class="scale">Grad-CAM 0 '
        f'<img src="{data_uri(bar(scale))}" alt="to"> {told(scale.largest)} of the {scale.unit}</p>'
        f"<p>On the right what spoke for the class that it was taken for, {escape(row)}.</p>"
        f"{_sanity(first, scale)}"
    )


def _sanity(worst: _Mistake, scale: Scale) -> str:
    """Both maps of a mistake, and those of a shuffled network, with their correlations."""
    view, label = worst.view, worst.label
    other = shuffled(view.network, stages(view.network.table)[-1])
    own = [*_maps(view, label, ["gradient"]), *worst.maps]
    there = _maps(View(other, view.image, view.window), label, ["gradient", "gradcam"])
    scales = {**scales_of(own), "gradcam": scale}

    def image(one: Map) -> str:
        uri = data_uri(painted(view.image, one.values, scales[one.method]), SIDE)
        return f'<img src="{uri}" alt="">'

    alike = [rank_correlation(strength(a), strength(b)) for a, b in zip(own, there, strict=True)]
    cells = [f'<img src="{data_uri(view.image, SIDE)}" alt="">', *map(image, own)]
    cells += [f"{image(one)}{r:+.2f}" for one, r in zip(there, alike, strict=True)]
    head = ("", "gradient", "Grad-CAM", "gradient, shuffled", "Grad-CAM, shuffled")
    return (
        f"<h3>Are these maps to be believed?</h3>{CUE}{table(head, [cells], 'sane')}"
        "<p>The surest mistake, and on the right the same by this network with the weights of all "
        "of its layers shuffled, on the same scales, with the rank correlation: a map that stays "
        "alike shows the picture, and nothing that was learnt.</p>"
    )


def _maps(view: View, label: int, methods: Sequence[str]) -> list[Map]:
    """Maps of a class; none of a net without any, or of a picture too large for memory."""
    with suppress(UserError):
        refuse_large(view.network, *view.image.shape[:2])
        return [*maps_of(view, label, methods, engine_for(view.network))]
    return []
