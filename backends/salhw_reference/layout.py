"""Many named arrays in one flat buffer, at offsets that the algorithms look up.

A function of fifty arrays compiles for twenty seconds and runs three times slower than one of four: numba
passes every array as seven numbers through every call. So all integers of the program live in one array ``q``, all its
floats in ``f``; all integers of an instance in a row of ``I``, its floats in a row of ``F``. ``q[NAME]`` is where the
array NAME begins, in whichever of the four it lives; what it holds stands beside its name here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

# Numbers, held in q directly: neurons, projections, rules, heads, ring size - 1, forced spikes, occupancy probes,
# membrane probes, 1 if some PSP decays, accumulators.
N, P, R, H, RING, FORCED_COUNT, O, M, FADING, A = range(10)
# Program, integers (q): what q[NAME] + index holds.
KIND = 11  # (N,) neuron kind
REF = 12  # (N,) refractory period in steps; 1 for sources
RECORD = 13  # (N,) 1: keep the spikes
KERNEL = 14  # (P,) kernel kind
RENEW = 15  # (P,) 1: a new PSP replaces the last one
POST = 16  # (S,) synapses sorted by projection, post, pre
PRE = 17  # (S,)
IN = 18  # (P, N + 1) synapses onto n are IN[p, n] .. IN[p, n + 1]
OUT = 19  # (P, N + 1) entries of OUT_POST and OUT_SYN of n
OUT_POST = 20  # (S,) sorted by projection, pre, post
OUT_SYN = 21  # (S,) the synapse itself
RULE = 22  # (R, RULE_WIDTH)
HEAD = 23  # (H, 5) lag, action, projection or 2 * rule + branch, first neuron, one past the last
FORCED = 24  # (F, 2) step, neuron of forced spikes, sorted
OCCUPANCY = 25  # (O, 3) first neuron, one past the last, first counter
MEMBRANE = 26  # (M, 4) first neuron, one past the last, every so many steps, first column
# Program, floats (f).
LEAK = 27  # (N, 4) exp(-dt/tau_m), v_rest, v_reset, v_thresh of LIF neurons
SHAPE = 28  # (P, 5) exp(-dt/tau_syn), dt/tau_syn, height, lowest and highest weight
TABLE = 29  # window shapes at lag 0, 1, ...; 0 at each last entry
WINDOW_LENGTH = 30  # (R, 2) in steps, of triangular windows
# Instance, integers (I).
TIME = 31  # (1,) the next step
STALE = 32  # (1,) 1: recompute the inputs, because weights were written
LAST = 33  # (N,) step of the last spike
ARRIVED = 34  # (P, N) step of the last spike that has arrived
RECENT = 35  # (R, 2, N, 2) number and sum of the spike steps inside a triangular window
PAST = 36  # (RING + 1, 2) ring of past spikes: step, neuron
PAST_END = 37  # (1,)
HEAD_AT = 38  # (H,) next past spike of each head
DUE = 39  # (H,) step at which that head acts next; NEVER if it has no spike to wait for
FORCED_AT = 40  # (1,) next forced spike
COUNT = 41  # (N,) spikes of this run
STATES = 42  # steps of this run in each network state, all probes
CODES = 43  # (O,) present network state
SPIKES = 44  # (N,) who spikes at this step
SPIKING = 45  # (N,) 1: in SPIKES
TOUCHED = 46  # (N,) 1: the input changed
USED = 47  # (1,) recorded spikes
# Instance, floats (F).
PENDING = 48  # (1,) hazard until the next candidate spike (event-driven); negative: not drawn yet
FREE = 49  # (N,) 1.0: not refractory, 0.0: refractory
BIAS = 50  # (N,)
WEIGHT = 51  # (S,)
GAIN = 52  # (S,) what the chip makes of a weight
RATE = 53  # (2, A) learning rate times amplitude; causal, anticausal
PAIRS = 54  # (2, A) window sums since the last update; causal in order of post, anticausal in order of pre
POTENTIAL = 55  # (N,) input plus bias, or the membrane of LIF neurons
CURRENT = 56  # (P, N, 2) postsynaptic input (y, x), with weight and height
PSP = 57  # (P, N, 2) presynaptic state of the kernel (y, x), without weight and height
TRACE = 58  # (R, 2, N) exponential trace right after the last spike
CHANCE = 59  # (N,) spike probability (time-driven) or hazard (event-driven)
NAMES = 60

# A rule's row: projection, pairing, update, period, first synapse, first accumulator; per branch: mode, first and last
# table entry; 1 if both branches collect the same sums.
RULE_WIDTH = 13
BRANCH = 6
MIRRORED = 12
NEVER = 2**62


@dataclass
class Layout:
    """Collects arrays and says where they are."""

    offsets: dict[int, int] = field(default_factory=dict)
    shapes: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def pack(self, arrays: Mapping[int, npt.NDArray[Any]], dtype: type, before: int = 0) -> npt.NDArray[Any]:
        """All arrays end to end, after ``before`` free entries."""
        parts: list[npt.NDArray[Any]] = [np.zeros(before, dtype)]
        at = before
        for name, array in arrays.items():
            self.offsets[name], self.shapes[name] = at, array.shape
            parts.append(np.asarray(array, dtype=dtype).ravel())
            at += array.size
        return np.concatenate(parts)

    def view(self, buffer: npt.NDArray[Any], name: int) -> npt.NDArray[Any]:
        """The array ``name`` of all instances, (instance, *shape), sharing memory with the buffer (instance, size)."""
        shape = self.shapes[name]
        first = self.offsets[name]
        return buffer[:, first : first + int(np.prod(shape))].reshape(len(buffer), *shape)
