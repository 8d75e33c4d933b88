"""How the network of a run begins: random, or with layers of other weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from verydeep import weights
from verydeep.datasets import Dataset
from verydeep.errors import UserError
from verydeep.nets.network import Network
from verydeep.nets.table import Table, read_table
from verydeep.pictures.preprocessing import IMAGENET
from verydeep.runtime import memory
from verydeep.runtime.runtime import Runtime
from verydeep.training.footprint import footprint
from verydeep.training.loader import bytes_remembered
from verydeep.training.settings import Settings
from verydeep.training.state import tuned_layers
from verydeep.weights.schema import names_of


def begun_with(dataset: Dataset, settings: Settings) -> dict[str, Any]:
    """What makes the net of a new run again, where it starts from other weights: their header."""
    if settings.start is None:
        return {}
    origin = weights.Origin.of(settings.start)
    last = (f"FC-{len(dataset.classes)}", "soft-max")
    return origin.described(origin.table_for(settings.sizes, last))


def table_of(dataset: Dataset, settings: Settings, started: Mapping[str, Any]) -> Table:
    """The table of a run's net, with what it began with, if it did with other weights."""
    if started:
        return read_table(started["net"], started["words"], settings.crop)
    return settings.sizes.table((f"FC-{len(dataset.classes)}", "soft-max"))


def within_memory(
    dataset: Dataset, settings: Settings, started: Mapping[str, Any], runtime: Runtime
) -> tuple[Runtime, str]:
    """The conditions, with as many threads as there is memory for; and what it takes, in words.

    Raises UserError where one thread is too many.
    """
    table, machine = table_of(dataset, settings, started), runtime.machine
    ranks = runtime.ranks
    pictures = sum(bytes_remembered(len(part), settings) for part in dataset.parts.values())
    most = machine.threads if machine.device == "cpu" else 1
    there = memory.available(machine.device)
    for threads in range(most, 0, -1):
        needed = footprint(
            table, settings, threads, pictures, device=machine.device,
            in_order=ranks.in_order, share=-(-settings.batch // ranks.world_size),
        )  # fmt: skip
        takes = machine.beside * needed.total if machine.device == "cpu" else needed.device
        if there is None or takes <= there:
            break
    what = f"training {table.name}, {settings.micro_batch} pictures of {settings.crop} at a time,"
    remedy = "take a smaller --crop, --width, --fc or --batch, or --set micro_batch=1"
    memory.refuse(takes, what, remedy, machine.device)
    if threads < most:
        fewer = replace(machine, cores=threads * machine.beside)
        runtime = replace(runtime, machine=fewer)
    there_too = "" if there is None else f" of {memory.in_words(there)} that are free"
    return runtime, f"takes about {memory.in_words(takes)}{there_too}"


def first_network(dataset: Dataset, settings: Settings) -> tuple[Network, dict[str, Any]]:
    """The network as it begins, and of what other weights, as plain data; UserError for a misfit.

    Layers that are new must be among those that are trained.
    """
    described = begun_with(dataset, settings)
    network = random_network(dataset, settings, described)
    if settings.start is None:
        return network, {}
    layers, digest = weights.start_from(network, settings.start)
    new = [name for name in weights.layers_of(network) if name not in layers]
    left = [name for name in new if name not in tuned_layers(network, settings.tune)]
    if left:
        needed = "all" if any(name.startswith("conv") for name in new) else "fc"
        raise UserError(
            f"--tune {settings.tune} would leave {', '.join(left)} random, for {settings.start} "
            f"has none that fit; take --tune {needed}"
        )
    return network, {"hash": digest, "layers": layers, "new": new, **described}


def in_words(network: Network, settings: Settings, started: Mapping[str, Any]) -> Iterator[str]:
    """What of the network is another's, what is new, and what is trained, a line each."""
    if not started:
        return
    yield f"layers of {settings.start}: {', '.join(started['layers'])}; pixels as it has them"
    sizes = {
        name: " x ".join(map(str, network.get_submodule(name).get_parameter("weight").shape))
        for name in started["new"]
    }
    if sizes:
        said = ", ".join(f"{name} ({size})" for name, size in sizes.items())
        yield f"new, by {settings.initial}: {said}"
    else:
        yield f"{started['layers'][-1]} is kept: its classes are the same"
    tuned = tuned_layers(network, settings.tune)
    if settings.tune != "all":
        yield f"trained: {', '.join(tuned)}; the others stay as they are"


def random_network(dataset: Dataset, settings: Settings, started: Mapping[str, Any]) -> Network:
    """The network with its random weights; one that starts from others has their pixels.

    Raises UserError for classes whose names no weights file takes.
    """
    try:
        names_of(dataset.classes)
    except ValueError as error:
        raise UserError(f"{dataset.where} has {error}; rename its folder") from None
    initial, seed = settings.initial, settings.seed
    if started:
        crop, scale = settings.crop, settings.scale
        return weights.begun(started, dataset.classes, crop, scale, initial, seed)
    table = table_of(dataset, settings, started)
    return Network.random(table, dataset.classes, IMAGENET, initial, seed)
