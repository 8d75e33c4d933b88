"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from verydeep import files
from verydeep.errors import UserError
from verydeep.files import atomic_file, folder_lock, write_atomic


def here() -> list[str]:
    return sorted(path.name for path in Path().iterdir())


def test_a_file_is_replaced_as_a_whole() -> None:
    path = Path("some [1].txt")
    write_atomic(path, b"before")
    with atomic_file(path) as file:
        file.write(b"after")
        file.flush()
        assert path.read_bytes() == b"before"
    assert path.read_bytes() == b"after"
    assert here() == [path.name]


def test_an_error_while_writing_leaves_what_was_there() -> None:
    path = Path("some.txt")
    write_atomic(path, b"before")
    with pytest.raises(RuntimeError), atomic_file(path):
        raise RuntimeError
    assert path.read_bytes() == b"before"
    assert here() == [path.name]


FOREIGN = 77


def test_what_a_killed_process_left_is_cleared_away_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without /proc, which macOS has not: processes are asked."""
    kill = os.kill

    def asked(process: int, signal: int) -> None:
        assert signal == 0
        if process == FOREIGN:
            raise PermissionError
        kill(process, signal)

    monkeypatch.setattr(os, "kill", asked)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    others = [
        f"a.{files._HOST}-{os.getppid()}.part",  # a process that lives
        f"a.{files._HOST}-{FOREIGN}.part",  # one of another user
        f"a.0123abcd-{ended.pid}.part",  # one of another machine
        f"a.{ended.pid}.part",
        "ab.part",
    ]
    for name in (f"a.{files._HOST}-{ended.pid}.part", f"a.{files._HOST}-x.part", *others):
        Path(name).touch()
    write_atomic(Path("a"), b"whole")
    assert here() == sorted(["a", *others])


def test_a_file_that_cannot_be_written_is_one_line_with_its_bytes() -> None:
    Path("file").touch()
    with pytest.raises(UserError, match=r"cannot write file/x \(5 bytes\): "):
        write_atomic(Path("file/x"), b"12345")


def test_a_folder_is_anothers_until_that_one_ends() -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom verydeep.files import folder_lock\n"
        "with folder_lock(Path('.')):\n    print(flush=True)\n    sys.stdin.read()\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    other = subprocess.Popen([sys.executable, "-c", program], **pipes)  # type: ignore[call-overload]
    other.stdout.readline()
    with pytest.raises(UserError, match="another process is working in"), folder_lock(Path()):
        pass
    other.kill()
    other.communicate()
    with folder_lock(Path()):
        pass
