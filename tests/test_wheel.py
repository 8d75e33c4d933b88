"""The wheel, in a bare environment with nothing but what it asks for: that it installs and works.

Versions are held to those of pyproject.toml, so that what was installed once is not fetched again.
Other Pythons are tried where uv finds them; none is fetched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.pages import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
SMALL = ["--net=A", "--width=0.125", "--crop=32", "--scale=40", "--batch=10", "--epochs=1"]
BROWSER = ("page.html", "style.css", "units.js", "script.js", "openapi.json")
UV = shutil.which("uv")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(UV is None, reason="uv, which builds and installs the wheel, is not there"),
]


def done(*words: str | Path) -> str:
    """What a command prints, in the present folder and with nothing of this environment."""
    kept = {n: v for n, v in os.environ.items() if n not in ("PYTHONPATH", "VIRTUAL_ENV")}
    ran = subprocess.run([*map(str, words)], env=kept, capture_output=True, text=True)
    assert ran.returncode == 0, f"{words}\n{ran.stderr}{ran.stdout}"
    return ran.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made of the source archive as an index would have it made."""
    out = tmp_path_factory.mktemp("dist")
    done("uv", "build", "--quiet", "--out-dir", out, ROOT)
    (made,) = out.glob("*.whl")
    return made


def test_the_wheel_holds_the_package_and_no_more(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    sources = {str(p.relative_to(ROOT)) for p in (ROOT / "verydeep").rglob("*.py")}
    package = {name for name in names if name.startswith("verydeep/")}
    assert sources <= package
    browser = {f"verydeep/serving/browser/{name}" for name in BROWSER}
    assert package - sources == {"verydeep/py.typed", "verydeep/report/page.css", *browser}
    others = {name.split("/")[0] for name in names} - {"verydeep"}
    assert others == {f"verydeep-{PROJECT['project']['version']}.dist-info"}
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.parametrize("version", sorted({HERE, "3.12", "3.13"}))
def test_the_wheel_works_in_a_bare_environment(version: str, wheel: Path, tmp_path: Path) -> None:
    if subprocess.run(["uv", "python", "find", "--no-python-downloads", version],
                      capture_output=True).returncode:  # fmt: skip
        pytest.skip(f"no Python {version} here; `uv python install {version}` brings one")
    Path("versions").write_text("\n".join(PROJECT["tool"]["uv"]["constraint-dependencies"]))
    done("uv", "venv", "--quiet", "--no-python-downloads", "--python", version, "bare")
    python = tmp_path / "bare" / "bin" / "python"
    done("uv", "pip", "install", "--quiet", "--python", python, "-c", "versions", wheel)
    found = done(python, "-c", "import sys, importlib.util as u; print(*sys.version_info[:2], "
                 "*map(u.find_spec, ['pytest', 'torchvision']))")  # fmt: skip
    assert found.split() == [*version.split("."), "None", "None"]

    verydeep = python.with_name("verydeep")
    assert done(verydeep, "--version").strip() == PROJECT["project"]["version"]
    assert "Pictures in, a trained and tested network out." in done(verydeep, "--help")
    assert "138,357,544" in done(verydeep, "nets", "D")  # parameters of D, as counted by others
    done(verydeep, "train", "drawn:30x48", "--out", "run", *SMALL)
    assert Path("run/best.safetensors").exists()
    assert "<style>" in Path("run/report.html").read_text()
    assert "error" in done(verydeep, "evaluate", "run", "drawn:30x48")
