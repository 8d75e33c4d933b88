"""One test of a net that places boxes: a part of pictures with boxes in, a boxes file out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from verydeep import weights
from verydeep.benchmarks.ilsvrc_lists import class_key
from verydeep.datasets import Part
from verydeep.engines import engine as engines
from verydeep.engines.engine import engine_for, with_trunk_of
from verydeep.errors import UserError, escaped
from verydeep.evaluation.journal import Journal
from verydeep.evaluation.same_pictures import refuse_other_fingerprint
from verydeep.evaluation.scores import Scores, load_scores
from verydeep.evaluation.showing import callers, chunk_of
from verydeep.evaluation.views import Protocol
from verydeep.evaluation.walk import fault
from verydeep.localisation.boxes_file import Localised, Tuned, refuse_other, save_boxes
from verydeep.localisation.centre import places
from verydeep.localisation.choosing import THRESHOLD
from verydeep.localisation.dense import CANDIDATES, Candidates, Placed, placed
from verydeep.localisation.shares import boxes_of_shares
from verydeep.localisation.showing import Nets
from verydeep.nets.network import Network
from verydeep.parts.annotations import FlatObjects, Labels, Objects
from verydeep.parts.dataset import fingerprint
from verydeep.runtime.runtime import Runtime
from verydeep.tasks.localise import ANY
from verydeep.verbs.measure import Execution, Subject, digest_of, file_name, telling


@dataclass(frozen=True)
class Located:
    """What a test of boxes gave: a boxes file's content, the part it is of, where that is."""

    found: Localised
    part: Part
    path: Path | None

    def __repr__(self) -> str:
        where = f", in {escaped(str(self.path))}" if self.path else ""
        return f"Located({len(self.found):,} pictures, {self.found.title}{where})"


@dataclass(frozen=True)
class Identity:
    """All that the boxes of a test depend on, by which its journal is known."""

    weights: str
    classifier: str
    candidates: str
    pictures: str
    protocol: Protocol
    subject: Subject
    execution: Execution
    device: str
    chunk: int

    @property
    def digest(self) -> str:
        """What stands in the name of its file for whose boxes they are."""
        whose = self.weights, self.classifier, self.candidates
        return hashlib.sha256(json.dumps(whose).encode()).hexdigest()


@dataclass(frozen=True)
class By:
    """What says which classes are asked for in a picture: a classifier, a test of one, or both.

    A classifier rates boxes by what it says where they are; the candidates are those of the test
    where there is one.
    """

    network: Network | None = None
    scores: Scores | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that are told apart; UserError where the two have others."""
        found = [named.classes for named in (self.scores, self.network) if named is not None]
        keys = {tuple(map(class_key, classes)) for classes in found}
        if len(keys) > 1:
            raise UserError(
                "the candidates' score file and the classifier have other classes, or in another "
                "order; give those of one list"
            )
        return found[0]


def by_of(classifier: str | Path | None, candidates: str | Path | None, runtime: Runtime) -> By:
    """What a classifier's weights and a score file say, of which one at least is given."""
    scores = load_scores(Path(candidates)) if candidates is not None else None
    if classifier is None:
        return By(scores=scores)
    path = weights.find(classifier, runtime.progress)
    network = weights.load(path, runtime.machine.device)
    if network.table.places or not network.table.has_scores:
        raise UserError(f"{path} tells no classes apart; give a classifier")
    return By(network, scores)


def measure_boxes(
    network: Network,
    part: Part,
    classes: Sequence[str],
    chosen: Protocol,
    by: By | None,
    subject: Subject,
    folder: Path,
    runtime: Runtime,
    *,
    tuned: Tuned = "all",
    path: Path | None = None,
    execution: Execution | None = None,
    threshold: float | None = None,
    chosen_on: str = "",
) -> Located:
    """Tests one part by one protocol; its labels are places in the classes, and it has boxes.

    It is protocol 1 without what says which classes are asked for, which are then those that are
    there; else boxes are to be merged up to the threshold.
    Writes the boxes file; pictures that cannot be read are left out, and named in it.
    """
    device = runtime.machine.device
    execution = execution or Execution(engines.chosen(None, device))
    identity = Identity(
        digest_of(network),
        digest_of(by.network) if by and by.network else "",
        _digest_of(by.scores) if by and by.scores else "",
        fingerprint(part.names),
        chosen,
        subject,
        execution,
        device,
        chunk_of(len(part), chosen.passes, network.device.type),
    )
    unusual = [*_unusual_merging(threshold, chosen_on), *execution.unusual(device)]
    name = file_name(chosen, subject, identity.digest, unusual)
    path = path or folder / "boxes" / name
    refuse_other(path)
    journal = Journal(path.with_name(f"{path.name}.unfinished"), identity)
    with journal.alone() if runtime.ranks.is_main else nullcontext():
        if by is None:
            each = _of_true_classes(network, part, classes, identity, runtime)
        else:
            each = _of_candidates(network, part, identity, by, runtime, journal)
        read, left_out = _read(part, each, network, chosen, runtime)
        part = part.only(read)
        found = Localised(
            **_arrays([one for one in each if one is not None]),
            labels=part.labels,
            truth=_truth(part),
            names=tuple(part.names),
            classes=tuple(classes),
            protocol=chosen,
            weights=identity.weights,
            data=subject.fingerprint,
            classifier=identity.classifier,
            candidates_by=_chooser(by, chosen),
            threshold=threshold,
            chosen_on=chosen_on,
            regression="SCR" if network.classes == (ANY,) else "PCR",
            tuned=tuned,
            part=subject.part,
            role=subject.role,
            split=subject.split,
            left_out=left_out,
            net=None if left_out else subject.net,
            engine=execution.engine,
        )
        if runtime.ranks.is_main:
            save_boxes(found, path)
            journal.remove()
    return Located(found, part, path)


def _unusual_merging(threshold: float | None, chosen_on: str) -> list[str]:
    """What of the merging is not what a test takes of itself, for a file's name."""
    if chosen_on:
        return ["chosen"]
    return [] if threshold in (None, THRESHOLD) else [f"threshold{threshold:g}"]


def _read(
    part: Part, each: Sequence[Placed | None], network: Network, chosen: Protocol, runtime: Runtime
) -> tuple[list[int], tuple[str, ...]]:
    """The pictures that could be read, and why the others could not; UserError where none could."""
    read = [i for i, one in enumerate(each) if one is not None]
    left_out = tuple(
        fault(part, network.pixels, chosen.passes, i) or f"{part.names[i]}: could not be read"
        for i, one in enumerate(each)
        if one is None
    )
    for why in left_out:
        runtime.progress.say(f"left out, unreadable: {why}")
    if not read:
        raise UserError(f"none of the {len(part):,} pictures can be read: {left_out[0]}")
    return read, left_out


def names_of(network: Network, classes: Sequence[str]) -> Labels:
    """Which of a net's boxes is that of each class: that of its name, or the one that it has.

    Raises UserError for a class that it has not learnt to find.
    """
    if network.classes == (ANY,):
        return np.zeros(len(classes), np.int64)
    places = {class_key(name): i for i, name in enumerate(network.classes)}
    other = [name for name in classes if class_key(name) not in places]
    if other:
        raise UserError(
            f"the net has no boxes for {len(other):,} of the classes, the first "
            f"'{escaped(other[0])}'; it has learnt {len(places):,}, such as "
            f"'{escaped(network.classes[0])}'"
        )
    return np.array([places[class_key(name)] for name in classes], np.int64)


def _of_true_classes(
    network: Network, part: Part, classes: Sequence[str], test: Identity, runtime: Runtime
) -> list[Placed | None]:
    """The box of its own class in the centre crop of each picture (protocol 1)."""
    names, told = names_of(network, classes), telling("testing, centre", part, runtime)
    numbers, crops = places(network, part, test.protocol, runtime, told, test.execution.engine)
    found: list[Placed | None] = []
    for row, crop, label in zip(numbers, crops, part.labels.tolist(), strict=True):
        if np.isnan(row[0]):
            found.append(None)
            continue
        box = boxes_of_shares(row.reshape(-1, 4)[names[[label]]], crop)[None].astype(np.float32)
        sure = np.ones(1, np.float32)
        found.append(Placed(box, sure[None], np.array([label]), sure, crop.picture))
    return found


def _of_candidates(
    network: Network, part: Part, test: Identity, by: By, runtime: Runtime, journal: Journal
) -> list[Placed | None]:
    """The boxes of each picture's candidates at every position (protocol 2)."""
    threads = runtime.machine.threads
    calls = callers(network.device.type, threads)
    boxes = engine_for(network, test.execution.engine, threads, calls)
    classifier = with_trunk_of(boxes, by.network, threads, calls) if by.network else None
    data, count = test.subject.fingerprint, min(CANDIDATES, len(by.classes))
    given = _candidates(by.scores, part, data, count) if by.scores else None
    nets = Nets(boxes, classifier, names_of(network, by.classes))
    told = telling("testing, dense", part, runtime)
    return placed(nets, part, test.protocol, given, runtime, told, journal)


def _candidates(scores: Scores, part: Part, data: str, count: int) -> Candidates:
    """The most probable classes of each picture by a test.

    Raises UserError where one was not tested, or the test's data have another fingerprint.
    """
    places = {name: i for i, name in enumerate(scores.names)}
    lacking = [name for name in part.names if name not in places]
    if lacking:
        raise UserError(
            f"the score file lacks {len(lacking):,} of {len(part):,} pictures, the first "
            f"'{escaped(lacking[0])}'; test the classifier on the same pictures"
        )
    refuse_other_fingerprint(data, scores.data, "the score file")
    rows = scores.posteriors[[places[name] for name in part.names]]
    classes = np.argsort(-rows, axis=1, kind="stable")[:, :count]
    return Candidates(classes, np.take_along_axis(rows, classes, 1).astype(np.float32))


def _arrays(each: Sequence[Placed]) -> dict[str, Any]:
    """What a boxes file has of the boxes of pictures, by name."""
    return {
        "boxes": np.concatenate([one.boxes for one in each]),
        "ratings": np.concatenate([one.ratings for one in each]),
        "ends": np.cumsum([len(one.boxes) for one in each], dtype=np.int64),
        "candidates": np.stack([one.candidates for one in each]),
        "posteriors": np.stack([one.posteriors for one in each]),
        "sizes": np.array([one.size for one in each], np.int64),
    }


def _truth(part: Part) -> FlatObjects:
    """The objects of all pictures in one piece."""
    each = [part.objects and part.objects(i) for i in range(len(part))]
    there = [one for one in each if one is not None]
    objects = Objects(
        np.concatenate([one.boxes for one in there]).astype(np.float64),
        np.concatenate([one.labels for one in there]),
        np.concatenate([one.difficult for one in there]),
    )
    return FlatObjects(objects, np.cumsum([0 if one is None else len(one) for one in each]))


def _digest_of(scores: Scores) -> str:
    """What the candidates of a test depend on."""
    return hashlib.sha256(np.ascontiguousarray(scores.posteriors).tobytes()).hexdigest()


def _chooser(by: By | None, chosen: Protocol) -> str:
    """How candidates were chosen, in words."""
    if by is None:
        return ""
    return by.scores.title if by.scores else f"the classifier, {chosen}"
