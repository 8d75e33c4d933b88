"""`verydeep evaluate`: a weights file tested on labelled pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from verydeep.commands.completion import PARTS, PROTOCOLS, one_of
from verydeep.commands.options import (
    Classifier,
    Data,
    Device,
    Engine,
    Json,
    Offline,
    Overwrite,
    Quiet,
    Threads,
    Threshold,
    Weights,
)
from verydeep.commands.working import working

if TYPE_CHECKING:
    from verydeep.evaluation.scores import Scores

CLASSES = 30
"""Classes up to which each has its line."""


def evaluate(
    weights: Weights,
    data: Data,
    protocol: Annotated[
        str,
        typer.Option(
            help="dense (whole pictures), crops (50 each), both, centre, ten; or alexnet, "
            "googlenet, overfeat, resnet: as those papers test.",
            autocompletion=one_of(PROTOCOLS),
        ),
    ] = "dense",
    scales: Annotated[
        str | None,
        typer.Option(help="Q, smaller sides in pixels: 256, or 224,256,288, or paper."),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(
            help="train, validation, test or all. [default: what is fair to test on]",
            autocompletion=one_of(PARTS),
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Score file. [default: in scores/ beside the weights]")
    ] = None,
    overwrite: Overwrite = False,
    precision: Annotated[
        str, typer.Option(help="float32, or bf16: faster on a GPU, a little less exact.")
    ] = "float32",
    engine: Engine = None,
    pooling: Annotated[
        str, typer.Option(help="down, centred in the picture, or up, as Caffe's pools round.")
    ] = "down",
    classifier: Classifier = None,
    candidates: Annotated[
        Path | None,
        typer.Option(metavar="SCORES", help="Of boxes: a score file whose five classes are taken."),
    ] = None,
    threshold: Threshold = None,
    choose: Annotated[
        bool, typer.Option("--choose", help="Of boxes: choose that on the validation part.")
    ] = False,
    split_seed: Annotated[
        int | None,
        typer.Option(
            "--split-seed",
            "--seed",
            help="Seed of the split into parts. [default: that of the training]",
        ),
    ] = None,
    device: Device = None,
    threads: Threads = None,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Test a network on labelled pictures: errors, per class, confusion, and a score file.

    Of a net of several labels a picture (--task tag): average precision, and its mean (mAP). Of a
    net of boxes (--task localise): errors of class and place, by dense or centre. Of a net of
    embeddings (--task embed): what `verydeep verify` tells.

    verydeep evaluate runs/photos-A photos/

    verydeep evaluate runs/photos-D photos/ --protocol both --scales paper

    verydeep evaluate runs/photos-boxes photos/ --protocol centre
    """
    from verydeep.commands.console import Console
    from verydeep.errors import UserError
    from verydeep.files import refuse_taken

    if precision not in ("float32", "bf16"):
        raise UserError(f"no precision '{precision}'; there are float32 and bf16")
    if out is not None:
        refuse_taken(out, overwrite)
    console = Console(quiet)
    console.say("verydeep evaluate: reading weights and names")
    from verydeep.weights import find

    path = find(weights, console, offline)  # here, before PyTorch, if it is not fetched yet
    of_boxes: dict[str, Any] = {
        "classifier": classifier,
        "candidates": candidates,
        "threshold": threshold,
    }
    from verydeep.verbs import evaluate, verify
    from verydeep.verbs.localise import finds_places, localise
    from verydeep.verbs.verify import is_embedding

    asked: dict[str, Any] = {
        "scales": scales, "part_name": part, "split": split_seed, "out": out, "engine": engine,
    }  # fmt: skip
    if is_embedding(path):
        others = {"precision": precision != "float32", "pooling": pooling != "down",
                  "protocol": protocol != "dense", "choose": choose}  # fmt: skip
        _refuse_of_embedding(weights, {**of_boxes, **{n: v or None for n, v in others.items()}})
        with working(console, device, threads) as runtime:
            found = verify.verify(weights, data, runtime, **asked)
        if runtime.ranks.is_main:
            from verydeep.commands.verify import told

            print(told(found, json, out))
        return
    places_boxes = finds_places(path)
    _refuse_of_another(weights, places_boxes, {**of_boxes, "choose": choose or None}, {
        "precision": None if precision == "float32" else precision,
        "pooling": None if pooling == "down" else pooling,
    })  # fmt: skip
    with working(console, device, threads) as runtime:
        if places_boxes:
            located = localise(weights, data, protocol, runtime, choose=choose, **of_boxes, **asked)
        else:
            tested = evaluate.evaluate(
                weights, data, protocol, runtime, precision=precision, pooling=pooling, **asked
            )
    if not runtime.ranks.is_main:
        return
    from json import dumps

    if places_boxes:
        from verydeep.commands import evaluate_boxes as boxes

        print(dumps(boxes.data_of(located), indent=1) if json else boxes.answer(located))
        return
    several = tested.scores.has_several
    if json:
        from verydeep.commands import evaluate_several

        print(dumps(evaluate_several.data_of(tested) if several else _as_data(tested), indent=1))
    else:
        print(answer(tested))


def _refuse_of_another(
    weights: Path, places_boxes: bool, of_boxes: dict[str, Any], others: dict[str, Any]
) -> None:
    """Raises UserError for options that are none for such a net."""
    from verydeep.errors import UserError

    options = others if places_boxes else of_boxes
    said = [name for name, value in options.items() if value is not None]
    if said:
        what = "places boxes" if places_boxes else "places no boxes"
        raise UserError(f"{weights} {what}; leave --{said[0]} out")


def _refuse_of_embedding(weights: Path, options: dict[str, Any]) -> None:
    """Raises UserError for options that are none for a net of embeddings."""
    from verydeep.errors import UserError

    said = [name for name, value in options.items() if value is not None]
    if said:
        raise UserError(f"{weights} tells pictures by numbers; leave --{said[0]} out")


def answer(tested: Any) -> str:
    """What testing gave, for the terminal."""
    from verydeep.commands.compare import cells
    from verydeep.evaluation.chance import blind
    from verydeep.verbs.compare import as_data
    from verydeep.verbs.parts import WORDS

    scores = tested.scores
    if scores.has_several:
        from verydeep.commands import evaluate_several

        return evaluate_several.answer(tested)
    about = as_data([scores])
    top1, interval, top5, paper = cells(about)
    beside = "" if paper == "-" else f"; the paper: {paper}"
    five = "0 by definition" if top5 == "-" else f"{top5} %"
    lines = [
        _by_class(scores),
        "",
        f"{len(scores.labels):,} pictures, {scores.part}{WORDS[scores.role]}; {scores.title}",
        f"top-1 error {top1} % (95 % interval {interval}), top-5 error {five}{beside}",
        str(blind(scores.labels, scores.classes)),
        f"posteriors: {tested.path}",
    ]
    warnings = (about["no_better"], *tested.doubts)
    lines[-1:-1] = [f"warning: {warning}" for warning in warnings if warning]
    if scores.left_out:
        lines.insert(3, f"left out, unreadable: {len(scores.left_out)}")
    return "\n".join(lines)


def _by_class(scores: Scores) -> str:
    """A line for each class, or for those with the most errors where there are many."""
    from verydeep.evaluation.metrics import class_errors, mistakes
    from verydeep.report.tables import percent, text_table

    errors = class_errors(scores.posteriors, scores.labels)
    commonest: dict[int, str] = {}
    for count, own, other in mistakes(scores.posteriors, scores.labels):
        commonest.setdefault(own, f"{scores.classes[other]} ({count})")
    rows = [["class", "pictures", "top-1 error %", "most often taken for"]]
    shown = list(range(len(errors)))
    if len(errors) > CLASSES:
        shown = sorted(shown, key=lambda i: -(errors[i] or 0))[:CLASSES]
    for i in shown:
        pictures = f"{(scores.labels == i).sum():,}"
        rows.append([scores.classes[i], pictures, percent(errors[i]), commonest.get(i, "")])
    more = f"\n(the worst {CLASSES} of {len(errors):,} classes; --json has all)"
    return text_table(rows) + (more if len(errors) > CLASSES else "")


def _as_data(tested: Any) -> dict[str, Any]:
    from dataclasses import asdict

    from verydeep.evaluation.metrics import class_errors, confusion
    from verydeep.verbs.compare import as_data

    scores = tested.scores
    few = len(scores.classes) <= CLASSES  # a million cells of 1,000 are of no use to anybody
    return {
        **as_data([scores]),
        "protocol": {**asdict(scores.protocol), "text": str(scores.protocol)},
        "left_out": list(scores.left_out),
        "doubts": list(tested.doubts),
        "classes": list(scores.classes),
        "class_errors": class_errors(scores.posteriors, scores.labels),
        **({"confusion": confusion(scores.posteriors, scores.labels).tolist()} if few else {}),
        "engine": scores.engine,
        "precision": scores.precision,
        "pooling": scores.pooling,
        "scores": str(tested.path),
    }
