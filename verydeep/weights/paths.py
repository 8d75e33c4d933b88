"""Where weights lie: a file, the folder of a run, or the user's cache, for those known by name.

Nothing here opens a connection or imports PyTorch; `pretrained.py` fetches what the cache lacks.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from verydeep.errors import UserError
from verydeep.files import cache_home
from verydeep.shell import called, command
from verydeep.weights.releases import Release, named

OURS = "verydeep"
"""The key of our own description in the metadata of our own weights files."""
BEST = "best.safetensors"
"""Name of the best weights of a run in its folder."""


def find(path: Path | str) -> Path:
    """The weights file at a path, the best one of the run whose folder it is, or one kept by name.

    A file or folder stands before the name. Raises UserError where there is nothing.
    """
    release, path = wanted(path), Path(path)
    if release is not None:
        if kept(release).is_file():
            return kept(release)
        fetching = command("weights", "show", path)
        raise UserError(
            f"the published weights {path} are not in {cache()}; `{fetching}` fetches them"
        )
    if _holds(Path.is_file, path / BEST):
        return path / BEST
    if _holds(Path.is_dir, path):
        raise UserError(f"no {BEST} in folder {path}; give a weights file or the folder of a run")
    if not _holds(Path.exists, path):
        raise UserError(f"no weights file {path}; {_hint(str(path))}")
    return path


def _holds(question: Callable[[Path], bool], path: Path) -> bool:
    """The answer to a question about a path; no where the system does not take its name."""
    try:
        return question(path)
    except OSError:
        return False


def _hint(name: str) -> str:
    near = get_close_matches(name.lower(), named())
    if near:
        return f"of published weights, {' and '.join(near)} have names like it"
    return f"`{called()} train` writes {BEST}, `{called()} weights list` names published ones"


def wanted(path: Path | str) -> Release | None:
    """The release that a name stands for; None for any other name, and where such a file is.

    Raises UserError for what is no name, such as a network that is loaded already.
    """
    if not isinstance(path, str | Path):
        raise UserError(
            f"a {type(path).__name__} came for weights; expected a file, the folder of a run or a "
            f"name such as vgg16, as str or Path; a network that is loaded has its own .predict"
        )
    return None if _holds(Path.exists, Path(path)) else named().get(str(path))


def cache() -> Path:
    """The folder for published weights, in the user's cache."""
    return cache_home() / "verydeep" / "weights"


def kept(release: Release) -> Path:
    """Where our file of a release is kept, once it was fetched."""
    return cache() / release.called / f"{release.called}.safetensors"


def beside(path: Path) -> Path:
    """The folder for what is found out with a weights file: its own; runs/NAME for one by name."""
    return Path("runs", path.stem) if path.is_relative_to(cache()) else path.parent
