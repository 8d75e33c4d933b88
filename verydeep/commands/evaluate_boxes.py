"""What `verydeep evaluate` prints of a net that places boxes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from verydeep.localisation.figures import Figures, figures
from verydeep.localisation.guesses import OVERLAP
from verydeep.localisation.published import published_boxes
from verydeep.report.tables import text_table
from verydeep.verbs.measure_boxes import Located
from verydeep.verbs.parts import WORDS


def answer(located: Located) -> str:
    """What testing gave, for the terminal."""
    found = located.found
    came_to = figures(found)
    lines = [
        *_errors(came_to),
        "",
        *_behind(came_to),
        "",
        f"{len(found):,} pictures, {found.part}{WORDS[found.role]}; {found.title}",
        *([f"classes by {found.candidates_by}"] if found.candidates_by else ()),
        *([_merged(located)] if found.threshold is not None else ()),
        *([f"left out, unreadable: {len(found.left_out)}"] if found.left_out else ()),
        *(
            [f"the paper ({paper.table}): {paper.validation:.1f} %"]
            if (paper := published_boxes([found]))
            else ()
        ),
        str(came_to.blind),
        f"boxes: {located.path}",
    ]
    return "\n".join(lines)


def _errors(came_to: Figures) -> list[str]:
    """The errors, with what of them is the class alone."""
    rows = [["localisation", "error %", "95 % interval", "of the class alone %"]]
    given = came_to.top5 is None
    low, high = came_to.interval1
    of_class = "given" if given else f"{came_to.named1:.1f}"
    rows.append(["box of the true class" if given else "top-1", f"{came_to.top1:.1f}",
                 f"{low:.1f} to {high:.1f}", of_class])  # fmt: skip
    if came_to.interval5 is not None:
        low, high = came_to.interval5
        rows.append(["top-5", f"{came_to.top5:.1f}", f"{low:.1f} to {high:.1f}",
                     f"{came_to.named5:.1f}"])  # fmt: skip
    return text_table(rows).split("\n")


def _behind(came_to: Figures) -> list[str]:
    """What lies behind the errors."""
    sizes = [["the object is", "pictures", "error %"]]
    for name, of_size in came_to.by_size.items():
        error = "-" if of_size.error is None else f"{of_size.error:.1f}"
        sizes.append([name, f"{of_size.pictures:,}", error])
    counts = came_to.histogram
    total = sum(counts)
    ends = " ".join(f"{100 * count / max(1, total):.0f}" for count in counts)
    mistakes = came_to.mistakes5 or came_to.mistakes1
    lines = text_table(sizes).split("\n")
    whose = f"of the {total:,} pictures whose class is asked for"
    lines += ["", f"IoU with the truth, % by tenths, {whose}: {ends}"]
    lines.append(f"mean IoU {came_to.mean_iou:.3f}; right above {OVERLAP:g}")
    if came_to.top5 is not None:
        lines.append(
            f"of the error: place {mistakes.place:.1f}, class {mistakes.name:.1f}, "
            f"both {mistakes.both:.1f}"
        )
    return lines


def _merged(located: Located) -> str:
    found = located.found
    chosen = f"chosen on {found.chosen_on}" if found.chosen_on else "--choose takes the best one"
    return f"boxes merged up to a match score of {found.threshold:g} ({chosen})"


def data_of(located: Located) -> dict[str, Any]:
    """The same for programs."""
    found = located.found
    paper = published_boxes([found])
    return {
        "pictures": len(found),
        "part": found.part,
        "role": found.role,
        **figures(found).as_data(),
        "protocol": {**asdict(found.protocol), "text": found.title},
        "candidates_by": found.candidates_by,
        "threshold": found.threshold,
        "chosen_on": found.chosen_on,
        "regression": found.regression,
        "paper": paper.validation if paper else None,
        "left_out": list(found.left_out),
        "classes": list(found.classes),
        "engine": found.engine,
        "boxes": str(located.path),
    }
