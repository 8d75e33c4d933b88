"""`verydeep transfer`: a classifier of one's own pictures by the features of a network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from verydeep.commands import transfer_options as option
from verydeep.commands.completion import TRANSFER_PROTOCOLS
from verydeep.commands.options import (
    Also,
    Device,
    Engine,
    Json,
    Layer,
    Offline,
    Quiet,
    Scales,
    SplitSeed,
    Stacked,
    Task,
    Threads,
)
from verydeep.commands.working import working

Number = TypeVar("Number", int, float)
USUAL = "vgg16"
"""The weights whose features are carried over where none are named."""
USUAL_TASK = "classify"


def transfer(
    words: option.Words,
    also: Also = None,
    layer: Layer = None,
    scales: Scales = None,
    stacked: Stacked = False,
    c: option.C = None,
    task: Task = USUAL_TASK,
    balanced: option.Balanced = False,
    out: option.Out = None,
    protocol: option.Protocol = None,
    train: option.Train = None,
    test: option.Test = None,
    draws: option.Draws = None,
    results: option.Results = None,
    split_seed: SplitSeed = None,
    engine: Engine = None,
    device: Device = None,
    threads: Threads = None,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Carry a network's features to your own pictures: a classifier in minutes, on a CPU.

    verydeep transfer photos/

    verydeep transfer runs/birds-D photos/ --layer pool5 --scales 256,384

    Pictures are described once, by what a row of the network gives; linear SVMs are learnt from
    that. What comes out is a network as any other, with its page; or with --protocol the figures
    of a test as the paper has it, and no network:

    verydeep transfer photos/ --protocol draws --train 1,5,10 --draws 3
    """
    from verydeep.commands.console import Console
    from verydeep.errors import UserError

    if len(words) > 2:
        raise UserError(f"{len(words)} words; give weights and data, or data alone for {USUAL}")
    asked: dict[str, Any] = {
        "train": _numbers("train", train, int, "a whole number, or several: 1,5,10"),
        "test": test, "draws": draws, "results": results,
    }  # fmt: skip
    others = {
        "out": out,
        "balanced": balanced or None,
        "task": None if task == USUAL_TASK else task,
    }
    _refuse_strangers(protocol, asked, others)
    console = Console(quiet)
    console.say("verydeep transfer: reading weights and names")
    from verydeep.weights import find

    *named, data = words
    paths = [Path(name) for name in (*(named or [USUAL]), *(also or ()))]
    networks = [find(path, console, offline) for path in paths]
    described: dict[str, Any] = {
        "layer": layer, "scales": scales, "stacked": stacked, "engine": engine,
        "c": _numbers("c", c, float, "a number above 0, or several: 0.1,1,10"),
    }  # fmt: skip
    from verydeep.commands.transfer_answer import answer
    from verydeep.verbs.transfer import transfer as of_data
    from verydeep.verbs.transfer_protocols import transfer_protocol

    with working(console, device, threads) as runtime:
        found = (
            of_data(
                networks, data,
                **described, task=task, class_weights="balanced" if balanced else None,
                split=split_seed or 0, out=out, runtime=runtime,
            )
            if protocol is None
            else transfer_protocol(
                networks, data, protocol,
                **described, **asked, seed=split_seed, runtime=runtime,
            )
        )  # fmt: skip
    if runtime.ranks.is_main:
        print(answer(found, json))


def _refuse_strangers(protocol: str | None, asked: dict[str, Any], others: dict[str, Any]) -> None:
    """Raises UserError for a protocol that there is not, and for options that are of the other way.

    Those of protocols want one; those of a network that is made want none.
    """
    from verydeep.errors import UserError, one_line

    if protocol is not None and protocol not in TRANSFER_PROTOCOLS:
        there = ", ".join(TRANSFER_PROTOCOLS)
        raise UserError(f"no protocol '{one_line(protocol)}' of transfer; there are {there}")
    for name, value in (asked if protocol is None else others).items():
        if value is None:
            continue
        if protocol is None:
            raise UserError(f"--{name} is of a protocol; give --protocol with it, such as draws")
        raise UserError(f"--{name} makes a network, and --protocol makes none; leave one of them")


def _numbers(
    name: str, text: str | None, kind: Callable[[str], Number], wanted: str
) -> list[Number] | None:
    """The numbers of "1" or "0.1,1,10"; UserError where they are none."""
    from verydeep.errors import UserError

    if text is None:
        return None
    try:
        return [kind(word) for word in text.split(",")]
    except ValueError:
        raise UserError(f"--{name} {text}; give {wanted}") from None
