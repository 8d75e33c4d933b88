"""How the network of a run begins: random, or with layers of other weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from verydeep import tasks, weights
from verydeep.datasets import Dataset
from verydeep.errors import UserError
from verydeep.nets.initialisation import OF_PLACES, begun_small
from verydeep.nets.network import Network
from verydeep.nets.special_rows import Grey
from verydeep.nets.table import Table
from verydeep.pictures.preprocessing import BYTES, IMAGENET
from verydeep.runtime import memory
from verydeep.runtime.runtime import Runtime
from verydeep.training.footprint import footprint
from verydeep.training.loader import bytes_remembered
from verydeep.training.run_toml import Started
from verydeep.training.settings import Settings
from verydeep.training.state import tuned_layers
from verydeep.weights import Beginning
from verydeep.weights.schema import class_names_of


def begun_with(dataset: Dataset, settings: Settings) -> Beginning | None:
    """What a new run begins with where it starts from other weights, from their header."""
    if settings.start is None:
        return None
    origin = weights.Origin.of(settings.start)
    last = tasks.named(settings.task).last_rows(dataset)
    return Beginning(origin.table_for(settings.sizes, last), origin.pixels)


def table_of(dataset: Dataset, settings: Settings, beginning: Beginning | None) -> Table:
    """The table of a run's net, with what it begins with, if it does with other weights."""
    if beginning is not None:
        return beginning.table
    return settings.sizes.table(tasks.named(settings.task).last_rows(dataset))


def within_memory(
    dataset: Dataset, settings: Settings, table: Table, runtime: Runtime
) -> tuple[Runtime, str]:
    """The conditions, with as many threads as there is memory for; and what it takes, in words.

    Raises UserError where one thread is too many.
    """
    machine, ranks = runtime.machine, runtime.ranks
    pictures = sum(bytes_remembered(len(part), settings) for part in dataset.by_role.values())
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
    free = "" if there is None else f"; {memory.in_words(there)} is free"
    return runtime, f"takes about {memory.in_words(takes)} of memory{free}"


def first_network(dataset: Dataset, settings: Settings) -> tuple[Network, Started | None]:
    """The network as it begins, and of what other weights, if any; UserError for a misfit.

    Layers that are new must be among those that are trained.
    """
    beginning = begun_with(dataset, settings)
    network = random_network(dataset, settings, beginning)
    if settings.start is None or beginning is None:
        return network, None
    layers, digest = weights.start_from(network, settings.start)
    new = [name for name in weights.layers_of(network) if name not in layers]
    left = [name for name in new if name not in tuned_layers(network.table, settings.tune)]
    if left:
        needed = "all" if any(name.startswith("conv") for name in new) else "fc"
        raise UserError(
            f"--tune {settings.tune} would leave {', '.join(left)} random, for {settings.start} "
            f"has none that fit; take --tune {needed}"
        )
    return network, Started.of(beginning, digest, layers, new)


def in_words(network: Network, settings: Settings, started: Started | None) -> Iterator[str]:
    """What of the network is another's, what is new, and what is trained, a line each.

    Where it reads grey, that is said first.
    """
    if any(isinstance(row, Grey) for row in network.table.rows):
        yield f"{network.table.name} reads one channel: colours are shown to it as their mean, grey"
    if started is None:
        return
    yield f"layers of {settings.start}: {', '.join(started.layers)}; pixels as it has them"
    small = begun_small(network.table, settings.initial)
    new = [_with_size(network, name) for name in started.new if name != small]
    if new:
        yield f"new, by {settings.initial}: {', '.join(new)}"
    if small in started.new:
        yield f"new, by gaussian:{OF_PLACES:g}, for it gives places: {_with_size(network, small)}"
    if not started.new:
        yield f"{started.layers[-1]} is kept: its classes are the same"
    tuned = tuned_layers(network.table, settings.tune)
    if settings.tune != "all":
        yield f"trained: {', '.join(tuned)}; the others stay as they are"


def _with_size(network: Network, name: str) -> str:
    size = network.get_submodule(name).get_parameter("weight").shape
    return f"{name} ({' x '.join(map(str, size))})"


def random_network(dataset: Dataset, settings: Settings, beginning: Beginning | None) -> Network:
    """The network with its random weights; one that starts from others has their pixels.

    Raises UserError for classes whose names no weights file takes.
    """
    outputs = tasks.named(settings.task).outputs(dataset)
    try:
        class_names_of(outputs)
    except ValueError as error:
        raise UserError(f"{dataset.where} has {error}; rename its folder") from None
    initial, seed = settings.initial, settings.seed
    if beginning is not None:
        return weights.begun(beginning, outputs, settings.scale, initial, seed)
    table = table_of(dataset, settings, beginning)
    pixels = replace(BYTES, scale=settings.scale) if table.reads_boards else IMAGENET
    return Network.random(table, outputs, pixels, initial, seed)
