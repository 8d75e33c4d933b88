"""The folder of a run: all that is needed to repeat it, its log, and its best weights."""

from __future__ import annotations

import csv
import json
import platform
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from verydeep import schema, tensors_file
from verydeep.datasets.dataset import Dataset
from verydeep.datasets.seen import Memory
from verydeep.errors import UserError
from verydeep.files import write_atomic
from verydeep.nets import vgg
from verydeep.nets.table import NORM_NAME
from verydeep.schema import Count, Line, Sha256
from verydeep.training.settings import Settings, checked, scale_text
from verydeep.training.state import Epoch
from verydeep.weights.file import find, memory_of
from verydeep.weights.schema import pixels_of, table_of_words

OPTIONS = {
    **{name: name for name in ("net", "width", "crop", "fc", "batch", "epochs", "rate", "seed")},
    "scale": "scale",
    "start": "from",
    "tune": "tune",
    "split": "split-seed",
}
"""Settings that have an option of their own on the command line, and what it is called."""
RUN = "run.toml"
"""What a run is made of, in its folder."""
ORIGIN = "origin.safetensors"
"""Which pictures the weights that a run started from had to do with, in its folder."""
ANEW = "train anew"
ORIGIN_KIND = tensors_file.Kind("verydeep-origin", "list of pictures", 1, ANEW, ANEW)
CHOSEN = ("initial", "dropout", "precision", "patience", "latest_cuts", "divide")
"""Settings without an option that are chosen where they are not said; the rest are the paper's."""


class Data(TypedDict):
    """What a run is trained on."""

    where: Line
    fingerprint: Line
    classes: Count
    train: Count
    validation: Count
    test: NotRequired[Count]
    made: list[Line]


class Started(TypedDict):
    """What weights a run began with, and all that makes the same net again without them."""

    hash: Sha256
    layers: list[Line]
    new: list[Line]
    net: Line
    words: list[Line]
    mean: list[float]
    std: list[float]
    order: Line
    maximum: int
    resize: Line


class Place(TypedDict):
    """Where a run was begun: its machine, and the files it used there."""

    data: Line
    device: Line
    processor: str
    python: Line
    given: NotRequired[Line]
    start: NotRequired[Line]


class Described(TypedDict):
    """What run.toml says."""

    repeat: dict[str, str]
    settings: dict[str, Any]
    data: Data
    versions: dict[str, Line]
    start: NotRequired[Started]
    reasons: dict[str, Line]
    machine: Place


def new_folder(out: Path | None, name: str) -> Path:
    """A folder for a new run: `out`, or the first free one of runs/NAME, runs/NAME-2 and so on.

    Raises UserError where `out` holds something already or cannot be made.
    """
    path = out or next(p for p in _numbered(Path("runs") / name) if not p.exists())
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file; --out takes the folder to write the run into")
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(inside.stat().st_size for inside in path.iterdir() if inside.suffix != ".part"):
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
        if name == "scale":
            words += ["--scale", scale_text(value)]
        elif name == "tune" and settings.start is None:
            continue  # nothing but all can be trained
        elif name in OPTIONS and value is not None:
            words += [f"--{OPTIONS[name]}", shlex.quote(f"{value}")]
        elif name in CHOSEN or value != getattr(paper, name):
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

    `started` says whose layers the network started from, where it did from another's; where that
    and the data lie is the machine's affair.
    """
    about: dict[str, Any] = {
        "repeat": {"command": command_line(dataset.where, settings)},
        "settings": {k: v for k, v in asdict(settings).items() if v is not None and k != "start"},
        "data": {
            "where": dataset.where,
            "fingerprint": dataset.fingerprint,
            "classes": len(dataset.classes),
            **{role: len(part) for role, part in dataset.parts.items()},
            "made": list(dataset.made),
        },
        "versions": {name: version(name) for name in ("verydeep", "torch", "numpy", "pillow")},
    }
    if started:
        about["start"] = dict(started)
    machine = {
        "data": str(Path(dataset.where).resolve()) if dataset.kind != "drawn" else dataset.where,
        "device": device,
        "processor": platform.machine(),
        "python": platform.python_version(),
    }
    if settings.start:
        start = Path(settings.start)
        machine["given"] = settings.start
        machine["start"] = str((start if start.exists() else find(start)).resolve())
    text = to_toml({**about, "reasons": dict(reasons), "machine": machine})
    try:
        write_atomic(folder / RUN, text.encode())
    except UnicodeEncodeError:
        raise UserError(
            f"the path {str(machine['data'])!r} is not UTF-8, and {RUN} must name it; rename that "
            f"folder"
        ) from None
    return about


def write_origin(folder: Path, memory: Memory) -> None:
    """Puts down what the weights that a run starts from have learnt from, for whoever goes on."""
    tensors_file.write(folder / ORIGIN, ORIGIN_KIND, {}, memory.keys)


def read_origin(folder: Path) -> Memory:
    """What `write_origin` put down; UserError where it cannot be read."""
    content = tensors_file.read(folder / ORIGIN, ORIGIN_KIND)
    with tensors_file.refusals(folder / ORIGIN, ORIGIN_KIND):
        return memory_of(content.tensors())


def to_toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """TOML of tables of plain values; JSON's texts, numbers and lists are TOML's too."""
    blocks = []
    for title, table in tables.items():
        lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()]
        blocks.append("\n".join([f"[{title}]", *lines]))
    return "\n\n".join(blocks).replace("\x7f", "\\u007f") + "\n"  # JSON takes a bare DEL


def described(folder: Path) -> Described:
    """What run.toml says; raises UserError where a folder has none, or one that says otherwise."""
    path = folder / RUN
    if not path.is_file():
        raise UserError(f"no {RUN} in {folder}; --resume takes the folder of a run")
    try:
        about: Described = schema.fitting(Described, schema.of_toml(path.read_bytes()))
        _refuse_misfits(about)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UserError(
            f"{path} cannot be gone on with: {error}; if {folder} was begun by an earlier "
            f"verydeep, that alone can, else train anew"
        ) from None
    return about


def settings_of(about: Described) -> Settings:
    """The settings that run.toml tells of, all of which must be there."""
    machine = about["machine"]
    start = {"start": machine.get("given", machine["start"])} if "start" in machine else {}
    found = checked({**about["settings"], **start})
    for field in fields(Settings):
        if field.default is not None and field.name not in found:
            raise schema.MisfitError(f"it lacks 'settings.{field.name}'")
    return Settings(**found)


def _refuse_misfits(about: Described) -> None:
    """Raises ValueError where what a run began with is not told of, or is no net."""
    settings = settings_of(about)
    if settings.net.removesuffix(NORM_NAME) not in vgg.CONFIGURATIONS:
        raise schema.MisfitError(f"settings.net is {schema.shown(settings.net)}, and no net is")
    if (settings.start is None) != ("start" not in about):
        raise schema.MisfitError("of 'start' and 'machine.start' one is there without the other")
    if "start" in about:
        start = about["start"]
        table_of_words({"name": start["net"], "words": start["words"], "crop": settings.crop})
        kept = ("mean", "std", "order", "maximum", "resize")
        pixels = {name: value for name, value in start.items() if name in kept}
        pixels_of({**pixels, "scale": list(settings.scale)})


class Log:
    """log.csv and the TensorBoard events of a run, a line for each epoch, flushed as it comes.

    A run that goes on begins with the epochs that it has behind it. Raises UserError where the
    folder cannot be written into.
    """

    def __init__(self, folder: Path, epochs: Sequence[Epoch] = ()) -> None:
        from torch.utils.tensorboard import SummaryWriter  # here: it takes a second

        self._folder = folder
        with self._writing():
            self._file = (folder / "log.csv").open("w", newline="", encoding="utf-8")
            self._csv = csv.DictWriter(self._file, [field.name for field in fields(Epoch)])
            self._csv.writeheader()
            self._csv.writerows(asdict(epoch) for epoch in epochs)
            self._file.flush()
            self._events = SummaryWriter(str(folder / "events"), purge_step=len(epochs) + 1)

    def close(self) -> None:
        """Closes both files."""
        self._file.close()
        self._events.close()

    def add(self, epoch: Epoch) -> None:
        """Writes an epoch's line; UserError where it cannot be written."""
        with self._writing():
            self._csv.writerow(asdict(epoch))
            self._file.flush()
            for name in ("rate", "loss", "validation_loss", "top1", "top5", "seconds", "waiting"):
                self._events.add_scalar(name, getattr(epoch, name), epoch.epoch)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"cannot write the log of {self._folder}: {error.strerror}; checkpoints are "
                f"untouched, go on with `verydeep train --resume {self._folder}`"
            ) from None
