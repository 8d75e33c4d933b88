"""Where in the worst mistakes is what they were taken for, and whether that is to be believed.

Of each the picture, its Grad-CAM and its gradient, and the same of the network with all of its
layers shuffled: what stays alike is no work of what was learnt.
"""

from __future__ import annotations

from contextlib import suppress
from html import escape

import numpy as np

from verydeep.engines.engine import engine_for
from verydeep.errors import UserError
from verydeep.insight.maps import Map, maps_of
from verydeep.insight.sanity import rank_correlation, shuffled, stages, strength
from verydeep.insight.signals import frozen
from verydeep.insight.view import View
from verydeep.nets.network import Network
from verydeep.report.heat import painted, scales_of
from verydeep.report.html import CUE, section, table
from verydeep.report.maps import surely_wrong
from verydeep.report.thumbnails import data_uri
from verydeep.verbs.measure import Tested

METHODS = ("gradient", "gradcam")
SHOWN, SIDE = 3, 140
"""Mistakes, and pixels of the larger side of each picture."""


def mistakes_seen(network: Network, tested: Tested) -> list[str]:
    """The section of a page, or none of a net or of pictures that have no such maps."""
    net, found = frozen(network), list[tuple[int, View, list[Map], list[Map]]]()
    other = shuffled(net, stages(net.table)[-1])
    for i in surely_wrong(tested, SHOWN):
        label = int(tested.scores.posteriors[i].argmax())
        with suppress(UserError):  # a picture too large for memory, a net without maps
            view = View.of_part(net, tested.part, i)
            found.append((i, view, _maps(view, label), _maps(View(other, view.image, view.window),
                                                             label)))  # fmt: skip
    if not found:
        return []
    scales = scales_of([one for _, _, own, _ in found for one in own])

    def shown(view: View, one: Map) -> str:
        picture = painted(view.image, one.values, scales[one.method])
        return f'<img src="{data_uri(picture, SIDE)}" alt="">'

    rows = []
    for i, view, own, shuffled_maps in found:
        picture = f'<img src="{data_uri(view.image, SIDE)}" alt="">{_said(tested, i)}'
        alike = [
            f"{shown(view, there)}{rank_correlation(strength(one), strength(there)):+.2f}"
            for one, there in zip(own, shuffled_maps, strict=True)
        ]
        rows.append((picture, *(shown(view, one) for one in own), *alike))
    head = ("", "gradient", "Grad-CAM", "gradient, shuffled", "Grad-CAM, shuffled")
    told = "; ".join(
        f"{name} {scales[method]}"
        for name, method in (("gradient", "gradient"), ("Grad-CAM", "gradcam"))
    )
    text = (
        f"<p>Maps of the class that each was taken for. Scales: {told}. On the right the same of "
        "this network with all of its layers shuffled, on the same scales, with the rank "
        "correlation: a map that stays alike shows the picture, and nothing that was learnt.</p>"
    )
    title = "What the worst mistakes were taken for, and where"
    return [section(title, CUE + table(head, rows, "sane") + text)]


def _maps(view: View, label: int) -> list[Map]:
    return [*maps_of(view, label, METHODS, engine_for(view.network))]


def _said(tested: Tested, i: int) -> str:
    scores = tested.scores
    taken_for = int(np.argmax(scores.posteriors[i]))
    own, other = (escape(scores.classes[k]) for k in (scores.labels[i], taken_for))
    return f"<b>{other}</b> {scores.posteriors[i, taken_for]:.0%}<br>is {own}"
