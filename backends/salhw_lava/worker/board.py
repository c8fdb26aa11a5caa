"""Arrays that a host and the Lava processes it forks have in common.

Lava sends a Var to the host number by number, and sends a run's spikes through yet another process. What is read and
written between runs lies here instead: in anonymous shared memory, which vanishes with the last process that has it.
"""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_boards: dict[str, dict[str, Array]] = {}
TROUBLE = 16384  # bytes kept of a traceback


def put_up(board: str, arrays: dict[str, Array]) -> dict[str, Array]:
    """Copies of the arrays that processes forked from now on share; ``board`` names them."""
    _boards[board] = {name: _shared(np.asarray(array)) for name, array in arrays.items()}
    return _boards[board]


def on(board: str) -> dict[str, Array]:
    """The arrays of a board."""
    return _boards[board]


def take_down(board: str) -> None:
    """Forget a board."""
    _boards.pop(board, None)


def _shared(array: Array) -> Array:
    memory = mmap.mmap(-1, max(array.nbytes, 1))
    copy: Array = np.frombuffer(memory, dtype=array.dtype, count=array.size).reshape(array.shape)
    copy[...] = array
    return copy


def report(board: str, text: str) -> None:
    """Leave a traceback for the host; the first one stays."""
    place = _boards[board]["trouble"]
    if not place[0]:
        said = np.frombuffer(text.encode()[-TROUBLE:], dtype=np.uint8)
        place[: len(said)] = said


def trouble(board: str) -> str:
    """The traceback that a process left; empty if all is well."""
    said = _boards[board]["trouble"].tobytes().rstrip(b"\0")
    return said.decode(errors="replace")
