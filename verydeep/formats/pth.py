"""PyTorch's own files, .pth and .pt: what they hold, and nothing of theirs run.

Such a file is a pickle, which is a program. PyTorch's reader of weights alone is asked, which knows
tensors and dictionaries and calls nothing else. Before it, the archive is held against what
PyTorch writes: no member compressed, none that is not its own, each with its right CRC-32.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import torch

from verydeep.errors import one_line
from verydeep.limits import FormatError, start_of

ARCHIVE = b"PK\x03\x04"
OLDER = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The first pickle of the form before the archive: a number that says so."""
PICKLE, TAR = re.compile(rb"\x80[\x02-\x05]"), b"ustar"
INSIDE = re.compile(
    r"data\.pkl|byteorder|version|\.format_version|\.storage_alignment"
    r"|\.data/serialization_id|data/\d{1,6}"
)
"""Members of an archive, below the one folder that it has."""
MOST_MEMBERS, LARGEST_PICKLE = 4096, 16 * 2**20
CHUNK = 2**20


def is_pth(path: Path) -> bool:
    """Whether a file is PyTorch's, or passes for one: an archive of its, or a pickle."""
    start = start_of(path, 512)
    named = path.suffix.casefold() in (".pth", ".pt", ".pkl", ".pickle", ".ckpt")
    if start.startswith(ARCHIVE):
        length = int.from_bytes(start[26:28], "little")
        return named or start[30 : 30 + length].endswith(b"/data.pkl")
    return PICKLE.match(start) is not None or (named and start[257:262] == TAR)


def load(path: Path) -> Any:
    """What a file holds, its tensors where they lie in it wherever that can be.

    Raises FormatError for a file that would have to be run to be read, and for an archive that is
    not as PyTorch writes it; whatever PyTorch raises for a damaged one comes through.
    """
    start = start_of(path, 512)
    if start[257:262] == TAR:
        raise FormatError(
            "it is a tar file, as PyTorch wrote them before 2017, which only runs to be read",
            "load it in an old PyTorch and save its state_dict again",
        )
    if start.startswith(ARCHIVE):
        _refuse_odd_archive(path)
    elif not start.startswith(OLDER):
        raise FormatError(
            "it is a pickle and no PyTorch file", "a pickle is a program, and it is not run"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(
                str(path), "cpu", weights_only=True, mmap=start.startswith(ARCHIVE) or None
            )
    except Exception as error:
        _refuse_programs(str(error))
        raise


def _refuse_odd_archive(path: Path) -> None:
    """Raises FormatError where an archive is none that PyTorch writes, or is damaged."""
    try:
        with ZipFile(path) as archive:
            members = archive.infolist()
            _refuse_odd_members(members, path.stat().st_size)
            for member in members:
                with archive.open(member) as file:
                    while file.read(CHUNK):  # the CRC-32 is looked at on the way
                        pass
    except FormatError:
        raise
    except Exception as error:  # a damaged archive has zipfile raise one of a dozen kinds
        raise FormatError(f"it is damaged ({one_line(error)})") from None


def _refuse_odd_members(members: list[ZipInfo], size: int) -> None:
    if len(members) > MOST_MEMBERS:
        raise FormatError(f"it has {len(members):,} members", "a file of weights has a few dozen")
    root = members[0].filename.partition("/")[0] if members else ""
    if any(member.filename == f"{root}/constants.pkl" for member in members):
        raise FormatError(
            "it is a TorchScript program", "save the state_dict of the model, not the model"
        )
    for member in members:
        folder, _, name = member.filename.partition("/")
        if folder != root or folder in ("", ".", "..") or not INSIDE.fullmatch(name):
            name = one_line(member.filename)
            raise FormatError(
                f"it has a member '{name}', which PyTorch writes into no file of weights"
            )
        if member.compress_type != ZIP_STORED or member.file_size != member.compress_size:
            raise FormatError("it has compressed members, which PyTorch never writes")
        if name == "data.pkl" and member.file_size > LARGEST_PICKLE:
            raise FormatError(f"it has a pickle of {member.file_size:,} bytes", "no VGG needs it")
    if sum(member.file_size for member in members) > size:
        raise FormatError("it has members that lie over each other, which PyTorch never writes")


def _refuse_programs(said: str) -> None:
    """Raises FormatError, in short, where PyTorch's reader of weights met what it does not know."""
    if found := re.search(r"GLOBAL ([\w.]+)", said):
        raise FormatError(
            f"it asks for {found[1]}, which is no weights: a pickle is a program, and is not run",
            "save the model's state_dict alone",
        ) from None
    if found := re.search(r"WeightsUnpickler error: *(\S.*)", said):
        raise FormatError(f"it is damaged, or no file of weights ({one_line(found[1])})") from None
