"""What a verb that computes runs under, from its options: the machine, and the processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from verydeep.commands.console import Console

if TYPE_CHECKING:
    from verydeep.runtime.runtime import Runtime


@contextmanager
def working(console: Console, device: str | None, threads: int | None) -> Iterator[Runtime]:
    """Within, the processes that torchrun started work together; process 0 alone speaks.

    A mistake of the user's is told to all of them.
    """
    from verydeep.errors import UserError
    from verydeep.runtime.distributed import join
    from verydeep.runtime.machine import Machine
    from verydeep.runtime.runtime import Runtime

    machine, ranks = Machine.this(device, threads), join()
    console.quiet = console.quiet or not ranks.is_main
    try:
        yield Runtime(machine, ranks, console)
    except UserError as error:
        ranks.failed(str(error))
        raise
    ranks.close()
