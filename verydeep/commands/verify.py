"""`verydeep verify`: whether two pictures are of the same, and how well a network tells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from verydeep.commands.completion import PARTS, one_of
from verydeep.commands.options import (
    Device,
    Engine,
    Json,
    Layer,
    Offline,
    Overwrite,
    Quiet,
    Scales,
    Threads,
    Weights,
)
from verydeep.commands.working import working

if TYPE_CHECKING:
    from verydeep.verification.verified import Verified

FAR = 1e-3
"""The verb's own, which is not imported for help."""
FARTHEST = 4.0
"""Of two descriptors; it too is not imported for help."""
FEW = 20
"""Identities below which intervals are of little worth."""


def verify(
    weights: Weights,
    data: Annotated[
        list[str],
        typer.Argument(metavar="DATA", help="Folder with a folder per identity; or two pictures."),
    ],
    pairs: Annotated[
        Path | None, typer.Option(help="A list of pairs, as LFW's pairs.txt. [default: all pairs]")
    ] = None,
    far: Annotated[float, typer.Option(help="False accept rate that VAL is told at.")] = FAR,
    threshold: Annotated[
        float | None, typer.Option(help="Of two pictures: the squared distance of the same.")
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(
            help="train, validation, test or all. [default: what is fair to test on]",
            autocompletion=one_of(PARTS),
        ),
    ] = None,
    layer: Layer = None,
    scales: Scales = None,
    out: Annotated[
        Path | None, typer.Option(help="A table of pairs and distances to write, a .csv.")
    ] = None,
    overwrite: Overwrite = False,
    split_seed: Annotated[
        int | None,
        typer.Option(help="Seed of the split by identity. [default: that of the training]"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed by which pairs are drawn.")] = 0,
    device: Device = None,
    threads: Threads = None,
    engine: Engine = None,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Tell whether pictures are of the same identity, by the distance of their descriptors.

    verydeep verify runs/faces-D faces/

    verydeep verify runs/faces-D a.jpg b.jpg --threshold 1.1

    Of a folder: accuracy in folds, equal error rate, and the validation rate at a false accept
    rate. Any network will do; `verydeep train faces/ --task embed` trains one for it.
    """
    from verydeep.commands.console import Console
    from verydeep.errors import UserError
    from verydeep.files import refuse_taken
    from verydeep.weights import find

    if len(data) > 2:
        raise UserError(f"{len(data)} pictures; give two, or a folder with a folder per identity")
    if out is not None:
        refuse_taken(out, overwrite)
    of_folder = {"pairs": pairs, "part": part, "out": out, "split-seed": split_seed,
                 "far": None if far == FAR else far, "seed": seed or None}  # fmt: skip
    of_two = {"threshold": threshold}
    idle = [name for name, value in (of_folder if len(data) == 2 else of_two).items()
            if value is not None]  # fmt: skip
    if idle:
        what = "two pictures" if len(data) == 2 else "a folder of identities"
        raise UserError(f"--{idle[0]} is none for {what}; leave it out")
    if threshold is not None and not 0 <= threshold <= FARTHEST:
        raise UserError(
            f"--threshold {threshold:g}; squared distances of descriptors are from 0 to "
            f"{FARTHEST:g}: give one in between"
        )
    console = Console(quiet)
    console.say("verydeep verify: reading weights and names")
    find(weights, console, offline)  # here, before PyTorch, if it is not fetched yet
    from verydeep.verbs.verify import distance, verify

    with working(console, device, threads) as runtime:
        if len(data) == 2:
            apart = distance(
                weights, *data, layer=layer, scales=scales, runtime=runtime, engine=engine
            )
        else:
            found = verify(
                weights, data[0], runtime, pairs=pairs, far=far, layer=layer, scales=scales,
                part_name=part, split=split_seed, out=out, engine=engine, seed=seed,
            )  # fmt: skip
    if not runtime.ranks.is_main:
        return
    if len(data) == 2:
        print(_of_two(apart, threshold, json))
    else:
        print(told(found, json, out))


def _of_two(apart: float, threshold: float | None, json: bool) -> str:
    """What is told of two pictures."""
    from json import dumps

    same = None if threshold is None else apart < threshold
    if json:
        return dumps({"distance": apart, "same": same}, indent=1)
    if same is None:
        return (
            f"squared distance {apart:.4g}; `verydeep verify WEIGHTS DATA` says which --threshold "
            f"tells"
        )
    told_as = "the same" if same else "another"
    return f"{told_as}: squared distance {apart:.4g}, threshold {threshold:.4g}"


def told(found: Verified, json: bool, out: Path | None = None) -> str:
    """What a test came to, for the terminal or for programs."""
    from json import dumps

    if json:
        return dumps(found.as_data(), indent=1)
    lines = [answer(found), *([f"pairs: {out}"] if out else ())]
    return "\n".join(lines)


def answer(found: Verified) -> str:
    """The figures with how sure they are, and what they are of."""
    from verydeep.report.tables import percent, text_table
    from verydeep.verbs.parts import WORDS

    same, others = found.counts
    rows = [["verification", "%", "95 % interval"]]
    if (folds := found.accuracy) is not None:
        error = f"+- {100 * folds.error:.1f} standard error"
        rows.append([f"accuracy, {len(folds.folds)} folds", percent(100 * folds.mean), error])
    rows.append(["equal error rate", percent(100 * found.eer), _interval(found.intervals.eer)])
    untold = found.asked * others < 1
    val = ["-", "-"] if untold else [percent(100 * found.val), _interval(found.intervals.val)]
    rows.append([f"VAL at FAR {100 * found.asked:g} %", *val])
    notes = {
        f"of {others:,} pairs of two identities no FAR below {100 / others:.2g} % can be told":
            untold,
        "accuracy is of folds, and there are none: too few identities, or a list without":
            folds is None,
        f"intervals of {found.identities} identities are no more than a hint":
            found.identities < FEW,
    }  # fmt: skip
    return "\n".join(
        [
            text_table(rows),
            "",
            f"{found.pictures:,} pictures of {found.identities:,} identities, {found.part}"
            f"{WORDS[found.role]}",
            f"{same:,} pairs of one identity, {others:,} of two",
            *(note for note, holds in notes.items() if holds),
            f"described by {found.title}",
            f"the same below a squared distance of {found.tells:.4g}: --threshold of two pictures",
            *([f"left out, unreadable: {len(found.left_out)}"] if found.left_out else ()),
        ]
    )


def _interval(ends: tuple[float, float]) -> str:
    return " to ".join(f"{100 * end:.1f}" for end in ends)
