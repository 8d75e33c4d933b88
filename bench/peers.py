"""torchvision's nets beside ours of the same layers, with random weights."""

from __future__ import annotations

from typing import Any

import torchvision  # type: ignore[import-untyped]

from verydeep.importers.torchvision_names import PEERS

VGGS = {"A": "vgg11", "B": "vgg13", "D": "vgg16", "E": "vgg19"}
FUNCTIONS = {**VGGS, **{peer.net: peer.function for peer in PEERS}}
"""What torchvision calls each net, by our name of it."""


def torchvisions(net: str) -> Any:
    """Torchvision's net of that name of ours, without side heads."""
    alone = {"aux_logits": False, "init_weights": False} if net.startswith("GoogLeNet") else {}
    return getattr(torchvision.models, FUNCTIONS[net])(**alone)
