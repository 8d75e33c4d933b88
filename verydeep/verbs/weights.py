"""Files of weights, whole: another program's made ours, ours made another's, either verified.

PyTorch is imported only where it is needed: while another process reads a foreign file, this one
is small.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from verydeep.errors import UserError
from verydeep.files import refuse_taken
from verydeep.importers.convert import convert
from verydeep.importers.pretrained import find
from verydeep.verbs.describe import file_at, is_ours, net_of
from verydeep.weights.paths import kept, wanted
from verydeep.weights.releases import Release, hashes_of, named, release_of

if TYPE_CHECKING:
    from verydeep.nets.network import Network
    from verydeep.nets.table import Table
    from verydeep.pictures.preprocessing import Pixels


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
    which: str | None = None,
    *,
    overwrite: bool = False,
) -> ImportResult:
    """Writes our file of another program's weights; raises UserError where they are no whole net.

    `classes` is a list of class names, or a folder of class folders; `fold` puts each norm into the
    convolution before it; `pixels` and `scale` are words as `pixel_words` reads them; `which` is
    the set of weights to take of a checkpoint that has several, such as "model_ema".
    """
    if wanted(path) is not None:
        raise UserError(f"{path} names published weights; every verb takes the name as it is")
    path = file_at(path)
    if is_ours(path):
        raise UserError(f"{path} is verydeep's own already; every verb takes it as it is")
    refuse_place(path, out)
    refuse_taken(out, overwrite)
    given = _pixels_given(pixels, scale)
    found = convert(path, out, prototxt, classes, fold, *given, which)

    from verydeep.importers.pixel_words import in_words

    network = found.network
    count = f"{len(network.classes):,} classes" if network.table.has_scores else "no classes"
    words = f"{net_of(network.table).in_words}, {count}; {in_words(network.pixels)}"
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
    from verydeep.nets import named as nets
    from verydeep.nets import vgg
    from verydeep.nets.rewording import with_norms
    from verydeep.nets.table import NORM_NAME
    from verydeep.nets.words import read_table

    if not nets.is_of_table_1(release.net):
        return nets.table(release.net)
    plain = vgg.table(release.net.removesuffix(NORM_NAME))
    words = with_norms(plain.words) if release.net != plain.name else plain.words
    return read_table(release.net, words, plain.crop)


def verified(path: Path) -> str:
    """What a file's hashes prove, in a line; UserError where they prove nothing, or damage."""
    path = file_at(path)
    if is_ours(path):
        return f"{path}: {_layers(path)}, with the sha256 that the file was written with"
    hashes = hashes_of(path)
    release = release_of(hashes)
    if release is None:
        raise UserError(
            f"{path} has the hash of no release that is known (sha256 {hashes.sha256}, md5 "
            f"{hashes.md5}); hold it against its publisher's"
        )
    return f"{path}: {release.name} as {release.publisher} published it, {release.hash_in_words}"


def _layers(path: Path) -> str:
    """What of our weights is read, to the last bit."""
    from verydeep.nets.stack import Stack
    from verydeep.weights.stacks import load_any
    from verydeep.weights.warm_start import layers_of

    model = load_any(path)
    if not isinstance(model, Stack):
        return f"{len(layers_of(model))} layers"
    layers = [len(layers_of(network)) for network in model.networks]
    return f"a stack of {len(layers)}, {sum(layers)} layers"


def export_weights(weights: Path, family: str, out: Path, overwrite: bool = False) -> str:
    """Writes another family's file of our weights; gives the pixels that they want, in words.

    Of stacks, that of one member at one Q is written, as the network that it is.
    """
    weights = find(weights)
    refuse_place(weights, out)
    for file in (out, *([out.with_suffix(".bin")] if family == "openvino" else ())):
        refuse_taken(file, overwrite)

    from verydeep.exporters import families
    from verydeep.importers.pixel_words import in_words

    write = families.writer(family)
    network, shown = _exported(weights)
    said = write(network, out)
    if family in families.TAKES_OTHER_PIXELS:
        return "; ".join(filter(None, (said, shown)))
    return "; ".join(filter(None, (f"its pixels are {in_words(network.pixels)}", said, shown)))


def _exported(path: Path) -> tuple[Network, str]:
    """The network to export, and at which Q it is to be shown pictures where that is known."""
    from verydeep.nets.stack import Stack
    from verydeep.weights.stacks import load_any

    model = load_any(path)
    if not isinstance(model, Stack):
        return model, ""
    if len(model.members) > 1 or len(model.scales) > 1:
        raise UserError(
            f"{path} is a stack of {len(model.members)} at {len(model.scales)} Q, and other "
            f"programs show a network pictures of one size; export what has one member and one Q"
        )
    return model.networks[0], f"show it pictures at Q = {model.scales[0]}"
