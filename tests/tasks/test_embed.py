"""Embedding: triplets by hand and by loops, batches of several pictures of an identity, learning.

The gradient of micro-batches is held against that of the whole batch at once, by PyTorch.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from tests.conftest import TWO_CORES
from verydeep.datasets import open_dataset
from verydeep.drawings.outlines import OUTLINES, SHAPES
from verydeep.errors import UserError
from verydeep.nets.named import Sizes
from verydeep.nets.network import Network
from verydeep.nets.rows import PICTURE
from verydeep.pictures.preprocessing import Pixels
from verydeep.randomness import generator
from verydeep.runtime.distributed import Ranks
from verydeep.tasks.embed import EMBED, triplet_losses
from verydeep.training.balance import grouped_draws
from verydeep.training.defaults import choose
from verydeep.training.loader import CropSource, batches
from verydeep.training.settings import Settings
from verydeep.training.state import Training, tuned_layers
from verydeep.training.step import Step
from verydeep.verbs.train import train
from verydeep.weights.file import load

SMALL: dict[str, Any] = {
    "task": "embed", "net": "ResNet-8", "width": 0.5, "crop": 32, "scale": 32, "batch": 24,
    "rate": 0.1, "mirror": False, "colour": 0.0,
}  # fmt: skip


def shapes(root: Path, each: int, kinds: tuple[str, ...] = SHAPES) -> Path:
    """A folder of the drawn dataset's shapes, upright and white on black, a folder for each."""
    for label, kind in enumerate(kinds):
        (root / kind).mkdir(parents=True)
        for i in range(each):
            random = np.random.default_rng(1000 * label + i)
            outline = OUTLINES[kind](random)
            outline = outline - (outline.real.min() + 1j * outline.imag.min())
            size = max(np.ptp(outline.real), np.ptp(outline.imag))
            outline = outline / size * random.uniform(60, 90)
            free = 96 - np.ptp(outline.real), 96 - np.ptp(outline.imag)
            outline = outline + random.uniform(0, free[0]) + 1j * random.uniform(0, free[1])
            picture = Image.new("L", (96, 96))
            ImageDraw.Draw(picture).polygon([(z.real, z.imag) for z in outline], fill=255)
            picture.resize((32, 32)).save(root / kind / f"{i}.png")
    return root


def test_triplets_are_by_hand() -> None:
    """Of (1, 0), (0.6, 0.8) of one and (0, 1) of another: 0.8 apart, and 2 and 0.4 from it.

    From the first the other is farther by 1.2, more than the margin. From the second nothing is
    farther than its like, and the farthest loses 0.8 - 0.4 + 0.2. So two triplets lose 0.6.
    """
    given = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    each = triplet_losses(given, torch.tensor([7, 7, 9]))
    assert each.tolist() == pytest.approx([0, 0.6 * 3 / 2, 0], abs=1e-6)
    assert float(each.mean()) == pytest.approx(0.3, abs=1e-6)


def test_the_negative_is_the_nearest_of_those_that_are_farther() -> None:
    """From (1, 0) the like is 0.8 away, (0.8, 0.6) 0.4, (0.28, 0.96) 1.44 and (0, 1) 2.

    The first of these is nearer, the second loses nothing with a margin of 0.2 and 0.36 with 1.
    """
    given = torch.tensor([[1.0, 0], [0.6, 0.8], [0.8, 0.6], [0.28, 0.96], [0, 1.0]])
    identities = torch.tensor([0, 0, 1, 2, 3])
    assert float(triplet_losses(given, identities)[0]) == pytest.approx(0, abs=1e-6)
    wide = triplet_losses(given, identities, margin=1.0)
    assert float(wide[0]) == pytest.approx((0.8 - 1.44 + 1) * 5 / 2, abs=1e-5)


def by_loops(given: np.ndarray, identities: list[int], margin: float) -> float:
    """The mean loss of all anchors and positives, one after another."""
    apart = ((given[:, None] - given[None]) ** 2).sum(2)
    lost = []
    for a, own in enumerate(identities):
        others = [apart[a, n] for n, other in enumerate(identities) if other != own]
        for p, other in enumerate(identities):
            if other == own and p != a and others:
                farther = [d for d in others if d > apart[a, p]]
                chosen = min(farther) if farther else max(others)
                lost.append(max(0.0, apart[a, p] - chosen + margin))
    return float(np.mean(lost))


@pytest.mark.parametrize("margin", [0.2, 1.0])
def test_triplets_are_those_of_loops(margin: float) -> None:
    random = np.random.default_rng(0)
    for identities in ([0, 0, 0, 1, 1, 2], random.integers(0, 5, 30).tolist(), [0] * 4 + [1]):
        given = random.normal(0, 1, (len(identities), 8))
        given /= np.linalg.norm(given, axis=1, keepdims=True)
        ours = triplet_losses(torch.from_numpy(given), torch.tensor(identities), margin).mean()
        assert float(ours) == pytest.approx(by_loops(given, identities, margin))


def test_without_a_positive_or_a_negative_nothing_is_lost_nor_pulled() -> None:
    given = torch.eye(3, requires_grad=True)
    for identities in ([0, 1, 2], [4, 4, 4]):
        each = triplet_losses(given, torch.tensor(identities))
        assert each.tolist() == [0, 0, 0]
        (gradient,) = torch.autograd.grad(each.sum(), given)
        assert not gradient.any()


def test_a_batch_has_several_pictures_of_an_identity_or_all_there_are() -> None:
    labels = np.repeat(np.arange(12), [9, 9, 9, 9, 9, 9, 9, 9, 3, 3, 1, 1])
    found = grouped_draws(labels, len(labels), 20, 4, generator(0, "order"))
    assert len(found) == 20 * (len(labels) // 20)
    for batch in found.reshape(-1, 20):
        counts = np.bincount(labels[batch % len(labels)], minlength=12).tolist()
        whole = [min(4, there) for there in np.bincount(labels).tolist()]
        cut = [k for k, count in enumerate(counts) if count not in (0, whole[k])]
        assert len(cut) <= 1  # the last, that the batch is full
        assert max(counts) == 4
        assert len({*batch.tolist()}) == 20
    assert [*found] != [*grouped_draws(labels, len(labels), 20, 4, generator(1, "order"))]


@pytest.mark.parametrize("batch", [1, 2])
def test_a_batch_without_a_triplet_is_refused(batch: int) -> None:
    """Two of one identity and one of another are three."""
    part = open_dataset("drawn:40x48").train
    with pytest.raises(UserError, match=f"a batch of {batch} is too small for task embed, .* 3 at"):
        choose(part, TWO_CORES.machine, {**SMALL, "batch": batch})
    assert choose(part, TWO_CORES.machine, {**SMALL, "batch": 3}).settings.sampling == "grouped"


def test_a_small_batch_still_has_two_identities() -> None:
    labels = np.repeat(np.arange(3), 9)
    for batch in grouped_draws(labels, 27, 4, 4, generator(0, "order")).reshape(-1, 4):
        assert sorted(np.bincount(labels[batch % 27], minlength=3).tolist()) == [0, 2, 2]


@pytest.mark.parametrize("net", ["A", "A-BN"])
def test_micro_batches_learn_what_the_whole_batch_would(net: str) -> None:
    """With norms the whole batch is one micro-batch, by whose statistics it is normalised."""
    micro = 7 if net == "A" else 24
    settings = Settings(
        task="embed", net=net, width=0.0625, crop=32, fc=16 if net == "A" else 0, scale=(32, 32),
        batch=24, sampling="grouped", micro_batch=micro, dropout=0.0,
    )  # fmt: skip
    table = settings.sizes.table(EMBED.last_rows(open_dataset("drawn:40x32")))
    network = Network.random(table, (), Pixels((32, 32), (128.0,) * 3, (60.0,) * 3), "he", 0)
    part = open_dataset("drawn:40x32").train
    batch = next(batches(CropSource(part, network.pixels), settings, 0, 1))
    training = Training.of(network, settings)
    training.network.train()
    with ThreadPoolExecutor(2) as pool:
        step = Step(training, settings, pool, Ranks())
        loss, ours, _ = step.gradients(batch, 0)
    shown = batch.shown(network.pixels)
    found = network.run({PICTURE: shown}, ["embedding"])["embedding"].flatten(1)
    whole = triplet_losses(found, batch.targets).mean()
    theirs = torch.autograd.grad(whole, [*step.learnt.values()])
    assert float(loss) == pytest.approx(float(whole.detach()), rel=1e-5)
    largest = max(float(gradient.abs().max()) for gradient in theirs)
    for one, other in zip(ours, theirs, strict=True):  # biases before norms have none
        torch.testing.assert_close(one, other, atol=1e-5 * largest, rtol=1e-3)


@pytest.mark.parametrize(
    ("net", "words"),
    [
        ("D", ("FC-4096", "FC-4096", "FC-128", "L2")),
        ("NN2", (")", "avepool", "FC-128", "L2")),
        ("ResNet-18", ("avepool", "FC-128", "L2")),
        ("NiN-CIFAR", ("conv1-128", "avepool", "L2")),
        ("GoogLeNet-aux", ("dropout 0.4", "FC-128", "L2")),
    ],
)
def test_any_net_can_end_in_an_embedding(net: str, words: tuple[str, ...]) -> None:
    last = EMBED.last_rows(open_dataset("drawn:40x32"))
    crop = 32 if net == "NiN-CIFAR" else 224
    table = Sizes(net, crop=crop).table(last)
    assert table.words[-len(words) :] == words
    assert (table.is_embedding, table.outputs, table.class_count) == (True, 128, 0)
    heads = [name for name in tuned_layers(table, "all") if name.startswith("loss")]
    assert not heads  # whose losses would be of numbers of any length


def test_identities_that_were_never_seen_are_learnt_to_be_told() -> None:
    """By pictures of ten shapes, of which two choose the weights and are not learnt from.

    Random numbers have an error of a half, and the first epoch leaves one of about 30 %.
    """
    run = train(shapes(Path("shapes"), 12), "run", TWO_CORES, epochs=5, **SMALL)
    train_part, validation = run.dataset.train, run.dataset.validation
    assert not {*train_part.labels.tolist()} & {*validation.labels.tolist()}
    assert run.best.figures["eer"] < 15
    kept = load("run")
    assert (kept.classes, kept.table.outputs) == ((), 128)
    judged = EMBED.judge(kept, validation, TWO_CORES, lambda: None)
    assert judged.figures["eer"] == pytest.approx(run.best.figures["eer"], abs=1e-6)
    assert run.judged["validation"].figures == judged.figures
    assert (run.folder / "report.html").exists() is False  # commands write it


def test_what_no_embedding_can_be_learnt_from_is_one_line() -> None:
    few = shapes(Path("few"), 3, SHAPES[:3])
    with pytest.raises(UserError, match="few has 3 identities; 4 are needed, two to learn from"):
        train(few, "run", TWO_CORES, epochs=1, **SMALL)
    alone = shapes(Path("alone"), 1, SHAPES[:6])
    with pytest.raises(UserError, match="of 4 identities of train of alone each has one picture"):
        train(alone, "run", TWO_CORES, epochs=1, **SMALL)
    others: dict[str, Any] = {"fold": (0, 5), "validation": "drawn"}
    for setting, value in others.items():
        with pytest.raises(UserError, match=f"{setting} parts the pictures of each class"):
            train("drawn:40x32", "run", TWO_CORES, epochs=1, **{setting: value, **SMALL})


class _OfTwo(Ranks):
    """One of two processes that meet in this one, each in a thread of its own."""

    def __init__(self, rank: int, meeting: Barrier, table: dict[int, list[torch.Tensor]]) -> None:
        super().__init__(rank, 2)
        self.meeting, self.table = meeting, table

    def all_reduce(self, tensors: Any, what: str, *, exactly: bool = False) -> None:
        self.table[self.rank] = [tensor.clone() for tensor in tensors]
        self.meeting.wait()
        for i, tensor in enumerate(tensors):
            tensor.copy_(self.table[0][i] + self.table[1][i])
        self.meeting.wait()


def test_two_processes_learn_what_one_does() -> None:
    settings = Settings(
        task="embed", net="A", width=0.0625, crop=32, fc=16, scale=(32, 32), batch=21,
        sampling="grouped", micro_batch=4, dropout=0.0,
    )  # fmt: skip
    data = open_dataset("drawn:40x32")
    table = settings.sizes.table(EMBED.last_rows(data))
    network = Network.random(table, (), Pixels((32, 32), (128.0,) * 3, (60.0,) * 3), "he", 0)
    meeting, met = Barrier(2), dict[int, list[torch.Tensor]]()

    def gradients(rank: int, count: int) -> tuple[float, list[torch.Tensor]]:
        source = CropSource(data.train, network.pixels, share=(rank, count))
        batch = next(batches(source, settings, 0, 1))
        ranks = _OfTwo(rank, meeting, met) if count == 2 else Ranks()
        with ThreadPoolExecutor(1) as pool:
            step = Step(Training.of(deepcopy(network), settings), settings, pool, ranks)
            loss, found, _ = step.gradients(batch, 0)
        return float(loss), found

    loss, alone = gradients(0, 1)
    with ThreadPoolExecutor(2) as both:
        for theirs, found in both.map(lambda rank: gradients(rank, 2), (0, 1)):
            assert theirs == pytest.approx(loss, rel=1e-5)
            for one, other in zip(found, alone, strict=True):
                torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-3)
