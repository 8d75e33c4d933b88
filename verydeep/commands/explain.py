"""`verydeep explain`: pictures in, maps of where a class is seen out; and what units like."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from verydeep.commands.options import Device, Engine, Json, Offline, Overwrite, Quiet, Weights


def explain(
    weights: Weights,
    pictures: Annotated[
        list[str],
        typer.Argument(metavar="PICTURE...", help='Files, folders or "globs/*.jpg".'),
    ],
    class_name: Annotated[
        str | None,
        typer.Option("--class", metavar="NAME", help="The class. [default: the most probable]"),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="scores, gradient, guided, deconvnet, gradcam, integrated, occlusion; commas "
            "between several.",
        ),
    ] = "all-cheap",
    layer: Annotated[
        str | None,
        typer.Option(
            metavar="ROW", help="The row of Grad-CAM. [default: the last with a map: relu5_3]"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="FOLDER|PAGE.html",
            help="A folder for a PNG of each map and a page, or the page alone. "
            "[default: a new explained.html]",
        ),
    ] = None,
    overwrite: Overwrite = False,
    device: Device = None,
    offline: Offline = False,
    engine: Engine = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show where in a picture a class is seen, by maps that lie on its pixels.

    verydeep explain runs/photos-A cat.jpg

    verydeep explain vgg16 holiday/ --class beach --method gradcam,occlusion --out maps/

    all-cheap is scores, gradient, guided, deconvnet and gradcam: seconds a picture.
    """
    from verydeep.commands.console import Console
    from verydeep.errors import UserError
    from verydeep.files import free_place, refuse_taken
    from verydeep.insight.naming import named

    is_page = out is None or out.suffix.casefold() in (".html", ".htm")
    place = out or free_place(Path("explained.html"))
    if is_page:
        refuse_taken(place, overwrite)
    console = Console(quiet)
    from verydeep.parts.given import found_pictures

    methods, paths = named(method), found_pictures(pictures, console)
    if len(paths) > MOST:
        raise UserError(f"{len(paths):,} pictures for one page; explain {MOST} at once at most")
    from verydeep.weights import find

    weights = find(weights, console, offline)

    from verydeep.runtime.machine import Machine
    from verydeep.verbs.explain import Explainer

    explainer = Explainer.of(
        weights, Machine.this(device), methods, class_name, layer, engine, console
    )
    folder = None if is_page else _folder(place)
    found, faults = _explained(explainer, paths)
    from verydeep.report.explained import write_explained

    files = [] if folder is None else [str(path) for path in folder.add(found)]
    page = place if is_page else place / "explained.html"
    if found:
        network = explainer.engine.network
        write_explained(found, page, f"{network.table.name} of {weights}")
    _tell(found, page, files, json)
    if faults:
        raise typer.Exit(2)


MOST = 100
"""Pictures on one page."""


def _folder(place: Path) -> Any:
    from verydeep.report.explained import Folder

    return Folder(place)


def _explained(explainer: Any, paths: list[str]) -> tuple[list[Any], int]:
    """The explanations of those that can be read, and how many cannot."""
    import sys

    from verydeep.errors import PictureError
    from verydeep.verbs.explain import explanations

    found, faults = list[Any](), 0
    for one in explanations(explainer, paths):
        if isinstance(one, PictureError):
            faults += 1
            print(f"verydeep: {one}", file=sys.stderr)
        else:
            found.append(one)
    return found, faults


def _tell(found: list[Any], page: Path, files: list[str], json: bool) -> None:
    from verydeep.report.heat import scales_of

    scales = scales_of([one for each in found for one in each.maps])
    if json:
        from json import dumps

        said = {
            "pictures": [_as_data(one) for one in found],
            "scales": {name: [s.least, s.largest, s.unit] for name, s in scales.items()},
            "files": [*files, *([str(page)] if found else [])],
        }
        print(dumps(said, indent=1))
        return
    from verydeep.errors import escaped

    for one in found:
        top = "  ".join(f"{escaped(name)} {p:.3f}" for name, p in one.top())
        print(f"{escaped(one.name)}  {top}")
        for each in one.maps:
            if each.method == "integrated":
                print(f"  integrated gradients of {escaped(one.class_name)}: {each.said}")
    for name, scale in scales.items():
        print(f"  {name:20}  {scale}")
    if files:
        print(f"maps: {len(files)} in {Path(files[0]).parent}")
    if found:
        print(f"page: {page}")


def _as_data(one: Any) -> dict[str, Any]:
    return {
        "picture": one.name,
        "top": [{"class": name, "posterior": p} for name, p in one.top()],
        "class": one.class_name,
        "posterior": one.posterior,
        "score": one.score,
        "maps": [{"method": m.method, "unit": m.unit, "said": m.said} for m in one.maps],
    }
