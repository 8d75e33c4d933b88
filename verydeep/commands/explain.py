"""`verydeep explain`: pictures in, maps of where a class is seen out; and what units like."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from verydeep.commands.options import Device, Engine, Json, Offline, Overwrite, Quiet, Weights


def explain(
    weights: Weights,
    pictures: Annotated[
        list[str] | None,
        typer.Argument(metavar="PICTURE...", help='Files, folders or "globs/*.jpg".'),
    ] = None,
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
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="In place of pictures: some of labelled data, of the part set aside.",
        ),
    ] = None,
    count: Annotated[int, typer.Option(help="How many of DATA.")] = 12,
    sanity: Annotated[
        bool,
        typer.Option(
            "--sanity",
            help="Also whether maps fall apart as layers are shuffled, lie in the boxes of DATA, "
            "and tell what counts.",
        ),
    ] = False,
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

    verydeep explain runs/D --data drawn --sanity

    all-cheap is scores, gradient, guided, deconvnet and gradcam: seconds a picture.
    """
    from verydeep.commands.console import Console
    from verydeep.files import free_place, refuse_taken
    from verydeep.insight.naming import named

    is_page = out is None or out.suffix.casefold() in (".html", ".htm")
    place = out or free_place(Path("explained.html"))
    if is_page:
        refuse_taken(place, overwrite)
    console = Console(quiet)
    methods = named(method)
    asked = _asked(pictures, data, count, console)
    from verydeep.weights import find

    weights = find(weights, console, offline)

    from verydeep.runtime.machine import Machine
    from verydeep.verbs.explain import Explainer

    explainer = Explainer.of(
        weights, Machine.this(device), methods, class_name, layer, engine, console
    )
    folder = None if is_page else _folder(place)
    found, faults = _explained(explainer, asked, count)
    from verydeep.report.explained import write_explained

    files = [] if folder is None else [str(path) for path in folder.add([o for o, _ in found])]
    page = place if is_page else place / "explained.html"
    checks = _checks(explainer, found) if sanity else []
    if found:
        network = f"{explainer.engine.network.table.name} of {weights}"
        made = [one for one, _ in found]
        write_explained(made, page, network, *_on_page(made, checks))
    _tell([one for one, _ in found], checks, page, files, json)
    if faults:
        raise typer.Exit(2)


MOST = 100
"""Pictures on one page."""


def _folder(place: Path) -> Any:
    from verydeep.report.explained import Folder

    return Folder(place)


def _asked(pictures: list[str] | None, data: str | None, count: int, console: Any) -> Any:
    """Paths of pictures, or the dataset that some are taken of."""
    from verydeep.datasets import open_dataset
    from verydeep.errors import UserError
    from verydeep.parts.given import found_pictures

    if not 1 <= count <= MOST:
        raise UserError(f"--count {count}; explain 1 to {MOST} at once")
    if bool(pictures) == (data is not None):
        raise UserError("give pictures to explain, or --data DATA to take some of")
    if data is not None:
        return open_dataset(data)
    paths = found_pictures(pictures or [], console)
    if len(paths) > MOST:
        raise UserError(f"{len(paths):,} pictures for one page; explain {MOST} at once at most")
    return paths


def _explained(explainer: Any, asked: Any, count: int) -> tuple[list[tuple[Any, Any]], int]:
    """Explanations with the boxes that are told, and how many pictures cannot be read."""
    import sys

    from verydeep.errors import PictureError
    from verydeep.verbs.explain import explanations
    from verydeep.verbs.sanity import of_part

    if not isinstance(asked, list):
        return of_part(explainer, asked, count), 0
    found, faults = list[Any](), 0
    for one in explanations(explainer, asked):
        if isinstance(one, PictureError):
            faults += 1
            print(f"verydeep: {one}", file=sys.stderr)
        else:
            found.append((one, None))
    return found, faults


def _checks(explainer: Any, found: list[tuple[Any, Any]]) -> list[Any]:
    from verydeep.verbs.sanity import checked

    made = []
    for one, boxes in found:
        made.append(checked(explainer, one, boxes))
        explainer.progress.step("checking maps", len(made), len(found))
    return made


def _on_page(found: list[Any], checks: list[Any]) -> tuple[dict[int, str], list[str]]:
    """What checks add to a page: to each picture, and behind all of them."""
    from verydeep.report.explained import palette_of
    from verydeep.report.sane import sanity_of, sanity_of_all

    palette = palette_of(found)
    of_each = {i: sanity_of(one, palette) for i, one in enumerate(checks)}
    return of_each, [sanity_of_all(checks)] if checks else []


def _tell(found: list[Any], checks: list[Any], page: Path, files: list[str], json: bool) -> None:
    from verydeep.report.heat import scales_of

    scales = scales_of([one for each in found for one in each.maps])
    if json:
        from json import dumps

        said = {
            "pictures": [_as_data(one) for one in found],
            "sanity": [_as_checks(one) for one in checks],
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
    for line in _said_of(checks):
        print(line)
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


def _said_of(checks: list[Any]) -> list[str]:
    """The mean rank correlation of each method's maps as layers are shuffled."""
    if not checks:
        return []
    from verydeep.report.tables import text_table

    layers, methods = checks[0].layers, [*checks[0].correlations]
    rows = [["  correlation, shuffled down to", *layers]]
    for method in methods:
        each = zip(*(one.correlations[method] for one in checks), strict=True)
        rows.append([f"  {method}", *(f"{sum(all_) / len(checks):+.2f}" for all_ in each)])
    return text_table(rows).split("\n")


def _as_checks(one: Any) -> dict[str, Any]:
    return {
        "picture": one.explanation.name,
        "shuffled_to": one.layers,
        "correlations": one.correlations,
        "deletion": {name: curve.deleted for name, curve in one.curves.items()},
        "insertion": {name: curve.inserted for name, curve in one.curves.items()},
        "inside": one.inside,
        "area": one.area,
    }
