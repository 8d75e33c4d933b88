"""Classification: labelled pictures in, a trained and tested network out.

`train` does the whole walk and leaves a folder; `resume` goes on with one that was cut short.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from verydeep import weights
from verydeep.datasets import Dataset, Part, open_dataset
from verydeep.errors import Stopped, UserError
from verydeep.machine import Machine
from verydeep.nets.network import Network, build
from verydeep.preprocessing import Pixels
from verydeep.processes import Processes
from verydeep.progress import SILENT, Watch
from verydeep.tasks.testing import Tested, measure
from verydeep.training.defaults import Choice, choose
from verydeep.training.keeper import Keeper
from verydeep.training.loader import Source, remember, steps
from verydeep.training.loop import fit
from verydeep.training.recipes import Recipe
from verydeep.training.run import command_line, describe, described, new_folder
from verydeep.training.settings import Settings, checked, scale_text
from verydeep.training.state import Epoch, Training
from verydeep.training.statistics import colours
from verydeep.training.step import NotFiniteError
from verydeep.weights.file import BEST

ROLLBACKS = 3
"""Times that a run goes back to a checkpoint because of a loss that is not finite."""


@dataclass(frozen=True)
class Run:
    """A finished training run: its folder, the best network, and how it came about.

    Of several processes, the first alone has tests, and the best weights.
    """

    folder: Path
    network: Network
    dataset: Dataset
    settings: Settings
    reasons: Mapping[str, str]
    notes: tuple[str, ...]
    epochs: tuple[Epoch, ...]
    tests: tuple[Tested, ...]

    @property
    def best(self) -> Epoch:
        """The epoch whose weights were kept."""
        best = self.epochs[0]
        for epoch in self.epochs:
            best = epoch if epoch.better_than(best) else best
        return best

    @property
    def command(self) -> str:
        """The command that makes the same run again."""
        return command_line(self.dataset.where, self.settings)


def train(
    data: str | Path,
    out: str | Path | None = None,
    *,
    machine: Machine | None = None,
    processes: Processes | None = None,
    watch: Watch = SILENT,
    every: int | None = None,
    recipe: Recipe | None = None,
    **given: Any,
) -> Run:
    """A network trained on labelled pictures, tested on those set aside, with its folder written.

    `given` are settings by name (`epochs=20`, `net="D"`); the rest are those of the recipe, or
    chosen from the data and the machine, and told to `watch` with their reasons. The best weights,
    by the error on the test part, are kept in `best.safetensors`; a checkpoint is written every so
    many steps, by default about once a minute. Raises UserError for what the user can mend.
    """
    machine = machine or Machine.this()
    processes = processes or Processes()
    given = checked(given)
    dataset = open_dataset(data, given.get("seed", 0))
    choice = choose(dataset.train, machine, given, recipe)
    network, started = _network(dataset, choice.settings)
    if processes.first:
        name = f"{_name(dataset)}-{choice.settings.net}"
        folder = new_folder(Path(out) if out else None, name)
        describe(folder, dataset, choice.settings, choice.reasons, str(machine), started)
    folder = Path(processes.say(str(folder) if processes.first else ""))
    _tell(watch, dataset, choice.settings, choice.reasons, folder)
    if started:
        watch.say(f"layers of {choice.settings.start}: {', '.join(started['layers'])}")
    return _run(folder, dataset, choice, network, machine, processes, watch, every)


def resume(
    folder: str | Path,
    *,
    machine: Machine | None = None,
    processes: Processes | None = None,
    watch: Watch = SILENT,
    every: int | None = None,
) -> Run:
    """Goes on with a run from its newest checkpoint, to the bits it would have come to.

    Raises UserError where the folder is no run's, or the data is not what it was.
    """
    folder = Path(folder)
    about = described(folder)
    settings = Settings(**checked(about["settings"]))
    dataset = open_dataset(about["machine"]["data"], settings.seed)
    if dataset.fingerprint != about["data"]["fingerprint"]:
        raise UserError(
            f"{dataset.where} has changed since {folder} was begun: its fingerprint was "
            f"{about['data']['fingerprint']} and is {dataset.fingerprint}; train anew"
        )
    dataset = replace(dataset, where=about["data"]["where"])
    network, _ = _network(dataset, settings)
    watch.say(f"going on with {folder}/")
    choice = Choice(settings, about["reasons"])
    return _run(
        folder,
        dataset,
        choice,
        network,
        machine or Machine.this(),
        processes or Processes(),
        watch,
        every,
    )


def _run(
    folder: Path,
    dataset: Dataset,
    choice: Choice,
    network: Network,
    machine: Machine,
    processes: Processes,
    watch: Watch,
    every: int | None,
) -> Run:
    """Trains from wherever the folder stands, and tests what came of it."""
    settings = choice.settings
    about = described(folder) if processes.first else {}
    about = {name: about[name] for name in about if name not in ("reasons", "machine")}
    processes.agree(
        {
            "data": dataset.fingerprint,
            **{field: str(value) for field, value in vars(settings).items()},
            "way of summing": [processes.in_order, processes.half],
        }
    )
    _check_shares(settings, processes, machine)
    source, test_part, faults = _read(dataset, settings, machine, watch)
    network.pixels = source.pixels
    network.to(machine.device)
    if machine.device == "cuda":
        network.to(memory_format=torch.channels_last)  # as batches come; 1.2 times as fast
    source = replace(
        source, share=(processes.number, processes.count), pinned=machine.device == "cuda"
    )
    training = Training.of(network, settings)
    total = settings.epochs * steps(len(source.part), settings)
    keeper = Keeper(folder, about, settings, total, processes, watch, every)
    with keeper:
        keeper.restore(training)
        _fit(training, source, test_part, settings, machine, processes, keeper)
        keeper.save(training)
    tests: tuple[Tested, ...] = ()
    if processes.first:
        network = weights.load(folder / BEST, machine.device)
        with processes.aside("the test"):
            tests = tuple(
                measure(network, test_part, name, None, about["data"], folder, machine, watch)
                for name in ("centre", "dense")
            )
    processes.wait("the test")
    notes = (*dataset.notes, *faults, *keeper.notes)
    return Run(
        folder, network, dataset, settings, choice.reasons, notes, tuple(training.epochs), tests
    )


def _fit(
    training: Training,
    source: Source,
    test_part: Part,
    settings: Settings,
    machine: Machine,
    processes: Processes,
    keeper: Keeper,
) -> None:
    """Trains to the end; back to a checkpoint where a loss is not finite and settings say so."""
    while True:
        try:
            for epoch in fit(
                training,
                source,
                test_part,
                settings,
                threads=machine.threads,
                processes=processes,
                after_step=keeper.after_step,
                while_testing=keeper.while_testing,
            ):
                keeper.after_epoch(training, epoch)
        except Stopped:
            keeper.stop(training)
        except NotFiniteError as error:
            if settings.bad_loss == "stop" or len(training.left_out) == ROLLBACKS:
                raise UserError(f"{error}; {keeper.kept(training)}") from None
            keeper.roll_back(training, error)
        else:
            return


def _name(dataset: Dataset) -> str:
    """A name for a run on this data: that of its folder."""
    if dataset.kind != "drawn":
        return Path(dataset.where).resolve().name
    return dataset.where.replace(":", "-")


def _tell(
    watch: Watch, dataset: Dataset, settings: Settings, reasons: Mapping[str, str], folder: Path
) -> None:
    """Says what was found and what was chosen, before the long work begins."""
    watch.say(f"{dataset.where}: {len(dataset.classes)} classes, {dataset.kind}")
    for note in dataset.notes:
        watch.say(f"  {note}")
    watch.say("chosen:")
    for name, reason in reasons.items():
        value = getattr(settings, name)
        text = scale_text(value) if name == "scale" else str(value)
        watch.say(f"  {name:9} {text:>9}  {reason}")
    watch.say(f"writing to {folder}/")


def _network(dataset: Dataset, settings: Settings) -> tuple[Network, dict[str, Any]]:
    """The network as it is before the first step; and whose layers it starts from, if another's."""
    network = build(
        settings.net,
        dataset.classes,
        width=settings.width,
        crop=settings.crop,
        fc=settings.fc,
        initial=settings.initial,
        seed=settings.seed,
    )
    if settings.start is None:
        return network, {}
    layers, digest = weights.start_from(network, settings.start)
    return network, {"hash": digest, "layers": layers}


def _check_shares(settings: Settings, processes: Processes, machine: Machine) -> None:
    """Refuses a batch that the processes, and the shards within them, do not divide."""
    count = processes.count
    if count == 1:
        return
    if settings.batch % count:
        raise UserError(
            f"a batch of {settings.batch} cannot be shared by {count} processes; take --batch "
            f"{settings.batch // count * count or count}, or another number of processes"
        )
    share = settings.batch // count
    if share % settings.shard and (machine.device == "cpu" or processes.in_order):
        fitting = max(n for n in range(1, min(settings.shard, share) + 1) if share % n == 0)
        raise UserError(
            f"shards of {settings.shard} do not divide the {share} pictures a step that each of "
            f"{count} processes has; take --set shard={fitting}, with any number of processes"
        )


def _read(
    dataset: Dataset, settings: Settings, machine: Machine, watch: Watch
) -> tuple[Source, Part, tuple[str, ...]]:
    """What to train and to test on, rescaled in memory, less what is unreadable; and that."""
    plain = Pixels(scale=settings.scale, mean=(0.0, 0.0, 0.0))
    parts, faults = [], []
    for part in (dataset.train, dataset.test):
        read, unreadable = remember(part, plain, machine.threads, watch)
        parts.append(read)
        faults += [f"left out, unreadable: {fault}" for fault in unreadable]
    for fault in faults:
        watch.say(fault)
    train_part, test_part = parts
    if len(np.unique(train_part.labels)) < 2 or not len(test_part):
        raise UserError(f"too few readable pictures in {dataset.where}: {faults[0]}")
    found = colours(train_part, plain)
    pixels = Pixels(plain.scale, found.mean, (found.deviation,) * 3)
    return Source(train_part, pixels, found.axes), test_part, tuple(faults)
