"""`verydeep compare` and `verydeep fuse`: what score files are worth, alone and together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from verydeep.commands.options import Json, Overwrite

if TYPE_CHECKING:
    from verydeep.evaluation.comparison import Comparison, MapComparison
    from verydeep.evaluation.scores import Scores

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="SCORES...", help="Score files or boxes files, or runs or folders that hold them."
    ),
]


def compare(
    files: Files,
    page: Annotated[
        Path | None, typer.Option(help="HTML page to write, with pictures where --data is given.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="The data that was tested on, to show pictures of it.")
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Compare tests of the same pictures: errors, intervals, and whether one is better.

    verydeep compare runs/photos-A

    verydeep compare A.safetensors D.safetensors --page d.html --data photos/

    An interval is where the error lies with 95 % confidence. The others are held against the
    best, picture by picture (McNemar's exact test; of tests with several labels a picture, the
    difference of their mAP by a bootstrap). Of more than two tests, p and the interval of a
    difference are corrected for all their pairs, because the best is chosen from the same
    pictures: name few tests to tell small differences. Boxes files, of where objects are, are
    compared by the error of localisation.
    """
    from verydeep.errors import UserError
    from verydeep.files import refuse_taken
    from verydeep.verbs.compare import compared
    from verydeep.verbs.tested_files import are_boxes

    if page is not None and page.suffix not in (".html", ".htm"):
        raise UserError(f"--page {page}; it is HTML that is written: give a name such as page.html")
    if page is not None:
        refuse_taken(page, overwrite, "--page")
    if are_boxes(files):
        from verydeep.commands.compare_boxes import compare_boxes

        compare_boxes(files, page, data, json)
        return
    found = compared(files)
    if page is not None:
        from verydeep.report.protocols import write_protocols_page

        write_protocols_page(found, page, data)
    if json:
        from json import dumps

        print(dumps(found.as_data(), indent=1))
    else:
        lines = [errors_table(found.scores, found.names), *verdicts(found.comparisons)]
        print("\n".join([*lines, f"\npage: {page}"] if page else lines))


def fuse(
    files: Files,
    out: Annotated[Path | None, typer.Option(help="File to write.")] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Average the posteriors of several tests of the same pictures: protocols, or networks.

    verydeep fuse D-dense.safetensors D-crops.safetensors

    verydeep fuse D.safetensors E.safetensors --out both.safetensors

    Of boxes files, all the boxes are put together and merged, as one net's are.
    """
    from verydeep.verbs.compare import fused
    from verydeep.verbs.tested_files import are_boxes

    if are_boxes(files):
        from verydeep.commands.compare_boxes import fuse_boxes

        fuse_boxes(files, out, overwrite, json)
        return
    found = fused(files, out, overwrite)
    if json:
        from json import dumps

        from verydeep.verbs.compare import as_data

        alone = [
            {"name": n, **as_data([s])} for n, s in zip(found.names, found.scores, strict=True)
        ]
        print(dumps([*alone, as_data(found.scores, found.together)], indent=1))
    else:
        kept = f"posteriors: {out}" if out else "nothing was kept; --out FILE keeps the posteriors"
        print(errors_table(found.scores, found.names, found.together))
        print(f"\n{wrapped(found.comparison)}\n{kept}")


def verdicts(comparisons: Sequence[Comparison] | Sequence[MapComparison]) -> list[str]:
    """The best test, and by how much each of the others is worse, if it is."""
    from verydeep.report.tables import text_table

    if not comparisons:
        return []
    rows = [["the others", "worse by", "95 % interval", "McNemar p", "worse?"]]
    rows += [[c.name_b, *(cells_of(c))] for c in comparisons]
    pairs = comparisons[0].pairs
    said = f"Corrected for the {pairs} pairs of these tests: p, and the interval with it."
    if rows[1][3] == "-":
        rows = [[*row[:3], row[4]] for row in rows]
        said = f"The interval is corrected for the {pairs} pairs of these tests."
    lines = ["", f"best: {comparisons[0].name_a}", "", text_table(rows)]
    return lines if pairs == 1 else [*lines, said]


def cells_of(found: Comparison | MapComparison) -> list[str]:
    """Points, their interval, p, and the verdict, of a test held against the best."""
    from verydeep.evaluation.comparison import MapComparison, points

    if isinstance(found, MapComparison):
        low, high = map(points, found.interval)
        verdict = "yes" if found.told_apart else "cannot be told"
        return [points(found.difference), f"{low} to {high}", "-", verdict]
    low, high = (points(-end) for end in reversed(found.interval))
    p = "< 0.001" if found.p < 0.001 else f"{found.p:.3f}"
    verdict = "yes" if found.told_apart else "cannot be told"
    return [points(-found.difference), f"{low} to {high}", p, verdict]


def wrapped(line: object) -> str:
    """A long line as a terminal has it."""
    from textwrap import fill

    return fill(str(line), 80, subsequent_indent="  ", break_on_hyphens=False)


def errors_table(
    members: Sequence[Scores], names: Sequence[str], together: Scores | None = None
) -> str:
    """Errors with intervals, and what the paper has of the same test."""
    from verydeep.report.tables import text_table
    from verydeep.verbs.compare import as_data

    rows = []
    found = [(name, as_data([s])) for name, s in zip(names, members, strict=True)]
    if together is not None:
        found.append((f"the mean of these {len(members)}", as_data(members, together)))
    for name, about in found:
        rows.append([name, *cells(about)])
    head = ["error, %", "top-1", "95 % interval", "top-5", "paper"]
    if members[0].has_several:
        head = ["in %", "mAP", "95 % interval", "", ""]
    said = [any(row[i] != "-" for row in rows) for i in range(len(head))]  # no column of dashes
    return text_table(
        [[c for c, some in zip(row, said, strict=True) if some] for row in [head, *rows]]
    )


def cells(about: dict[str, Any]) -> list[str]:
    """Top-1 error, its interval, top-5 error, and the paper's two; or the mAP and its interval."""
    low, high = about["interval"]
    if "map" in about:
        return [f"{about['map']:.1f}", f"{low:.1f} to {high:.1f}", "-", "-"]
    paper = about["paper"]
    top5 = "-" if about["classes"] <= 5 else f"{about['top5']:.1f}"
    shown = f"{paper['top1']:.1f} / {paper['top5']:.1f} ({paper['table']})" if paper else "-"
    return [f"{about['top1']:.1f}", f"{low:.1f} to {high:.1f}", top5, shown]
