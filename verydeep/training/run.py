"""The folder of a run: where it is, its log, and what the weights it began with had learnt."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from verydeep import tensors_file
from verydeep.errors import UserError, one_line
from verydeep.parts.seen import Memory
from verydeep.shell import command
from verydeep.training.state import Epoch, columns
from verydeep.weights.file import memory_of

ORIGIN = "origin.safetensors"
"""Which pictures the weights that a run started from had to do with, in its folder."""
ANEW = "train anew"
ORIGIN_KIND = tensors_file.Kind("verydeep-origin", "list of pictures", 1, ANEW, ANEW)


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


def write_origin(folder: Path, memory: Memory) -> None:
    """Puts down what the weights that a run starts from have learnt from, for whoever goes on."""
    tensors_file.write(folder / ORIGIN, ORIGIN_KIND, {}, memory.keys)


def read_origin(folder: Path) -> Memory:
    """What `write_origin` put down; UserError where it cannot be read."""
    content = tensors_file.read(folder / ORIGIN, ORIGIN_KIND)
    with tensors_file.refusals(folder / ORIGIN, ORIGIN_KIND):
        return memory_of(content.tensors())


def read_log(folder: Path) -> list[Epoch]:
    """The epochs that log.csv of a run tells of; UserError where it cannot be read."""
    whole = {"epoch", "step"}
    try:
        with (folder / "log.csv").open(newline="", encoding="utf-8") as file:
            return [
                Epoch.of_line({k: int(v) if k in whole else float(v) for k, v in line.items()})
                for line in csv.DictReader(file)
            ]
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{folder}/log.csv cannot be read: {one_line(error)}") from None


class Log:
    """log.csv and the TensorBoard events of a run, a line for each epoch, flushed as it comes.

    `figures` are the names of the task's. A run that goes on begins with the epochs that it has
    behind it. Raises UserError where the folder cannot be written into.
    """

    def __init__(self, folder: Path, figures: Sequence[str], epochs: Sequence[Epoch] = ()) -> None:
        from torch.utils.tensorboard import SummaryWriter  # here: it takes a second

        self._folder = folder
        with self._writing():
            self._file = (folder / "log.csv").open("w", newline="", encoding="utf-8")
            self._csv = csv.DictWriter(self._file, columns(figures))
            self._csv.writeheader()
            self._csv.writerows(epoch.line for epoch in epochs)
            self._file.flush()
            self._events = SummaryWriter(str(folder / "events"), purge_step=len(epochs) + 1)

    def close(self) -> None:
        """Closes both files."""
        self._file.close()
        self._events.close()

    def add(self, epoch: Epoch) -> None:
        """Writes an epoch's line; UserError where it cannot be written."""
        with self._writing():
            self._csv.writerow(epoch.line)
            self._file.flush()
            for name, value in epoch.line.items():
                if name not in ("epoch", "step"):
                    self._events.add_scalar(name, value, epoch.epoch)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"cannot write the log of {self._folder}: {error.strerror}; checkpoints are "
                f"untouched, go on with `{command('train', '--resume', self._folder)}`"
            ) from None
