"""What changes during a session, at its beginning."""

from __future__ import annotations

from typing import Any

import numpy as np

from salhw_reference.arrays import COUNTED, NEVER, NOW, SPIKE, USED, NetworkArrays, StateArrays, aligned, records
from salhw_reference.common import is_short_term
from salhw_reference.hazards import in_lanes
from salhw_reference.kinds import TRIPLETS
from salhw_reference.program import history, states, sums

LONG_AGO = -(2**40)


def at_rest(net: NetworkArrays, batch: int, *, common: bool = False) -> StateArrays:
    """``batch`` instances of a network at rest: nobody is refractory, no PSP is under way; biases, weights and learning
    rates still zero. ``common``: for the vectorised algorithm, which holds weights once for all instances until they
    differ, gains only if there are any, and learning rates elsewhere."""
    n, p, r, h, s = len(net.kind), len(net.psp), len(net.rule), len(net.head), len(net.post)
    ring, columns = int(net.ring[0]) + 1, len(net.averaged)
    taught = len(net.teacher)
    used = p if is_short_term(net) else 0
    copies, gains, rates = (1, 0, 0) if common else (batch, s, sums(net))

    def full(shape: tuple[int, ...], value: Any, dtype: Any = np.int64) -> Any:
        return np.full((batch, *shape), value, dtype)

    return StateArrays(
        now=records([(0, 1, 1, 0, 0, 0, -1.0)] * batch, NOW, (batch, 1)),
        last=full((n,), LONG_AGO),
        arrived=full((p, n), LONG_AGO),
        counted=records(np.zeros((batch, r, 2, n), COUNTED), COUNTED, (batch, r, 2, n)),
        past=records(np.zeros((batch, ring), SPIKE), SPIKE, (batch, ring)),
        forced=records(np.zeros((1, 0), SPIKE), SPIKE, (1, 0)),
        head_at=full((h,), 0),
        due=full((h,), NEVER),
        spiked=full((n,), 0),
        states=full((states(net),), 0),
        code=full((len(net.occupancy),), 0),
        spikes=full((n,), 0),
        spiking=full((n,), 0, np.uint8),
        touched=full((n,), 0),
        free=aligned((batch, in_lanes(n)), np.arange(in_lanes(n)) < n),
        bias=full((n,), 0.0, np.float64),
        weight=np.zeros((copies, s)),
        gain=np.ones((copies, gains)),
        input_gain=full((p,), 1.0, np.float64),
        rate=np.zeros((batch, 2, rates)),
        pairs=np.zeros((batch, 2, sums(net))),  # zeros take no memory until they are written to
        potential=full((n,), net.begins[0], np.float64),
        adaptation=full((len(net.recovery),), net.begins[1, : len(net.recovery)], np.float64),
        current=full((p, n, 2), 0.0, np.float64),
        psp=full((p, n, 2), 0.0, np.float64),
        used=records([(0.0, 1.0, LONG_AGO)] * (batch * used * 3 * n), USED, (batch, used, 3, n)),
        trace=full((r, 2, n), 0.0, np.float64),
        own=full((r if np.any(net.rule["form"] == TRIPLETS) else 0, 2, n), 0.0, np.float64),
        total=full((columns,), 0.0, np.float64),
        filled=full((columns,), 1.0, np.float64),
        value=full((columns,), 0.0, np.float64),
        input=full((n,), 0.0, np.float64),
        renewed=full((n,), LONG_AGO),
        place=full((columns,), net.averaged["first"]),
        history=full((history(net),), 0.0, np.float64),
        sent=full((r, n), 0),
        target=full((taught,), 0.0, np.float64),
        nudging=full((taught,), 0.0, np.float64),
        pushed=full((taught,), 0.0, np.float64),
        nudge=full((n,), 0.0, np.float64),
        chance=full((n,), 0.0, np.float64),
    )
