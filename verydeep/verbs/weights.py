"""Files of weights, whole: what one is, another program's made ours, ours made another's.

PyTorch is imported only where it is needed: while another process reads a foreign file, this one
is small.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verydeep.errors import UserError, one_line
from verydeep.importers import sandbox
from verydeep.importers.converting import convert
from verydeep.importers.pretrained import find
from verydeep.weights.paths import kept, wanted
from verydeep.weights.pieces import OURS, header
from verydeep.weights.releases import Hashes, Release, hashes_of, named, release_of

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
        if not self.table.has_top:  # its crop fixes nothing
            return f"{self.table.name} without its top (to {self.table.rows[-1].name}), {count}"
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
    path = _found(path)
    if _is_ours(path):
        return _of_ours(path)
    return _of_foreign(path, prototxt)


@dataclass(frozen=True)
class ImportResult:
    """What an import gave: in words for the terminal, with notes of what a user should know."""

    words: str
    notes: tuple[str, ...]


def import_weights(
    path: Path,
    out: Path,
    prototxt: Path | None = None,
    classes: Path | None = None,
    fold: bool = False,
    pixels: str | None = None,
    scale: str | None = None,
) -> ImportResult:
    """Writes our file of another program's weights; raises UserError where they are no whole net.

    `classes` is a list of class names, or a folder of class folders; `fold` puts each norm into the
    convolution before it; `pixels` and `scale` are words as `pixel_words` reads them.
    """
    if wanted(path) is not None:
        raise UserError(f"{path} names published weights; every verb takes the name as it is")
    path = _found(path)
    if _is_ours(path):
        raise UserError(f"{path} is verydeep's own already; every verb takes it as it is")
    refuse_place(path, out)
    given = _pixels_given(pixels, scale)
    found = convert(path, out, prototxt, classes, fold, *given)

    from verydeep.importers.pixel_words import in_words

    network = found.network
    count = f"{len(network.classes):,} classes" if network.table.has_top else "no classes"
    words = f"{_net(network.table).in_words}, {count}; {in_words(network.pixels)}"
    return ImportResult(words, found.notes)


def _pixels_given(
    pixels: str | None, scale: str | None
) -> tuple[Pixels | None, tuple[int, int] | None]:
    """The pixels and S that words say; PyTorch is imported where there are any."""
    if pixels is None and scale is None:
        return None, None

    from verydeep.importers.pixel_words import pixels_in, scale_in

    return (
        None if pixels is None else pixels_in(pixels),
        None if scale is None else scale_in(scale),
    )


def refuse_place(path: Path, out: Path) -> None:
    """Raises UserError where a file's place is a folder, or the file that it is made of."""
    if out.is_dir():
        raise UserError(f"{out} is a folder; give --out a file in it")
    if out.exists() and out.samefile(path):
        raise UserError(f"{out} is the file that it is made of; choose another --out")


@dataclass(frozen=True)
class NamedRelease:
    """Published weights that have a name: their release, parameters, and whether they are here."""

    release: Release
    parameters: int
    here: bool


def named_releases() -> list[NamedRelease]:
    """The published weights that have a name, the authors' first."""
    from verydeep.nets.cost import cost

    return [
        NamedRelease(release, cost(_table_of(release)).parameters, kept(release).is_file())
        for release in named().values()
    ]


def _table_of(release: Release) -> Table:
    from verydeep.nets import vgg
    from verydeep.nets.table import NORM_NAME, read_table, with_norms

    plain = vgg.table(release.net.removesuffix(NORM_NAME))
    words = with_norms(plain.words) if release.net != plain.name else plain.words
    return read_table(release.net, words, plain.crop)


def verified(path: Path) -> str:
    """What a file's hashes prove, in a line; UserError where they prove nothing, or damage."""
    path = _found(path)
    if _is_ours(path):
        from verydeep.weights.file import load, read_info

        load(path)
        layers = len(read_info(path).layers)
        return f"{path}: {layers} layers, each with the sha256 that it was written with"
    hashes = hashes_of(path)
    release = release_of(hashes)
    if release is None:
        raise UserError(
            f"{path} has the hash of no release that is known (sha256 {hashes.sha256}, md5 "
            f"{hashes.md5}); hold it against its publisher's"
        )
    return f"{path}: {release.name} as {release.publisher} published it, {release.hash_in_words}"


def export_weights(weights: Path, family: str, out: Path) -> str:
    """Writes another family's file of our weights; gives the pixels that they want, in words."""
    weights = find(weights)
    refuse_place(weights, out)

    from verydeep.exporters import families
    from verydeep.importers.pixel_words import in_words
    from verydeep.weights.file import load

    write = families.writer(family)
    network = load(weights)
    said = write(network, out)
    if family in families.TAKES_OTHER_PIXELS:
        return said
    return "; ".join(filter(None, (f"its pixels are {in_words(network.pixels)}", said)))


def _found(path: Path) -> Path:
    """The file of weights at a path, of a run's folder, or of a name."""
    path = find(path)
    if not path.is_file():
        raise UserError(f"{path} is no file")
    return path


def _is_ours(path: Path) -> bool:
    said = (header(path) or {}).get("__metadata__")
    return isinstance(said, dict) and OURS in said


def _of_ours(path: Path) -> Description:
    from verydeep.importers.pixel_words import in_words
    from verydeep.weights.file import pixels_of, read_info, table_of

    info, hashes = read_info(path), hashes_of(path)
    pixels = pixels_of(info)
    notes = info.provenance.get("imported", {}).get("notes", [])
    return Description(
        path,
        path.stat().st_size,
        hashes,
        release_of(hashes),
        OURS,
        _net(table_of(info)),
        pixels,
        in_words(pixels),
        tuple(info.classes),
        tuple(map(one_line, notes)),
        provenance=info.provenance,
        layers_hash=info.hash,
    )


def _of_foreign(path: Path, prototxt: Path | None) -> Description:
    parameters = sandbox.read(path, prototxt)

    from verydeep.importers.guesses import informed, notes_of, pixels_for
    from verydeep.importers.importing import CROP, table_of
    from verydeep.importers.pixel_words import in_words

    hashes = hashes_of(path)
    release = release_of(hashes)
    net, no_net = None, ""
    try:
        net = _net(table_of(parameters, path))
    except UserError as error:
        no_net = str(error)
    parameters = informed(parameters, release, path.name)
    pixels, guessed = pixels_for(parameters, net.table.crop if net else CROP)
    return Description(
        path,
        path.stat().st_size,
        hashes,
        release,
        parameters.family,
        net,
        pixels,
        in_words(pixels),
        parameters.classes,
        (*parameters.notes, *notes_of(pixels, guessed)),
        no_net,
        guessed,
    )


def _net(table: Table) -> Net:
    from verydeep.nets.cost import cost

    return Net(table, cost(table).parameters)
