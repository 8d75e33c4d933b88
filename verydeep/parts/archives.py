"""Zip and tar files of pictures, unpacked once into the user's cache and kept there by content.

Whoever made the archive is not trusted: nothing is written outside its folder, links and devices
are refused, and so is what would fill the disk or unfolds to far more than it is.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import re
import stat
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from io import BufferedIOBase
from pathlib import Path
from shutil import disk_usage, rmtree
from tarfile import TarInfo
from typing import IO, cast

from verydeep.errors import UserError, one_line
from verydeep.files import cache_home, folder_lock, write_atomic
from verydeep.parts.entries import entries_of, is_hidden

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MOST_FILES = 5_000_000
MOST_TIMES = 100
"""Times its size that an archive may unfold to; pictures hardly shrink, lists up to 20 times."""
SPARE = 64 << 20
"""Bytes that any archive may unfold to."""
A_WHILE = 2 * 10**9
"""Nanoseconds after which a file that is changed has another ctime, on any file system."""
PIECE = 1 << 20
LONGEST_HEADER = 1 << 24
"""Bytes that are read of a tar file in one go: names of files, which may be long."""
COMPRESSED: Mapping[bytes, Callable[[BufferedIOBase], BufferedIOBase]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lambda file: lzma.LZMAFile(cast(IO[bytes], file)),  # noqa: SIM115
}
FAULTS = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, ValueError,
    RuntimeError, OverflowError, MemoryError,
)  # fmt: skip
"""What `zipfile` and `tarfile` raise for damage, passwords and methods that they do not know."""


def is_here(where: str | Path) -> bool:
    """Whether it is called as an archive is, and is a file."""
    return str(where).casefold().endswith(SUFFIXES) and Path(where).is_file()


def unpacked(archive: Path) -> tuple[Path, str]:
    """The folder that an archive was unpacked to, and a note of where that is.

    It is unpacked where it was not before; the folder is the one that holds more than one thing.
    Raises UserError where it cannot be read, or is not safe to be unpacked.
    """
    home = cache_home() / "verydeep" / "archives"
    try:
        home.mkdir(parents=True, exist_ok=True)
        folder = home / _digest(archive, home)
        with folder_lock(home, waiting=lambda: None):
            if not folder.is_dir():
                _unpack(archive, home, folder)
    except OSError as error:
        raise UserError(f"{archive} cannot be unpacked to {home}: {error.strerror}") from None
    return _inside(folder), f"{archive.name} unpacked to {folder}, which can be removed any time"


def _digest(archive: Path, home: Path) -> str:
    """A hash of what is in an archive; of a file that was not touched since, as it was found.

    The kernel changes a file's ctime with its content, its name and its times, to the tick of a
    clock. So what is found is kept of files alone whose ctime is a while ago.
    """
    state = _state(archive)
    known = home / f"{hashlib.sha256(repr(state).encode()).hexdigest()[:32]}.known"
    with suppress(OSError, UnicodeDecodeError):
        if re.fullmatch("[0-9a-f]{32}", kept := known.read_text("ascii")):
            return kept
    began = time.time_ns()
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:32]
    if state == _state(archive) and began - state[-1] > A_WHILE:
        with suppress(UserError):  # a cache that can be read alone
            write_atomic(known, digest.encode())
    return digest


def _state(archive: Path) -> tuple[int, ...]:
    """What the file system says of a file, which is other where its content is."""
    said = archive.stat()
    return said.st_dev, said.st_ino, said.st_size, said.st_mtime_ns, said.st_ctime_ns


def located(where: str | Path) -> Path:
    """Where the data lies: the path itself, or what the archive there was unpacked to."""
    return unpacked(Path(where))[0] if is_here(where) else Path(where)


def _inside(folder: Path) -> Path:
    """The folder, or the one that is all there is in it, and so on."""
    for _ in range(8):
        entries = [entry for entry in entries_of(folder) if not is_hidden(entry.name)]
        if len(entries) != 1 or not entries[0].is_dir():
            break
        folder = folder / entries[0].name
    return folder


def _unpack(archive: Path, home: Path, folder: Path) -> None:
    """Unpacks beside the folder, which is there when all of it is."""
    beside = home / f"{folder.name}.part"
    rmtree(beside, ignore_errors=True)  # of a process that was killed
    size = archive.stat().st_size
    left = _Left(archive, SPARE + MOST_TIMES * size, disk_usage(home).free * 9 // 10)
    try:
        beside.mkdir()
        members = _of_zip if zipfile.is_zipfile(archive) else _of_tar
        for name, count, file in members(archive):
            _write(beside, _safe(archive, name), count, file, left)
        beside.rename(folder)
    except UserError:
        raise
    except FAULTS as error:
        raise _refused(
            archive, f"it cannot be read ({one_line(str(error))}); fetch it again"
        ) from None
    except FileExistsError as error:
        raise _refused(
            archive, f"it has two things called {one_line(Path(error.filename).name)}"
        ) from None
    finally:
        rmtree(beside, ignore_errors=True)


class _Left:
    """How much may still be unpacked."""

    def __init__(self, archive: Path, most: int, free: int) -> None:
        self._archive, self._most, self._free = archive, most, free
        self._bytes, self._files = 0, 0

    def take(self, count: int) -> None:
        """Takes a file of so many bytes off; UserError where that is too much."""
        self._bytes += count
        self._files += 1
        if self._bytes > self._most:
            raise _refused(
                self._archive,
                f"it unfolds to more than {MOST_TIMES} times its size; unpack it yourself, and "
                f"give the folder",
            )
        if self._bytes > self._free or self._files > MOST_FILES:
            raise _refused(
                self._archive,
                f"it holds more than {self._free:,} bytes, nine tenths of what is free, or "
                f"{MOST_FILES:,} files",
            )


def _safe(archive: Path, name: str) -> list[str]:
    """The parts of a member's name; UserError for one that leads elsewhere."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise _refused(archive, f"'{one_line(name[:100])}' in it leads out of its folder")
    return parts


def _write(root: Path, parts: list[str], count: int, opened: Opened | None, left: _Left) -> None:
    """Writes a member, of so many bytes, or makes a folder; hidden ones are passed over."""
    left.take(count)
    if not parts or is_hidden("/".join(parts)):
        return
    path = root.joinpath(*parts)
    if opened is None:
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened() as file, path.open("xb") as to:
        while count and (piece := file.read(min(count, PIECE))):
            to.write(piece)
            count -= len(piece)
    if count:
        raise EOFError("cut short")


Opened = Callable[[], IO[bytes]]
Member = tuple[str, int, Opened | None]
"""Its name, its bytes, and what opens them; None of a folder."""


def _of_zip(archive: Path) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            mode = info.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _linked(archive, info.filename)
            name = info.filename.replace("\\", "/")
            yield name, info.file_size, None if name.endswith("/") else partial(opened.open, info)


def _of_tar(archive: Path) -> Iterator[Member]:
    with (
        _plain(archive) as plain,
        tarfile.open(fileobj=cast(IO[bytes], plain), mode="r:") as opened,
    ):
        while (info := opened.next()) is not None:
            if not info.isreg() and not info.isdir():
                raise _linked(archive, info.name)
            opens = partial(cast(Callable[[TarInfo], IO[bytes]], opened.extractfile), info)
            yield info.name, info.size, opens if info.isreg() else None
            opened.members = []  # type: ignore[attr-defined]  # kept by the million else


@contextmanager
def _plain(archive: Path) -> Iterator[_Bounded]:
    """The tar file itself, whatever it is compressed with."""
    with archive.open("rb") as file:
        first = file.read(6)
        file.seek(0)
        opener = next((of for magic, of in COMPRESSED.items() if first.startswith(magic)), None)
        with opener(file) if opener else file as plain:
            yield _Bounded(plain)


class _Bounded:
    """A file that is read in small pieces, so that no header can ask for all memory."""

    def __init__(self, file: BufferedIOBase) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        """Some bytes; ReadError where so many are asked for that it is no header."""
        if not 0 <= size <= LONGEST_HEADER:
            raise tarfile.ReadError("a header is too long")
        return self._file.read(size)


def _linked(archive: Path, name: str) -> UserError:
    return _refused(
        archive,
        f"'{one_line(name[:100])}' in it is a link or a device; unpack it yourself, and give the "
        f"folder",
    )


def _refused(archive: Path, why: str) -> UserError:
    return UserError(f"{archive} is not unpacked: {why}")
