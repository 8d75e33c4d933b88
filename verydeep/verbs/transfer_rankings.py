"""Rankings of the pictures of a part by each class: the protocols of PASCAL VOC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from verydeep.benchmarks.voc_competitions import WORDS, Competition, actions, classification
from verydeep.datasets import Part
from verydeep.descriptors.describe import Descriptors
from verydeep.descriptors.protocols import Ranked, Rows, alone, machines_of, ranked
from verydeep.descriptors.result_files import ACTION, CLASSES, free_paths, write_results
from verydeep.descriptors.svm import Signs
from verydeep.errors import UserError
from verydeep.evaluation.published_transfer import (
    ACTIONS,
    VOC_2007,
    VOC_2012,
    Setting,
    differences,
)
from verydeep.parts.annotations import LabelSets
from verydeep.parts.dataset import joined
from verydeep.verbs.features import said_of, with_boxes
from verydeep.verbs.transfer_work import Outcome, Work, side_of

PAPERS = {"voc2007": VOC_2007, "voc2012": VOC_2012, "action": ACTIONS}


@dataclass(frozen=True)
class Material:
    """The pictures of a competition, one part after another: descriptors, and what they are of.

    `signs` say of which classes each is, 0 where it does not count or nobody tells; `rows` are the
    places of the readable ones of each part.
    """

    of: Competition
    x: Descriptors
    signs: Signs
    rows: Mapping[str, Rows]
    names: Sequence[str]

    @property
    def tested(self) -> str:
        """The role of what is tested on."""
        return _tested(self.of)

    def learn(self, tested: str) -> tuple[Rows, Rows | None]:
        """What is learnt from for such a test, and what C is chosen by, None for a fifth of it.

        For the test part that is train and val, by val; for val it is train.
        """
        val = self.rows.get("validation")
        if tested == "validation" or val is None:
            return self.rows["train"], None
        return np.concatenate([self.rows["train"], val]), val


def by_ranking(work: Work, protocol: str, root: Path | None) -> Outcome:
    """A protocol of PASCAL VOC; with a `root` result files are written below it.

    Raises UserError where they are there already, before the work begins.
    """
    of_people, paper = protocol == "action", PAPERS[protocol]
    found = actions(work.data) if of_people else classification(work.data)
    tested = _tested(found)
    parts = dict(found.parts if root else found.labelled)
    handed_in = "test" if "test" in parts else tested
    results = ACTION if of_people else CLASSES[protocol.upper()]
    paths = free_paths(results, root, WORDS[handed_in], found.classes) if root else []
    whole = joined([replace(part, truth=None) for part in parts.values()])
    pieces = work.pieces(paper)
    size = sum(piece.size for piece in pieces)
    if of_people:
        pieces = with_boxes(pieces)
    x, read, faults = work.described(whole, pieces, found.notes)
    material = Material(found, x, _signs(found, parts), _rows(parts, read), whole.names)
    kinds = {"picture": alone(x, size), "picture and box": x} if of_people else {"picture": x}
    work.runtime.progress.say(f"learning {len(found.classes)} linear SVMs")
    rankings = [_ranked(work, material, of, own) for of, own in kinds.items()]
    if paths and work.runtime.ranks.is_main:
        names = [whole.names[i] for i in material.rows[handed_in].tolist()]
        write_results(paths, names, _handed_in(work, material, handed_in, rankings[-1]))
    counts = {role: len(part) for role, part in found.parts.items()}
    own = Setting(len(found.classes), counts, side_of(whole), tested)
    known = tuple(work.known(whole))
    return Outcome(
        protocol, work.data, found.classes, tuple(map(said_of, pieces)), work.engine, tested,
        rankings=tuple(rankings), paper=paper, differs=(*differences(paper, own), *known),
        said=(_said(work, material), *known), left_out=faults, files=tuple(paths),
    )  # fmt: skip


def _tested(found: Competition) -> str:
    """The role of the part that is tested on: the test, or where its labels are not there, val."""
    for role in ("test", "validation"):
        if role in found.labelled:
            return role
    raise UserError(
        f"{found.where} has no part with labels to test on; expected lists of classes of val or "
        "test: copy the archive's ImageSets/ there"
    )


def _rows(parts: Mapping[str, Part], read: Rows) -> dict[str, Rows]:
    ends = np.cumsum([len(part) for part in parts.values()])
    return {
        role: read[(end - len(part) <= read) & (read < end)]
        for (role, part), end in zip(parts.items(), ends, strict=True)
    }


def _signs(found: Competition, parts: Mapping[str, Part]) -> Signs:
    classes = len(found.classes)
    return np.concatenate(
        [
            part.truth.signs(classes)
            if isinstance(part.truth, LabelSets)
            else np.zeros((len(part), classes), np.int8)
            for part in parts.values()
        ]
    )


def _ranked(work: Work, m: Material, of: str, x: Descriptors) -> Ranked:
    learn, chosen_by = m.learn(m.tested)
    return ranked(
        of, x, m.signs, m.of.classes, learn, m.rows[m.tested],
        chosen_by=chosen_by, cs=work.cs, seed=work.seed,
    )  # fmt: skip


def _handed_in(work: Work, m: Material, part: str, last: Ranked) -> Float64[np.ndarray, "N K"]:
    """Decision values of a part; where it has no labels, by machines of all that has."""
    if part == m.tested:
        return last.values
    learn, chosen_by = m.learn(part)
    machines = machines_of(
        m.x, m.signs, m.of.classes, learn, chosen_by=chosen_by, cs=work.cs, seed=work.seed
    )[1]
    return machines.classifier.decision(m.x[m.rows[part]])


def _said(work: Work, m: Material) -> str:
    learn, chosen_by = m.learn(m.tested)
    what = "train" if chosen_by is None else "train and val"
    how = "20 % of it" if chosen_by is None else "val, after train alone"
    how = "C as given" if len(work.cs) == 1 else f"C chosen by {how}"
    tested, count = WORDS[m.tested], len(m.rows[m.tested])
    return f"learnt from {what} ({len(learn):,}), {how}; tested on {tested} ({count:,})"
