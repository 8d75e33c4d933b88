"""The order of the rooms in docs/architecture.md, against the code's own imports."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import verydeep

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "verydeep").rglob("*.py"))


def documented() -> list[str]:
    """The files and rooms of the map, from top to bottom, as module names."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    lines = re.search(r"```\nverydeep/\n(.*?)\nbench/", text, re.DOTALL)
    assert lines
    modules: list[str] = []
    rooms: list[str] = []
    for line in lines[1].split("\n"):
        indent, name = re.match(r"( +)(\S+?)(?:,|\s|$)", line).groups()  # type: ignore[union-attr]
        del rooms[len(indent) // 2 - 1 :]
        if name.endswith("/"):
            rooms.append(name[:-1])
            modules.append(".".join(["verydeep", *rooms]))
        elif name.endswith(".py"):
            modules.append(".".join(["verydeep", *rooms, name[:-3]]))
    return modules


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def place(module: str, order: list[str]) -> int:
    """Where a module stands in the map: itself, or else the room it is in."""
    while module not in order:
        module = module.rpartition(".")[0]
        assert module != "verydeep", "not in the map"
    return order.index(module)


def imports(path: Path) -> set[str]:
    """The modules of ours that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("verydeep"):
            for alias in node.names:
                deeper = f"{node.module}.{alias.name}"
                is_module = (ROOT / deeper.replace(".", "/")).with_suffix(".py").exists()
                is_room = (ROOT / deeper.replace(".", "/")).is_dir()
                found.add(deeper if is_module or is_room else str(node.module))
    return found


def test_every_file_is_in_the_map() -> None:
    order = documented()
    for path in SOURCES:
        module = module_of(path)
        if path.name not in ("__init__.py", "__main__.py") and ".commands." not in module:
            assert module in order, f"{module} is missing in docs/architecture.md"


def test_what_is_in_the_map_is_there_and_stands_there_once() -> None:
    order = documented()
    assert [module for module in order if order.count(module) > 1] == []
    for module in order:
        path = ROOT / module.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file(), f"there is no {module}"


def test_no_import_points_up() -> None:
    order = documented()
    for path in SOURCES:
        module = module_of(path)
        if module in ("verydeep", "verydeep.__main__"):  # the face, which names everything
            continue
        for imported in imports(path):
            if imported.rpartition(".")[0] == module or path.name == "__init__.py":
                continue  # a room's own face
            assert place(imported, order) <= place(module, order), f"{module} imports {imported}"


def test_no_room_has_the_name_of_what_verydeep_gives() -> None:
    """Importing a room would put it in the place of the function: `verydeep.transfer(...)`."""
    rooms = {path.stem for path in (ROOT / "verydeep").iterdir()}
    assert not rooms & {*verydeep.__all__, *verydeep._HOMES}
