"""Classification: labelled pictures in, a trained and tested network out.

`train` does the whole walk and leaves a folder; `resume` goes on with one that was cut short.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from verydeep import weights
from verydeep.datasets import (
    Dataset,
    Memory,
    Part,
    inspection,
    open_dataset,
    refuse_too_small,
    settled,
)
from verydeep.errors import Stopped, UserError
from verydeep.evaluation.chance import blind
from verydeep.evaluation.views import protocol
from verydeep.files import folder_lock
from verydeep.nets.network import Network
from verydeep.pictures.preprocessing import Pixels
from verydeep.runtime.distributed import Ranks
from verydeep.runtime.progress import Progress
from verydeep.runtime.runtime import Runtime
from verydeep.training import checkpoints
from verydeep.training.colours import colours
from verydeep.training.defaults import Choice, choose
from verydeep.training.liveness import refuse_dead
from verydeep.training.loader import CropSource, epoch_in_words, remember, steps
from verydeep.training.loop import fit
from verydeep.training.recipes import Recipe
from verydeep.training.recorder import CHECKPOINTS, Recorder
from verydeep.training.run import (
    ORIGIN,
    RUN,
    command_line,
    describe,
    described,
    new_folder,
    read_origin,
    settings_of,
    write_origin,
)
from verydeep.training.settings import Settings, checked, scale_text
from verydeep.training.state import Epoch, Training, best_of
from verydeep.training.step import NotFiniteError
from verydeep.verbs.evaluate import Subject, Tested, measure
from verydeep.verbs.first_network import (
    begun_with,
    first_network,
    in_words,
    random_network,
    within_memory,
)
from verydeep.verbs.parts import remembered
from verydeep.weights.file import BEST

ROLLBACKS = 3
"""Times that a run goes back to a checkpoint because of a loss that is not finite."""


@dataclass(frozen=True)
class Run:
    """A finished training run: its folder, the best network, and how it came about.

    `started` says which layers of other weights the network began with, if any. Of several
    processes, the first alone has tests, and the best weights.
    """

    folder: Path
    network: Network
    dataset: Dataset
    settings: Settings
    reasons: Mapping[str, str]
    started: Mapping[str, Any]
    notes: tuple[str, ...]
    epochs: tuple[Epoch, ...]
    tests: tuple[Tested, ...]

    @property
    def best(self) -> Epoch:
        """The epoch whose weights were kept."""
        best = best_of(self.epochs)
        assert best is not None
        return best

    @property
    def command(self) -> str:
        """The command that makes the same run again."""
        return command_line(self.dataset.where, self.settings)


def train(
    data: str | Path,
    out: str | Path | None = None,
    runtime: Runtime | None = None,
    *,
    recipe: Recipe | None = None,
    **given: Any,
) -> Run:
    """A network trained on labelled pictures and tested on others, with its folder written.

    `given` are settings by name (`epochs=20`, `net="D"`); the rest are those of the recipe, or
    chosen from the data and the machine, and told to the watch with their reasons. The best
    weights, by the error on the validation part, are kept in `best.safetensors`, and checkpoints in
    `checkpoints/`. What weights started from have learnt is never set aside. Raises UserError for
    what the user can mend.
    """
    runtime = runtime or Runtime()
    given = checked(given)
    ranks = runtime.ranks
    asked = {**(recipe.settings if recipe else {}), **given}
    if asked.get("start"):
        weights.find(asked["start"], runtime.progress)  # here, if it is a name not yet fetched
    dataset = open_dataset(data, asked.get("split", 0))
    refuse_too_small(dataset)
    origin = Memory()
    if asked.get("start"):
        start = weights.find(asked["start"])
        origin = remembered(start, dataset, "train anew, without --from")
    dataset = _set_apart(dataset, origin, asked.get("start"), runtime)
    choice = choose(dataset.train, runtime.machine, given, recipe)
    _refuse_nothing_apart(dataset, choice.settings.start)
    begun = ranks.is_main and ranks.started_by_another and out is not None
    begun = begun and _is_of(Path(str(out)), dataset, choice.settings)
    if ranks.broadcast(str(begun)) == "True":
        return resume(str(out), runtime, data=data)
    described_start = begun_with(dataset, choice.settings)
    runtime, takes = within_memory(dataset, choice.settings, described_start, runtime)
    network, started = first_network(dataset, choice.settings)
    if ranks.is_main:
        name = f"{_name(dataset)}-{choice.settings.net}"
        folder = new_folder(Path(out) if out else None, name)
        device = str(runtime.machine)
        describe(folder, dataset, choice.settings, choice.reasons, device, started)
        if choice.settings.start:
            write_origin(folder, origin)
    folder = Path(ranks.broadcast(str(folder) if ranks.is_main else ""))
    _tell(runtime.progress, dataset, choice.settings, choice.reasons, takes, folder)
    for line in in_words(network, choice.settings, started):
        runtime.progress.say(line)
    return _run(folder, dataset, choice, network, runtime, origin)


def _origin(folder: Path, dataset: Dataset, start: str | None) -> Memory:
    """What the weights that a run started from had learnt; of them, where it got no further."""
    if start is None or (folder / ORIGIN).exists():
        return read_origin(folder) if start else Memory()
    return remembered(weights.find(start), dataset, "train anew")


def _set_apart(dataset: Dataset, origin: Memory, start: str | None, runtime: Runtime) -> Dataset:
    """The dataset with nothing set aside that was learnt by what training starts from."""
    threads, progress = runtime.machine.threads, runtime.progress
    dataset = settled(dataset, origin, str(start), threads=threads, progress=progress)
    return replace(dataset, notes=(*dataset.notes, *inspection.warnings(dataset)))


def _refuse_nothing_apart(dataset: Dataset, start: str | None) -> None:
    """Raises UserError where there is no picture to choose the weights by."""
    if not len(dataset.validation):
        why = f"{start} has learnt from" if start else "copies in train are"
        raise UserError(
            f"{why} all that could be set aside of {dataset.where} to choose the weights by; add "
            f"other pictures"
        )


def resume(
    folder: str | Path, runtime: Runtime | None = None, *, data: str | Path | None = None
) -> Run:
    """Goes on with a run from its newest checkpoint, to the bits it would have come to.

    `data` says where the data lies now, if it was moved. Raises UserError where the folder is no
    run's, or the data is not what it was.
    """
    runtime, folder = runtime or Runtime(), Path(folder)
    about = described(folder)
    machine, settings = about["machine"], settings_of(about)
    where = data or machine["data"]
    if not Path(where).exists() and not str(where).startswith("drawn"):
        raise UserError(
            f"{where}, which {folder} was begun with, is gone; say where it is now: "
            f"verydeep train DATA --resume {folder}"
        )
    dataset = open_dataset(where, settings.split)
    if dataset.fingerprint != about["data"]["fingerprint"]:
        raise UserError(
            f"{dataset.where} has changed since {folder} was begun: its fingerprint was "
            f"{about['data']['fingerprint']} and is {dataset.fingerprint}; train anew"
        )
    origin = _origin(folder, dataset, machine.get("start"))
    dataset = _set_apart(dataset, origin, settings.start, runtime)
    dataset = replace(dataset, where=about["data"]["where"])
    started: Mapping[str, Any] = about.get("start", {})
    runtime, _ = within_memory(dataset, settings, started, runtime)
    network = random_network(dataset, settings, started)
    if settings.start and not checkpoints.found(folder / CHECKPOINTS):
        _, digest = weights.start_from(network, machine["start"])
        if digest != started["hash"]:
            raise UserError(f"{machine['start']} is not what {folder} was begun from; train anew")
    runtime.progress.say(f"going on with {folder}/")
    return _run(folder, dataset, Choice(settings, about["reasons"]), network, runtime, origin)


def _is_of(folder: Path, dataset: Dataset, settings: Settings) -> bool:
    """Whether a folder holds a run of these very settings on this very data."""
    if not (folder / RUN).is_file():
        return False
    about = described(folder)
    same_data = about["data"]["fingerprint"] == dataset.fingerprint
    return same_data and settings_of(about) == settings


def _run(
    folder: Path,
    dataset: Dataset,
    choice: Choice,
    network: Network,
    runtime: Runtime,
    origin: Memory,
) -> Run:
    """Trains from wherever the folder stands, and tests what came of it."""
    settings, ranks, machine = choice.settings, runtime.ranks, runtime.machine
    with folder_lock(folder) if ranks.is_main else nullcontext():
        about: dict[str, Any] = {**described(folder)} if ranks.is_main else {}
        about = {name: about[name] for name in about if name not in ("reasons", "machine")}
        _check_shares(settings, ranks)
        _agree(dataset, settings, ranks)
        kept = None if settings.start is None else network.pixels
        source, held_out, read, faults = _read(dataset, settings, kept, runtime)
        network.pixels = source.pixels
        network.to(machine.device)
        if machine.device == "cuda":
            network.to(memory_format=torch.channels_last)  # as batches come; 1.2 times as fast
            torch.backends.cudnn.deterministic = ranks.in_order
        training = Training.of(network, settings)
        if not checkpoints.found(folder / CHECKPOINTS):
            _refuse_dead(network, source, settings, folder)
        total = settings.epochs * steps(len(source.part), settings)
        memory = Memory.of(dataset) | origin
        recorder = Recorder(folder, about, read, settings, total, runtime, memory)
        with recorder.keeping():
            recorder.restore(training)
            _fit(training, source, held_out["validation"], settings, recorder, runtime)
            recorder.save(training)
        tests: tuple[Tested, ...] = ()
        epochs = tuple(training.epochs)
        del training  # momentum and average, before the best weights are loaded
        if ranks.is_main:
            network = weights.load(folder / BEST, machine.device)
            with ranks.aside("the test"):
                subject = Subject(
                    about["data"]["where"], about["data"]["fingerprint"], split=settings.split
                )
                tests = _tested(network, held_out, subject, folder, runtime)
        ranks.barrier("the test")
    notes = (*dataset.notes, *faults, *recorder.notes)
    started = about.get("start", {})
    return Run(folder, network, dataset, settings, choice.reasons, started, notes, epochs, tests)


def _refuse_dead(network: Network, source: CropSource, settings: Settings, folder: Path) -> None:
    """Raises UserError where the net would not learn, and leaves the folder as if not begun."""
    try:
        refuse_dead(network, source, settings)
    except UserError:
        for name in (RUN, ORIGIN):
            (folder / name).unlink(missing_ok=True)
        raise


def _tested(
    network: Network,
    parts: Mapping[str, Part],
    subject: Subject,
    folder: Path,
    runtime: Runtime,
) -> tuple[Tested, ...]:
    """The tests that every run ends with, by this process alone; the last says most of it."""
    alone = replace(runtime, ranks=Ranks())
    return tuple(
        measure(
            network, part, protocol(network, name), replace(subject, part=role, role=role), folder,
            alone,
        )
        for role, part in parts.items()
        for name in ("centre", "dense")
    )  # fmt: skip


def _fit(
    training: Training,
    source: CropSource,
    validation: Part,
    settings: Settings,
    recorder: Recorder,
    runtime: Runtime,
) -> None:
    """Trains to the end; back to a checkpoint where a loss is not finite and settings say so."""
    while True:
        try:
            for epoch in fit(training, source, validation, settings, runtime, recorder):
                recorder.after_epoch(training, epoch)
        except Stopped:
            recorder.stop(training)
        except NotFiniteError as error:
            if settings.bad_loss == "stop" or len(training.left_out) == ROLLBACKS:
                raise UserError(f"{error}; {recorder.kept(training)}") from None
            recorder.roll_back(training, error)
        else:
            return


def _agree(dataset: Dataset, settings: Settings, ranks: Ranks) -> None:
    """Raises UserError where a process was started differently."""
    said = {name: str(value) for name, value in vars(settings).items()}
    ways = [ranks.in_order, ranks.half]
    ranks.agree({"data": dataset.fingerprint, **said, "way of summing": ways})


def _name(dataset: Dataset) -> str:
    """A name for a run on this data: that of its folder."""
    if dataset.kind != "drawn":
        return Path(dataset.where).resolve().name
    return dataset.where.replace(":", "-")


def _tell(
    progress: Progress,
    dataset: Dataset,
    settings: Settings,
    reasons: Mapping[str, str],
    takes: str,
    folder: Path,
) -> None:
    """Says what was found and what was chosen, before the long work begins."""
    progress.say(f"{dataset.where}: {len(dataset.classes)} classes, {dataset.kind}")
    for note in dataset.notes:
        progress.say(f"  {note}")
    progress.say("chosen:")
    for name, reason in reasons.items():
        progress.say(f"  {name:11} {_in_words(name, getattr(settings, name)):>19}  {reason}")
    progress.say(takes)
    progress.say(epoch_in_words(len(dataset.train), settings))
    progress.say(str(blind(dataset.parts[dataset.held_out].labels, dataset.classes)))
    progress.say(f"writing to {folder}/")


def _in_words(name: str, value: Any) -> str:
    """A setting's value as it is given on the command line."""
    if name == "scale":
        return scale_text(value)
    if isinstance(value, tuple):
        return ",".join(f"{v:g}" for v in value) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_shares(settings: Settings, ranks: Ranks) -> None:
    """Refuses a batch that the processes, and the micro-batches within them, do not divide.

    On a GPU too, where micro-batches are but the pictures that dropout is drawn for together.
    """
    count = ranks.world_size
    if count == 1:
        return
    if settings.batch % count:
        raise UserError(
            f"a batch of {settings.batch} cannot be shared by {count} processes; take --batch "
            f"{settings.batch // count * count or count}, or another number of processes"
        )
    share = settings.batch // count
    if share % settings.micro_batch:
        fitting = max(n for n in range(1, min(settings.micro_batch, share) + 1) if share % n == 0)
        raise UserError(
            f"micro-batches of {settings.micro_batch} do not divide the {share} pictures a step "
            f"that each of {count} processes has; take --set micro_batch={fitting}, with any "
            f"number of processes"
        )


def _read(
    dataset: Dataset, settings: Settings, kept: Pixels | None, runtime: Runtime
) -> tuple[CropSource, dict[str, Part], dict[str, Any], tuple[str, ...]]:
    """What to train on, and the parts set aside by role, in memory, less what is unreadable.

    With it come what was found, which every process must find, and again whoever goes on; and
    what is unreadable. Pixels are those `kept` from the weights that training starts from, or else
    less the training set's mean, and divided by its deviation where settings say so.
    """
    machine, ranks, progress = runtime.machine, runtime.ranks, runtime.progress
    plain = kept or Pixels(scale=settings.scale, mean=(0.0, 0.0, 0.0))
    parts, faults = {}, []
    for role, part in dataset.parts.items():
        parts[role], unreadable = remember(part, plain, machine.threads, progress)
        faults += [f"left out, unreadable: {fault}" for fault in unreadable]
    for fault in faults:
        progress.say(fault)
    counts = {f"number of pictures in {role}": len(part) for role, part in parts.items()}
    train_part = parts.pop("train")
    if len(np.unique(train_part.labels)) < 2 or not len(parts["validation"]):
        raise UserError(f"too few readable pictures in {dataset.where}: {faults[0]}")
    found = colours(train_part, plain)
    deviation = found.deviation if settings.divide else 1.0
    pixels = kept or Pixels(plain.scale, found.mean, (deviation,) * 3)
    read = {
        **counts,
        "pixels": str(pixels),
        "axes of colour": str(found.axes),
    }
    ranks.agree(read)
    share = (ranks.rank, ranks.world_size)
    source = CropSource(train_part, pixels, found.axes, share, pinned=machine.device == "cuda")
    return source, {r: p for r, p in parts.items() if len(p)}, read, tuple(faults)
