"""Files that are there whole or not at all, on the disk and not only in its cache."""

from __future__ import annotations

import fcntl
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

from verydeep.errors import UserError

_HOST = f"{crc32(platform.node().encode()):08x}"


def cache_home() -> Path:
    """The folder for the user's caches: XDG_CACHE_HOME, where that is absolute, or ~/.cache."""
    home = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return home if home.is_absolute() else Path("~/.cache").expanduser()


def refuse_taken(path: Path, overwrite: bool, option: str = "--out") -> None:
    """Raises UserError where there is a file already that was not said to be written over."""
    if path.is_file() and not overwrite:
        raise UserError(
            f"{path} is there already; choose another {option}, or write over it with --overwrite"
        )


def refuse_unwritable(path: Path, option: str = "--out") -> None:
    """Makes the folder of a file to come, and raises UserError where it cannot be written there."""
    if path.is_dir():
        raise UserError(f"{option} {path} is a folder; give the name of a file")
    beside = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.open("wb").close()
        beside.unlink()
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; choose another {option}") from None


def free_place(path: Path) -> Path:
    """The path, or the first of NAME-2, NAME-3 and so on beside it that is not taken."""
    if not path.exists():
        return path
    numbered = (path.with_stem(f"{path.stem}-{n}") for n in range(2, 10_000))
    return next(place for place in numbered if not place.exists())


def write_atomic(path: Path, *content: bytes | memoryview) -> None:
    """Writes a file, in one piece or several one after another.

    Raises UserError, with what was there before untouched, where it cannot.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as file:
            file.writelines(content)
    except OSError as error:
        size = sum(len(piece) for piece in content)
        raise UserError(f"cannot write {path} ({size:,} bytes): {error.strerror}") from None


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write beside its place, and moved there when all of it is on the disk."""
    beside = _beside(path)
    try:
        with beside.open("wb") as file:
            yield file
            to_disk(file)
        beside.replace(path)
        names_to_disk(path.parent)
        _clear_away(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise


def _beside(path: Path) -> Path:
    """Where this process writes a file before that is moved to its place."""
    return path.with_name(f"{path.name}.{_HOST}-{os.getpid()}.part")


def _clear_away(path: Path) -> None:
    """Removes what killed processes of this machine have left half written beside a file."""
    for left in path.parent.glob(f"{escape(path.name)}.{_HOST}-*.part"):
        writer = left.name.rpartition("-")[2].removesuffix(".part")
        if not _runs(writer):
            with suppress(OSError):
                left.unlink()


def _runs(process: str) -> bool:
    """Whether there is a process of that number."""
    try:
        os.kill(int(process), 0)  # signal 0 is none
    except PermissionError:
        return True  # another user's
    except (ProcessLookupError, OverflowError, ValueError):
        return False
    return True


def to_disk(file: BinaryIO) -> None:
    """Has what was written to a file put on the disk."""
    file.flush()
    os.fsync(file.fileno())


def names_to_disk(folder: Path) -> None:
    """Has the names in a folder put on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def folder_lock(folder: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Within, no other process may say the same of this folder, however this one ends.

    Where another already does, calls `waiting` and waits until it has left; raises UserError where
    there is nothing to call. Where the file system knows no locks, nothing is held.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is None:
                raise UserError(
                    f"another process is working in {folder}; wait for it or stop it, or choose "
                    f"another folder"
                ) from None
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            pass
        yield
    finally:
        os.close(descriptor)
