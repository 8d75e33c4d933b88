"""The weights file: what goes in comes out, and whatever is changed in between is found."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.conftest import images
from verydeep import load, save, tensors_file
from verydeep.errors import UserError
from verydeep.nets import vgg
from verydeep.nets.network import Network, build
from verydeep.pictures.preprocessing import Pixels
from verydeep.weights import start_from
from verydeep.weights.file import KIND, hash_of, read_info, read_memory
from verydeep.weights.warm_start import Origin

PIXELS = Pixels((40, 60), (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), order="BGR", resize="bicubic")


def network(name: str = "C") -> Network:
    return build(name, ["cat", "dög", "x y"], width=0.125, crop=32, fc=16, pixels=PIXELS)


@pytest.mark.parametrize("name", list(vgg.CONFIGURATIONS))
def test_a_network_comes_back_whole(tmp_path: Path, name: str) -> None:
    written = network(name)
    save(written, tmp_path / "w.safetensors", {"seed": 3})
    read = load(tmp_path / "w.safetensors")
    assert (read.table, read.classes, read.pixels) == (
        written.table,
        written.classes,
        written.pixels,
    )
    crop = images(2, 48, 32)
    assert torch.equal(read(crop), written(crop))
    assert not read.training


def test_the_same_network_gives_the_same_file(tmp_path: Path) -> None:
    paths = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for path in paths:
        save(network(), path, {"settings": {"seed": 0, "rate": 0.1}, "epoch": 1})
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    digest = save(network(), tmp_path / "w.safetensors", {"seed": 3})
    info = read_info(tmp_path / "w.safetensors")
    assert info.classes == ["cat", "dög", "x y"]
    assert info.provenance == {"seed": 3}
    assert info.hash == digest == hash_of(network())


def test_a_run_folder_stands_for_its_best_weights(tmp_path: Path) -> None:
    save(network(), tmp_path / "run" / "best.safetensors")
    assert load(tmp_path / "run").classes == ("cat", "dög", "x y")


def test_a_changed_bit_of_the_tensors_is_found_by_name(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save(network(), path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # the last by name, for all are of one kind of number
    path.write_bytes(content)
    with pytest.raises(
        UserError,
        match=r"w.safetensors is no whole weights file of verydeep: the "
        r"sha256 of its fc8.weight is not .*; copy or fetch it again, or train anew",
    ):
        load(path)


def test_a_cut_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save(network(), path)
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    for cut in (0, 3, 8, 30, start // 2, start, len(content) - 1):
        path.write_bytes(content[:cut])
        with pytest.raises(UserError, match="no weights file of" if cut < 35 else "no whole"):
            load(path)


def test_another_program_reads_the_file_as_it_is(tmp_path: Path) -> None:
    written = network()
    save(written, tmp_path / "w.safetensors")
    found = load_file(tmp_path / "w.safetensors")  # the reader of the format's authors
    assert found.keys() == written.state_dict().keys()
    assert all(torch.equal(found[name], t) for name, t in written.state_dict().items())


# --- files of formats 1 and 2


def of_format(number: int, path: Path, **changes: Any) -> Network:
    """Writes a file as versions with these formats did, from what they said of it."""
    net = network()
    tensors = {name: t.contiguous() for name, t in net.state_dict().items()}
    keys = {"pictures.train": torch.tensor([3, 5])} if number == 2 else {}
    layers = {}
    for layer in sorted({name.rpartition(".")[0] for name in tensors}):
        digest = hashlib.sha256()
        for kind in ("bias", "weight"):
            tensor = tensors[f"{layer}.{kind}"]
            digest.update(f"{layer}.{kind} {tuple(tensor.shape)} torch.float32".encode())
            digest.update(tensor.numpy().tobytes())
        layers[layer] = digest.hexdigest()
    whole = hashlib.sha256("".join(f"{k}{v}" for k, v in layers.items()).encode()).hexdigest()
    about = {
        "table": {"name": "C", "crop": 32, "words": list(net.table.words)},
        "classes": ["cat", "dög", "x y"], "pixels": vars(PIXELS), "provenance": {"seed": 3},
        "layers": layers, "hash": whole, "format": number,
    }  # fmt: skip
    if number == 2:
        one = hashlib.sha256(b"pictures.train (2,) torch.int64")
        one.update(torch.tensor([3, 5]).numpy().tobytes())
        about["pictures"] = hashlib.sha256(f"pictures{one.hexdigest()}".encode()).hexdigest()
    save_file({**tensors, **keys}, path, {"verydeep": json.dumps({**about, **changes})})
    return net


@pytest.mark.parametrize("number", [1, 2])
def test_files_of_earlier_formats_are_read(tmp_path: Path, number: int) -> None:
    written = of_format(number, tmp_path / "w.safetensors")
    read, info = load(tmp_path / "w.safetensors"), read_info(tmp_path / "w.safetensors")
    assert all(torch.equal(read.state_dict()[k], t) for k, t in written.state_dict().items())
    assert info.hash == hash_of(written)  # by which score files know it, whatever the format
    assert (info.provenance, info.has_memory) == ({"seed": 3}, number == 2)
    keys = read_memory(tmp_path / "w.safetensors").keys
    assert {role: k.tolist() for role, k in keys.items()} == (
        {"train": [3, 5]} if number == 2 else {}
    )


def test_a_changed_bit_in_a_file_of_an_earlier_format_is_found(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    of_format(2, path)
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little") + 16  # after the keys, which are larger
    draw = random.Random(0)
    for _ in range(20):
        changed = bytearray(content)
        changed[draw.randrange(start, len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(UserError, match="is damaged in layer"):
            load(path)
    path.write_bytes(content.replace((5).to_bytes(8, "little"), (7).to_bytes(8, "little")))
    with pytest.raises(UserError, match="is damaged in its list of pictures"):
        read_memory(path)


def test_a_file_of_today_without_its_sums_is_damaged(tmp_path: Path) -> None:
    """As another program writes it again, which makes the header anew."""
    path = tmp_path / "w.safetensors"
    of_format(3, path)
    with pytest.raises(UserError, match="w.safetensors is damaged: it has no sha256, or not where"):
        load(path)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, "none of verydeep's"),
        ("not json", "describes itself wrongly"),
        ("{}", "describes itself wrongly"),
        ("[1]", "describes itself wrongly"),
        ("[" * 100_000, "describes itself wrongly"),
    ],
)
def test_a_file_of_another_kind_is_named(
    tmp_path: Path, metadata: str | None, message: str
) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"x": torch.zeros(2)}, path, (metadata and {KIND.key: metadata}) or None)
    with pytest.raises(UserError, match=message):
        load(path)


def changed(path: Path, where: tuple[Any, ...], value: Any) -> None:
    """Writes something else into the header of a file of ours; its tensors stay."""
    content = tensors_file.read(path, KIND)
    inner = content.record
    for name in where[:-1]:
        inner = inner[name]
    inner[where[-1]] = value
    tensors_file.write(path, KIND, content.record, content.tensors())


def test_another_programs_file_that_begins_with_its_own_sum_is_to_be_imported(
    tmp_path: Path,
) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"x": torch.ones(1)}, path, {"sha256": "0" * 64})
    assert path.read_bytes()[8:].startswith(tensors_file.OPENING)
    for read in (load, read_info, read_memory):
        with pytest.raises(UserError, match="none of verydeep's: .* `verydeep weights import"):
            read(path)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("provenance",), "x"), (("provenance",), [1]), (("provenance", "settings"), 3),
        (("provenance", "settings", "seed"), "x"), (("provenance", "settings", "seed"), None),
        (("provenance", "settings", "seed"), -1), (("provenance", "settings", "width"), "x"),
        (("provenance", "settings", "fc"), "x"), (("provenance", "data"), []),
        (("provenance", "data", "marks"), [[]]), (("provenance", "imported"), "x"),
        (("provenance", "imported", "measured"), 1),
        (("table",), None), (("table", "name"), 3), (("table", "name"), "F\n"),
        (("table", "words"), 3), (("table", "words"), [3]), (("table", "words"), []),
        (("table", "crop"), "32"), (("table", "crop"), 32.0), (("table", "crop"), 1),
        (("classes",), "abc"), (("classes",), [1, 2, 3]), (("classes",), ["a", "a", "b"]),
        (("classes",), ["a", "b"]), (("classes",), None), (("classes",), ["a", "b", "\x1b[2Kc"]),
        (("pixels",), []), (("pixels", "mean"), ["a", 1, 2]), (("pixels", "mean"), [1, 2]),
        (("pixels", "scale"), 256), (("pixels", "scale"), [1]), (("pixels", "scale"), [0, 0]),
        (("pixels", "resize"), "magic"), (("pixels", "resize"), []), (("pixels", "std"), [0, 1, 1]),
        (("has_memory",), []), (("hash",), 3),
    ],
)  # fmt: skip
def test_a_header_of_wrong_kinds_is_named(
    tmp_path: Path, where: tuple[str, ...], value: Any
) -> None:
    """Every verb reads the header by `read_info`."""
    path = tmp_path / "w.safetensors"
    settings = {"seed": 0, "net": "C", "width": 0.125}
    save(network(), path, {"settings": settings, "data": {}, "imported": {}})
    changed(path, where, value)
    for read in (read_info, load, Origin.of):
        with pytest.raises(UserError, match="w.safetensors describes itself wrongly: "):
            read(path)


def test_a_class_that_would_write_over_the_line_is_named_without(tmp_path: Path) -> None:
    save(network(), tmp_path / "w.safetensors")
    changed(tmp_path / "w.safetensors", ("classes",), ["a", "b", "\r\x1b[2Kcat"])
    with pytest.raises(
        UserError, match=r"a class name with a control character, '\\r\\x1b\[2Kcat'"
    ) as e:
        load(tmp_path / "w.safetensors")
    assert str(e.value).isprintable()


def test_what_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    twice = build("A", ["cat", "cat"], width=0.125, crop=32, fc=16)
    with pytest.raises(UserError, match=r"cannot write .*read again: two classes are called 'cat'"):
        save(twice, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match="provenance.settings.seed is 'x'; a whole number"):
        save(network(), tmp_path / "w.safetensors", {"settings": {"seed": "x"}})
    assert not list(tmp_path.iterdir())


def test_another_format_number_is_named(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save(network(), path)
    about = tensors_file.read(path, KIND).record
    tensors_file.write(path, replace(KIND, format=9), {**about, "licence": "CC0"}, {})
    with pytest.raises(UserError, match="w.safetensors is a weights file of format 9, and this"):
        load(path)
    save_file({"x": torch.zeros(2)}, path, {KIND.key: json.dumps({**about, "format": 9})})
    with pytest.raises(UserError, match="has format 9; this verydeep reads formats 1, 2 and 3"):
        load(path)


def test_tensors_that_do_not_fit_the_table_are_named(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    written = network()
    written.get_submodule("fc8").bias = torch.nn.Parameter(torch.zeros(7))
    save(written, path)
    with pytest.raises(UserError, match="does not fit its own table"):
        load(path)


def test_a_missing_file_or_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no weights file .*nowhere"):
        load(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no best.safetensors in folder"):
        load(tmp_path)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(UserError, match="text is no weights file of verydeep's"):
        load(tmp_path / "text")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write .*file/w.safetensors \([\d,]+ bytes\)"):
        save(network(), tmp_path / "file" / "w.safetensors")


# --- starting from another's weights


def build_small(name: str, seed: int, **given: Any) -> Network:
    sizes = {"width": 0.125, "crop": 32, "fc": 16, **given}
    return build(name, ["cat", "dog"], initial="glorot", seed=seed, **sizes)


def test_a_deeper_net_takes_the_papers_seven_layers_of_a(tmp_path: Path) -> None:
    """Sect. 3.1: the first four convolutional layers and the last three fully-connected."""
    source, deeper = build_small("A", 1), build_small("D", 2)
    before = {k: v.clone() for k, v in deeper.state_dict().items()}
    save(source, tmp_path / "a.safetensors")
    copied, digest = start_from(deeper, tmp_path / "a.safetensors")
    assert copied == ["conv1_1", "conv2_1", "conv3_1", "conv3_2", "fc6", "fc7", "fc8"]
    assert digest == hash_of(source)
    for name, tensor in deeper.state_dict().items():
        layer = name.split(".")[0]
        expected = source.state_dict()[name] if layer in copied else before[name]
        assert torch.equal(tensor, expected), name


def test_the_same_configuration_takes_every_layer(tmp_path: Path) -> None:
    source, again = build_small("B", 1), build_small("B", 2)
    save(source, tmp_path / "b.safetensors")
    start_from(again, tmp_path / "b.safetensors")
    assert hash_of(again) == hash_of(source)


def test_scores_of_other_classes_are_not_taken(tmp_path: Path) -> None:
    save(network("A"), tmp_path / "a.safetensors")
    copied, _ = start_from(build_small("D", 2), tmp_path / "a.safetensors")
    assert copied[-1] == "fc7"


def test_a_start_of_another_size_is_refused(tmp_path: Path) -> None:
    save(build_small("A", 1), tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=r"its conv1_1 has weights of 8 x 3 x 3 x 3, 16 x 3 x 3"):
        start_from(build_small("D", 2, width=0.25), tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=r"its fc6 has weights of .* the same width, crop and fc"):
        start_from(build_small("D", 2, crop=64), tmp_path / "a.safetensors")
