"""One test: a network, a part of pictures and a protocol in, a score file and its errors out."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from verydeep import weights
from verydeep.datasets import Part
from verydeep.engines import engine as engines
from verydeep.errors import UserError, escaped
from verydeep.evaluation.class_order import Numbering, doubts, refuse_other_order
from verydeep.evaluation.journal import Journal
from verydeep.evaluation.posteriors import (
    Posteriors,
    faults,
    posteriors,
    posteriors_of_stack,
    readable,
)
from verydeep.evaluation.published import Trained
from verydeep.evaluation.scores import Scores, refuse_other, save_scores
from verydeep.evaluation.several import Signs, signs_of
from verydeep.evaluation.showing import chunk_of
from verydeep.evaluation.views import Protocol, dense
from verydeep.nets.network import Network
from verydeep.nets.rounding import pooled
from verydeep.nets.stack import Stack, in_words
from verydeep.parts.annotations import Labels
from verydeep.parts.dataset import fingerprint
from verydeep.parts.fingerprints import BETWEEN
from verydeep.pictures.preprocessing import Pixels
from verydeep.runtime.runtime import Runtime
from verydeep.weights.file import pixels_of, read_info


@dataclass(frozen=True)
class Execution:
    """What runs a network in a test, in which numbers its layers work, and how its pools round."""

    engine: str
    precision: str = "float32"
    pooling: str = "down"

    def unusual(self, device: str) -> list[str]:
        """What of it is not what a test on that device takes of itself, for a file's name."""
        usual = Execution(engines.chosen(None, device, self.precision))
        pairs = zip(astuple(self), astuple(usual), strict=True)
        return [ours for ours, theirs in pairs if ours != theirs]


@dataclass(frozen=True)
class Subject:
    """What a test is of: data by place and fingerprint, and the part of it that is shown.

    `role` is what those pictures were for the network, and `split` the seed that drew the parts;
    `net` is set where the network is one of the paper's, and the pictures are all of ILSVRC's.
    """

    where: str
    fingerprint: str
    part: str = "test"
    role: str = "test"
    split: int = 0
    net: Trained | None = None


@dataclass(frozen=True)
class Identity:
    """All that the rows of a test depend on, by which its journal is known."""

    weights: str
    pictures: str
    protocol: Protocol
    subject: Subject
    execution: Execution
    device: str
    chunk: int


@dataclass(frozen=True)
class Tested:
    """What testing gave: a score file's content, the part it is of, and where it was written.

    `doubts` say in a line each what else would explain the answers better.
    """

    scores: Scores
    part: Part
    path: Path | None
    doubts: tuple[str, ...] = ()

    @property
    def top1(self) -> float:
        """Top-1 error in %; UserError where pictures have several labels, as of `top5`."""
        return self.scores.top(1)

    @property
    def top5(self) -> float:
        """Top-5 error in %; 0 where there are five classes or fewer."""
        return self.scores.top(5)

    @property
    def map(self) -> float:
        """Of a net whose classes are each by themselves, the mean of average precisions in %."""
        return self.scores.map

    def __repr__(self) -> str:
        where = f", in {escaped(str(self.path))}" if self.path else ""
        doubts = f"; in doubt: {self.doubts[0]}" if self.doubts else ""
        return f"Tested({self.scores.in_words}{where}{doubts})"


def measure(
    model: Network | Stack,
    part: Part,
    chosen: Protocol,
    subject: Subject,
    folder: Path,
    runtime: Runtime,
    *,
    path: Path | None = None,
    orders: Sequence[Numbering] = (),
    execution: Execution | None = None,
) -> Tested:
    """Tests one part by one protocol, of a stack `dense`'s, and writes the score file.

    Without a `execution`, in float32 by the default engine for the machine. Pictures that
    cannot be read are left out, and named in the file. Raises UserError where the classes turn out
    to be in one of the other orders.
    """
    device = runtime.machine.device
    execution = execution or Execution(engines.chosen(None, device))
    digest = digest_of(model)
    path = path or folder / "scores" / file_name(chosen, subject, digest, execution.unusual(device))
    refuse_other(path)
    if not len(part):
        raise UserError(f"no pictures to test on in the {subject.part} part of {subject.where}")
    truth = _truth(model, part, subject)
    chunk = chunk_of(len(part), chosen.passes, model.device.type)
    identity = Identity(digest, fingerprint(part.names), chosen, subject, execution, device, chunk)
    journal = Journal(path.with_name(f"{path.name}.unfinished"), identity)
    with journal.alone() if runtime.ranks.is_main else nullcontext():
        if isinstance(model, Stack):
            found = _of_stack(model, part, identity, journal, runtime)
        else:
            found = _of_network(model, part, identity, journal, runtime)
        scores, read = _scores(found, model, part, truth, identity, runtime, orders)
        if runtime.ranks.is_main:
            save_scores(scores, path)
            journal.remove()
    if scores.has_several:  # which no order of the classes explains better
        return Tested(scores, part.only(read), path)
    doubted = tuple(doubts(scores.posteriors.argmax(1), scores.labels, orders))
    return Tested(scores, part.only(read), path, doubted)


def digest_of(model: Network | Stack) -> str:
    """The sha256 of what posteriors are made with: tensors, pixels, and the Q of a stack's own."""
    if isinstance(model, Stack):
        text = json.dumps([[digest_of(m.network), m.scales] for m in model.members])
    else:
        text = _of_network_in_words(weights.hash_of(model), model.pixels)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_in(path: Path) -> str:
    """The same of a weights file of one network, its tensors unread."""
    info = read_info(path)
    text = _of_network_in_words(info.hash, pixels_of(info))
    return hashlib.sha256(text.encode()).hexdigest()


def _of_network_in_words(digest: str, pixels: Pixels) -> str:
    return f"{digest} {json.dumps(asdict(pixels), sort_keys=True)}"


def _of_network(
    network: Network, part: Part, test: Identity, journal: Journal, runtime: Runtime
) -> Posteriors:
    """The posteriors of all pictures, NaN of those that cannot be read."""
    told = telling(f"testing, {test.protocol.name}", part, runtime)
    network, how = pooled(network, test.execution.pooling), test.execution
    return posteriors(
        network, part, test.protocol, runtime, told, journal, how.precision, how.engine
    )


def _of_stack(
    stack: Stack, part: Part, test: Identity, journal: Journal, runtime: Runtime
) -> Posteriors:
    """The same, by a walk for each member, which is kept in a folder of its own."""
    how, journals, told = test.execution, [], []
    for number, member in enumerate(stack.members, 1):
        own = dense(member)
        chunk = chunk_of(len(part), own.passes, stack.device.type)
        digest = digest_of(member.network)
        walk = replace(test, weights=digest, protocol=own, chunk=chunk)
        journals.append(Journal(journal.folder / f"member-{number}", walk))
        what = f"testing, {number} of {len(stack.members)}, Q = {in_words(member.scales)}"
        told.append(telling(what, part, runtime))
    each = [replace(m, network=pooled(m.network, how.pooling)) for m in stack.members]
    return posteriors_of_stack(
        Stack(tuple(each)), part, runtime, told, journals, how.precision, how.engine
    )


def telling(what: str, part: Part, runtime: Runtime) -> Callable[[int], None]:
    """Tells how many of its share of the pictures a process has done."""
    share = math.ceil(len(part) / runtime.ranks.world_size)
    return lambda done: runtime.progress.step(what, min(done, share), share)


def _scores(
    found: Posteriors,
    model: Network | Stack,
    part: Part,
    truth: Labels | Signs,
    test: Identity,
    runtime: Runtime,
    orders: Sequence[Numbering],
) -> tuple[Scores, Int64[np.ndarray, " M"]]:
    """The scores of the pictures that can be read, and which those are."""
    subject, how = test.subject, test.execution
    left_out = tuple(faults(model, part, test.protocol, found))
    for fault in left_out:
        runtime.progress.say(f"left out, unreadable: {fault}")
    read = np.flatnonzero(readable(found))
    if not len(read):
        raise UserError(f"none of the {len(part)} pictures can be read: {left_out[0]}")
    if left_out:
        found = found[read]
    truth = truth[read]
    if not model.has_several:
        refuse_other_order(found.argmax(1), truth, orders)
    scores = Scores(
        found,
        truth,
        tuple(part.names[i] for i in read.tolist()),
        model.classes,
        test.protocol,
        weights=test.weights,
        data=subject.fingerprint,
        part=subject.part,
        role=subject.role,
        split=subject.split,
        left_out=left_out,
        net=subject.net if not left_out else None,
        engine=how.engine,
        precision=how.precision,
        pooling=how.pooling,
    )
    return scores, read


def _truth(model: Network | Stack, part: Part, subject: Subject) -> Labels | Signs:
    """The class of each picture; of a net whose classes are each by themselves, signs."""
    if not model.has_several:
        return part.labels
    signs = signs_of(part, len(model.classes))
    if not (signs > 0).any():
        raise UserError(
            f"no picture of the {subject.part} part of {subject.where} is of any class, so that "
            f"there is no average precision; give labelled pictures"
        )
    return signs


def file_name(chosen: Protocol, subject: Subject, digest: str, unusual: Sequence[str]) -> str:
    """What a score file is called: data, part, protocol, and whose they are, in a few digits.

    What is unusual in the way of the test stands between, that no other test's file is replaced.
    """
    data = Path(subject.where).name.replace(":", "-")[:60] or "data"
    words = [data, subject.part, chosen.name, *map(str, chosen.scales)]
    split = [f"split{subject.split}"] if subject.split else []
    whose = [*(piece[:6] for piece in subject.fingerprint.split(BETWEEN)), digest[:6]]
    return f"{'-'.join([*words, *split, *unusual, *whose])}.safetensors"
