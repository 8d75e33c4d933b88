"""The process that reads foreign files: what it may not do, and how its end is told.

Readers that go wrong are put in the place of the real ones, inside the child; the limits, the
private folder and the line that its parent makes of it are the real ones.
"""

from __future__ import annotations

import random
import socket
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.importers.test_state_dict import (
    GADGETS,
    damaged,
    gadget_files,
    kinds_of_file,
    saved,
    small,
)
from verydeep.errors import UserError
from verydeep.importers import sandbox, state_dict
from verydeep.importers.sandbox import MIB, Limits

BEGIN = "import sys; sys.path[:0] = [sys.argv.pop(1)]; sys.argv.pop(1)\n"
READERS = "from verydeep.importers import families, parameters_file, reader_process\n"
NO_READERS = """
from types import ModuleType
from verydeep import importers
from verydeep.importers import reader_process
families = importers.families = ModuleType("families")
importers.parameters_file = ModuleType("parameters_file")
"""
"""For readers that need none of ours, nor the two seconds that PyTorch takes to be imported."""
LIMITS = Limits(memory=300 * MIB, processor=60, clock=60, written=2 * MIB)


@pytest.fixture(autouse=True)
def _leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The private folders are made in a folder of the test's, and are gone afterwards."""
    folder = tmp_path / "private"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert list(folder.glob("verydeep-*")) == []


def refusal(path: Path | str, limits: Limits | None = None) -> str:
    with pytest.raises(UserError) as raised:
        sandbox.read(Path(path), limits=limits)
    line = str(raised.value)
    assert line.startswith(str(path))
    assert line.isprintable()
    return line


def with_reader(
    monkeypatch: pytest.MonkeyPatch, body: str, limits: Limits = LIMITS, modules: str = READERS
) -> str:
    """The line for a file whose reader does this, beside these modules."""
    lines = "\n".join(f"    {line}" for line in body.strip().split("\n"))
    reader = f"def read(path, prototxt, which):\n{lines}\n"
    program = f"{BEGIN}{modules}{reader}families.read = read\nreader_process.main()"
    monkeypatch.setattr(sandbox, "START", program)
    Path("w").write_bytes(b"x")
    return refusal("w", limits)


def test_what_comes_back_is_what_the_reader_gave() -> None:
    path = saved({"state_dict": small("B", norms=True)}, "w.pth")
    here, there = state_dict.read(path), sandbox.read(path)
    assert (there.family, there.pixels, there.classes, there.notes) == (
        here.family, here.pixels, here.classes, here.notes,
    )  # fmt: skip
    assert there.tensors.keys() == here.tensors.keys()
    for name, tensor in there.tensors.items():
        assert np.array_equal(tensor, here.tensors[name])


def test_refusals_come_through_in_their_own_words() -> None:
    path = saved([1], "w.pth")
    assert "holds no state dict but a list" in refusal(path)
    Path("text").write_text("hello")
    assert "text is a text and no weights, 'hello'" in refusal("text")
    Path("none.pth").touch()
    assert refusal("none.pth") == "none.pth is empty"
    with pytest.raises(UserError, match="w.pth needs no prototxt, which is Caffe's"):
        sandbox.read(path, Path("text"))
    Path("net.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(UserError, match="net.h5 has one set of weights, as all but PyTorch's"):
        sandbox.read(Path("net.h5"), which="ema")


def test_what_is_no_file_is_named_without_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "START", "not to be run")
    assert refusal("nowhere") == "nowhere: no such file; give a file of weights"
    Path("folder").mkdir()
    assert refusal("folder") == "folder is no file"


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("import ctypes; ctypes.string_at(0)", "w brings its reader down (SIGSEGV)"),
        ("import os; os.kill(os.getpid(), 9)", "w brings its reader down (SIGKILL)"),
        ("import os; os._exit(7)", "w brings its reader down (exit code 7)"),
        ("import os; os._exit(0)", "w was read, but not to weights"),
        ("bytearray(2 << 30)", "w asks for more than the 314,572,800 bytes of memory"),
        ("import torch; torch.empty(2 << 30)", "w cannot be read: "),
        ("def deeper(): deeper()\ndeeper()", "w cannot be read: maximum recursion depth"),
        ("raise KeyError('a\\x1b[31m\\nb')", "w cannot be read: 'a"),
        ("open(sys.argv[4] + '/x', 'wb').write(bytes(3 << 20))", "File too large"),
        ("print('noise'); sys.stdout.flush(); raise ValueError('x')", "w cannot be read: x"),
        ("import os; [os.write(fd, b'noise') for fd in (3, 4)]; os._exit(2)", "w: noise"),
    ],
)
def test_a_reader_that_falls_is_one_line(
    monkeypatch: pytest.MonkeyPatch, body: str, line: str
) -> None:
    modules = READERS if "torch" in body or "_exit(0)" in body else NO_READERS
    assert line in with_reader(monkeypatch, body, modules=modules)


def test_a_reader_that_goes_on_for_ever_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    busy, asleep = "while True: pass", "import time; time.sleep(1000)"
    line = with_reader(monkeypatch, busy, Limits(300 * MIB, 2, 60, MIB), NO_READERS)
    assert line == "w brings its reader down (more than 2 s of processor time)"
    line = with_reader(monkeypatch, asleep, Limits(300 * MIB, 60, 4, MIB), NO_READERS)
    assert line == "w was still being read after 4 s, and was given up"


def test_a_reader_has_no_environment_no_input_and_no_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET", "x")
    with socket.create_server(("127.0.0.1", 0)) as server:
        body = f"""
import os, socket
from verydeep.errors import UserError
try:
    socket.create_connection(("127.0.0.1", {server.getsockname()[1]}), 2)
    reached = True
except OSError:
    reached = False
raise UserError(f"w {{sorted(os.environ)}} {{sys.stdin.buffer.read()}} {{reached}}")
"""
        said = with_reader(monkeypatch, body)
    alone = _a_network_of_its_own_is_allowed()
    names = "'CUDA_VISIBLE_DEVICES', 'LC_CTYPE', 'OMP_NUM_THREADS', 'TMPDIR'"
    assert said.replace("'LC_CTYPE', ", "") == (
        f"w [{names.replace(chr(39) + 'LC_CTYPE' + chr(39) + ', ', '')}] b'' {not alone}"
    )


def _a_network_of_its_own_is_allowed() -> bool:
    import subprocess
    import sys

    program = (
        "import ctypes; unshare = ctypes.CDLL(None).unshare; "
        "raise SystemExit(unshare(0x40000000) and unshare(0x50000000))"
    )
    return subprocess.run([sys.executable, "-c", program]).returncode == 0


@pytest.mark.parametrize(
    ("tensors", "line"),
    [
        ("{'x': np.full(2, np.nan, np.float32)}", "w has weights that are no finite numbers, in x"),
        ("{'x': np.zeros(2)}", "x is torch.float64"),
        ("{}", "0 tensors"),
    ],
)
def test_what_a_reader_gives_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, tensors: str, line: str
) -> None:
    body = f"""
import numpy as np
from verydeep.pictures.preprocessing import IMAGENET
from verydeep.importers.parameters import Parameters
return Parameters("x", {tensors}, IMAGENET)
"""
    assert line in with_reader(monkeypatch, body)


def test_limits_grow_with_the_file() -> None:
    small, large = Limits.of(1000), Limits.of(553_433_881)
    assert small.memory < 2**30
    assert large.memory > 2 * 553_433_881
    assert large.written >= 2 * 553_433_881
    assert small.processor < large.processor < large.clock


def test_gadgets_do_nothing_there_either() -> None:
    contents = [
        gadget_files(GADGETS[name]())[kind]
        for name, kind in (
            ("os.system", "zip.pth"), ("nested", "old.pth"), ("wrapped", "zip.pth"),
            ("exec", "bare2.pth"),
        )
    ]  # fmt: skip
    for i, line in enumerate(_refusals([(f"{i}.pth", c) for i, c in enumerate(contents)])):
        assert line is not None, i
    assert not Path("ran").exists()


def test_damaged_files_are_refused_there_or_harmless() -> None:
    draw = random.Random("sandbox")
    kinds = kinds_of_file()
    files = [(name, damaged(kinds[name], draw)) for name in kinds]
    assert sum(line is not None for line in _refusals(files)) >= 2


@pytest.mark.slow
def test_damaged_files_by_the_dozen() -> None:
    draw = random.Random("sandbox, long")
    kinds = kinds_of_file()
    files = [(f"{i}-{name}", damaged(kinds[name], draw)) for i in range(16) for name in kinds]
    assert sum(line is not None for line in _refusals(files)) >= 16


def _refusals(files: list[tuple[str, bytes]]) -> list[str | None]:
    """The line for each file, or None where it was read; two processes at a time."""

    def said(file: tuple[str, bytes]) -> str | None:
        path = Path(file[0])
        path.write_bytes(file[1])
        try:
            sandbox.read(path)
        except UserError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(2) as pool:
        lines = list(pool.map(said, files))
    for (name, _), line in zip(files, lines, strict=True):
        assert line is None or (line.startswith(name) and line.isprintable())
    return lines
