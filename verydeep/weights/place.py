"""Where weights lie: a file, the folder of a run, or the user's cache, for those known by name.

Nothing here opens a connection or imports PyTorch; `named.py` fetches what the cache lacks.
"""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

from verydeep.errors import UserError
from verydeep.weights.releases import Release, named

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
        raise UserError(
            f"the published weights {path} are not in {cache()}; `verydeep weights show {path}` "
            f"fetches them"
        )
    if (path / BEST).is_file():
        return path / BEST
    if path.is_dir():
        raise UserError(f"no {BEST} in folder {path}; give a weights file or the folder of a run")
    if not path.exists():
        raise UserError(f"no weights file {path}; {_hint(str(path))}")
    return path


def _hint(name: str) -> str:
    near = get_close_matches(name.lower(), named())
    if near:
        return f"of published weights, {' and '.join(near)} have names like it"
    return f"`verydeep train` writes {BEST}, `verydeep weights list` names published ones"


def wanted(path: Path | str) -> Release | None:
    """The release that a name stands for; None for any other name, and where such a file is."""
    return None if Path(path).exists() else named().get(str(path))


def cache() -> Path:
    """The folder for published weights, in the user's cache."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    return Path(home) / "verydeep" / "weights"


def kept(release: Release) -> Path:
    """Where our file of a release is kept, once it was fetched."""
    return cache() / release.called / f"{release.called}.safetensors"


def beside(path: Path) -> Path:
    """The folder for what is found out with a weights file: its own; runs/NAME for one by name."""
    return Path("runs", path.stem) if path.is_relative_to(cache()) else path.parent
