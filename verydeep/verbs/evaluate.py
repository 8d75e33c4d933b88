"""Testing: a trained network and labelled pictures in, errors and a score file out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from verydeep import weights
from verydeep.engines import engine as engines
from verydeep.errors import UserError
from verydeep.evaluation.class_matching import (
    guess_in_words,
    of_ilsvrc,
    other_orders,
    relabelled,
)
from verydeep.evaluation.views import dense, protocol
from verydeep.nets.stack import Stack, in_words
from verydeep.runtime.progress import Progress
from verydeep.runtime.runtime import Runtime, told
from verydeep.verbs.measure import Execution, Subject, Tested, measure
from verydeep.verbs.papers_nets import VALIDATION, trained_as
from verydeep.verbs.parts import WORDS, split_of, to_test
from verydeep.weights.file import WeightsInfo, read_info
from verydeep.weights.info import members_of
from verydeep.weights.paths import beside


def evaluate(
    weights_path: str | Path,
    data: str | Path,
    protocol_name: str = "dense",
    runtime: Runtime | None = None,
    *,
    scales: str | int | Sequence[int] | None = None,
    part_name: str | None = None,
    split: int | None = None,
    out: str | Path | None = None,
    precision: str = "float32",
    engine: str | None = None,
    pooling: str = "down",
    progress: Progress | None = None,
) -> Tested:
    """A weights file tested on labelled pictures by a protocol; the posteriors go to a file.

    The pictures are those set aside where the data has such a part, the test before the validation,
    or where the network was trained on this data; else all that it does not know. `part_name`
    ("train", "validation", "test", "all") says otherwise; what the network has learnt is in the
    first and the last of these alone. `split` is the seed of the split, by default that of the
    training. `engine` names what runs the network; without it, the default for the
    machine. Pools that round "up" (`pooling`) are Caffe's. A test that was cut short goes on where
    it was. `progress` listens, in place of whoever asked; `SILENT` tells nobody. Raises UserError
    where the data has classes that the network does not know, or has changed since an earlier
    version trained the network on it, and for a net of boxes, which `localise` tests.
    """
    runtime = told(runtime, progress)
    weights_path = weights.find(weights_path, runtime.progress)
    chosen_engine = engines.chosen(engine, runtime.machine.device, precision)
    execution = Execution(chosen_engine, precision, pooling)
    info = read_info(weights_path)
    if info.members:
        _refuse_another_test(weights_path, info, protocol_name, scales)
    table = members_of(info)[0].table
    _ = table.scores  # refuses a net without scores before any picture is read
    if table.places:
        raise UserError(
            f"{weights_path} finds {table.places.kind} and tells no classes apart; boxes are "
            f"tested by verydeep.localise, which `verydeep evaluate` does too"
        )
    dataset, part_name, part, role = to_test(weights_path, data, split, part_name, runtime)
    part = relabelled(part, dataset, info)
    for note in dataset.notes:
        runtime.progress.say(note)
    runtime.progress.say(
        f"testing on {len(part):,} pictures ({part_name}{WORDS[role]}) of {dataset.where}"
    )
    runtime.progress.say(engines.words(execution.engine, asked=engine is not None))
    model = weights.load_any(weights_path, runtime.machine.device)
    chosen = dense(model) if isinstance(model, Stack) else protocol(model, protocol_name, scales)
    whole = of_ilsvrc(dataset) and part_name != "train" and len(part) == VALIDATION
    subject = Subject(
        dataset.where,
        dataset.fingerprint,
        part_name,
        role,
        split_of(info) if split is None else split,
        trained_as(info) if whole else None,
    )
    path = Path(out) if out else None
    if guess := guess_in_words(dataset, info):
        runtime.progress.say(guess)
    orders = other_orders(dataset, info)
    folder = beside(weights_path)
    return measure(
        model, part, chosen, subject, folder, runtime,
        path=path, orders=orders, execution=execution,
    )  # fmt: skip


def _refuse_another_test(
    path: Path, info: WeightsInfo, name: str, scales: str | int | Sequence[int] | None
) -> None:
    """Raises UserError where a stack is to be tested otherwise than it was made."""
    if name != "dense" or scales is not None:
        own = "; ".join(in_words(member.scales) for member in members_of(info))
        raise UserError(
            f"{path} is a stack, which is tested dense and at its members' own Q ({own}): leave "
            f"protocol and scales out"
        )
