"""The plan of a study of labelled pictures: what is trained and tested, and in which folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from verydeep import schema
from verydeep.datasets import Dataset, refuse_too_small
from verydeep.errors import UserError
from verydeep.files import write_atomic
from verydeep.parts.boxed import with_boxes
from verydeep.runtime.runtime import Runtime
from verydeep.schema import Line
from verydeep.shell import command
from verydeep.studies import beginnings, classification, localisation
from verydeep.studies.estimate import Takes, estimates
from verydeep.studies.plan import Plan, joined
from verydeep.studies.sizes import SIZES, Size
from verydeep.studies.tables import Table
from verydeep.training.run_toml import to_toml
from verydeep.verbs.beginnings import SIGNALS, seconds_of_signals
from verydeep.verbs.parts import opened
from verydeep.verbs.plans import Work, is_done
from verydeep.verbs.study_asked import (
    SEEDS,
    name_of,
    refuse_few,
    refuse_few_seeds,
    refuse_other_sizes,
    words_of,
)

BOXES, INITIALISATION = "localisation", "initialisation"
STUDIES = (*classification.STUDIES, BOXES, INITIALISATION)
PLAN = "plan.toml"
"""What a study is of, in its folder."""
ALL = "all"


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
    about: Described
    seeds: tuple[int, ...]
    dataset: Dataset
    work: Work

    @property
    def size(self) -> Size:
        """The sizes of its nets and trainings."""
        return self.about.size

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


def planned(
    names: str | Sequence[str],
    data: str | Path,
    out: str | Path | None = None,
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
    refuse_other_sizes(size, SIZES)
    refuse_few_seeds(seeds)
    own, parts = SIZES[size], {"split": split, "validation": "drawn"}
    dataset = opened(data, parts)
    refuse_too_small(dataset)
    refuse_few(dataset)
    chosen, notes = _possible(names, asked, dataset)
    dataset = replace(dataset, notes=(*dataset.notes, *notes))
    tables, steps = _tables_and_plan(chosen, own, range(seeds))
    folder = Path(out) if out else Path("runs") / f"study-{name_of(dataset, data)}-{size}"
    words = words_of(size, seeds, split)
    again = command("study", ",".join(chosen), data, *words, "--out", folder)
    where = str(data) if dataset.kind == "drawn" else str(Path(data).resolve())
    about = Described(Of(where, dataset.fingerprint), own)
    _refuse_another(folder, about)
    work = Work(steps, folder, data, parts, again, brief=True)
    return Planned(chosen, tables, about, tuple(range(seeds)), dataset, work)


def begin(found: Planned) -> None:
    """Makes the folder of a study, and says in it what the study is of."""
    try:
        found.work.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot write into {found.work.folder}: {error.strerror}; choose another --out"
        ) from None
    write_atomic(found.work.folder / PLAN, to_toml(asdict(found.about)).encode())


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
        refuse_few(boxed, "pictures with boxes")
    except UserError as error:
        if BOXES in names:
            raise
        left = tuple(name for name in chosen if name != BOXES)
        return left, [f"without {BOXES}: {error}"]
    notes = boxed.notes[len(dataset.notes) :]
    return chosen, [f"{BOXES}: {note}" for note in notes]


def _refuse_another(folder: Path, about: Described) -> None:
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
    if theirs.study.fingerprint != about.study.fingerprint:
        raise UserError(
            f"{folder} was begun with other pictures ({theirs.study.data}, fingerprint "
            f"{theirs.study.fingerprint}, and here {about.study.fingerprint}); choose another --out"
        )
    for name, value in vars(about.size).items():
        other = getattr(theirs.size, name)
        if other != value:
            raise UserError(
                f"{folder} was begun at another size: its {name} is {other}, and {value} is asked "
                f"for; choose another --out"
            )
