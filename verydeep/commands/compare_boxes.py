"""What `verydeep compare` and `verydeep fuse` say of boxes files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from verydeep.localisation.figures import Figures
    from verydeep.verbs.compare_boxes import ComparedBoxes, FusedBoxes, Placed


def compare_boxes(files: Sequence[Path], page: Path | None, data: str | None, json: bool) -> None:
    """Prints errors of boxes files, and whether one is better; writes the page if one is named."""
    from verydeep.verbs.compare_boxes import compared_boxes

    found = compared_boxes(files)
    if page is not None:
        from verydeep.report.boxes_compared import write_boxes_page

        write_boxes_page(found, page, data)
    if json:
        from json import dumps

        print(dumps(found.as_data(), indent=1))
    else:
        said = compared_in_words(found)
        print(f"{said}\n\npage: {page}" if page else said)


def fuse_boxes(files: Sequence[Path], out: Path | None, overwrite: bool, json: bool) -> None:
    """Prints errors of boxes files, and of all their boxes merged."""
    from verydeep.verbs.compare_boxes import as_data, fused_boxes

    found = fused_boxes(files, out, overwrite)
    if json:
        from json import dumps

        alone = [{"name": one.name, **as_data([one])} for one in found.tests]
        print(dumps([*alone, as_data(found.tests, found.together)], indent=1))
    else:
        print(f"{fused_in_words(found)}\n{_kept(out)}")


def _kept(out: Path | None) -> str:
    return f"boxes: {out}" if out else "nothing was kept; --out FILE keeps the boxes"


def compared_in_words(found: ComparedBoxes) -> str:
    """A table of errors, what the best one's are made of, and by how much the others are worse."""
    from verydeep.commands.compare import verdicts

    of = "" if len(found.tests) == 1 else "of the best: "
    said = placed_in_words(found.tests[0].figures, of)
    return "\n".join([places_table(found.tests), "", *said, *verdicts(found.comparisons)])


def fused_in_words(found: FusedBoxes) -> str:
    """A table of errors, alone and together, what those of all are made of, and if it is better."""
    from verydeep.commands.compare import wrapped

    said = placed_in_words(found.together.figures, "of all boxes merged: ")
    table = places_table(found.tests, found.together)
    return "\n".join([table, "", *said, "", wrapped(found.comparison)])


def places_table(tests: Sequence[Placed], together: Placed | None = None) -> str:
    """Errors with intervals, the mean IoU, and what the paper has of the same test."""
    from verydeep.report.tables import text_table
    from verydeep.verbs.compare_boxes import as_data

    rows = [_cells(one, as_data([one])["paper"]) for one in tests]
    if together is not None:
        rows.append(_cells(together, as_data(tests, together)["paper"]))
    given = tests[0].test.is_given_class
    errors = ["top-1"] if given else ["top-1", "top-5"]
    what = "error with the class given, %" if given else "localisation error, %"
    head = [what, *errors, "95 % interval", "mean IoU", "paper"]
    table = [head, *rows]
    if all(row[-1] == "-" for row in rows):
        table = [row[:-1] for row in table]
    return text_table(table)


def _cells(one: Placed, paper: dict[str, object] | None) -> list[str]:
    """Errors, the interval of the last of them, the mean IoU, and the paper's error."""
    found = one.figures
    errors = [error for error in (found.top1, found.top5) if error is not None]
    low, high = found.interval5 or found.interval1
    shown = f"{paper['error']:.1f} ({paper['table']})" if paper else "-"
    numbers = [f"{error:.1f}" for error in errors]
    return [one.name, *numbers, f"{low:.1f} to {high:.1f}", f"{found.mean_iou:.2f}", shown]


def placed_in_words(found: Figures, of: str = "") -> list[str]:
    """What errors are made of, and what boxes err that look at no picture, in a few lines."""
    from verydeep.commands.compare import wrapped

    lines = [f"{of}{mistakes_in_words(found)}", by_size_in_words(found), str(found.blind)]
    return [wrapped(line) for line in [*lines, found.no_better] if line]


def mistakes_in_words(found: Figures) -> str:
    """What is wrong with guesses, told apart, in a line."""
    if found.mistakes5 is None:
        return f"the place is wrong on {found.mistakes1.place:.1f} %"
    what = found.mistakes5
    return (
        f"among five guesses the place alone is wrong on {what.place:.1f} %, the class alone on "
        f"{what.name:.1f} %, both on {what.both:.1f} %"
    )


def by_size_in_words(found: Figures) -> str:
    """The error on pictures of small, medium and large objects, in a line."""
    said = [
        f"{name} {group.error:.1f} % of {group.pictures:,}"
        for name, group in found.by_size.items()
        if group.error is not None
    ]
    return f"by the size of the object: {', '.join(said)}"
