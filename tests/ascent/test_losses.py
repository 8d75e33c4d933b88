"""Gradients of everything that is climbed or descended, against finite differences in float64.

A difference along a random direction d: (f(x + hd) - f(x - hd)) / 2h is the gradient's product
with d, to h^2 where no ReLU turns.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.insight.nets import exact
from verydeep.ascent import aims
from verydeep.ascent.inversion import error
from verydeep.ascent.looking import AVERAGES, SPREAD, from_picture, seen, slope
from verydeep.ascent.priors import Canvas, moved, softened, variation
from verydeep.ascent.styling import Styling, content_loss, gram, style_loss

NETWORK = exact()
ONE, OTHER = (
    from_picture(np.random.default_rng(k).integers(0, 256, (36, 40, 3), dtype=np.uint8), NETWORK)
    for k in (0, 1)
)
STYLING = Styling.of(NETWORK, ONE, OTHER)


def _error(image: Tensor) -> Tensor:
    wanted = seen(NETWORK, OTHER, ["conv2_2"])["conv2_2"]
    return error(seen(NETWORK, image, ["conv2_2"])["conv2_2"], wanted)


NUMBERS: dict[str, Callable[[Tensor], Tensor]] = {
    "class": lambda x: aims.a_class(NETWORK, 2).of(NETWORK, x),
    "unit": lambda x: aims.a_unit(NETWORK.table, "relu2_2", 3).of(NETWORK, x),
    "layer": lambda x: aims.a_layer("relu2_1").of(NETWORK, x),
    "variation": lambda x: variation(x / SPREAD),
    "inversion": _error,
    "content": lambda x: STYLING.losses(x)[0],
    "style": lambda x: STYLING.losses(x)[1],
    "moved": lambda x: moved(x, 3, 5).square().mean(),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    number = NUMBERS[name]
    begin = OTHER if name == "content" else ONE
    direction = torch.randn(begin.shape, dtype=torch.float64,
                            generator=torch.Generator().manual_seed(4))  # fmt: skip
    step = 1e-5
    with torch.no_grad():
        ahead, behind = (float(number(begin + sign * step * direction)) for sign in (1, -1))
    _, gradient = slope(begin, number)
    expected = float((gradient * direction).sum())
    assert expected != 0
    assert (ahead - behind) / (2 * step) == pytest.approx(expected, rel=1e-4)


def test_a_guide_is_its_own_best_match() -> None:
    """The best product of a position with a guide is at least that with itself in it."""
    aim = aims.a_guide(NETWORK, "relu2_2", ONE)
    maps = seen(NETWORK, ONE, ["relu2_2"])["relu2_2"]
    own = float(maps.square().sum(1).mean())
    assert float(aim.measure(maps)) >= own
    products = maps[0].flatten(1).T @ maps[0].flatten(1)
    assert float(aim.measure(maps)) == pytest.approx(float(products.max(1).values.mean()))


def test_a_guide_is_matched_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = seen(NETWORK, ONE, ["relu2_2"])["relu2_2"]
    aim = aims.a_guide(NETWORK, "relu2_2", ONE)
    whole, held = aim.measure(maps), maps[0, 0].numel()
    monkeypatch.setattr(aims, "PRODUCTS", 7 * held)
    found, argmax = list[int](), Tensor.argmax

    def noted(products: Tensor, axis: int) -> Tensor:
        found.append(products.numel())
        return argmax(products, axis)

    monkeypatch.setattr(Tensor, "argmax", noted)
    torch.testing.assert_close(aim.measure(maps), whole)
    assert max(found) == 7 * held < held**2 == sum(found)


def test_a_relu_that_is_off_is_climbed_from_before() -> None:
    aim = aims.a_unit(NETWORK.table, "relu2_2", 0)
    assert aim.row == "conv2_2"


def test_variation_is_that_of_a_picture_by_hand() -> None:
    """Differences to the right 1, 0 and down 2, 1: their squares sum to 6, over 4 values, once."""
    u = torch.tensor([[0.0, 1.0], [2.0, 2.0]]).expand(1, 3, 2, 2)
    assert float(variation(u)) == pytest.approx(6 / 4)


def test_softening_keeps_what_is_flat() -> None:
    flat = torch.full((1, 3, 9, 7), 2.5)
    torch.testing.assert_close(softened(flat), flat)


def test_a_canvas_begins_near_the_mean_colour_of_photographs() -> None:
    image = Canvas(NETWORK, (30, 25), 0).image()
    assert image.shape == (1, 3, 30, 25)
    mean = image.mean((0, 2, 3)) / 255
    torch.testing.assert_close(mean, torch.tensor([0.462, 0.460, 0.434], dtype=torch.float64),
                               rtol=0.02, atol=0)  # fmt: skip


def test_losses_of_style_are_those_of_the_paper() -> None:
    """Gatys et al.: sum w_l / (4 N^2 M^2) sum (G - A)^2 with G = F F^T, and sum (F - P)^2 / 2."""
    generator = torch.Generator().manual_seed(0)
    ours, theirs = (
        {name: torch.rand(1, *shape, generator=generator)
         for name, shape in {"a": (5, 4, 3), "b": (2, 7, 2)}.items()}
        for _ in range(2)
    )  # fmt: skip
    expected = 0.0
    for row, (n, m) in {"a": (5, 12), "b": (2, 14)}.items():
        f, p = (values[row].reshape(n, m).numpy() for values in (ours, theirs))
        expected += 0.5 / (4 * n**2 * m**2) * ((f @ f.T - p @ p.T) ** 2).sum()
    found = style_loss(ours, {row: gram(values) for row, values in theirs.items()})
    assert float(found) == pytest.approx(expected, rel=1e-5)
    total = ((ours["a"] - theirs["a"]) ** 2).sum() / 2
    assert float(content_loss(ours["a"], theirs["a"])) == pytest.approx(float(total) / 60)


def test_averages_are_what_style_is_looked_at_by() -> None:
    by_largest = seen(NETWORK, ONE, ["relu2_1"])["relu2_1"]
    by_average = seen(NETWORK, ONE, ["relu2_1"], AVERAGES)["relu2_1"]
    assert not torch.allclose(by_largest, by_average)
