"""What `verydeep train` prints of a run that is finished, or of several stages."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import Any

from verydeep.commands.compare import cells
from verydeep.commands.evaluate_boxes import data_of
from verydeep.commands.evaluate_several import blindly
from verydeep.evaluation.chance import Blind
from verydeep.go import positions
from verydeep.localisation.figures import figures
from verydeep.report.page import write_page
from verydeep.report.tables import percent, text_table
from verydeep.shell import called, command
from verydeep.tasks.localise import ANY
from verydeep.training.duration import MANY
from verydeep.verbs.compare import as_data
from verydeep.verbs.papers_nets import trained_as
from verydeep.verbs.run import Run
from verydeep.verbs.stages import Stage
from verydeep.weights.file import read_info

FETCHED = "553 MB"
"""Of the authors' D."""
CHOSE = "the validation part chose the weights, so that it flatters"


def answer(run: Run, json: bool) -> str:
    """Writes the page of a run; what is printed of it."""
    page = write_page(run)
    return as_json(run, page) if json else in_words(run, page)


def in_words(run: Run, page: Path) -> str:
    """What a run came to, for the terminal."""
    about = as_data([run.tests[-1].scores]) if run.tests else None
    came_to = figures(run.located[-1].found) if run.located else None
    warning = came_to.no_better if came_to else about and about.get("no_better")
    use = f"use it   {_use(run)}"
    chose = CHOSE if "test" in _roles(run) else f"{CHOSE}; there is no test part"
    return "\n".join(
        [
            text_table(_table(run)),
            *([_blindly(about)] if about else ()),
            *([str(came_to.blind)] if came_to else ()),
            chose,
            "",
            f"weights  {run.folder}/best.safetensors (epoch {run.best.epoch})",
            f"page     {page}",
            f"again    {run.command.replace('verydeep', called(), 1)}",
            f"warning  {warning}" if warning else use,
            *(_from_trained(run) if _could_be_tuned(run) else ()),
        ]
    )


def _use(run: Run) -> str:
    """The command that uses a net: what it is asked, and of what."""
    table = run.network.table
    if table.is_embedding:
        return command("verify", run.folder, "PICTURE", "PICTURE")
    if table.reads_boards:
        return command("evaluate", run.folder, "GAMES", "--protocol", "centre")
    return command("predict", run.folder, "PICTURE", *_asked(run))


def _asked(run: Run) -> list[str]:
    """What else is said to use a net: what tells classes apart, where it does not know."""
    places = run.network.table.places
    if places is None or places.kind != "boxes" or run.network.classes == (ANY,):
        return []
    knows = any(not located.found.is_given_class for located in run.located)
    return [] if knows else ["--classifier", "WEIGHTS"]


def _table(run: Run) -> list[list[str]]:
    """The errors of every test; of a task without any, the figures of parts set aside."""
    if run.located:
        return _errors_of_boxes(run)
    return _errors(run) if run.tests else _figures(run)


def _blindly(about: dict[str, Any]) -> str:
    """What is to be expected of an answer that looks at no picture."""
    return str(Blind(**about["blind"])) if "blind" in about else blindly(about)


def _could_be_tuned(run: Run) -> bool:
    """Whether weights trained on ILSVRC might do better: not many pictures, and none are drawn."""
    few = len(run.dataset.train) < MANY and run.dataset.kind not in ("drawn", positions.KIND)
    return few and run.settings.start is None and run.settings.task == "classify"


def _from_trained(run: Run) -> tuple[str, str]:
    """What to do with weights that are trained already."""
    where = run.dataset.where
    tuning = command("train", where, "--from", "vgg16")
    fetched = f"photographs: by features of a net trained on ILSVRC, {FETCHED} to fetch"
    return (
        f"or else  {command('transfer', where)}   {fetched}",
        f"         {tuning}   that net tuned, which takes longer",
    )


def _roles(run: Run) -> set[str]:
    """What the parts are for that were set aside."""
    found = {tested.scores.role for tested in run.tests} | run.judged.keys()
    return found | {located.found.role for located in run.located}


def _errors(run: Run) -> list[list[str]]:
    """The errors of every test, or of several labels a picture its mAP."""
    rows = [["in %", "top-1", "95 % interval", "top-5"]]
    if run.tests[-1].scores.has_several:
        rows = [["in %", "mAP", "95 % interval"]]
        for tested in run.tests:
            found, interval, *_ = cells(as_data([tested.scores]))
            rows.append([f"{tested.scores.role}, {tested.scores.protocol}", found, interval])
        return rows
    for tested in run.tests:
        top1, interval, top5, _ = cells(as_data([tested.scores]))
        rows.append([f"{tested.scores.role} error, {tested.scores.protocol}", top1, interval, top5])
    if len(run.network.classes) <= 5:  # 0 by definition
        rows = [row[:3] for row in rows]
    return rows


def _errors_of_boxes(run: Run) -> list[list[str]]:
    """The errors of every test of boxes, and what of them is the class alone."""
    rows = [["localisation error, %", "top-1", "95 % interval", "of the class", "top-5"]]
    for located in run.located:
        found, came_to = located.found, figures(located.found)
        low, high = came_to.interval1
        of_class = "given" if found.is_given_class else percent(came_to.named1)
        errors = [percent(came_to.top1), f"{low:.1f} to {high:.1f}", of_class]
        rows.append([f"{found.role}, {found.protocol.name}", *errors, percent(came_to.top5)])
    if len(run.dataset.classes) <= 5:  # of the class, 0 by definition
        rows = [row[:4] for row in rows]
    return rows


def _figures(run: Run) -> list[list[str]]:
    """The figures of a task that is tested by none of the protocols."""
    figures = run.task.figures
    return [
        [run.task.judged_by, *(figure.heading for figure in figures)],
        *(
            [role, *(figure.number(judged.figures[figure.name]) for figure in figures)]
            for role, judged in run.judged.items()
        ),
    ]


def as_json(run: Run, page: Path) -> str:
    """The same for programs."""
    about = {
        "folder": str(run.folder),
        "page": str(page),
        "best_epoch": run.best.epoch,
        "command": run.command,
        "tests": [{"protocol": str(t.scores.protocol), **as_data([t.scores])} for t in run.tests],
    }
    if run.located:
        about["tests"] = [data_of(located) for located in run.located]
    if not run.tests:
        about["figures"] = {role: dict(judged.figures) for role, judged in run.judged.items()}
    return dumps(about, indent=1)


def staged_answer(stages: list[Stage], json: bool) -> str:
    """Each stage's errors, and the paper's beside them where the stage is that very training."""
    rows = []
    found, warnings = [], []
    for stage in stages:
        dense = max(
            (s for s in stage.tests if s.protocol.name == "dense"), key=lambda s: s.role == "test"
        )
        about, name = as_data([dense]), stage.recipe.name
        known = trained_as(read_info(stage.folder)) is not None
        single = [p for p in stage.recipe.published if known and p.table == "Table 3"]
        paper = f"{single[0].top1:.1f} (Q = {single[0].scales[0]})" if single else "-"
        ours = percent(about["map"] if dense.has_several else about["top1"])
        rows.append([f"{name}  {dense.role}, {dense.protocol}", ours, paper])
        if about.get("no_better"):
            warnings.append(f"warning: {name} is {about['no_better']}")
        where = {"recipe": name, "folder": str(stage.folder), "protocol": str(dense.protocol)}
        found.append({**where, **about, "paper_top1": single[0].top1 if single else None})
    if json:
        return dumps(found, indent=1)
    pages = [f"  {stage.folder}/report.html" for stage in stages]
    head = ["mAP, %" if dense.has_several else "top-1 error, %", "ours", "paper"]
    lines = [text_table([head, *rows]), _blindly(about), *warnings]
    return "\n".join([*lines, "", "pages:", *pages])
