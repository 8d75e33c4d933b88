"""Convolutions in pieces against PyTorch's whole ones; whatever threads share, to the bit."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from torch.nn import functional as F

from verydeep.engines import plain, trunk, winograd
from verydeep.engines.winograd import Work
from verydeep.nets.network import build
from verydeep.nets.rows import Conv
from verydeep.runtime.threads import one_thread_each


def backwards(work: Work, numbers: Iterable[int]) -> None:
    """Spread over nothing, the last first: pieces are in no order."""
    for number in reversed([*numbers]):
        work(number)


@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "groups", "dilation"),
    [
        ((31, 22), 3, 1, 1, 1, 1), ((30, 21), 3, 2, 1, 1, 1), ((39, 23), 11, 4, 0, 1, 1),
        ((27, 27), 5, 1, 2, 2, 1), ((40, 33), 7, 2, 3, 1, 1), ((24, 24), 3, 1, 2, 1, 2),
        ((20, 20), 2, 1, 0, 4, 1), ((17, 9), 1, 2, 0, 1, 1), ((9, 9), 3, 1, 3, 1, 1),
    ],
)  # fmt: skip
def test_strips_come_to_the_whole(
    size: tuple[int, int], kernel: int, stride: int, padding: int, groups: int, dilation: int,
    pool: bool, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(plain, "PLACES", 16)
    row = Conv("c", ("x",), kernel, stride, padding, 8, groups, dilation)
    images, weight = torch.randn(2, 4, *size), torch.randn(8, 4 // groups, kernel, kernel)
    bias = torch.randn(8)
    expected = F.conv2d(images, weight, bias, stride, padding, dilation, groups).relu()
    expected = F.max_pool2d(expected, 2) if pool else expected
    tops: list[int] = []

    def spread(work: Work, numbers: Iterable[int]) -> None:
        tops.extend(numbers)
        backwards(work, tops)

    asked = images, row, weight, bias
    found = plain.in_strips(*asked, relu=True, pool=pool, spread=spread)
    assert len(tops) > 1
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-5)
    alone = plain.in_strips(*asked, relu=True, pool=pool, spread=winograd.one_by_one)
    torch.testing.assert_close(alone, expected, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("spread", [backwards, winograd.one_by_one])
def test_a_convolution_of_one_place_is_a_product(
    count: int, spread: winograd.Spread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain, "LONG", 100)
    monkeypatch.setattr(plain, "CHANNELS", 7)
    images, weight, bias = torch.randn(count, 12, 12, 6), torch.randn(20, 6), torch.randn(20)
    found = plain.pointwise(images, weight, bias, relu=True, spread=spread)
    torch.testing.assert_close(found, F.linear(images, weight, bias).relu())


@pytest.mark.parametrize("pool", [False, True])
def test_a_map_of_few_strips_is_shared_by_its_channels(pool: bool) -> None:
    images, filters, bias = torch.randn(2, 14, 17, 9), torch.randn(300, 9, 3, 3), torch.randn(300)
    shared = []

    def spread(work: Work, numbers: Iterable[int]) -> None:
        shared.append([*numbers])
        backwards(work, shared[-1])

    found = winograd.convolution(
        images, winograd.transformed(filters), bias, relu=True, pool=pool, spread=spread
    )
    expected = F.conv2d(images.permute(0, 3, 1, 2), filters, bias, padding=1).relu()
    expected = F.max_pool2d(expected, 2) if pool else expected
    torch.testing.assert_close(found.permute(0, 3, 1, 2), expected, atol=2e-4, rtol=1e-4)
    assert shared == [[0, 1, 2, 3], [0, 128, 256]]


NETS = {
    "A": {"width": 0.25}, "ResNet-50": {"crop": 64, "width": 0.25},
    "GoogLeNet": {"crop": 64, "width": 0.5}, "AlexNet": {"crop": 96, "width": 0.5},
}  # fmt: skip


@pytest.mark.parametrize("count", [1, 6])
@pytest.mark.parametrize("name", NETS)
@torch.inference_mode()
def test_nets_are_run_as_they_are_by_any_number_of_threads(
    name: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole pieces on threads, and pieces in turn of which threads share strips and channels."""
    monkeypatch.setattr(trunk, "SMALL", 2**16)
    monkeypatch.setattr(trunk, "VALUES", 2**18)
    monkeypatch.setattr(plain, "PLACES", 500)
    network = build(name, classes=3, initial="he", **NETS[name]).eval()  # type: ignore[arg-type]
    side = network.table.crop + 2 * network.table.step
    views = torch.randint(0, 256, (count, side, side + 5, 3)).to(torch.uint8)
    shown = network.table.shown
    images = network.pixels.normalise(views[:, shown(side), shown(side + 5)])
    row = network.table.trunk
    expected = network.run({"data": images}, [row])[row]
    scale = expected.abs().max()
    with one_thread_each():
        found = [trunk.WinogradTrunk(network, threads)(views) for threads in (1, 2, 3, 50)]
    for values in found:
        torch.testing.assert_close(values / scale, expected / scale, atol=2e-5, rtol=1e-3)
