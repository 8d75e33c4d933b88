"""Keras 3's `.keras` archives: the text that describes a model, and where its weights lie.

Such a file is a zip archive of two texts and an HDF5 file, none of them compressed, so that the
weights are read where they are. Each member's CRC-32 is looked at before.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from verydeep.errors import one_line
from verydeep.formats import zips
from verydeep.limits import FormatError, start_of

ARCHIVE = b"PK\x03\x04"
CONFIG, WEIGHTS = "config.json", "model.weights.h5"
LARGEST_CONFIG = 4 * 2**20
"""Bytes; that of VGG19 has 30 KB."""
CHUNK = 2**20
_HEADER = 30
"""Bytes of a member's own header before its name."""
_AGAIN = "save it again with Keras 3, or as model.save('net.h5')"


@dataclass(frozen=True)
class Archive:
    """The text of a model's settings, and the bytes of the file that hold its weights."""

    config: str
    start: int
    end: int


def is_archive(path: Path) -> bool:
    """Whether a file is such an archive, or begins as one that was cut short."""
    start = start_of(path)
    names = (b"metadata.json", b"config.json", b"model.weights.h5")
    return start.startswith(ARCHIVE) and start[_HEADER:].startswith(names)


def opened(path: Path) -> Archive:
    """What lies in an archive; FormatError where that is damaged, or none of Keras 3's."""
    try:
        with ZipFile(path) as archive:
            members = {member.filename: member for member in archive.infolist()}
            others = [name for name in members if name not in (CONFIG, "metadata.json")]
            if others and WEIGHTS not in members:
                raise FormatError(f"it is a zip archive of other files ({one_line(others[0]):.40})",
                                  "unpack it and give the file within")  # fmt: skip
            for name in (CONFIG, WEIGHTS):
                if name not in members:
                    raise FormatError(f"it has no {name}", _AGAIN)
            _refuse_damage(archive, members[WEIGHTS])
            config, weights = members[CONFIG], members[WEIGHTS]
            if config.file_size > LARGEST_CONFIG:
                raise FormatError(f"its {CONFIG} has {config.file_size:,} bytes", _AGAIN)
            with archive.open(config) as file:
                text = file.read(LARGEST_CONFIG).decode("utf-8", "replace")
            return Archive(text, *_span(path, weights))
    except FormatError:
        raise
    except Exception as error:
        raise zips.refusal(error) from None


def _refuse_damage(archive: ZipFile, member: ZipInfo) -> None:
    """Raises FormatError where a member is compressed, or is not as its CRC-32 has it."""
    if member.compress_type != ZIP_STORED or member.file_size != member.compress_size:
        raise FormatError(f"its {WEIGHTS} is compressed, which Keras never does", _AGAIN)
    with archive.open(member) as file:
        while file.read(CHUNK):
            pass


def _span(path: Path, member: ZipInfo) -> tuple[int, int]:
    """Where the bytes of a stored member begin and end in the file."""
    with path.open("rb") as file:
        file.seek(member.header_offset)
        header = file.read(_HEADER)
    lengths = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    start = member.header_offset + _HEADER + sum(lengths)
    return start, start + member.file_size
