"""Recipes of the nets beside VGG against their papers' text and tables, typed here again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TWO_CORES
from tests.given_files import cifar_10, mnist
from verydeep.datasets import open_dataset
from verydeep.errors import UserError
from verydeep.tasks.classify import CLASSIFY
from verydeep.training.defaults import choose
from verydeep.training.neighbours import NEIGHBOURS
from verydeep.training.recipes import RECIPES, recipe, settings_of
from verydeep.training.settings import Settings
from verydeep.training.state import Epoch, Schedule
from verydeep.verbs.train import train

CIFAR_TABLE_6 = {20: 8.75, 32: 7.51, 44: 7.17, 56: 6.97, 110: 6.43}
TABLE_4 = {34: (21.84, 5.71), 50: (20.74, 5.25), 101: (19.87, 4.60), 152: (19.38, 4.49)}


def settings(name: str, **given: Any) -> Settings:
    return Settings(**settings_of(RECIPES[name], given))


@pytest.mark.parametrize("depth", CIFAR_TABLE_6)
def test_cifars_are_trained_as_section_4_2_says(depth: int) -> None:
    """ "weight decay of 0.0001 and momentum of 0.9 [...] mini-batch size of 128 on two GPUs [...]
    learning rate of 0.1, divide it by 10 at 32k and 48k iterations, and terminate training at 64k
    [...] 4 pixels are padded on each side, and a 32 x 32 crop [...] or its horizontal flip"."""
    one = settings(f"CIFAR-ResNet-{depth}")
    assert (one.net, one.crop, one.scale, one.border) == (f"ResNet-{depth}", 32, (32, 32), 4)
    assert (one.rate, one.decay, one.momentum, one.batch) == (0.1, 1e-4, 0.9, 128)
    assert (one.initial, one.colour, one.mirror) == ("he", 0, True)
    (printed,) = RECIPES[f"CIFAR-ResNet-{depth}"].printed
    assert (printed.top1, printed.source) == (CIFAR_TABLE_6[depth], "He et al., 2016, Table 6")


@pytest.mark.parametrize("depth", TABLE_4)
def test_residual_nets_are_trained_as_section_3_4_says(depth: int) -> None:
    """ "shorter side randomly sampled in [256, 480] [...] mini-batch size of 256. The learning rate
    starts from 0.1 and is divided by 10 when the error plateaus [...] weight decay of 0.0001 and a
    momentum of 0.9"; 60 x 10^4 steps of 256 are 120 times 1.28 million."""
    one = settings(f"ResNet-{depth}")
    assert (one.crop, one.scale, one.batch, one.rate) == (224, (256, 480), 256, 0.1)
    assert (one.decay, one.fall, one.initial, one.colour) == (1e-4, "plateau", "he", 0.1)
    assert one.epochs * 1_281_167 / 256 == pytest.approx(600_000, rel=0.01)
    printed = {row.shown: (row.top1, row.top5) for row in RECIPES[f"ResNet-{depth}"].printed}
    assert printed["dense, 5 scales"] == TABLE_4[depth]


def test_alexnet_and_googlenet_are_trained_as_far_as_their_papers_print_it() -> None:
    """ "batch size of 128 examples, momentum of 0.9, and weight decay of 0.0005 [...] Gaussian
    distribution with standard deviation 0.01 [...] neuron biases in the second, fourth, and fifth
    convolutional layers, as well as in the fully-connected hidden layers, with the constant 1 [...]
    initialized at 0.01 [...] 90 cycles"; "8 % and
    100 % of the image area [...] aspect ratio [...] 3/4 and 4/3", "decreasing [...] by 4 % every 8
    epochs"."""
    alex = settings("AlexNet")
    assert (alex.batch, alex.momentum, alex.decay, alex.rate) == (128, 0.9, 5e-4, 0.01)
    assert (alex.epochs, alex.scale, alex.dropout, alex.colour) == (90, (256, 256), 0.5, 0.1)
    assert alex.initial == "gaussian:0.01 bias 1 in conv2_1,conv3_2,conv3_3,fc4,fc5"
    assert RECIPES["AlexNet"].printed[0].top5 == 18.2
    inception = settings("GoogLeNet")
    assert (inception.area, inception.aspect) == (0.08, 4 / 3)
    assert (inception.fall, inception.stairs) == ("stairs", (0.96, 8))
    assert inception.net == "GoogLeNet-aux"
    assert [row.top5 for row in RECIPES["GoogLeNet"].printed] == [10.07, 9.15, 7.89]


def test_zfnet_is_trained_as_its_section_3_says() -> None:
    """ "mini-batch size of 128 [...] learning rate of 10^-2, in conjunction with a momentum term of
    0.9 [...] Dropout [...] rate of 0.5 [...] weights initialized to 10^-2 and biases set to 0 [...]
    70 epochs"; Table 2: 38.4 and 16.5, and 37.5 and 16.0 of the larger."""
    for name, errors in (("ZFNet-a", (38.4, 16.5)), ("ZFNet-b", (37.5, 16.0))):
        one = settings(name)
        assert (one.net, one.crop, one.scale) == (name, 224, (256, 256))
        assert (one.batch, one.rate, one.momentum, one.dropout) == (128, 0.01, 0.9, 0.5)
        assert (one.epochs, one.initial, one.colour) == (70, "gaussian:0.01", 0)
        (printed,) = RECIPES[name].printed
        assert (printed.top1, printed.top5) == errors


@pytest.mark.parametrize(
    ("name", "crop", "error"), [("OverFeat-fast", 231, 16.39), ("OverFeat-accurate", 221, 14.18)]
)
def test_overfeats_rate_is_halved_after_its_epochs(name: str, crop: int, error: float) -> None:
    """ "momentum term of 0.6 and an l2 weight decay of 1 x 10^-5. The learning rate is initially
    5 x 10^-2 and is successively decreased by a factor of 0.5 after (30, 50, 60, 70, 80) epochs";
    mini-batches of 128, weights from (0, 1 x 10^-2)."""
    one = settings(name)
    assert (one.net, one.crop, one.scale, one.initial) == (name, crop, (256, 256), "gaussian:0.01")
    assert (one.batch, one.momentum, one.decay, one.divide) == (128, 0.6, 1e-5, True)
    schedule, rates = Schedule(one, CLASSIFY.watched), []
    for number in range(one.epochs):
        schedule.begin(number)
        rates.append(schedule.rate(10 * number, 10))
        assert not schedule.ended_by(Epoch(number + 1, 0, 0, 0, 0, {"top1": 50.0}, 0, 0))
    lasts = (30, 20, 10, 10, 10, 10)
    assert rates == pytest.approx(
        [0.05 / 2**n for n, epochs in enumerate(lasts) for _ in range(epochs)]
    )
    (printed,) = RECIPES[name].printed
    assert printed.top5 == error


def test_nin_is_trained_as_it_was_released() -> None:
    """Its solver: a batch of 64, 0.01, by 10 after every 200,000 of 450,000 steps, 0.9, 5e-4."""
    one = settings("NiN")
    assert (one.net, one.crop, one.batch, one.momentum, one.decay) == ("NiN", 224, 64, 0.9, 5e-4)
    schedule = Schedule(one, CLASSIFY.watched)
    at = (0, 199_999, 200_000, 399_999, 400_000, 449_999)
    assert [schedule.rate(step, 100) for step in at] == pytest.approx(
        [0.01, 0.01, 1e-3, 1e-3, 1e-4, 1e-4]
    )
    assert schedule.ended_by(Epoch(1, 450_000, 0, 0, 0, {}, 0, 0))


@pytest.mark.parametrize("k", [128, 192, 256, 384])
def test_alphago_is_trained_as_its_methods_say(k: int) -> None:
    """ "340 million training steps", "mini-batches of 16", a step size of "0.003 [...] halved every
    80 million training steps, without momentum terms"; accuracies of Extended Data Table 3."""
    one = settings(f"AlphaGo-{k}")
    assert (one.net, one.crop, one.batch, one.momentum) == (f"AlphaGo-{k}", 19, 16, 0)
    schedule, million = Schedule(one, CLASSIFY.watched), 1_000_000
    at = (0, 80 * million - 1, 80 * million, 160 * million, 240 * million, 320 * million)
    rates = [schedule.rate(step, 100) for step in at]
    assert rates == pytest.approx([3e-3, 3e-3, 1.5e-3, 7.5e-4, 3.75e-4, 1.875e-4])
    assert not schedule.ended_by(Epoch(1, 339 * million, 0, 0, 0, {}, 0, 0))
    assert schedule.ended_by(Epoch(1, 340 * million, 0, 0, 0, {}, 0, 0))
    told = {128: [54.6], 192: [55.4], 256: [55.9, 57.0], 384: []}
    assert [row.accuracy for row in RECIPES[one.net].accuracies] == told[k]


def test_nets_of_faces_are_trained_as_far_as_their_papers_print_it() -> None:
    """FaceNet: "around 1,800 exemplars" a mini-batch, and 99.63 % on LFW. DeepFace: "mini-batch
    size of 128 [...] 0.01 [...] zero-mean Gaussian distribution with sigma = 0.01, and biases are
    set to 0.5 [...] roughly 15 sweeps", and 97.35 %."""
    for name, crop in (("NN1", 220), ("NN2", 224)):
        one = settings(name)
        assert (one.task, one.batch, one.sampling) == ("embed", 1800, "grouped")
        assert (one.net, one.crop, one.scale, one.mirror) == (name, crop, (crop, crop), False)
        assert "99.63 % of pairs of LFW right" in str(RECIPES[name].accuracies[0])
    deep = settings("DeepFace")
    assert (deep.crop, deep.scale, deep.batch, deep.epochs) == (152, (152, 152), 128, 15)
    assert (deep.rate, deep.momentum, deep.initial) == (0.01, 0.9, "gaussian:0.01 bias 0.5")
    assert "97.35 % of pairs of LFW right" in str(RECIPES["DeepFace"].accuracies[0])


@pytest.mark.parametrize(
    "name", [n for n in NEIGHBOURS if not n.startswith(("CIFAR", "ResNet", "Plain"))]
)
def test_a_recipe_is_of_what_its_net_can_have(name: str) -> None:
    """That is, boards as they are, layers with biases, classes or none; and narrow nets alike."""
    part, machine = open_dataset("drawn:100x64").train, TWO_CORES.machine
    for narrow in ({}, {"width": 0.5}) if name != "LeNet-5" else ({},):
        found = choose(part, machine, {"batch": 16, **narrow}, recipe(name)).settings
        assert (found.net, found.batch) == (RECIPES[name].settings["net"], 16)


def test_recipes_are_called_as_people_type_them() -> None:
    assert recipe("resnet50") is RECIPES["ResNet-50"]
    assert recipe("cifar-resnet-20") is RECIPES["CIFAR-ResNet-20"]
    assert recipe("D-384") is RECIPES["D-384"]
    assert recipe("zfnet") is RECIPES["ZFNet-a"]
    assert recipe("alphago") is RECIPES["AlphaGo-192"]
    with pytest.raises(UserError, match="no recipe 'ResNet-51'; did you mean 'ResNet-50'"):
        recipe("ResNet-51")


def test_digits_are_not_mirrored_by_lenets_recipe() -> None:
    one = settings("LeNet-5")
    assert (one.crop, one.scale, one.mirror, one.epochs) == (32, (32, 32), False, 20)
    assert one.stairs[0] ** 19 == pytest.approx(1e-5 / 5e-4, rel=0.3)  # in 20 passes
    assert 5e-4 < one.rate < 5e-4 / 0.02
    assert RECIPES["LeNet-5"].printed[0].top1 == 0.95


def test_a_rate_falls_at_its_steps_and_the_last_ends_the_run() -> None:
    given = Settings(rate=1.0, fall="steps", at_steps=(3, 5, 7), epochs=9)
    schedule = Schedule(given, CLASSIFY.watched)
    rates = [schedule.rate(step, 2) for step in range(8)]
    assert rates == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01, 0.01, 0.01])
    ends = [schedule.ended_by(Epoch(n, 2 * n, 0, 0, 0, {}, 0, 0)) for n in (1, 2, 3, 4)]
    assert ends == [False, False, False, True]


def test_a_rate_goes_down_stairs() -> None:
    """Two steps an epoch: of every three epochs' 6 steps the rate is 0.5 times the one before."""
    schedule = Schedule(Settings(rate=8.0, fall="stairs", stairs=(0.5, 3)), CLASSIFY.watched)
    assert [schedule.rate(step, 2) for step in (0, 5, 6, 11, 12, 18)] == [8, 8, 4, 4, 2, 1]
    assert not schedule.ended_by(Epoch(1, 2, 0, 0, 0, {}, 0, 0))


@pytest.mark.parametrize("steps", [[], [5, 3], [4, 4]])
def test_steps_that_do_not_follow_each_other_are_refused(steps: list[int]) -> None:
    with pytest.raises(UserError, match="steps one after another, of which the last ends the run"):
        Settings(fall="steps", at_steps=tuple(steps))


def test_a_recipe_that_counts_steps_has_the_epochs_that_those_take() -> None:
    """2,000 pictures are 15 steps of 128; 64,000 steps are 4,267 epochs of 15, but for 5 steps."""
    part, machine = open_dataset("drawn:2000x32").train, TWO_CORES.machine
    choice = choose(part, machine, {}, recipe("CIFAR-ResNet-20"))
    assert choice.settings.epochs == 4267
    assert choice.settings.at_steps == (32000, 48000, 64000)
    assert choice.reasons["epochs"] == "64,000 steps of 15 an epoch"
    short = choose(part, machine, {"epochs": 8}, recipe("CIFAR-ResNet-20"))
    assert short.settings.at_steps == (60, 90, 120)  # of 8 x 15 steps: a half, three quarters, all
    assert short.reasons["at_steps"] == "the recipe's 64,000 steps, made 120"


def test_a_recipe_trains_on_cifars_files_and_says_what_was_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cifar_10(Path("cifar-10-batches-py"))
    given: dict[str, Any] = {"epochs": 2, "batch": 20, "width": 0.25, "bad_start": "train"}
    name = "CIFAR-ResNet-20"
    run = train("cifar-10-batches-py", tmp_path / "a", TWO_CORES, recipe=recipe(name), **given)
    assert [epoch.rate for epoch in run.epochs] == pytest.approx([0.1, 0.001])
    assert "ResNet-20 as printed: top-1 error 8.75 %, CIFAR-10" in capsys.readouterr().err
    assert run.settings.at_steps == (5, 7, 10)
    assert {test.scores.protocol.scales for test in run.tests} == {(32,)}


def test_what_is_never_mirrored_in_training_is_not_in_tests(tmp_path: Path) -> None:
    mnist(Path("digits"))
    run = train(
        "digits", tmp_path / "a", TWO_CORES, recipe=recipe("LeNet-5"), epochs=1, bad_start="train"
    )
    assert [test.scores.protocol.name for test in run.tests] == ["centre"]
    assert run.settings.scale == (32, 32)
