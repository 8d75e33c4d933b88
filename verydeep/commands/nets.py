"""`verydeep nets`: the networks side by side, or one of them layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

import typer

from verydeep.commands.options import Json


def nets(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A, A-LRN, B, B-shallow, C, D or E.")
    ] = None,
    crop: Annotated[int, typer.Option(help="Side of the training crop, in pixels.")] = 224,
    width: Annotated[float, typer.Option(help="Share of the paper's channels.")] = 1.0,
    classes: Annotated[int, typer.Option(help="Number of classes.")] = 1000,
    json: Json = False,
) -> None:
    """Show the networks of Table 1 side by side, or one of them layer by layer.

    verydeep nets

    verydeep nets D --crop 96 --width 0.25 --classes 10
    """
    from verydeep.nets import vgg
    from verydeep.nets.cost import Cost, cost

    def costed(name: str) -> Cost:
        return cost(vgg.table(name, classes, width, crop))

    names = [name] if name else list(vgg.CONFIGURATIONS)
    costs = {name: costed(name) for name in names}
    if json:
        from json import dumps

        print(
            dumps([_as_data(name, c, full=len(names) == 1) for name, c in costs.items()], indent=1)
        )
    elif name:
        print(listing(name, costs[name], crop))
    else:
        words = {name: vgg.table(name, classes, width, crop).words for name in names}
        print(side_by_side(words, costs, crop))


def side_by_side(words: dict[str, tuple[str, ...]], costs: dict[str, Any], crop: int) -> str:
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
            f"multiply-adds for a picture of {crop} x {crop} (G)",
            lambda c: f"{c.multiply_adds / 1e9:.3f}",
        ),
        ("values, the picture's included (M)", lambda c: f"{c.values / 1e6:.1f}"),
    ]
    for title, value in figures:
        lines += ["", title, line([value(c) for c in costs.values()])]
    return "\n".join(lines)


def listing(name: str, costed: Any, crop: int) -> str:
    """A network layer by layer: the rows of Table 1, from the picture on."""
    from verydeep.nets.cost import MAKERS
    from verydeep.report.tables import short, text_table

    head = ["layer", "map", "values", "weights", "mult-adds", "sees", "stride"]
    rows = [head]
    for row in costed.rows:
        if row.kind in MAKERS:
            channels, height, width = row.shape
            spent = [short(n) if n else "" for n in (row.weights, row.multiply_adds)]
            sees = [f"{row.receptive_field}", f"{row.stride}"]
            rows.append(
                [row.name, f"{channels} x {height} x {width}", short(row.values), *spent, *sees]
            )
    total = [
        "total",
        "",
        short(costed.values),
        short(sum(row.weights for row in costed.rows)),
        short(costed.multiply_adds),
        "",
        "",
    ]
    biases = sum(row.biases for row in costed.rows)
    return "\n".join(
        [
            f"configuration {name}, a picture of {crop} x {crop}",
            "",
            text_table([*rows, total]),
            "",
            f"{costed.parameters:,} parameters ({biases:,} of them biases), "
            f"{4 * costed.parameters / 2**20:.0f} MiB in float32;",
            f"{4 * costed.values / 2**20:.0f} MiB of values a picture, forward only. A layer sees",
            "so many pixels a side, and its neighbours look that stride of pixels apart.",
        ]
    )


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
