"""What changes during a session: a row of integers and a row of floats per instance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray, IntArray
from salhw_reference import layout as at
from salhw_reference.kinds import INTEGRATE
from salhw_reference.program import ReferenceProgram
from salhw_reference.rng import streams

LONG_AGO = -(2**40)


@dataclass(frozen=True)
class ReferenceState:
    """``ints`` and ``floats`` (instance, size) as layout.py divides them up, ``rng`` (instance, 4)."""

    ints: IntArray
    floats: FloatArray
    rng: npt.NDArray[np.uint64]
    layout: at.Layout

    def view(self, name: int) -> Any:
        """The array called ``name``, (instance, ...), sharing memory."""
        return self.layout.view(self.floats if name >= at.PENDING else self.ints, name)


def initial(program: ReferenceProgram, seed: int, ids: Sequence[int]) -> ReferenceState:
    """A network at rest: nobody is refractory, no PSP is under way; biases, weights and learning rates still zero."""
    q, layout = program.q, program.layout
    n, p, r, h, a = (int(q[k]) for k in (at.N, at.P, at.R, at.H, at.A))
    synapses, states = len(program.arrays[at.POST]), program.states

    def zeros(*shape: int) -> IntArray:
        return np.zeros(shape, np.int64)

    ints = {
        at.TIME: zeros(1),
        at.STALE: zeros(1) + 1,
        at.LAST: np.full(n, LONG_AGO),
        at.ARRIVED: np.full((p, n), LONG_AGO),
        at.RECENT: zeros(r, 2, n, 2),
        at.PAST: zeros(int(q[at.RING]) + 1, 2),
        at.PAST_END: zeros(1),
        at.HEAD_AT: zeros(h),
        at.DUE: np.full(h, at.NEVER),
        at.FORCED_AT: zeros(1),
        at.COUNT: zeros(n),
        at.STATES: zeros(states),
        at.CODES: zeros(int(q[at.O])),
        at.SPIKES: zeros(n),
        at.SPIKING: zeros(n),
        at.TOUCHED: zeros(n),
        at.USED: zeros(1),
    }
    floats = {
        at.PENDING: np.full(1, -1.0),
        at.FREE: np.ones(n),
        at.BIAS: zeros(n),
        at.WEIGHT: zeros(synapses),
        at.GAIN: np.ones(synapses),
        at.RATE: zeros(2, a),
        at.PAIRS: zeros(2, a),
        at.POTENTIAL: np.where(program.arrays[at.KIND] == INTEGRATE, program.arrays[at.LEAK][:, 1], 0.0),
        at.CURRENT: zeros(p, n, 2),
        at.PSP: zeros(p, n, 2),
        at.TRACE: zeros(r, 2, n),
        at.CHANCE: zeros(n),
    }
    i, x = layout.pack(ints, np.int64), layout.pack(floats, np.float64)
    for name in (*ints, *floats):
        q[name] = layout.offsets[name]
    batch = len(ids)
    return ReferenceState(
        np.repeat(i[None], batch, axis=0), np.repeat(x[None], batch, axis=0), streams(seed, ids), layout
    )
