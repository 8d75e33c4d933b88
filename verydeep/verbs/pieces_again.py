"""The networks that features were made with, for pictures that are held against those.

A features file tells of each piece the hash of its network, the row and the Q, and where the
weights lay. What lies there now, or is given, is used where it has that hash, and refused else.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from verydeep import weights
from verydeep.descriptors.describe import Piece
from verydeep.descriptors.features import Features, PieceSaid
from verydeep.errors import UserError
from verydeep.nets.describing import describing
from verydeep.nets.network import Network
from verydeep.runtime.runtime import Runtime

Weights = str | Path | Sequence[str | Path]


def pieces_again(
    features: Features, weights_paths: Weights | None, runtime: Runtime
) -> list[Piece]:
    """The pieces of these features, by the weights that lie where they lay, or by those given.

    Raises UserError where those are gone, or are others.
    """
    given: list[str | Path] | None = None
    if weights_paths is not None:
        given = [weights_paths] if isinstance(weights_paths, str | Path) else [*weights_paths]
    cuts: dict[tuple[str, str], Network | UserError] = {}
    return [_piece(said, given, runtime, cuts) for said in features.pieces]


def _piece(
    said: PieceSaid,
    given: list[str | Path] | None,
    runtime: Runtime,
    cuts: dict[tuple[str, str], Network | UserError],
) -> Piece:
    """One of them; `cuts` are the networks that others have needed, by path and row."""
    if given is None and not said.path:
        raise UserError(f"the features do not say where {_called(said)} lay; give --weights")
    reason = ""
    for path in given or [said.path]:
        key = str(path), said.layer
        if key not in cuts:
            cuts[key] = _cut(path, said, runtime)
        cut = cuts[key]
        if not isinstance(cut, UserError) and weights.hash_of(cut) == said.weights:
            return Piece(cut, said.layer, said.scales, of=said.of)
        reason = f": {cut}" if isinstance(cut, UserError) else ""
    where = "among those given" if given else f"at {said.path} any more"
    raise UserError(f"{_called(said)} are not {where}, give them by --weights{reason}")


def _cut(path: str | Path, said: PieceSaid, runtime: Runtime) -> Network | UserError:
    """The network at a path up to a row, or why there is none."""
    try:
        network = weights.load(weights.find(path, runtime.progress), runtime.machine.device)
        return describing(network, said.layer)
    except UserError as error:
        return error


def _called(said: PieceSaid) -> str:
    return f"the weights of {said.net} that made {said.layer} (hash {said.weights[:12]})"
