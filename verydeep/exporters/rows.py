"""What other programs' files can hold of a table, row by row."""

from __future__ import annotations

from collections.abc import Collection

from verydeep.errors import UserError
from verydeep.nets.rows import FC, PICTURE, BatchNorm, Conv, MaxPool, Places, ReLU, Row
from verydeep.nets.special_rows import PLACED, Planes
from verydeep.nets.table import Table


def refuse_kinds(table: Table, kinds: Collection[type[Row]], whom: str) -> None:
    """Raises UserError, naming the row, where a table has rows of other kinds than these."""
    for row in table.rows:
        if type(row) not in kinds:
            raise no_place(table, row, whom, _kind(row))


def no_place(table: Table, row: Row, whom: str, what: str) -> UserError:
    """The refusal of a row, and `what` it is that a program has not."""
    nowhere = isinstance(row, (*PLACED, Planes))
    remedy = "keep our own file" if nowhere else "take --to onnx, openvino or torch-export"
    return UserError(f"{whom} has no place for '{row.name}' ({what}) of {table.name}; {remedy}")


def refuse_others(table: Table, kinds: Collection[type[Row]], whom: str) -> None:
    """Raises UserError, naming the row, where a table is no chain of plain rows of these kinds."""
    before = PICTURE
    for row in table.rows:
        if type(row) not in kinds or not _is_plain(row) or row.inputs != (before,):
            raise no_place(table, row, whom, _in_words(row, before))
        before = row.name
    _refuse_linear(table, whom)


def _refuse_linear(table: Table, whom: str) -> None:
    """Raises UserError for a hidden layer that no ReLU follows, as one follows each of a VGG's."""
    ends = {*table.ends.values()}
    for row, *after in zip(table.rows, table.rows[1:], table.rows[2:], strict=False):
        layer = isinstance(row, Conv) and row.name not in ends
        follower = after[1] if isinstance(after[0], BatchNorm) else after[0]
        if layer and not isinstance(follower, ReLU):
            raise UserError(
                f"{whom} has a ReLU after '{row.name}' and {table.name} has none; take --to onnx, "
                f"openvino or torch-export"
            )


def _is_plain(row: Row) -> bool:
    """Whether a row has nothing that no net of Table 1 has."""
    if isinstance(row, Conv):
        border = 0 if isinstance(row, FC) else row.kernel // 2
        plain = row.stride == row.groups == row.dilation == 1 and row.bias
        return plain and row.padding == border
    if isinstance(row, BatchNorm):
        return row.epsilon == BatchNorm.epsilon
    return not isinstance(row, MaxPool) or (row.kernel, row.stride, row.padding) == (2, 2, 0)


def _in_words(row: Row, before: str) -> str:
    """What a row is that is refused."""
    kind = _kind(row)
    if row.inputs != (before,):
        return f"{kind} of {', '.join(row.inputs)}"
    if isinstance(row, Conv):
        bias = "" if row.bias else ", no bias"
        window = f"stride {row.stride}, pad {row.padding}, dilation {row.dilation}"
        return f"{kind}, {window}, {row.groups} groups{bias}"
    return kind


def _kind(row: Row) -> str:
    """What a row is called."""
    return row.kind if isinstance(row, Places) else type(row).__name__
