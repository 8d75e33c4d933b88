"""The folder of a run: all that is needed to repeat it, its log, and its best weights."""

from __future__ import annotations

import csv
import json
import platform
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any

from verydeep.datasets.dataset import Dataset
from verydeep.errors import UserError
from verydeep.training.loop import Epoch
from verydeep.training.settings import Settings

OPTIONS = ("net", "start", "width", "crop", "fc", "scale", "batch", "epochs", "rate", "seed")
"""Settings that have an option of their own on the command line."""


def new_folder(out: Path | None, name: str) -> Path:
    """A folder for a new run: `out`, or the first free one of runs/NAME, runs/NAME-2 and so on.

    Raises UserError where `out` holds something already or cannot be made.
    """
    path = out or next(p for p in _numbered(Path("runs") / name) if not p.exists())
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file; --out takes the folder to write the run into")
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise UserError(f"{path} holds something already; choose another --out or take it away")
        (path / "log.csv").touch()
    except OSError as error:
        raise UserError(
            f"cannot write into {path}: {error.strerror}; choose another --out"
        ) from None
    return path


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    yield from (path.with_name(f"{path.name}-{n}") for n in range(2, 10_000))


def command_line(where: str, settings: Settings) -> str:
    """The command that trains the same net again, with every setting said."""
    words = ["verydeep", "train", shlex.quote(where)]
    paper = Settings()
    for name in (field.name for field in fields(Settings)):
        value = getattr(settings, name)
        if name in OPTIONS and value is not None:
            words += [f"--{name}", shlex.quote(f"{value}")]
        elif value != getattr(paper, name):
            words += [
                "--set",
                shlex.quote(f"{name}={value if isinstance(value, str) else json.dumps(value)}"),
            ]
    return " ".join(words)


def describe(
    folder: Path,
    dataset: Dataset,
    settings: Settings,
    reasons: Mapping[str, str],
    device: str,
    started: Mapping[str, Any],
) -> dict[str, Any]:
    """Writes run.toml, and gives what of it travels inside the weights file: nothing of the day.

    `started` says whose layers the network started from, where it did from another's.
    """
    about: dict[str, Any] = {
        "repeat": {"command": command_line(dataset.where, settings)},
        "settings": {k: v for k, v in asdict(settings).items() if v is not None},
        "data": {
            "where": dataset.where,
            "fingerprint": dataset.fingerprint,
            "classes": len(dataset.classes),
            "train": len(dataset.train),
            "test": len(dataset.test),
            "made_split": dataset.made_split,
        },
        "versions": {name: version(name) for name in ("verydeep", "torch", "numpy", "pillow")},
    }
    if started:
        about["start"] = dict(started)
    machine = {
        "device": device,
        "processor": platform.machine(),
        "python": platform.python_version(),
    }
    text = to_toml({**about, "reasons": dict(reasons), "machine": machine})
    (folder / "run.toml").write_text(text, encoding="utf-8")
    return about


def to_toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """TOML of tables of plain values; JSON's texts, numbers and lists are TOML's too."""
    blocks = []
    for title, table in tables.items():
        lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()]
        blocks.append("\n".join([f"[{title}]", *lines]))
    return "\n\n".join(blocks) + "\n"


class Log:
    """log.csv and the TensorBoard events of a run, a line for each epoch, flushed as it comes."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter  # here: it takes a second

        self._file = (folder / "log.csv").open("w", newline="", encoding="utf-8")
        self._csv = csv.DictWriter(self._file, [field.name for field in fields(Epoch)])
        self._csv.writeheader()
        self._events = SummaryWriter(str(folder / "events"))

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._events.close()

    def add(self, epoch: Epoch) -> None:
        """Writes an epoch's line."""
        self._csv.writerow(asdict(epoch))
        self._file.flush()
        for name in ("rate", "loss", "test_loss", "top1", "top5", "seconds", "waiting"):
            self._events.add_scalar(name, getattr(epoch, name), epoch.epoch)
