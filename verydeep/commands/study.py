"""`verydeep study`: the paper's findings, tested again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from verydeep.commands.completion import SIZES, STUDIES, one_of
from verydeep.commands.options import Data, Device, Json, Quiet, Threads

if TYPE_CHECKING:
    from verydeep.runtime.runtime import Runtime
    from verydeep.verbs.study import Judged, Studied
    from verydeep.verbs.study_plan import Planned


TRANSFER = "transfer"
WIDTH = 80
"""Of a terminal, in which long words are wrapped."""


def study(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="depth, scales, protocols, fusion, localisation, initialisation, some of them "
            "(depth,scales), or all; transfer; or of other papers degradation, neighbours, labels.",
            autocompletion=one_of(STUDIES),
        ),
    ],
    data: Data,
    scale: Annotated[
        str,
        typer.Option(
            help="How large: tiny (minutes), small, medium (a GPU), or full, the paper's own.",
            autocompletion=one_of(SIZES),
        ),
    ] = "tiny",
    seeds: Annotated[
        int | None,
        typer.Option(help="Trainings of each net, from seed 0 on; or folds. [default: 3; 5 folds]"),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="WEIGHTS",
            help="vgg16, a file or a run. Of transfer: whose features, once or twice; of "
            "localisation: whose convolutions nets begin with.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A setting of all trainings: crop=64, epochs=4; rate=0.02,0.005 tries two.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder, new or of this study. [default: runs/study-DATA-SCALE]"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    split_seed: Annotated[
        int, typer.Option("--split-seed", help="Seed of the split into parts.")
    ] = 0,
    device: Device = None,
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Test the paper's findings again on your own pictures.

    verydeep study depth drawn

    verydeep study all photos/ --scale small --dry-run

    Every net is trained with several seeds, alike: as many epochs, and a rate chosen in the same
    way. Each finding is then seen, not seen or undecided, with an interval over pictures and seeds
    and the paper's own figures beside it. What is done is kept: the same command goes on, and so
    does another process that is started beside it.
    """
    from verydeep.commands.console import Console
    from verydeep.commands.train import parsed
    from verydeep.errors import UserError
    from verydeep.runtime.machine import Machine
    from verydeep.runtime.runtime import Runtime
    from verydeep.verbs import study as verb
    from verydeep.verbs.study_plan import planned

    console = Console(quiet)
    console.say("verydeep study: looking at the data")
    runtime = Runtime(Machine.this(device, threads), progress=console)
    asked: dict[str, Any] = {"size": scale, "split": split_seed}
    asked |= {} if seeds is None else {"seeds": seeds}
    if name == TRANSFER:
        from verydeep.commands import study_transfer

        if set_:
            raise UserError("the study transfer trains no nets; leave --set out")
        print(study_transfer.said(weights or [], data, out, runtime, asked, dry_run, json))
        return
    if len(weights or []) > 1:
        raise UserError(f"--from {' --from '.join(weights or [])}; nets begin with one of them")
    asked |= {"start": weights[0] if weights else None, **parsed(set_ or [])}
    if dry_run:
        to_do = planned(name, data, out, runtime, **asked)
        for note in to_do.dataset.notes:
            console.say(note)
        print(dry(to_do, runtime, json))
        return
    found = verb.study(name, data, out, runtime, **asked)
    print(answer(found, json))


def dry(planned: Planned, runtime: Runtime, json: bool) -> str:
    """What would be done, how long it takes, and how much of the disk."""
    from json import dumps

    from verydeep.report.tables import short, text_table

    takes, left = planned.estimates(runtime), planned.left
    on_cpu = runtime.machine.device == "cpu"
    minutes = sum(takes[name].seconds for name in left) / 60
    room = sum(takes[name].bytes for name in left)
    passing = max((takes[name].passing for name in left), default=0)
    if json:
        unknown = {} if on_cpu else {"seconds": None}
        steps = [{"name": name, **takes[name]._asdict(), **unknown} for name in left]
        return dumps({"folder": str(planned.work.folder), "steps": steps}, indent=1)
    rows = [["", "minutes", "disk"]]
    for name in left:
        time = f"{takes[name].seconds / 60:.1f}" if on_cpu else "-"
        rows.append([name, time, f"{short(takes[name].bytes)}B"])
    about = f"about {minutes:.0f} minutes on {runtime.machine}" if on_cpu else "time not reckoned"
    done = len(takes) - len(left)
    in_folds = f"; {len(planned.seeds)} folds" if planned.is_in_folds else ""
    where = f"{short(room)}B in {planned.work.folder}/"
    where += f" and up to {short(passing)}B more until a step is done" if passing else ""
    return "\n".join(
        [
            f"{planned.size}{in_folds}",
            text_table(rows),
            f"{len(left)} steps ({done} are done): {about}, {where}",
        ]
    )


def answer(found: Studied, json: bool) -> str:
    """Writes the page and the Markdown of a study; what is printed of it."""
    from textwrap import wrap

    from verydeep.report.study_costs import HEAD, costs_of, write_costs
    from verydeep.report.study_markdown import write_markdown
    from verydeep.report.study_page import write_study_page
    from verydeep.report.study_rows import (
        claim_in_short,
        how_it_was_judged,
        in_short,
        notes_of,
        rows_of,
    )
    from verydeep.report.tables import text_table

    page, text, costs = write_study_page(found), write_markdown(found), write_costs(found)
    if json:
        return as_json(found, page)
    lines = []
    for table in found.planned.tables:
        rows = [[f"{table.name}, {table.figure}, %", "", "paper", "ours"]]
        rows += [[row.net, row.how, row.paper, row.ours] for row in rows_of(table, found)]
        lines += [text_table(rows, left=2), *notes_of(table, found), ""]
    lines += [text_table([HEAD, *(each.cells for each in costs_of(found))]), ""]
    for judged in found.judged:
        lines += [in_short(judged), *(f"   {claim_in_short(v)}" for v in judged.verdicts)]
    lines += ["", *wrap(how_it_was_judged(found), WIDTH), ""]
    if found.besides:
        asked, first = ",".join(found.planned.names), found.besides[0]
        lines.append(
            f"This is of {asked} alone; {found.folder} has {len(found.besides)} other net(s), such "
            f"as {first}: name all studies to see them together"
        )
    lines.append(f"page   {page}")
    return "\n".join([*lines, f"text   {text}", f"costs  {costs}"])


def as_json(found: Studied, page: Path) -> str:
    """The same for programs."""
    from json import dumps

    places = [
        {
            "table": table,
            "row": row,
            "column": column,
            "paper": filled.cell.published,
            "top1": filled.errors(1),
            "top5": filled.errors(5),
        }
        for (table, row, column), filled in found.filled.items()
    ]
    findings = findings_for_programs(found.judged)
    about = {"folder": str(found.folder), "page": str(page)}
    return dumps({**about, "tables": places, "findings": findings}, indent=1)


def findings_for_programs(judgements: Iterable[Judged]) -> list[dict[str, Any]]:
    """What was found, as plain data."""
    return [
        {
            "finding": judged.finding.key,
            "words": judged.finding.words,
            "found": judged.outcome,
            "claims": [
                {
                    "claim": verdict.evidence.claim.name,
                    "found": verdict.outcome,
                    "difference": verdict.evidence.difference.mean,
                    "interval": verdict.interval,
                    "p": verdict.p,
                    "papers_effect": verdict.effect,
                    "pictures_needed": verdict.pictures,
                    "seeds_needed": verdict.seeds,
                }
                for verdict in judged.verdicts
            ],
        }
        for judged in judgements
    ]
