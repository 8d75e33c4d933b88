"""From a part of a dataset to its posteriors, one row a picture: a walk, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from verydeep.engines.engine import Engine, engine_for
from verydeep.evaluation.journal import Journal
from verydeep.evaluation.showing import a_row_each, callers, walk_of
from verydeep.evaluation.views import Protocol, dense
from verydeep.evaluation.walk import fault, walked
from verydeep.nets.cost import FLOAT
from verydeep.nets.network import Network
from verydeep.nets.stack import Stack
from verydeep.parts.dataset import Part
from verydeep.runtime import memory
from verydeep.runtime.runtime import Runtime

Posteriors = Float[np.ndarray, "N K"]

REMEDY = "close other programs, or test on fewer pictures"
ROUNDING = 1e-3
"""What the sum of a row may be away from one: that of a soft-max in int8 is, by less."""
BLOCK = 4096
"""Pictures whose posteriors are worked out of their evidence together."""


def posteriors(
    network: Network,
    part: Part,
    protocol: Protocol,
    runtime: Runtime | None = None,
    progress: Callable[[int], None] = lambda done: None,
    journal: Journal | None = None,
    precision: str = "float32",
    engine: str | Engine = "torch",
) -> Posteriors:
    """Class posteriors of every picture, averaged over its views; each row sums to one.

    Of a net that ends with a sigmoid each posterior is by itself.

    The row of a picture that cannot be read is NaN. `progress` is told how many pictures this
    process has done; `journal` keeps what is done against a kill. In precision "bf16" layers work
    in bfloat16, and scores are averaged in float32 all the same. `engine` is one of this network's,
    or the name of one.
    """
    runtime = runtime or Runtime()
    _refuse_too_many(part, network.classes)
    network.eval()
    threads = runtime.machine.threads
    if isinstance(engine, str):
        engine = engine_for(network, engine, threads, callers(network.device.type, threads))
    walk = walk_of(engine, part, protocol.passes, threads, precision)
    return verdicts(engine, a_row_each(walked(walk, runtime, progress, journal)))


@torch.inference_mode()
def posteriors_of_stack(
    stack: Stack,
    part: Part,
    runtime: Runtime | None = None,
    progress: Sequence[Callable[[int], None]] | None = None,
    journals: Sequence[Journal] | None = None,
    precision: str = "float32",
    engine: str = "torch",
) -> Posteriors:
    """The same of a stack, each of whose members goes over all pictures at its own Q.

    `progress` has for each member who is told of its pictures, and `journals` what keeps its walk.
    """
    runtime = runtime or Runtime()
    _refuse_too_many(part, stack.classes)
    threads, scores = runtime.machine.threads, torch.zeros(len(part), len(stack.classes))
    for i, member in enumerate(stack.members):
        network, device = member.network, member.network.device
        run = engine_for(network, engine, threads, callers(device.type, threads))
        walk = walk_of(run, part, dense(member).passes, threads, precision)
        told = progress[i] if progress else lambda done: None
        journal = journals[i] if journals else None
        found = walked(walk, runtime, told, journal)
        if journal is not None:
            journal.save()  # before the next begins, whenever the last time was
        scores += _in_blocks(member.scores, a_row_each(found), device)
    return stack.likely(scores).numpy()


def _refuse_too_many(part: Part, classes: Sequence[str]) -> None:
    """Raises UserError where there is no room for the posteriors of a part."""
    shape = len(part), len(classes)
    memory.refuse(FLOAT * prod(shape), f"posteriors of {shape[0]:,} x {shape[1]:,}", REMEDY)


def _in_blocks(
    answer: Callable[[Tensor], Tensor], rows: Float[np.ndarray, "N C"], device: torch.device
) -> Float[Tensor, "N K"]:
    """What is answered to rows, some of them at a time."""
    pieces = torch.split(torch.from_numpy(rows), BLOCK)
    return torch.cat([answer(piece.to(device)).cpu() for piece in pieces])


@torch.inference_mode()
def verdicts(engine: Engine, evidence: Float[np.ndarray, "N C"]) -> Posteriors:
    """The posteriors of pictures by the mean evidence of each; NaN where that is."""
    if engine.network.table.pooled is None:
        return evidence
    return _in_blocks(engine.verdict, evidence, engine.network.device).numpy()


def readable(found: Posteriors) -> Bool[np.ndarray, " N"]:
    """Which of the pictures could be read."""
    return np.asarray(~np.isnan(found[:, 0]))


def are_posteriors(
    rows: Posteriors, several: bool = False, block: int = 2**22
) -> Bool[np.ndarray, " N"]:
    """Which rows are finite, from 0 to 1, and sum to one as closely as float32 does.

    Those of `several` labels a picture are each by itself, and have no such sum. Looked at some at
    a time: of many classes a copy would be large.
    """
    found = np.zeros(len(rows), bool)
    step = max(1, block // max(1, rows.shape[1]))
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        within = ((some >= 0) & (some <= 1 + ROUNDING)).all(1)
        sums = several | (abs(some.sum(1, np.float64) - 1) <= ROUNDING)
        found[start : start + step] = within & sums
    return found


def faults(model: Network | Stack, part: Part, protocol: Protocol, found: Posteriors) -> list[str]:
    """Why each picture without posteriors has none."""
    lines = []
    if isinstance(model, Stack):
        shown = [(member.network, dense(member)) for member in model.members]
    else:
        shown = [(model, protocol)]
    for i in np.flatnonzero(~readable(found)).tolist():
        whys = (fault(part, network.pixels, by.passes, i) for network, by in shown)
        why = next(filter(None, whys), None)
        lines.append(why or f"{part.names[i]}: could not be read when its turn came; it can be now")
    return lines
