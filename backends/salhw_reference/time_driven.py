"""The time-driven algorithm: every description, one step after the other."""

from __future__ import annotations

from salhw_reference.event_driven import forced_spikes
from salhw_reference.jit import compiled, inlined
from salhw_reference.kinds import INTEGRATE, RECTANGULAR
from salhw_reference.layout import (
    BIAS,
    CHANCE,
    CURRENT,
    DUE,
    FADING,
    FREE,
    KERNEL,
    KIND,
    LEAK,
    MEMBRANE,
    POTENTIAL,
    PSP,
    SHAPE,
    SPIKES,
    STALE,
    TIME,
    TOUCHED,
    USED,
    H,
    M,
    N,
    P,
)
from salhw_reference.learning import periodic_update
from salhw_reference.parts import act_until, begin, count_states, emit, input_of, recompute_inputs, spike_probability
from salhw_reference.rng import uniform


@inlined
def decay(q, f, x, p):
    """One step of an exponential or alpha kernel, for the presynaptic states and the postsynaptic inputs."""
    factor, ratio = f[q[SHAPE] + 5 * p], f[q[SHAPE] + 5 * p + 1]
    for k in range(q[N]):
        for base in (q[PSP], q[CURRENT]):
            at = base + 2 * (p * q[N] + k)
            y = x[at]
            x[at] = factor * y
            x[at + 1] = factor * (x[at + 1] + ratio * y)


@inlined
def integrate(q, f, i, x, n, drive):
    """One step of a LIF membrane; whether it spikes."""
    leak = q[LEAK] + 4 * n
    if x[q[FREE] + n] == 0.0:
        x[q[POTENTIAL] + n] = f[leak + 2]
        return False
    target = f[leak + 1] + drive
    v = target + (x[q[POTENTIAL] + n] - target) * f[leak]
    x[q[POTENTIAL] + n] = v
    return v >= f[leak + 3]


@inlined
def sample_membranes(q, x, rows, origin, t):
    """Write the potentials of this step where a membrane probe asks for them."""
    for m in range(q[M]):
        probe = q[MEMBRANE] + 4 * m
        if t % q[probe + 2] == 0:
            for n in range(q[probe], q[probe + 1]):
                rows[t // q[probe + 2] - origin[m], q[probe + 3] + n - q[probe]] = x[q[POTENTIAL] + n]


@inlined
def step_neurons(q, f, i, x, rng, drive):
    """Decide for every neuron whether it spikes now; how many do."""
    count = 0
    for n in range(q[N]):
        if q[q[KIND] + n] == INTEGRATE:
            fires = integrate(q, f, i, x, n, x[q[BIAS] + n] + drive[0, n] + input_of(q, x, n))
        else:
            if i[q[TOUCHED] + n]:
                i[q[TOUCHED] + n] = 0
                u = x[q[BIAS] + n] + drive[0, n] + input_of(q, x, n)
                x[q[POTENTIAL] + n] = u
                x[q[CHANCE] + n] = spike_probability(q, drive, n, u)
            fires = uniform(rng) < x[q[CHANCE] + n] and x[q[FREE] + n] == 1.0
        if fires:
            i[q[SPIKES] + count] = n
            count += 1
    return count


@compiled
def run(q, f, ints, floats, rngs, drive, table, out, membrane, origin, first, last, until):
    """Advance the instances first..last-1 to step ``until``, or to where the room for recorded spikes runs out."""
    for b in range(first, last):
        i, x, rng = ints[b], floats[b], rngs[b]
        begin(q, i, x)
        for n in range(q[N]):
            i[q[TOUCHED] + n] = 1
        for t in range(i[q[TIME]], until):
            if i[q[USED]] + q[N] > out.shape[2]:
                break
            if i[q[STALE]]:
                recompute_inputs(q, f, i, x)
                for n in range(q[N]):
                    i[q[TOUCHED] + n] = 1
            for h in range(q[H]):
                if i[q[DUE] + h] <= t:
                    act_until(q, f, i, x, h, t)
            if q[FADING]:
                for p in range(q[P]):
                    if q[q[KERNEL] + p] != RECTANGULAR:
                        decay(q, f, x, p)
                for n in range(q[N]):
                    i[q[TOUCHED] + n] = 1
            count = step_neurons(q, f, i, x, rng, drive)
            sample_membranes(q, x, membrane[b], origin, t)
            count = forced_spikes(q, i, t, count)
            if count > 0:
                for k in range(count):
                    n = i[q[SPIKES] + k]
                    if q[q[KIND] + n] == INTEGRATE:
                        x[q[POTENTIAL] + n] = f[q[LEAK] + 4 * n + 2]
                emit(q, f, i, x, out[b], t, count)
            count_states(q, i, 1)
            i[q[TIME]] = t + 1
            periodic_update(q, f, i, x, t + 1)
