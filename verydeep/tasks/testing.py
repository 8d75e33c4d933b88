"""Testing: a trained network and labelled pictures in, errors and a score file out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from verydeep import weights
from verydeep.datasets import Dataset, Part, open_dataset
from verydeep.errors import UserError
from verydeep.evaluation import metrics
from verydeep.evaluation.posteriors import posteriors
from verydeep.evaluation.scores import Scores, save_scores
from verydeep.evaluation.views import Protocol, protocol
from verydeep.machine import Machine
from verydeep.nets.network import Network
from verydeep.progress import SILENT, Watch
from verydeep.weights.file import WeightsInfo, read_info


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
    return measure(network, part, protocol_name, scale, about, folder, machine, watch, path)


def measure(
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
        threads=machine.threads,
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
