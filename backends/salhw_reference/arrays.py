"""The arrays that the algorithms read and write, by name: ``NetworkArrays`` never change, ``StateArrays`` do.

Sizes: N neurons of all populations, numbered through; P projections; S synapses; R rules; A sums over pairs, one per
rule and synapse; H heads; F forced spikes; O occupancy probes; M probes that sample; T traces; C neurons of all traces.
Several numbers about one thing are a record, so that each has its name. Compiled code finds the arrays by
their places in a table (tables.py).

Synapses lie in rows, sorted by projection, pre and post, where a spike finds those that it goes to side by side. What a
postsynaptic spike needs lies in columns, sorted by projection, post and pre, the order of a description.

A head reads the ring of past spikes a fixed lag after each of them: see program.py.
"""

from __future__ import annotations

import os
from math import prod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray, IntArray

Records = npt.NDArray[Any]  # of one of the dtypes below
Indices = npt.NDArray[np.uint32]
NEVER = 2**62
CHANGED, DRIVEN = 1, 2
"""What touches a neuron: its input has changed, or its drive alone."""


def records(rows: Any, dtype: np.dtype[Any], shape: tuple[int, ...] = (-1,)) -> Records:
    """An array of records. Python reads their fields as attributes, as compiled code does, of a recarray only, which
    takes longer to hand over to compiled code."""
    array = np.array(rows, dtype).reshape(shape)
    return array.view(np.recarray) if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0" else array


def aligned(shape: tuple[int, ...], value: Any = 0, dtype: Any = np.float64) -> npt.NDArray[Any]:
    """An array full of ``value`` that begins where a cache line of 64 bytes does: a vector that lies across two lines
    is loaded twice."""
    size = prod(shape) * np.dtype(dtype).itemsize
    memory = np.zeros(size + 63, np.uint8)
    first = -memory.ctypes.data % 64
    array: npt.NDArray[Any] = memory[first : first + size].view(dtype).reshape(shape)
    array[...] = value
    return array


def record(**fields: type) -> np.dtype[Any]:
    return np.dtype(list(fields.items()), align=True)


MEMBRANE = record(decay=np.float64, rest=np.float64, reset=np.float64, threshold=np.float64, width=np.float64)
"""Of a LIF neuron: exp(-dt/tau_m), its potentials, and the width of its threshold (0: sharp). Of an AdEx neuron the
same with exp(-dt/tau_m/2); of one of Izhikevich only c, as ``reset``."""

RECOVERY = record(
    peak=np.float64, slope=np.float64, span=np.float64, fade=np.float64, coupling=np.float64, jump=np.float64,
)  # fmt: skip
"""Of an AdEx neuron: v_peak, its slope factor, dt/tau_m, exp(-dt/tau_w/2), a and b. Of one of Izhikevich: v_peak,
nothing, dt, dt times a, b and d. Of a LIF neuron whose threshold rises: as ``fade`` exp(-dt/tau_theta), as ``jump``
theta_plus."""

PSP = record(
    kernel=np.int64, renews=np.int64, input=np.int64, decay=np.float64, ratio=np.float64, height=np.float64,
    lowest=np.float64, highest=np.float64, conducts=np.int64, reversal=np.float64, pre_first=np.int64,
    pre_end=np.int64, post_first=np.int64, post_end=np.int64, spread=np.int64, lasts=np.int64,
    utilisation=np.float64, recovery=np.float64, facilitation=np.float64,
)  # fmt: skip
"""Of a projection: the kernel's code, 1 if a new PSP replaces the last one, the number of the named input that it goes
into (-1: none), exp(-dt/tau_syn), dt/tau_syn, the height of
a PSP of weight 1, the lowest and the highest weight that its rules allow, 1 if its synapses are conductances, with
their reversal potential, the neurons at both ends, how many steps its slowest synapse is later than its fastest, and
for how many steps PSPs last that end as they began (0: they do not). Of one with short-term plasticity (``utilisation``
> 0) U, and dt over the time constants of resources and of facilitation."""

RULE = record(
    form=np.int64, projection=np.int64, pairing=np.int64, update=np.int64, period=np.int64, first_synapse=np.int64,
    first_sum=np.int64, mirrored=np.int64, teacher=np.int64, prediction=np.int64, link=np.int64, step=np.float64,
    baseline=np.float64, post_fading=np.float64, pre_fading=np.float64, stretch=np.int64, stretches=np.int64,
)  # fmt: skip
"""Of a rule: ``mirrored`` is 1 if both branches collect the same sums. Of one that predicts: its traces, the code of
its link, and dt in ms. Of one with a modulator: its trace, as the teacher, and what is subtracted from it.
Of one of triplets: dt over the time constants with which a neuron's own spikes fade. Of one whose pair sums are formed
along rows: the steps of a stretch, and how many of them a period has (0: not so; see row_sums.py)."""

WINDOW = record(mode=np.int64, first=np.int64, last=np.int64, length=np.float64)
"""Of a branch: how it sums over spikes, its first entry in ``table`` (negative: which formula), the lag in steps from
which on it is 0, and its time constant in steps."""

HEAD = record(lag=np.int64, action=np.int64, index=np.int64, first=np.int64, end=np.int64)
"""Of a head: its lag in steps, what it does, for which projection (or 2 * rule + branch, or refractory period), and the
neurons whose spikes it reads: ``first`` and one past the last."""

LAG = record(steps=np.int64, first=np.int64, end=np.int64)
"""A lag in steps, and which of ``by_lag`` have it: the first, and one past the last."""

SPIKE = record(step=np.int64, neuron=np.int64)

OCCUPANCY = record(first=np.int64, end=np.int64, counter=np.int64)
"""Of an occupancy probe: its neurons, and its first counter in ``states``."""

SAMPLES = record(
    first=np.int64, end=np.int64, every=np.int64, column=np.int64, of=np.int64, traced=np.int64, gained=np.int64
)  # fmt: skip
"""Of a probe of membranes, a trace or a variable: its neurons, the steps between samples, its first column, what it is
``of`` (kinds.py: POTENTIAL ...), the number of the trace, or of the projection whose synapses it looks at, and 1 where
gains multiply what is summed. No field may be called like a method of numpy's records."""

AVERAGE = record(of=np.int64, first=np.int64, end=np.int64, column=np.int64, through=np.int64)
"""Of a trace: what it is of, its neurons, the first of its columns in ``total``, and a projection into the input that
it is of (-1: none), whose gain is the input's."""

AVERAGED = record(
    of=np.int64, neuron=np.int64, input=np.int64, rate=np.float64, window=np.int64, first=np.int64, end=np.int64,
    share=np.float64,
)  # fmt: skip
"""Of a column of ``total``, a neuron of a trace: what the trace is of, the neuron, the number of the named input (-1:
all), spikes per ms that a spike counts as, the code of the window, where a boxcar's ring begins and ends in
``history``, and how much of the way to a new value another goes at a step."""

COUNTED = record(number=np.int64, total=np.int64)
"""How many spikes of a neuron lie inside a triangular window, and the sum of their steps."""

USED = record(share=np.float64, left=np.float64, step=np.int64)
"""Of a neuron's last spike in short-term plasticity: the share of the resources that it used, those there were, and its
step."""

NOW = record(
    time=np.int64, stale=np.int64, written=np.int64, past_end=np.int64, forced_at=np.int64, used=np.int64,
    pending=np.float64,
)  # fmt: skip
"""The next step; 1 if inputs are to be computed anew, because weights were written; 1 if a session has written anything
that teachers see; how many past spikes there have been; the next forced spike; how many spikes wait to be taken; the
hazard until the next candidate spike of the event-driven algorithm, negative if not drawn yet."""

TEACHER = record(number=np.int64, reads=np.int64, neuron=np.int64, period=np.int64, joins=np.int64)
"""Of a teacher and one of its neurons: the teacher's number, the trace that it reads, the neuron, after how many steps
what it adds is worked out anew, and 1 if it adds that to what an earlier teacher does."""

TIE = record(first=np.int64, end=np.int64, period=np.int64, scale=np.float64)
"""Of copies of weights: their synapses in columns, the steps between copyings (0: at once), and a factor."""


class NetworkArrays(NamedTuple):
    """A network as the algorithms read it."""

    kind: IntArray  # (N,) how a neuron comes to spike
    refractory: IntArray  # (N,) steps; 1 for sources
    recorded: IntArray  # (N,) 1: keep the spikes
    membrane: Records  # (N,) MEMBRANE
    recovery: Records  # (N,) RECOVERY; empty if nothing adapts any neuron
    begins: FloatArray  # (2, N) the potential that a membrane begins with, and what adapts it
    psp: Records  # (P,) PSP
    out: IntArray  # (P, N + 1) the row of n is out[p, n] .. out[p, n + 1]
    post: Indices  # (S,) of each synapse, in rows
    into: IntArray  # (P, N + 1) the column of n is into[p, n] .. into[p, n + 1]
    pre: Indices  # (S,) of each synapse, in columns
    row: Indices  # (S,) where each synapse of a column lies in the rows
    place: Indices  # (S,) in rows, where a synapse's spikes go in a ring (step, post) that begins with those of the
    # fastest, see arrivals.py; empty if no projection has a spread
    rule: Records  # (R,) RULE
    window: Records  # (R, 2) WINDOW; causal, anticausal
    table: FloatArray  # window shapes at lag 0, 1, ...; 0 at each last entry
    head: Records  # (H,) HEAD
    by_lag: Records  # (H,) HEAD, sorted by lags
    lag: Records  # LAG, in that order
    occupancy: Records  # (O,) OCCUPANCY
    samples: Records  # (M,) SAMPLES
    summed: IntArray  # (M, P) 1: the probe sums up what this projection gives
    average: Records  # (T,) AVERAGE
    averaged: Records  # (C,) AVERAGED
    teacher: Records  # TEACHER
    tie: Records  # TIE
    original: Indices  # (S,) in columns, where in the rows is the weight that a copy copies; empty without ties
    ring: IntArray  # (1,) size of the ring of past spikes, less 1
    fading: IntArray  # (1,) 1 if some PSP decays, or is a conductance: then inputs are kept for each projection
    conducting: IntArray  # (1,) 1 if some synapses are conductances
    integrating: IntArray  # (1,) 1 if some neuron integrates a membrane

    @property
    def common(self) -> frozenset[str]:
        """What all instances have in common: everything."""
        return frozenset(self._fields)


class StateArrays(NamedTuple):
    """What changes during a session: of a batch, each array with the instance in front; of one instance, without."""

    now: Records  # (1,) NOW
    last: IntArray  # (N,) step of the last spike
    arrived: IntArray  # (P, N) step of the last spike that has arrived
    counted: Records  # (R, 2, N) COUNTED
    past: Records  # (ring + 1,) SPIKE
    forced: Records  # (F,) SPIKE, sorted, the last ones at NEVER
    head_at: IntArray  # (H,) next past spike of each head; of each lag in the time-driven algorithm
    due: IntArray  # (H,) step at which that head, or lag, acts next; NEVER if it has no spike to wait for
    spiked: IntArray  # (N,) spikes of this run
    states: IntArray  # steps of this run in each network state, all probes
    code: IntArray  # (O,) present network state
    spikes: IntArray  # (N,) who spikes at this step
    spiking: npt.NDArray[np.uint8]  # (N,) 1: in spikes
    touched: IntArray  # (N,) CHANGED or DRIVEN; 0: neither
    free: FloatArray  # (N in whole lanes,) 1.0: not refractory, 0.0: refractory, or no neuron
    bias: FloatArray  # (N,)
    weight: FloatArray  # (S,) in rows
    gain: FloatArray  # (S,) what the chip makes of a weight, in rows
    input_gain: FloatArray  # (P,) of the named input that a projection goes into
    rate: FloatArray  # (2, A) learning rate times amplitude; causal in columns, anticausal (or of predictions) in rows
    pairs: FloatArray  # (2, A) window sums since the last update; causal in columns, anticausal in rows
    potential: FloatArray  # (N,) input plus bias, or the membrane of neurons that integrate one
    adaptation: FloatArray  # (N,) w, u, or theta; empty if nothing adapts any neuron
    current: FloatArray  # (P, N, 2) postsynaptic input (y, x), with weight and height, without the input's gain
    psp: FloatArray  # (P, N, 2) presynaptic state of the kernel (y, x), without weight and height
    used: Records  # (P, 3, N) USED of the last PSP that began, that ended, and of the last spike; P = 0 without
    # short-term plasticity
    trace: FloatArray  # (R, 2, N) exponential trace right after the last spike
    own: FloatArray  # (R, 2, N) a neuron's own spikes right after the last one, of causal and anticausal triplets
    total: FloatArray  # (C,) traces after the last step; of boxcars, times ``filled``
    filled: FloatArray  # (C,) the steps that a boxcar is the mean over; 1 for others
    value: FloatArray  # (C,) of traces of named inputs, what the projections into them add up to
    place: IntArray  # (C,) where in ``history`` a boxcar writes next
    history: FloatArray  # values inside the boxcars, a ring for each neuron
    input: FloatArray  # (N,) what all projections added up to when it was last worked out
    renewed: IntArray  # (N,) the step at which that was
    sent: IntArray  # (R, N) spikes since the last update of a rule that predicts
    target: FloatArray  # of each teacher and neuron
    nudging: FloatArray  # the gain of each teacher and neuron
    pushed: FloatArray  # what each teacher adds, as it was last worked out
    nudge: FloatArray  # (N,) what teachers add at this step
    chance: FloatArray  # (N,) ``largest_odds``, 0 while refractory (time-driven); or hazard

    @property
    def common(self) -> frozenset[str]:
        """Each field has an instance in front, if only one that all share."""
        return frozenset()
