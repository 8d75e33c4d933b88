"""Another program's file of weights made ours, with where it is from.

PyTorch is imported only once the process that reads the file has left: the two are never in memory
at once.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from verydeep.weights.foreign import sandbox
from verydeep.weights.foreign.class_list import classes_in
from verydeep.weights.releases import hashes_of, release_of, scale_of

if TYPE_CHECKING:
    from verydeep.weights.foreign.importing import Imported


def convert(
    path: Path,
    out: Path,
    prototxt: Path | None = None,
    classes: Path | None = None,
    fold: bool = False,
) -> Imported:
    """Writes our file of another program's weights, and gives what is in it.

    `classes` is a list of class names; `fold` puts each norm into the convolution before it. Raises
    UserError where the file cannot be read, or is no whole net.
    """
    names = None if classes is None else classes_in(classes)
    parameters = sandbox.read(path, prototxt)

    from verydeep.nets.folding import folded
    from verydeep.weights.file import save
    from verydeep.weights.foreign.importing import Imported, imported

    found = imported(parameters, path, names)
    network = folded(found.network) if fold else found.network
    hashes = hashes_of(path)
    release = release_of(hashes)
    scale, guess = scale_of(release, path.name)
    notes = found.notes
    if parameters.table is None:  # files of our own writing say it
        network.pixels = replace(network.pixels, scale=scale or network.pixels.scale)
        notes = (*notes, guess) if guess else notes
    provenance = {
        "imported": {
            "file": path.name,
            "family": parameters.family,
            **asdict(hashes),
            "release": release and release.name,
            "measured": release and release.measured,
            "net": found.network.table.name,
            "folded": network is not found.network,
            "notes": list(notes),
        }
    }
    save(network, out, provenance)
    return Imported(network, notes)
