"""Verdicts on all claims of a study: seen, not seen or undecided, and what would decide it.

In go claims with what was measured of each; their p and intervals are corrected for all together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from verydeep.evaluation.comparison import points
from verydeep.evaluation.metrics import Interval
from verydeep.studies.claims import WORTH, Claim, Outcome
from verydeep.studies.correction import holm
from verydeep.studies.pooling import (
    WHOLE,
    Difference,
    difference_of_errors,
    difference_of_figures,
    difference_of_folds,
)

MOST_PICTURES, MOST_SEEDS = 10**7, 1000
"""Numbers beyond which nobody is told to go."""


@dataclass(frozen=True)
class Evidence:
    """A claim, by how many points our first was better, and the error of our second in %.

    `at_chance` names what of the two has learnt nothing that shows, so that nothing can be told.
    """

    claim: Claim
    difference: Difference
    error: float
    at_chance: tuple[str, ...] = ()


def evidence_of_errors(
    claim: Claim, first: Bool[np.ndarray, "R N"], second: Bool[np.ndarray, "S N"]
) -> Evidence:
    """A claim beside the pictures that each way has missed, a row for each seed.

    Raises UserError as `difference_of_errors` does.
    """
    found = difference_of_errors(second, first)
    return Evidence(claim, found, WHOLE * float(second.mean()))


def evidence_of_folds(
    claim: Claim, first: Sequence[Bool[np.ndarray, " _"]], second: Sequence[Bool[np.ndarray, " _"]]
) -> Evidence:
    """A claim beside the pictures that each way has missed, one fold after another.

    Raises UserError as `difference_of_folds` does.
    """
    found = difference_of_folds(second, first)
    return Evidence(claim, found, WHOLE * float(np.concatenate(second).mean()))


def evidence_of_figures(
    claim: Claim, first: Float[np.ndarray, " R"], second: Float[np.ndarray, " S"]
) -> Evidence:
    """A claim beside figures in % of which more is better, one of each way for each seed.

    What the second lacks of 100 counts as its error. Raises UserError as `difference_of_figures`.
    """
    found = difference_of_figures(first, second)
    return Evidence(claim, found, WHOLE - float(second.mean()))


@dataclass(frozen=True)
class Verdict:
    """What was found of a claim, by an interval of this level, and p, corrected for all claims.

    `pictures` with the same seeds, or `seeds` with the same pictures, would decide what is not
    decided, were the difference what was measured and varied as it did: the least number, or None
    where none up to MOST_PICTURES or MOST_SEEDS would.
    """

    evidence: Evidence
    outcome: Outcome
    p: float
    level: float
    pictures: int | None = None
    seeds: int | None = None

    @property
    def interval(self) -> Interval:
        """By how many points the first is better."""
        return self.evidence.difference.interval(self.level)

    @property
    def effect(self) -> float:
        """The points by which the first should be better, by the paper's effect."""
        return self.evidence.claim.effect(self.evidence.error)

    @property
    def worth(self) -> float:
        """The points below which a difference is not worth the name."""
        return WORTH * self.evidence.error

    @property
    def reason(self) -> str:
        """Why it was found so, in words, and what would decide it where nothing did."""
        if self.evidence.at_chance:
            return f"at chance: {' and '.join(self.evidence.at_chance)}"
        why = (_of_better if self.evidence.claim.kind == "better" else _of_alike)(self)
        return f"{why}; {_needed(self)}" if self.outcome == "undecided" else why

    def __str__(self) -> str:
        claim, difference = self.evidence.claim, self.evidence.difference
        low, high = map(points, self.interval)
        said = [f"{difference.seeds} {turns(difference)}"]
        if difference.pictures is not None:
            said.append(f"{difference.pictures:,} pictures")
        parts = [f"{points(difference.mean)} points ({low} to {high}), {', '.join(said)}"]
        if claim.errors:
            first, second = claim.errors
            of = f"the paper's {points(second - first)} of {points(second)}"
            parts.append(f"{of} would be {points(self.effect)} here")
        return f"{claim.name}: {self.outcome}: {'; '.join([*parts, self.reason])}"


def verdicts(evidence: Sequence[Evidence]) -> tuple[Verdict, ...]:
    """The verdict on each claim of a study, corrected for all of its tests together (Holm)."""
    corrected = holm([each.difference.p for each in evidence])
    return tuple(
        _verdict(each, own.p, own.level) for each, own in zip(evidence, corrected, strict=True)
    )


def _verdict(evidence: Evidence, p: float, level: float) -> Verdict:
    claim, difference, error = evidence.claim, evidence.difference, evidence.error

    def decided(other: Difference) -> bool:
        return claim.outcome(other.interval(level), error) != "undecided"

    if evidence.at_chance:
        return Verdict(evidence, "undecided", p, level)
    found = claim.outcome(difference.interval(level), error)
    if found != "undecided":
        return Verdict(evidence, found, p, level)
    pictures = difference.pictures and _least(
        lambda count: decided(difference.at(pictures=count)), difference.pictures, MOST_PICTURES
    )
    most = min(MOST_SEEDS, (difference.pictures or 0) // 2) if difference.nested else MOST_SEEDS
    seeds = _least(lambda count: decided(difference.at(seeds=count)), difference.seeds, most)
    return Verdict(evidence, found, p, level, pictures, seeds)


def _least(decides: Callable[[int], bool], short: int, most: int) -> int | None:
    """The least number above one that falls short; None where the most of them does too."""
    if most <= short or not decides(most):
        return None
    while most - short > 1:
        middle = (short + most) // 2
        short, most = (short, middle) if decides(middle) else (middle, most)
    return most


# --- in words


def turns(difference: Difference) -> str:
    """What it is over beside pictures."""
    return "folds" if difference.nested else "seeds"


def _of_better(verdict: Verdict) -> str:
    low, high = verdict.interval
    match verdict.outcome:
        case "seen" if low > verdict.effect:
            return "better, by more than that"
        case "seen" if high < verdict.effect:
            return "better, by less than that"
        case "seen":
            return "better, and that is in the interval"
        case "not seen":
            return "the other way round" if high < 0 else "less than that, if anything"
        case _:
            return "that is not ruled out, nor is 0"


def _of_alike(verdict: Verdict) -> str:
    low, high = verdict.interval
    worth = f"the {points(verdict.worth)} points that would be worth the name"
    apart = "apart" if verdict.evidence.claim.kind == "alike" else "better"
    match verdict.outcome:
        case "seen":
            return f"apart by less than {worth}" if apart == "apart" else f"not better by {worth}"
        case "not seen":
            return f"{apart} by more than {worth}"
        case _:
            differ = "they differ, but " if low > 0 or high < 0 else ""
            return f"{differ}whether {apart} by more than {worth} is open"


def _needed(verdict: Verdict) -> str:
    if verdict.evidence.error == 0:
        return "the second misses nothing: too easy to tell"
    pictures = verdict.pictures and f"{_rounded_up(verdict.pictures):,} pictures"
    each = turns(verdict.evidence.difference)
    seeds = verdict.seeds and f"{verdict.seeds:,} {each}"
    if verdict.evidence.difference.pictures is None:
        return f"{seeds or f'no number of {each}'} would decide it"
    if pictures and seeds:
        return f"{pictures} or {seeds} would decide it"
    if seeds:
        return f"{seeds} would decide it, and no number of pictures: what {each} differ by decides"
    if pictures:
        return f"{pictures} would decide it, and no number of {each}"
    return f"neither more pictures nor more {each} would decide it by themselves"


def _rounded_up(count: int) -> int:
    """Two digits and noughts, not below it."""
    step: int = 10 ** max(0, len(str(count)) - 2)
    return -(-count // step) * step
