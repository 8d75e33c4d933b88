"""The command's mistakes, each of which is one line and exit code 2 before anything is served."""

from __future__ import annotations

import importlib.util
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.localisation.test_dense import classifier, net_of_boxes
from tests.serving.at_work import net
from verydeep.commands import main as command_line
from verydeep.weights import save


@pytest.fixture
def weights(tmp_path: Path) -> str:
    save(net(), tmp_path / "net.safetensors")
    return "net.safetensors"


def mistake(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> str:
    """The last line that a command says, which leaves with 2 and prints nothing else."""
    monkeypatch.setattr(sys, "argv", ["verydeep", "serve", *words])
    with pytest.raises(SystemExit) as leaving:
        command_line.main()
    out, err = capsys.readouterr()
    assert (leaving.value.code, out, "Traceback" in err) == (2, "", False), err
    return str(err.strip().split("\n")[-1])


@pytest.fixture
def taken() -> Iterator[str]:
    """A port that something listens at."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield str(other.getsockname()[1])


def test_a_port_that_is_taken_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], weights: str, taken: str
) -> None:
    said = mistake(monkeypatch, capsys, weights, "--port", taken)
    assert said == (
        f"verydeep: port {taken} is taken by another program; give another --port, or 0 for a free "
        f"one"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "not a host"], "host 'not a host' is no address or name here"),
        (["--host", "x" * 80 + ".example"], "is no address or name here"),
        (["--host", "203.0.113.9"], "cannot listen at host '203.0.113.9'"),
        (
            ["--name", "http://pictures.example.org"],
            "is no host name; give one as pictures.example",
        ),
        (["--name", "a.example", "--name", "bad name"], "--name 'bad name' is no host name"),
        (["--port", "70000"], "70000 is not in the range"),
        (["--queue", "0"], "0 is not in the range"),
        (["--max-mb", "nan"], "--max-mb is nan; it is from 0.01 to 100000"),
        (["--max-seconds", "inf"], "--max-seconds is inf"),
        (["--protocol", "ten"], "no protocol 'ten' here; there are dense and centre"),
        (["--engine", "steam"], "no engine 'steam'"),
        (["--device", "abacus"], "no device 'abacus'"),
        (["--threads", "0"], "0 threads"),
        (["--units", "none"], "no units in none; make them: verydeep explain"),
        (["--classifier", "net.safetensors"], "places no boxes; leave --classifier out"),
    ],
)
def test_options_that_are_none_are_told(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    weights: str,
    options: list[str],
    said: str,
) -> None:
    words = [*options] if "--port" in options else [*options, "--port", "0"]
    assert said in mistake(monkeypatch, capsys, weights, *words)


def test_weights_that_are_none_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "text.safetensors").write_text("none")
    assert "no weights file gone" in mistake(monkeypatch, capsys, "gone", "--port", "0")
    said = mistake(monkeypatch, capsys, "text.safetensors", "--port", "0")
    assert "text.safetensors" in said
    save(net_of_boxes(classifier()), tmp_path / "boxes.safetensors")
    said = mistake(monkeypatch, capsys, "boxes.safetensors", "--port", "0")
    assert "tells no classes apart; say what does" in said
    assert "verydeep serve boxes.safetensors --classifier WEIGHTS`" in said


def test_what_is_not_installed_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], weights: str
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "uvicorn" else there(name, *a)
    )
    assert mistake(monkeypatch, capsys, weights) == (
        "verydeep: serving needs uvicorn, not installed: pip install 'verydeep[serve]'"
    )
