"""What a file of weights is, whoever made it: its net, its pixels, its classes, where it is from.

PyTorch is imported only where it is needed: while another process reads a foreign file, this one
is small.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verydeep.errors import UserError, one_line
from verydeep.importers import sandbox
from verydeep.importers.pretrained import find
from verydeep.safetensors_layout import LARGEST_OF_OURS, header
from verydeep.weights.paths import OURS
from verydeep.weights.releases import Hashes, Release, hashes_of, release_of

if TYPE_CHECKING:
    from verydeep.nets.table import Table
    from verydeep.pictures.preprocessing import Pixels
    from verydeep.weights.info import WeightsInfo


@dataclass(frozen=True)
class Net:
    """The net that a file of weights holds: its table, and what it comes to."""

    table: Table
    parameters: int

    @property
    def in_words(self) -> str:
        """Name, crop and size in words."""
        count = f"{self.parameters:,} parameters"
        if self.table.is_embedding:
            numbers = f"to {self.table.outputs} numbers of length one"
            return f"{self.table.name}, crop {self.table.crop}, {numbers}, {count}"
        if not self.table.has_scores:  # its crop fixes nothing
            return f"{self.table.name} without its top (to {self.table.last}), {count}"
        return f"{self.table.name}, crop {self.table.crop}, {count}"

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "net": self.table.name, "net_in_words": self.in_words, "crop": self.table.crop,
            "words": self.table.words, "class_count": self.table.class_count,
            "parameters": self.parameters,
        }  # fmt: skip


@dataclass(frozen=True)
class StackedNet:
    """A network of a stack: the row that describes pictures, and the Q that it sees them at.

    `own` are the parameters that no member before it has.
    """

    net: Net
    layer: str
    scales: tuple[int, ...]
    own: int
    pixels: Pixels
    pixels_in_words: str

    @property
    def in_words(self) -> str:
        """The net, its row, its Q, and what is its own, in words."""
        same = "" if self.own == self.net.parameters else f", {self.own:,} of them its own"
        scales = ", ".join(map(str, self.scales))
        return f"{self.net.in_words}{same}; by {self.layer} at Q = {scales}"

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            **self.net.as_json(), "layer": self.layer, "scales": self.scales,
            "own_parameters": self.own, "pixels": asdict(self.pixels),
            "pixels_in_words": self.pixels_in_words,
        }  # fmt: skip


@dataclass(frozen=True)
class Description:
    """What a file of weights is, whoever made it.

    `net` is None where the weights are no whole net, and `no_net` says then what they lack. It is
    None of a stack too, of which `members` tell, and which has no pixels of its own.
    `guessed` tells of files of others what of their pixels is a guess, `provenance` and
    `layers_hash` of ours where they are from, and the hash of all their layers.
    """

    file: Path
    bytes: int
    hashes: Hashes
    release: Release | None
    family: str
    net: Net | None
    pixels: Pixels | None
    pixels_in_words: str
    classes: tuple[str, ...] | None
    notes: tuple[str, ...]
    no_net: str = ""
    guessed: tuple[str, ...] | None = None
    provenance: dict[str, Any] | None = None
    layers_hash: str | None = None
    members: tuple[StackedNet, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The same as plain data; what does not apply to the file is left out."""
        release = self.release
        of_net = self.net.as_json() if self.net else {"net": None, "no_net": self.no_net}
        if self.members:
            of_net = {"members": [member.as_json() for member in self.members]}
        optional = {
            "guessed": self.guessed,
            "provenance": self.provenance,
            "hash": self.layers_hash,
            "release": release and {**asdict(release), "measured": release.measured},
        }
        return {
            "file": str(self.file), "bytes": self.bytes, "family": self.family, **of_net,
            **({"pixels": asdict(self.pixels)} if self.pixels else {}),
            **({"pixels_in_words": self.pixels_in_words} if self.pixels else {}),
            "classes": self.classes, "notes": self.notes,
            **{key: value for key, value in optional.items() if value is not None},
            **asdict(self.hashes),
        }  # fmt: skip


def described(path: Path, prototxt: Path | None = None) -> Description:
    """What a file of weights is; ours are asked, others read and recognised.

    Raises UserError for a file that cannot be read.
    """
    path = file_at(path)
    if is_ours(path):
        return _of_ours(path)
    return _of_foreign(path, prototxt)


def _of_ours(path: Path) -> Description:
    from verydeep.importers.pixel_words import in_words
    from verydeep.weights.file import read_info
    from verydeep.weights.info import members_of

    info, hashes = read_info(path), hashes_of(path)
    (first, *_), members = members_of(info), _members(info)
    notes = info.provenance.get("imported", {}).get("notes", [])
    return Description(
        file=path,
        bytes=path.stat().st_size,
        hashes=hashes,
        release=release_of(hashes),
        family=OURS,
        net=None if members else net_of(first.table),
        pixels=None if members else first.pixels,
        pixels_in_words="" if members else in_words(first.pixels),
        classes=tuple(info.classes),
        notes=tuple(map(one_line, notes)),
        provenance=info.provenance,
        layers_hash=info.hash,
        members=members,
    )


def _members(info: WeightsInfo) -> tuple[StackedNet, ...]:
    """The networks of a stack; none of a file of one network."""
    from verydeep.importers.pixel_words import in_words
    from verydeep.nets.network import Network
    from verydeep.nets.stack import described_by
    from verydeep.weights.info import members_of

    if not info.members:
        return ()
    found = []
    for said in members_of(info):
        network = Network.empty(said.table, info.classes, said.pixels)
        own = sum(p.numel() for name, p in network.named_parameters() if name not in said.shared)
        found.append(
            StackedNet(
                net_of(said.table), described_by(said.table), said.scales, own, said.pixels,
                in_words(said.pixels),
            )
        )  # fmt: skip
    return tuple(found)


def _of_foreign(path: Path, prototxt: Path | None) -> Description:
    parameters = sandbox.read(path, prototxt)

    from verydeep.importers.guesses import informed, notes_of, pixels_for
    from verydeep.importers.pixel_words import in_words
    from verydeep.importers.to_table import CROP, table_of
    from verydeep.nets.named import is_of_table_1

    hashes = hashes_of(path)
    release = release_of(hashes)
    net, no_net = None, ""
    try:
        net = net_of(table_of(parameters, path))
    except UserError as error:
        no_net = str(error)
    parameters = informed(parameters, release, path.name)
    pixels, guessed = pixels_for(parameters, net.table.crop if net else CROP)
    of_table_1 = net is None or is_of_table_1(net.table.name)
    return Description(
        file=path,
        bytes=path.stat().st_size,
        hashes=hashes,
        release=release,
        family=parameters.family,
        net=net,
        no_net=no_net,
        pixels=pixels,
        pixels_in_words=in_words(pixels),
        classes=parameters.classes,
        notes=(*parameters.notes, *notes_of(pixels, guessed, of_table_1)),
        guessed=guessed,
    )


def net_of(table: Table) -> Net:
    """The net of a table, and what it comes to."""
    from verydeep.nets.cost import cost

    return Net(table, cost(table).parameters)


def file_at(path: Path) -> Path:
    """The file of weights at a path, of a run's folder, or of a name."""
    path = find(path)
    if not path.is_file():
        raise UserError(f"{path} is no file")
    return path


def is_ours(path: Path) -> bool:
    """Whether a file of weights is one of our own."""
    said = (header(path, LARGEST_OF_OURS) or {}).get("__metadata__")
    return isinstance(said, dict) and OURS in said
