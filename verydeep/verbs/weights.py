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
from verydeep.safetensors_layout import header
from verydeep.weights.paths import OURS, kept, wanted
from verydeep.weights.releases import Release, hashes_of, named, release_of

if TYPE_CHECKING:
    from verydeep.nets.table import Table
    from verydeep.pictures.preprocessing import Pixels


@dataclass(frozen=True)
class Done:
    """What an import gave: in words for the terminal, with notes of what a user should know."""

    words: str
    notes: tuple[str, ...]


def about(path: Path, prototxt: Path | None = None) -> dict[str, Any]:
    """What a file of weights is, as plain data; ours are asked, others read and recognised.

    Raises UserError for a file that cannot be read; what is no whole net is told under "no_net".
    """
    path = _found(path)
    hashes = hashes_of(path)
    release = release_of(hashes)
    is_ours = _is_ours(path)
    found = _about_ours(path) if is_ours else _about_foreign(path, prototxt, release)
    if release is not None:
        found["release"] = {**asdict(release), "measured": release.measured}
    return {"file": str(path), "bytes": path.stat().st_size, **found, **asdict(hashes)}


def import_weights(
    path: Path,
    out: Path,
    prototxt: Path | None = None,
    classes: Path | None = None,
    fold: bool = False,
    pixels: str | None = None,
    scale: str | None = None,
) -> Done:
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
    return Done(f"{_net(network.table)}, {count}; {in_words(network.pixels)}", found.notes)


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
class Published:
    """Published weights that have a name: their release, parameters, and whether they are here."""

    release: Release
    parameters: int
    here: bool


def published() -> list[Published]:
    """The published weights that have a name, the authors' first."""
    from verydeep.nets.cost import cost

    return [
        Published(release, cost(_table_of(release)).parameters, kept(release).is_file())
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
        from verydeep.weights.file import load
        from verydeep.weights.warm_start import layers_of

        layers = len(layers_of(load(path)))
        return f"{path}: {layers} layers, with the sha256 that the file was written with"
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


def _about_ours(path: Path) -> dict[str, Any]:
    from verydeep.importers.pixel_words import in_words
    from verydeep.weights.file import pixels_of, read_info, table_of

    info = read_info(path)
    return {
        "family": OURS,
        **_about_table(table_of(info)),
        "pixels": info.pixels,
        "pixels_in_words": in_words(pixels_of(info)),
        "classes": info.classes,
        "provenance": info.provenance,
        "notes": [one_line(note) for note in info.provenance.get("imported", {}).get("notes", [])],
        "hash": info.hash,
    }


def _about_foreign(path: Path, prototxt: Path | None, release: Release | None) -> dict[str, Any]:
    parameters = sandbox.read(path, prototxt)

    from verydeep.importers.guesses import informed, notes_of, pixels_for
    from verydeep.importers.importing import CROP, table_of
    from verydeep.importers.pixel_words import in_words

    crop = CROP
    try:
        table = table_of(parameters, path)
        net, crop = _about_table(table), table.crop
    except UserError as error:
        net = {"net": None, "no_net": str(error)}
    parameters = informed(parameters, release, path.name)
    pixels, guessed = pixels_for(parameters, crop)
    return {
        "family": parameters.family,
        **net,
        "pixels": asdict(pixels),
        "pixels_in_words": in_words(pixels),
        "classes": None if parameters.classes is None else list(parameters.classes),
        "guessed": list(guessed),
        "notes": [*parameters.notes, *notes_of(pixels, guessed)],
    }


def _about_table(table: Table) -> dict[str, Any]:
    from verydeep.nets.cost import cost

    return {
        "net": table.name,
        "net_in_words": _net(table),
        "crop": table.crop,
        "words": list(table.words),
        "class_count": table.class_count,
        "parameters": cost(table).parameters,
    }


def _net(table: Table) -> str:
    from verydeep.nets.cost import cost

    count = f"{cost(table).parameters:,} parameters"
    if not table.has_top:  # its crop fixes nothing
        return f"{table.name} without its top (to {table.rows[-1].name}), {count}"
    return f"{table.name}, crop {table.crop}, {count}"
