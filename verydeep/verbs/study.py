"""The paper's study on labelled pictures: trainings and tests carried out, findings judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from verydeep import schema
from verydeep.datasets import Dataset, refuse_too_small
from verydeep.errors import UserError
from verydeep.files import write_atomic
from verydeep.parts.boxed import with_boxes
from verydeep.runtime.progress import Progress
from verydeep.runtime.runtime import Runtime, told
from verydeep.schema import Line
from verydeep.shell import command
from verydeep.studies import beginnings, classification, localisation
from verydeep.studies.claims import Outcome
from verydeep.studies.estimate import Takes, estimates
from verydeep.studies.findings import Asked, Finding, Place, claims
from verydeep.studies.initialisation import Initialisation
from verydeep.studies.misses import refuse_others
from verydeep.studies.plan import Plan, joined
from verydeep.studies.sizes import SIZES, Size
from verydeep.studies.tables import Table
from verydeep.studies.verdicts import Evidence, Verdict, evidence_of_errors, verdicts
from verydeep.training.run_toml import to_toml
from verydeep.verbs.beginnings import SIGNALS, seconds_of_signals, signals_of
from verydeep.verbs.filled import Filled, filled
from verydeep.verbs.parts import opened
from verydeep.verbs.plans import Work, carry_out, is_done

BOXES, INITIALISATION = "localisation", "initialisation"
STUDIES = (*classification.STUDIES, BOXES, INITIALISATION)
PLAN = "plan.toml"
"""What a study is of, in its folder."""
ALL = "all"
SEEDS = 3
LEAST = 100
"""Pictures to test on, below which no finding of the paper's could be told from chance."""


@dataclass(frozen=True)
class Of:
    """What all runs of a study have in common."""

    data: Line
    fingerprint: Line


@dataclass(frozen=True)
class Described:
    """What plan.toml says: what a study is of, and the sizes of its nets and trainings."""

    study: Of
    size: Size


@dataclass(frozen=True)
class Planned:
    """A study before any of it is done: what it is of, and all that is to be done for it."""

    names: tuple[str, ...]
    tables: tuple[Table, ...]
    size: Size
    seeds: tuple[int, ...]
    dataset: Dataset
    work: Work

    @property
    def command(self) -> str:
        """The command that carries it out."""
        return self.work.again

    def estimates(self, runtime: Runtime) -> dict[str, Takes]:
        """What each step takes on this machine's cores, by its name."""
        found = estimates(self.work.plan, self.dataset, runtime.machine)
        if INITIALISATION in self.names:
            found[SIGNALS] = Takes(seconds_of_signals(self.size, runtime.machine.threads), 2**16)
        return found

    @property
    def left(self) -> tuple[str, ...]:
        """The names of those that are not done yet."""
        left = [step.name for step in self.work.plan.steps if not is_done(self.work, step)]
        if INITIALISATION in self.names and not (self.work.folder / SIGNALS).exists():
            left.append(SIGNALS)
        return tuple(left)


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

    @cached_property
    def judged(self) -> tuple[Judged, ...]:
        """Every finding that the tables can tell of, corrected for all their claims together."""
        asked = claims(self.planned.tables)
        unique = [*dict.fromkeys(one for _, of in asked for one in of)]
        found = dict(zip(unique, verdicts([*map(self._evidence, unique)]), strict=True))
        return tuple(Judged(finding, tuple(found[one] for one in of)) for finding, of in asked)

    def _evidence(self, one: Asked) -> Evidence:
        first, second = self.filled[one.first], self.filled[one.second]
        refuse_others(first.tests[0], second.tests[0])
        return evidence_of_errors(one.claim, first.missed, second.missed)


def planned(
    names: str | Sequence[str],
    data: str | Path,
    out: str | Path | None = None,
    runtime: Runtime | None = None,
    *,
    size: str = "tiny",
    seeds: int = SEEDS,
    split: int = 0,
) -> Planned:
    """The plan of one study of these names, or several, in its folder; nothing of it is done.

    Without `out` the folder is runs/study-DATA-SIZE. Raises UserError for an unknown name or size,
    for data without enough pictures to test on, and for a folder with another study.
    """
    asked = _names(names)
    if size not in SIZES:
        raise UserError(f"no size '{size}'; there are {', '.join(SIZES)}")
    if seeds < 2:
        raise UserError(f"{seeds} seed(s); findings are told from chance by two at the least")
    own = SIZES[size]
    dataset = opened(data, {"split": split, "validation": "drawn"})
    refuse_too_small(dataset)
    _refuse_few(dataset)
    chosen, notes = _possible(names, asked, dataset)
    dataset = replace(dataset, notes=(*dataset.notes, *notes))
    tables, steps = _tables_and_plan(chosen, own, range(seeds))
    where = str(data) if dataset.kind == "drawn" else str(Path(data).resolve())
    name = f"study-{Path(where).name.replace(':', '-')}-{size}"
    folder = Path(out) if out else Path("runs") / name
    numbers = [*(("--seeds", seeds) if seeds != SEEDS else ())]
    numbers += ("--split-seed", split) if split else ()
    again = command("study", ",".join(chosen), data, "--scale", size, *numbers, "--out", folder)
    work = Work(steps, folder, data, {"split": split, "validation": "drawn"}, again, brief=True)
    _refuse_another(folder, where, dataset, own)
    return Planned(chosen, tables, own, tuple(range(seeds)), dataset, work)


def study(
    names: str | Sequence[str],
    data: str | Path,
    out: str | Path | None = None,
    runtime: Runtime | None = None,
    *,
    size: str = "tiny",
    seeds: int = SEEDS,
    split: int = 0,
    progress: Progress | None = None,
) -> Studied:
    """The paper's study of these names on labelled pictures, done as far as it was not yet.

    `names` are those of STUDIES, or "all", which is without localisation where the data tells of no
    boxes. What is done in the folder is kept, whatever other names it was done for; more seeds go
    beside those that are there.
    Raises UserError as `planned` does, and Stopped where it was interrupted.
    """
    runtime = told(runtime, progress)
    found = planned(names, data, out, runtime, size=size, seeds=seeds, split=split)
    for note in found.dataset.notes:
        runtime.progress.say(note)
    begin(found)
    carry_out(found.work, runtime)
    signals = None
    if INITIALISATION in found.names:
        signals = signals_of(found.dataset, found.size, split, found.work.folder, runtime)
    done = filled(found.tables, found.seeds, found.work, found.dataset)
    return Studied(found, done, signals)


def begin(found: Planned) -> None:
    """Makes the folder of a study, and says in it what the study is of."""
    about = _described(found.work.data, found.dataset, found.size)
    try:
        found.work.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot write into {found.work.folder}: {error.strerror}; choose another --out"
        ) from None
    write_atomic(found.work.folder / PLAN, to_toml(asdict(about)).encode())


def _names(names: str | Sequence[str]) -> tuple[str, ...]:
    """The studies that are asked for, in the order of the paper's tables."""
    asked = names.split(",") if isinstance(names, str) else [*names]
    for name in asked:
        if name == "transfer":
            raise UserError("transfer is a study of its own, of weights; ask for it alone")
        if name not in (*STUDIES, ALL):
            raise UserError(f"no study '{name}'; there are {', '.join(STUDIES)} and {ALL}")
    return tuple(name for name in STUDIES if name in asked or ALL in asked)


def _tables_and_plan(
    names: Sequence[str], size: Size, seeds: Sequence[int]
) -> tuple[tuple[Table, ...], Plan]:
    """The tables of these studies, and all that fills them; what two have in common is once."""
    studies = [study for name, study in classification.STUDIES.items() if name in names]
    tables = [table for study in studies for table in study(size)]
    plans = [classification.plan(tables, size, seeds)]
    if BOXES in names:
        tables += localisation.tables(size)
        plans.append(localisation.plan(size, seeds))
    if INITIALISATION in names:
        tables += beginnings.tables(size)
        plans.append(beginnings.plan(size, seeds))
    return tuple(tables), joined(plans)


def _possible(
    names: str | Sequence[str], chosen: tuple[str, ...], dataset: Dataset
) -> tuple[tuple[str, ...], list[str]]:
    """Those of the studies that the data can be of, and what is to be said of that.

    Without boxes `all` are the others. Raises UserError where boxes are needed by name.
    """
    if BOXES not in chosen:
        return chosen, []
    try:
        boxed = with_boxes(dataset)
        refuse_too_small(boxed)
        _refuse_few(boxed, "pictures with boxes")
    except UserError as error:
        if BOXES in names:
            raise
        left = tuple(name for name in chosen if name != BOXES)
        return left, [f"without {BOXES}: {error}"]
    notes = boxed.notes[len(dataset.notes) :]
    return chosen, [f"{BOXES}: {note}" for note in notes]


def _refuse_few(dataset: Dataset, what: str = "pictures") -> None:
    """Raises UserError where there are too few pictures that nothing was chosen by."""
    count = len(dataset.by_role.get("test", ()))
    if count < LEAST:
        raise UserError(
            f"{dataset.where} has {count or 'no'} {what} to test on, of {LEAST} at the least; "
            f"give data with a part to test on, or so many that one is made"
        )


def _described(where: str | Path, dataset: Dataset, size: Size) -> Described:
    """What plan.toml is to say."""
    data = str(where) if dataset.kind == "drawn" else str(Path(where).resolve())
    return Described(Of(data, dataset.fingerprint), size)


def _refuse_another(folder: Path, where: str, dataset: Dataset, size: Size) -> None:
    """Raises UserError where a folder has another study, or something else."""
    path = folder / PLAN
    if not path.exists():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"{folder} holds something that is no study; choose another --out")
        return
    try:
        theirs: Described = schema.fitting(Described, schema.of_toml(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be gone on with: {error}; choose another --out") from None
    if theirs.study.fingerprint != dataset.fingerprint:
        raise UserError(
            f"{folder} was begun with other pictures ({theirs.study.data}, fingerprint "
            f"{theirs.study.fingerprint}, and here {dataset.fingerprint}); choose another --out"
        )
    for name, value in vars(size).items():
        other = getattr(theirs.size, name)
        if other != value:
            raise UserError(
                f"{folder} was begun at another size: its {name} is {other}, and {value} is asked "
                f"for; choose another --out"
            )
