"""How the network of a run begins: random, or with layers of other weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from verydeep import weights
from verydeep.datasets import Dataset
from verydeep.errors import UserError
from verydeep.nets.network import Network, build
from verydeep.training.settings import Settings
from verydeep.training.state import tuned_layers
from verydeep.weights.said import names_of


def first_network(dataset: Dataset, settings: Settings) -> tuple[Network, dict[str, Any]]:
    """The network as it begins, and of what other weights, as plain data; UserError for a misfit.

    Layers that are new must be among those that are trained.
    """
    if settings.start is None:
        return random_network(dataset, settings, {}), {}
    origin = weights.Origin.of(settings.start)
    sizes = {name: getattr(settings, name) for name in ("net", "width", "crop", "fc")}
    described = origin.described(origin.table_for(sizes, len(dataset.classes)))
    network = random_network(dataset, settings, described)
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
    if started:
        crop, scale = settings.crop, settings.scale
        initial, seed = settings.initial, settings.seed
        return weights.begun(started, dataset.classes, crop, scale, initial, seed)
    return build(
        settings.net,
        dataset.classes,
        width=settings.width,
        crop=settings.crop,
        fc=settings.fc,
        initial=settings.initial,
        seed=settings.seed,
    )
