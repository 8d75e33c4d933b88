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
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor

from verydeep.errors import UserError
from verydeep.files import names_to_disk, to_disk
from verydeep.training.state import Epoch, Training

FORMAT = 3
"""Of `training.json`; raised whenever what it holds changes."""
KEEP = 2
"""Newest checkpoints that are kept."""
MANIFEST = "manifest.json"
Say = Callable[[str], None]


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
            _write(beside / MANIFEST, _manifest(sums.result()))
        names_to_disk(beside)
        shutil.rmtree(place, ignore_errors=True)  # one of the same step that is damaged
        beside.rename(place)
        names_to_disk(folder)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        size = sum(map(len, files.values()))
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
        written = json.loads(files["training.json"])["format"]
        if written != FORMAT:
            raise UserError(
                f"checkpoint {place} is of format {written}, and this version of verydeep goes on "
                f"with format {FORMAT}; go on with the version that began it, or begin anew"
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
        manifest = json.loads(text)
        sums = dict(manifest["files"])
        if text != _manifest(sums):
            raise DamagedError(f"checkpoint {place} is damaged: {MANIFEST} is not as written")
        files = {name: (place / name).read_bytes() for name in sums}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"checkpoint {place} is damaged: {error}") from None
    for name, digest in _sums(files).items():
        if digest != sums[name]:
            raise DamagedError(f"checkpoint {place} is damaged in {name}: its sha256 differs")
    return files


def _verifies(place: Path) -> bool:
    try:
        return bool(verified(place))
    except DamagedError:
        return False


def about_of(files: Mapping[str, bytes]) -> dict[str, Any]:
    """What the checkpoint was saved with, for a later run to agree with."""
    about: dict[str, Any] = json.loads(files["training.json"])["about"]
    return about


def restore(training: Training, files: Mapping[str, bytes]) -> None:
    """Puts a checkpoint into a training of the same network and settings."""
    state = json.loads(files["training.json"])
    training.network.load_state_dict(from_bytes(files["network.safetensors"]))
    momentum = from_bytes(files["momentum.safetensors"])
    for name, tensor in training.optimiser.momentum.items():
        tensor.copy_(momentum[name])
    training.optimiser.rate = state["rate"]
    if training.average is not None:
        average = from_bytes(files["average.safetensors"])
        for name, tensor in training.average.items():
            tensor.copy_(average[name])
    training.epochs = [Epoch(**epoch) for epoch in state["epochs"]]
    for name in ("step", "loss", "seconds", "waiting", "left_out", "faults"):
        setattr(training, name, state[name])


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


def _files(training: Training, about: Mapping[str, Any]) -> dict[str, bytes]:
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
    files = {
        "network.safetensors": _bytes(training.network.state_dict()),
        "momentum.safetensors": _bytes(training.optimiser.momentum),
        "training.json": json.dumps(state, sort_keys=True, indent=1).encode(),
    }
    if training.average is not None:
        files["average.safetensors"] = _bytes(training.average)
    return files


def _bytes(tensors: Mapping[str, Tensor]) -> bytes:
    plain = {
        n: t.detach().cpu().contiguous(memory_format=torch.contiguous_format)
        for n, t in tensors.items()
    }
    return to_bytes(plain)


def _sums(files: Mapping[str, bytes]) -> dict[str, str]:
    """The sha256 of each file."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def _manifest(sums: Mapping[str, str]) -> bytes:
    """The manifest as it is written, to the byte: its own sha256 comes with it."""
    own = hashlib.sha256(json.dumps(sums, sort_keys=True).encode()).hexdigest()
    return json.dumps({"files": sums, "sha256": own}, sort_keys=True, indent=1).encode()


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        to_disk(file)


def _let_go(folder: Path) -> None:
    """Removes all but the newest checkpoints that are kept, and what killed runs left half made."""
    for old in [*found(folder)[:-KEEP], *folder.glob(".step-*")]:
        with suppress(OSError):
            shutil.rmtree(old)
