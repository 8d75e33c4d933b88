"""A run from wherever its folder stands to its end: trained, its best weights kept and tested."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from verydeep import tasks, weights
from verydeep.datasets import Dataset, Memory, Part
from verydeep.errors import Stopped, UserError, escaped
from verydeep.evaluation.views import mirrors, protocol, takes
from verydeep.files import folder_lock
from verydeep.nets.layers import to_channels_last
from verydeep.nets.network import Network
from verydeep.nets.table import Table
from verydeep.runtime.distributed import Ranks
from verydeep.runtime.runtime import Runtime
from verydeep.tasks.task import Judgement, Task
from verydeep.training import cached, checkpoints
from verydeep.training.defaults import Choice
from verydeep.training.liveness import refuse_dead
from verydeep.training.loader import CropSource, Load, batches, steps
from verydeep.training.loop import fit, go_on
from verydeep.training.recorder import CHECKPOINTS, Recorder
from verydeep.training.run import ORIGIN
from verydeep.training.run_toml import (
    RUN,
    Started,
    command_line,
    described,
)
from verydeep.training.settings import Settings
from verydeep.training.state import Epoch, Training, best_of
from verydeep.training.step import NotFiniteError
from verydeep.verbs.agreement import agree, check_shares
from verydeep.verbs.localise import places_boxes, tests_of_boxes
from verydeep.verbs.measure import Subject, Tested, measure
from verydeep.verbs.measure_boxes import Located
from verydeep.verbs.training_data import read
from verydeep.weights.file import BEST

ROLLBACKS = 3
"""Times that a run goes back to a checkpoint because of a loss that is not finite."""


@dataclass(frozen=True)
class Run:
    """A finished training run: its folder, the best network, and how it came about.

    `pictures` counts those of each role that could be read. `started` says which layers of other
    weights the network began with, if any. `tests` are those by the task's protocols; of a task
    without any, `judged` has what each part set aside came to, by role. `located` are the tests of
    boxes, by the classifier that a net of boxes began with, where it did. Of several processes, the
    first alone has any of these, and the best weights.
    """

    folder: Path
    network: Network
    dataset: Dataset
    pictures: Mapping[str, int]
    settings: Settings
    reasons: Mapping[str, str]
    started: Started | None
    notes: tuple[str, ...]
    epochs: tuple[Epoch, ...]
    tests: tuple[Tested, ...]
    judged: Mapping[str, Judgement]
    located: tuple[Located, ...] = ()

    @property
    def task(self) -> Task:
        """What the network was trained for."""
        return tasks.named(self.settings.task)

    @property
    def best(self) -> Epoch:
        """The epoch whose weights were kept."""
        best = best_of(self.epochs, self.task.watched)
        assert best is not None
        return best

    @property
    def command(self) -> str:
        """The command that makes the same run again."""
        return command_line(self.dataset.where, self.settings)

    def __repr__(self) -> str:
        kept = best_of(self.epochs, self.task.watched)
        epoch = f"epoch {kept.epoch} of {self.settings.epochs} kept; " if kept else ""
        return (
            f"Run({escaped(str(self.folder))}: net {self.settings.net}, "
            f"{len(self.dataset.classes):,} classes; {epoch}{self._came_to})"
        )

    @property
    def _came_to(self) -> str:
        """What it came to by the test that says most of it, or by the task's own figure."""
        if self.tests:
            return self.tests[-1].scores.in_words
        figure = self.task.watched
        found = [
            f"{role} {figure.called} {figure.told(judged.figures[figure.name])}"
            for role, judged in self.judged.items()
        ]
        return ", ".join(found) or "tested by another process"


def go_through(
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
        about = described(folder) if ranks.is_main else None
        check_shares(settings, runtime)
        agree(dataset, settings, ranks)
        kept = network.pixels if settings.start or network.table.reads_boards else None
        found = read(dataset, settings, kept, runtime)
        network.pixels = found.source.pixels
        _to_device(network, runtime)
        training = Training.of(network, settings)
        if not checkpoints.found(folder / CHECKPOINTS):
            _refuse_dead(network, found.source, settings, folder)
        total = settings.epochs * steps(len(found.source.part), settings)
        provenance = about.travelling if about else {}
        memory = Memory.of(dataset) | origin
        recorder = Recorder(folder, provenance, found.found, settings, total, runtime, memory)
        with recorder.keeping():
            recorder.restore(training)
            _fit(training, found.source, found.held_out["validation"], settings, recorder, runtime)
            recorder.finish(training)
        shutil.rmtree(folder / cached.FOLDER, ignore_errors=True)
        tests: tuple[Tested, ...] = ()
        judged: dict[str, Judgement] = {}
        located: tuple[Located, ...] = ()
        task, epochs = training.task, tuple(training.epochs)
        del training  # momentum and average, before the best weights are loaded
        if ranks.is_main:
            network = weights.load(folder / BEST, machine.device)
            with ranks.aside("the test"):
                alone = replace(runtime, ranks=Ranks())
                data = provenance["data"]
                subject = Subject(data["where"], data["fingerprint"], split=settings.split)
                tests = _tested(network, settings, found.held_out, subject, folder, alone)
                judged = {} if tests else _judged(network, task, found.held_out, alone)
                if places_boxes(network):
                    parts = found.held_out
                    located = tests_of_boxes(network, dataset, parts, subject, folder, alone)
        ranks.barrier("the test")
    notes = (*dataset.notes, *found.faults, *recorder.notes)
    pictures = {"train": len(found.source.part), **{r: len(p) for r, p in found.held_out.items()}}
    started, reasons = about.start if about else None, choice.reasons
    return Run(
        folder, network, dataset, pictures, settings, reasons, started, notes, epochs, tests,
        judged, located,
    )  # fmt: skip


def _to_device(network: Network, runtime: Runtime) -> None:
    """Brings a network to where it is trained, laid out as batches come there."""
    network.to(runtime.machine.device)
    if runtime.machine.device == "cuda":
        to_channels_last(network)
        torch.backends.cudnn.deterministic = runtime.ranks.in_order


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
    settings: Settings,
    parts: Mapping[str, Part],
    subject: Subject,
    folder: Path,
    runtime: Runtime,
) -> tuple[Tested, ...]:
    """The tests by the task's protocols that a run ends with; the last says most of it.

    What was never mirrored in training, such as digits, is not mirrored in tests.
    """
    return tuple(
        measure(
            network, part, protocol(network, name), replace(subject, part=role, role=role), folder,
            runtime,
        )
        for role, part in parts.items()
        for name in own_protocols(network.table, settings)
    )  # fmt: skip


def own_protocols(table: Table, settings: Settings) -> tuple[str, ...]:
    """Names of the protocols of the tests that a run of this net ends with."""
    return tuple(
        name
        for name in tasks.named(settings.task).protocols
        if takes(table, name) and (settings.mirror or not mirrors(name))
    )


def _judged(
    network: Network, task: Task, parts: Mapping[str, Part], runtime: Runtime
) -> dict[str, Judgement]:
    """What each part that was set aside comes to by the weights that were kept."""
    return {role: task.judge(network, part, runtime, go_on) for role, part in parts.items()}


def _fit(
    training: Training,
    source: CropSource,
    validation: Part,
    settings: Settings,
    recorder: Recorder,
    runtime: Runtime,
) -> None:
    """Trains to the end; back to a checkpoint where a loss is not finite and settings say so."""
    load: Load = batches
    judge = training.task.judge
    while True:
        try:
            if settings.cached and not training.schedule(settings)[1]:
                values = cached.cached(
                    training.network, source, validation, settings, recorder.folder, runtime,
                    recorder.while_testing,
                )  # fmt: skip
                load = values.batches
                judge = values.judge if training.task.of_centre else judge
            for epoch in fit(
                training, source, validation, settings, runtime,
                recorder.after_step, recorder.while_testing, load, judge,
            ):  # fmt: skip
                recorder.after_epoch(training, epoch)
        except Stopped:
            recorder.stop(training)
        except NotFiniteError as error:
            if settings.bad_loss == "stop" or len(training.left_out) == ROLLBACKS:
                hint = f"{error.hint}; {recorder.kept(training)}"
                raise NotFiniteError(error.what, hint, error.step) from None
            recorder.roll_back(training, error)
        else:
            return
