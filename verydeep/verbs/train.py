"""Training: labelled pictures in, a trained and tested network out.

`train` does the whole walk and leaves a folder; `resume` goes on with one that was cut short.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from verydeep import tasks, weights
from verydeep.datasets import Dataset, Memory, refuse_too_small
from verydeep.errors import UserError
from verydeep.go.positions import refuse_nothing_to_learn
from verydeep.nets import named
from verydeep.parts.fingerprints import is_unchanged
from verydeep.runtime.progress import Progress
from verydeep.runtime.runtime import Runtime, told
from verydeep.shell import command
from verydeep.training import checkpoints
from verydeep.training.defaults import Choice, choose, refuse_without_effect
from verydeep.training.lost_crops import said_of_lost_crops
from verydeep.training.recipes import Recipe
from verydeep.training.recorder import CHECKPOINTS
from verydeep.training.run import new_folder, write_origin
from verydeep.training.run_toml import (
    RUN,
    describe,
    described,
    settings_of,
)
from verydeep.training.settings import Settings, checked
from verydeep.verbs.announcement import announce, instead
from verydeep.verbs.first_network import (
    begun_with,
    first_network,
    in_words,
    random_network,
    table_of,
    within_memory,
)
from verydeep.verbs.parts import opened, remembered
from verydeep.verbs.run import Run, go_through
from verydeep.verbs.training_data import (
    origin_of,
    refuse_boards_as_pictures,
    refuse_nothing_apart,
    set_apart,
)


def train(
    data: str | Path,
    out: str | Path | None = None,
    runtime: Runtime | None = None,
    *,
    recipe: Recipe | None = None,
    progress: Progress | None = None,
    planned: bool = False,
    **given: Any,
) -> Run:
    """A network trained on labelled pictures and tested on others, with its folder written.

    `given` are settings by name (`epochs=20`, `net="D"`); the rest are those of the recipe, or
    chosen from the data and the machine, and told to the watch with their reasons. The best
    weights, by what the task watches on the validation part (a classifier's error), are kept in
    `best.safetensors`, and checkpoints in `checkpoints/`. What weights started from have learnt is
    never set aside. `progress` listens, in place of whoever asked; `SILENT` tells nobody. Raises
    UserError for what the user can mend, and Stopped where it was interrupted and can be resumed.

    A setting that changes nothing beside the others is one of those mistakes, but where it is
    `planned` for several trainings alike.
    """
    runtime = told(runtime, progress)
    called, given = given.get("net"), checked(given)
    if called is not None and named.renamed(called, given["net"]):
        runtime.progress.say(f"{called} is {named.in_words(given['net'])}")
    ranks = runtime.ranks
    asked = {**(recipe.settings if recipe else {}), **given}
    task = tasks.named(asked.get("task", Settings.task))
    if asked.get("start"):
        weights.find(asked["start"], runtime.progress)  # here, if it is a name not yet fetched
    dataset = task.fitting(opened(data, asked, task.several, task.apart))
    if not task.apart:  # of identities one picture will do, beside others
        refuse_too_small(dataset)
        refuse_nothing_to_learn(dataset)
    if not asked.get("start"):
        refuse_boards_as_pictures(dataset, asked.get("net", Settings.net), task.name)
    origin = Memory()
    if asked.get("start"):
        start = weights.find(asked["start"])
        origin = remembered(start, dataset, "train anew, without --from")
    dataset = set_apart(dataset, origin, asked.get("start"), runtime)
    choice = choose(dataset.train, runtime.machine, given, recipe)
    if not planned:
        refuse_without_effect(given, choice.settings)
    refuse_boards_as_pictures(dataset, choice.settings.net, task.name)
    refuse_nothing_apart(dataset, choice.settings.start)
    outputs = task.outputs(dataset)
    lost = said_of_lost_crops(dataset.train, choice.settings, outputs, dataset.where)
    begun = ranks.is_main and ranks.started_by_another and out is not None
    begun = begun and _is_of(Path(str(out)), dataset, choice.settings)
    if ranks.broadcast(begun):
        return resume(str(out), runtime, data=data)
    table = table_of(dataset, choice.settings, begun_with(dataset, choice.settings))
    runtime, takes = within_memory(dataset, choice.settings, table, runtime)
    network, started = first_network(dataset, choice.settings)
    if ranks.is_main:
        name = f"{_name(dataset)}-{table.configuration}"
        folder = new_folder(Path(out) if out else None, name)
        device = str(runtime.machine)
        describe(folder, dataset, choice.settings, choice.reasons, device, started)
        if choice.settings.start:
            write_origin(folder, origin)
    folder = Path(ranks.broadcast(str(folder) if ranks.is_main else ""))
    announce(runtime.progress, dataset, choice, takes, folder)
    for row in (*recipe.printed, *recipe.accuracies) if recipe else ():
        runtime.progress.say(str(row))
    advice = None if recipe else instead(dataset, choice, runtime.machine)
    for line in filter(None, (advice, lost)):
        runtime.progress.say(line)
    for line in in_words(network, choice.settings, started):
        runtime.progress.say(line)
    return go_through(folder, dataset, choice, network, runtime, origin)


def resume(
    folder: str | Path,
    runtime: Runtime | None = None,
    *,
    data: str | Path | None = None,
    progress: Progress | None = None,
) -> Run:
    """Goes on with a run from its newest checkpoint, to the bits it would have come to.

    `data` says where the data lies now, if it was moved; `progress` listens. Raises UserError where
    the folder is no run's, or the data is not what it was.
    """
    runtime, folder = told(runtime, progress), Path(folder)
    about = described(folder)
    checkpoints.refuse_earlier(folder / CHECKPOINTS)  # before any picture is looked at
    settings = settings_of(about)
    where = data or about.machine.data
    if not Path(where).exists() and not str(where).startswith("drawn"):
        raise UserError(
            f"{where}, which {folder} was begun with, is gone; say where it is now: "
            f"`{command('train', 'DATA', '--resume', folder)}`"
        )
    task = tasks.named(settings.task)
    dataset = task.fitting(opened(where, asdict(settings), task.several, task.apart))
    if not is_unchanged(about.data.fingerprint, dataset):
        raise UserError(
            f"{dataset.where} has changed since {folder} was begun: its fingerprint was "
            f"{about.data.fingerprint} and is {dataset.fingerprint}; train anew"
        )
    origin = origin_of(folder, dataset, about.machine.start)
    dataset = set_apart(dataset, origin, settings.start, runtime)
    dataset = replace(dataset, where=about.data.where)
    beginning = about.start.beginning(settings.crop, settings.scale) if about.start else None
    runtime, _ = within_memory(dataset, settings, table_of(dataset, settings, beginning), runtime)
    network = random_network(dataset, settings, beginning)
    if about.start and about.machine.start and not checkpoints.found(folder / CHECKPOINTS):
        _, digest = weights.start_from(network, about.machine.start)
        if digest != about.start.hash:
            start = about.machine.start
            raise UserError(f"{start} is not what {folder} was begun from; train anew")
    runtime.progress.say(f"going on with {folder}/")
    return go_through(folder, dataset, Choice(settings, about.reasons), network, runtime, origin)


def _is_of(folder: Path, dataset: Dataset, settings: Settings) -> bool:
    """Whether a folder holds a run of these very settings on this very data."""
    if not (folder / RUN).is_file():
        return False
    about = described(folder)
    return is_unchanged(about.data.fingerprint, dataset) and settings_of(about) == settings


def _name(dataset: Dataset) -> str:
    """A name for a run on this data: that of its folder."""
    if dataset.kind != "drawn":
        return Path(dataset.where).resolve().name
    return dataset.where.replace(":", "-")
