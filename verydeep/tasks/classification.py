"""Classification: labelled pictures in, a trained and tested network out.

`train` does the whole walk and leaves a folder; `evaluate` tests a weights file by a protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from verydeep import randomness, weights
from verydeep.datasets import Dataset, Part, open_dataset
from verydeep.errors import UserError
from verydeep.evaluation import metrics
from verydeep.evaluation.posteriors import posteriors
from verydeep.evaluation.scores import Scores, save_scores
from verydeep.evaluation.views import Protocol, protocol
from verydeep.machine import Machine
from verydeep.nets.network import Network, build
from verydeep.preprocessing import Pixels
from verydeep.progress import SILENT, Watch
from verydeep.training.defaults import checked, choose
from verydeep.training.loader import remember, steps
from verydeep.training.loop import Epoch, NotFiniteError, fit
from verydeep.training.run import Log, command_line, describe, new_folder
from verydeep.training.settings import Settings
from verydeep.weights.file import BEST, WeightsInfo, read_info

SECONDS_A_LINE = 5.0
"""Seconds of training for each line that is said of it."""


@dataclass(frozen=True)
class Tested:
    """What testing gave: a score file's content, the part it is of, and where it was written."""

    scores: Scores
    part: Part
    path: Path | None

    @property
    def top1(self) -> float:
        """Top-1 error in %."""
        return metrics.top_error(self.scores.posteriors, self.scores.labels)

    @property
    def top5(self) -> float:
        """Top-5 error in %; 0 where there are five classes or fewer."""
        return metrics.top_error(self.scores.posteriors, self.scores.labels, 5)


@dataclass(frozen=True)
class Run:
    """A finished training run: its folder, the best network, and how it came about."""

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
    watch: Watch = SILENT,
    **given: Any,
) -> Run:
    """A network trained on labelled pictures, tested on those set aside, with its folder written.

    `given` are settings by name (`epochs=20`, `net="D"`); the rest are chosen from the data and
    the machine, and told to `watch` with their reasons. The best weights, by the error on the
    test part, are kept in `best.safetensors`. Raises UserError for what the user can mend.
    """
    machine = machine or Machine.this()
    given = {name: checked(name, value) for name, value in given.items()}
    dataset = open_dataset(data, given.get("seed", 0))
    choice = choose(dataset.train, machine, given)
    network, started = _network(dataset, choice.settings)
    folder = new_folder(Path(out) if out else None, f"{_name(dataset)}-{choice.settings.net}")
    _tell(watch, dataset, choice.settings, choice.reasons, folder)
    if started:
        watch.say(f"layers of {choice.settings.start}: {', '.join(started['layers'])}")
    about = describe(folder, dataset, choice.settings, choice.reasons, str(machine), started)

    network.pixels, train_part, test_part, faults = _read(dataset, choice.settings, machine, watch)
    network.to(machine.device)
    epochs = _fit(network, train_part, test_part, choice.settings, machine, folder, about, watch)

    network = weights.load(folder / BEST, machine.device)
    tests = tuple(
        _test(network, test_part, name, None, about["data"], folder, machine, watch)
        for name in ("centre", "dense")
    )
    notes = (*dataset.notes, *faults)
    return Run(
        folder, network, dataset, choice.settings, choice.reasons, notes, tuple(epochs), tests
    )


def evaluate(
    weights_path: str | Path,
    data: str | Path,
    protocol_name: str = "dense",
    *,
    scale: int | None = None,
    part_name: str | None = None,
    seed: int | None = None,
    out: str | Path | None = None,
    machine: Machine | None = None,
    watch: Watch = SILENT,
) -> Tested:
    """A weights file tested on labelled pictures by a protocol; the posteriors go to a file.

    The pictures are those set aside for testing where the data has such a part, or where the
    network was trained on this very data; else all of them. `part_name` ("train", "test", "all")
    says otherwise. Raises UserError where the data has classes that the network does not know.
    """
    machine = machine or Machine.this()
    info = read_info(weights_path)
    trained_on = info.provenance.get("data", {})
    if seed is None:
        seed = info.provenance.get("settings", {}).get("seed", 0)
    dataset = open_dataset(data, seed)
    part_name = part_name or _part_to_test(dataset, trained_on)
    part = _relabelled(_part(dataset, part_name), dataset, info)
    for note in dataset.notes:
        watch.say(note)
    watch.say(f"testing on {len(part):,} pictures ({part_name}) of {dataset.where}")
    network = weights.load(weights_path, machine.device)
    folder = weights.find(weights_path).parent
    about = {"where": dataset.where, "fingerprint": dataset.fingerprint, "part": part_name}
    path = Path(out) if out else None
    return _test(network, part, protocol_name, scale, about, folder, machine, watch, path)


def _name(dataset: Dataset) -> str:
    """A name for a run on this data: that of its folder."""
    if dataset.kind == "folder":
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
        watch.say(f"  {name:9} {getattr(settings, name)!s:>9}  {reason}")
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


def _read(
    dataset: Dataset, settings: Settings, machine: Machine, watch: Watch
) -> tuple[Pixels, Part, Part, tuple[str, ...]]:
    """The pixels that suit the data, and its parts rescaled in memory, less what is unreadable."""
    plain = Pixels(scale=(settings.scale, settings.scale), mean=(0.0, 0.0, 0.0))
    parts, faults = [], []
    for part in (dataset.train, dataset.test):
        read, unreadable = remember(part, plain, machine.cores, watch)
        parts.append(read)
        faults += [f"left out, unreadable: {fault}" for fault in unreadable]
    for fault in faults:
        watch.say(fault)
    train_part, test_part = parts
    if len(np.unique(train_part.labels)) < 2 or not len(test_part):
        raise UserError(f"too few readable pictures in {dataset.where}: {faults[0]}")
    mean, std = _mean_and_deviation(train_part, plain)
    return Pixels(plain.scale, mean, (std, std, std)), train_part, test_part, tuple(faults)


def _mean_and_deviation(
    part: Part, pixels: Pixels, sample: int = 2000
) -> tuple[tuple[float, float, float], float]:
    """Mean RGB of the training set and the deviation from it, 0-255, from some of its pictures."""
    drawn = randomness.generator(0, "choice").permutation(len(part))[:sample]
    total, squares, count = np.zeros(3), 0.0, 0
    for i in drawn:
        values = pixels.read(part.source(int(i)), pixels.test_scale).reshape(-1, 3).astype(float)
        total, squares, count = (
            total + values.sum(0),
            squares + (values**2).sum(),
            count + len(values),
        )
    mean = total / count
    deviation = float(np.sqrt(squares / count / 3 - (mean**2).mean()))
    red, green, blue = (round(float(v), 3) for v in mean)
    return (red, green, blue), round(max(deviation, 1.0), 3)


def _fit(
    network: Network,
    train_part: Part,
    test_part: Part,
    settings: Settings,
    machine: Machine,
    folder: Path,
    about: dict[str, Any],
    watch: Watch,
) -> list[Epoch]:
    """Trains, keeping log and best weights as it goes; the epochs that were finished."""
    total = settings.epochs * steps(len(train_part), settings)
    epochs: list[Epoch] = []
    best: Epoch | None = None

    def step(number: int, loss: float) -> None:
        error = f", top-1 error {epochs[-1].top1:.1f} %" if epochs else ""
        watch.step("training", number, total, f"loss {loss:.3f}{error}")

    said = 0.0

    def worth_a_line(epoch: Epoch) -> bool:
        """Short epochs are not all told: one every few seconds, and the last."""
        nonlocal said
        said += epoch.seconds
        if len(epochs) > 1 and said < SECONDS_A_LINE and epoch.epoch < settings.epochs:
            return False
        said = 0.0
        return True

    with Log(folder) as log:
        try:
            for epoch in fit(
                network, train_part, test_part, settings, threads=machine.cores, watch=step
            ):
                log.add(epoch)
                epochs.append(epoch)
                if worth_a_line(epoch):
                    watch.say(_line(epoch, settings))
                if epoch.better_than(best):
                    best = epoch
                    weights.save(network, folder / BEST, {**about, "epoch": epoch.epoch})
        except NotFiniteError as error:
            kept = (
                f"{folder / BEST} has those of epoch {best.epoch}" if best else "none were kept yet"
            )
            raise UserError(f"{error}; of the weights, {kept}") from None
    return epochs


def _line(epoch: Epoch, settings: Settings) -> str:
    return (
        f"epoch {epoch.epoch:3}/{settings.epochs}  rate {epoch.rate:<7g} loss {epoch.loss:.3f}  "
        f"test: loss {epoch.test_loss:.3f}  top-1 error {epoch.top1:5.1f} %  "
        f"({epoch.seconds:.0f} s, {epoch.waiting:.1%} waiting for pictures)"
    )


def _test(
    network: Network,
    part: Part,
    protocol_name: str,
    scale: int | None,
    about: Mapping[str, Any],
    folder: Path,
    machine: Machine,
    watch: Watch,
    path: Path | None = None,
) -> Tested:
    """Tests one part by one protocol and writes the score file."""
    chosen = protocol(network, protocol_name, scale)
    shown = posteriors(
        network,
        part,
        chosen,
        threads=machine.cores,
        watch=lambda done: watch.step(f"testing, {chosen.name}", done, len(part)),
    )
    scores = Scores(
        shown,
        part.labels,
        tuple(part.names),
        network.classes,
        chosen,
        weights=weights.hash_of(network),
        data=str(about["fingerprint"]),
    )
    path = path or folder / "scores" / _file_name(chosen, about)
    save_scores(scores, path)
    return Tested(scores, part, path)


def _file_name(chosen: Protocol, about: Mapping[str, Any]) -> str:
    """What a score file is called: the data, the part where it is not the test part, protocol."""
    data = Path(str(about["where"])).name.replace(":", "-") or "data"
    part = about.get("part", "test")
    return f"{data}-{part}-{chosen.name}-{chosen.scale}.safetensors"


def _part_to_test(dataset: Dataset, trained_on: Mapping[str, Any]) -> str:
    """Which part is fair to test on: never one that the network has seen, as far as is known."""
    if not dataset.made_split:
        return "test"
    same_place = Path(dataset.where).resolve() == Path(trained_on.get("where", "")).resolve()
    same_data = dataset.fingerprint == trained_on.get("fingerprint")
    return "test" if same_place or same_data else "all"


def _part(dataset: Dataset, name: str) -> Part:
    parts = {**dataset.parts, "all": dataset.everything}
    if name not in parts:
        raise UserError(f"no part '{name}'; there are {', '.join(parts)}")
    return parts[name]


def _relabelled(part: Part, dataset: Dataset, info: WeightsInfo) -> Part:
    """The part with labels that are places in the network's classes, matched by name."""
    unknown = [name for name in dataset.classes if name not in info.classes]
    if unknown:
        shown = ", ".join(info.classes[:3])
        raise UserError(
            f"{dataset.where} has a class '{unknown[0]}' that the network does not know; it was "
            f"trained on {len(info.classes)} classes, the first of them {shown}"
        )
    places = np.array([info.classes.index(name) for name in dataset.classes], dtype=np.int64)
    return Part(part.names, places[part.labels], part.source, part.boxes)
