"""The command line: answers, one line and exit code 2 for each mistake, and what is imported."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import drawn_photos
from verydeep import save
from verydeep.commands import hints
from verydeep.commands import main as command_line
from verydeep.commands.train import parsed
from verydeep.errors import UserError
from verydeep.nets import vgg
from verydeep.nets.network import build
from verydeep.nets.rewording import with_norms
from verydeep.nets.words import read_table
from verydeep.runtime.machine import Machine
from verydeep.shell import command
from verydeep.training.settings import checked

SMALL = ["--net=A", "--width=0.125", "--crop=32", "--scale=40", "--batch=8", "--epochs=1"]
Photos = Callable[..., Path]


class Said:
    """What a command left with and printed."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def mistake(self) -> str:
        """The one line that a mistake gets, after what was said before it."""
        assert self.code == 2, self.err
        assert self.out == ""
        assert "Traceback" not in self.err
        *_, last = self.err.strip().split("\n")
        assert last.startswith("verydeep: "), self.err
        return last


@pytest.fixture
def verydeep(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """Runs a command in this process: verydeep("train", "photos", "--epochs", "1")."""

    def run(*words: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["verydeep", *map(str, words)])
        with pytest.raises(SystemExit) as leaving:
            command_line.main()
        out, err = capsys.readouterr()
        code = leaving.value.code
        return Said(code if isinstance(code, int) else 0, out, err)

    return run


Run = Callable[..., Said]


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos/, three classes, and run/, that of a network trained on them."""
    root = tmp_path_factory.mktemp("trained")
    drawn_photos(root / "photos", 10, 10, 10, side=48)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setattr(sys, "argv", ["verydeep", "train", "photos", "--out", "run", *SMALL])
        with pytest.raises(SystemExit) as leaving:
            command_line.main()
    assert not leaving.value.code
    return root


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path) -> Path:
    """The folder of a network trained on photos/, three classes; each test has its own copy."""
    shutil.copytree(trained_once, tmp_path, dirs_exist_ok=True)
    return Path("run")


# --- at once


def test_the_version_is_that_of_the_package(verydeep: Run) -> None:
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    ours = tomllib.loads(pyproject.read_text())["project"]["version"]
    said = verydeep("--version")
    assert (said.code, said.out) == (0, f"{ours}\n")


@pytest.mark.parametrize("words", [[], ["weights"]])
def test_no_words_at_all_get_the_help(verydeep: Run, words: list[str]) -> None:
    said = verydeep(*words)
    assert (said.code, said.err) == (0, "")
    assert said.out.strip() == verydeep(*words, "--help").out.strip()
    assert len(said.out.split("\n")) > 10


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["train", "--help"],
        ["train", "x", "--epoch", "1"],
        ["nets"],
        ["nets", "D"],
        ["weights", "--help"],
        ["weights", "import", "--help"],
        ["weights", "show"],
    ],
)
def test_help_mistakes_and_tables_import_nothing_heavy(words: list[str]) -> None:
    program = (
        "import sys\nfrom verydeep.commands.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'matplotlib', 'PIL', 'numpy', 'rich'} & set(sys.modules)\n"
        "print('HEAVY', sorted(heavy))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("HEAVY []\n")


@pytest.mark.parametrize(
    "verb", ["tour", "look", "pack", "nets", "train", "evaluate", "predict", "explain"]
)
def test_help_fits_eighty_columns_and_shows_a_line_to_paste(verydeep: Run, verb: str) -> None:
    said = verydeep(verb, "--help")
    assert said.code == 0
    assert all(len(line) <= 80 for line in said.out.split("\n"))
    assert f"\n  verydeep {verb}" in said.out


@pytest.mark.parametrize("name", ["B-shallow", "D-BN"])
def test_the_listing_that_a_missing_layer_points_to_is_there(verydeep: Run, name: str) -> None:
    plain = vgg.table(name.removesuffix("-BN"), 3)
    words = with_norms(plain.words) if name == "D-BN" else plain.words
    with pytest.raises(UserError) as raised:
        read_table(name, words, 224)["conv9_9"]
    line = str(raised.value)
    assert f"no layer 'conv9_9' in configuration {name}; its last convolution is" in line
    said = verydeep(*line.split("`")[1].split()[1:])
    assert said.code == 0
    assert line.split("'")[3] in said.out


def test_names_beyond_the_terminals_encoding_are_printed() -> None:
    """In a process of its own, in the C locale: a class and a file, café.png in Latin-1."""
    save(build("A", ["Café", "dog"], width=0.125, crop=32, fc=16), "w.safetensors")
    name = os.fsdecode(b"caf\xe9.png")
    Image.new("RGB", (48, 48), (200, 30, 30)).save(name)
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "verydeep", "predict", "w.safetensors", name],
        capture_output=True,
        env={**os.environ, **plain},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"caf\\udce9.png\n  "), done.stdout
    assert b"  Caf\\xe9 " in done.stdout


def test_python_imports_no_torch_before_it_is_needed() -> None:
    program = (
        "import sys, verydeep\n"
        "assert {*verydeep.__all__} <= {*dir(verydeep)}\n"
        "print(verydeep.__version__, {'torch', 'numpy', 'PIL'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == f"{version('verydeep')} set()\n", done.stderr


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["tain"], "verydeep: no verb 'tain'; did you mean `train`?; see `verydeep --help`"),
        (["fit", "x"], "verydeep: no verb 'fit'; it is `train` here; see `verydeep --help`"),
        (
            ["train", "x", "--net"],
            "verydeep: option '--net' requires an argument; see `verydeep tr",
        ),
        (["look"], "verydeep: missing argument 'DATA'; see `verydeep look --help`"),
        (["train"], "verydeep: give DATA to train on, or --resume FOLDER; see"),
        (
            ["train", "x", "--epoch", "3"],
            "verydeep: no option --epoch; it is --epochs here; see `verydeep train --help`",
        ),
        (["train", "x", "--epochs", "many"], "verydeep: invalid value for '--epochs'"),
        (["nets", "F"], "verydeep: no configuration 'F'; there are A, A-LRN"),
        (["nets", "D", "--crop", "20"], "verydeep: a picture of 20 x 20 is too small"),
    ],
)
def test_a_wrong_word_gets_one_line(verydeep: Run, words: list[str], line: str) -> None:
    said = verydeep(*words)
    assert said.mistake.startswith(line)
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("--lr", "--rate"),
        ("--learning-rate", "--rate"),
        ("--learning_rate=0.1", "--rate"),
        ("--bs", "--batch"),
        ("--batch-size", "--batch"),
        ("--num-epochs", "--epochs"),
        ("--output", "--out"),
        ("-o", "--out"),
        ("--gpu", "--device"),
        ("--model", "--net"),
        ("--arch", "--net"),
        ("--pretrained", "--from"),
        ("--freeze", "--tune"),
        ("--workers", "--threads"),
        ("--img-size", "--crop"),
        ("--weight-decay", "--set decay=5e-4"),
        ("--dropout", "--set dropout=0.5"),
    ],
)
def test_an_option_of_other_programs_leads_to_ours(verydeep: Run, theirs: str, ours: str) -> None:
    line = verydeep("train", "photos", theirs, "1").mistake
    option = theirs.partition("=")[0]
    assert line == f"verydeep: no option {option}; it is {ours} here; see `verydeep train --help`"


def test_every_option_and_verb_that_a_hint_leads_to_is_there(verydeep: Run) -> None:
    """Each is in the help of some verb; settings are taken as their examples give them."""
    verbs = ["train", "evaluate", "predict", "compare", "look", "pack", "weights export"]
    helps = "".join(verydeep(*verb.split(), "--help").out for verb in verbs)
    for option in hints.THEIRS:
        assert f" {option} " in helps or f"/{option} " in helps, option
    for setting in hints.SETTINGS.values():
        assert checked(parsed([f"{setting}={hints.EXAMPLES[setting]}"]))
    for verb in hints.VERBS.values():
        assert verydeep(*verb.split(), "--help").code == 0


@pytest.mark.parametrize(
    ("words", "argument"),
    [(["train", "--data", "x"], "DATA"), (["predict", "--model", "x"], "WEIGHTS")],
)
def test_an_argument_given_by_an_option_is_told_to_need_none(
    verydeep: Run, words: list[str], argument: str
) -> None:
    assert f"no option {words[1]}; give {argument} without an option" in verydeep(*words).mistake


# --- commands that are printed


def test_commands_are_printed_as_they_can_be_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read back by a shell's own splitting; `uv run` sets the variable for what it runs."""
    line = command("train", "my photos/[a]'s $x", "--out", Path("a b"))
    assert shlex.split(line) == ["verydeep", "train", "my photos/[a]'s $x", "--out", "a b"]
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    assert shlex.split(command("look", "x y")) == ["uv", "run", "verydeep", "look", "x y"]


def test_what_a_run_prints_names_its_folder_as_a_shell_takes_it(
    verydeep: Run, photos: Photos
) -> None:
    """Blanks, brackets and a quote, in the data's name and in the run's."""
    data, out = photos(6, 6, root="my [b] photos"), "a run's [1]"
    said = verydeep("train", data.name, "--out", out, *SMALL, "--set", "bad_start=train")
    printed = [line.split("  ")[-1] for line in said.out.split("\n") if "verydeep " in line]
    assert [shlex.split(line)[1:3] for line in printed if " predict " in line] in (
        [["predict", out]],
        [],  # where it is no better than chance
    )
    again = [shlex.split(line) for line in printed if "verydeep train" in line]
    assert [words[1:3] for words in again] == [["train", data.name]]
    (Path(out) / "checkpoints").rename("elsewhere")
    data.rename("moved")
    line = verydeep("train", "--resume", out).mistake
    assert line.endswith(f"`{command('train', 'DATA', '--resume', out)}`")


# --- nets


def test_nets_stand_side_by_side(verydeep: Run) -> None:
    said = verydeep("nets")
    assert said.out.startswith("A          A-LRN      B          C          D          E")
    assert "132.9      132.9      133.0      133.6      138.4      143.7" in said.out
    assert "7.609      7.609      11.308     11.771     15.470     19.632" in said.out
    assert all(len(line) <= 80 for line in said.out.split("\n"))


def test_a_net_is_listed_layer_by_layer_at_any_crop(verydeep: Run) -> None:
    whole, small = verydeep("nets", "D").out, verydeep("nets", "D", "--crop", "96").out
    assert "138,357,544 parameters" in whole
    assert "512 x 7 x 7" in whole
    assert "512 x 3 x 3" in small
    data = json.loads(verydeep("nets", "D", "--json").out)[0]
    assert data["parameters"] == 138_357_544
    assert data["rows"][1]["name"] == "conv1_1"


# --- the walk


@pytest.mark.parametrize(
    ("called", "name", "parameters"),
    [
        ("vgg11", "A", 132_863_336),
        ("VGG-13", "B", 133_047_848),
        ("vgg16", "D", 138_357_544),
        ("VGG_19", "E", 143_667_240),
        ("vgg16_bn", "D-BN", 138_365_992),
        ("d", "D", 138_357_544),
    ],
)
def test_a_net_is_known_by_its_name_in_other_programs(
    verydeep: Run, called: str, name: str, parameters: int
) -> None:
    """Parameters as torchvision's documentation has them for vgg11 to vgg19 and vgg16_bn."""
    assert f"{called} is configuration {name} of Table 1" in verydeep("nets", called).out
    about = json.loads(verydeep("nets", called, "--json").out)
    assert [(each["name"], each["parameters"]) for each in about] == [(name, parameters)]


def test_training_takes_a_net_by_its_name_in_other_programs(verydeep: Run, photos: Photos) -> None:
    photos(6, 6, side=48)
    given = ["--net=vgg11", *SMALL[1:], "--set", "bad_start=train", "--out", "run"]
    said = verydeep("train", "photos", *given)
    assert "vgg11 is configuration A of Table 1" in said.err
    assert "--net A " in said.out
    assert tomllib.loads(Path("run/run.toml").read_text())["settings"]["net"] == "A"


def test_what_a_net_without_hidden_fc_layers_costs_is_told(verydeep: Run) -> None:
    """By hand: convolutions 448 + 4,640 + 18,496 + 36,928 + 73,856 + 3 x 147,584, their norms twice
    688 channels, and 128 x 10 + 10."""
    words = ["A-BN", "--width", "0.25", "--crop", "64", "--fc", "0", "--classes", "10"]
    assert "579,786 parameters" in verydeep("nets", *words).out


def test_a_larger_picture_costs_more_of_the_same_net(verydeep: Run) -> None:
    """By hand: conv1_1 of D at 320 x 480 has 3 * 9 * 64 * 320 * 480 multiply-adds, fc6 4 x 9 places
    of 102,760,448 ((320 / 32 - 6) x (480 / 32 - 6)); the weights are those of 224."""
    about = json.loads(verydeep("nets", "D", "--picture", "320x480", "--json").out)[0]
    rows = {row["name"]: row for row in about["rows"]}
    assert about["parameters"] == 138_357_544
    assert rows["conv1_1"]["multiply_adds"] == 3 * 9 * 64 * 320 * 480
    assert rows["fc6"]["multiply_adds"] == 4 * 9 * 102_760_448
    assert "a picture of 320 x 480" in verydeep("nets", "D", "--picture", "320x480").out
    assert "138.4" in verydeep("nets", "--picture", "320").out
    for size in ("0", "a", "3x4x5", "320x", "99999x99999"):
        assert "picture" in verydeep("nets", "D", "--picture", size).mistake


def test_another_crop_is_said_to_make_another_net(verydeep: Run) -> None:
    said = verydeep("nets", "D", "--crop", "320").out
    assert said.startswith("a crop of 320 makes another net than 224 does")
    assert "verydeep nets D --picture 320" in said
    assert "makes another net" not in verydeep("nets", "D").out


def test_what_training_costs_can_be_asked(verydeep: Run) -> None:
    """Three forward passes for each picture; twice the pictures take twice as long."""
    one, two = (
        json.loads(verydeep("nets", "D", "--batch", str(n), "--json").out)[0] for n in (32, 64)
    )
    assert one["training"]["multiply_adds"] == 3 * 32 * one["multiply_adds"]
    assert two["training"]["seconds"] == pytest.approx(2 * one["training"]["seconds"])
    assert one["training"]["bytes"] > 3 * 4 * one["parameters"]  # weights, momentum, gradients
    said = verydeep("nets", "D", "--batch", "32").out
    assert "training D, 32 crops a step: 1.49T multiply-adds" in said
    assert all(len(line) <= 80 for line in said.split("\n"))
    assert "at least 1 picture" in verydeep("nets", "D", "--batch", "0").mistake


def test_the_whole_walk_on_a_folder(verydeep: Run, photos: Photos, tmp_path: Path) -> None:
    photos(10, 10, 10, side=48)
    looked = verydeep("look", "photos")
    assert re.search(r"^arrow +8 +2$", looked.out, re.MULTILINE)
    with Image.open("contact-sheet.png") as sheet:
        assert sheet.format == "PNG"

    said = verydeep("train", "photos/", *SMALL)
    assert said.code == 0
    assert "runs/photos-A/best.safetensors" in said.out
    assert "or else  verydeep transfer photos   photographs: by features of a net" in said.out
    assert "         verydeep train photos --from vgg16   that net tuned" in said.out
    assert "one centre crop of 32, Q = 40" in said.out
    assert "as given" in said.err
    assert re.search(r"^epoch +\d+/\d+ .* validation error .*, kept$", said.err, re.MULTILINE)
    page = Path("runs/photos-A/report.html").read_text()
    assert "photos-A" in page
    assert "http" not in page.replace("http://www.w3.org", "")

    tested = json.loads(verydeep("evaluate", "runs/photos-A", "photos", "--json").out)
    assert tested["pictures"] == 6
    assert tested["protocol"]["text"] == "dense, with mirror image, Q = 40"
    assert sum(map(sum, tested["confusion"])) == 6
    low, high = tested["interval"]
    assert 0 <= low <= tested["top1"] <= high <= 100
    assert tested["left_out"] == []

    shown = verydeep("predict", "runs/photos-A", "photos/arrow/0.png").out
    assert shown.startswith("photos/arrow/0.png\n")
    assert len(shown.strip().split("\n")) == 4
    many = verydeep("predict", "runs/photos-A", "photos", "photos/*/1.png", "--top", "1")
    assert len(many.out.strip().split("\n")) == 33
    answers = json.loads(verydeep("predict", "runs/photos-A", "photos/arrow", "--json").out)
    assert len(answers) == 10
    assert sum(a["posterior"] for a in answers[0]["top"]) == pytest.approx(1)


def test_a_net_at_chance_is_refused_or_told_of_as_one(verydeep: Run) -> None:
    """Ten classes in equal numbers: a guess errs on 90 %, and so does a net that cannot learn."""
    words = ["train", "drawn:40x48", "--net", "D", "--width", "0.125", "--crop", "32"]
    words += ["--fc", "16", "--batch", "16", "--epochs", "1", "--set", "initial=gaussian:0.01"]
    assert "D would not learn from 'gaussian:0.01'" in verydeep(*words).mistake
    said = verydeep(*words, "--set", "bad_start=train")
    assert "without looking: a guess errs on 90.0 %" in said.err
    assert "without looking: a guess errs on 90.0 %" in said.out
    assert "warning  no better than naming 'arrow' for all, which errs on 90.0 %" in said.out
    assert "use it" not in said.out


def test_what_naming_the_largest_class_errs_stands_beside_a_test(
    verydeep: Run, photos: Photos
) -> None:
    """Of 20 pictures set aside, 16 are arrows: 4 in 20 are 20 %."""
    photos(80, 20, side=48)
    said = verydeep("train", "photos", "--json", *SMALL)
    answer = {"guessing": 50.0, "naming": pytest.approx(20), "largest": "arrow"}
    assert json.loads(said.out)["tests"][-1]["blind"] == answer
    assert "a guess errs on 50.0 %, naming 'arrow' for all on 20.0 %" in said.err
    tested = verydeep("evaluate", json.loads(said.out)["folder"], "photos")
    assert "without looking: a guess errs on 50.0 %, naming 'arrow' for all on 20.0 %" in tested.out


def test_a_file_of_one_setting_has_all_of_them_told_with_their_reasons(
    verydeep: Run, photos: Photos
) -> None:
    photos(10, 10, side=48)
    Path("mine.toml").write_text("rate = 0.02")
    words = ["train", "photos", "--recipe", "mine.toml", "--width", "0.125", "--crop", "32"]
    words += ["--net", "A", "--batch", "15", "--epochs", "1", "--fc", "16"]
    said = verydeep(*words, "--out", "run").err
    for name, value, reason in (
        ("rate", "0.02", "as in recipe mine"),
        ("batch", "15", "as given"),
        ("scale", "64", r"crop \+ 32"),
        ("momentum", "0.9", "the paper's"),
        ("initial", "glorot", "the paper's"),
        ("divide", "false", "the paper's"),
        ("latest_cuts", "none", "the paper's"),
    ):
        assert re.search(rf"^  {name} +{value}  {reason}$", said, re.MULTILINE)
    assert "an epoch: 1 step of 15 pictures; 1 of 16 left out, others each time" in said
    reasons = tomllib.loads(Path("run/run.toml").read_text())["reasons"]
    assert reasons["decay"] == "the paper's"


def test_training_again_takes_the_next_folder(verydeep: Run, trained: Path) -> None:
    for name in ("photos-A", "photos-A-2"):
        said = verydeep("train", "photos", "--quiet", "--json", *SMALL)
        assert json.loads(said.out)["folder"] == f"runs/{name}"
        assert said.err == ""


def test_the_command_printed_trains_the_same_weights(verydeep: Run, trained: Path) -> None:
    said = verydeep("train", "photos", "--json", "--seed", "5", *SMALL)
    first = json.loads(said.out)
    words = shlex.split(first["command"])[1:]
    again = json.loads(verydeep(*words, "--json", "--threads", "1").out)
    one, two = (Path(r["folder"], "best.safetensors").read_bytes() for r in (first, again))
    assert one == two


def test_a_broken_picture_is_named_and_the_others_are_answered(
    verydeep: Run, trained: Path
) -> None:
    Path("broken.jpg").write_bytes(b"\xff\xd8\xff")
    said = verydeep("predict", trained, "broken.jpg", "photos/arrow/0.png", "--top", "1")
    assert said.code == 2
    assert said.err.splitlines()[-1].startswith("verydeep: broken.jpg: ")
    assert said.err.count("\n") == 2  # the engine, and the picture
    assert said.out.startswith("photos/arrow/0.png  ")


def test_a_broken_picture_is_left_out_of_training_and_named(verydeep: Run, photos: Photos) -> None:
    photos(10, 10, side=48)
    Path("photos/arrow/broken.jpg").write_bytes(b"\xff\xd8\xff")
    said = verydeep("train", "photos", "--out", "run", *SMALL)
    assert said.code == 0
    assert "left out, unreadable: photos/arrow/broken.jpg" in said.err
    page = Path("run/report.html").read_text()
    assert "broken.jpg" in page
    counts = re.findall(r"<b>(\d+)</b><span>pictures (?:to train on|that chose)", page)
    assert sum(map(int, counts)) == 20


def test_a_run_goes_on_by_its_folder(verydeep: Run, trained: Path) -> None:
    before = Path("run/best.safetensors").read_bytes()
    said = verydeep("train", "--resume", "run")
    assert said.code == 0
    assert "going on after step" in said.err
    assert Path("run/best.safetensors").read_bytes() == before


def test_a_recipe_is_trained_stage_by_stage(verydeep: Run, photos: Photos) -> None:
    photos(10, 10, side=48)
    small = ["--width", "0.125", "--crop", "32", "--fc", "16", "--batch", "8", "--epochs", "1"]
    said = verydeep("train", "photos", "--recipe", "B-256", "--out", "x", *small, "--seed", "1")
    assert said.code == 0, said.err
    assert "1 of 2: A-256" in said.err
    assert "layers of x/A-256: conv1_1, conv2_1, conv3_1, conv3_2, fc6, fc7, fc8" in said.err
    assert re.search(r"^B-256  validation, dense.* -$", said.out, re.MULTILINE)  # no ILSVRC
    assert Path("x/B-256/report.html").exists()
    assert verydeep("train", "--resume", "x").out == said.out


def test_without_linux_all_cores_are_taken(
    verydeep: Run, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos(3, 3)
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert str(Machine.this("cpu")) == "cpu, 3 cores"
    assert verydeep("look", "photos").code == 0
    assert verydeep("pack", "photos", "packed").code == 0


def test_copies_are_looked_at_in_the_parts_that_train_puts_them_in(
    verydeep: Run, photos: Photos
) -> None:
    root = photos(10, 10)
    for path in [*(root / "arrow").iterdir()]:
        (path.parent / f"copy of {path.name}").write_bytes(path.read_bytes())
    said = verydeep("look", "photos").out
    assert "copies moved to the part of their like" in said
    assert "groups of the same picture under several names: 10" in said
    assert "of them in several parts, so that testing would cheat: none" in said


def test_folders_too_small_to_train_on_are_looked_at_and_tested_on(
    verydeep: Run, trained: Path, photos: Photos
) -> None:
    for name, counts in (("one", (2,)), ("few", (2, 1))):
        photos(*counts, root=name, first=70)
        looked = json.loads(verydeep("look", name, "--json").out)
        assert looked["sizes"] == {"64x64": sum(counts)}
        assert [sum(part) for part in looked["counts"].values()] == [1, len(counts)]
        tested = json.loads(verydeep("evaluate", trained, name, "--json").out)
        assert tested["pictures"] == sum(counts)


# --- every mistake has its line


def test_mistakes_with_data(verydeep: Run, photos: Photos, tmp_path: Path) -> None:
    for verb in ("train", "look"):
        assert "no folder nowhere" in verydeep(verb, "nowhere").mistake
        (tmp_path / "empty").mkdir(exist_ok=True)
        assert "no pictures in empty" in verydeep(verb, "empty").mistake
    photos(5, root="one")
    assert "one class folder only in one: 'arrow'" in verydeep("train", "one").mistake
    photos(5, 1, root="few")
    assert "class 'crescent' in few has one picture" in verydeep("train", "few").mistake
    assert not Path("runs").exists()
    Path("file").touch()
    assert "file is a file" in verydeep("train", "file").mistake
    for name in ("arrow", "crescent"):
        (tmp_path / "bad" / name).mkdir(parents=True)
        for i in range(3):
            (tmp_path / "bad" / name / f"{i}.jpg").write_text("<html>")
    assert "can be read" in verydeep("train", "bad").mistake


def test_mistakes_with_settings(verydeep: Run, photos: Photos) -> None:
    photos(5, 5)
    for words, line in (
        (["--crop", "64", "--scale", "60"], "a scale S of 60 is below the crop of 64"),
        (["--crop", "8"], "8 x 8 is too small"),
        (["--net", "F"], "no configuration 'F'"),
        (["--epochs", "0"], "epochs is 0; a whole number from 1 "),
        (["--batch", "99"], "a batch of 99 is more than the 8 pictures"),
        (["--set", "dropuot=0.1"], "no setting 'dropuot'; did you mean 'dropout'?"),
        (["--set", "dropout"], "--set dropout has no value"),
        (["--set", "dropout=high"], "dropout is 'high'; a number in [0, 1) is needed"),
        (["--set", "initial=zeros"], "no initialisation 'zeros'"),
        (["--set", 'latest_cuts=["a"]'], "latest_cuts[0] is 'a'; a number in (0, 1]"),
        (["--set", "latest_cuts=[-1]"], "latest_cuts[0] is -1; a number in (0, 1] is needed"),
        (["--set", "latest_cuts=[nan]"], "latest_cuts[0] is nan; a number in (0, 1] is needed"),
        (["--width", "-1"], "width is -1.0; a number in (0, 4]"),
        (["--seed", "-1"], "seed is -1"),
        (["--threads", "0"], "0 threads"),
        (["--device", "tpu"], "no device 'tpu'; there are cpu and cuda"),
        (["--scale", "wide"], "scale is 'wide'; S is a side such as 256, or 256-512"),
        (["--scale", "512-256"], "scale 512-256 is the wrong way round"),
        (["--recipe", "D-265"], "no recipe 'D-265'; did you mean 'D-256'?"),
        (["--recipe", "no.toml"], "no.toml: no such file"),
        (["--save-every", "0"], "--save-every 0; at least 1 step"),
        (["--set", "bad_loss=go"], "bad_loss is 'go'; one of stop, rollback is needed"),
        (["--task", "paint"], "no task 'paint'; --task takes classify"),
        (["--from", "nowhere"], "no weights file nowhere"),
        (["--resume", "x"], "no run.toml in x; --resume takes the folder of a run"),
    ):
        assert line in verydeep("train", "photos", *words).mistake
        assert not Path("runs").exists(), words


def test_mistakes_with_folders_to_write(verydeep: Run, trained: Path) -> None:
    assert "run holds something already" in verydeep("train", "photos", "--out", "run").mistake
    Path("file").touch()
    assert "file is a file" in verydeep("train", "photos", "--out", "file").mistake
    assert "cannot write into file/x" in verydeep("train", "photos", "--out", "file/x").mistake
    said = verydeep("look", "photos", "--sheet", "nowhere/x.png")
    assert "cannot write nowhere/x.png" in said.mistake
    said = verydeep("look", "photos", "--sheet", "sheet.txt")
    assert "cannot write sheet.txt" in said.mistake
    said = verydeep("evaluate", trained, "photos", "--out", "file/scores")
    assert "cannot write into file: Not a directory; choose another --out" in said.mistake


def test_no_file_of_anybody_is_written_over_unasked(verydeep: Run, two_tests: list[Path]) -> None:
    """Those that an option names; a sheet that nobody named a place for goes beside the last."""
    mine = "mine"
    files = [str(path) for path in two_tests]
    for words in (
        ["evaluate", "run", "photos", "--protocol", "centre", "--out", "s.safetensors"],
        ["fuse", *files, "--out", "f.safetensors"],
        ["compare", *files, "--page", "p.html"],
        ["look", "photos", "--sheet", "s.png"],
    ):
        assert verydeep(*words).code == 0
        kept = Path(words[-1]).read_bytes()
        line = verydeep(*words).mistake
        assert f"{words[-1]} is there already; choose another {words[-2]}, or write over" in line
        assert Path(words[-1]).read_bytes() == kept
        assert verydeep(*words, "--overwrite").code == 0
    Path("contact-sheet.png").write_text(mine)
    assert "contact sheet: contact-sheet-2.png" in verydeep("look", "photos").out
    assert Path("contact-sheet.png").read_text() == mine


def test_a_dataset_is_looked_at_where_nothing_can_be_written(
    verydeep: Run, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos(3, 3)

    def full(*_: object) -> None:
        raise UserError("cannot write contact-sheet.png: Read-only file system; give another")

    monkeypatch.setattr("verydeep.report.sheet.write_contact_sheet", full)
    said = verydeep("look", "photos")
    assert said.code == 0
    assert "2 classes" in said.out
    assert "contact sheet" not in said.out
    assert "no contact sheet: cannot write contact-sheet.png: Read-only file system" in said.err
    assert "cannot write" in verydeep("look", "photos", "--sheet", "x.png").mistake


def test_mistakes_with_weights(verydeep: Run, trained: Path, photos: Photos) -> None:
    for verb, other in (("predict", "photos/arrow/0.png"), ("evaluate", "photos")):
        assert "no weights file nowhere" in verydeep(verb, "nowhere", other).mistake
        assert "no best.safetensors in folder photos" in verydeep(verb, "photos", other).mistake
        wrong = verydeep(verb, "photos/arrow/0.png", other).mistake
        assert "0.png is no weights file of verydeep's" in wrong
    photos(3, 3, 3, 3, root="more")
    said = verydeep("evaluate", trained, "more")
    assert "more has a class 'disc' that the network does not know" in said.mistake
    assert (
        "test scale of 20 is below"
        in verydeep("evaluate", trained, "photos", "--scales", "20").mistake
    )
    assert (
        "no protocol 'crop'"
        in verydeep("evaluate", trained, "photos", "--protocol", "crop").mistake
    )
    assert "no part 'valid'" in verydeep("evaluate", trained, "photos", "--part", "valid").mistake


def test_a_picture_and_a_network_in_each_others_place_are_told(
    verydeep: Run, trained: Path
) -> None:
    for picture in ("photos/arrow/0.png", "photos"):
        line = verydeep("predict", picture, trained).mistake
        assert line.endswith(f"is one: verydeep predict {trained} {picture}")


def test_a_run_that_is_to_be_longer_is_told_the_way(verydeep: Run, trained: Path) -> None:
    line = verydeep("train", "--resume", trained, "--epochs", "8").mistake
    assert line.endswith("another run with its weights: verydeep train DATA --from run")


def test_another_programs_file_is_told_the_command_that_makes_it_ours(
    verydeep: Run, trained: Path
) -> None:
    Path("my net.pth").write_bytes(b"PK\x03\x04" + bytes(64))
    for words in (["train", "photos", "--from", "my net.pth"], ["predict", "my net.pth", "photos"]):
        line = verydeep(*words).mistake
        assert "`verydeep weights import 'my net.pth' --out 'my net.safetensors'`" in line


def test_mistakes_with_pictures(verydeep: Run, trained: Path) -> None:
    Path("nothing").mkdir()
    assert "no pictures in nothing" in verydeep("predict", trained, "nothing").mistake
    assert "no pictures in x*.jpg" in verydeep("predict", trained, "x*.jpg").mistake
    assert "--top 0" in verydeep("predict", trained, "photos", "--top", "0").mistake
    said = verydeep("predict", trained, "nowhere.jpg", "--quiet")
    assert said.code == 2
    assert said.err == "verydeep: nowhere.jpg: no such file or directory\n"


def test_debug_shows_where_a_mistake_was_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from verydeep.errors import UserError

    monkeypatch.setattr(sys, "argv", ["verydeep", "train", "nowhere", "--debug"])
    with pytest.raises(UserError, match="no folder nowhere"):
        command_line.main()


def test_interrupting_leaves_with_130(verydeep: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "app", interrupted)
    said = verydeep("nets")
    assert (said.code, said.err) == (130, "\nverydeep: interrupted\n")


def test_an_interruption_that_typer_takes_has_its_line_too(
    verydeep: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a verb typer makes of it the code 130, and says nothing."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("verydeep.datasets.open_dataset", interrupted)
    said = verydeep("look", "drawn")
    assert (said.code, said.err.split("\n")[-2]) == (130, "verydeep: interrupted")


# --- comparing and fusing


@pytest.fixture
def two_tests(verydeep: Run, trained: Path) -> list[Path]:
    """Score files of one network, by two protocols."""
    for protocol in ("crops", "ten"):
        said = verydeep("evaluate", trained, "photos", "--protocol", protocol, "--quiet")
        assert said.code == 0, said.err
    found = [*(trained / "scores").glob("*-crops-*"), *(trained / "scores").glob("*-ten-*")]
    assert len(found) == 2
    return found


def test_two_tests_are_compared(verydeep: Run, two_tests: list[Path]) -> None:
    said = verydeep("compare", *two_tests, "--page", "compare.html", "--data", "photos")
    assert said.code == 0, said.err
    assert "50 crops of 32, Q = 40" in said.out
    assert "95 % interval" in said.out
    assert "McNemar p" in said.out
    assert "best: " in said.out
    page = Path("compare.html").read_text(encoding="utf-8")
    for title in ("Errors", "Which is better", "How far to trust a posterior", "Where they dis"):
        assert title in page
    about = json.loads(verydeep("compare", *two_tests, "--json").out)
    assert [test["pictures"] for test in about["tests"]] == [6, 6]
    assert about["comparisons"][0]["p"] <= 1


def test_a_runs_folder_stands_for_its_tests(
    verydeep: Run, two_tests: list[Path], trained: Path
) -> None:
    assert len(json.loads(verydeep("compare", trained, "--json").out)["tests"]) == 4
    assert "no score files in photos" in verydeep("compare", "photos").mistake


def test_two_tests_are_fused(verydeep: Run, two_tests: list[Path]) -> None:
    said = verydeep("fuse", *two_tests, "--out", "both.safetensors")
    assert said.code == 0, said.err
    assert "the mean of these 2" in said.out
    assert "posteriors: both.safetensors" in said.out
    assert "nothing was kept; --out FILE keeps" in verydeep("fuse", *two_tests).out
    again = verydeep("compare", "both.safetensors", two_tests[0])
    assert "the mean of 2: 50 crops of 32, Q = 40; ten crops of 32, Q = 40" in " ".join(
        again.out.split()
    )


def test_mistakes_with_score_files(
    verydeep: Run, two_tests: list[Path], trained: Path, photos: Photos
) -> None:
    crops, ten = two_tests
    weights = trained / "best.safetensors"
    assert "x is not there; test again" in verydeep("compare", "x", crops).mistake
    assert "is no whole score file" in verydeep("fuse", crops, weights).mistake
    assert "1 score file(s) to fuse; at least 2" in verydeep("fuse", crops).mistake
    said = verydeep("fuse", crops, ten, "--out", ten)
    assert "is one of those to be fused; choose another --out" in said.mistake
    assert "it is HTML that is written" in verydeep("compare", crops, ten, "--page", ten).mistake
    said = verydeep("fuse", crops, ten, "--out", weights)
    assert "is there already and is no score file" in said.mistake
    photos(3, 3, 3, root="new", first=70)
    verydeep("evaluate", trained, "new", "--out", "new.safetensors")
    said = verydeep("compare", crops, "new.safetensors")
    assert "new.safetensors lacks picture" in said.mistake
    said = verydeep("compare", crops, ten, "--page", "p.html", "--data", "new")
    assert "new is not what was tested" in said.mistake
