"""Whether maps are to be believed, on the page of explained pictures.

Of each picture its maps as layers are shuffled from the top down, and what is left of the posterior
as pixels go or come; of all of them together the means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure as Canvas

from verydeep.insight.sanity import Curves
from verydeep.report.explained import TITLES, Palette
from verydeep.report.html import CUE, section, table
from verydeep.report.plots import FAINT, FIRST, INK, SECOND, STYLE, svg
from verydeep.report.thumbnails import data_uri
from verydeep.verbs.sanity import RANDOM, Checked

SIDE = 140
DRAWN = ("gradcam", "gradient", RANDOM)
"""Orders of pixels whose curves are drawn, where they are there; all are in the table."""
LINES = {"gradcam": FIRST, "gradient": SECOND, RANDOM: INK}


def sanity_of(found: Checked, palette: Palette) -> str:
    """The checks of one picture, to stand below its maps; `palette` is that of the page."""
    return f"<h3>As layers are shuffled</h3>{_cascade(found, palette)}{_told(found)}"


def _cascade(found: Checked, palette: Palette) -> str:
    """A row for each method: its map, and those of nets shuffled further and further."""
    image = found.explanation.view.image
    rows = []
    for method, maps in found.maps.items():
        whole = found.explanation.map(method)
        shown = [palette.paint(image, method, one.values) for one in (whole, *maps)]
        said = ["", *(f"{r:+.2f}" for r in found.correlations[method])]
        cells = [
            f'<img src="{data_uri(picture, SIDE)}" alt="">{word}'
            for picture, word in zip(shown, said, strict=True)
        ]
        rows.append((f"<b>{TITLES[method]}</b>", *cells))
    head = ("", "trained", *(f"to {escape(layer)}" for layer in found.layers))
    return f"{CUE}{table(head, rows, 'sane')}"


def _told(found: Checked) -> str:
    """How much each order of pixels tells, with curves."""
    rows = [
        (_called(name), f"{one.deleted:.3f}", f"{one.inserted:.3f}")
        for name, one in found.curves.items()
    ]
    head = ("pixels in the order of", "taken away: area", "given: area")
    drawn = {name: found.curves[name] for name in DRAWN if name in found.curves}
    return (
        f'<h3>As pixels go and come</h3><div class="plots"><figure>{curve_plot(drawn)}</figure>'
        f"<div>{table(head, rows, 'numbers')}</div></div>"
    )


def _called(name: str) -> str:
    return TITLES.get(name, "chance")


def curve_plot(drawn: Mapping[str, Curves]) -> str:
    """SVG of the posterior by the share of pixels that have gone, or come."""
    with rc_context(STYLE):
        figure = Canvas(figsize=(5.4, 3.0), layout="constrained")
        axes = figure.add_subplot()
        for name, one in drawn.items():
            colour = LINES.get(name, FAINT)
            axes.plot(100 * one.shares, one.deletion, color=colour, label=_called(name))
            axes.plot(100 * one.shares, one.insertion, color=colour, linestyle="--")
        axes.set(xlim=(0, 100), ylim=(0, 1.02))
        axes.set(xlabel="pixels taken away, or (dashed) given, %", ylabel="posterior")
        axes.legend(frameon=False)
        return svg(figure)


def sanity_of_all(found: Sequence[Checked]) -> str:
    """The section of a page that says what the checks of all pictures come to."""
    (first, *_) = found
    methods = list(first.maps)
    head = ("rank correlation, mean", *(f"to {escape(layer)}" for layer in first.layers))
    rows = []
    for method in methods:
        means = np.mean([each.correlations[method] for each in found], 0)
        rows.append((TITLES[method], *(f"{mean:+.2f}" for mean in means)))
    body = CUE + table(head, rows, "numbers") + _words(len(found))
    return section("Are these maps to be believed?", body + _boxes(found, methods) + _areas(found))


def _words(count: int) -> str:
    pictures = "this picture" if count == 1 else f"these {count:,} pictures"
    return (
        f"<p>The weights of each layer down to the one named are shuffled, and the map of the same "
        f"class is held against the trained network's, place by place, whatever the sign, for "
        f"{pictures} (Adebayo et al. 2018). A map that stays alike shows edges of the picture, and "
        "nothing that the network has learnt.</p>"
    )


def _boxes(found: Sequence[Checked], methods: Sequence[str]) -> str:
    """Shares of maps inside boxes, where there are any."""
    boxed = [each for each in found if each.inside is not None]
    areas = [each.area or 0.0 for each in boxed]
    if not boxed or not sum(areas):
        return ""
    rows = []
    for method in methods:
        inside = np.mean([each.inside[method] for each in boxed if each.inside], 0)
        area = float(np.mean(areas))
        cells = [f"{100 * share:.1f}" for share in inside]
        rows.append((TITLES[method], *cells, f"{inside[0] / area:.1f}"))
    rows.append(("the box's share of the picture", f"{100 * np.mean(areas):.1f}", "", "1.0"))
    head = ("share inside the object's box, %", "trained", "shuffled throughout", "by its area")
    return (
        f"<h3>On the object</h3>{table(head, rows, 'numbers')}<p>Means over {len(boxed):,} "
        "pictures whose boxes are known. A map that says nothing of the object has the box's "
        "share.</p>"
    )


def _areas(found: Sequence[Checked]) -> str:
    """The areas under curves of deletion and insertion, where several pictures have them."""
    rows = []
    for name in found[0].curves:
        means = np.mean([(c.deleted, c.inserted) for c in (each.curves[name] for each in found)], 0)
        rows.append((_called(name), f"{means[0]:.3f}", f"{means[1]:.3f}"))
    head = ("pixels in the order of", "taken away: area", "given: area")
    return (
        f"<h3>As pixels go and come</h3>{table(head, rows, 'numbers')}<p>The mean posterior while "
        "pixels become grey, or a grey picture gets its pixels, the most telling first (Petsiuk et "
        "al. 2018): a good order has a small area, and a large one. Pictures with holes are none "
        "that the network has seen, so hold an order against chance and no figure by itself.</p>"
    )
