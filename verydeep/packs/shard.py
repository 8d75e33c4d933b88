"""One shard of a pack: a tar file with the same bytes whenever and by whomever it is written.

In come pictures as they are packed; out come a file that plain `tar` unpacks, and the record of
what is where in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from tarfile import BLOCKSIZE, PAX_FORMAT, USTAR_FORMAT, TarInfo
from typing import Any, BinaryIO
from zlib import crc32

import numpy as np

from verydeep.packs.index import Entries
from verydeep.packs.members import Member, Recoded
from verydeep.parts.dataset import ROLES
from verydeep.pictures.boxes import Boxes


@dataclass(frozen=True)
class Shard:
    """One tar file: its record for the index, and where its pictures are.

    It holds what the dataset has from `first` up to `next`, in the order of `members`, less what
    was left out.
    """

    record: dict[str, Any]
    entries: Entries


class Tar:
    """A tar file as it is written, with what the index will say of it."""

    def __init__(self, file: BinaryIO) -> None:
        self.bytes, self.left_out = 0, list[str]()
        self._file, self._digest = file, sha256()
        self._members: list[tuple[Member, int, int, int]] = []  # with offset, size and checksum
        self._boxes, self._keys = list[Boxes](), list[int]()

    def add(self, member: Member, picture: Recoded) -> None:
        """Writes a picture, with a header that is the same whenever and by whomever it is made."""
        self._write(header_of(member, len(picture.data)))
        place = self.bytes, len(picture.data), crc32(picture.data)
        self._write(picture.data + bytes(-len(picture.data) % BLOCKSIZE))
        self._members.append((member, *place))
        self._boxes.append(picture.boxes)
        self._keys.append(picture.key)

    def end(self) -> None:
        """Writes the two empty blocks that tar files end with."""
        self._write(bytes(2 * BLOCKSIZE))

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.bytes += len(data)

    def shard(self, name: str, first: int, place: int) -> Shard:
        """The finished shard, of all that the dataset has from one place up to another."""
        names = [m.name.encode(errors="surrogateescape") for m, *_ in self._members]
        places = np.array([place for _, *place in self._members], np.int64).reshape(-1, 3)
        record = {
            "name": name,
            "bytes": self.bytes,
            "sha256": self._digest.hexdigest(),
            "first": first,
            "next": place,
            "pictures": len(names),
            "counts": {r: n for r in ROLES if (n := sum(m.part == r for m, *_ in self._members))},
            "left_out": self.left_out,
        }
        entries = Entries(
            np.array([m.label for m, *_ in self._members], np.int64),
            places[:, 0],
            places[:, 1].astype(np.uint32),
            places[:, 2].astype(np.uint32),
            np.array(self._keys, np.int64),
            np.array([len(n) for n in names], np.uint32),
            np.array([len(boxes) for boxes in self._boxes], np.uint32),
            np.concatenate([np.zeros((0, 4)), *self._boxes]),
            np.frombuffer(b"".join(names), np.uint8),
        )
        return Shard(record, entries)


def header_of(member: Member, size: int) -> bytes:
    """The tar header of a member: ustar, or pax where the name is too long for that."""
    info = TarInfo(f"{member.part}/{member.class_name}/{member.name}")
    info.size = size
    try:
        return info.tobuf(USTAR_FORMAT, "utf-8", "surrogateescape")
    except ValueError:
        return info.tobuf(PAX_FORMAT, "utf-8", "surrogateescape")
