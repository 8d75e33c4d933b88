"""Pictures as they are made: what they climb to, seeds, octaves, inversion by depth, normalisation.

That a shallow layer gives a picture back and a deep one less is Mahendran & Vedaldi's finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import numpy as np
import pytest
import torch

from tests.conftest import real_pictures
from tests.insight.nets import PIXELS, exact
from verydeep.ascent import aims
from verydeep.ascent.climbing import climbed, decayed
from verydeep.ascent.dreaming import dreamt, octaves
from verydeep.ascent.inversion import inverted
from verydeep.ascent.looking import AVERAGES, Frame, from_picture, seen
from verydeep.ascent.styling import content_row, means, style_rows, styled
from verydeep.drawings.drawing import draw
from verydeep.errors import UserError
from verydeep.importers.parameters import AUTHORS
from verydeep.insight.signals import frozen
from verydeep.nets import vgg
from verydeep.nets.network import Network, build
from verydeep.nets.words import read_table
from verydeep.pictures.reading import read_picture

NETWORK = exact()
PICTURE, STYLE = (
    read_picture(np.random.default_rng(k).integers(0, 256, (40, 48, 3), dtype=np.uint8))
    for k in (0, 1)
)


def drawn(side: int) -> np.ndarray:
    return draw(3, 4, (side, side)).image


def test_a_unit_is_climbed_to() -> None:
    aim = aims.a_unit(NETWORK.table, "relu2_2", 1)
    first, *_, last = climbed(NETWORK, aim, (32, 32), 25, 0)
    assert last.value > 1.3 * first.value > 0
    assert (last.done, last.total, last.image.shape) == (25, 25, (32, 32, 3))


def test_a_class_is_climbed_to_by_decay_alone() -> None:
    """In the mean, the contrast comes to no more than rate / decay, half a photograph's spread."""
    aim = aims.a_class(NETWORK, 2)
    first, *_, last = decayed(NETWORK, aim, (32, 32), 25)
    assert last.value > first.value + 1
    ground = np.array(PIXELS.mean)
    assert 5 < np.abs(last.image - ground).mean() < 0.5 * 68.9 + 1


@pytest.mark.parametrize("aim", [aims.a_layer("relu2_1"), aims.a_unit(NETWORK.table, "relu2_2", 1)])
def test_a_dream_makes_more_of_its_aim(aim: aims.Aim) -> None:
    frames = [*dreamt(NETWORK, aim, PICTURE, 10, 0)]
    sizes = octaves(NETWORK.table, aim.row, (40, 48))
    assert len(frames) == 10 * len(sizes)
    assert frames[-1].image.shape == PICTURE.shape
    with torch.no_grad():
        before, after = (float(aim.of(NETWORK, from_picture(image, NETWORK)))
                         for image in (PICTURE, frames[-1].image))  # fmt: skip
    assert after > before + 0.1


def test_octaves_that_a_row_has_no_value_for_are_left_out() -> None:
    """40 / 1.4 = 29 is smaller than the crop of 32, which scores want; 40 / 1.4 ^ 3 = 15."""
    assert octaves(NETWORK.table, "scores", (40, 48)) == [(40, 48)]
    assert octaves(NETWORK.table, "relu2_1", (40, 48)) == [(15, 17), (20, 24), (29, 34), (40, 48)]


def test_a_seed_repeats_every_bit_and_another_does_not() -> None:
    aim = aims.a_layer("relu2_1")
    ways: list[Callable[[int], Iterator[Frame]]] = [
        lambda seed: climbed(NETWORK, aim, (32, 32), 3, seed),
        lambda seed: dreamt(NETWORK, aim, PICTURE, 1, seed),
        lambda seed: inverted(NETWORK, "relu2_1", PICTURE, 3, seed),
        lambda seed: styled(NETWORK, PICTURE, STYLE, 3, seed),
    ]
    for way in ways:
        one, again, other = [*way(1)], [*way(1)], [*way(2)]
        assert [f.value for f in one] == [f.value for f in again]
        assert np.array_equal(one[-1].image, again[-1].image)
        assert not np.array_equal(one[-1].image, other[-1].image)


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode])
def test_pictures_grow_where_gradients_are_switched_off_and_leave_them_so(
    around: Callable[[], AbstractContextManager[None]],
) -> None:
    aim = aims.a_unit(NETWORK.table, "relu2_2", 1)
    with around():
        for frames in (
            climbed(NETWORK, aim, (32, 32), 2, 0), decayed(NETWORK, aim, (32, 32), 2),
            dreamt(NETWORK, aim, PICTURE, 1, 0), inverted(NETWORK, "relu2_1", PICTURE, 2, 0),
            styled(NETWORK, PICTURE, STYLE, 2),
        ):  # fmt: skip
            assert not any(torch.is_grad_enabled() for _ in frames)


def test_a_shallow_layer_gives_a_picture_back_and_a_deep_one_less() -> None:
    """Beside them, the mean colour in every pixel misses by the picture's own deviation."""
    network = frozen(build("D", 3, width=0.125, crop=32, fc=8, pixels=PIXELS, initial="he"))
    image = drawn(32)
    missed = []
    for row in ("relu1_1", "relu2_1", "relu3_1"):
        *_, last = inverted(network, row, image, 50, 0)
        missed.append(float(np.abs(last.image.astype(float) - image).mean()))
    blank = np.abs(image - np.array(PIXELS.mean)).mean()
    assert missed[0] < 0.2 * blank
    assert missed[0] < missed[1] < missed[2]


def test_a_layer_that_says_nothing_cannot_be_inverted() -> None:
    network = exact()
    with torch.no_grad():
        network.get_parameter("conv1_1.bias").fill_(-1e9)
    with pytest.raises(UserError, match="says nothing of this picture"):
        next(inverted(network, "relu1_1", PICTURE, 3, 0))


@pytest.mark.parametrize("seed", [None, 0])
def test_the_style_loss_falls(seed: int | None) -> None:
    frames = [*styled(NETWORK, PICTURE, STYLE, 12, seed)]
    assert frames[-1].value < 0.5 * frames[0].value


def test_units_that_are_negative_in_the_mean_have_a_style_too() -> None:
    """As those of a net without ReLUs, whose trunk is its only row of style."""
    network = exact(("conv3-6", "maxpool", "conv3-8", "maxpool", "FC-12", "FC-4", "soft-max"))
    with torch.no_grad():
        network.get_submodule("conv1_1").get_parameter("bias").fill_(-9)
        found = means(network, [from_picture(PICTURE, network)], ["conv1_1"])["conv1_1"]
        values = seen(network, from_picture(PICTURE, network), ["conv1_1"])["conv1_1"]
    assert values.mean() < 0
    torch.testing.assert_close(found, values.abs().mean((2, 3), keepdim=True))


def test_a_picture_in_its_own_style_stays() -> None:
    *_, last = styled(NETWORK, drawn(40), drawn(40), 3)
    assert np.abs(last.image.astype(float) - drawn(40)).max() <= 8


def test_rows_of_style_are_the_papers() -> None:
    for name in "DE":
        table = vgg.table(name)
        assert style_rows(table) == [f"relu{k}_1" for k in range(1, 6)]
        assert content_row(table) == "relu4_2"
        assert aims.dream_row(table) == {"D": "relu4_3", "E": "relu4_4"}[name]


def test_values_by_their_means_do_not_ask_how_filters_are_scaled() -> None:
    """Each filter times some factor, undone in the next layer: the normalised network is one."""
    other = rescaled(NETWORK, ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"], 0)
    _same_normalised(NETWORK, other, [from_picture(PICTURE, NETWORK)])


def test_normalised_values_are_those_of_the_net_that_was_normalised_by_others() -> None:
    """E's conv1_1 to conv3_1 as they came with style transfer: means near 1 over ILSVRC.

    Scaled out of that, our values are theirs again, but for one factor of each unit.
    """
    arrays = np.load(real_pictures("weights") / "vgg19_normalised_conv1_1_to_conv3_1.npz")
    table = read_table("E", ("conv3-64", "conv3-64", "maxpool", "conv3-128", "conv3-128", "maxpool",
                             "conv3-256"), 32)  # fmt: skip
    network = Network.random(table, [], AUTHORS, "he", 0)
    network.load_state_dict({name: torch.from_numpy(arrays[name]) for name in arrays.files})
    network = frozen(network)
    names = ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"]
    pictures = sorted(real_pictures("ilsvrc_samples224").glob("*.jpg"))[::200]
    images = [from_picture(AUTHORS.read(path, 160), network) for path in pictures]
    _same_normalised(network, rescaled(network, names, 0), images)
    for row in style_rows(table):  # by max-pooling, as they measured
        every = torch.cat([seen(network, image, [row])[row].mean((2, 3)) for image in images])
        assert float(every.mean()) == pytest.approx(0.9, abs=0.3), row


def rescaled(network: Network, layers: list[str], seed: int) -> Network:
    """The same network with filters times random factors, undone in the next layer."""
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    before = None
    for layer in layers:
        weight, bias = (state[f"{layer}.{kind}"] for kind in ("weight", "bias"))
        generator = torch.Generator().manual_seed(seed)
        factors = torch.rand(len(weight), generator=generator, dtype=weight.dtype) + 0.1
        weight *= factors[:, None, None, None]
        weight /= 1 if before is None else before[:, None, None]
        bias *= factors
        before = factors
    found = Network.empty(network.table, network.classes, network.pixels)
    found.load_state_dict(state, assign=True)
    return frozen(found)


def _same_normalised(one: Network, other: Network, images: list[torch.Tensor]) -> None:
    rows = style_rows(one.table)
    scales = [means(network, images, rows) for network in (one, other)]
    values = [seen(network, images[0], rows, AVERAGES) for network in (one, other)]
    exact = values[0][rows[0]].dtype == torch.float64
    for row in rows:
        loud = [scale[row] > scale[row].min() for scale in scales]  # what is faint is held up
        there = (loud[0] & loud[1])[0, :, 0, 0]
        assert int(there.sum()) >= len(there) // 2
        mine, theirs = (v[row][:, there] / s[row][:, there]
                        for v, s in zip(values, scales, strict=True))  # fmt: skip
        torch.testing.assert_close(mine, theirs, rtol=1e-9 if exact else 2e-3,
                                   atol=1e-9 if exact else 2e-3)  # fmt: skip
