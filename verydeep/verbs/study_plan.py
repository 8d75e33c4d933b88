"""The plan of a study of labelled pictures: what is trained and tested, and in which folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from verydeep import schema
from verydeep.datasets import Dataset
from verydeep.errors import UserError
from verydeep.files import write_atomic
from verydeep.nets.initialisation import parsed
from verydeep.runtime.runtime import Runtime, told
from verydeep.schema import Count, Line, Sha256
from verydeep.shell import command
from verydeep.studies import beginnings, classification, localisation, neighbours
from verydeep.studies.convolutions import Convolutions
from verydeep.studies.estimate import Takes, estimates
from verydeep.studies.plan import Plan, joined
from verydeep.studies.sizes import SIZED, SIZES, Size
from verydeep.studies.tables import Table
from verydeep.training.defaults import refuse_without_effect
from verydeep.training.run_toml import as_word, to_toml
from verydeep.training.settings import checked
from verydeep.verbs.beginnings import SIGNALS, seconds_of_signals
from verydeep.verbs.plans import Work, is_done
from verydeep.verbs.study_asked import FOLDS, SEEDS, name_of, refuse_other_sizes, words_of
from verydeep.verbs.study_data import Datasets, datasets_of, fold_of, noted, without_boxes

BOXES, INITIALISATION = "localisation", "initialisation"
PAPERS = (*classification.STUDIES, BOXES, INITIALISATION)
"""The studies of VGG's own paper, which are all that `all` asks for."""
STUDIES = (*PAPERS, *neighbours.STUDIES)
PLAN = "plan.toml"
"""What a study is of, in its folder."""
ALL = "all"
OWN = ("task", "start", "tune", "cached", "seed", "split", "fold", "validation")
"""Settings that a study has for each of its trainings."""
VARIED = {INITIALISATION: ("initial",), "labels": ("dropout", "disturb")}
"""Settings that a study compares."""
FIXED = {"degradation": ("crop", "scale"), "labels": ("width", "crop", "scale")}
"""Sizes that a study has of its own."""


@dataclass(frozen=True)
class Of:
    """What all runs of a study have in common.

    `weights` is the hash of those that nets begin with, and `folds` how many there are, where each
    picture is tested once.
    """

    data: Line
    fingerprint: Line
    weights: Sha256 | None = None
    folds: Count | None = None


@dataclass(frozen=True)
class Described:
    """What plan.toml says: what a study is of, and the sizes and settings of its trainings."""

    study: Of
    size: Size
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def tables(self) -> dict[str, dict[str, Any]]:
        """The same as plain data, without what there is none of."""
        study = {name: value for name, value in asdict(self.study).items() if value is not None}
        return {"study": study, "size": asdict(self.size), "settings": self.settings}


@dataclass(frozen=True)
class Planned:
    """A study before any of it is done: what it is of, and all that is to be done for it.

    There is a dataset for each seed.
    """

    names: tuple[str, ...]
    tables: tuple[Table, ...]
    about: Described
    seeds: tuple[int, ...]
    datasets: Datasets
    work: Work

    @property
    def dataset(self) -> Dataset:
        """The data as the first seed has it."""
        return self.datasets[0]

    @property
    def size(self) -> Size:
        """The sizes of its nets and trainings."""
        return self.about.size

    @property
    def is_in_folds(self) -> bool:
        """Whether each seed is tested on other pictures, a fold of them all."""
        return self.about.study.folds is not None

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
    runtime: Runtime | None = None,
    *,
    size: str = "tiny",
    seeds: int | None = None,
    split: int = 0,
    start: str | Path | None = None,
    **given: Any,
) -> Planned:
    """The plan of one study of these names, or several, in its folder; nothing of it is done.

    Without `out` the folder is runs/study-DATA-SIZE. `given` are settings of its trainings. Raises
    UserError for an unknown name, size or setting, for data without enough pictures to test on,
    for weights that its nets cannot `start` from, and for a folder with another study.
    """
    asked = _names(names)
    refuse_other_sizes(size, SIZES)
    own, settings = _changed(SIZES[size], asked, given)
    begun = None if start is None else _begun(asked, start, own, given)
    path = digest = None
    if begun is not None:
        path, digest = begun.path, begun.hash
        own = replace(own, width=begun.width, rates=own.box_rates)
    datasets, folds = datasets_of(data, split, seeds, path, told(runtime, None))
    chosen, datasets = _possible(names, asked, datasets)
    first, numbers = datasets[0], range(len(datasets))
    tables, plan = _tables_and_plan(chosen, own, numbers, begun)
    plan = plan.laid_over(lambda one: {**settings, **fold_of(one.settings["seed"], folds)})
    _refuse_without_effect(settings, plan)
    folder = Path(out) if out else Path("runs") / f"study-{name_of(first, data)}-{size}"
    where = str(data) if first.kind == "drawn" else str(Path(data).resolve())
    about = Described(Of(where, first.fingerprint, digest, folds), own, settings)
    _refuse_another(folder, about)
    words = words_of(size, len(datasets), split, FOLDS if folds else SEEDS)
    words += [] if start is None else ["--from", str(start)]
    words += [word for name, value in given.items() for word in ("--set", as_word(name, value))]
    again = command("study", ",".join(chosen), data, *words, "--out", folder)
    work = Work(plan, folder, data, {"split": split, "validation": "drawn"}, again, brief=True)
    return Planned(chosen, tables, about, tuple(numbers), datasets, work)


def begin(found: Planned) -> None:
    """Makes the folder of a study, and says in it what the study is of."""
    try:
        found.work.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot write into {found.work.folder}: {error.strerror}; choose another --out"
        ) from None
    write_atomic(found.work.folder / PLAN, to_toml(found.about.tables).encode())


def _names(names: str | Sequence[str]) -> tuple[str, ...]:
    """The studies that are asked for, in the order of the paper's tables."""
    asked = [name.strip() for name in names.split(",")] if isinstance(names, str) else [*names]
    for name in asked:
        if name == "transfer":
            raise UserError("transfer is a study of its own, of weights; ask for it alone")
        if name not in (*STUDIES, ALL):
            known = ", ".join([*STUDIES, "transfer"])
            raise UserError(f"no study '{name}'; there are {known} and {ALL}")
    return tuple(name for name in STUDIES if name in asked or (ALL in asked and name in PAPERS))


def _changed(
    size: Size, names: Sequence[str], given: Mapping[str, Any]
) -> tuple[Size, dict[str, Any]]:
    """The size with what is given of it, and the other settings that are given."""
    if given and size.is_papers:
        raise UserError(f"{size.name} is the paper's own recipes; leave --set out")
    if own := [name for name in given if name in OWN]:
        raise UserError(f"{own[0]} is what a study sets by itself; leave --set {own[0]} out")
    for study in names:
        if compared := [name for name in given if name in VARIED.get(study, ())]:
            raise UserError(
                f"{compared[0]} is what the study {study} compares; leave --set {compared[0]} out"
            )
    if fixed := [name for name in given if all(name in FIXED.get(study, ()) for study in names)]:
        raise UserError(
            f"{','.join(names)} has a {fixed[0]} of its own; leave --set {fixed[0]} out"
        )
    if "net" in given and [*names] != [BOXES]:
        raise UserError(f"--set net is of the study {BOXES}, alone; the others say which nets")
    rest = checked({name: value for name, value in given.items() if name not in SIZED})
    if "initial" in rest:
        parsed(rest["initial"])
    changed = size.changed(given)
    if INITIALISATION in names and "epochs" in given and changed.epochs < 2:
        raise UserError(f"{INITIALISATION} trains A for half of the epochs; take two or more")
    return changed, rest


def _begun(
    names: Sequence[str], start: str | Path, size: Size, given: Mapping[str, Any]
) -> Convolutions:
    """What the nets of a study begin with; UserError for a study or a size whose nets cannot."""
    if [*names] != [BOXES]:
        raise UserError(
            f"{','.join(names)} trains nets from random weights; --from is of the studies {BOXES} "
            f"and transfer, each alone"
        )
    if size.is_papers:
        raise UserError(
            f"{size.name} is the paper's own recipes, from random weights; with --from take "
            f"another --scale, and --set crop=224 and so on"
        )
    return Convolutions.of(start, size, given)


def _possible(
    names: str | Sequence[str], chosen: tuple[str, ...], datasets: Datasets
) -> tuple[tuple[str, ...], Datasets]:
    """Those of the studies that the data can be of, and the data with what is to be said of that.

    Without boxes `all` are the others. Raises UserError where boxes are needed by name.
    """
    if BOXES not in chosen:
        return chosen, datasets
    why, notes = without_boxes(datasets)
    if why is None:
        return chosen, noted(datasets, [f"{BOXES}: {note}" for note in notes])
    if BOXES in names:
        raise why
    left = tuple(name for name in chosen if name != BOXES)
    return left, noted(datasets, [f"without {BOXES}: {why}"])


def _tables_and_plan(
    names: Sequence[str], size: Size, seeds: Sequence[int], begun: Convolutions | None
) -> tuple[tuple[Table, ...], Plan]:
    """The tables of these studies, and all that fills them; what two have in common is once."""
    studies = [study for name, study in classification.STUDIES.items() if name in names]
    tables = [table for study in studies for table in study(size)]
    plans = [classification.plan(tables, size, seeds)]
    if BOXES in names:
        tables += localisation.tables(size)
        plans.append(localisation.plan(size, seeds, begun))
    if INITIALISATION in names:
        tables += beginnings.tables(size)
        plans.append(beginnings.plan(size, seeds))
    for name in (name for name in neighbours.STUDIES if name in names):
        tables += neighbours.STUDIES[name](size)
        plans.append(neighbours.plan(name, size, seeds))
    return tuple(tables), joined(plans)


def _refuse_without_effect(given: Mapping[str, Any], plan: Plan) -> None:
    """Raises UserError for a setting that changes nothing in any of the trainings."""
    if not given:
        return
    wholes = [training.whole for training in plan.trainings]
    everywhere = frozenset.intersection(*(whole.without_effect for whole in wholes))
    idle = {name: value for name, value in given.items() if name in everywhere}
    refuse_without_effect(idle, wholes[0])


def _refuse_another(folder: Path, about: Described) -> None:
    """Raises UserError where a folder has another study, or something else."""
    path = folder / PLAN
    if not path.exists():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"{folder} holds something that is no study; choose another --out")
        return
    try:
        theirs: Described = schema.fitting(Described, schema.of_toml(path.read_bytes()))
        settings = checked(theirs.settings)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be gone on with: {error}; choose another --out") from None
    if theirs.study.fingerprint != about.study.fingerprint:
        raise UserError(
            f"{folder} was begun with other pictures ({theirs.study.data}, fingerprint "
            f"{theirs.study.fingerprint}, and here {about.study.fingerprint}); choose another --out"
        )
    if theirs.study.weights != about.study.weights:
        raise UserError(f"{folder} was begun with other weights (--from); choose another --out")
    said, asked = ({**vars(of.size), "folds": of.study.folds} for of in (theirs, about))
    said, asked = said | settings, asked | about.settings
    for name in [*asked, *said]:
        if said.get(name) != asked.get(name):
            raise UserError(
                f"{folder} was begun at another size: its {name} is {said.get(name, 'unsaid')}, "
                f"and {asked.get(name, 'nothing')} is asked for; choose another --out"
            )
