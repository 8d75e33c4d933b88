"""Checkpoints: a training put away whole, and brought back to the same bits.

A checkpoint is one file of ours, `step-N.safetensors`: the tensors of network, momentum and
average, and as its record all else that changes. It is written beside its place, synced to the
disk and moved there: at no moment does half of one bear the name of a whole. The newest that is
whole is the latest; one that is not is named and passed over.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from verydeep import schema, tensors_file
from verydeep.errors import UserError, one_line
from verydeep.schema import Count, Positive
from verydeep.tasks.task import Task
from verydeep.tensors_file import DamagedError, Place
from verydeep.training.state import Epoch, Training

KIND = tensors_file.Kind(
    "verydeep-checkpoint",
    "checkpoint",
    4,
    if_damaged="an older one is taken where there is one",
    if_other="go on with the version of verydeep that began it, or begin anew",
)
KEEP = 2
"""Newest checkpoints that are kept."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class About:
    """What a run that goes on must agree with: settings, data, and what was found in pictures."""

    settings: dict[str, Any]
    data: dict[str, Any]
    read: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """What a checkpoint says: all that changes while a net is trained, but for its tensors."""

    about: About
    epochs: list[dict[str, Any]]
    rate: Positive
    step: Count
    loss: float
    seconds: float
    waiting: float
    left_out: list[Count]
    faults: list[str]


def save(training: Training, folder: Path, about: About, step: int) -> Path:
    """Writes the checkpoint of a training after `step` steps in all, and lets go of old ones.

    Raises UserError, with the older checkpoints untouched, where it cannot be written.
    """
    place = folder / f"step-{step:09}.safetensors"
    if place in found(folder) and _is_whole(place):
        return place
    try:
        tensors_file.write(place, KIND, _record(training, about), _tensors(training))
    except UserError as error:
        raise UserError(f"{error}; older checkpoints are untouched") from None
    _let_go(folder)
    return place


def newest(folder: Path, say: Say) -> dict[str, bytes] | None:
    """The newest checkpoint that is whole, as its name and its bytes, or None.

    Those passed over are named. Raises UserError where that one is of another version of verydeep.
    """
    for place in reversed(found(folder)):
        _refuse_earlier(place)
        try:
            return {place.name: verified(place)}
        except DamagedError as error:
            say(f"passed over: {error}")
    return None


def refuse_earlier(folder: Path) -> None:
    """Raises UserError where the newest checkpoint is of a version that made folders of them."""
    for place in found(folder)[-1:]:
        _refuse_earlier(place)


def _refuse_earlier(place: Path) -> None:
    if place.is_dir():
        raise UserError(
            f"{place} is a checkpoint of an earlier format, and this verydeep reads format "
            f"{KIND.format}; {KIND.if_other}"
        )


def found(folder: Path) -> list[Path]:
    """All checkpoints, oldest first, folders of earlier versions among them."""
    return sorted(path for path in folder.glob("step-*") if path.suffix != ".part")


def verified(place: Path) -> bytes:
    """A checkpoint's bytes, found to be what was written; raises DamagedError."""
    with tensors_file.refusals(place, KIND):
        content = place.read_bytes()
    tensors_file.parsed(content, place, KIND)
    return content


def _is_whole(place: Path) -> bool:
    try:
        return bool(verified(place))
    except DamagedError:
        return False


def state_of(checkpoint: Mapping[str, bytes]) -> State:
    """What the checkpoint says in words; UserError where it says what none does."""
    (name,) = checkpoint
    record = tensors_file.parsed(checkpoint[name], Path(name), KIND, _none).record
    try:
        state: State = schema.fitting(State, record)
    except ValueError as error:
        raise UserError(f"checkpoint {name} cannot be gone on with: {error}") from None
    return state


def _none(name: str) -> bool:
    return False


def _is_of(group: str) -> Callable[[str], bool]:
    return lambda name: name.startswith(f"{group}.")


@torch.no_grad()
def restore(training: Training, checkpoint: Mapping[str, bytes]) -> None:
    """Puts a checkpoint into a training of the same network and settings.

    Raises UserError, with the training as it was, where it is of another.
    """
    state, ((name, data),) = state_of(checkpoint), checkpoint.items()
    epochs = _epochs(state.epochs, training.task, name)
    _refuse_other(training, tensors_file.parsed(data, Path(name), KIND, _none).head.places, name)
    for group, tensors in _groups(training).items():
        content = tensors_file.parsed(data, Path(name), KIND, _is_of(group))  # one at a time
        for key, kept in content.tensors().items():
            tensors[key.removeprefix(f"{group}.")].copy_(kept)
    training.optimiser.rate = state.rate
    training.epochs = epochs
    training.step, training.loss = state.step, state.loss
    training.seconds, training.waiting = state.seconds, state.waiting
    training.left_out, training.faults = state.left_out, state.faults


def _epochs(lines: Sequence[Mapping[str, Any]], task: Task, name: str) -> list[Epoch]:
    """The epochs that a checkpoint tells of; UserError where a task's figures are others."""
    try:
        epochs = [Epoch.of_line(line) for line in lines]
    except ValueError as error:
        raise UserError(f"checkpoint {name} cannot be gone on with: {error}") from None
    for epoch in epochs:
        if epoch.figures.keys() != {*task.names}:
            raise UserError(
                f"checkpoint {name} has figures {one_line(', '.join(epoch.figures) or 'none')}, "
                f"and task {task.name} is judged by {', '.join(task.names)}; begin anew"
            )
    return epochs


def _groups(training: Training) -> dict[str, Mapping[str, Tensor]]:
    """The tensors that change in a training, by what they are."""
    groups: dict[str, Mapping[str, Tensor]] = {
        "network": training.network.state_dict(),
        "momentum": training.optimiser.momentum,
    }
    if training.average is not None:
        groups["average"] = training.average
    return groups


def _tensors(training: Training) -> dict[str, Tensor]:
    """All of them under the names that they have in a file."""
    return {
        f"{group}.{name}": tensor.detach().cpu().contiguous()
        for group, tensors in _groups(training).items()
        for name, tensor in tensors.items()
    }


def _refuse_other(training: Training, places: Mapping[str, Place], name: str) -> None:
    """Raises UserError where a checkpoint's tensors are not those of a training."""
    needed = {
        f"{group}.{name}": tuple(tensor.shape)
        for group, tensors in _groups(training).items()
        for name, tensor in tensors.items()
    }
    shapes = {key: place.shape for key, place in places.items()}
    if shapes != needed:
        other = min(k for k in shapes.keys() | needed.keys() if shapes.get(k) != needed.get(k))
        raise UserError(
            f"checkpoint {name} is of another net, by its {one_line(other)}; begin anew"
        )


def bytes_of(training: Training) -> int:
    """Bytes that a checkpoint of it takes, nearly."""
    weights = sum(p.numel() * p.element_size() for p in training.network.parameters())
    return weights * (2 if training.average is None else 3) + 2**20


def need_space(folder: Path, size: int) -> None:
    """Raises UserError where there is no room for the checkpoints that are kept and one more.

    Those that are there already have theirs.
    """
    needed = (KEEP + 1 - min(KEEP, len(found(folder)))) * size
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"checkpoints in {folder} need {needed:,} bytes and {free:,} are free; make room, "
            f"or choose another --out"
        )


def _record(training: Training, about: About) -> dict[str, Any]:
    """What a checkpoint says in words."""
    return asdict(
        State(
            about,
            [epoch.line for epoch in training.epochs],
            training.optimiser.rate,
            training.step,
            training.loss,
            training.seconds,
            training.waiting,
            training.left_out,
            training.faults,
        )
    )


def _let_go(folder: Path) -> None:
    """Removes all but the newest checkpoints that are kept, and what killed runs left half made."""
    for old in [*found(folder)[:-KEEP], *folder.glob("step-*.part")]:
        with suppress(OSError):
            old.unlink()
