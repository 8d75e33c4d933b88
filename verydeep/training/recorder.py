"""What is kept of a training while it runs: its log, its best weights, its checkpoints."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any, NoReturn

from verydeep import schema, weights
from verydeep.errors import Stopped, UserError, one_line
from verydeep.parts.seen import Memory
from verydeep.runtime.runtime import Runtime
from verydeep.tasks.task import Task
from verydeep.training import checkpoints
from verydeep.training.interruption import Interruption, interruption
from verydeep.training.loader import Batch
from verydeep.training.run import Log
from verydeep.training.settings import Settings
from verydeep.training.state import Epoch, Training, best_of
from verydeep.training.step import NotFiniteError
from verydeep.weights.file import BEST

INTERVAL = 60.0
"""Seconds between two checkpoints, where nothing else is asked for."""
SHARE = 20
"""And no more than one part in so many of the time is spent on them."""
SECONDS_A_LINE = 3.0
"""Seconds of training for each line of an epoch whose weights are not kept."""
WAITING = 0.2
"""Share of an epoch that was spent waiting for pictures, from which on it is told of."""
CHECKPOINTS = "checkpoints"
"""Name of their folder in that of the run."""
FAULTS = 100
"""Pictures that may turn out unreadable while training, before that ends it."""


class Recorder:
    """Keeps what a run must not lose, in its folder; process 0 writes, the others follow it.

    `provenance` is what travels with the weights, plain data; `read` what was found in the
    pictures, which a run that goes on must find again; `memory` are the pictures that the weights
    have to do with.
    """

    def __init__(
        self,
        folder: Path,
        provenance: Mapping[str, Any],
        read: Mapping[str, Any],
        settings: Settings,
        total: int,
        runtime: Runtime,
        memory: Memory,
    ) -> None:
        self.memory = memory
        self.folder, self.provenance, self.read = folder, provenance, read
        self.settings, self.total = settings, total
        self.ranks, self.progress = runtime.ranks, runtime.progress
        self.every = runtime.save_every
        self.notes: list[str] = []
        self._place = folder / CHECKPOINTS
        self._saved, self._saved_step, self._took = monotonic(), 0, 0.0
        self._faults: list[str] = []
        self._interruption = Interruption()
        self._log: Log | None = None
        self._done, self._unsaid, self._testing = 0, 0.0, False

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Around the training: signals are taken note of, and the log is closed after it."""
        with interruption(self._answer, self.progress.leave) as self._interruption:
            try:
                yield
            finally:
                if self._log is not None:
                    self._log.close()

    def restore(self, training: Training) -> None:
        """Brings back the newest checkpoint there is, and sees that there is room for the next."""
        files = None
        if self.ranks.is_main:
            self._place.mkdir(parents=True, exist_ok=True)
            checkpoints.need_space(self._place, checkpoints.bytes_of(training))
            with self.ranks.aside("reading a checkpoint"):
                files = self._newest()
        files = self.ranks.broadcast_files(files)
        if files is not None:
            self._must_agree(files)
            checkpoints.restore(training, files)
            self._saved_step = self.steps(training)
            self.notes += map(self._fault_line, training.faults)
            self.progress.say(f"going on after step {self.steps(training):,} of {self.total:,}")
        self._done = self._saved_step
        most = " at the most" if self.settings.fall == "plateau" else ""
        self.progress.say(f"training: {self.total:,} steps{most}")
        if self.ranks.is_main:
            self._log = Log(self.folder, training.task.names, training.epochs)

    def _answer(self) -> None:
        """Tells who asked for an end what comes now, and what it costs not to wait for it."""
        under_way = min(self._done + 1, self.total)
        when = "now" if self._testing else f"after step {under_way:,}, to save it"
        lost = (self._done if self._testing else under_way) - self._saved_step
        self.progress.say(
            f"stopping {when}; Ctrl-C again leaves now, and loses the last {lost:,} "
            f"step{'s' if lost != 1 else ''}"
        )

    def _newest(self) -> dict[str, bytes] | None:
        """The newest checkpoint that is whole; UserError where there are some and none is."""
        files = checkpoints.newest(self._place, self.progress.say)
        if files is None and checkpoints.found(self._place):
            raise UserError(
                f"no checkpoint in {self._place} is whole; take that folder away to begin the run "
                f"anew"
            )
        return files

    def steps(self, training: Training) -> int:
        """Steps done in all."""
        return len(training.epochs) * (self.total // self.settings.epochs) + training.step

    def after_step(self, training: Training, batch: Batch, loss: float) -> None:
        """Tells how far it is; saves when it is time; stops where that was asked for.

        While the loss is not known yet none of it: what would be saved might be no number.
        """
        self._faults += batch.faults
        self._testing = False
        self._done = done = self.steps(training)
        if math.isnan(loss):
            return
        error = f", {_watched(training.task, training.epochs[-1])}" if training.epochs else ""
        self.progress.step("training", done, self.total, f"loss {loss:.3f}{error}")
        ours = self._interruption.asked, self.ranks.is_main and self._due(done), self._faults
        asked, due, faults = self.ranks.all_reduce_max(
            [float(bool(found)) for found in ours], f"the end of step {done}"
        )
        if faults:
            self._take_note_of_faults(training)
        if asked:
            raise Stopped
        if due:
            self.save(training)

    def while_testing(self) -> None:
        """Stops where that was asked for; among several processes that waits for the next step."""
        self._testing = self.ranks.world_size == 1
        if self._interruption.asked and self.ranks.world_size == 1:
            raise Stopped

    def after_epoch(self, training: Training, epoch: Epoch) -> None:
        """Writes the epoch's line, and its weights where they are the best so far."""
        if self._log is None:
            return
        self._log.add(epoch)
        best = best_of(training.epochs, training.task.watched) is epoch
        self._unsaid += epoch.seconds
        if best or self._unsaid > SECONDS_A_LINE or epoch.epoch in (1, self.settings.epochs):
            self._unsaid = 0.0
            kept = ", kept" if best else ""
            self.progress.say(_line(epoch, training.task, self.settings) + kept)
        if best:
            with self.ranks.aside("the best weights"):
                provenance = {**self.provenance, "epoch": epoch.epoch}
                weights.save(training.network, self.folder / BEST, provenance, self.memory)

    def save(self, training: Training) -> None:
        """Writes a checkpoint, now."""
        start = monotonic()
        if self.ranks.is_main:
            with self.ranks.aside("a checkpoint"):
                said = self.provenance
                about = checkpoints.About(said["settings"], said["data"], dict(self.read))
                checkpoints.save(training, self._place, about, self.steps(training))
        self._saved, self._saved_step = monotonic(), self.steps(training)
        self._took = self._saved - start

    def finish(self, training: Training) -> None:
        """Saves the end of it; stops before the tests where that was asked for meanwhile."""
        asked = self.ranks.all_reduce_max([float(self._interruption.asked)], "the end of training")
        if asked[0]:
            self.stop(training)
        self.save(training)

    def stop(self, training: Training) -> NoReturn:
        """Saves, and leaves with the command that goes on; raises Stopped."""
        self.save(training)
        self.ranks.close()
        raise Stopped(f"step {self.steps(training):,} of {self.total:,}", self.folder)

    def kept(self, training: Training) -> str:
        """What of the weights is kept, for the line that ends a run."""
        best = best_of(training.epochs, training.task.watched)
        if best is None:
            return "of the weights none were kept yet"
        return f"of the weights, {self.folder / BEST} has those of epoch {best.epoch}"

    def roll_back(self, training: Training, error: NotFiniteError) -> None:
        """Goes back to the newest checkpoint, to leave out the step whose loss was not finite."""
        left_out = [*training.left_out, error.step]
        with self.ranks.aside("reading a checkpoint"):
            files = self._newest() if self.ranks.is_main else None
        files = self.ranks.broadcast_files(files)
        if files is None:
            raise UserError(f"{error}; there is no checkpoint yet to go back to")
        checkpoints.restore(training, files)
        training.left_out = left_out
        self._saved_step = self.steps(training)
        if self._log is not None:
            self._log.close()
            self._log = Log(self.folder, training.task.names, training.epochs)
        self.note(f"{error.what}: back to step {self.steps(training):,}, leaving that batch out")

    def note(self, line: str) -> None:
        """Says a line that the page tells too."""
        self.notes.append(line)
        self.progress.say(line)

    def _take_note_of_faults(self, training: Training) -> None:
        """Adds up the pictures that turned out unreadable, of all processes, each of them once."""
        for fault in sorted({f for found in self.ranks.all_gather(self._faults) for f in found}):
            if fault not in training.faults:
                training.faults.append(fault)
                self.note(self._fault_line(fault))
        self._faults.clear()
        if len(training.faults) > FAULTS:
            raise UserError(
                f"more than {FAULTS} pictures could not be read; {self._fault_line(fault)}"
            )

    def _fault_line(self, fault: str) -> str:
        return f"{self.settings.bad_picture}, unreadable: {fault}"

    def _due(self, done: int) -> bool:
        if self.every is not None:
            return done // self.every > self._saved_step // self.every
        return monotonic() - self._saved > max(INTERVAL, SHARE * self._took)

    def _must_agree(self, files: Mapping[str, bytes]) -> None:
        """Raises UserError where a checkpoint is of another run than this."""
        theirs = checkpoints.state_of(files).about
        if not self.ranks.is_main:
            return
        named = {"settings": theirs.settings, "data": theirs.data}
        for table, found in named.items():
            for name, ours in self.provenance[table].items():
                if found.get(name) != ours:
                    raise UserError(
                        f"the checkpoint in {self._place} is of another run: its {name} is "
                        f"{schema.shown(found.get(name))}, {schema.shown(ours)} is needed"
                    )
        for name, ours in self.read.items():
            was = theirs.read.get(name)
            if was != ours:
                raise UserError(
                    f"other pictures can be read now than when {self.folder} was begun: {name} was "
                    f"{one_line(was)} and is {ours}; bring them back, or train anew"
                )


def _line(epoch: Epoch, task: Task, settings: Settings) -> str:
    waiting = f", {epoch.waiting:.0%} waiting for pictures" if epoch.waiting > WAITING else ""
    number = f"{epoch.epoch}".rjust(len(str(settings.epochs)))
    return (
        f"epoch {number}/{settings.epochs}  rate {epoch.rate:<8.3g} loss {epoch.loss:.3f}  "
        f"{_watched(task, epoch, 5)}  {epoch.seconds:.0f} s{waiting}"
    )


def _watched(task: Task, epoch: Epoch, width: int = 0) -> str:
    """The figure that chooses the weights, as it was after an epoch."""
    figure = task.watched
    return f"validation {figure.called} {figure.told(epoch.figures[figure.name], width)}"
