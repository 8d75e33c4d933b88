"""What files of ours say, wrong in every way: each is refused in one line, by every verb.

The keys are those of files that are written here; what is put in their place is of every kind that
JSON and TOML have, out of range, endless, or nothing at all. What may be taken instead of refused
is listed by hand: what a key is not asked for, and what it may as well be.
"""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import numpy as np
import pytest
import torch

from tests.commands.test_commands import Said
from tests.commands.test_commands import verydeep as verydeep  # a fixture
from tests.conftest import TWO_CORES
from verydeep import schema, tensors_file
from verydeep.datasets import open_dataset
from verydeep.descriptors.features import KIND as FEATURES
from verydeep.descriptors.features import Features, PartSaid, PieceSaid, load_features
from verydeep.errors import UserError
from verydeep.evaluation.scores import KIND as SCORES
from verydeep.evaluation.scores import Scores, load_scores, save_scores
from verydeep.evaluation.views import Protocol
from verydeep.nets.named import Sizes
from verydeep.nets.network import Network, build
from verydeep.packs import index as packs
from verydeep.packs.writer import pack
from verydeep.pictures.preprocessing import Pixels
from verydeep.schema import AndOthers, Between, Count, MisfitError, Most, fitting
from verydeep.training import checkpoints
from verydeep.training.recipes import recipe
from verydeep.training.run import ORIGIN, ORIGIN_KIND, read_origin
from verydeep.training.run_toml import RUN, described, to_toml
from verydeep.training.settings import Settings, checked
from verydeep.verbs.stages import CHAIN, resume_staged
from verydeep.verbs.train import resume, train
from verydeep.weights import load, save
from verydeep.weights.file import KIND as WEIGHTS
from verydeep.weights.file import read_info, read_memory
from verydeep.weights.warm_start import Origin

Run = Callable[..., Said]
SMALL: dict[str, Any] = {
    "net": "A", "width": 0.125, "crop": 32, "fc": 16, "scale": 40, "batch": 10, "rate": 0.01,
    "micro_batch": 5, "initial": "he", "epochs": 1, "patience": 2,
}  # fmt: skip
GONE = object()
DEEP: Any = []
for _ in range(40):
    DEEP = [DEEP]
WRONG = [
    GONE, None, True, -1, 2.5, 1e308, 2**80, "", "x" * 70_000, "\x1b[2K", [], [[]], ["x", 1], {},
    {"x": {"y": 1}}, DEEP,
]  # fmt: skip
IDS = [
    "gone", "null", "true", "minus", "half", "large", "huge", "empty", "long", "escape", "list",
    "lists", "mixed", "table", "tables", "deep",
]  # fmt: skip

SINCE = [
    "at_steps", "stairs", "area", "aspect", "mirror", "border", "smoothing", "disturb", "mean_from",
    "each", "cut_by",
]  # fmt: skip
"""Settings that runs of before do not tell."""


def places(said: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every value of a file stands, tables and lists themselves among them."""
    if at:
        yield at
    if isinstance(said, dict):
        for key, value in said.items():
            yield from places(value, (*at, key))
    elif isinstance(said, list):
        for i, value in enumerate(said[:2]):
            yield from places(value, (*at, i))


def with_wrong(said: Any, at: tuple[Any, ...], value: Any) -> Any:
    """The same with something else in one place."""
    said = copy.deepcopy(said)
    inner = said
    for step in at[:-1]:
        inner = inner[step]
    if value is GONE:
        del inner[at[-1]]
    else:
        inner[at[-1]] = value
    return said


def one_line(error: UserError) -> None:
    """Names of places are shown as they are, and made printable where they are printed."""
    text = str(error).replace("\x1b[2K", "")
    assert text.isprintable(), text
    assert len(text) < 2000, text


def taken_of(
    said: Any, value: Any, write: Callable[[Any], None], read: Callable[[], object]
) -> list[tuple[Any, ...]]:
    """The places of a file where this is read as if it was right; elsewhere it is refused."""
    taken = []
    for at in places(said):
        write(with_wrong(said, at, value))
        try:
            read()
        except UserError as error:
            one_line(error)
        else:
            taken.append(at)
    return taken


def in_a_list(at: tuple[Any, ...]) -> bool:
    return isinstance(at[-1], int)


# --- the mechanism


class Inner(TypedDict):
    side: Annotated[int, Between(1, 8)]
    share: NotRequired[Annotated[float, Between(0, 1, "[)")]]


class Outer(TypedDict):
    inner: Inner
    order: Literal["RGB", "BGR"]
    names: Annotated[list[Annotated[str, Most(3)]], Most(2)]
    pair: tuple[int, int] | None
    more: Annotated[Inner, AndOthers()]


RIGHT: dict[str, Any] = {
    "inner": {"side": 8}, "order": "RGB", "names": ["abc"], "pair": [1, 2],
    "more": {"side": 1, "share": 0, "other": [3]},
}  # fmt: skip


def test_what_fits_comes_back_typed() -> None:
    found = fitting(Outer, RIGHT)
    assert found["pair"] == (1, 2)
    assert type(found["more"]["share"]) is float
    assert found["more"]["other"] == [3]


@pytest.mark.parametrize(
    ("at", "value", "line"),
    [
        (("inner", "side"), 9, "inner.side is 9; a whole number from 1 to 8 is needed"),
        (("inner", "side"), 1.0, "inner.side is 1.0; a whole number from 1 to 8 is needed"),
        (("inner", "side"), True, "inner.side is true; a whole number from 1 to 8 is needed"),
        (("inner", "share"), 1, "inner.share is 1; a number in [0, 1) is needed"),
        (("inner", "other"), 1, "it has 'inner.other', which no file of this kind has"),
        (("inner", "side"), GONE, "it lacks 'inner.side'"),
        (("inner",), [], "inner is a list of 0; a table is needed"),
        (("order",), "rgb", "order is 'rgb'; one of RGB, BGR is needed"),
        (("names",), "abc", "names is 'abc'; a list is needed"),
        (("names",), ["a", "abcd"], "names[1] is 'abcd'; a text of 3 letters at most is needed"),
        (("names",), ["a"] * 3, "names is a list of 3; a list of 2 values at most is needed"),
        (("pair",), [1], "pair is a list of 1; a list of 2 is needed"),
    ],
)
def test_a_misfit_names_key_what_came_and_what_was_expected(
    at: tuple[str, ...], value: Any, line: str
) -> None:
    said = with_wrong({**RIGHT, "inner": {"side": 8, "share": 0.5, "other": 1}}, at, value)
    if at[-1] != "other" and len(at) == 2:
        del said["inner"]["other"]
    elif len(at) == 1 and at != ("inner",):
        said["inner"] = {"side": 8}
    with pytest.raises(MisfitError) as error:
        fitting(Outer, said)
    assert str(error.value) == line


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e400])
def test_what_is_no_finite_number_is_none(value: float) -> None:
    with pytest.raises(MisfitError):
        fitting(float, value, "rate")


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 40 + "]" * 40, "{", "NaN", "1" * 5000])
def test_texts_that_are_none_or_nested_too_deep_are_no_json(text: str) -> None:
    with pytest.raises(MisfitError):
        schema.of_json(text)


@pytest.mark.parametrize("text", [b"a = " + b"[" * 5000, b"a = " + b"{b=" * 1000, b"\xff", b"a"])
def test_texts_that_are_none_or_nested_too_deep_are_no_toml(text: bytes) -> None:
    with pytest.raises(MisfitError):
        schema.of_toml(text)


# --- run.toml, chain.toml, recipes and settings


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tuned run that is finished, with all that run.toml may say."""
    home = tmp_path_factory.mktemp("runs")
    train("drawn:30x48", home / "first", TWO_CORES, **SMALL)
    tuned: dict[str, Any] = {
        "start": str(home / "first"),
        "batch": 10,
        "epochs": 1,
        "micro_batch": 5,
    }
    train("drawn:30x48", home / "run", TWO_CORES, **tuned)
    return home / "run"


@pytest.mark.parametrize("value", WRONG, ids=IDS)
def test_whatever_run_toml_says_is_read_or_refused_in_one_line(
    run: Path, tmp_path: Path, value: Any
) -> None:
    """Texts that are only told of, such as reasons and versions, may say anything in one line."""
    about = tomllib.loads((run / RUN).read_text())

    def write(said: Any) -> None:
        (tmp_path / RUN).write_text(toml(said))

    taken = taken_of(about, value, write, lambda: described(tmp_path))
    free = {"repeat", "versions", "reasons"}  # told of, and no more
    taken = [at for at in taken if at[0] not in free and not in_a_list(at)]
    if value is GONE:
        assert {*taken} <= {
            ("settings", "fc"), ("settings", "task"), ("settings", "fall"),
            ("settings", "warm_up"), ("settings", "class_weights"), ("settings", "sampling"),
            ("settings", "cached"), ("settings", "views"), ("settings", "validation"),
            ("machine", "given"), ("data", "test"),
            *(("settings", name) for name in SINCE),
        }  # fmt: skip
    elif isinstance(value, str):
        assert {at for at in taken if at[0] == "settings"} <= {("settings", "initial")}, taken
    else:
        assert {at[0] for at in taken} <= {"settings", "data", "start"}, taken
        assert len(taken) < 16, taken


def toml(said: Any) -> str:
    """TOML of anything that JSON has, as far as there is one."""
    if not isinstance(said, dict):
        return f"x = {json.dumps(said)}\n"
    tables = {k: v for k, v in said.items() if isinstance(v, dict)}
    lines = [f"{k} = {inline(v)}" for k, v in said.items() if k not in tables]
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{json.dumps(k)} = {inline(v)}" for k, v in table.items())]
    return "\n".join(lines) + "\n"


def inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return "[]" if value is None else json.dumps(value)


@pytest.mark.parametrize("value", [GONE, "x", [3], 2**80], ids=["gone", "text", "list", "huge"])
def test_every_table_of_run_toml_is_needed_by_resume(
    run: Path, tmp_path: Path, value: Any, verydeep: Run
) -> None:
    about = tomllib.loads((run / RUN).read_text())
    for at in [("settings", "net"), ("settings", "width"), ("machine", "data"), ("data", "where"),
               ("settings",), ("machine",), ("data",), ("data", "fingerprint"), ("reasons",),
               ("start", "words"), ("start",), ("start", "mean")]:  # fmt: skip
        (tmp_path / RUN).write_text(toml(with_wrong(about, at, value)))
        said = verydeep("train", "--resume", ".", "--quiet")
        if value == "x" and at in [("machine", "data"), ("data", "fingerprint")]:
            assert said.code == 2  # a place, or a print, that is another
        elif value != "x" or at != ("data", "where"):  # a name of any kind
            assert at[-1] in said.mistake or at[0] in said.mistake, said.mistake


@pytest.mark.parametrize("text", ["", "x", "x = " + "[" * 3000, "\x00", "[settings]"])
def test_a_run_toml_that_is_none_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / RUN).write_text(text)
    for read in (lambda: resume("."), lambda: recipe(f"./{RUN}")):
        try:
            read()
        except UserError as error:
            one_line(error)
        else:
            assert text in ("", "[settings]")
            assert read() is not None


@pytest.mark.parametrize("value", WRONG, ids=IDS)
def test_whatever_chain_toml_says_is_one_line(tmp_path: Path, value: Any) -> None:
    """Even where it fits, for there is no such data."""
    about = {
        "chain": {"recipe": "D-256", "data": "nowhere"},
        "given": {"width": 0.1, "latest_cuts": [0.5, 0.7]},
    }

    def write(said: Any) -> None:
        (tmp_path / CHAIN).write_text(toml(said))

    assert not taken_of(about, value, write, lambda: resume_staged(tmp_path, TWO_CORES))


@pytest.mark.parametrize("value", WRONG[1:], ids=IDS[1:])
def test_settings_of_another_kind_or_out_of_range_are_one_line(value: Any) -> None:
    refused = 0
    for name in vars(Settings()):
        try:
            Settings(**checked({name: value}))
        except UserError as error:
            one_line(error)
            refused += 1
    assert refused >= 16


@pytest.mark.parametrize(
    "words",
    [
        ["--set", "width=" + "[" * 5000], ["--set", "width=" + "{a=" * 2000], ["--rate", "1e39"],
        ["--rate", "nan"], ["--fc", "1" + "0" * 30], ["--set", "scale=" + "[" * 3000],
        ["--set", "momentum=inf"], ["--seed", "1" + "0" * 30], ["--seed", "-1"],
        ["--epochs", "9" * 30], ["--set", "latest_cuts=[nan]"], ["--set", "x\x1b=1"],
    ],
)  # fmt: skip
def test_absurd_options_are_one_line(verydeep: Run, words: list[str]) -> None:
    assert verydeep("train", "drawn:30x48", *words, "--quiet").mistake.isprintable()


@pytest.mark.parametrize(
    "words",
    [
        ["--fc", "1000000"], ["--fc", "10000000"], ["--crop", "20000"],
        ["--net", "E", "--width", "4", "--crop", "224"], ["--batch", "20", "--crop", "8000"],
    ],
)  # fmt: skip
def test_what_cannot_fit_is_refused_with_what_it_takes_and_what_there_is(
    verydeep: Run, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verydeep.runtime.memory.available", lambda device="cpu": 8 * 10**9)
    said = verydeep("train", "drawn:30x48", "--batch", "20", *words, "--quiet")
    assert "GB, and 8.00 GB of memory are free; take a smaller --crop" in said.mistake
    assert not Path("runs").exists()


# --- weights files


def network() -> Network:
    pixels = Pixels((40, 60), (1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    return build("A", ["cat", "dog"], width=0.125, crop=32, fc=16, pixels=pixels)


def written(path: Path, tensors: dict[str, Any], about: Any) -> None:
    tensors_file.write(path, WEIGHTS, about, tensors)


@pytest.mark.parametrize("value", WRONG, ids=IDS)
def test_whatever_a_weights_file_says_is_read_or_refused_in_one_line(value: Any) -> None:
    path = Path("w.safetensors")
    provenance = {
        "settings": {"seed": 1, "width": 0.125, "fc": 16, "net": "A"},
        "data": {"fingerprint": "x", "marks": ["a"]},
        "imported": {"measured": "well"},
    }
    save(network(), path, provenance)
    about = {"format": WEIGHTS.format, **tensors_file.read(path, WEIGHTS).record}
    tensors = tensors_file.read(path, WEIGHTS).tensors()

    def read() -> None:
        load(path)
        origin = Origin.of(path)
        origin.table_for(Sizes("A", 0.125, 32, 16), ["FC-3", "soft-max"])

    taken = taken_of(about, value, lambda said: written(path, tensors, said), read)
    taken = [at for at in taken if at[0] != "provenance" and at != ("format",)]
    if not isinstance(value, str):
        assert {at[0] for at in taken} <= {"pixels", "has_memory", "hash"}, taken


NO_KEYS_OF_PICTURES = {
    "two axes": ({"train": torch.ones((2, 2), dtype=torch.int64)}, "int64 of 2 axes"),
    "no axis": ({"train": torch.tensor(3)}, "int64 of 0 axes"),
    "fractions": ({"train": torch.ones(3)}, "float32 of 1 axes"),
    "half fractions": ({"train": torch.ones(3, dtype=torch.bfloat16)}, "bfloat16 of 1 axes"),
    "no role": ({"tr\nain": torch.ones(3, dtype=torch.int64)}, r"pictures that were"),
}


@pytest.mark.parametrize("name", NO_KEYS_OF_PICTURES)
def test_keys_of_pictures_that_are_none_are_refused_in_both_files(
    tmp_path: Path, name: str
) -> None:
    keys, words = NO_KEYS_OF_PICTURES[name]
    tensors_file.write(tmp_path / ORIGIN, ORIGIN_KIND, {}, keys)
    with pytest.raises(UserError, match=words) as refused:
        read_origin(tmp_path)
    assert "train anew" in str(refused.value)
    assert "\n" not in str(refused.value)
    save(build("A", 2, width=0.125, crop=32), "w.safetensors")
    content = tensors_file.read(Path("w.safetensors"), WEIGHTS)
    pictures = {f"pictures.{role}": tensor for role, tensor in keys.items()}
    written(Path("w.safetensors"), {**content.tensors(), **pictures}, content.record)
    with pytest.raises(UserError, match=f"damaged in its list of pictures.*{words}") as refused:
        read_memory("w.safetensors")
    assert "\n" not in str(refused.value)


def test_a_provenance_with_other_keys_or_none_can_be_started_from() -> None:
    kinds: list[dict[str, Any]] = [
        {}, {"settings": {}}, {"settings": {"width": 0.5}}, {"other": [1]},
    ]  # fmt: skip
    for provenance in kinds:
        save(network(), Path("w.safetensors"), provenance)
        origin = Origin.of("w.safetensors")
        assert origin.table_for(origin.sizes, ["FC-3", "soft-max"]).class_count == 3


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.bfloat16])
def test_weights_of_another_precision_become_float32(tmp_path: Path, kind: torch.dtype) -> None:
    net = network().to(kind)
    save(net, tmp_path / "w.safetensors")
    read = load(tmp_path / "w.safetensors")
    for name, tensor in net.state_dict().items():
        assert read.state_dict()[name].dtype is torch.float32
        assert torch.equal(read.state_dict()[name], tensor.float())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_finite_numbers_are_refused_by_layer(
    tmp_path: Path, value: float
) -> None:
    net = network()
    with torch.no_grad():
        net.get_submodule("conv3_1").get_parameter("bias")[3] = value
    save(net, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match="no finite numbers, in conv3_1.bias"):
        load(tmp_path / "w.safetensors")


def test_weights_too_large_for_float32_are_refused_by_layer(tmp_path: Path) -> None:
    net = network().double()
    with torch.no_grad():
        net.get_submodule("fc7").get_parameter("bias")[0] = 1e300
    save(net, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match="no finite numbers, in fc7.bias"):
        load(tmp_path / "w.safetensors")


def test_weights_in_eight_bits_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save(network(), path)
    about = vars(read_info(path))
    tensors = {name: t.to(torch.uint8) for name, t in network().state_dict().items()}
    written(path, tensors, about)
    with pytest.raises(UserError, match=r"weights in U8, in .*; F32, F64, F16, BF16 are read"):
        load(path)


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("conv3-1000000", "conv1_1.bias is 8, 1000000 needed"),
        ("conv3-99999999999", "a table of .* weights, which no machine trains"),
        ("conv201-8", "conv1_1.weight is 8 x 3 x 3 x 3, 8 x 3 x 201 x 201 needed"),
        ("conv3-0", "a table that is none"),
    ],
)
def test_a_table_of_absurd_sizes_is_refused_before_memory_is_taken(
    tmp_path: Path, word: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.safetensors"
    save(network(), path)
    about = vars(read_info(path))
    about["table"] = {**about["table"], "words": [word, *about["table"]["words"][1:]]}
    written(path, network().state_dict(), about)
    monkeypatch.setattr("verydeep.weights.file._read", None)
    with pytest.raises(UserError, match=line):
        load(path)


def test_a_weights_file_larger_than_the_memory_there_is_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(network(), tmp_path / "w.safetensors")
    monkeypatch.setattr("verydeep.runtime.memory.available", lambda device="cpu": 1000)
    with pytest.raises(UserError, match=r"w.safetensors takes about .* MB, and 0 MB of memory"):
        load(tmp_path / "w.safetensors")


# --- score files


def scores(**changed: Any) -> Scores:
    posteriors = np.full((4, 3), 1 / 3, np.float32)
    whole = {
        "posteriors": posteriors, "truth": np.array([0, 1, 2, 0]), "names": tuple("abcd"),
        "classes": ("x", "y", "z"), "protocol": Protocol("dense", 32, (40,)), "weights": "w",
        "data": "d", "net": ("A", 256, 256), "members": ("m", "n"), "left_out": ("e: why",),
    }  # fmt: skip
    return Scores(**{**whole, **changed})


def rewritten(path: Path, about: Any, **arrays: np.ndarray) -> None:
    kept = {"posteriors": scores().posteriors, "labels": scores().labels}
    tensors_file.write(path, SCORES, about, {**kept, **arrays})


def said_of(path: Path) -> Any:
    return {"format": SCORES.format, **tensors_file.read(path, SCORES).record}


@pytest.mark.parametrize("value", WRONG, ids=IDS)
def test_whatever_a_score_file_says_is_read_or_refused_in_one_line(value: Any) -> None:
    path = Path("s.safetensors")
    save_scores(scores(), path)
    about = said_of(path)
    taken = taken_of(about, value, lambda said: rewritten(path, said), lambda: load_scores(path))
    if not isinstance(value, str) and value is not GONE:
        assert {at[0] for at in taken} <= {"net", "members", "left_out", "protocol", "split"}, taken


@pytest.mark.parametrize(
    "arrays",
    [
        {"labels": np.array([0, 1, 3, 0])},
        {"labels": np.array([0, 1, -1, 0])},
        {"labels": np.array([0.0, 1.0, 2.0, 0.0])},
        {"labels": np.array([[0, 1, 2, 0]])},
        {"labels": np.array([0, 1, 2])},
        {"labels": np.array([0, 1, 2, 2**62])},
        {"labels": np.array([0, 1, 2**64 - 1, 0], np.uint64)},
        {"labels": np.array([False, True, False, True])},
        {"signs": np.ones((4, 3), np.int8)},
        {"posteriors": np.full((4, 3), 1 / 3)},
        {"posteriors": np.full((4, 3), 1, np.int64)},
        {"posteriors": np.full((4, 3, 1), 1 / 3, np.float32)},
        {"posteriors": np.full((4, 3), 0.5, np.float32)},
        {"posteriors": np.full((4, 3), np.nan, np.float32)},
        {"posteriors": np.array([[2, -1, 0]] * 4, np.float32)},
        {"posteriors": np.full((3, 3), 1 / 3, np.float32)},
        {"posteriors": np.zeros((4, 0), np.float32)},
    ],
)
def test_labels_and_posteriors_that_are_none_are_refused_by_every_verb(
    verydeep: Run, arrays: dict[str, np.ndarray]
) -> None:
    save_scores(scores(), Path("right.safetensors"))
    rewritten(Path("wrong.safetensors"), said_of(Path("right.safetensors")), **arrays)
    for verb in ("compare", "fuse"):
        said = verydeep(verb, "right.safetensors", "wrong.safetensors")
        assert "wrong.safetensors is no whole score file of verydeep: " in said.mistake


# --- checkpoints and packs


@pytest.mark.parametrize("value", WRONG, ids=IDS)
def test_whatever_a_checkpoint_says_is_gone_on_with_or_refused_in_one_line(
    run: Path, tmp_path: Path, value: Any
) -> None:
    """Sums are those of what is changed: a file that was written so, and not damaged."""
    place = checkpoints.found(run / "checkpoints")[-1]
    content = tensors_file.read(place, checkpoints.KIND)
    changed = tmp_path / place.name

    def read() -> object:
        return checkpoints.state_of({place.name: changed.read_bytes()})

    def write(said: Any) -> None:
        tensors_file.write(changed, checkpoints.KIND, said, {})

    taken = taken_of(content.record, value, write, read)
    free = ("about", "left_out", "faults", "epochs")
    numbers = isinstance(value, int | float) and value is not True
    assert all(at[0] in free or (numbers and len(at) == 1) for at in taken), taken


@pytest.mark.parametrize("value", WRONG, ids=IDS)
def test_whatever_an_index_says_is_read_or_refused_in_one_line(tmp_path: Path, value: Any) -> None:
    pack(open_dataset("drawn:20x32"), tmp_path / "p", 32)
    index = tmp_path / "p" / packs.INDEX
    content = tensors_file.read(index, packs.KIND)

    def write(said: Any) -> None:
        tensors_file.write(index, packs.KIND, said, content.arrays())

    taken = taken_of(content.record, value, write, lambda: open_dataset(tmp_path / "p"))
    if not isinstance(value, str):
        assert {at[0] for at in taken} <= {"boxes", "about", "shards", "classes"}, taken


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": 10},
        {"labels": -1},
        {"offsets": -5},
        {"offsets": 2**40},
        {"sizes": 2**31},
        {"name_sizes": 2**30},
        {"box_counts": 7},
        {"boxes": np.nan},
    ],
)
def test_an_index_whose_arrays_do_not_fit_is_refused(
    tmp_path: Path, wrong: dict[str, float]
) -> None:
    pack(open_dataset("drawn:20x32"), tmp_path / "p", 32)
    index = tmp_path / "p" / packs.INDEX
    header, entries = packs.read_index(index)
    ((name, value),) = wrong.items()
    array = getattr(entries, name).copy()
    array.flat[3] = value
    changed = packs.Entries(**{**vars(entries), name: array})
    packs.write_index(index, header, changed)
    with pytest.raises(UserError, match="no whole index .*: its .* are not those of its shards"):
        open_dataset(tmp_path / "p")


def test_a_schema_counts_no_truth_as_a_number() -> None:
    with pytest.raises(MisfitError, match="n is true"):
        fitting(Count, True, "n")


def test_toml_keeps_what_to_toml_writes() -> None:
    about = {"machine": {"data": "a\x7f\u2028b"}}
    assert tomllib.loads(to_toml(about)) == about


# --- features files


def features() -> Features:
    rows = np.eye(3, 4, dtype=np.float32)
    return Features(
        rows, np.arange(1, 4), np.array([0, 1, 0]), tuple("abc"), ("x", "y"),
        (PartSaid("train", 2), PartSaid("test", 1)),
        (PieceSaid("w", "D", "pool5", (40, 48), 4, "d.safetensors"),), "photos", "d",
        left_out=("e: why",),
    )  # fmt: skip


@pytest.mark.parametrize("value", WRONG, ids=IDS)
def test_whatever_a_features_file_says_is_read_or_refused_in_one_line(value: Any) -> None:
    path = Path("f.safetensors")
    features().save(path)
    content = tensors_file.read(path, FEATURES)
    about = {"format": FEATURES.format, **content.record}

    def write(said: Any) -> None:
        tensors_file.write(path, FEATURES, said, content.arrays())

    taken = taken_of(about, value, write, lambda: load_features(path))
    if not isinstance(value, str) and value is not GONE:
        assert {at[0] for at in taken} <= {"left_out", "split", "pieces"}, taken


@pytest.mark.parametrize(
    "arrays",
    [
        {"descriptors": np.eye(3, 4)},
        {"descriptors": np.eye(3, 5, dtype=np.float32)},
        {"descriptors": np.full((3, 4), np.nan, np.float32)},
        {"keys": np.arange(4)},
        {"keys": np.arange(3, dtype=np.int32)},
        {"labels": np.array([0, 1, 2])},
        {"labels": np.array([0, 1])},
        {"labels": np.array([0, 1, 0]), "ends": np.array([1, 2, 2])},
        {"labels": np.array([0, 1, 0]), "ends": np.array([2, 1, 3])},
        {
            "labels": np.array([0, 1, 0]), "ends": np.array([1, 2, 3]),
            "uncertain": np.array([0, 1, 0]),
        },
    ],
)  # fmt: skip
def test_descriptors_and_labels_that_do_not_fit_are_refused(arrays: dict[str, np.ndarray]) -> None:
    path = Path("f.safetensors")
    features().save(path)
    content = tensors_file.read(path, FEATURES)
    tensors_file.write(path, FEATURES, content.record, {**content.arrays(), **arrays})
    with pytest.raises(UserError, match="f.safetensors is no whole features file"):
        load_features(path)
