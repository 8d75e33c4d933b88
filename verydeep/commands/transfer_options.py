"""What `verydeep transfer` can be told, beside what every verb can that describes pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from verydeep.commands.completion import TRANSFER_PROTOCOLS, one_of

Words = Annotated[
    list[str],
    typer.Argument(metavar="[WEIGHTS] DATA", help="Weights, by default vgg16, and labelled data."),
]
C = Annotated[
    str | None,
    typer.Option("--c", help="C of the SVMs; of several, the best. [default: 0.01 to 100]"),
]
Balanced = Annotated[
    bool, typer.Option("--balanced", help="Have rare classes weigh as much as others.")
]
Out = Annotated[Path | None, typer.Option(help="Folder. [default: a new one, runs/DATA-transfer]")]

# --- of protocols

Protocol = Annotated[
    str | None,
    typer.Option(
        help="Test features as Appendix B does: draws, voc2007, voc2012 or action.",
        autocompletion=one_of(TRANSFER_PROTOCOLS),
    ),
]
Train = Annotated[
    str | None,
    typer.Option(help="Of draws: pictures a class to learn from, 30, or several: 1,5,10."),
]
Test = Annotated[
    int | None, typer.Option(help="Of draws: pictures a class to test on. [default: the rest]")
]
Draws = Annotated[int | None, typer.Option(help="How often is drawn. [default: 3]")]
Results = Annotated[
    Path | None, typer.Option(help="Of PASCAL VOC: a folder for the files its server takes.")
]
