"""The process that reads a foreign file: what it may use is taken from it before it begins.

`sandbox.py` starts it with FILE PROTOTXT WHICH FOLDER MEMORY SECONDS BYTES SIZE, which is that
of the file and of those beside it; it leaves with 0 and a file of parameters in the folder, or with
2 and one line on stdout.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

RESULT = "parameters.safetensors"
"""The file of parameters, in the folder that is given."""
REFUSED = 2
NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000
DIE_WITH_PARENT, NO_NEW_PRIVILEGES = 1, 38


def main() -> None:
    """Reads one file and leaves."""
    path, prototxt, which, folder, *limits = sys.argv[1:]
    memory, seconds, written, size = map(int, limits)
    answer = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no answer
    _leave_the_world()
    for kind, most, more in (
        (resource.RLIMIT_CPU, seconds, 2),  # the end after the warning that says why
        (resource.RLIMIT_FSIZE, written, 0),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_NOFILE, 256, 0),
    ):
        resource.setrlimit(kind, (most, most + more))

    from verydeep.errors import UserError, one_line
    from verydeep.importers import families, parameters_file

    _no_more_memory_than(memory, size)
    try:
        found = families.read(Path(path), Path(prototxt) if prototxt else None, which or None)
        parameters_file.write(found, Path(folder) / RESULT)
    except UserError as error:
        _refuse(answer, str(error))
    except MemoryError:
        _refuse(
            answer, f"{path} asks for more than the {memory:,} bytes of memory that its size allows"
        )
    except Exception as error:  # whatever a reader did not foresee of a damaged file
        _refuse(answer, f"{path} cannot be read: {one_line(error)}")


def _leave_the_world() -> None:
    """No network and no privileges from here on, as far as the kernel lets a process go.

    Where it lets nobody have a network of their own, the sockets that are there stay within reach:
    no reader of ours opens one.
    """
    with suppress(AttributeError):  # a C library without them
        kernel = ctypes.CDLL(None)
        kernel.prctl(DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
        kernel.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        if kernel.unshare(NEW_NETWORK):
            kernel.unshare(NEW_USER | NEW_NETWORK)


def _no_more_memory_than(memory: int, size: int) -> None:
    """Limits what is taken from now on to `memory` bytes, besides the file mapped."""
    pages = Path("/proc/self/statm").read_text().split()
    total, data = (int(pages[i]) * resource.getpagesize() for i in (0, 5))
    resource.setrlimit(resource.RLIMIT_AS, (total + memory + size,) * 2)
    resource.setrlimit(resource.RLIMIT_DATA, (data + memory,) * 2)


def _refuse(answer: int, line: str) -> None:
    os.write(answer, line.encode(errors="replace"))
    sys.exit(REFUSED)
