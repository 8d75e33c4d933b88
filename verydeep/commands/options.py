"""Options that mean the same in every verb, defined once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from verydeep.commands.completion import ENGINES, one_of

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="Folder with a folder per class, table, archive, `drawn` or `drawn-digits`.",
    ),
]
Weights = Annotated[
    Path, typer.Argument(metavar="WEIGHTS", help="Weights file, folder of a run, or vgg16.")
]
Offline = Annotated[
    bool, typer.Option("--offline", help="Fetch no weights; as with VERYDEEP_OFFLINE=1.")
]
Seed = Annotated[int | None, typer.Option(help="Seed of all that is random. [default: 0]")]
SplitSeed = Annotated[
    int | None,
    typer.Option("--split-seed", "--seed", help="Seed of the split into parts. [default: 0]"),
]
Device = Annotated[str | None, typer.Option(help="cpu or cuda. [default: cuda if there is one]")]
Threads = Annotated[int | None, typer.Option(help="Threads. [default: all cores]")]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Write over a file that is there already.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but the answer.")]
Classifier = Annotated[
    Path | None,
    typer.Option(
        metavar="WEIGHTS",
        help="Of a net of boxes: what tells classes. [default: what it started from]",
    ),
]
Threshold = Annotated[
    float | None, typer.Option(help="Of boxes: merge up to this match score. [default: 0.6]")
]
Engine = Annotated[
    str | None,
    typer.Option(
        help="winograd, openvino, onnxruntime or torch. [default: on a CPU winograd, else torch]",
        autocompletion=one_of(ENGINES),
    ),
]

# --- how pictures are described

Also = Annotated[
    list[Path] | None, typer.Option("--also", help="Another network, stacked. May be repeated.")
]
Layer = Annotated[
    str | None,
    typer.Option(help="A row. [default: the last before the top]"),
]
Scales = Annotated[
    str | None,
    typer.Option(help="Q, smaller sides in pixels: 256, or 256,384,512. [default: the least S]"),
]
Stacked = Annotated[
    bool,
    typer.Option("--stacked", help="Put several Q one after another, not averaged."),
]
Task = Annotated[str, typer.Option(help="tag, to keep all labels of pictures that have several.")]
