"""Where maps lie on pictures of any size, however they are decoded, turned and cut at the edges.

A number that is linear along the picture is known at every pixel of it. Of a picture that is black
but for a spot, by a net without biases whose weights are positive, all that maps show is about that
spot.
"""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from verydeep.engines.engine import engine_for
from verydeep.errors import UserError
from verydeep.insight.maps import maps_of
from verydeep.insight.signals import frozen
from verydeep.insight.view import View, on_picture, per_grey_level
from verydeep.nets.network import Network, build
from verydeep.pictures.preprocessing import Pixels
from verydeep.runtime import memory


def spotted_net(scale: int = 48) -> Network:
    network = build("A", 2, width=0.0625, crop=32, fc=8, initial="he",
                    pixels=Pixels((scale, scale), (0.0, 0.0, 0.0)))  # fmt: skip
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.abs_() if name.endswith("weight") else parameter.zero_()
    return frozen(network)


def jpeg(height: int, width: int, orientation: int) -> bytes:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (width, height), (90, 120, 60)).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("size", [(60, 91), (401, 603), (801, 1203)])
def test_a_ramp_stays_a_ramp_on_the_pictures_own_pixels(
    size: tuple[int, int], orientation: int
) -> None:
    """The larger ones are decoded at a half to an eighth, and their last pixels reach beyond."""
    view = View.of(spotted_net(), jpeg(*size, orientation))
    height, width = size if orientation < 5 else size[::-1]
    assert view.window.picture == (height, width)
    y, x = ((np.arange(n) + 0.5 - o) / s for n, s, o in
            zip(view.window.size, view.window.scale, view.window.offset, strict=True))  # fmt: skip
    ramp = np.stack([np.tile(y[:, None], (1, len(x))), np.tile(x, (len(y), 1))], 2)
    ramp = np.concatenate([ramp, ramp[..., :1]], 2).astype(np.float32)
    found = on_picture(ramp, view.window)
    assert found.shape == (height, width, 3)
    edge = int(np.ceil(1 / min(view.window.scale)))
    inner = slice(edge, -edge)
    expected = np.arange(height) + 0.5
    np.testing.assert_allclose(found[inner, width // 2, 0], expected[inner], atol=0.05)
    expected = np.arange(width) + 0.5
    np.testing.assert_allclose(found[height // 2, inner, 1], expected[inner], atol=0.05)
    assert on_picture(ramp[..., 0], view.window).shape == (height, width)


@pytest.mark.parametrize("size", [(64, 64), (131, 97), (200, 301)])
@pytest.mark.parametrize("spot", [(0.3, 0.65), (0.6, 0.4)])
def test_maps_lie_on_what_they_are_of(size: tuple[int, int], spot: tuple[float, float]) -> None:
    """Of pictures of 48 pixels and more a side the network is shown 32 or 64 of each."""
    picture = np.zeros((*size, 3), np.uint8)
    place = [round(share * side) for share, side in zip(spot, size, strict=True)]
    half = max(2, min(size) // 24)
    picture[place[0] - half : place[0] + half, place[1] - half : place[1] + half] = 255
    network = spotted_net()
    view = View.of(network, picture)
    rows = {"gradient": None, "guided": None, "gradcam": "relu1_1", "deconvnet": "relu2_1"}
    for method, row in rows.items():
        (found,) = maps_of(view, 0, [method], engine_for(network), row)
        values = np.abs(found.on_picture())
        mass = values if values.ndim == 2 else values.sum(2)
        assert mass.shape == size
        centre = [float((mass.sum(1 - axis) * (np.arange(n) + 0.5)).sum() / mass.sum())
                  for axis, n in enumerate(size)]  # fmt: skip
        assert centre == pytest.approx(place, abs=min(size) / 12), method


def test_what_the_network_is_not_shown_is_zero() -> None:
    network = spotted_net()
    view = View.of(network, np.full((48, 77, 3), 200, np.uint8))
    assert view.shown == (slice(8, 40), slice(6, 70))
    (found,) = maps_of(view, 0, ["gradient"], engine_for(network))
    assert found.values[8:40, 6:70].any()
    assert not found.values[:, :6].any()
    assert not found.values[:, 70:].any()
    assert not found.values[:8].any()
    assert not found.values[40:].any()


@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_signals_are_of_grey_levels_in_rgb(order: str) -> None:
    """A value of the network's is (grey level / 255 - mean) / deviation: by hand."""
    pixels = Pixels((48, 48), (0.5, 0.4, 0.3), (0.2, 0.25, 0.5), order, maximum=1)  # type: ignore[arg-type]
    found = per_grey_level(torch.ones(3, 1, 1), pixels)[0, 0]
    expected = [5 / 255, 4 / 255, 2 / 255]
    np.testing.assert_allclose(found, expected if order == "RGB" else expected[::-1], rtol=1e-6)


def test_a_picture_that_would_not_fit_into_memory_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = spotted_net()
    monkeypatch.setattr(memory, "available", lambda *_: 10**5)
    with pytest.raises(UserError, match="looking into A with a picture of 48 x 96 takes about"):
        View.of(network, np.zeros((48, 96, 3), np.uint8))
