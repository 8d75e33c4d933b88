"""run.toml: what a run is made of, whole, as it is written into its folder and read again."""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

from verydeep import schema, tasks
from verydeep.errors import UserError
from verydeep.files import write_atomic
from verydeep.nets import named, vgg
from verydeep.parts.dataset import Dataset
from verydeep.schema import Count, Line, Sha256
from verydeep.training.duration import hidden_unsaid
from verydeep.training.settings import LATER, Settings, checked, scale_text
from verydeep.weights.file import find
from verydeep.weights.schema import pixels_of, table_of_words
from verydeep.weights.warm_start import Beginning

OPTIONS = {
    **{name: name for name in ("net", "width", "crop", "fc", "batch", "epochs", "rate", "seed")},
    "scale": "scale",
    "start": "from",
    "tune": "tune",
    "split": "split-seed",
    "task": "task",
}
"""Settings that have an option of their own on the command line, and what it is called."""
RUN = "run.toml"
"""What a run is made of, in its folder."""
CHOSEN = (
    "initial", "dropout", "precision", "fall", "warm_up", "patience", "latest_cuts", "divide",
    "micro_batch", "views",
)  # fmt: skip
"""Settings without an option that are chosen where they are not said; the rest are the paper's."""


@dataclass(frozen=True, kw_only=True)
class Data:
    """What a run is trained on."""

    where: Line
    fingerprint: Line
    classes: Count
    train: Count
    validation: Count
    test: Count | None = None
    made: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class Started:
    """What weights a run began with, and all that makes the same net again without them."""

    hash: Sha256
    layers: tuple[Line, ...]
    new: tuple[Line, ...]
    net: Line
    words: tuple[Line, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    order: Line
    maximum: int
    resize: Line

    @classmethod
    def of(
        cls, beginning: Beginning, digest: Sha256, layers: Iterable[str], new: Iterable[str]
    ) -> Started:
        """What is told of weights of that hash, of which such layers were taken."""
        table, pixels = beginning.table, asdict(beginning.pixels)
        del pixels["scale"]  # the run's own
        return cls(
            hash=digest,
            layers=tuple(layers),
            new=tuple(new),
            net=table.name,
            words=tuple(table.words),
            **pixels,
        )

    def beginning(self, crop: int, scale: tuple[int, int]) -> Beginning:
        """That net, for crops and an S; MisfitError where it is none."""
        kept = ("mean", "std", "order", "maximum", "resize")
        pixels = {**{name: vars(self)[name] for name in kept}, "scale": list(scale)}
        table = {"name": self.net, "words": list(self.words), "crop": crop}
        return Beginning(table_of_words(table), pixels_of(pixels))


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a run was begun: its machine, and the files it used there."""

    data: Line
    device: Line
    processor: str
    python: Line
    given: Line | None = None
    start: Line | None = None


@dataclass(frozen=True, kw_only=True)
class Described:
    """What run.toml says."""

    repeat: dict[str, str]
    settings: dict[str, Any]
    data: Data
    versions: dict[str, Line]
    start: Started | None = None
    reasons: dict[str, Line]
    machine: Place

    @property
    def tables(self) -> dict[str, Any]:
        """The same as plain data, a table for each of its records."""
        return asdict(self, dict_factory=_plain)

    @property
    def travelling(self) -> dict[str, Any]:
        """What of it travels inside the weights file, as plain data: nothing of the day."""
        return {k: v for k, v in self.tables.items() if k not in ("reasons", "machine")}


def _plain(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """What TOML has, and gives back as the same: lists, and nothing where there is nothing."""
    some = {name: value for name, value in pairs if value is not None}
    return {name: [*v] if isinstance(v, tuple) else v for name, v in some.items()}


def command_line(where: str, settings: Settings) -> str:
    """The command that trains the same net again, with every setting said that matters to it."""
    words = ["verydeep", "train", shlex.quote(where)]
    paper = Settings()
    for name in (field.name for field in fields(Settings)):
        value = getattr(settings, name)
        if name == "fc" and value is None and hidden_unsaid(settings.net) == 0:
            value = vgg.hidden_channels(settings.width)  # else what is chosen would be none
        if name == "scale":
            words += ["--scale", scale_text(value)]
        elif name == "tune" and settings.start is None:
            continue  # nothing but all can be trained
        elif name == "divide" and settings.start is not None:
            continue  # pixels are those of the weights
        elif name in settings.without_effect or (name == "task" and value == LATER[name]):
            continue
        elif name == "cached":
            words += ["--cached"] if value else []
        elif name in OPTIONS and value is not None:
            words += [f"--{OPTIONS[name]}", shlex.quote(f"{value}")]
        elif name in CHOSEN or value != getattr(paper, name):
            words += ["--set", shlex.quote(as_word(name, value))]
    return " ".join(words)


def as_word(name: str, value: Any) -> str:
    """A setting as `--set` takes it."""
    return f"{name}={value if isinstance(value, str) else json.dumps(value)}"


def describe(
    folder: Path,
    dataset: Dataset,
    settings: Settings,
    reasons: Mapping[str, str],
    device: str,
    started: Started | None,
) -> None:
    """Writes run.toml.

    `started` says whose layers the network started from, where it did from another's; where that
    and the data lie is the machine's affair.
    """
    about = Described(
        repeat={"command": command_line(dataset.where, settings)},
        settings={k: v for k, v in asdict(settings).items() if v is not None and k != "start"},
        data=Data(
            where=dataset.where,
            fingerprint=dataset.fingerprint,
            classes=len(dataset.classes),
            made=dataset.made,
            **{role: len(part) for role, part in dataset.by_role.items()},
        ),
        versions={name: version(name) for name in ("verydeep", "torch", "numpy", "pillow")},
        start=started,
        reasons=dict(reasons),
        machine=Place(
            data=str(Path(dataset.where).resolve()) if dataset.kind != "drawn" else dataset.where,
            device=device,
            processor=platform.machine(),
            python=platform.python_version(),
            given=settings.start,
            start=_resolved(settings.start) if settings.start else None,
        ),
    )
    try:
        write_atomic(folder / RUN, to_toml(about.tables).encode())
    except UnicodeEncodeError:
        raise UserError(
            f"the path {about.machine.data!r} is not UTF-8, and {RUN} must name it; rename that "
            f"folder"
        ) from None


def _resolved(start: str) -> str:
    """Where weights lie that were given by a path or a name."""
    path = Path(start)
    return str((path if path.exists() else find(path)).resolve())


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
    given = about.machine.given or about.machine.start
    start = {"start": given} if about.machine.start is not None else {}
    found = checked({**LATER, **about.settings, **start})
    for field in fields(Settings):
        if field.default is not None and field.name not in found:
            raise schema.MisfitError(f"it lacks 'settings.{field.name}'")
    return Settings(**found)


def _refuse_misfits(about: Described) -> None:
    """Raises ValueError where what a run began with is not told of, or is no net."""
    settings = settings_of(about)
    if not named.is_known(settings.net):
        raise schema.MisfitError(f"settings.net is {schema.shown(settings.net)}, and no net is")
    if settings.task not in tasks.TASKS:
        raise schema.MisfitError(f"settings.task is {schema.shown(settings.task)}, and no task is")
    if (settings.start is None) != (about.start is None):
        raise schema.MisfitError("of 'start' and 'machine.start' one is there without the other")
    if about.start is not None:
        _ = about.start.beginning(settings.crop, settings.scale)
