"""Transfer: weights and labelled pictures in, a classifier of those out, in minutes on a CPU.

Nothing of the network is trained: pictures are described by its features once, and linear SVMs are
learnt from these (Appendix B of the paper). What comes out is a weights file as any other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import torch

from verydeep import weights
from verydeep.datasets import (
    Dataset,
    Memory,
    Part,
    open_dataset,
    refuse_too_small,
    settled,
    with_pictures,
)
from verydeep.descriptors.describe import Piece
from verydeep.descriptors.features import Features
from verydeep.descriptors.learning import Learnt, learnt_from
from verydeep.descriptors.linear import signs_of as of_one_each
from verydeep.descriptors.svm import ClassWeights, Signs
from verydeep.errors import UserError
from verydeep.evaluation.average_precision import average_precisions
from verydeep.evaluation.metrics import top_error
from verydeep.evaluation.posteriors import Posteriors
from verydeep.evaluation.scores import Scores, save_scores
from verydeep.evaluation.several import signs_of
from verydeep.evaluation.views import Protocol, dense, protocol, takes
from verydeep.nets.describing import classifying
from verydeep.nets.network import Network
from verydeep.nets.stack import Member, Stack
from verydeep.parts.annotations import LabelSets
from verydeep.runtime.progress import Progress
from verydeep.runtime.runtime import Runtime, told
from verydeep.training.run import new_folder
from verydeep.verbs.features import Given, Weights, features_of, has_several, pieces_of
from verydeep.verbs.measure import Subject, Tested, digest_of, file_name
from verydeep.verbs.parts import remembered
from verydeep.weights.file import BEST

FEATURES = "features.safetensors"


@dataclass(frozen=True)
class Transferred:
    """What a transfer gave: a network, or a stack, what it was learnt from, and its tests.

    `tests` are of the parts that were set aside, and `nearest` by their roles the error in % of the
    nearest class mean on the same pictures, or of several labels a picture its mAP. The weights,
    the features and the score files are in `folder`.
    """

    folder: Path
    model: Network | Stack
    dataset: Dataset
    features: Features
    learnt: Learnt
    tests: tuple[Tested, ...]
    nearest: Mapping[str, float]
    seconds: float

    @property
    def weights(self) -> Path:
        """The weights file."""
        return self.folder / BEST

    def __repr__(self) -> str:
        return f"Transferred({self.tests[-1].scores.in_words}; {self.weights})"


def transfer(
    weights_paths: Weights,
    data: str | Path,
    *,
    layer: str | None = None,
    scales: str | int | Sequence[int] | None = None,
    stacked: bool = False,
    c: float | Sequence[float] | None = None,
    class_weights: ClassWeights = None,
    task: str = "classify",
    split: int = 0,
    out: str | Path | None = None,
    runtime: Runtime | None = None,
    engine: str | None = None,
    progress: Progress | None = None,
) -> Transferred:
    """A classifier of labelled pictures by the features of a network, or of several, stacked.

    Pictures are described as `features` says; of each class a linear SVM is learnt against the
    rest, on the part to train on; with `task` "tag" of all labels that a picture has. C is the best
    in five folds of that part, or the one that is given. The parts set aside are tested once, and
    choose nothing. Raises UserError for a class without pictures, and as `features` does.

    >>> found = verydeep.transfer("vgg16", "photos/")
    >>> verydeep.predict(found.weights, "cat.jpg")
    """
    runtime, begun = told(runtime, progress), monotonic()
    pieces = pieces_of(weights_paths, layer, scales, stacked, runtime)
    several = has_several(task)
    dataset = _opened(data, weights_paths, split, several, runtime)
    folder = new_folder(Path(out) if out else None, f"{_name(dataset)}-transfer")
    described = features_of(Given.of(dataset, split), pieces, runtime, engine)
    described.save(folder / FEATURES)
    train = described.of("train")
    signs = _signs(train)
    runtime.progress.say(f"learning {signs.shape[1]:,} linear SVMs from {len(train):,} pictures")
    learnt = learnt_from(train.descriptors, signs, dataset.classes, c, class_weights, split)
    model = _model(pieces, learnt, dataset.classes, several)
    _save(model, folder / BEST, _provenance(described, learnt, dataset, split), dataset)
    tests, nearest = [], {}
    for role, part in dataset.by_role.items():
        if role != "train" and len(part):
            tests.append(_tested(model, described, role, part, folder))
            nearest[role] = _nearest(learnt, described.of(role), tests[-1].scores)
    seconds = monotonic() - begun
    return Transferred(folder, model, dataset, described, learnt, tuple(tests), nearest, seconds)


def _opened(
    data: str | Path, weights_paths: Weights, split: int, several: bool, runtime: Runtime
) -> Dataset:
    """The data, with nothing set aside that the weights have learnt from."""
    dataset = with_pictures(open_dataset(data, split, several))
    refuse_too_small(dataset)
    paths = [weights_paths] if isinstance(weights_paths, str | Path) else weights_paths
    memory = Memory()
    for path in paths:
        own = remembered(weights.find(path, runtime.progress), dataset, "take other weights")
        memory = memory | own
    whose = " and ".join(map(str, paths))
    threads, progress = runtime.machine.threads, runtime.progress
    dataset = settled(dataset, memory, whose, threads=threads, progress=progress)
    if not any(len(part) for role, part in dataset.by_role.items() if role != "train"):
        raise UserError(f"{whose} learnt from all that could be set aside of {dataset.where}")
    return dataset


def _name(dataset: Dataset) -> str:
    """A name for the folder of what is made of this data."""
    if dataset.kind == "drawn":
        return dataset.where.replace(":", "-")
    return Path(dataset.where).resolve().name


def _signs(train: Features) -> Signs:
    """1 and -1 of each picture for each class, 0 where it does not count."""
    if isinstance(train.truth, LabelSets):
        return train.truth.signs(len(train.classes))
    assert train.truth is not None
    return of_one_each(train.truth, len(train.classes))


def _nearest(learnt: Learnt, described: Features, scores: Scores) -> float:
    """What the nearest class mean errs on these pictures in %; of several labels its mAP."""
    values = learnt.nearest.decision(described.descriptors)
    if scores.has_several:
        return average_precisions(values, scores.signs).mean
    return top_error(values, scores.labels)


def _model(
    pieces: Sequence[Piece], learnt: Learnt, classes: Sequence[str], several: bool
) -> Network | Stack:
    """What was learnt behind the networks that described the pictures: one at one Q, or a stack.

    Each piece of a descriptor has its share of the weights, over how much shorter it was made.
    """
    weights = torch.from_numpy(learnt.classifier.weights / learnt.temperature)
    bias = torch.from_numpy(learnt.classifier.intercepts / learnt.temperature)
    shares = torch.split(weights / math.sqrt(len(pieces)), [piece.size for piece in pieces], 1)
    members = []
    for number, (piece, share) in enumerate(zip(pieces, shares, strict=True)):
        own = bias if number == 0 else torch.zeros_like(bias)
        network = classifying(piece.network, share, own, classes, several)
        network.pixels = replace(network.pixels, scale=(min(piece.scales), max(piece.scales)))
        members.append(Member(network, piece.scales))
    first = members[0]
    return first.network if len(members) == len(first.scales) == 1 else Stack(tuple(members))


def _provenance(
    described: Features, learnt: Learnt, dataset: Dataset, split: int
) -> dict[str, Any]:
    """Where the weights come from, as plain data."""
    return {
        "data": {
            "where": dataset.where, "fingerprint": dataset.fingerprint, "kind": dataset.kind,
        },
        "settings": {"split": split},
        "transfer": {
            "pieces": [asdict(piece) for piece in described.pieces],
            "engine": described.engine,
            "c": learnt.c,
            "temperature": learnt.temperature,
        },
    }  # fmt: skip


def _save(model: Network | Stack, path: Path, provenance: dict[str, Any], dataset: Dataset) -> None:
    memory = _memory(dataset)
    if isinstance(model, Stack):
        weights.save_stack(model, path, provenance, memory)
    else:
        weights.save(model, path, provenance, memory)


def _memory(dataset: Dataset) -> Memory:
    """Which pictures were learnt from; all others chose nothing, and are tested on."""
    keys = Memory.of(dataset).keys  # none of drawn pictures
    held_out = [own for role, own in keys.items() if role != "train"]
    tested = {"test": np.unique(np.concatenate(held_out))} if held_out else {}
    return Memory({role: own for role, own in keys.items() if role == "train"} | tested)


def _tested(
    model: Network | Stack, described: Features, role: str, part: Part, folder: Path
) -> Tested:
    """The test of a part by the descriptors that there are of it."""
    own = described.of(role)
    places = {name: i for i, name in enumerate(part.names)}
    read = part.only([places[name] for name in own.names])
    shown = _shown(model)
    digest = digest_of(model)
    scores = Scores(
        _posteriors(model, own),
        signs_of(read, len(model.classes)) if model.has_several else read.labels,
        own.names,
        model.classes,
        shown,
        weights=digest,
        data=own.data,
        part=role,
        role="test",
        split=own.split,
        left_out=own.left_out,
        engine=own.engine,
    )
    subject = Subject(own.where, own.data, role, "test", own.split)
    path = folder / "scores" / file_name(shown, subject, digest, [])
    save_scores(scores, path)
    return Tested(scores, read, path)


def _shown(model: Network | Stack) -> Protocol:
    """The protocol of the tests: dense, or the centre crop of a net for the places of one map."""
    if isinstance(model, Stack):
        return dense(model)
    return protocol(model, "dense" if takes(model.table, "dense") else "centre")


@torch.inference_mode()
def _posteriors(model: Network | Stack, described: Features) -> Posteriors:
    """What a model answers by descriptors of pictures; how long their pieces are is all one."""
    found = torch.from_numpy(described.descriptors).to(model.device)
    if isinstance(model, Network):
        return model.verdict(found).cpu().numpy()
    pieces = torch.split(found, [piece.size for piece in described.pieces], 1)
    return model.verdict(pieces).cpu().numpy()
