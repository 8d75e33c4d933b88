"""Verification: weights and pictures of identities in, how well two are told to be of one out.

Any network will do: it describes pictures by the row before its last, or the one that is asked
for, which is what a net of `--task embed` ends with, and F7 of DeepFace.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from verydeep import weights
from verydeep.datasets import Part, with_pictures
from verydeep.descriptors.describe import described
from verydeep.descriptors.features import PieceSaid
from verydeep.engines import engine as engines
from verydeep.errors import PictureError, UserError
from verydeep.files import refuse_unwritable
from verydeep.parts.given import given_pictures, source_of
from verydeep.runtime.progress import Progress
from verydeep.runtime.runtime import Runtime, told
from verydeep.tasks.embed import refuse_few_identities
from verydeep.verbs.features import pieces_of, said_of
from verydeep.verbs.parts import WORDS, to_test
from verydeep.verification.distances import distances
from verydeep.verification.pairs import Pairs, all_pairs, fold_count, pairs_in_folds
from verydeep.verification.pairs_file import pairs_of, read_pairs
from verydeep.verification.verified import Told, Verified, verified
from verydeep.weights.file import read_info
from verydeep.weights.info import members_of

FAR = 1e-3
"""FaceNet's false accept rate."""


def is_embedding(path: Path) -> bool:
    """Whether weights are of a net that tells pictures by numbers, and no classes."""
    return members_of(read_info(path))[0].table.is_embedding


def verify(
    weights_path: str | Path,
    data: str | Path,
    runtime: Runtime | None = None,
    *,
    pairs: str | Path | None = None,
    far: float = FAR,
    layer: str | None = None,
    scales: str | int | None = None,
    part_name: str | None = None,
    split: int | None = None,
    out: str | Path | None = None,
    engine: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Verified:
    """How well distances of descriptors tell pictures of one identity from those of two.

    `data` has a folder of pictures for each identity. Those tested on are as `evaluate` has them;
    what the network has learnt of is set aside by identity. Pairs are those of the file `pairs`, as
    LFW has it, or all there are: accuracy is then of pairs drawn in folds. `far` is the false
    accept rate, from 0 to 1, at which the validation rate is told; `seed` draws pairs, and
    identities for intervals. The row `layer` describes pictures at Q of `scales`, as `features` has
    it. `out` is a table of pairs and distances that is written. Raises UserError where there are no
    two identities, no two pictures of one, or pictures of `pairs` are missing, and where `out`
    cannot be written.

    >>> verydeep.verify("runs/faces", "lfw/", pairs="pairs.txt").accuracy.mean
    0.9...
    """
    runtime = told(runtime, progress)
    if not 0 < far < 1:
        raise UserError(f"a false accept rate of {far:g}; it is a share between 0 and 1: 0.001")
    if out is not None:
        refuse_unwritable(Path(out))
    listed = None if pairs is None else read_pairs(Path(pairs))
    path = weights.find(weights_path, runtime.progress)
    name = part_name or ("all" if listed else None)
    dataset, name, part, role = to_test(path, data, split, name, runtime, with_pictures, apart=True)
    for note in dataset.notes:
        runtime.progress.say(note)
    where = dataset.where if name == "all" else f"{name} of {dataset.where}"
    refuse_few_identities(part, where)
    of_file = None if listed is None else pairs_of(listed, part, where)
    runtime.progress.say(f"testing on {len(part):,} pictures ({name}{WORDS[role]}) of {data}")
    chosen = engines.chosen(engine, runtime.machine.device)
    pieces = pieces_of(path, layer, scales, False, runtime)
    made = described(part, pieces, runtime, chosen)
    read = np.flatnonzero(~np.isnan(made.descriptors[:, 0]))
    every, folds = _pairs(part, of_file, read, seed)
    found = verified(
        Told(every, distances(made.descriptors, every)),
        None if folds is None else Told(folds, distances(made.descriptors, folds)),
        far, seed, tuple(part.names), title=title_of([*map(said_of, pieces)]),
        where=dataset.where, part=name, role=role, left_out=made.faults,
    )  # fmt: skip
    if out is not None and runtime.ranks.is_main:
        found.save(Path(out))
    return found


def _pairs(
    part: Part, of_file: Pairs | None, read: Int64[np.ndarray, " M"], seed: int
) -> tuple[Pairs, Pairs | None]:
    """All pairs of what was read, or those of a file, and those in folds where there are any."""
    if of_file is not None:
        there = np.isin(of_file.left, read) & np.isin(of_file.right, read)
        every = of_file.only(np.flatnonzero(there))
        several = every.fold is not None and len(np.unique(every.fold)) > 1
        return every, every if several else None
    labels = part.labels[read]
    folds = _there(pairs_in_folds(labels, seed), read) if fold_count(labels) > 1 else None
    return _there(all_pairs(labels, seed), read), folds


def _there(pairs: Pairs, read: np.ndarray) -> Pairs:
    """Pairs of some pictures by their places among all."""
    return Pairs(read[pairs.left], read[pairs.right], pairs.identities, pairs.fold)


def title_of(pieces: list[PieceSaid]) -> str:
    """How pictures were described, in print."""
    return "; ".join(piece.title for piece in pieces)


def distance(
    weights_path: str | Path,
    left: Any,
    right: Any,
    *,
    layer: str | None = None,
    scales: str | int | None = None,
    runtime: Runtime | None = None,
    engine: str | None = None,
    progress: Progress | None = None,
) -> float:
    """The squared distance of two pictures' descriptors: 0 of the same picture, up to 4.

    Pictures are any that `predict` takes. Raises PictureError for one that cannot be read.

    >>> verydeep.distance("runs/faces", "a.jpg", "b.jpg") < 1.1
    True
    """
    runtime = told(runtime, progress)
    both = [picture for one in (left, right) for picture in given_pictures(one).pictures]
    if len(both) != 2:
        raise UserError(f"{len(both)} pictures; a distance is of two")
    names = [str(p) if isinstance(p, str | Path) else f"picture {i}" for i, p in enumerate(both)]
    part = Part(names, None, lambda i: source_of(both[i]))
    pieces = pieces_of(weights_path, layer, scales, False, runtime)
    made = described(part, pieces, runtime, engines.chosen(engine, runtime.machine.device))
    if made.faults:
        raise PictureError(made.faults[0])
    pair = Pairs(np.array([0]), np.array([1]), np.array([[0, 1]]))
    return float(distances(made.descriptors, pair)[0])
