"""Foreign files are read in a process of their own, which may crash, swell or hang without harm.

The child gets no environment, no input, no network where the kernel can take it away, and limits
on memory, processor time, what it may write, and time by the clock. What it found comes back as a
safetensors file in a private folder, and is checked again. PyTorch is imported here only once the
child has left, so that the two never hold it at once.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import verydeep
from verydeep.errors import UserError, escaped
from verydeep.importers.onnx_data import bytes_of
from verydeep.importers.reader_process import REFUSED, RESULT

if TYPE_CHECKING:
    from verydeep.importers.parameters import Parameters

START = (
    "import sys; sys.path[:0] = [sys.argv.pop(1)]; sys.path += [sys.argv.pop(1)]; "
    "from verydeep.importers.reader_process import main; main()"
)
"""What the child runs: the same files as its parent, and the same PyTorch, wherever those are."""
MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """What reading one file may take: bytes, seconds, seconds by the clock, bytes written."""

    memory: int
    processor: int
    clock: int
    written: int

    @classmethod
    def of(cls, size: int) -> Limits:
        """Limits for a file of so many bytes: several times what an honest reader takes."""
        return cls(
            memory=512 * MIB + 3 * size,
            processor=60 + size // (10 * MIB),
            clock=120 + size // (4 * MIB),
            written=64 * MIB + 2 * size,
        )


def read(
    path: Path,
    prototxt: Path | None = None,
    limits: Limits | None = None,
    which: str | None = None,
) -> Parameters:
    """The weights in a foreign file, whatever its family and whoever made it.

    `which` names one of several sets of weights in a checkpoint of PyTorch's. Raises UserError in
    one line for a file that cannot be read, is none of a VGG, or brings down the process that reads
    it.
    """
    for file in filter(None, (path, prototxt)):
        if not file.is_file():
            why = " is no file" if file.exists() else ": no such file; give a file of weights"
            raise UserError(f"{file}{why}")
    size = bytes_of(path)
    limits = limits or Limits.of(size)
    try:
        with tempfile.TemporaryDirectory(prefix="verydeep-") as folder:
            _run(path, prototxt, which, Path(folder), limits, size)
            from verydeep.importers import parameters_file

            return parameters_file.read(
                Path(folder) / RESULT, path
            )  # stays mapped without its name
    except OSError as error:
        raise UserError(f"{path} cannot be read in a process of its own: {error}") from None


def _run(
    path: Path,
    prototxt: Path | None,
    which: str | None,
    folder: Path,
    limits: Limits,
    size: int,
) -> None:
    """Has a child read the file into the folder; UserError where that comes to nothing."""
    said = folder / "said"
    amounts = (limits.memory, limits.processor, limits.written, size)
    words = [*_homes(), path, prototxt or "", which or "", folder, *amounts]
    try:
        with said.open("wb") as out:
            done = subprocess.run(
                [sys.executable, "-I", "-c", START, *map(str, words)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.DEVNULL,
                env={"TMPDIR": str(folder), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
                timeout=limits.clock,
                start_new_session=True,
            )
    except subprocess.TimeoutExpired:
        raise UserError(
            f"{path} was still being read after {limits.clock} s, and was given up"
        ) from None
    if done.returncode == 0:
        return
    line = escaped(said.read_bytes()[:2000].decode(errors="replace").strip().partition("\n")[0])
    if done.returncode == REFUSED and line:
        raise UserError(line if line.startswith(str(path)) else f"{path}: {line}")
    raise UserError(f"{path} brings its reader down ({_ending(done.returncode, limits)})")


def _homes() -> tuple[Path, Path]:
    """The folders that verydeep and PyTorch are in; the second is found without importing it."""
    torch = find_spec("torch")
    home = Path(verydeep.__file__).parents[1]
    return home, Path(torch.origin).parents[1] if torch and torch.origin else home


def _ending(code: int, limits: Limits) -> str:
    """How a process ended, from what it left with."""
    if code == -signal.SIGXCPU:
        return f"more than {limits.processor} s of processor time"
    if code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"
