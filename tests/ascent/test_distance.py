"""LPIPS: against a writing of its own in NumPy, and the `lpips` package where that is installed.

The package is given random weights of a D, so that it fetches none; the heads are its own.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import verydeep
from tests.insight.nets import exact
from verydeep import SILENT, UserError
from verydeep.ascent.distance import HEADS, distance, heads
from verydeep.ascent.looking import from_picture, seen
from verydeep.importers.parameters import TORCHVISION
from verydeep.insight.signals import frozen
from verydeep.nets.network import Network, build
from verydeep.verbs.lpips import refuse_others
from verydeep.weights import save

ONE, OTHER = (
    np.random.default_rng(k).integers(0, 256, (48, 40, 3), dtype=np.uint8) for k in (0, 1)
)


def test_it_is_what_is_worked_out_row_by_row() -> None:
    network = exact()
    images = [from_picture(image, network) for image in (ONE, OTHER)]
    generator = torch.Generator().manual_seed(0)
    given = {"relu1_2": torch.rand(6, generator=generator).double(),
             "relu2_2": torch.rand(8, generator=generator).double()}  # fmt: skip
    expected = 0.0
    for row, weights in given.items():
        maps = [seen(network, image, [row])[row][0].numpy() for image in images]
        unit = [m / (np.sqrt((m**2).sum(0)) + 1e-10) for m in maps]
        squared = (unit[0] - unit[1]) ** 2
        expected += np.tensordot(weights.numpy(), squared, 1).mean()
    found = distance(network, given, network.pixels, *images)
    assert float(found) == pytest.approx(expected, rel=1e-12)
    assert float(distance(network, given, network.pixels, *images[::-1])) == float(found)
    assert float(distance(network, given, network.pixels, images[0], images[0])) == 0


def test_the_heads_are_those_of_version_0_1() -> None:
    """1,472 weights, all of them positive; the hash is of the file as it was made from theirs."""
    given = heads()
    assert {row: len(weights) for row, weights in given.items()} == {
        "relu1_2": 64, "relu2_2": 128, "relu3_3": 256, "relu4_3": 512, "relu5_3": 512,
    }  # fmt: skip
    assert all(bool((weights > 0).all()) for weights in given.values())
    every = b"".join(weights.numpy().tobytes() for weights in given.values())
    assert hashlib.sha256(every).hexdigest()[:16] == "9153a2043dccf3b5"
    assert (HEADS.parent / "lpips_v0.1.LICENSE").is_file()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The parameter 'pretrained'", "ignore:Arguments other than")
def test_it_is_that_of_the_package_on_the_same_weights() -> None:
    lpips: Any = pytest.importorskip("lpips")
    theirs = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False).eval()
    network = frozen(Network.random(build("D", 3, crop=32, fc=8, width=1).table, ["a", "b", "c"],
                                    TORCHVISION, "he", 0))  # fmt: skip
    names = [name for name in network.state_dict() if name.startswith("conv")]
    slices = list(theirs.net.state_dict())
    theirs.net.load_state_dict(
        {k: network.state_dict()[name] for k, name in zip(slices, names, strict=True)}
    )
    images = [from_picture(image, network) for image in (ONE, OTHER)]
    with torch.no_grad():
        expected = float(theirs(*(image / 127.5 - 1 for image in images)))
        found = float(distance(network, heads(), TORCHVISION, *images))
    assert found == pytest.approx(expected, rel=1e-5)


def _saved(network: Network, sha256: str) -> Path:
    save(network, "some.safetensors", {"imported": {"file": "some.pth", "sha256": sha256}})
    return Path("some.safetensors")


def test_other_weights_than_those_it_was_fitted_to_are_refused() -> None:
    network = build("D", 3, width=0.0625, crop=32, fc=8)
    for path in (_saved(network, "0" * 64), _saved(network, "")):
        with pytest.raises(UserError, match="is not torchvision's D"):
            verydeep.lpips(path, ONE, OTHER, progress=SILENT)
    refuse_others(_saved(network, "397923af" + "0" * 56))


def test_pictures_of_two_sizes_have_no_distance() -> None:
    path = _saved(build("D", 3, width=0.0625, crop=32, fc=8), "397923af" + "0" * 56)
    with pytest.raises(UserError, match="pictures of 40 x 48 and 40 x 40; LPIPS compares two"):
        verydeep.lpips(path, ONE, OTHER[:40], progress=SILENT)
