"""What `verydeep explain` prints of pictures, and of units."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def tell(found: list[Any], checks: list[Any], page: Path, files: list[str], json: bool) -> None:
    """Prints what is in pictures, the scales of maps, what checks come to, and what was written."""
    from verydeep.report.heat import scales_of

    scales = scales_of([one for each in found for one in each.maps])
    if json:
        from json import dumps

        said = {
            "pictures": [_as_data(one) for one in found],
            "sanity": [_as_checks(one) for one in checks],
            "scales": {name: [s.least, s.largest, s.unit] for name, s in scales.items()},
            "files": [*files, *([str(page)] if found else [])],
        }
        print(dumps(said, indent=1))
        return
    from verydeep.errors import escaped

    for one in found:
        top = "  ".join(f"{escaped(name)} {p:.3f}" for name, p in one.top())
        print(f"{escaped(one.name)}  {top}")
        for each in one.maps:
            if each.method == "integrated":
                print(f"  integrated gradients of {escaped(one.class_name)}: {each.said}")
    for name, scale in scales.items():
        print(f"  {name:20}  {scale}")
    for line in _said_of(checks):
        print(line)
    if files:
        print(f"maps: {len(files)} in {Path(files[0]).parent}")
    if found:
        print(f"page: {page}")


def _as_data(one: Any) -> dict[str, Any]:
    return {
        "picture": one.name,
        "top": [{"class": name, "posterior": p} for name, p in one.top()],
        "class": one.class_name,
        "true": one.true_name,
        "posterior": one.posterior,
        "score": one.score,
        "maps": [{"method": m.method, "unit": m.unit, "said": m.said} for m in one.maps],
    }


def _said_of(checks: list[Any]) -> list[str]:
    """The mean rank correlation of each method's maps as layers are shuffled."""
    if not checks:
        return []
    from verydeep.report.tables import text_table

    layers, methods = checks[0].layers, [*checks[0].correlations]
    rows = [["  correlation, shuffled down to", *layers]]
    for method in methods:
        each = zip(*(one.correlations[method] for one in checks), strict=True)
        rows.append([f"  {method}", *(f"{sum(all_) / len(checks):+.2f}" for all_ in each)])
    return text_table(rows).split("\n")


def _as_checks(one: Any) -> dict[str, Any]:
    return {
        "picture": one.explanation.name,
        "shuffled_to": one.layers,
        "correlations": one.correlations,
        "deletion": {name: curve.deleted for name, curve in one.curves.items()},
        "insertion": {name: curve.inserted for name, curve in one.curves.items()},
        "inside": one.inside,
        "area": one.area,
    }


# --- units


def tell_units(found: Any, page: Path, files: list[str], json: bool) -> None:
    """Prints what units of rows like, how many are dead, and what was written."""
    if json:
        from json import dumps

        rows = {name: _as_row(row) for name, row in found.rows.items()}
        said = {"where": found.where, "pictures": found.pictures, "rows": rows}
        print(dumps({**said, "files": [*files, str(page)]}, indent=1))
        return
    from verydeep.errors import escaped
    from verydeep.report.heat import told

    for name, row in found.rows.items():
        strongest = row.strongest
        print(
            f"{name}  {len(strongest.dead):,} units, {int(strongest.dead.sum()):,} dead, "
            f"{len(strongest.duplicates):,} pairs alike"
        )
        for unit in row.units:
            classes = "  ".join(f"{escaped(name)} {count}" for name, count in unit.mostly[:3])
            most = told(unit.values[0]) if unit.values else "dead"
            print(f"  {unit.number:5}  {most:>8}  {classes}".rstrip())
    if files:
        print(f"files: {len(files)} in {Path(files[0]).parent}")
    print(f"page: {page}")


def _as_row(row: Any) -> dict[str, Any]:
    strongest = row.strongest
    return {
        "units": len(strongest.dead),
        "dead": [int(k) for k in strongest.dead.nonzero()[0]],
        "alike": strongest.duplicates,
        "shown": [
            {
                "unit": unit.number, "values": unit.values, "pictures": unit.pictures,
                "boxes": [look.box for look in unit.looks],
            }
            for unit in row.units
        ],
    }  # fmt: skip
