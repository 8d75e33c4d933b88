"""PyTorch's own files, .pth and .pt: what they hold, and nothing of theirs run.

Such a file is a pickle, which is a program. PyTorch's reader of weights alone is asked, which knows
tensors and dictionaries and calls nothing else. What trainers keep beside them, their arguments,
times and paths, is known by name, and in its place comes an object that does nothing. Before it,
the archive is held against what PyTorch writes: no member compressed, none that is not its own,
each with its right CRC-32.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import torch

from verydeep.errors import one_line
from verydeep.formats import zips
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
TAR_MEMBERS = ("sys_info", "pickle", "storages", "tensors")
"""What a file of before 2017 has in it."""
CHUNK = 2**20
UNPACK = "unpack it and give the file within"


class _Aside:
    """What stands for a value that is no weights, whatever it is made of: it keeps nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


class _Items:
    """What stands for a dictionary of another kind: a plain one, into which its items go."""

    def __new__(cls, *_: object) -> dict[object, object]:  # type: ignore[misc]
        return {}


class _List:
    """What stands for a queue: a plain list."""

    def __new__(cls, *_: object) -> list[object]:  # type: ignore[misc]
        return []


_NUMPY = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")
_LIGHTNING = ("pytorch_lightning.utilities.parsing", "lightning.pytorch.utilities.parsing",
              "lightning_fabric.utilities.data", "lightning.fabric.utilities.data")  # fmt: skip
_BESIDE: dict[type, dict[tuple[str, ...], str]] = {
    _Aside: {
        ("argparse", "types"): "Namespace SimpleNamespace",
        _NUMPY: "dtype ndarray scalar _reconstruct",
        ("pathlib", "pathlib._local"):
            "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath",
        ("datetime",): "datetime date time timedelta timezone",
        ("builtins",): "set frozenset complex slice range bytearray int float bool str list dict",
        ("uuid", "decimal", "fractions", "typing"): "UUID SafeUUID Decimal Fraction Any",
        ("omegaconf.base", "omegaconf.nodes", "omegaconf.dictconfig", "omegaconf.listconfig"):
            "ContainerMetadata Metadata AnyNode StringNode IntegerNode FloatNode BooleanNode "
            "DictConfig ListConfig",
    },
    _Items: {
        ("collections",): "defaultdict",
        ("easydict",): "EasyDict",
        _LIGHTNING: "AttributeDict",
    },
    _List: {("collections",): "deque"},
}  # fmt: skip
"""What trainers keep beside weights, by modules and names, and what comes in its place."""
_STAND_INS = [
    (stand_in, f"{module}.{name}")
    for stand_in, kinds in _BESIDE.items()
    for modules, names in kinds.items()
    for module in modules
    for name in names.split()
]


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
        name = start[:100].partition(b"\0")[0].decode(errors="replace")
        if name.strip("./").partition("/")[0] not in TAR_MEMBERS:
            raise FormatError(f"it is a tar archive of other files ({one_line(name):.40})", UNPACK)
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
        with warnings.catch_warnings(), torch.serialization.safe_globals(_STAND_INS):  # type: ignore[arg-type]
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
    except Exception as error:
        raise zips.refusal(error) from None


def _refuse_odd_members(members: list[ZipInfo], size: int) -> None:
    if len(members) > MOST_MEMBERS:
        raise FormatError(f"it has {len(members):,} members", "a file of weights has a few dozen")
    root = members[0].filename.partition("/")[0] if members else ""
    if any(member.filename == f"{root}/constants.pkl" for member in members):
        raise FormatError(
            "it is a TorchScript program", "save the state_dict of the model, not the model"
        )
    if members and not any(member.filename == f"{root}/data.pkl" for member in members):
        name = one_line(members[0].filename)
        raise FormatError(f"it is a zip archive of other files ({name:.40})", UNPACK)
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
