"""ONNX files that keep their numbers in files beside them, as `onnx` itself writes those.

What is expected is what the same model gives in one file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.foreign_nets import assert_refused
from tests.importers.test_onnx_weights import vgg
from verydeep.importers import onnx as ours
from verydeep.importers import sandbox
from verydeep.importers.onnx_data import bytes_of


def saved(**how: Any) -> Path:
    """The model with its numbers elsewhere, all of them."""
    onnx.save(vgg().model(), "vgg.onnx", save_as_external_data=True, size_threshold=0, **how)
    return Path("vgg.onnx")


@pytest.mark.parametrize(
    "how",
    [
        {"location": "vgg.onnx.data"}, {"location": "w.bin"}, {"all_tensors_to_one_file": False},
    ],
    ids=["torch's name", "another name", "a file for each"],
)  # fmt: skip
def test_numbers_beside_a_file_are_those_within(how: dict[str, Any]) -> None:
    onnx.save(vgg().model(), "whole.onnx")
    whole, beside = ours.read("whole.onnx"), ours.read(saved(**how))
    assert list(beside.tensors) == list(whole.tensors)
    assert all(np.array_equal(beside.tensors[k], whole.tensors[k]) for k in whole.tensors)


def test_files_beside_count_for_the_limits_of_the_process_that_reads() -> None:
    Path("other.bin").write_bytes(bytes(1000))
    path = saved(location="vgg.onnx.data")
    sizes = [Path(name).stat().st_size for name in ("vgg.onnx", "vgg.onnx.data")]
    assert bytes_of(path) == sum(sizes)
    assert "conv5_3.weight" in sandbox.read(path).tensors


def test_names_that_a_graph_does_not_tell_count_for_nothing() -> None:
    """Neighbours whose names are in its content by chance."""
    onnx.save(vgg().model(), "vgg.onnx")
    content = Path("vgg.onnx").read_bytes()
    for name in "aceor":
        assert name.encode() in content
        Path(name).write_bytes(bytes(1000))
    assert bytes_of(Path("vgg.onnx")) == len(content)


def with_entry(key: str, value: str) -> Path:
    """The file with another entry of its first tensor, of those that tell where its numbers are."""
    path = saved(location="vgg.onnx.data")
    model = onnx.load(str(path), load_external_data=False)
    tensor = next(each for each in model.graph.initializer if each.external_data)
    next(entry for entry in tensor.external_data if entry.key == key).value = value
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: with_entry("location", "../secret"), "its weights are in '../secret'; files of"),
        (lambda: with_entry("location", "/etc/passwd"), "in '/etc/passwd'; files of its own fold"),
        (lambda: with_entry("location", ".."), "files of its own folder alone"),
        (lambda: with_entry("location", "gone"), "a file 'gone', which is not beside it"),
        (lambda: with_entry("length", "12"), "has 12 bytes, [0-9,]+ are needed"),
        (lambda: with_entry("offset", "99999999"), "'vgg.onnx.data' beside it is too short"),
        (lambda: with_entry("offset", "-4"), "tells of '-4' where a number is due"),
    ],
)
def test_no_span_is_believed_that_is_not_there(make: Callable[[], Path], reason: str) -> None:
    assert_refused(ours.read, make(), reason)


def test_half_a_file_beside_is_called_too_short() -> None:
    path = saved(location="vgg.onnx.data")
    data = Path("vgg.onnx.data")
    data.write_bytes(data.read_bytes()[:1000])
    assert_refused(ours.read, path, "'vgg.onnx.data' beside it is too short for .*: 1,000 of")
    data.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d\n")
    assert_refused(ours.read, path, "'vgg.onnx.data' beside it is a pointer of Git LFS")
