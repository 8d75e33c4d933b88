"""What a study came to, as rows of words: for a terminal, for Markdown and for its page."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from verydeep.evaluation.comparison import points
from verydeep.evaluation.published_nets import in_print
from verydeep.report.tables import percent
from verydeep.studies.tables import Cell, Table
from verydeep.studies.verdicts import Verdict
from verydeep.verbs.study import Judged, Studied

VERDICT_HEAD = ("claim", "found", "better by, points", "interval", "p", "paper's would be")


def head_of(found: Studied) -> tuple[str, ...]:
    """What stands over the rows of a table."""
    return ("net", "", "paper", "ours", f"each {turn(found)}")


def turn(found: Studied) -> str:
    """What a study repeats itself by."""
    return "fold" if found.planned.is_in_folds else "seed"


class Row(NamedTuple):
    """A place of a table: what the paper printed, and ours as a mean with its deviation."""

    net: str
    how: str
    paper: str
    ours: str
    seeds: tuple[str, ...]


def rows_of(table: Table, found: Studied) -> list[Row]:
    """The places of a table, its errors in %."""
    return [_row(cell, table, found) for cell in table.cells]


def _row(cell: Cell, table: Table, found: Studied) -> Row:
    printed, errors = table.printed(cell), found.filled[table.name, cell.row, cell.column].errors()
    paper = in_print(printed)
    seeds = tuple(
        f"{percent(error)}{_failed(cell, seed, found)}"
        for seed, error in zip(found.planned.seeds, errors, strict=True)
    )
    return Row(cell.row, cell.column, paper, spread(errors), seeds)


def runs_of(cell: Cell, seed: int) -> list[str]:
    """The runs that stand in a place with that seed, each once."""
    return [*dict.fromkeys(f"{source.training}-{seed}" for source in cell.sources)]


def _failures(cell: Cell, seed: int, found: Studied) -> dict[str, str]:
    """Those of them that failed, and why."""
    whys = {run: found.planned.work.failure(run) for run in runs_of(cell, seed)}
    return {run: why for run, why in whys.items() if why}


def _failed(cell: Cell, seed: int, found: Studied) -> str:
    failed, runs = _failures(cell, seed, found), runs_of(cell, seed)
    if not failed:
        return ""
    return " (failed)" if len(runs) == 1 else f" ({len(failed)} of {len(runs)} failed)"


def notes_of(table: Table, found: Studied) -> list[str]:
    """What is to be known of a table, a line each; which trainings failed, and why, among it."""
    notes = [table.note] if table.note else []
    chance = [
        f"{cell.row}, {cell.column}"
        for cell in table.cells
        if found.filled[table.name, cell.row, cell.column].is_at_chance
    ]
    if chance:
        notes.append(
            f"At chance, not better than an answer that always names the largest class, so that no "
            f"claim is judged by it: {'; '.join(chance)}."
        )
    for cell in table.cells:
        for seed in found.planned.seeds:
            for run, why in _failures(cell, seed, found).items():
                one = f", {run} of several" if len(runs_of(cell, seed)) > 1 else ""
                notes.append(
                    f"{cell.row}, {cell.column}, {turn(found)} {seed}{one} failed, and counts as "
                    f"an answer that looks at no picture: {why}."
                )
    return notes


def spread(errors: Sequence[float]) -> str:
    """A mean with the deviation of one from another."""
    return f"{percent(statistics.mean(errors))} ± {percent(statistics.stdev(errors))}"


def cells_of(verdict: Verdict) -> tuple[str, ...]:
    """A verdict, under VERDICT_HEAD."""
    low, high = map(points, verdict.interval)
    p = "< 0.001" if verdict.p < 0.001 else f"{verdict.p:.3f}"
    claim = verdict.evidence.claim
    expected = points(verdict.effect) if claim.errors else "-"
    difference = points(verdict.evidence.difference.mean)
    return claim.name, verdict.outcome, difference, f"{low} to {high}", p, expected


def claim_in_short(verdict: Verdict) -> str:
    """A claim, what was found of it, and by how many points the first is better."""
    name, outcome, difference, interval, *_ = cells_of(verdict)
    return f"{name}: {outcome}, {difference} points ({interval})"


def in_short(judged: Judged) -> str:
    """A finding with what was found of it, in a line."""
    return f"{judged.finding.key} {judged.outcome}: {judged.finding.words}"


def how_it_was_judged(found: Studied) -> str:
    """What stands behind intervals and p, in words."""
    count = sum(len(judged.verdicts) for judged in found.judged)
    together = f", corrected for all {count} claims together (Holm)" if count > 1 else ""
    each, turns = turn(found), len(found.planned.seeds)
    sizes = [[len(test.names) for test in filled.tests] for filled in found.filled.values()]
    if found.planned.is_in_folds:
        counts, how = sorted({sum(tests) for tests in sizes}), ", each tested once by nets that "
        how += "learnt from other folds"
    else:
        counts, how = sorted({tests[0] for tests in sizes}), " that chose nothing"
    pictures = " or ".join(f"{each:,}" for each in counts)
    return (
        f"Errors on {pictures} pictures{how}, mean and deviation over {turns} {each}s. Intervals "
        f"(95 %) and p are of other pictures and other {each}s both{together}. The paper's effect "
        f"is taken as a share of our error. Undecided is what the interval leaves open."
    )
