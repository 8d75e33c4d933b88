"""Parts of different identities: whoever is tested on is nobody who was learnt (an open set).

Pictures that nobody has split are split by identity, where other datasets are split within each
class. Parts that were found stay as they are: often they have other identities each already; what
they share is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from verydeep import randomness
from verydeep.errors import UserError
from verydeep.parts.annotations import Labels
from verydeep.parts.dataset import ROLES, Dataset, Part, joined
from verydeep.parts.splitting import HELD_OUT, SPLIT

FEWEST = 4
"""Identities of which two can be learnt from, and two others choose the weights."""
ENOUGH = 40
"""Identities from which on a part is made to test on beside the one that chooses the weights."""


def with_identities_apart(dataset: Dataset, seed: int) -> Dataset:
    """The same pictures in parts by identity, where parts were made and not found.

    A fifth of the identities is set aside, drawn from the seed of the split, two at the least: half
    of them each to choose the weights by and to test on where there are many. What was found to
    test on stays. Of fewer than `FEWEST` identities parts stay as they were made.
    """
    found = {role: part for role, part in dataset.by_role.items() if role not in dataset.made}
    if not dataset.made:
        return replace(dataset, notes=(*dataset.notes, *_shared(found)))
    whole = joined([found.pop("train"), *(dataset.by_role[role] for role in dataset.made)])
    whole = whole.only(np.lexsort((np.array([*whole.names]), whole.labels)))
    identities = np.unique(whole.labels)
    if len(identities) < FEWEST:
        return dataset
    made: tuple[str, ...] = ("validation",)
    if "test" not in found and len(identities) >= ENOUGH:
        made = ("validation", "test")
    drawn = {**_drawn(whole, identities, made, seed), **found}
    parts = {role: drawn[role] for role in ROLES if role in drawn}
    told = (f"{len(np.unique(parts[role].labels)):,} {word}" for role, word in WORDS.items()
            if role in (*made, "train"))  # fmt: skip
    kept = (note for note in dataset.notes if SPLIT not in note)
    note = f"identities, {SPLIT} {seed}: {', '.join(told)}; none is in two of these"
    roles = {role: role for role in ROLES}
    notes = (*kept, note, *_shared(found | {"train": parts["train"]}))
    return replace(dataset, parts=parts, made=made, notes=notes, roles=roles)


WORDS = {"train": "to learn from", "validation": "to choose the weights by", "test": "to test on"}


def _drawn(whole: Part, identities: Labels, made: tuple[str, ...], seed: int) -> dict[str, Part]:
    """The parts of one: so many identities for each role that is made, the others to learn from."""
    each = max(2, round(HELD_OUT * len(identities) / len(made)))
    order = randomness.generator(seed, "split", epoch=1).permutation(identities)
    ends = [each * (i + 1) for i in range(len(made))]
    chosen = dict(zip((*made, "train"), np.split(order, ends), strict=True))
    return {
        role: whole.only(np.flatnonzero(np.isin(whole.labels, some)))
        for role, some in chosen.items()
    }


def refuse_made_alike(dataset: Dataset) -> None:
    """Raises UserError where parts were made of the same identities, for there are too few."""
    identities = np.unique(dataset.everything.labels)
    if dataset.made and len(identities) < FEWEST:
        raise UserError(
            f"{dataset.where} has {len(identities)} identities; {FEWEST} are needed, two to learn "
            f"from and two others to choose the weights by"
        )


def _shared(parts: Mapping[str, Part]) -> list[str]:
    """A line for each part that has identities that are learnt."""
    notes, learnt = [], np.unique(parts["train"].labels)
    for role, part in parts.items():
        there = np.unique(part.labels)
        known = int(np.isin(there, learnt).sum())
        if role != "train" and known:
            notes.append(
                f"{known:,} of {len(there):,} identities of {role} are learnt from, too: what is "
                f"told of it flatters beside people who are new"
            )
    return notes
