"""LPIPS: against a writing of its own in NumPy, and the `lpips` package where that is installed.

The package is given random convolutions of a D, so that it fetches none; the heads are its own.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor
from torchvision.models.vgg import cfgs, make_layers  # type: ignore[import-untyped]

import verydeep
from tests.insight.nets import exact
from verydeep import SILENT, UserError
from verydeep.ascent.distance import CHANNELS, distance, heads_in
from verydeep.ascent.looking import from_picture, seen
from verydeep.importers.parameters import TORCHVISION
from verydeep.insight.signals import frozen
from verydeep.nets.network import Network, build
from verydeep.verbs.lpips import packaged_heads, refuse_others
from verydeep.weights import save

ONE, OTHER = (
    np.random.default_rng(k).integers(0, 256, (48, 40, 3), dtype=np.uint8) for k in (0, 1)
)
packaged = pytest.mark.skipif(find_spec("lpips") is None, reason="package lpips is not installed")


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


@packaged
def test_the_heads_are_those_of_version_0_1() -> None:
    """Zhang et al.: none of them may be negative."""
    given = heads_in(packaged_heads())
    assert {row: len(weights) for row, weights in given.items()} == CHANNELS
    assert all(bool((weights > 0).all()) for weights in given.values())


@packaged
@pytest.mark.filterwarnings("ignore:The parameter 'pretrained'", "ignore:Arguments other than")
def test_it_is_that_of_the_package_on_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    import lpips

    network = frozen(Network.random(build("D", 3, crop=32, fc=8, width=1).table, ["a", "b", "c"],
                                    TORCHVISION, "he", 0))  # fmt: skip
    trunk = make_layers(cfgs["D"])
    names = [name for name in network.state_dict() if name.startswith("conv")]
    values = [network.state_dict()[name] for name in names]
    trunk.load_state_dict(dict(zip(trunk.state_dict(), values, strict=True)))
    monkeypatch.setattr("lpips.pretrained_networks.tv.vgg16",
                        lambda pretrained: SimpleNamespace(features=trunk))  # fmt: skip
    theirs = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False).eval()
    images = [from_picture(image, network) for image in (ONE, OTHER)]
    with torch.no_grad():
        expected = float(theirs(*(image / 127.5 - 1 for image in images)))
        found = float(distance(network, heads_in(packaged_heads()), TORCHVISION, *images))
    assert found == pytest.approx(expected, rel=1e-5)


def _heads(**others: Tensor) -> Path:
    """A file as the package has it."""
    given = {f"lin{k}.model.1.weight": torch.rand(1, count, 1, 1)
             for k, count in enumerate(CHANNELS.values())}  # fmt: skip
    torch.save({**given, **others}, "vgg.pth")
    return Path("vgg.pth")


def test_heads_are_read_of_the_file_that_is_named() -> None:
    stored = torch.load(_heads(), weights_only=True)
    for row, expected in zip(CHANNELS, stored.values(), strict=True):
        assert torch.equal(heads_in(Path("vgg.pth"))[row], expected.flatten())
    safetensors.torch.save_file(stored, "vgg.safetensors")
    assert [*heads_in(Path("vgg.safetensors"))] == [*CHANNELS]


def test_files_of_other_things_are_no_heads() -> None:
    others = _heads(**{"lin4.model.1.weight": torch.rand(1, 256, 1, 1)})  # as AlexNet's
    with pytest.raises(UserError, match="other tensors than the heads for VGG, 1,472 weights"):
        verydeep.lpips("none", ONE, OTHER, heads=others, progress=SILENT)
    Path("short.pth").write_bytes(_heads().read_bytes()[:900])
    for path, line in (("short.pth", "short.pth cannot be read as heads of LPIPS"),
                       ("none.pth", "none.pth cannot be read")):  # fmt: skip
        with pytest.raises(UserError, match=line):
            heads_in(Path(path))


def test_without_heads_it_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verydeep.verbs.lpips.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'verydeep\[lpips\]', or give heads='PATH'"):
        verydeep.lpips("vgg16-torchvision", ONE, OTHER, progress=SILENT)


def _saved(network: Network, sha256: str) -> Path:
    save(network, "some.safetensors", {"imported": {"file": "some.pth", "sha256": sha256}})
    return Path("some.safetensors")


def test_other_weights_than_those_it_was_fitted_to_are_refused() -> None:
    network = build("D", 3, width=0.0625, crop=32, fc=8)
    for path in (_saved(network, "0" * 64), _saved(network, "")):
        with pytest.raises(UserError, match="is not torchvision's D"):
            verydeep.lpips(path, ONE, OTHER, heads=_heads(), progress=SILENT)
    refuse_others(_saved(network, "397923af" + "0" * 56))


def test_pictures_of_two_sizes_have_no_distance() -> None:
    path = _saved(build("D", 3, width=0.0625, crop=32, fc=8), "397923af" + "0" * 56)
    with pytest.raises(UserError, match="pictures of 40 x 48 and 40 x 40; LPIPS compares two"):
        verydeep.lpips(path, ONE, OTHER[:40], heads=_heads(), progress=SILENT)
