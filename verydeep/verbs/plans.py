"""A plan carried out in a folder: what is done is kept, what was interrupted is gone on with.

Each training has a folder of its name, with its tests. Several processes may carry out one plan
side by side, each a step that nobody else is at. What is damaged is set aside and done again. A
training that failed where it may has a file with the reason in place of tests.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from time import sleep
from typing import Any

from verydeep import tasks
from verydeep.datasets import Dataset
from verydeep.errors import Stopped, UserError
from verydeep.evaluation.scores import Scores, load_scores
from verydeep.files import write_atomic
from verydeep.localisation.boxes_file import load_boxes
from verydeep.runtime.progress import Within
from verydeep.runtime.runtime import Runtime
from verydeep.studies.plan import Measurement, Plan, Step, Training
from verydeep.training.run import read_log
from verydeep.training.run_toml import RUN, described
from verydeep.training.run_toml import settings_of as settings_in
from verydeep.training.state import best_of
from verydeep.training.step import NotFiniteError
from verydeep.verbs.evaluate import evaluate
from verydeep.verbs.finished import damage, lacks_own_test, own_test, refuse_another
from verydeep.verbs.localise import localise
from verydeep.verbs.parts import opened
from verydeep.verbs.run import Run
from verydeep.verbs.train import resume, train

FINISHED = ".finished"
"""Marks the folder of a training that is done, with its tests."""
FAILED = "failed.txt"
"""In its folder, why a training failed, in one line."""
CLAIMS = ".claims"
"""The folder of files that say, by being locked, who is at which step."""
SECONDS = 1.0
"""Between two looks at what other processes are at, where there is nothing else to do."""
Finish = Callable[[Run], object]
"""What is done with the run of each training when it is finished, such as writing its page."""


@dataclass(frozen=True)
class Work:
    """A plan, the folder it is carried out in, and where its data lies now.

    `given` are settings laid over those of every training; `again` is the command that goes on.
    Where it is `brief`, each step says nothing of what it does but how far it is.
    """

    plan: Plan
    folder: Path
    data: str | Path
    given: Mapping[str, Any]
    again: str = ""
    brief: bool = False

    def place(self, name: str) -> Path:
        """The folder of a training."""
        return self.folder / name

    def tests_of(self, name: str) -> tuple[Scores, ...]:
        """The tests of a training that lie in its folder, read and checked whole."""
        files = sorted((self.place(name) / "scores").glob("*.safetensors"))
        return tuple(load_scores(path) for path in files)

    def failure(self, name: str) -> str | None:
        """Why a training failed; None of one that did not."""
        path = self.place(name) / FAILED
        return path.read_text().strip() if path.exists() else None

    def settings(self, step: Training) -> dict[str, Any]:
        """What its run is made of, the rate among them where others were tried for it."""
        settings = {**step.settings, **self.given}
        return {**settings, "rate": self._best_rate(step.tried)} if step.tried else settings

    def _best_rate(self, tried: tuple[str, ...]) -> float:
        """The rate of the training whose best weights are the best on the validation part.

        One that failed is worse than all others; of several such the lowest rate is the best.
        """

        def rate(name: str) -> float:
            return float(self.settings(self.plan.named(name))["rate"])

        def cost(name: str) -> tuple[float, float]:
            if self.failure(name) is not None:
                return inf, rate(name)
            run = settings_in(described(self.place(name)))
            watched = tasks.named(run.task).watched
            best = best_of(read_log(self.place(name)), watched)
            assert best is not None
            return watched.cost(best.figures[watched.name]), best.validation_loss

        return rate(min(tried, key=cost))


def carry_out(work: Work, runtime: Runtime, finish: Finish = lambda run: None) -> None:
    """Does all of a plan that is not done, and returns when all of it is.

    `finish` is called with each run that is finished here. Raises UserError for what the user can
    mend, and Stopped where it was interrupted.
    """
    ranks, steps = runtime.ranks, work.plan.steps
    if ranks.is_main:
        set_aside_damaged(work, runtime)
    ranks.barrier("the look at what is done")
    waited = False
    while True:
        with _next(work) if ranks.is_main else _nothing() as claimed:
            number = ranks.broadcast(claimed)
            if number is None:
                return
            if number < 0:  # others are at all that could be done
                if not waited:
                    runtime.progress.say("waiting for what other processes are at")
                waited = True
                sleep(SECONDS)
                continue
            waited = False
            step = steps[number]
            told = f"{number + 1} of {len(steps)}: {step.name}"
            inner = runtime
            if work.brief:
                inner = replace(runtime, progress=Within(runtime.progress, told))
            else:
                runtime.progress.say(f"\n{told}")
            try:
                _do(work, step, inner, finish)
            except Stopped as stopped:
                after = f"{stopped.after} of {step.name}"
                raise Stopped(after, work.folder, work.again) from None
            why = work.failure(step.name) if isinstance(step, Training) else None
            if why is not None:
                runtime.progress.say(f"{step.name} failed: {why}")


@contextmanager
def _nothing() -> Iterator[None]:
    """What processes but the first hold."""
    yield None


@contextmanager
def _next(work: Work) -> Iterator[int | None]:
    """The number of a step that can be done and is nobody else's, held while it is.

    -1 where there is none at the moment, None where all are done.
    """
    claims = work.folder / CLAIMS
    claims.mkdir(exist_ok=True)
    left = [i for i, step in enumerate(work.plan.steps) if not is_done(work, step)]
    open_ = {work.plan.steps[i].name for i in left}
    for number in left:
        step = work.plan.steps[number]
        if open_.intersection(step.stands_on):
            continue
        with _claim(claims / step.name.replace(", ", "-")) as ours:
            if not ours:
                continue
            if is_done(work, step):  # by another process, since it was looked at
                open_.discard(step.name)
                continue
            yield number
            return
    yield -1 if open_ else None


@contextmanager
def _claim(path: Path) -> Iterator[bool]:
    """Whether nobody else holds this file; within, this process does, however it ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:  # the file system knows no locks: one process alone is trusted
            pass
        yield True
    finally:
        os.close(descriptor)


def is_done(work: Work, step: Step) -> bool:
    """Whether a step is marked as done; for a test, whether its file is there, if ever."""
    if isinstance(step, Training):
        return (work.place(step.name) / FINISHED).exists()
    return path_of(work, step).exists() or work.failure(step.of) is not None


def path_of(work: Work, test: Measurement) -> Path:
    """Where the score file or the boxes file of a test is, or will be."""
    named_by = [f"named-by-{test.named_by}"] if test.named_by else []
    words = "-".join([test.protocol, *map(str, test.scales), *named_by])
    folder = "boxes" if work.plan.named(test.of).places_boxes else "scores"
    return work.place(test.of) / folder / f"{words}.safetensors"


def test_of(work: Work, test: Measurement) -> Path:
    """Where a test lies, whether it is a step of the plan or one that its training ended with."""
    if test in work.plan.steps:
        return path_of(work, test)
    return own_test(work.place(test.of), "test", test.protocol, test.scales)


def _do(work: Work, step: Step, runtime: Runtime, finish: Finish) -> None:
    """Trains, from wherever its folder stands, or tests."""
    if isinstance(step, Measurement):
        _test(work, step, runtime)
        return
    if step.after is not None and (why := work.failure(step.after)) is not None:
        _record_failure(work, step, f"{step.after}, which it was to begin with: {why}", runtime)
        return
    try:
        run = _trained(work, step, runtime)
    except NotFiniteError as error:
        if not step.may_fail:
            raise
        _record_failure(work, step, error.what, runtime)
        return
    if runtime.ranks.is_main:
        finish(run)
        (work.place(step.name) / FINISHED).touch()


def _test(work: Work, step: Measurement, runtime: Runtime) -> None:
    """Tests; boxes that are merged by the threshold that is best on the validation part."""
    asked: dict[str, Any] = {"scales": step.scales, "part_name": "test"}
    given = work.place(step.of), work.data, step.protocol, runtime
    if not work.plan.named(step.of).places_boxes:
        evaluate(*given, **asked, out=path_of(work, step))
        return
    by = work.place(step.classifier) if step.classifier else None
    names = _dense_test_of(work, step.named_by) if step.named_by else None
    localise(
        *given, **asked, classifier=by, candidates=names, choose=by is not None,
        out=path_of(work, step),
    )  # fmt: skip


def _dense_test_of(work: Work, name: str) -> Path:
    """The score file of a training's own dense test, at one Q, of the part that is tested on."""
    settings = settings_in(described(work.place(name)))
    return own_test(work.place(name), "test", "dense", (sum(settings.scale) // 2,))


def _trained(work: Work, step: Training, runtime: Runtime) -> Run:
    """The run of a training, from wherever its folder stands."""
    place, settings = work.place(step.name), work.settings(step)
    begun = runtime.ranks.broadcast((place / RUN).exists())
    start: dict[str, Any] = {"start": str(work.place(step.after))} if step.after else {}
    if not begun:
        return train(
            work.data, place, runtime, recipe=step.recipe, planned=True, **settings, **start
        )
    if runtime.ranks.is_main:
        refuse_another(place, settings, step.recipe)
    return resume(place, runtime, data=work.data)


def _record_failure(work: Work, step: Training, why: str, runtime: Runtime) -> None:
    """Says in the folder of a training that it failed, with which it is done."""
    place = work.place(step.name)
    if runtime.ranks.is_main:
        place.mkdir(exist_ok=True)
        write_atomic(place / FAILED, f"{why}\n".encode())
        (place / FINISHED).touch()


def set_aside_damaged(work: Work, runtime: Runtime) -> None:
    """Takes what is marked as done and is damaged out of the way, so that it is done again.

    A damaged test is removed; a training whose weights, run.toml or log are damaged keeps its
    folder under another name. Raises UserError where a folder has a run of another plan, or of
    other pictures.
    """
    datasets: dict[str, Dataset] = {}
    for step in work.plan.trainings:
        place = work.place(step.name)
        if not (place / FINISHED).exists():
            continue
        failed = work.failure(step.name) is not None
        if failed and not (place / RUN).exists():  # what it was to begin with had failed
            continue
        if not failed and (why := damage(place)) is not None:
            aside = next(p for p in _numbered(place) if not p.exists())
            place.rename(aside)
            runtime.progress.say(f"{why}; it is now {aside}, and is trained again")
            continue
        if step.task.name not in datasets:
            datasets[step.task.name] = _dataset_of(work, step)
        refuse_another(place, _known(work, step), step.recipe, datasets[step.task.name])
        if failed:
            continue
        for path in sorted(
            [*place.glob("scores/*.safetensors"), *place.glob("boxes/*.safetensors")]
        ):
            try:
                (load_scores if path.parent.name == "scores" else load_boxes)(path)
            except UserError as error:
                path.unlink()
                runtime.progress.say(f"{error}; it is made again")
                (place / FINISHED).unlink(missing_ok=True)
        if lacks_own_test(place):
            (place / FINISHED).unlink(missing_ok=True)


def _dataset_of(work: Work, step: Training) -> Dataset:
    """The data as the task of a training has it."""
    settings = {**step.settings, **work.given}
    task = step.task
    return task.fitting(opened(work.data, settings, task.several, task.apart))


def _known(work: Work, step: Training) -> dict[str, Any]:
    """The settings of a training, with its rate where all that was tried for it is done."""
    if all((work.place(name) / FINISHED).exists() for name in step.tried):
        return work.settings(step)
    return {**step.settings, **work.given}


def _numbered(place: Path) -> Iterator[Path]:
    yield from (place.with_name(f"{place.name}.damaged-{n}") for n in range(1, 10_000))
