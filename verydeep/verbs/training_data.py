"""The pictures of a run: nothing set aside that was learnt, read once, less what is unreadable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from verydeep import tasks, weights
from verydeep.datasets import Dataset, Memory, Part, inspection, settled
from verydeep.errors import UserError
from verydeep.go import positions
from verydeep.go.symmetries import with_symmetries
from verydeep.nets import alphago, named
from verydeep.parts.annotations import counts_of
from verydeep.pictures.preprocessing import Pixels
from verydeep.runtime.runtime import Runtime
from verydeep.tasks.classify import CLASSIFY
from verydeep.training.balance import classes_seen
from verydeep.training.colours import colours
from verydeep.training.loader import CropSource, remember
from verydeep.training.run import ORIGIN, read_origin
from verydeep.training.settings import Settings
from verydeep.verbs.parts import remembered


@dataclass(frozen=True)
class TrainingData:
    """What a run learns from, and the parts set aside by role, in memory.

    `found` is what was found in them, which every process must find, and again whoever goes on;
    `faults` name what is unreadable, and why.
    """

    source: CropSource
    held_out: Mapping[str, Part]
    found: Mapping[str, Any]
    faults: tuple[str, ...]


def origin_of(folder: Path, dataset: Dataset, start: str | None) -> Memory:
    """What the weights that a run started from had learnt; of them, where it got no further."""
    if start is None or (folder / ORIGIN).exists():
        return read_origin(folder) if start else Memory()
    return remembered(weights.find(start), dataset, "train anew")


def set_apart(dataset: Dataset, origin: Memory, start: str | None, runtime: Runtime) -> Dataset:
    """The dataset with nothing set aside that was learnt by what training starts from."""
    threads, progress = runtime.machine.threads, runtime.progress
    dataset = settled(dataset, origin, str(start), threads=threads, progress=progress)
    dataset = replace(dataset, notes=(*dataset.notes, *inspection.warnings(dataset)))
    return with_symmetries(dataset) if dataset.kind == positions.KIND else dataset


def refuse_nothing_apart(dataset: Dataset, start: str | None) -> None:
    """Raises UserError where there is no picture to choose the weights by."""
    if not len(dataset.validation):
        why = f"{start} has learnt from" if start else "copies in train are"
        raise UserError(
            f"{why} all that could be set aside of {dataset.where} to choose the weights by; add "
            f"other pictures"
        )


def refuse_boards_as_pictures(dataset: Dataset, net: str, task: str) -> None:
    """Raises UserError where boards would be learnt as pictures, or pictures as boards."""
    if dataset.kind == positions.KIND and task != CLASSIFY.name:
        raise UserError(
            f"{dataset.where} has positions of Go, whose moves are classes; leave --task out"
        )
    if dataset.kind == positions.KIND and not named.reads_boards(net):
        boards = ", ".join(net.name for net in alphago.FAMILY.nets)
        raise UserError(
            f"{dataset.where} has positions of Go, which nets of boards read; take --net, one of "
            f"{boards}"
        )
    if dataset.kind != positions.KIND and named.reads_boards(net):
        raise UserError(
            f"{net} reads positions of Go, and {dataset.where} has pictures; give a folder of "
            f".sgf files"
        )


def read(
    dataset: Dataset, settings: Settings, kept: Pixels | None, runtime: Runtime
) -> TrainingData:
    """The pictures of a run, read; UserError where too few can be, or processes find others.

    Pixels are those `kept` from the weights that training starts from, or else less the training
    set's mean, and divided by its deviation where settings say so.
    """
    machine, ranks, progress = runtime.machine, runtime.ranks, runtime.progress
    plain = kept or Pixels(scale=settings.scale, mean=(0.0, 0.0, 0.0))
    parts, faults = {}, []
    for role, part in dataset.by_role.items():
        parts[role], unreadable = remember(part, plain, machine.threads, progress)
        faults += [f"left out, unreadable: {fault}" for fault in unreadable]
    for fault in faults:
        progress.say(fault)
    counts = {f"number of pictures in {role}": len(part) for role, part in parts.items()}
    train_part = parts.pop("train")
    chosen_by = counts_of(parts["validation"].truth, len(dataset.classes))
    least = tasks.named(settings.task).classes
    if classes_seen(train_part.truth) < least or not chosen_by.any():
        why = faults[0] if faults else "one class to learn from, or none to choose by"
        raise UserError(f"too few readable pictures in {dataset.where}: {why}")
    seen = colours(train_part, plain)
    deviation = seen.deviation if settings.divide else 1.0
    pixels = kept or Pixels(plain.scale, seen.mean, (deviation,) * 3)
    found = {**counts, "pixels": str(pixels), "axes of colour": str(seen.axes)}
    ranks.agree(found)
    share = (ranks.rank, ranks.world_size)
    source = CropSource(
        train_part, pixels, seen.axes, share, pinned=machine.device == "cuda",
        outputs=tasks.named(settings.task).outputs(dataset),
    )  # fmt: skip
    held_out = {role: part for role, part in parts.items() if len(part)}
    return TrainingData(source, held_out, found, tuple(faults))
