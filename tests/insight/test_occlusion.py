"""Occlusion held against a plain loop that hides, shows and asks one picture at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from verydeep.engines.engine import engine_for
from verydeep.insight import occlusion
from verydeep.insight.occlusion import centres, grey, occluded, scaled
from verydeep.nets.network import Network, build
from verydeep.pictures.preprocessing import Pixels

MEAN = (120.4, 115.0, 110.0)


def net(order: str = "RGB") -> Network:
    pixels = Pixels((40, 40), MEAN, (58.0, 58.0, 58.0), order=order)  # type: ignore[arg-type]
    return build("A", 4, width=0.125, crop=32, fc=16, pixels=pixels, initial="he")


@pytest.mark.parametrize(
    ("limit", "most", "count"), [(5, 50, 8), (20, 50, 20), (5, 6, 6), (0, 0, 1)]
)
def test_views_are_shown_eight_at_once_if_there_is_memory_and_more_of_small_ones(
    limit: int, most: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = (limit * 32 * 48, most * 32 * 48)
    monkeypatch.setattr(occlusion, "room_for", lambda _: room)
    assert occlusion.together(engine_for(net()), 32, 48) == count


@pytest.mark.parametrize("layer", [None, "relu3_2"])
@pytest.mark.parametrize("engine", ["torch", "winograd"])
def test_it_is_a_plain_loop_over_squares(
    engine: str, layer: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 41 x 52 pixels, squares of 12 by 9: rows 0, 3 + 9 i ... by hand from the definition."""
    monkeypatch.setattr(occlusion, "together", lambda *_: 7)
    network = net()
    image = np.random.default_rng(0).integers(0, 256, (41, 52, 3), dtype=np.uint8)
    found = occluded(engine_for(network, engine), image, 2, layer, side=12, stride=9)
    row = layer or "pool5"
    assert (found.layer, found.side, found.stride) == (row, 12, 9)
    assert found.rows.tolist() == [2.5, 11.5, 20.5, 29.5, 38.5]
    assert found.columns.tolist() == [3.5, 12.5, 21.5, 30.5, 39.5, 48.5]

    def ask(shown: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        given = network.pixels.normalise(torch.from_numpy(shown[None]))
        return network.posteriors(given)[0], network.activations(given, [row])[row][0]

    with torch.no_grad():
        clean, maps = ask(image)
        assert found.posterior == pytest.approx(float(clean[2]), rel=1e-4)
        assert found.label == int(clean.argmax())
        assert found.unit == int(maps.sum((1, 2)).argmax())
        for i, y in enumerate(found.rows):
            for k, x in enumerate(found.columns):
                shown = image.copy()
                for r in range(41):
                    for c in range(52):
                        # the square of 12 pixels from round(y - 6), round(x - 6) on
                        if round(y - 6) <= r < round(y - 6) + 12 and (
                            round(x - 6) <= c < round(x - 6) + 12
                        ):
                            shown[r, c] = (120, 115, 110)
                posteriors, maps = ask(shown)
                assert found.posteriors[i, k] == pytest.approx(float(posteriors[2]), rel=1e-4)
                total = float(maps[found.unit].sum())
                assert found.activations[i, k] == pytest.approx(total, rel=1e-3, abs=1e-4)
                assert found.classes[i, k] == int(posteriors.argmax())


def test_the_square_is_of_the_mean_colour_in_the_pictures_own_order() -> None:
    assert grey(net().pixels).tolist() == [120, 115, 110]
    assert grey(net("BGR").pixels).tolist() == [110, 115, 120]
    assert grey(Pixels((1, 1), (0.5, 0.25, 1.0), maximum=1)).tolist() == [128, 64, 255]


def test_squares_reach_over_the_borders_as_far_at_both_ends() -> None:
    assert centres(224, 16).tolist() == [16.0 * i for i in range(15)]
    assert centres(30, 16).tolist() == [7.0, 23.0]


def test_sizes_are_to_a_crop_as_fifty_and_sixteen_are_to_224() -> None:
    assert (scaled(50, 224), scaled(16, 224), scaled(16, 64)) == (50, 16, 5)
    image = np.zeros((41, 52, 3), np.uint8)  # the crop is 32
    found = occluded(engine_for(net()), image, 0)
    assert (found.side, found.stride) == (7, 2)
