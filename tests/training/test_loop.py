"""Training, on pictures drawn here.

SGD with momentum and decay is written out by hand below (Sect. 3.1: v <- 0.9 v + g + 5e-4 w,
w <- w - rate v, as Caffe and PyTorch have it) and compared step by step.
"""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.conftest import TWO_CORES, drawn_photos
from verydeep.datasets import open_dataset
from verydeep.errors import PictureError, UserError
from verydeep.evaluation.scores import load_scores
from verydeep.files import folder_lock
from verydeep.nets import vgg
from verydeep.nets.network import Network, build
from verydeep.parts.dataset import Part
from verydeep.pictures.preprocessing import Pixels
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import SILENT
from verydeep.runtime.runtime import Runtime
from verydeep.tasks.classify import CLASSIFY
from verydeep.tasks.task import Judgement
from verydeep.training.defaults import choose, refuse_without_effect
from verydeep.training.loader import (
    Augmentation,
    CropSource,
    batches,
    epoch_in_words,
    order,
    read_crop,
    remember,
    steps,
)
from verydeep.training.loop import fit
from verydeep.training.recipes import Recipe, recipe
from verydeep.training.run import new_folder
from verydeep.training.run_toml import OPTIONS, command_line, to_toml
from verydeep.training.settings import Settings, checked
from verydeep.training.state import Epoch, Schedule, Training
from verydeep.training.step import NotFiniteError
from verydeep.verbs.evaluate import evaluate
from verydeep.verbs.first_network import first_network
from verydeep.verbs.train import train
from verydeep.weights.file import load

SMALL: dict[str, Any] = {
    "net": "A", "width": 0.125, "crop": 32, "scale": 40, "batch": 10, "initial": "he", "rate": 0.01,
}  # fmt: skip
SETTINGS = Settings(**checked(SMALL), epochs=3, patience=3, micro_batch=4)
PIXELS = Pixels((40, 40), (120.0, 115.0, 110.0), (58.0, 58.0, 58.0))


def drawn(count: int = 30) -> tuple[Part, Part]:
    dataset = open_dataset(f"drawn:{count}x48")
    return dataset.train, dataset.validation


def network(settings: Settings = SETTINGS) -> Network:
    return build("A", 10, width=0.125, crop=32, pixels=PIXELS, initial="he", seed=settings.seed)


def trained(settings: Settings = SETTINGS, threads: int = 2) -> tuple[Network, list[Epoch]]:
    net = network(settings)
    train_part, test_part = drawn()
    training = Training.of(net, settings)
    runtime = Runtime(Machine("cpu", threads))
    return net, list(fit(training, source_of(train_part), test_part, settings, runtime))


def source_of(part: Part) -> CropSource:
    """A part with axes of colour that are the channels' own: a shift of 10 grey levels each."""
    return CropSource(part, PIXELS, ((10.0, 0.0, 0.0), (0.0, 10.0, 0.0), (0.0, 0.0, 10.0)))


def weights_of(net: Network) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def test_a_check_that_gives_no_finite_loss_ends_a_training_as_a_step_does() -> None:
    """Three batches of ten an epoch; the last step of the first is named."""
    train_part, test_part = drawn()
    training = Training.of(network(), SETTINGS)

    def judge(*given: object) -> Judgement:
        return Judgement(float("inf"), {"top1": 90.0, "top5": 50.0})

    with pytest.raises(NotFiniteError, match="validation loss is not finite after epoch 1") as told:
        list(fit(training, source_of(train_part), test_part, SETTINGS, judge=judge))
    assert told.value.step == 2


# --- the loader


def test_a_class_that_no_weights_file_takes_is_named_before_training() -> None:
    dataset = replace(open_dataset("drawn:30"), classes=("dog", "\x1b[2Kcat"))
    with pytest.raises(UserError, match=r"a class name .*, '\\x1b\[2Kcat'; rename its folder"):
        first_network(dataset, SETTINGS)


def test_an_epoch_shows_every_picture_once_in_another_order() -> None:
    first, second = order(30, SETTINGS, 0), order(30, SETTINGS, 1)
    assert sorted(first.tolist()) == list(range(30))
    assert first.tolist() != second.tolist()
    assert first.tolist() == order(30, SETTINGS, 0).tolist()


def test_batches_are_of_one_size_and_hold_the_pictures_of_the_order() -> None:
    part, _ = drawn(33)
    made = list(batches(source_of(part), SETTINGS, 0, threads=2))
    assert [len(b.targets) for b in made] == [10, 10, 10]
    assert steps(33, SETTINGS) == 3
    shown = np.concatenate([b.targets.numpy() for b in made])
    chosen = np.array_split(order(33, SETTINGS, 0), 3)
    assert shown.tolist() == part.labels[np.concatenate([c[:10] for c in chosen])].tolist()


def test_batches_do_not_depend_on_the_number_of_threads() -> None:
    part, _ = drawn()
    one, four = (list(batches(source_of(part), SETTINGS, 2, threads=t)) for t in (1, 4))
    assert all(torch.equal(a.images, b.images) for a, b in zip(one, four, strict=True))


def test_crops_vary_by_epoch_and_sample_and_seed_alone() -> None:
    part, _ = drawn()
    base, first = crop(part, SETTINGS, 0, 0)
    again, same = crop(part, SETTINGS, 0, 0)
    assert (again == base).all()
    assert (same.shift == first.shift).all()
    others = [crop(part, SETTINGS, epoch, 0) for epoch in range(1, 4)]
    others.append(crop(part, replace(SETTINGS, seed=1), 0, 0))
    assert any((image != base).any() for image, _ in others)
    assert all((other.shift != first.shift).any() for _, other in others)


def test_half_of_the_crops_are_mirrored_and_all_places_are_met() -> None:
    """A picture whose columns are numbered tells where a crop was cut, and which way round."""
    image = np.zeros((40, 40, 3), np.uint8)
    image[..., 0], image[..., 1] = np.mgrid[:40, :40]
    part = Part(["x"], np.zeros(1, np.int64), lambda i: image)
    crops = [crop(part, SETTINGS, epoch, 0) for epoch in range(2000)]
    assert np.mean([d.mirrored for _, d in crops]) == pytest.approx(0.5, abs=0.05)
    places = {(int(image[0, 0, 0]), int(image[0, 0, 1])) for image, _ in crops}
    assert places == {(y, x) for y in range(9) for x in range(9)}


def test_a_batch_is_shown_mirrored_shifted_and_less_the_mean() -> None:
    """By hand: (value, mirrored where it says so, + shift - mean) / deviation."""
    part, _ = drawn()
    batch = next(batches(source_of(part), SETTINGS, 0, threads=1))
    assert 0 < int(batch.mirrored.sum()) < 10
    shown = batch.shown(PIXELS)
    for i in range(10):
        image = batch.images[i].numpy().astype(np.float64)
        image = image[:, ::-1] if batch.mirrored[i] else image
        expected = (image + batch.shift[i].numpy() - PIXELS.mean) / PIXELS.std
        np.testing.assert_allclose(shown[i].permute(1, 2, 0).numpy(), expected, atol=1e-5)
    assert 0.3 < float(batch.shift.std()) < 3  # 0.1 x 10 grey levels


def test_a_jittered_scale_is_drawn_with_both_its_ends() -> None:
    """The side of the picture that a crop was cut from is told by how fast its columns rise."""
    image = np.zeros((80, 80, 3), np.uint8)
    image[..., 1] = 3 * np.arange(80)
    part = Part(["x"], np.zeros(1, np.int64), lambda i: image)
    settings = replace(SETTINGS, scale=(40, 44))
    sides = set()
    for epoch in range(200):
        row = crop(part, settings, epoch, 0)[0][16, :, 1].astype(float)
        rise = np.polyfit(np.arange(8, 24), row[8:24], 1)[0]
        sides.add(round(3 * 80 / rise))
    assert sides == {40, 41, 42, 43, 44}


def crop(
    part: Part, settings: Settings, epoch: int, sample: int
) -> tuple[np.ndarray, Augmentation]:
    out = np.empty((32, 32, 3), np.uint8)
    drawn_, *_ = read_crop(source_of(part), settings, epoch, sample, out)
    return out, drawn_


def broken_at(part: Part, *broken: int) -> Part:
    def source(i: int) -> Any:
        return b"broken" if i in broken else part.source(i)

    return replace(part, source=source)


def test_a_bad_picture_stops_is_skipped_or_is_substituted() -> None:
    part, _ = drawn()
    source = source_of(broken_at(part, *order(30, SETTINGS, 0)[:2]))
    with pytest.raises(PictureError):
        next(batches(source, SETTINGS, 0, threads=1))
    skipped = next(batches(source, replace(SETTINGS, bad_picture="skip"), 0, threads=1))
    assert skipped.weight.tolist() == [0.0] * 2 + [1.0] * 8
    assert len(skipped.faults) == 2
    first, again = (
        next(batches(source, replace(SETTINGS, bad_picture="substitute"), 0, threads=t))
        for t in (1, 4)
    )
    assert first.weight.tolist() == [1.0] * 10
    assert torch.equal(first.images, again.images)
    assert len(first.faults) == 2


def test_processes_share_a_batch_in_order() -> None:
    part, _ = drawn()
    whole = next(batches(source_of(part), SETTINGS, 1, threads=1))
    halves = [
        next(batches(replace(source_of(part), share=(n, 2)), SETTINGS, 1, threads=1))
        for n in (0, 1)
    ]
    assert torch.equal(torch.cat([half.images for half in halves]), whole.images)
    assert torch.equal(torch.cat([half.shift for half in halves]), whole.shift)


def test_batches_go_on_from_any_step() -> None:
    part, _ = drawn()
    whole = list(batches(source_of(part), SETTINGS, 1, threads=2))
    rest = list(batches(source_of(part), SETTINGS, 1, threads=2, first=2))
    assert len(rest) == 1
    assert torch.equal(rest[0].images, whole[2].images)


def test_remembered_pictures_are_the_same_and_faults_are_left_out() -> None:
    part, _ = drawn()

    def source(i: int) -> Any:
        return b"\xff\xd8\xff broken" if i == 3 else part.source(i)

    broken = replace(part, source=source)
    kept, faults = remember(broken, PIXELS, 2, SILENT)
    assert len(kept) == 29
    assert len(faults) == 1
    rescaled = PIXELS.read(part.source(4), 40)
    assert np.array_equal(np.asarray(kept.source(3)), rescaled)
    assert kept.names[3] == part.names[4]


def test_pictures_beyond_the_memory_limit_are_read_when_asked_for() -> None:
    part, _ = drawn()
    kept, _ = remember(part, PIXELS, 2, SILENT, limit=10 * 40 * 40 * 3)
    for i in (0, 29):
        shown = PIXELS.read(kept.source(i), 40)
        assert (shown == PIXELS.read(part.source(i), 40)).all()


# --- the loop


def test_sgd_is_the_papers_written_out_by_hand() -> None:
    settings = replace(SETTINGS, dropout=0.0, epochs=2, latest_cuts=(0.5,), micro_batch=100)
    found, epochs = trained(settings)
    assert [e.rate for e in epochs] == pytest.approx([0.01, 0.001])

    by_hand = network(settings)
    weights = list(by_hand.parameters())
    velocity = [torch.zeros_like(w) for w in weights]
    by_hand.train()
    for module in by_hand.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    for epoch, rate in ((0, 0.01), (1, 0.001)):
        for batch in batches(source_of(drawn()[0]), settings, epoch, threads=1):
            shown = batch.images.numpy().astype(np.float64)
            shown = np.stack(
                [s[:, ::-1] if m else s for s, m in zip(shown, batch.mirrored, strict=True)]
            )
            shown = (shown + batch.shift[:, None, None].numpy() - np.array(PIXELS.mean)) / 58
            scores = by_hand(torch.from_numpy(shown.astype(np.float32).transpose(0, 3, 1, 2)))
            gradients = torch.autograd.grad(F.cross_entropy(scores, batch.targets), weights)
            with torch.no_grad():
                for w, v, g in zip(weights, velocity, gradients, strict=True):
                    v.mul_(0.9).sub_(rate * (g + 5e-4 * w))
                    w.add_(v)
    torch.testing.assert_close(weights_of(found), weights_of(by_hand), rtol=1e-3, atol=1e-5)


def test_an_average_of_the_weights_forgets_those_it_began_with() -> None:
    """By hand, decay 0.9, of a weight that is 1, 2 and 4 after three updates, whatever before.

    (0.1 x 0.81 x 1 + 0.1 x 0.9 x 2 + 0.1 x 4) / (1 - 0.729) = 0.661 / 0.271; with the second of
    four steps left out the same.
    """
    for left_out, numbers in (([], (0, 1, 2)), ([1], (0, 2, 3))):
        training = Training.of(network(), replace(SETTINGS, average=0.9))
        training.left_out = left_out
        bias = training.network.get_submodule("fc8").get_parameter("bias")
        for number, value in zip(numbers, (1.0, 2.0, 4.0), strict=True):
            torch.nn.init.constant_(bias, value)
            training.update_average(0.9, number)
        assert training.average is not None
        torch.testing.assert_close(training.average["fc8.bias"], torch.full((10,), 2.4391144))


def test_a_mean_of_the_last_epochs_ends_is_of_their_weights() -> None:
    """Learning goes on as without; from the second of three epochs on, the mean of two, by hand."""
    settings = replace(SETTINGS, epochs=3)
    ends: list[torch.Tensor] = []
    kept: list[torch.Tensor] = []
    train_part, test_part = drawn(10)
    for given, found in ((settings, ends), (replace(settings, mean_from=2), kept)):
        net = network()
        training = Training.of(net, given)
        for _ in fit(training, source_of(train_part), test_part, given):
            found.append(weights_of(net).clone())
    first, second, third = ends
    torch.testing.assert_close(kept[0], first)
    torch.testing.assert_close(kept[1], second)
    torch.testing.assert_close(kept[2], (second + third) / 2)
    with pytest.raises(UserError, match="two averages of the weights"):
        replace(settings, average=0.9, mean_from=2)
    with pytest.raises(UserError, match="mean_from is 4, and there are 3 epochs"):
        replace(settings, mean_from=4)


def test_shards_give_the_gradient_of_the_whole_batch() -> None:
    whole, sharded = (
        trained(replace(SETTINGS, dropout=0.0, epochs=1, micro_batch=size))[0] for size in (10, 3)
    )
    torch.testing.assert_close(weights_of(whole), weights_of(sharded), rtol=1e-3, atol=1e-5)


def test_fewer_pictures_than_a_batch_are_learnt_from_as_one_batch() -> None:
    """As when some of them turn out unreadable: the loss is the mean over those there are."""
    few = drawn()[0].only(range(7))
    losses = []
    for batch in (7, 10):
        settings = replace(SETTINGS, dropout=0.0, epochs=1, batch=batch)
        net = network()
        (epoch,) = fit(Training.of(net, settings), source_of(few), few, settings)
        losses.append((epoch.loss, weights_of(net)))
    assert losses[0][0] == losses[1][0]
    assert torch.equal(losses[0][1], losses[1][1])


def test_training_again_gives_the_same_bits_whatever_the_threads() -> None:
    (one, log), (same, same_log) = trained(threads=1), trained(threads=4)
    assert torch.equal(weights_of(one), weights_of(same))
    assert [e.loss for e in log] == [e.loss for e in same_log]


def test_another_seed_gives_another_network() -> None:
    assert not torch.equal(
        weights_of(trained()[0]), weights_of(trained(replace(SETTINGS, seed=1))[0])
    )


def test_dropout_is_on_while_training_and_off_while_testing() -> None:
    net, _ = trained(replace(SETTINGS, epochs=1))
    with_dropout = weights_of(net)
    without, _ = trained(replace(SETTINGS, epochs=1, dropout=0.0))
    assert not torch.equal(with_dropout, weights_of(without))
    crop_ = torch.zeros(2, 3, 32, 32)
    assert torch.equal(net(crop_), net(crop_))


@pytest.mark.slow
def test_ten_pictures_are_learnt_by_heart() -> None:
    settings = replace(
        SETTINGS,
        epochs=120,
        dropout=0.0,
        scale=(32, 32),
        colour=0.0,
        latest_cuts=(0.9,),
        patience=120,
        rate=0.005,
    )
    part, _ = drawn(10)
    pixels = replace(PIXELS, scale=(32, 32))
    net = build("A", 10, width=0.25, crop=32, pixels=pixels, initial="he")
    *_, last = fit(Training.of(net, settings), CropSource(part, pixels), part, settings)
    assert last.figures["top1"] == 0


def test_a_loss_that_is_not_finite_stops_and_names_the_step() -> None:
    with pytest.raises(
        NotFiniteError, match=r"not finite at step \d+ \(rate 1e\+06\): .*try --rate"
    ):
        trained(replace(SETTINGS, rate=1e6))


def test_waiting_is_a_share_of_the_time() -> None:
    _, epochs = trained()
    assert all(0 <= e.waiting <= 1 for e in epochs)


# --- the schedule: epochs with these errors must give these rates (by hand, patience 2)


def rates(errors: list[float], **given: Any) -> tuple[list[float], bool]:
    settings = Settings(**{"patience": 2, "rate": 1.0, "epochs": 100, **given})
    schedule, found, ended = Schedule(settings, CLASSIFY.watched), [], False
    for number, error in enumerate(errors):
        assert not ended
        schedule.begin(number)
        found.append(schedule.rate(10 * number + 9, 10))
        ended = schedule.ended_by(Epoch(number + 1, 0, 0, 0, 0, {"top1": error}, 0, 0))
    return found, ended


def test_the_rate_is_cut_on_a_plateau_three_times_and_then_training_ends() -> None:
    found, ended = rates([50, 40, 40, 40, 39, 39, 39, 38, 38, 38, 37, 37, 37])
    assert found == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01] + [0.001] * 3)
    assert ended


def test_without_a_plateau_the_papers_rate_is_never_cut() -> None:
    found, ended = rates([100 - i for i in range(74)], epochs=74)
    assert found == [1.0] * 74
    assert not ended


def test_the_rate_is_cut_at_the_latest_at_its_share_of_the_epochs() -> None:
    found, ended = rates([10 - i for i in range(10)], epochs=10, latest_cuts=(0.5, 0.8, 0.9))
    assert found == pytest.approx([1] * 5 + [0.1] * 3 + [0.01, 0.001])
    assert not ended


def test_a_rate_rises_with_the_steps_and_falls_along_half_a_cosine() -> None:
    """By hand: 4 epochs of 2 steps, of which 3 rise; of 5 more, step n has (1 + cos(n pi / 5)) / 2,
    whose cosines are those of 0, 36, 72, 108 and 144 degrees."""
    settings = Settings(rate=2.0, epochs=4, fall="cosine", warm_up=1.5)
    schedule = Schedule(settings, CLASSIFY.watched)
    rates = [schedule.rate(step, 2) for step in range(8)]
    cosines = [1, 0.809017, 0.309017, -0.309017, -0.809017]
    assert rates == pytest.approx([2 / 3, 4 / 3, 2, *(1 + cosine for cosine in cosines)])
    assert not schedule.ended_by(Epoch(1, 2, 0, 0, 0, {"top1": 50.0}, 0, 0))


def test_a_rate_that_rises_longer_than_the_epochs_is_refused() -> None:
    with pytest.raises(UserError, match="warm_up is 4 epochs of 4; it must end before they do"):
        Settings(epochs=4, warm_up=4)


# --- settings and how they are chosen


def test_the_papers_settings_are_the_defaults() -> None:
    paper = Settings()
    assert (paper.momentum, paper.decay, paper.dropout) == (0.9, 5e-4, 0.5)
    assert (paper.batch, paper.rate, paper.epochs) == (256, 1e-2, 74)
    assert (paper.divide, paper.latest_cuts) == (False, ())


@pytest.mark.parametrize("count", [12, 200, 2000])
def test_what_is_chosen_can_be_trained_and_has_a_reason(count: int) -> None:
    part = open_dataset(f"drawn:{count}x64").train
    choice = choose(part, TWO_CORES.machine, {})
    settings = choice.settings
    assert settings.batch <= count
    assert settings.scale == (settings.crop * 5 // 4,) * 2
    for name in ("net", "width", "crop", "scale", "batch", "epochs", "momentum", "decay", "divide"):
        assert choice.reasons[name]
    vgg.table(settings.net, 10, settings.width, settings.crop)


@pytest.mark.parametrize(
    ("pictures", "batch", "left"),
    [(20, 20, 0), (61, 30, 1), (33, 32, 1), (47, 23, 1), (100, 25, 0), (9469, 32, 29)],
)
def test_an_epoch_leaves_few_pictures_out(pictures: int, batch: int, left: int) -> None:
    """By hand: 61 = 2 x 30 + 1, 47 = 2 x 23 + 1, 9,469 = 295 x 32 + 29; at most 1 in 46."""
    part = open_dataset(f"drawn:{pictures}x64").train
    settings = choose(part, TWO_CORES.machine, {}).settings
    assert settings.batch == batch
    said = epoch_in_words(pictures, settings)
    assert (f"; {left} of {pictures:,} left out, others each time" in said) == (left > 0)


def test_more_pictures_get_fewer_epochs_and_more_cores_get_more() -> None:
    few, many = (open_dataset(f"drawn:{n}x64").train for n in (1000, 20_000))
    given = {"net": "A", "width": 0.25, "crop": 64}
    assert choose(few, TWO_CORES.machine, given).settings.epochs > (
        by_two := choose(many, TWO_CORES.machine, given).settings.epochs
    )
    assert choose(many, Machine("cpu", 8), given).settings.epochs > by_two


def test_a_net_without_norms_learns_as_the_papers_do() -> None:
    """Norms let the rate be ten times as high, and fall along a cosine; without, plateaus count.

    100 pictures are 4 steps of 25, and 50 steps of rising are 12 epochs of them."""
    part = open_dataset("drawn:100x64").train
    plain = choose(part, TWO_CORES.machine, {"net": "A"}).settings
    normed = choose(part, TWO_CORES.machine, {}).settings
    assert (plain.fall, plain.fc, plain.dropout, plain.scale) == ("plateau", None, 0.25, (96, 96))
    assert (normed.fall, normed.fc, normed.warm_up) == ("cosine", 0, 12)
    assert normed.rate == pytest.approx(10 * plain.rate)


@pytest.mark.parametrize(("batch", "micro"), [(32, 16), (30, 15), (20, 10), (17, 9), (16, 16)])
def test_norms_go_by_like_numbers_of_pictures(batch: int, micro: int) -> None:
    """By hand: as few micro-batches of 16 at the most as there can be, as even as they can be."""
    part = open_dataset("drawn:100x64").train
    assert choose(part, TWO_CORES.machine, {"batch": batch}).settings.micro_batch == micro


@pytest.mark.parametrize(("batch", "micro"), [(4, 8), (8, 8), (16, 8), (32, 8), (48, 12), (64, 16)])
def test_a_batch_without_norms_is_shared_by_several_threads(batch: int, micro: int) -> None:
    """By hand: a quarter of the batch, from 8 to 16."""
    part = open_dataset("drawn:100x64").train
    assert (
        choose(part, TWO_CORES.machine, {"net": "A", "batch": batch}).settings.micro_batch == micro
    )


def test_micro_batches_are_made_smaller_for_memory_but_where_they_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("verydeep.training.defaults.micro_batch_of", lambda table, most: most // 4)
    part = open_dataset("drawn:100x64").train
    of_recipe = Recipe("mine", {"net": "A", "width": 0.125, "crop": 32, "micro_batch": 8})
    for given, named, expected in (
        ({}, None, 3),  # of 25 pictures in two micro-batches of 13
        ({"net": "A"}, None, 2),  # of 8
        ({"micro_batch": 12}, None, 12),
        ({"batch": 16}, of_recipe, 8),
        ({"batch": 16}, Recipe("other", {"width": 0.125, "crop": 32}), 2),
    ):
        assert choose(part, TWO_CORES.machine, given, named).settings.micro_batch == expected


def test_what_changes_nothing_beside_the_rest_is_not_told_of() -> None:
    part = open_dataset("drawn:100x64").train
    told = choose(part, TWO_CORES.machine, {}).reasons
    assert not {"patience", "latest_cuts", "dropout"} & {*told}
    assert {"fall", "warm_up", "fc", "micro_batch"} <= {*told}


def test_a_gpu_gets_a_larger_network() -> None:
    part = open_dataset("drawn:100x256").train
    chosen = choose(part, Machine("cuda", 16), {}).settings
    assert (chosen.net, chosen.crop, chosen.scale) == ("D-BN", 224, (280, 280))


def test_what_was_asked_for_is_kept() -> None:
    part = open_dataset("drawn:100x64").train
    choice = choose(part, TWO_CORES.machine, {"crop": 48, "epochs": 2, "fc": 64, "dropout": 0.1})
    settings = choice.settings
    assert (settings.crop, settings.scale, settings.epochs) == (48, (60, 60), 2)
    assert (settings.fc, settings.dropout) == (64, 0.1)
    assert choice.reasons["crop"] == "as given"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rat": 0.1}, "no setting 'rat'; did you mean 'rate'"),
        ({"crop": 64, "scale": 60}, "scale S of 60 is below the crop of 64"),
        ({"epochs": 0}, "epochs is 0; a whole number from 1 to 16777216 is needed"),
        ({"rate": -1.0}, r"rate is -1.0; a number in \(0, 3.4e\+38\] is needed"),
        ({"dropout": 1.0}, r"dropout is 1.0; a number in \[0, 1\) is needed"),
        ({"batch": "x"}, "batch is 'x'; a whole number from 1 to 16777216 is needed"),
        ({"epochs": 2.5}, "epochs is 2.5; a whole number from 1 to 16777216 is needed"),
        ({"net": "VGG"}, "no configuration 'VGG'"),
        ({"batch": 101}, "batch of 101 is more than the 100 pictures"),
    ],
)
def test_a_mistaken_setting_is_named(given: dict[str, Any], message: str) -> None:
    part = open_dataset("drawn:100x64").train
    with pytest.raises(UserError, match=message):
        choose(part, TWO_CORES.machine, given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"stairs": (0.9, 2)}, "stairs is for fall=stairs, and fall is cosine; leave it out, or t"),
        ({"net": "A", "at_steps": (3, 9)}, "at_steps is for fall=steps, and fall is plateau; leav"),
        (
            {"patience": 3},
            "patience is for fall=plateau, and fall is cosine; .* --set fall=plateau",
        ),
        ({"cut_by": 2.0}, "cut_by is for fall=plateau or steps, and fall is cosine"),
        ({"each": 8}, "each is for sampling=grouped, and sampling is plain"),
        ({"views": 2}, "views are what --cached keeps; leave it out, or take --cached"),
        ({"dropout": 0.3}, "dropout changes nothing of A-BN with --fc 0, which has no hidden FC"),
        ({"net": "ResNet-8", "dropout": 0.3}, "dropout changes nothing of ResNet-8, which has no"),
        ({"fall": "stairs"}, r"fall is stairs, .* say how they fall, --set 'stairs=\[0.96, 8\]'"),
    ],
)
def test_what_would_change_nothing_is_refused_where_it_is_asked_for(
    given: dict[str, Any], message: str
) -> None:
    part = open_dataset("drawn:100x64").train
    settings = choose(part, TWO_CORES.machine, given).settings
    with pytest.raises(UserError, match=message):
        refuse_without_effect(given, settings)


def test_settings_with_an_effect_are_not_refused_nor_are_a_recipes_or_a_plans() -> None:
    part, machine = open_dataset("drawn:100x64").train, TWO_CORES.machine
    for given in (
        {"fall": "steps", "at_steps": (3, 9), "cut_by": 2.0},
        {"fall": "plateau", "patience": 3, "cut_by": 2.0, "latest_cuts": (0.5,)},
        {"fall": "stairs", "stairs": (0.9, 2)},
        {"fc": 64, "dropout": 0.3},
        {"task": "embed", "each": 8},
        {"net": "A", "dropout": 0.3, "patience": 3},
    ):
        refuse_without_effect(given, choose(part, machine, given).settings)
    mine = Recipe("mine", {"net": "A-BN", "fc": 0, "crop": 32, "patience": 3, "fall": "cosine"})
    asked: dict[str, Any] = {"epochs": 3, "batch": 20}
    refuse_without_effect(asked, choose(part, machine, asked, mine).settings)
    with pytest.raises(UserError, match="stairs is for fall=stairs, and fall is plateau"):
        train("drawn:40x48", "run", TWO_CORES, **SMALL, epochs=1, stairs=(0.9, 2))
    assert not Path("run").exists()
    assert train("drawn:40x48", "run", TWO_CORES, planned=True, **SMALL, epochs=1, stairs=(0.9, 2))


def test_pixels_of_weights_are_divided_as_those_weights_have_it_and_not_as_asked() -> None:
    run = train("drawn:40x48", "run", TWO_CORES, **SMALL, epochs=1, divide=True)
    more: dict[str, Any] = {"start": str(run.folder), "epochs": 1, "batch": 10}
    with pytest.raises(UserError, match="divide is true, and pixels are those of .*run, as it was"):
        train("drawn:40x48", "on", TWO_CORES, **more, divide=True)
    settings = Settings(start="run", divide=True)
    assert "divide" not in command_line("drawn:40x48", settings)
    assert "--set divide=true" in command_line("drawn:40x48", replace(settings, start=None))


# --- the folder of a run


def test_a_run_writes_all_that_is_needed_to_repeat_it(tmp_path: Path) -> None:
    run = train("drawn:40x48", tmp_path / "run", runtime=TWO_CORES, epochs=2, **SMALL)
    about = tomllib.loads((run.folder / "run.toml").read_text())
    assert about["settings"]["epochs"] == 2
    assert about["repeat"]["command"].startswith("verydeep train drawn:40x48 --net A")
    assert about["data"]["fingerprint"] == run.dataset.fingerprint
    with (run.folder / "log.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [int(line["epoch"]) for line in lines] == [1, 2]
    assert len(list((run.folder / "events").iterdir())) == 1
    assert [t.scores.protocol.name for t in run.tests] == ["centre", "dense"] * 2
    assert load(run.folder).classes == run.dataset.classes
    assert run.best.figures["top1"] == run.tests[0].top1


def test_the_same_run_gives_the_same_weights_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        train("drawn:40x48", tmp_path / name, runtime=TWO_CORES, epochs=1, **SMALL)
    one, two = ((tmp_path / n / "best.safetensors").read_bytes() for n in ("one", "two"))
    assert one == two


def test_a_run_starts_from_the_layers_of_another(tmp_path: Path) -> None:
    a = train("drawn:40x48", tmp_path / "a", runtime=TWO_CORES, epochs=1, **SMALL)
    given: dict[str, Any] = {"net": "B", "start": str(a.folder), "rate": 1e-9, "decay": 0.0}
    given |= {"scale": 40, "batch": 10, "epochs": 1}
    b = train("drawn:40x48", tmp_path / "b", runtime=TWO_CORES, **given)
    assert (b.settings.width, b.settings.crop) == (0.125, 32)
    assert b.reasons["crop"] == f"as in {a.folder}"
    ours, theirs = (dict(run.network.named_parameters())["conv3_2.weight"] for run in (b, a))
    torch.testing.assert_close(ours, theirs)
    about = tomllib.loads((b.folder / "run.toml").read_text())
    assert about["start"]["layers"][:2] == ["conv1_1", "conv2_1"]
    assert f"--from {a.folder}" in b.command


def test_the_best_weights_are_those_of_the_best_epoch(tmp_path: Path) -> None:
    run = train("drawn:40x48", tmp_path / "run", runtime=TWO_CORES, epochs=3, **SMALL)
    assert run.best.figures["top1"] == min(e.figures["top1"] for e in run.epochs)
    again = evaluate(run.folder, "drawn:40x48", "centre", runtime=TWO_CORES, part_name="validation")
    assert again.top1 == run.best.figures["top1"]


def test_the_tests_of_a_run_and_evaluate_write_the_same_score_file(tmp_path: Path) -> None:
    given = {"epochs": 1, "seed": 3, **SMALL}
    run = train("drawn:40x48", tmp_path / "run", runtime=TWO_CORES, **given)
    parts = [(t.scores.part, t.scores.protocol.name) for t in run.tests]
    ours = run.tests[parts.index(("test", "centre"))]
    assert ours.path is not None
    before = ours.path.read_bytes()
    again = evaluate(run.folder, "drawn:40x48", "centre", runtime=TWO_CORES)
    assert again.path == ours.path
    assert ours.path.read_bytes() == before


def test_the_last_good_weights_stay_when_the_loss_runs_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first epoch is trained well; then the rate is made absurd behind the loop's back."""
    monkeypatch.setattr(Schedule, "rate", lambda self, step, steps: 0.01 if step < steps else 1e6)
    with pytest.raises(UserError, match=r"best.safetensors has those of epoch 1"):
        train("drawn:40x48", tmp_path / "run", runtime=TWO_CORES, epochs=3, **SMALL)
    assert torch.isfinite(weights_of(load(tmp_path / "run"))).all()


def test_runs_without_a_name_get_the_next_free_folder() -> None:
    folders = [new_folder(None, "x") for _ in range(3)]
    for folder in folders:
        (folder / "something").touch()
    assert [str(f) for f in folders] == ["runs/x", "runs/x-2", "runs/x-3"]


def test_a_folder_that_holds_a_run_or_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.csv").write_text("epoch")
    with pytest.raises(UserError, match="holds something already"):
        new_folder(tmp_path / "run", "x")
    with pytest.raises(UserError, match="is a file; --out takes"):
        new_folder(tmp_path / "run" / "log.csv", "x")
    with pytest.raises(UserError, match="cannot write into"):
        new_folder(tmp_path / "run" / "log.csv" / "below", "x")


def test_the_command_says_every_setting() -> None:
    settings = Settings(**checked({**SMALL, "dropout": 0.25}))
    command = command_line("my photos", settings)
    assert command.startswith("verydeep train 'my photos' --net A --width 0.125 --crop 32")
    assert "--set dropout=0.25" in command
    paper = command_line("photos", Settings())
    for said in ("dropout=0.5", "initial=glorot", "patience=5", "precision=float32"):
        assert f"--set {said}" in paper  # else it would be chosen from data and machine
    assert "momentum" not in command


def given_by(command: str) -> dict[str, Any]:
    """The settings that a printed command gives, each as its option's kind."""
    words, found = shlex.split(command)[3:], {}
    names = {f"--{option}": name for name, option in OPTIONS.items()}
    for option, value in zip(words[::2], words[1::2], strict=True):
        name, value = value.split("=", 1) if option == "--set" else (names[option], value)
        try:
            found[name] = value if name in ("scale", "start") else json.loads(value)
        except ValueError:
            found[name] = value
    return found


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, None), ({"net": "A"}, None), ({"net": "B-BN", "fc": 24}, None),
        ({"width": 0.25}, "quick"),
        ({"net": "A-BN"}, "A-256"), ({"crop": 64, "width": 0.125}, "D-256"), ({"batch": 17}, None),
        ({}, "AlexNet"), ({"epochs": 3}, "OverFeat-fast"), ({"epochs": 4}, "AlphaGo-128"),
        ({}, "NN2"),
    ],
)  # fmt: skip
def test_the_command_that_is_printed_trains_the_same_net_again(
    given: dict[str, Any], named: str | None, device: str
) -> None:
    part, machine = open_dataset("drawn:60x64").train, Machine(device, 2)
    given = given if "batch" in given else {**given, "batch": 30}
    first = choose(part, machine, given, recipe(named) if named else None).settings
    said = given_by(command_line("drawn:60x64", first))
    again = choose(part, machine, said).settings
    refuse_without_effect(said, again)
    told = {name for name in vars(first) if name not in first.without_effect} - {"fc"}
    assert {n: getattr(again, n) for n in told} == {n: getattr(first, n) for n in told}
    last = ["FC-10", "soft-max"]
    assert again.sizes.table(last).words == first.sizes.table(last).words


def test_toml_is_read_back_as_it_was() -> None:
    tables: dict[str, dict[str, Any]] = {
        "one": {"text": 'ü "quoted" \\ \n', "number": 0.1, "list": [1, 2], "flag": True},
        "two": {"small": 1e-05},
    }
    assert tomllib.loads(to_toml(tables)) == tables


# --- what is fair to test on


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos/ and run/, that of a network trained on them."""
    root = tmp_path_factory.mktemp("trained")
    data = drawn_photos(root / "photos", 10, 10, 10, side=48)
    train(data, root / "run", TWO_CORES, epochs=1, **{**SMALL, "batch": 8})
    return root


@pytest.fixture
def run_folder(trained_once: Path, tmp_path: Path) -> Path:
    """The folder of that run, with photos/ beside it; each test has its own copy."""
    shutil.copytree(trained_once, tmp_path, dirs_exist_ok=True)
    return Path("run")


def test_the_pictures_set_aside_are_tested_on_again(run_folder: Path) -> None:
    tested = evaluate(run_folder, "photos", runtime=TWO_CORES)
    assert len(tested.scores.labels) == 6
    assert tested.path is not None
    assert re.fullmatch(
        "photos-validation-dense-40-[0-9a-f]{6}-[0-9a-f]{6}.safetensors", tested.path.name
    )


def test_two_networks_have_score_files_of_their_own(
    run_folder: Path, photos: Callable[..., Path]
) -> None:
    other = train("photos", "other", TWO_CORES, epochs=1, **{**SMALL, "batch": 8, "seed": 3})
    weights = [Path(f"{n}.safetensors") for n in range(2)]
    for path, folder in zip(weights, (run_folder, other.folder), strict=True):
        (folder / "best.safetensors").rename(path)
    new = photos(3, 3, root="new", first=60)
    first, second = (evaluate(path, new, "centre", TWO_CORES).path for path in weights)
    assert first is not None
    assert second is not None
    assert first != second
    assert first.exists()


def test_a_test_that_another_process_runs_is_not_run_twice(run_folder: Path) -> None:
    path = evaluate(run_folder, "photos", "centre", TWO_CORES).path
    assert path is not None
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.mkdir()
    with folder_lock(unfinished), pytest.raises(UserError, match="another process is working in"):
        evaluate(run_folder, "photos", "centre", TWO_CORES)


def test_a_score_file_overwrites_nothing_else(run_folder: Path) -> None:
    weights = run_folder / "best.safetensors"
    before = weights.read_bytes()
    with pytest.raises(UserError, match="best.safetensors is there already and is no score file"):
        evaluate(run_folder, "photos", "centre", TWO_CORES, out=weights)
    assert weights.read_bytes() == before
    for _ in range(2):  # its own it does
        evaluate(run_folder, "photos", "centre", TWO_CORES, out="scores.safetensors")


def test_data_of_the_same_name_have_score_files_of_their_own(
    run_folder: Path, photos: Callable[..., Path]
) -> None:
    first = evaluate(run_folder, "photos", "centre", TWO_CORES)
    second = evaluate(run_folder, photos(3, 3, root="x/photos", first=60), "centre", TWO_CORES)
    assert first.path != second.path


def test_a_picture_that_cannot_be_read_is_left_out_of_a_test_by_name(
    run_folder: Path, photos: Callable[..., Path]
) -> None:
    new = photos(3, 3, root="new", first=60)
    (new / "arrow" / "1.png").write_bytes(b"<html>")
    tested = evaluate(run_folder, new, "centre", TWO_CORES)
    assert len(tested.scores.labels) == 5
    assert "arrow/1.png" not in tested.scores.names
    assert tested.path is not None
    (line,) = load_scores(tested.path).left_out
    assert "arrow/1.png: looks like HTML" in line
    assert not list(tested.path.parent.glob("*.unfinished"))


def test_classes_are_the_same_however_their_letters_are_composed(
    run_folder: Path, photos: Callable[..., Path]
) -> None:
    """Some systems write ü as one letter, some as u with two dots after it."""
    root = photos(5, 5, root="umlaut", side=48)
    (root / "arrow").rename(root / "t\u00fcr")
    folder = train(root, "u", TWO_CORES, epochs=1, **{**SMALL, "batch": 4}).folder
    other = photos(2, 2, root="other", first=60)
    (other / "arrow").rename(other / "tu\u0308r")
    assert len(evaluate(folder, other, "centre", TWO_CORES).scores.labels) == 4


def test_a_folder_the_network_has_not_seen_is_tested_whole(
    run_folder: Path, photos: Callable[..., Path]
) -> None:
    tested = evaluate(run_folder, photos(3, 3, root="new", first=60), runtime=TWO_CORES)
    assert len(tested.scores.labels) == 6
    assert tested.scores.classes == ("arrow", "crescent", "cross")


def test_classes_are_matched_by_name(run_folder: Path, photos: Callable[..., Path]) -> None:
    """Without "arrow" the folder's labels are 0 and 1; the network's are 1 and 2."""
    tested = evaluate(run_folder, photos(0, 3, 3, root="new", first=60), runtime=TWO_CORES)
    assert sorted(tested.scores.labels.tolist()) == [1, 1, 1, 2, 2, 2]
    names = [name.split("/")[0] for name in tested.scores.names]
    assert [tested.scores.classes[k] for k in tested.scores.labels] == names


def test_classes_the_network_does_not_know_are_refused(
    run_folder: Path, photos: Callable[..., Path]
) -> None:
    with pytest.raises(UserError, match="a class 'disc' that the network does not know"):
        evaluate(run_folder, photos(3, 3, 3, 3, root="new"), runtime=TWO_CORES)


def test_an_unknown_part_is_refused(run_folder: Path) -> None:
    with pytest.raises(
        UserError, match="no part 'test' in photos; there are train, validation, all"
    ):
        evaluate(run_folder, "photos", part_name="test", runtime=TWO_CORES)
