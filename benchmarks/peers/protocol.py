"""What a peer is: a file ``with_NAME.py`` in this folder. Whoever adds one changes no other file.

It defines

- ``PYTHON``: the interpreter that runs it, below the repository; "" for the one that runs the benchmark.
- ``columns(case)``: the names under which the peer runs a case, one for each way of running it; none if it cannot.
- ``prepare(case, column)``: builds the network, simulates ``cases.LEAD`` ms, and returns a function that simulates
  ``case.steps`` more steps each time it is called, and returns ``Measured``.

Every file is imported to ask for its columns: at its top are imports of what salhw needs, too, and the simulator is
imported in ``prepare``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Measured:
    """One run.

    Args:
        seconds: of processor time that the simulation took, of all processes that it has, without building and without
            what reads results. All run on one thread: on a quiet machine this is the time on the clock.
        counts: spikes of each neuron, (neuron of all instances,).
        learned: the root mean square of what the run has changed in the weights; None where a peer cannot
            say, or learns by another rule than cases.py says.
    """

    seconds: float
    counts: NDArray[np.int64]
    learned: float | None = None


Run = Callable[[], Measured]


def root_mean_square(change: NDArray[np.float64]) -> float:
    """Of an array of any shape."""
    return float(np.sqrt(np.mean(np.square(change))))
