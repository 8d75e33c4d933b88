"""The paper's study on labelled pictures: trainings and tests carried out, findings judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from verydeep.runtime.progress import Progress
from verydeep.runtime.runtime import Runtime, told
from verydeep.studies.claims import Outcome
from verydeep.studies.findings import Asked, Finding, Place, claims
from verydeep.studies.initialisation import Initialisation
from verydeep.studies.misses import refuse_others
from verydeep.studies.verdicts import (
    Evidence,
    Verdict,
    evidence_of_errors,
    evidence_of_folds,
    verdicts,
)
from verydeep.verbs.beginnings import signals_of
from verydeep.verbs.filled import Filled, filled
from verydeep.verbs.plans import FINISHED, carry_out
from verydeep.verbs.study_plan import INITIALISATION, Planned, begin, planned


@dataclass(frozen=True)
class Judged:
    """A finding with the verdict on each of the claims that it is made of."""

    finding: Finding
    verdicts: tuple[Verdict, ...]

    @property
    def outcome(self) -> Outcome:
        """Seen where all of them are, not seen where one is not, and else undecided."""
        found = {verdict.outcome for verdict in self.verdicts}
        if "not seen" in found:
            return "not seen"
        return "undecided" if "undecided" in found else "seen"


@dataclass(frozen=True)
class Studied:
    """A study that is done: its tables filled, and what was found of the paper's findings.

    `beginnings` are signals of nets as they begin, where the study is of initialisation.
    """

    planned: Planned
    filled: Mapping[Place, Filled]
    beginnings: Initialisation | None = None

    @property
    def folder(self) -> Path:
        """Where all of it lies."""
        return self.planned.work.folder

    @property
    def besides(self) -> tuple[str, ...]:
        """Nets that have been trained in the folder and are none of these, less their seeds."""
        planned = {_seedless(step.name) for step in self.planned.work.plan.trainings}
        done = [path.parent.name for path in self.folder.glob(f"*/{FINISHED}")]
        whole = {_seedless(name) for name in done if ".damaged-" not in name}
        return tuple(sorted(whole - planned))

    @cached_property
    def judged(self) -> tuple[Judged, ...]:
        """Every finding that the tables can tell of, corrected for all their claims together."""
        asked = claims(self.planned.tables)
        unique = [*dict.fromkeys(one for _, of in asked for one in of)]
        found = dict(zip(unique, verdicts([*map(self._evidence, unique)]), strict=True))
        return tuple(Judged(finding, tuple(found[one] for one in of)) for finding, of in asked)

    def _evidence(self, one: Asked) -> Evidence:
        first, second = self.filled[one.first], self.filled[one.second]
        for ours, theirs in zip(first.tests, second.tests, strict=True):
            refuse_others(ours, theirs)
        if self.planned.is_in_folds:
            return evidence_of_folds(one.claim, first.missed_each, second.missed_each)
        found = evidence_of_errors(one.claim, first.missed, second.missed)
        places = dict.fromkeys((one.first, one.second))
        chance = [f"{row}, {way}" for _, row, way in filter(self._is_at_chance, places)]
        return replace(found, at_chance=tuple(chance))

    def _is_at_chance(self, place: Place) -> bool:
        return self.filled[place].is_at_chance


def _seedless(name: str) -> str:
    return name.rpartition("-")[0]


def study(
    names: str | Sequence[str],
    data: str | Path,
    out: str | Path | None = None,
    runtime: Runtime | None = None,
    *,
    size: str = "tiny",
    seeds: int | None = None,
    split: int = 0,
    start: str | Path | None = None,
    progress: Progress | None = None,
    **given: Any,
) -> Studied:
    """The paper's study of these names on labelled pictures, done as far as it was not yet.

    `names` are those of STUDIES, or "all", which is without localisation where the data tells of no
    boxes. What is done in the folder is kept, whatever other names it was done for; more seeds go
    beside those that are there. The nets of localisation may `start` from weights, whose
    convolutions their classifiers leave as they are; data that nobody has split is then tested in
    folds. `given` are settings of all trainings, as `train` has them, and rates to try.
    Raises UserError as `planned` does, and Stopped where it was interrupted.
    """
    runtime = told(runtime, progress)
    asked: dict[str, Any] = {"size": size, "seeds": seeds, "split": split, "start": start}
    found = planned(names, data, out, runtime, **asked, **given)
    for note in found.dataset.notes:
        runtime.progress.say(note)
    begin(found)
    carry_out(found.work, runtime)
    signals = None
    if INITIALISATION in found.names:
        signals = signals_of(found.dataset, found.size, split, found.seeds[0], found.work, runtime)
    done = filled(found.tables, found.seeds, found.work, found.datasets)
    return Studied(found, done, signals)
