"""Checkpoints: a training put away whole, and brought back to the same bits.

A checkpoint is a folder `step-N` of safetensors and JSON with a manifest that has the sha256 of
each file and of itself. It is written beside its place, every file and the folder synced to the
disk, and renamed: there is no moment at which half of one bears the name of a whole. The newest
that verifies is the latest; one that does not is named and passed over.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from torch import Tensor

from verydeep import schema
from verydeep.errors import UserError, one_line
from verydeep.files import names_to_disk, to_disk
from verydeep.safetensors_layout import pieces
from verydeep.schema import AndOthers, Count, Positive, Sha256
from verydeep.training.state import Epoch, Training

FORMAT = 3
"""Of `training.json`; raised whenever what it holds changes."""
KEEP = 2
"""Newest checkpoints that are kept."""
MANIFEST = "manifest.json"
STATE = "training.json"
Say = Callable[[str], None]
Content = Sequence[bytes | memoryview]
"""Of a file, in pieces: what is written of a network is its own memory and no copy."""


class About(TypedDict):
    """What a later run must agree with."""

    settings: dict[str, Any]
    data: dict[str, Any]
    read: NotRequired[dict[str, Any]]


class State(TypedDict):
    """What training.json says: all that changes while a net is trained, but for its tensors."""

    format: int
    about: Annotated[About, AndOthers()]
    epochs: list[Epoch]
    rate: Positive
    step: Count
    loss: float
    seconds: float
    waiting: float
    left_out: list[Count]
    faults: list[str]


class Manifest(TypedDict):
    """What manifest.json says."""

    files: dict[str, Sha256]
    sha256: Sha256


class DamagedError(UserError):
    """A checkpoint that is not what was written."""


def save(training: Training, folder: Path, about: Mapping[str, Any], step: int) -> Path:
    """Writes the checkpoint of a training after `step` steps in all, and lets go of old ones.

    `about` is plain data that a later run must agree with. Raises UserError, with the older
    checkpoints untouched, where it cannot be written.
    """
    place = folder / f"step-{step:09}"
    if place in found(folder) and _verifies(place):
        return place
    files = _files(training, about)
    beside = folder / f".{place.name}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        with ThreadPoolExecutor(1) as pool:  # hashes while the disk writes
            sums = pool.submit(_sums, files)
            for name, content in files.items():
                _write(beside / name, content)
            _write(beside / MANIFEST, [_manifest(sums.result())])
        names_to_disk(beside)
        shutil.rmtree(place, ignore_errors=True)  # one of the same step that is damaged
        beside.rename(place)
        names_to_disk(folder)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        size = sum(len(piece) for content in files.values() for piece in content)
        raise UserError(
            f"cannot write checkpoint {place} ({size:,} bytes): {error.strerror}; older ones are "
            f"untouched"
        ) from None
    _let_go(folder)
    return place


def newest(folder: Path, say: Say) -> dict[str, bytes] | None:
    """The files of the newest checkpoint that verifies, or None; those passed over are named.

    Raises UserError where that one is of another version of verydeep.
    """
    for place in reversed(found(folder)):
        try:
            files = verified(place)
        except DamagedError as error:
            say(f"{error}; passed over")
            continue
        try:
            state = schema.of_json(files[STATE])
        except (KeyError, ValueError) as error:
            say(f"checkpoint {place} is damaged in {STATE}: {error}; passed over")
            continue
        written = state.get("format") if isinstance(state, dict) else None
        if written != FORMAT:
            raise UserError(
                f"checkpoint {place} is of format {schema.shown(written)}, and this version of "
                f"verydeep goes on with format {FORMAT}; go on with the version that began it, or "
                f"begin anew"
            )
        return files
    return None


def found(folder: Path) -> list[Path]:
    """The folders of all checkpoints, oldest first."""
    return sorted(folder.glob("step-*"))


def verified(place: Path) -> dict[str, bytes]:
    """A checkpoint's files, each held against its sha256; raises DamagedError."""
    try:
        text = (place / MANIFEST).read_bytes()
        manifest: Manifest = schema.fitting(Manifest, schema.of_json(text))
        sums = manifest["files"]
        if text != _manifest(sums) or not sums.keys() <= {*FILES}:
            raise DamagedError(f"checkpoint {place} is damaged: {MANIFEST} is not as written")
        files = {name: (place / name).read_bytes() for name in sums}
    except DamagedError:
        raise
    except (OSError, ValueError) as error:
        raise DamagedError(f"checkpoint {place} is damaged: {one_line(error)}") from None
    for name, digest in _sums({name: [content] for name, content in files.items()}).items():
        if digest != sums[name]:
            raise DamagedError(f"checkpoint {place} is damaged in {name}: its sha256 differs")
    return files


def _verifies(place: Path) -> bool:
    try:
        return bool(verified(place))
    except DamagedError:
        return False


def state_of(files: Mapping[str, bytes]) -> State:
    """What the checkpoint's training.json says; UserError where it says what none does."""
    try:
        state: State = schema.fitting(State, schema.of_json(files[STATE]))
    except ValueError as error:
        raise UserError(f"the checkpoint's {STATE} cannot be gone on with: {error}") from None
    return state


def restore(training: Training, files: Mapping[str, bytes]) -> None:
    """Puts a checkpoint into a training of the same network and settings.

    Raises UserError, with the training as it was, where it is of another.
    """
    state, network = state_of(files), training.network.state_dict()
    _fill(network, files, "network")
    _fill(training.optimiser.momentum, files, "momentum")
    if training.average is not None:
        _fill(training.average, files, "average")
    training.optimiser.rate = state["rate"]
    training.epochs = state["epochs"]
    training.step, training.loss = state["step"], state["loss"]
    training.seconds, training.waiting = state["seconds"], state["waiting"]
    training.left_out, training.faults = state["left_out"], state["faults"]


@torch.no_grad()
def _fill(tensors: Mapping[str, Tensor], files: Mapping[str, bytes], what: str) -> None:
    """Copies a file's tensors into those of a training; UserError where they are others."""
    name = f"{what}.safetensors"
    try:
        kept = from_bytes(files[name])
    except (KeyError, SafetensorError, ValueError) as error:
        raise UserError(f"the checkpoint's {name} cannot be read: {one_line(error)}") from None
    shapes, needed = ({k: tuple(t.shape) for k, t in f.items()} for f in (kept, tensors))
    if shapes != needed:
        other = min(k for k in shapes.keys() | needed.keys() if shapes.get(k) != needed.get(k))
        raise UserError(
            f"the checkpoint's {name} is of another net, by its {one_line(other)}; begin anew"
        )
    for key, tensor in tensors.items():
        tensor.copy_(kept[key])


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


FILES = ("network.safetensors", "momentum.safetensors", "average.safetensors", STATE)
"""What a checkpoint has beside its manifest; an average only where one is kept."""


def _files(training: Training, about: Mapping[str, Any]) -> dict[str, Content]:
    """The content of a checkpoint, by file name, but for the manifest."""
    state = {
        "format": FORMAT,
        "about": about,
        "epochs": [asdict(epoch) for epoch in training.epochs],
        "rate": training.optimiser.rate,
        "step": training.step,
        "loss": training.loss,
        "seconds": training.seconds,
        "waiting": training.waiting,
        "left_out": training.left_out,
        "faults": training.faults,
    }
    files: dict[str, Content] = {
        "network.safetensors": _pieces(training.network.state_dict()),
        "momentum.safetensors": _pieces(training.optimiser.momentum),
        STATE: [json.dumps(state, sort_keys=True, indent=1).encode()],
    }
    if training.average is not None:
        files["average.safetensors"] = _pieces(training.average)
    return files


def _pieces(tensors: Mapping[str, Tensor]) -> Content:
    plain = {
        n: t.detach().cpu().contiguous(memory_format=torch.contiguous_format)
        for n, t in tensors.items()
    }
    return pieces(plain, {})


def _sums(files: Mapping[str, Content]) -> dict[str, str]:
    """The sha256 of each file."""
    sums = {}
    for name, content in files.items():
        digest = hashlib.sha256()
        for piece in content:
            digest.update(piece)
        sums[name] = digest.hexdigest()
    return sums


def _manifest(sums: Mapping[str, str]) -> bytes:
    """The manifest as it is written, to the byte: its own sha256 comes with it."""
    own = hashlib.sha256(json.dumps(sums, sort_keys=True).encode()).hexdigest()
    return json.dumps({"files": sums, "sha256": own}, sort_keys=True, indent=1).encode()


def _write(path: Path, content: Content) -> None:
    with path.open("wb") as file:
        file.writelines(content)
        to_disk(file)


def _let_go(folder: Path) -> None:
    """Removes all but the newest checkpoints that are kept, and what killed runs left half made."""
    for old in [*found(folder)[:-KEEP], *folder.glob(".step-*")]:
        with suppress(OSError):
            shutil.rmtree(old)
