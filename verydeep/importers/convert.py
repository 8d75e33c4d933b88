"""Another program's file of weights made ours, with where it is from.

PyTorch is imported only once the process that reads the file has left: the two are never in memory
at once.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from verydeep.importers import sandbox
from verydeep.importers.class_list import classes_in, notes_of_list
from verydeep.weights.releases import hashes_of, release_of

if TYPE_CHECKING:
    from verydeep.importers.to_network import Imported
    from verydeep.pictures.preprocessing import Pixels


@dataclass(frozen=True)
class ImportRecord:
    """Where weights of another program are from, as our file keeps it under "imported".

    `guessed` is what of them is a guess, `given` what the user said: "classes", "pixels", "scale".
    """

    file: str
    family: str
    sha256: str
    md5: str
    release: str | None
    measured: str | None
    net: str
    folded: bool
    guessed: tuple[str, ...]
    given: tuple[str, ...]
    notes: tuple[str, ...]


def convert(
    path: Path,
    out: Path,
    prototxt: Path | None = None,
    classes: Path | None = None,
    fold: bool = False,
    pixels: Pixels | None = None,
    scale: tuple[int, int] | None = None,
    which: str | None = None,
) -> Imported:
    """Writes our file of another program's weights, and gives what is in it.

    `classes` is a list of class names, or the folder that the net was trained on; `fold` puts each
    norm into the convolution before it; `pixels` and `scale` stand before what the file says;
    `which` is the set of weights to take of several.
    Raises UserError where the file cannot be read, or is no whole net, and where the list is in
    another order than the classes of a release.
    """
    names = None if classes is None else classes_in(classes)
    parameters = sandbox.read(path, prototxt, which=which)

    from verydeep.importers.guesses import informed
    from verydeep.importers.to_network import Imported, to_network
    from verydeep.nets.folding import folded
    from verydeep.weights.file import save

    hashes = hashes_of(path)
    release = release_of(hashes)
    listed = notes_of_list(classes, names, release) if classes and names else ()
    parameters = informed(parameters, release, path.name, scale)
    found = to_network(parameters, path, names, pixels, scale)
    network = folded(found.network) if fold else found.network
    notes = (*found.notes, *listed)
    given = {"classes": names, "pixels": pixels, "scale": scale}
    record = ImportRecord(
        file=path.name,
        family=parameters.family,
        sha256=hashes.sha256,
        md5=hashes.md5,
        release=release.name if release else None,
        measured=release.measured if release else None,
        net=found.network.table.name,
        folded=network is not found.network,
        guessed=found.guessed,
        given=tuple(what for what, value in given.items() if value is not None),
        notes=notes,
    )
    save(network, out, {"imported": asdict(record)})
    return Imported(network, notes, found.guessed)
