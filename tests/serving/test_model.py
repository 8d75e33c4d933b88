"""What is served of each kind of net: the answers of `predict`, alone or with others.

Expected answers are those that the nets give by their own methods, one picture at a time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.conftest import TWO_CORES
from tests.localisation.test_dense import classifier, net_of_boxes
from tests.localisation.test_predictor import always
from tests.pictures.test_reading import HUGE, REFUSED
from tests.serving.at_work import CLASSES, PIXELS, model_of, net, picture
from tests.stacks import made, two_nets
from tests.stacks import net as describer
from verydeep.errors import PictureError, PictureTooLargeError, UserError
from verydeep.nets.network import Network
from verydeep.nets.rewording import with_last
from verydeep.nets.words import read_table
from verydeep.pictures.preprocessing import centre_crop
from verydeep.runtime.progress import SILENT
from verydeep.serving.model import Asked, Model, NoPictureError, read, served
from verydeep.weights import load, save, save_stack

NONE = {
    "empty", "html", "html without doctype", "svg", "text", "film", "pdf", "psd", "zip", "zeros"
}  # fmt: skip
PICTURES = [picture(60, 80, 0), picture(80, 60, 1), picture(60, 80, 2), picture(50, 120, 3)]


def found(model: Model, *pictures: bytes, top: int | None = None) -> list[Any]:
    """What is told of pictures that are asked about together."""
    return list(model.answers([Asked(read(model, each), top) for each in pictures]))


def numbers_of(answer: Any) -> list[float]:
    if isinstance(answer, str) or answer is None:
        return []
    if isinstance(answer, float):
        return [answer]
    return [number for each in answer for number in numbers_of(each)]


def names_of(answer: Any) -> list[str]:
    return [str(one[0]) for one in answer]


def alike(one: list[Any], other: list[Any], most: float = 1e-6) -> None:
    """Holds that answers are of the same names, and of numbers within `most`."""
    assert [names_of(each) for each in one] == [names_of(each) for each in other]
    np.testing.assert_allclose(numbers_of(one), numbers_of(other), atol=most, rtol=0)


def tagging() -> Network:
    """A net of several labels a picture, of which some have more than a half."""
    like = net()
    words = with_last(like.table.words, ("FC-6", "sigmoid"))
    network = Network.random(read_table("A", words, 32), CLASSES, PIXELS, "he", 3)
    network.get_submodule("fc8").get_parameter("weight").data.mul_(0.2)
    return network


@pytest.mark.parametrize("engine", ["winograd", "torch"])
def test_a_classifier_tells_what_predict_does_alone_or_with_others(
    tmp_path: Path, engine: str
) -> None:
    model = model_of(net(), tmp_path, engine=engine)
    together = found(model, *PICTURES)
    alike(together, [found(model, each)[0] for each in PICTURES])
    expected = load(tmp_path / "net.safetensors").predict(PICTURES)
    alike(together, expected, 1e-5)
    assert [len(each) for each in found(model, *PICTURES, top=2)] == [2] * 4


def test_the_centre_protocol_shows_one_crop(tmp_path: Path) -> None:
    model = model_of(net(), tmp_path, protocol="centre", engine="torch")
    network, expected = load(tmp_path / "net.safetensors"), []
    for each in PICTURES:
        crop = centre_crop(network.pixels.read(each, 40), 32)[None]
        with torch.inference_mode():
            row = network.posteriors(network.pixels.normalise(torch.from_numpy(crop)))[0]
        expected.append(network.answer(row))
    alike(found(model, *PICTURES), expected)
    assert (model.identity.protocol, model.identity.scales) == ("centre", (40,))


def test_a_net_of_several_labels_names_those_of_a_half(tmp_path: Path) -> None:
    model = model_of(tagging(), tmp_path)
    together = found(model, *PICTURES)
    assert {len(each) for each in together} != {6}
    assert all(p >= 0.5 for each in together for _, p in each)
    alike(together, load(tmp_path / "net.safetensors").predict(PICTURES), 1e-5)
    assert model.has_several


def test_a_transferred_net_tells_what_it_does_by_itself(tmp_path: Path) -> None:
    (network,) = made((describer(), "relu7", (48,))).stack.networks
    model = model_of(network, tmp_path)
    alike(found(model, *PICTURES), network.predict(PICTURES), 1e-5)
    assert model.mapped is not None


def test_a_stack_tells_what_it_does_by_itself(tmp_path: Path) -> None:
    stack = two_nets().stack
    save_stack(stack, tmp_path / "stack.safetensors")
    model = served(tmp_path / "stack.safetensors", TWO_CORES.machine, SILENT)
    together = found(model, *PICTURES)
    alike(together, stack.predict(PICTURES), 1e-5)
    alike(together, [found(model, each)[0] for each in PICTURES])
    assert (model.identity.scales, model.mapped) == ((40, 48, 64), None)
    with pytest.raises(UserError, match="is a stack, which sees pictures whole"):
        served(tmp_path / "stack.safetensors", TWO_CORES.machine, SILENT, protocol="centre")


def test_a_net_of_boxes_tells_classes_with_boxes_alone_or_with_others(tmp_path: Path) -> None:
    by = classifier()
    save(by, tmp_path / "by.safetensors")
    model = model_of(net_of_boxes(by, 1), tmp_path, classifier=tmp_path / "by.safetensors")
    together = found(model, *PICTURES)
    alike(together, [found(model, each)[0] for each in PICTURES], 1e-3)  # boxes are in pixels
    posteriors = load(tmp_path / "by.safetensors").predict(PICTURES, top=1)
    alike([[guess[:2] for guess in each[:1]] for each in together], posteriors, 1e-5)
    assert [len(each) for each in found(model, *PICTURES, top=1)] == [1] * 4
    assert model.mapped is not None
    assert model.identity.classifier is not None


@pytest.mark.parametrize("kind", ["points", "objects"])
def test_nets_of_things_in_every_picture_tell_where_they_are(tmp_path: Path, kind: str) -> None:
    numbers = [0.5, 0.5, 0.25, 1.0] if kind == "points" else [0.5, 0.5, 0.5, 0.25] * 2
    model = model_of(always(numbers, kind, ("eye", "nose")), tmp_path)
    together = found(model, *PICTURES)
    alike(together, [found(model, each)[0] for each in PICTURES], 1e-4)
    assert names_of(together[0]) == ["eye", "nose"]
    assert (model.classes, model.mapped, model.identity.protocol) == ((), None, "centre")
    with pytest.raises(UserError, match="in a way of its own"):
        model_of(always(numbers, kind, ("eye", "nose")), tmp_path, protocol="centre")


def test_options_of_other_nets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="places no boxes; leave --threshold out"):
        model_of(net(), tmp_path, threshold=0.5)
    with pytest.raises(UserError, match="no protocol 'ten' here; there are dense and centre"):
        model_of(net(), tmp_path, protocol="ten")


# --- what is read


def test_bytes_of_no_picture_are_told_from_damaged_pictures(tmp_path: Path) -> None:
    model = model_of(net(), tmp_path)
    for name, (data, _) in REFUSED.items():
        kind: type[PictureError] = PictureError
        if name in NONE:
            kind = NoPictureError
        elif name in ("jpeg, progressive and large", "netpbm bitmap, cut"):  # which is 9 x 1
            kind = PictureTooLargeError
        with pytest.raises(PictureError) as refused:
            read(model, data)
        assert refused.type is kind, name


@pytest.mark.parametrize("name", HUGE)
def test_too_many_pixels_are_told_by_the_header(tmp_path: Path, name: str) -> None:
    with pytest.raises(PictureTooLargeError, match="3600 Mpx"):
        read(model_of(net(), tmp_path), HUGE[name])


def test_a_picture_is_at_most_eight_times_as_long_as_wide(tmp_path: Path) -> None:
    model = model_of(net(), tmp_path)
    assert read(model, picture(10, 80)).width == 80
    for narrow in (picture(10, 81), picture(81, 10)):
        with pytest.raises(PictureTooLargeError, match="too narrow"):
            read(model, narrow)
