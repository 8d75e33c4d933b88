"""From parameters to one of our networks, with what a user should know of it.

The table is that which the tensors fill (`to_table.py`); what a file does not say of pixels, S and
classes is taken as a guess, and told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from verydeep.errors import UserError
from verydeep.importers.guesses import CLASSES, notes_of, pixels_for
from verydeep.importers.parameters import Parameters
from verydeep.importers.parameters_file import refuse_not_finite
from verydeep.importers.to_table import alike, table_of
from verydeep.nets.named import is_of_table_1
from verydeep.nets.network import Network
from verydeep.pictures.preprocessing import Pixels


@dataclass(frozen=True)
class Imported:
    """A network made of foreign parameters, and what a user should know of it, a line each.

    `guessed` names what neither the file nor the user has said: "pixels", "scale", "classes".
    """

    network: Network
    notes: tuple[str, ...]
    guessed: tuple[str, ...] = ()


def to_network(
    parameters: Parameters,
    source: Path | str,
    classes: Sequence[str] | None = None,
    pixels: Pixels | None = None,
    scale: tuple[int, int] | None = None,
) -> Imported:
    """Our network of these parameters; what is given stands before what the file says.

    Raises UserError, in the name of the file `source`, where layers are missing, are those of no
    configuration or do not fit each other, or where a weight is no finite number.
    """
    refuse_not_finite(parameters.tensors, source)
    table = table_of(parameters, source)
    names, notes = _named(parameters, table.class_count, source, classes)
    taken, guessed = pixels_for(parameters, table.crop, pixels, scale)
    if names and classes is None and parameters.classes is None:
        guessed = (*guessed, CLASSES)
    notes = (*notes_of(taken, guessed, is_of_table_1(table.name)), *notes)
    network = Network.empty(table, names, taken)
    state = {name: torch.from_numpy(a) for name, a in parameters.tensors.items()}
    network.load_state_dict(state, assign=True)
    configurations = [] if parameters.table is not None else alike(parameters)
    if table.name == "A" and "A-LRN" in configurations:
        notes = (*notes, "A and A-LRN have the same layers; taken for A, without LRN")
    elif len(configurations) > 1:
        several = f"{', '.join(configurations[:-1])} and {configurations[-1]}"
        notes = (*notes, f"{several} begin with these layers; taken for {table.name}")
    return Imported(network.eval(), (*parameters.notes, *notes), guessed)


def _named(
    parameters: Parameters, count: int, source: Path | str, given: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the classes, and a note where they are nothing but numbers."""
    names = given if given is not None else parameters.classes
    if names is None and not count:
        return (), ()
    if names is None:
        hint = "--classes synset_words.txt" if count == 1000 else "--classes FOLDER, or a list"
        note = f"classes have no names, and are numbered 0 to {count - 1}; {hint}, names them"
        return tuple(map(str, range(count))), (note,)
    if len(names) != count:
        whose = "given" if given is not None else "in the file"
        raise UserError(f"{len(names):,} class names {whose} for the {count:,} classes of {source}")
    return tuple(names), ()
