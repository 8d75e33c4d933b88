"""What other programs' files can hold of a table, row by row."""

from __future__ import annotations

from collections.abc import Collection

from verydeep.errors import UserError
from verydeep.nets.table import PICTURE, Conv, MaxPool, Row, Table


def refuse_others(table: Table, kinds: Collection[type[Row]], whom: str) -> None:
    """Raises UserError, naming the row, where a table is no chain of plain rows of these kinds."""
    before = PICTURE
    for row in table.rows:
        if type(row) not in kinds or not _is_plain(row) or row.inputs != (before,):
            raise UserError(
                f"{whom} has no place for '{row.name}' ({_in_words(row, before)}) of "
                f"{table.name}; take --to onnx, openvino or torch-export"
            )
        before = row.name


def _is_plain(row: Row) -> bool:
    """Whether a row has nothing that no net of Table 1 has."""
    if isinstance(row, Conv):
        return row.stride == row.groups == row.dilation == 1 and row.bias
    return not isinstance(row, MaxPool) or (row.kernel, row.stride, row.padding) == (2, 2, 0)


def _in_words(row: Row, before: str) -> str:
    """What a row is that is refused."""
    kind = type(row).__name__
    if row.inputs != (before,):
        return f"{kind} of {', '.join(row.inputs)}"
    if isinstance(row, Conv):
        bias = "" if row.bias else ", no bias"
        return f"{kind}, stride {row.stride}, {row.groups} groups, dilation {row.dilation}{bias}"
    return kind
