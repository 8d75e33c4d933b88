"""Caffe's files of the nets beside VGG: the same scores as by Caffe's arithmetic.

Files and arithmetic are of `tests/caffe_nets.py`, which knows nothing of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests import caffe_nets
from tests.caffe_nets import text_of
from tests.conftest import images
from tests.foreign_files import damaged
from verydeep.errors import UserError
from verydeep.importers import caffe
from verydeep.importers.parameters import AUTHORS
from verydeep.importers.to_network import Imported, to_network

NETS: dict[str, tuple[Callable[[], Any], str, int, str]] = {
    "bvlc_alexnet": (caffe_nets.alexnet, "AlexNet", 227, "fc8"),
    "bvlc_reference_caffenet": (lambda: caffe_nets.alexnet(True), "CaffeNet", 227, "fc8"),
    "nin_imagenet": (caffe_nets.nin, "NiN", 224, "pool4"),
    "bvlc_googlenet": (caffe_nets.googlenet, "GoogLeNet", 224, "loss3/classifier"),
    "ResNet-50-model": (caffe_nets.resnet, "ResNet-50", 224, "fc1000"),
}
"""How each is made, our name of it, its crop, and the layer of its scores."""


def saved(message: Any, name: str = "w") -> Path:
    path = Path(f"{name}.caffemodel")
    path.write_bytes(message.SerializeToString())
    return path


def imported(message: Any, text: str = "") -> Imported:
    path, prototxt = saved(message), Path("w.prototxt")
    prototxt.write_text(text)
    return to_network(caffe.read(path, prototxt if text else None), path)


@pytest.mark.parametrize("name", NETS)
def test_scores_are_those_of_caffes_arithmetic(name: str) -> None:
    make, net, crop, end = NETS[name]
    message = make()
    found = imported(message)
    assert (found.network.table.name, found.network.table.crop) == (net, crop)
    assert found.guessed == ("pixels", "scale", "classes")
    assert found.network.pixels.order == "BGR"
    picture = images(1, crop, crop) / 50
    with torch.inference_mode():
        expected = caffe_nets.scores(message, picture, end)
        assert expected.std() > 0.01
        torch.testing.assert_close(found.network(picture), expected, rtol=1e-4, atol=1e-4)


def test_a_prototxt_is_held_against_the_weights() -> None:
    message = caffe_nets.resnet()
    text = text_of(message, 224)
    found = imported(message, text)
    assert any("pictures are 224 x 224" in note for note in found.notes)
    transform = 'layer { type: "Data" transform_param { mean_value: 104 mean_value: 117 '
    told = imported(message, f"{text}\n{transform} mean_value: 123 }} }}")
    assert told.network.pixels.mean == (104.0, 117.0, 123.0)
    assert told.guessed == ("scale", "classes")
    for other, line in (
        (text.replace('"res3a_branch2b"', '"res3a_branch2x"'), "no layer 'res3a_branch2b'"),
        (text.replace("pool: AVE", "pool: MAX"), "where ResNet-50 has 'avepool'"),
        (text_of(message, 64), "pictures of 64 do not go through it"),
    ):
        with pytest.raises(UserError) as refused:
            imported(message, other)
        assert line in str(refused.value), refused.value
        assert str(refused.value).startswith("w.prototxt")


def test_constants_are_the_files_and_heads_of_training_are_left_out() -> None:
    assert imported(caffe_nets.alexnet()).network.table.words[1] == "LRN k 1"
    notes = imported(caffe_nets.alexnet()).notes
    assert "its normalisations are 'LRN k 1', where AlexNet as published has 'LRN'" in notes
    two = imported(caffe_nets.alexnet(k=2))
    assert two.network.table.words[1] == "LRN"
    assert not any("normalisations" in note for note in two.notes)
    left = [n for n in imported(caffe_nets.googlenet()).notes if "do not lead to its scores" in n]
    assert left[0].startswith("'loss1/ave_pool', 'loss1/conv', 'relu_loss1/conv' and ")


def test_a_bias_before_a_norm_goes_into_it_and_a_factor_of_none_is_nothing() -> None:
    """conv1 of He's ResNet-50 has one; Caffe makes mean and variance 0 of a factor of 0."""
    message = caffe_nets.resnet()
    tensors = caffe.read(saved(message)).tensors
    bias = np.array(message.layer[0].blobs[1].data, np.float32)
    mean = np.array(message.layer[1].blobs[0].data, np.float32) / 998
    np.testing.assert_allclose(tensors["bn1_1.running_mean"], mean - bias, atol=1e-6)
    assert "conv1_1.bias" not in tensors
    message.layer[1].blobs[2].data[0] = 0
    zero = caffe.read(saved(message)).tensors
    np.testing.assert_allclose(zero["bn1_1.running_mean"], -bias, atol=1e-6)
    assert not zero["bn1_1.running_var"].any()


def test_a_stride_in_the_wider_layer_is_of_another_net() -> None:
    """Of v1.5, whose first pool is padded."""
    message = caffe_nets.resnet(late=True)
    with pytest.raises(UserError) as refused:
        caffe.read(saved(message))
    line = "its layer 'res3a_branch2a' is 'conv1-16-bn', where ResNet-50 has 'conv1-128-bn /2"
    assert line in str(refused.value)


def refusal(path: Path) -> str:
    """What is said of a file that is refused; nothing of one that is read."""
    try:
        caffe.read(path)
    except UserError as error:
        return str(error)
    return ""


def layer(message: Any, name: str) -> Any:
    return next(x for x in message.layer or message.layers if x.name == name)


def change(message: Any, name: str, **fields: Any) -> Any:
    for key, value in fields.items():
        said, _, field = key.partition("__")
        if field in ("stride", "pad"):
            getattr(getattr(layer(message, name), said), field)[:] = [value]
        elif field:
            setattr(getattr(layer(message, name), said), field, value)
        else:
            setattr(layer(message, name), key, value)
    return message


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (lambda: change(caffe_nets.alexnet(), "conv4", convolution_param__group=1),
         "its layer 'conv4' is 'conv3-24', where AlexNet has 'conv3-384 groups 2'"),
        (lambda: change(caffe_nets.alexnet(), "conv5", convolution_param__stride=2),
         "its layer 'conv5' is 'conv3-16 /2 groups 2', where AlexNet has 'conv3-256 groups 2'"),
        (lambda: change(caffe_nets.alexnet(), "norm2", lrn_param__norm_region=1),
         "its layer 'norm2' is 'LRN within channels', where AlexNet has 'LRN'"),
        (lambda: change(caffe_nets.resnet(), "res4c", eltwise_param__operation=2),
         "its layer 'res4c' is 'eltwise other than a sum', where ResNet-50 has '['"),
        (lambda: change(caffe_nets.resnet(), "pool5", pooling_param__kernel_size=5),
         "at a crop of 224 its maps are 3 x 3 where those of ResNet-50 are 1 x 1"),
    ],
)  # fmt: skip
def test_other_nets_meet_a_line_that_names_the_layer(message: Callable[[], Any], line: str) -> None:
    with pytest.raises(UserError) as refused:
        caffe.read(saved(message()))
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)


def test_blobs_that_do_not_fit_are_named_by_the_files_layer() -> None:
    message = caffe_nets.resnet()
    layer(message, "bn2a_branch2b").blobs.pop()
    with pytest.raises(UserError, match="'bn2a_branch2b' has not a norm's mean"):
        caffe.read(saved(message))
    message = caffe_nets.alexnet()
    blob = layer(message, "fc7").blobs[0]
    blob.shape.dim[:] = [12, 11]
    del blob.data[12 * 11 :]
    with pytest.raises(
        UserError, match="layer 'fc7' is 12 x 11 x 1 x 1, where AlexNet has 12 x 12"
    ):
        caffe.read(saved(message))


def test_damaged_files_are_read_or_refused_in_a_line() -> None:
    content = caffe_nets.alexnet().SerializeToString()
    head = content[:600]  # messages of layers and the first of the filters
    for changed in damaged(head, 60, seed=1):
        Path("d.caffemodel").write_bytes(changed + content[600:])
        assert "\n" not in refusal(Path("d.caffemodel"))


def test_pixels_are_a_guess_without_a_text() -> None:
    found = imported(caffe_nets.alexnet())
    assert found.network.pixels == AUTHORS
    assert any("as Caffe's nets mostly have them" in note for note in found.notes)
