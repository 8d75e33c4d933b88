"""`verydeep explain`: pictures in, maps of where a class is seen out; and what units like."""

from __future__ import annotations

from dataclasses import dataclass
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
        typer.Option(
            "--class",
            metavar="NAME",
            help="The class. [default: a picture's own in DATA, else the most probable]",
        ),
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
            metavar="ROW",
            help="The row of Grad-CAM and of DeconvNet [default: relu5_3, or the last with map "
            "enough], and of occlusion.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="In place of pictures: some of labelled data, of the part set aside.",
        ),
    ] = None,
    count: Annotated[int, typer.Option(help="How many pictures of DATA, or units of a row.")] = 12,
    units: Annotated[
        str | None,
        typer.Option(
            metavar="ROWS",
            help="In place of maps: the pictures of DATA that excite units of these rows most; "
            "commas between several.",
        ),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(metavar="NUMBERS", help="Units to show: 7, or 7,40. [default: some of all]"),
    ] = None,
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
    """Show where in a picture a class is seen, by maps on its pixels; or what units like.

    verydeep explain runs/photos-A cat.jpg

    verydeep explain vgg16 holiday/ --method gradcam,occlusion --out maps/

    verydeep explain runs/D --data drawn --sanity

    verydeep explain vgg16 --units relu3_3,relu5_3 --data photos/

    all-cheap is scores, gradient, guided, deconvnet and gradcam: seconds a picture. Ctrl-C ends it
    after the picture under way and keeps what is there.
    """
    from verydeep.commands.console import Console

    console = Console(quiet)
    if units is None and unit is None:
        from verydeep.insight.naming import named

        target = _Target.of(out, "explained.html", overwrite)
        named(method)  # refused before anything is read
        asked = _asked(pictures, data, count, console)
        code = _maps(weights, asked, method, class_name, layer, count, sanity, target, device,
                     offline, engine, console, json)  # fmt: skip
        raise typer.Exit(code)
    from verydeep.errors import UserError

    if pictures or data is None or units is None:
        raise UserError("units are looked for in labelled data: --units ROWS --data DATA")
    of_maps = {"class": class_name, "method": method != "all-cheap", "layer": layer,
               "sanity": sanity, "engine": engine}  # fmt: skip
    if idle := [name for name, value in of_maps.items() if value]:
        raise UserError(f"--{idle[0]} is of maps, and none of --units; leave it out")
    target = _Target.of(out, "units.html", overwrite)
    _units(weights, units, unit, data, count, target, device, offline, console, json)


@dataclass(frozen=True)
class _Target:
    """Where the page is to lie, and the folder of PNGs beside it, where one is asked for."""

    page: Path
    folder: Any = None

    @classmethod
    def of(cls, out: Path | None, usual: str, overwrite: bool) -> _Target:
        """What `--out` names, a folder being made where it is not there, or a new page.

        Raises UserError for what is there already, and for what cannot be written.
        """
        from verydeep.files import free_place, refuse_taken, refuse_unwritable

        if out is not None and out.suffix.casefold() not in (".html", ".htm"):
            from verydeep.report.explained import Folder

            found = cls(out / usual, Folder(out))
        else:
            found = cls(out or free_place(Path(usual)))
            refuse_taken(found.page, overwrite)
        refuse_unwritable(found.page)
        return found


# --- maps of pictures


MOST = 100
"""Pictures on one page."""


def _maps(
    weights: Path,
    asked: Any,
    method: str,
    class_name: str | None,
    layer: str | None,
    count: int,
    sanity: bool,
    target: _Target,
    device: str | None,
    offline: bool,
    engine: str | None,
    console: Any,
    json: bool,
) -> int:
    """Explains pictures, writes that, and tells of it; the exit code.

    A first Ctrl-C ends it after the picture, with what there is then.
    """
    from verydeep.commands.explain_answer import tell
    from verydeep.report.explained import write_explained
    from verydeep.runtime.machine import Machine
    from verydeep.training.interruption import interruption
    from verydeep.verbs.explain import Explainer
    from verydeep.weights import find

    path = find(weights, console, offline)
    explainer = Explainer.of(path, Machine.this(device), method, class_name, layer, engine, console)

    def answer() -> None:
        console.say("ending after this picture; once more leaves at once")

    with interruption(answer, console.leave) as interrupted:
        found, faults = _explained(explainer, asked, count, interrupted)
        checks = _checks(explainer, found, interrupted) if sanity else []
    made = [one for one, _ in found]
    files = [] if target.folder is None else [str(file) for file in target.folder.add(made)]
    if made:
        network = f"{explainer.engine.network.table.name} of {path}"
        write_explained(made, target.page, network, *_on_page(made, checks))
    tell(made, checks, target.page, files, json)
    if interrupted.asked:
        return 130
    return 2 if faults else 0


def _asked(pictures: list[str] | None, data: str | None, count: int, console: Any) -> Any:
    """Paths of pictures, or the dataset that some are taken of."""
    from verydeep.datasets import open_dataset, with_pictures
    from verydeep.errors import UserError
    from verydeep.parts.given import found_pictures

    if not 1 <= count <= MOST:
        raise UserError(f"--count {count}; explain 1 to {MOST} at once")
    if bool(pictures) == (data is not None):
        raise UserError("give pictures to explain, or --data DATA to take some of")
    if data is not None:
        return with_pictures(open_dataset(data))
    paths = found_pictures(pictures or [], console)
    if len(paths) > MOST:
        raise UserError(f"{len(paths):,} pictures for one page; explain {MOST} at once at most")
    return paths


def _explained(
    explainer: Any, asked: Any, count: int, interrupted: Any
) -> tuple[list[tuple[Any, Any]], int]:
    """Explanations with the boxes that are told, and how many pictures cannot be read.

    They are as many as were made until there is an interruption.
    """
    import sys

    from verydeep.errors import PictureError
    from verydeep.verbs.explain import explanations
    from verydeep.verbs.sanity import of_part

    found, faults = list[Any](), 0
    if not isinstance(asked, list):
        made: Any = of_part(explainer, asked, count)
    else:
        made = ((one, None) for one in explanations(explainer, asked))
    for one, boxes in made:
        if isinstance(one, PictureError):
            faults += 1
            print(f"verydeep: {one}", file=sys.stderr)
        else:
            found.append((one, boxes))
        if interrupted.asked:
            break
    return found, faults


def _checks(explainer: Any, found: list[tuple[Any, Any]], interrupted: Any) -> list[Any]:
    """The checks of explained pictures, of as many as there is no interruption before."""
    from verydeep.verbs.sanity import checked

    made = []
    for one, boxes in found:
        if interrupted.asked:
            break
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


# --- units of rows


def _units(
    weights: Path,
    rows: str,
    numbers: str | None,
    data: str,
    count: int,
    target: _Target,
    device: str | None,
    offline: bool,
    console: Any,
    json: bool,
) -> None:
    """Looks for what units of some rows like, writes it, and tells of it."""
    from verydeep.commands.explain_answer import tell_units
    from verydeep.report.units import add_plates, write_units
    from verydeep.report.units_file import NAME, save_units
    from verydeep.verbs.units import units
    from verydeep.weights import find

    asked = _numbers(numbers)
    path = find(weights, console, offline)
    folder = target.folder
    found = units(
        path, [row.strip() for row in rows.split(",")], data, numbers=asked, count=count,
        device=device, progress=console,
    )  # fmt: skip
    files = [] if folder is None else [str(file) for file in add_plates(folder, found)]
    if folder is not None:
        files.append(str(save_units(found, folder.folder / NAME)))
    tell_units(found, write_units(found, target.page, str(path)), files, json)


def _numbers(text: str | None) -> list[int] | None:
    from verydeep.errors import UserError

    try:
        return None if text is None else [int(word) for word in text.split(",")]
    except ValueError:
        raise UserError(f"--unit {text}; give numbers such as 7, or 7,40") from None
