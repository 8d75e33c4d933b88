"""What `verydeep train` can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from verydeep.commands.completion import NETS, TASKS, TUNED, one_of

Data = Annotated[
    str | None,
    typer.Argument(
        metavar="DATA", help="Folder with a folder per class, table, archive or `drawn`."
    ),
]
Out = Annotated[Path | None, typer.Option(help="New folder for the run. [default: runs/NAME]")]
Resume = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Go on with this run; DATA if it was moved."),
]
Recipe = Annotated[
    str | None,
    typer.Option(metavar="NAME|FILE", help="Settings of a recipe, or of a TOML file."),
]
Task = Annotated[
    str | None,
    typer.Option(
        help="tag: several labels a picture; localise, localise-single, objects, points: where "
        "things are; embed: who is alike. [default: classify]",
        autocompletion=one_of(TASKS),
    ),
]
Net = Annotated[
    str | None,
    typer.Option(
        help="A, A-LRN, B, B-shallow, C, D or E; A-BN with norms; ResNet-18 and so on.",
        autocompletion=one_of(NETS),
    ),
]
Start = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="WEIGHTS", help="Start from a run, a file or a name, such as vgg16."
    ),
]
Tune = Annotated[
    str | None,
    typer.Option(
        help="What of --from to train: the last layer, fc, or all.",
        metavar="WHAT",
        autocompletion=one_of(TUNED),
    ),
]
Cached = Annotated[
    bool,
    typer.Option("--cached", help="With --tune fc: run the convolutions once, on fixed views."),
]
Width = Annotated[float | None, typer.Option(help="Share of the paper's channels.")]
Crop = Annotated[int | None, typer.Option(help="Side of the training crop, in pixels.")]
Fc = Annotated[int | None, typer.Option(help="Channels of the hidden FC layers; 0 for none.")]
Scale = Annotated[
    str | None,
    typer.Option(help="S, the smaller side before cropping: 256, or jittered: 256-512."),
]
Batch = Annotated[int | None, typer.Option(help="Pictures a step, over all processes together.")]
Epochs = Annotated[int | None, typer.Option(help="Most epochs.")]
Rate = Annotated[float | None, typer.Option(help="Learning rate to begin with.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any other setting, such as dropout=0.3."),
]
SaveEvery = Annotated[
    int | None, typer.Option(help="Steps between checkpoints. [default: about a minute]")
]
Deterministic = Annotated[
    bool, typer.Option("--deterministic", help="The same bits on 1, 2, 4, 8 ... processes.")
]
HalfGradients = Annotated[
    bool, typer.Option("--half-gradients", help="Send gradients between processes as bf16.")
]
SplitSeed = Annotated[
    int | None, typer.Option(help="Seed of the split of DATA into parts. [default: 0]")
]
