"""The nets in a terminal: those beside Table 1 by family, and one of them layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import fill, wrap

from verydeep.evaluation.published_nets import accuracies_of, in_print, printed_of
from verydeep.nets import named
from verydeep.nets.cost import MAKERS, Cost, RowCost
from verydeep.nets.rows import PICTURE
from verydeep.nets.table import Table
from verydeep.nets.words import parts
from verydeep.report.tables import short, text_table
from verydeep.shell import command

WIDTH = 80
"""Columns of a terminal."""
HEAD = ("layer", "map", "values", "weights", "mult-adds", "sees", "stride")


def families() -> str:
    """The nets that others published, by family, with the papers that they are from."""
    lines = [f"the nets beside them; {command('nets', 'NAME')} has its table and costs"]
    for family in named.FAMILIES:
        names = ", ".join(net.name for net in family.nets)
        lines += ["", *wrap(f"{family.title}: {family.source}", WIDTH, subsequent_indent="  ")]
        lines += wrap(names, WIDTH, initial_indent="  ", subsequent_indent="  ",
                      break_on_hyphens=False)  # fmt: skip
    return "\n".join(lines)


def listing(table: Table, costed: Cost, size: tuple[int, int]) -> str:
    """A network from the picture on, with its paper's table before it where it is not Table 1.

    It is told row by row, or, where it branches, by brackets.
    """
    family = named.family_of(table.name)
    source = named.in_words(table.name)
    before = [] if family is None else [source, "", "\n\n".join(_printed(table.name)), ""]
    if family is not None and (has := named.NETS[table.name].has):
        before += [fill(f"{table.name} has {has}.", WIDTH, break_on_hyphens=False), ""]
    title = f"configuration {table.name}" if family is None else table.name
    biases = sum(row.biases for row in costed.rows)
    total = ["total", "", short(costed.values), short(sum(row.weights for row in costed.rows)),
             short(costed.multiply_adds), "", ""]  # fmt: skip
    return "\n".join(
        [
            *before,
            f"{title}, a picture of {size[0]} x {size[1]}",
            "",
            text_table([HEAD, *_lines(table, costed), total]),
            "",
            f"{costed.parameters:,} parameters ({biases:,} of them biases), "
            f"{4 * costed.parameters / 2**20:.0f} MiB in float32;",
            f"{4 * costed.values / 2**20:.0f} MiB of values a picture, forward only. A layer sees",
            "so many pixels a side, and its neighbours look that stride of pixels apart.",
        ]
    )


def printed(name: str) -> list[str]:
    """What papers printed that a net errs or tells right, a line each; nothing where none did."""
    return [*_errors(name), *_accuracies(name)]


def _errors(name: str) -> list[str]:
    rows = [
        [
            row.shown,
            row.source,
            *map(in_print, (row.top1, row.top5)),
        ]
        for row in printed_of(name)
    ]
    if not rows:
        return []
    head = ["errors in % as printed", "source", "top-1", "top-5"]
    return ["", text_table([head, *rows], left=2)]


def _accuracies(name: str) -> list[str]:
    rows = [[row.told, row.shown, in_print(row.accuracy)] for row in accuracies_of(name)]
    if not rows:
        return []
    head = ["told right, in % as printed", "how", "accuracy"]
    sources = dict.fromkeys(row.source for row in accuracies_of(name))
    return ["", text_table([head, *rows], left=2), "; ".join(sources)]


def _printed(name: str) -> Iterator[str]:
    """The tables of the paper, as wide as they need to be."""
    for text in named.NETS[name].printed.strip("\n").split("\n\n"):
        rows = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]
        wide = text_table(rows, left=len(rows[0]))
        fits = max(map(len, wide.splitlines())) <= WIDTH
        yield wide if fits else text_table(rows, left=len(rows[0]), gap=1)


def _lines(table: Table, costed: Cost) -> Iterator[Sequence[str]]:
    """A line for each row that makes values, or for brackets as a whole."""
    made = {row.name: row for row in costed.rows if row.kind in MAKERS}
    if not any(word[0] in "([<" for word in table.words):
        yield from (_line(name, [row]) for name, row in made.items())
        return
    yield _line(PICTURE, [made[PICTURE]])
    for count, rows in parts(table):
        some = [made[row.name] for row in rows if row.name in made]
        if some:
            many = f" and {count - 1} more" if count > 1 else ""
            yield _line(f"{some[-1].name}{many}", some)


def _line(name: str, rows: Sequence[RowCost]) -> Sequence[str]:
    """What rows cost together, and what the last of them gives."""
    last = rows[-1]
    counts = [sum(row.weights for row in rows), sum(row.multiply_adds for row in rows)]
    return [
        name,
        " x ".join(map(str, last.shape)),
        short(sum(row.values for row in rows)),
        *(short(count) if count else "" for count in counts),
        f"{last.receptive_field}",
        f"{last.stride}",
    ]
