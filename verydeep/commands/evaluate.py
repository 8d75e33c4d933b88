"""`verydeep evaluate`: a weights file tested on labelled pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from verydeep.commands.options import Data, Device, Json, Quiet, Seed, Threads, Weights


def evaluate(
    weights: Weights,
    data: Data,
    protocol: Annotated[
        str, typer.Option(help="dense (whole pictures), crops (50 each), both, centre or ten.")
    ] = "dense",
    scales: Annotated[
        str | None,
        typer.Option(help="Q, smaller sides in pixels: 256, or 224,256,288, or paper."),
    ] = None,
    part: Annotated[
        str | None, typer.Option(help="train, test or all. [default: what is fair to test on]")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Score file. [default: in scores/ beside the weights]")
    ] = None,
    seed: Seed = None,
    device: Device = None,
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Test a network on labelled pictures: errors, per class, confusion, and a score file.

    verydeep evaluate runs/photos-A photos/

    verydeep evaluate runs/photos-D photos/ --protocol both --scales paper
    """
    from verydeep.commands.console import Console

    console = Console(quiet)
    console.say("verydeep evaluate: reading weights and names")
    from verydeep.conditions import Conditions
    from verydeep.machine import Machine
    from verydeep.tasks import testing

    conditions = Conditions(Machine.this(device, threads), watch=console)
    tested = testing.evaluate(
        weights,
        data,
        protocol,
        conditions,
        scales=scales,
        part_name=part,
        seed=seed,
        out=out,
    )
    if json:
        from json import dumps

        print(dumps(_as_data(tested), indent=1))
    else:
        print(answer(tested))


def answer(tested: Any) -> str:
    """What testing gave, for the terminal."""
    from verydeep.evaluation.metrics import class_errors, confusion
    from verydeep.report.tables import percent, text_table

    scores = tested.scores
    errors = class_errors(scores.posteriors, scores.labels)
    taken_for = confusion(scores.posteriors, scores.labels)
    rows = [["class", "pictures", "top-1 error %", "most often taken for"]]
    for i, name in enumerate(scores.classes):
        others = [(int(n), j) for j, n in enumerate(taken_for[i]) if j != i and n]
        count, other = max(others, default=(0, -1))
        mistaken = f"{scores.classes[other]} ({count})" if count else ""
        rows.append([name, f"{taken_for[i].sum():,}", percent(errors[i]), mistaken])
    return "\n".join(
        [
            text_table(rows),
            "",
            f"{len(scores.labels):,} pictures; {scores.protocol}",
            f"top-1 error {tested.top1:.2f} %, top-5 error {tested.top5:.2f} %"
            + (" (0 by definition: no more than 5 classes)" if len(scores.classes) <= 5 else ""),
            f"posteriors: {tested.path}",
        ]
    )


def _as_data(tested: Any) -> dict[str, Any]:
    from dataclasses import asdict

    from verydeep.evaluation.metrics import class_errors, confusion

    scores = tested.scores
    return {
        "protocol": {**asdict(scores.protocol), "text": str(scores.protocol)},
        "pictures": len(scores.labels),
        "top1": tested.top1,
        "top5": tested.top5,
        "classes": list(scores.classes),
        "class_errors": class_errors(scores.posteriors, scores.labels),
        "confusion": confusion(scores.posteriors, scores.labels).tolist(),
        "weights": scores.weights,
        "scores": str(tested.path),
    }
