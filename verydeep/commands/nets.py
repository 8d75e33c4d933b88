"""`verydeep nets`: the networks of Table 1 side by side and those beside them, or one by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from verydeep.commands.completion import NETS, one_of
from verydeep.commands.options import Json, Overwrite

if TYPE_CHECKING:
    from verydeep.nets.table import Table

PASSES = 3
"""What a step costs in forward passes: the backward pass is two."""
MOST = 10**9
"""Pixels of a picture at most."""


def nets(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="A, A-LRN, B, B-shallow, C, D or E; vgg16 is D; or ResNet-50 and the like.",
            autocompletion=one_of(NETS),
        ),
    ] = None,
    crop: Annotated[
        int | None,
        typer.Option(help="Side of the training crop, in pixels; fc6 is made for it. The paper's."),
    ] = None,
    width: Annotated[float, typer.Option(help="Share of the paper's channels.")] = 1.0,
    fc: Annotated[
        int | None, typer.Option(help="Channels of the hidden FC layers; 0 for none.")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(help="Number of classes; the paper's, such as 1000.")
    ] = None,
    picture: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Cost for a picture of 320 or 320x480 (height x width)."),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(help="What training takes by so many crops a step.")
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a page: published errors beside what nets cost."),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Show the networks of Table 1 side by side and those beside them, or one layer by layer.

    verydeep nets

    verydeep nets D --crop 96 --width 0.25 --classes 10

    verydeep nets GoogLeNet

    verydeep nets vgg16 --picture 320x480

    verydeep nets D --batch 64

    verydeep nets --page nets.html

    A larger picture changes no parameter: the net is laid over it densely, as it is tested.
    Another crop makes another net, whose first FC layer fits its map.
    """
    from verydeep.nets import named, vgg
    from verydeep.nets.cost import cost
    from verydeep.report.nets import families, listing, printed

    if page is not None and name is not None:
        from verydeep.errors import UserError

        raise UserError(f"--page is of all nets; leave {name} out")
    if page is not None:
        from verydeep.files import refuse_taken
        from verydeep.report.nets_page import write_nets_page

        refuse_taken(page, overwrite, "--page")
        print(f"page     {write_nets_page(page)}")
        return
    names = [named.called(name)] if name else list(vgg.CONFIGURATIONS)
    tables = {each: named.table(each, classes, width, crop, fc) for each in names}
    size = _size(picture, tables[names[0]])
    costs = {each: cost(table, *size) for each, table in tables.items()}
    trained = {} if batch is None else {n: _training(table, batch) for n, table in tables.items()}
    if json:
        from json import dumps

        found = [
            {
                **_as_data(each, price, full=len(names) == 1),
                "picture": size,
                **({"training": trained[each]} if trained else {}),
            }
            for each, price in costs.items()
        ]
        print(dumps(found, indent=1))
        return
    lines = _notes(name, names[0], crop, picture)
    if name:
        lines.append(listing(tables[names[0]], costs[names[0]], size))
        lines += printed(names[0])
    else:
        words = {each: table.words for each, table in tables.items()}
        lines.append(side_by_side(words, costs, size))
    lines += [_training_line(each, about) for each, about in trained.items()]
    lines += [] if name or trained else ["", families()]
    print("\n".join(lines))


def _size(picture: str | None, table: Table) -> tuple[int, int]:
    """Height and width of a picture as they are given, 320 or 320x480; else those of a crop."""
    from verydeep.errors import UserError

    if picture is None:
        return table.crop, table.crop
    if table.placed:
        raise UserError(
            f"--picture {picture}: {table.name} takes pictures of {table.crop} alone, for its "
            f"'{table.placed}' is made for the places of that map; leave it out"
        )
    sides = picture.lower().split("x")
    if not 1 <= len(sides) <= 2 or not all(side.isascii() and side.isdigit() for side in sides):
        raise UserError(f"--picture {picture}; a size is 320 or 320x480, height x width in pixels")
    height, width = (int(side) for side in (sides if len(sides) == 2 else sides * 2))
    if not 0 < height * width <= MOST:
        raise UserError(f"a picture of {height} x {width} is not of 1 to {MOST:,} pixels")
    return height, width


def _notes(called: str | None, name: str, crop: int | None, picture: str | None) -> list[str]:
    """What a name was taken for, and that another crop makes another net."""
    from verydeep.nets import named
    from verydeep.shell import command

    another = called is not None and named.renamed(called, name)
    lines = [f"{called} is {named.in_words(name)}"] if another else []
    papers = named.table(name).crop
    if crop is not None and crop != papers:
        fits = "fc6 fits its map" if named.is_of_table_1(name) else "its last layers fit its map"
        lines.append(f"a crop of {crop} makes another net than {papers} does: {fits}")
        if picture is None and crop > papers:
            asking = command("nets", *([name] if called else []), "--picture", crop)
            lines.append(f"what the paper's costs on a picture of {crop}: {asking}")
    return [*lines, ""] if lines else []


def _training(table: Table, batch: int) -> dict[str, float]:
    """Multiply-adds, bytes and seconds of a step of training on this machine's CPU."""
    from verydeep.errors import UserError
    from verydeep.nets.cost import cost
    from verydeep.runtime.machine import cores
    from verydeep.training.duration import seconds_a_picture
    from verydeep.training.footprint import footprint, micro_batch_of, shared_batch
    from verydeep.training.settings import Settings

    if batch < 1:
        raise UserError(f"--batch {batch}; at least 1 picture is needed")
    at_once = min(batch, micro_batch_of(table, shared_batch(table, batch)))
    settings = Settings(crop=table.crop, scale=(table.crop,) * 2, batch=batch, micro_batch=at_once)
    return {
        "batch": batch,
        "multiply_adds": PASSES * batch * cost(table).multiply_adds,
        "bytes": footprint(table, settings, cores(), 0).total,
        "seconds": batch * seconds_a_picture(table, cores(), PASSES),
        "cores": cores(),
    }


def _training_line(name: str, about: dict[str, float]) -> str:
    from verydeep.report.tables import short

    took = f"{about['seconds']:.2g}" if about["seconds"] < 10 else f"{about['seconds']:,.0f}"
    return (
        f"training {name}, {about['batch']:,} crops a step: {short(about['multiply_adds'])} "
        f"multiply-adds, {short(about['bytes'])}B of memory,\n  about {took} s on "
        f"{about['cores']} cores of a CPU"
    )


def side_by_side(
    words: dict[str, tuple[str, ...]], costs: dict[str, Any], size: tuple[int, int]
) -> str:
    """Table 1 with what each column costs below it."""
    from verydeep.nets.vgg import TABLE_1

    def line(cells: list[str]) -> str:
        return "".join(cell.ljust(11) for cell in cells).rstrip()

    left = {name: iter(column) for name, column in words.items()}
    _, *rows = [[cell.strip() for cell in row.split("|")] for row in TABLE_1.strip().splitlines()]
    lines = [line(list(words))]
    for row in rows:
        lines.append(
            line([next(left[n]) if cell else "" for n, cell in zip(words, row, strict=True)])
        )
    figures: list[tuple[str, Callable[[Any], str]]] = [
        ("weight layers", lambda c: f"{c.weight_layers}"),
        ("parameters (M)", lambda c: f"{c.parameters / 1e6:.1f}"),
        (
            f"multiply-adds for a picture of {size[0]} x {size[1]} (G)",
            lambda c: f"{c.multiply_adds / 1e9:.3f}",
        ),
        ("values, the picture's included (M)", lambda c: f"{c.values / 1e6:.1f}"),
    ]
    for title, value in figures:
        lines += ["", title, line([value(c) for c in costs.values()])]
    return "\n".join(lines)


def _as_data(name: str, costed: Any, full: bool) -> dict[str, Any]:
    about = {
        "name": name,
        "weight_layers": costed.weight_layers,
        "parameters": costed.parameters,
        "multiply_adds": costed.multiply_adds,
        "values": costed.values,
    }
    if full:
        about["rows"] = [
            {**asdict(row), "values": row.values, "parameters": row.parameters}
            for row in costed.rows
        ]
    return about
