"""VGGs within other modules, and beside other layers: whose tensors are taken, and what is said.

The nets are torchvision's own class, with heads and wrappers as users put them on; what is expected
is the plain net's tensors, bit for bit, and its own activations.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests import theirs
from tests.conftest import images
from verydeep.errors import UserError
from verydeep.importers import sandbox, state_dict
from verydeep.importers.to_network import to_network
from verydeep.nets.network import Network
from verydeep.weights import hash_of, load, save
from verydeep.weights.warm_start import Origin

FC = 4
State = dict[str, torch.Tensor]


def small(letter: str = "A") -> Any:
    """torchvision's net of a few thousand parameters, for crops of 64."""
    return theirs.network(letter, channels=2, crop=64, fc=FC, classes=3)


def headed(*modules: nn.Module) -> Any:
    """The same with another classifier."""
    built = small()
    built.classifier = nn.Sequential(*modules)
    return built.eval()


def kept(built: Any, fc7: bool = True) -> list[nn.Module]:
    """torchvision's first two FC layers, with what stands between them and after."""
    return list(built.classifier[:6]) if fc7 else []


LAST = [nn.Linear(4, 4), nn.Linear(4, 3)]


def named(prefix: str, state: State) -> State:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def ours(state: Any, which: str | None = None) -> tuple[Network, tuple[str, ...]]:
    torch.save(state, "w.pth")
    read = state_dict.read("w.pth", which)
    return to_network(read, "w.pth").network, read.notes


def plain(built: Any) -> str:
    """The hash of a net's tensors from the file that torchvision itself would write."""
    return hash_of(ours(built.state_dict())[0])


@pytest.mark.parametrize(
    "wrap",
    [
        lambda net: named("0.", net.state_dict()),
        lambda net: named("cnn.backbone.vgg.", net.state_dict()),
        lambda net: nn.Sequential(*net.children()).state_dict(),
        lambda net: named("encoder.", nn.Sequential(*net.children()).state_dict()),
        lambda net: named("model.", net.state_dict()) | {"criterion.weight": torch.ones(3)},
    ],
    ids=["a number", "three modules", "children", "children within", "weights of a loss"],
)
def test_a_net_is_found_within_other_modules(wrap: Callable[[Any], State]) -> None:
    built = small("B")
    assert hash_of(ours(wrap(built))[0]) == plain(built)


def test_fastais_body_is_the_convolutions() -> None:
    """fastai puts `features` into a sequence of its own, and its head beside that."""
    built = small()
    head = nn.Sequential(nn.BatchNorm1d(32), nn.Dropout(), nn.Linear(32, 8), nn.ReLU())
    learner = nn.Sequential(nn.Sequential(built.features), head)
    network, notes = ours({"model": learner.state_dict(), "opt": {}})
    found = hash_of(network)  # before its file, which is mapped, is written over
    assert found == hash_of(ours(built.features.state_dict())[0])
    left = "1.0, 1.2 are at no place of a VGG and left out: the net ends with pool5"
    assert left in notes
    assert network.table.last == "pool5"


@pytest.mark.parametrize(
    ("head", "left"),
    [
        (lambda: [nn.Linear(64, 3)], "classifier.0 is"),
        (lambda: [nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 3)], "classifier.0, classifier.2 are"),
        (
            lambda: [nn.Linear(64, 4), nn.BatchNorm1d(4), nn.ReLU(), *LAST],
            "classifier.0, classifier.1, classifier.3 and 1 more are",
        ),
        # fc7's place, but what it gives are classes
        (lambda: [nn.Linear(64, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3)],
         "classifier.0, classifier.3 are"),
    ],
    ids=["one", "two", "with a norm", "two at torchvision's numbers"],
)  # fmt: skip
def test_a_head_of_ones_own_is_left_and_named(head: Callable[[], Any], left: str) -> None:
    built = headed(*head())
    network, notes = ours(built.state_dict())
    assert f"{left} at no place of a VGG and left out: the net ends with pool5" in notes
    assert (network.table.has_scores, network.classes) == (False, ())
    crop = images(1, 64, 64) / 50
    with torch.inference_mode():
        expected = built.features(crop)
        found = network.run({"data": crop}, ["pool5"])["pool5"]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (lambda: [nn.Sequential(nn.Linear(FC, 8), nn.ReLU(), nn.Linear(8, 3))],
         "classifier.6.0, classifier.6.2 are at no place of a VGG and left out"),
        (lambda: [nn.Linear(FC, FC), nn.Linear(FC, 3)],
         "classifier.6, classifier.7 are at no place of a VGG and left out"),
        (lambda: [nn.Identity()], "it has no layer of classes"),
    ],
    ids=["a sequence", "two more", "none"],
)  # fmt: skip
def test_fc6_and_fc7_are_kept_where_they_are_torchvisions(
    end: Callable[[], Any], said: str
) -> None:
    first = kept(small())
    built = headed(*first, *end())
    network, notes = ours(built.state_dict())
    assert any(note.startswith(said) and note.endswith("ends with fc7") for note in notes)
    assert network.table.last == "fc7"
    crop = images(1, 64, 64) / 50
    with torch.inference_mode():
        expected = nn.Sequential(*first)(built.features(crop).flatten(1))
        found = network.run({"data": crop}, ["relu7"])["relu7"].flatten(1)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_timms_net_without_classes_ends_with_fc7() -> None:
    state = theirs.as_timm(small().state_dict(), 2)
    network, notes = ours({k: t for k, t in state.items() if not k.startswith("head.")})
    assert network.table.last == "fc7"
    assert "it has no layer of classes, and ends with fc7" in notes


def test_a_net_that_ends_with_fc7_is_kept_and_trained_on() -> None:
    """Its file is read again, and a net of five classes starts from all that it has."""
    built = headed(*kept(small()), nn.Identity())
    save(ours(built.state_dict())[0], "o.safetensors")
    assert load("o.safetensors").table.last == "fc7"
    origin = Origin.of("o.safetensors")
    table = origin.table_for(origin.sizes, ["FC-5", "soft-max"])
    assert table.words[-3:] == (f"FC-{FC}", "FC-5", "soft-max")
    assert (table.class_count, table["fc7"].name) == (5, "fc7")


@pytest.mark.parametrize(
    ("state", "name"),
    [
        (lambda s: named("net.", s) | {"net.features.0.conv.scale": torch.ones(1)}, "conv.scale"),
        (lambda s: {"gain": torch.ones(1, 3, 1, 1)} | named("net.", s), "'gain'"),
        (lambda s: s | {"zoom.weight": torch.ones(3, 3, 1, 1)}, "'zoom.weight'"),
        (lambda s: {"stem.weight": torch.ones(3, 3)} | s, "'stem.weight'"),
        (lambda s: {k: s[k] for k in s if k[9] in "036"} | {"fc.weight": torch.ones(3, 8)},
         "'fc.weight'"),
    ],
    ids=["within", "pixels before", "filters", "a layer before", "beside half a trunk"],
)  # fmt: skip
def test_what_is_no_head_is_refused(state: Callable[[State], State], name: str) -> None:
    torch.save(state(small().features.state_dict(prefix="features.")), "w.pth")
    with pytest.raises(UserError, match="which is at no place of a VGG") as caught:
        state_dict.read("w.pth")
    assert name in str(caught.value)


BESIDE: dict[str, tuple[State, str]] = {
    "a temperature": ({"temperature": torch.ones(())}, "temperature is"),
    "centres": ({"centers": torch.ones(3, 5)}, "centers is"),
    "another classifier": ({"aux.weight": torch.ones(3, 32)}, "aux is"),
}


@pytest.mark.parametrize("name", list(BESIDE))
def test_what_stands_beside_a_net_costs_it_no_layer(name: str) -> None:
    """A net's own values stand before those of its layers, and in sorted names after them."""
    built, (more, said) = small(), BESIDE[name]
    state = built.state_dict()
    for both in (state | more, *([] if name == "another classifier" else [more | state])):
        network, notes = ours(both)
        found = hash_of(network)
        assert found == plain(built)
        assert f"{said} at no place of a VGG and left out: the net ends with fc8" in notes


@pytest.mark.parametrize("prefix", ["", "normalize."])
def test_a_mean_and_a_deviation_of_pixels_are_passed_over_and_told(prefix: str) -> None:
    built = small()
    more = {f"{prefix}mean": torch.ones(1, 3, 1, 1), f"{prefix}std": torch.ones(3)}
    for state in (more | built.state_dict(), built.state_dict() | more):
        network, notes = ours(state)
        assert any(f"{prefix}mean and {prefix}std of three values are" in note for note in notes)
        found = hash_of(network)
        assert found == plain(built)


def test_scores_that_another_layer_takes_are_hidden() -> None:
    more = {"out.weight": torch.ones(2, 3), "out.bias": torch.ones(2)}
    network, notes = ours(small().state_dict() | more)
    assert network.table.last == "fc7"
    assert any("left out: the net ends with fc7" in note for note in notes)


def test_filters_of_a_picture_are_refused_in_names_that_are_sorted_too() -> None:
    save_file(small().state_dict() | {"zoom.weight": torch.ones(4, 3, 1, 1)}, "w.safetensors")
    with pytest.raises(UserError, match="'zoom.weight', which is at no place of a VGG"):
        state_dict.read("w.safetensors")


# --- two sets of weights


COUNT = {"n_averaged": torch.tensor(3)}
"""What PyTorch's AveragedModel has among its tensors."""


def two_sets() -> tuple[Any, Any, str]:
    first = small()
    second = theirs.network("A", channels=2, crop=64, fc=FC, classes=3, seed=1)
    return first, second, plain(second)


@pytest.mark.parametrize(
    ("wrap", "which"),
    [
        (lambda a, b: {"model": a, "model_ema": named("module.", b) | COUNT}, "model_ema"),
        (lambda a, b: {"state_dict": a, "state_dict_ema": b}, "state_dict_ema"),
        (lambda a, b: {"model": a, "ema": {"decay": 0.9, "module": b}}, "ema"),
        (lambda a, b: {"state_dict": named("net.", a) | named("ema.", b)}, "ema"),
        (lambda a, b: named("teacher.vgg.", a) | named("student.vgg.", b), "student.vgg"),
    ],
    ids=["torchvision", "timm", "ema", "lightning", "two nets"],
)  # fmt: skip
def test_either_set_of_weights_is_taken_by_its_name(
    wrap: Callable[[State, State], Any], which: str
) -> None:
    first, second, expected = two_sets()
    state = wrap(first.state_dict(), second.state_dict())
    network, notes = ours(state)
    assert hash_of(network) == plain(first)
    assert any(f"'{which}'" in note and f"--which {which}" in note for note in notes)
    network, notes = ours(state, which)
    assert hash_of(network) == expected
    assert not any("two sets" in note for note in notes)


def test_a_set_that_is_not_there_is_refused_by_those_that_are() -> None:
    first, second, _ = two_sets()
    for state, there in (
        ({"model": first.state_dict(), "model_ema": second.state_dict()}, "'model', 'model_ema'$"),
        (first.state_dict(), "one, without a name"),
    ):
        torch.save(state, "w.pth")
        with pytest.raises(UserError, match=f"no set of weights 'swa'; there is {there}"):
            state_dict.read("w.pth", "swa")
    save_file(first.state_dict(), "w.safetensors")
    with pytest.raises(UserError, match="no set of weights 'swa'"):
        state_dict.read("w.safetensors", "swa")


def test_every_other_set_is_told_of_and_no_optimiser() -> None:
    first, second, expected = two_sets()
    others = {name: second.state_dict() for name in ("ema_state", "best_model", "teacher")}
    optimiser = {"state": {0: {"momentum": torch.ones(2, 3, 3, 3)}}}
    state = {"model": first.state_dict(), "optimizer": optimiser, "opt": optimiser, **others}
    network, notes = ours(state)
    assert hash_of(network) == plain(first)
    told = [note for note in notes if "two sets" in note]
    assert [note.rpartition("--which ")[2].split()[0] for note in told] == [*others]
    network, _ = ours(state, "best_model")
    assert hash_of(network) == expected


def test_tensors_that_share_their_values_are_counted_once() -> None:
    built = small()
    wrapper = nn.Module()
    wrapper.vgg, wrapper.again = built, built.features
    wrapper.third = built.features
    network, _ = ours(wrapper.state_dict(), "vgg")
    found = hash_of(network)
    assert found == plain(built)


def test_the_name_of_a_set_reaches_the_process_that_reads() -> None:
    first, second, expected = two_sets()
    torch.save({"model": first.state_dict(), "model_ema": second.state_dict()}, "w.pth")
    read = sandbox.read(Path("w.pth"), which="model_ema")
    assert hash_of(to_network(read, "w.pth").network) == expected
