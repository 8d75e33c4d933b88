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


@dataclass(frozen=True)
class Net:
    """The net that a file of weights holds: its table, and what it comes to."""

    table: Table
    parameters: int

    @property
    def in_words(self) -> str:
        """Name, crop and size in words."""
        count = f"{self.parameters:,} parameters"
        if not self.table.has_scores:  # its crop fixes nothing
            return f"{self.table.name} without its top (to {self.table.last}), {count}"
        return f"{self.table.name}, crop {self.table.crop}, {count}"


@dataclass(frozen=True)
class Description:
    """What a file of weights is, whoever made it.

    `net` is None where the weights are no whole net, and `no_net` says then what they lack.
    `guessed` tells of files of others what of their pixels is a guess, `provenance` and
    `layers_hash` of ours where they are from, and the hash of all their layers.
    """

    file: Path
    bytes: int
    hashes: Hashes
    release: Release | None
    family: str
    net: Net | None
    pixels: Pixels
    pixels_in_words: str
    classes: tuple[str, ...] | None
    notes: tuple[str, ...]
    no_net: str = ""
    guessed: tuple[str, ...] | None = None
    provenance: dict[str, Any] | None = None
    layers_hash: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The same as plain data; what does not apply to the file is left out."""
        net, release = self.net, self.release
        of_net = {"net": None, "no_net": self.no_net} if net is None else {
            "net": net.table.name, "net_in_words": net.in_words, "crop": net.table.crop,
            "words": net.table.words, "class_count": net.table.class_count,
            "parameters": net.parameters,
        }  # fmt: skip
        optional = {
            "guessed": self.guessed,
            "provenance": self.provenance,
            "hash": self.layers_hash,
            "release": release and {**asdict(release), "measured": release.measured},
        }
        return {
            "file": str(self.file), "bytes": self.bytes, "family": self.family, **of_net,
            "pixels": asdict(self.pixels), "pixels_in_words": self.pixels_in_words,
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
    from verydeep.weights.file import pixels_of, read_info, table_of

    info, hashes = read_info(path), hashes_of(path)
    pixels = pixels_of(info)
    notes = info.provenance.get("imported", {}).get("notes", [])
    return Description(
        file=path,
        bytes=path.stat().st_size,
        hashes=hashes,
        release=release_of(hashes),
        family=OURS,
        net=net_of(table_of(info)),
        pixels=pixels,
        pixels_in_words=in_words(pixels),
        classes=tuple(info.classes),
        notes=tuple(map(one_line, notes)),
        provenance=info.provenance,
        layers_hash=info.hash,
    )


def _of_foreign(path: Path, prototxt: Path | None) -> Description:
    parameters = sandbox.read(path, prototxt)

    from verydeep.importers.guesses import informed, notes_of, pixels_for
    from verydeep.importers.pixel_words import in_words
    from verydeep.importers.to_table import CROP, table_of

    hashes = hashes_of(path)
    release = release_of(hashes)
    net, no_net = None, ""
    try:
        net = net_of(table_of(parameters, path))
    except UserError as error:
        no_net = str(error)
    parameters = informed(parameters, release, path.name)
    pixels, guessed = pixels_for(parameters, net.table.crop if net else CROP)
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
        notes=(*parameters.notes, *notes_of(pixels, guessed)),
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
