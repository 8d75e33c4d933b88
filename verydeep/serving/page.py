"""The page as the server writes it: empty, or with an answer for browsers without JavaScript.

`browser/script.js` makes the same of what `/predict` says. Whatever a weights file or a request
brought is escaped; colours and sizes stand in the style sheet, which the page's policy wants.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from string import Template

from verydeep.errors import escaped
from verydeep.localisation.predictor import Point
from verydeep.nets.network import HALF
from verydeep.parts.entries import some
from verydeep.pictures.reading import SUFFIXES
from verydeep.serving.answers import Answer
from verydeep.serving.maps import METHODS, scale
from verydeep.serving.refusals import Refusal
from verydeep.serving.service import Mapped, Service

LONGEST = 60
"""Letters of a class name that stand in the heading of the page."""


class Page:
    """The page of a service."""

    def __init__(self, service: Service) -> None:
        self._model = service.model
        template = files("verydeep.serving").joinpath("browser", "page.html").read_text("utf-8")
        name, limits = _text(self._model.name), service.limits
        maps = METHODS if service.can_map else {}
        titles = {
            key: {"title": one.title, "unit": one.unit, "share": one.is_share}
            for key, one in maps.items()
        }
        self._template = Template(template)
        self._values = {
            "title": f"{name}: verydeep",
            "name": name,
            "about": _text(_about(service)),
            "bytes": str(limits.bytes),
            "most": f"{limits.bytes / 1e6:g}",
            "several": "yes" if self._model.has_several else "no",
            "maps": _text(json.dumps(titles)),
            "layers": _text(json.dumps(list(service.units.rows) if service.units else [])),
            "kinds": ",".join(["image/*", *sorted(SUFFIXES)]),
        }

    def empty(self) -> str:
        """The page without an answer."""
        return self._with("")

    def refused(self, refusal: Refusal) -> str:
        """The page that says why there is none."""
        detail = refusal.detail[:1].upper() + refusal.detail[1:]
        return self._with(f'<p class="fault">{_text(detail)}.</p>')

    def answered(self, answer: Answer, mapped: Mapped | None) -> str:
        """The page with the answer to a picture, and a map of it if there is one."""
        figure = self._map(answer, mapped) if mapped else _places(answer)
        table = _points(answer.points) if answer.points else self._classes(answer)
        found = f'<div class="found">{figure}{table}</div>' if figure else table
        return self._with(f"<h2>{_text(self._heading(answer))}</h2>{found}")

    def _with(self, answer: str) -> str:
        return self._template.substitute(self._values, answer=answer)

    def _heading(self, answer: Answer) -> str:
        if answer.points:
            return f"{len(answer.points)} points"
        if answer.top[0]["posterior"] is None:
            return "A box" if len(answer.top) == 1 else f"{len(answer.top)} boxes"
        if not self._model.has_several:
            return str(answer.top[0]["class"])
        likely = [str(one["class"]) for one in answer.top if one["posterior"] >= HALF]
        return ", ".join(likely) or "None of the classes reaches 50 %"

    def _classes(self, answer: Answer) -> str:
        has_boxes = any("box" in one for one in answer.top)
        is_told = any(one["posterior"] is not None for one in answer.top)
        told = ["class", "posterior"] if is_told else ["object"]
        head = [*told, *(["box"] if has_boxes else [])]
        rows = []
        for one in answer.top:
            name = "object" if one["class"] is None else str(one["class"])
            cells = [f'<th scope="row">{_text(name)}</th>']
            if is_told:
                cells += [_bar(one["posterior"]), f"<td>{_percent(one['posterior'])}</td>"]
            if has_boxes:
                sides = " ".join(f"{side:.0f}" for side in one["box"])
                cells.append(f'<td class="sides">{sides}</td>')
            rows.append("".join(cells))
        return _table(head, rows)

    def _map(self, answer: Answer, mapped: Mapped) -> str:
        method = METHODS[next(iter(METHODS))]
        name = self._model.classes[mapped.label]
        title, largest = f"{method.title} of {_text(name)}", method.told(mapped.map.largest)
        heat, drawn = mapped.map.drawn(), "".join(_drawn(answer))
        shown = f'<img src="{heat}" alt="{title}">'
        if drawn:
            size = f'width="{answer.width}" height="{answer.height}"'
            image = f'<image href="{heat}" {size} preserveAspectRatio="none"/>'
            shown = _over(answer, f"{title}, and places in it", image + drawn)
        return (
            f"<figure>{shown}"
            f'<div class="scale">0 <img src="{scale()}" alt="to"> {largest}</div>'
            f"<figcaption>{title}: {method.unit}.</figcaption></figure>"
        )


def _about(service: Service) -> str:
    """What the net tells, and how it is asked, in a line."""
    model, identity = service.model, service.model.identity
    seen = f"{identity.protocol}, Q = {', '.join(map(str, identity.scales))}"
    if not model.classes:
        return f"Finds places ({seen})."
    names = some([name[:LONGEST] for name in model.classes])
    return f"{len(model.classes):,} classes ({names}); {seen}."


def _table(head: Sequence[str], rows: Sequence[str]) -> str:
    wide = {"posterior": ' colspan="2"'}  # a bar and a figure
    top = "".join(f'<th scope="col"{wide.get(name, "")}>{name}</th>' for name in head)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _bar(share: float) -> str:
    return (
        '<td class="bar"><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect width="{100 * share:.1f}" height="8"/></svg></td>'
    )


def _points(points: Sequence[Point]) -> str:
    rows = [
        f'<th scope="row">{_text(p.name)}</th><td>{p.x:.1f}</td><td>{p.y:.1f}</td>' for p in points
    ]
    return _table(["point", "x", "y"], rows)


def _places(answer: Answer) -> str:
    """Boxes and points in an empty frame of the picture's size; nothing where there are none."""
    drawn = "".join(_drawn(answer))
    if not drawn:
        return ""
    frame = f'<rect class="frame" width="{answer.width}" height="{answer.height}"/>'
    return f"<figure>{_over(answer, 'Places in it', frame + drawn)}</figure>"


def _over(answer: Answer, said: str, drawn: str) -> str:
    """What is drawn on a picture, in its own pixels."""
    size = f"{answer.width} {answer.height}"
    return f'<svg viewBox="0 0 {size}" role="img" aria-label="{said}">{drawn}</svg>'


def _drawn(answer: Answer) -> Iterator[str]:
    line = max(answer.width, answer.height) / 150
    for point in answer.points:
        yield f'<circle class="point" cx="{point.x:.1f}" cy="{point.y:.1f}" r="{2 * line:.1f}"/>'
    for one in answer.top:
        if "box" in one:
            left, top, right, bottom = one["box"]
            yield (
                f'<rect class="box" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
                f'height="{bottom - top:.1f}" stroke-width="{line:.1f}"/>'
            )


def _text(text: str) -> str:
    """Text as it stands in a page, harmless whatever it holds."""
    return escape(escaped(text))
