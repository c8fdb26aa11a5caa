"""The PSP's course"""

from __future__ import annotations

import numpy as np

from salhw.conformance.circuits import (
    alternatives,
    copies,
    discretisations,
    drive,
    firing,
    kernels,
    potential,
    shortest_refractory,
)
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, Figure, check
from salhw.conformance.statistics import REPLICATES, Equivalence, equivalent, groups, observations
from salhw.conformance.verdict import by_test
from salhw.description.fields import FloatArray
from salhw.description.kernels import Kernel
from salhw.description.network import Network
from salhw.description.probes import Membrane
from salhw.theory import spike_probability

TAU_SYN, PERIOD, PEAK, REST = 4, 28, 2.0, 0.2  # steps, steps, units of log rate, probability per step
HINT = "the kernel's shape, height or time constant is wrong"


def described(lab: Lab, kernel: Kernel, size: int, repeats: int) -> tuple[Network, float, FloatArray]:
    """A network, its bias, and the potential above it at each step after the source's spike."""
    course = np.concatenate([[0.0], kernel.sample(lab.dt, PERIOD - 1)])
    weight, tau_ref = PEAK / float(course.max()), shortest_refractory(lab)
    bias = potential(lab, REST, discretisations(lab)[0], tau_ref)
    net = drive(
        lab,
        {"post": weight},
        kernel,
        (0,),
        bias=bias,
        tau_ref=tau_ref,
        size=size,
        period=PERIOD,
        repeats=repeats,
    )
    before = np.zeros(PERIOD)  # what is left of the PSPs of earlier periods
    long = np.concatenate([[0.0], kernel.sample(lab.dt, PERIOD * 20 - 1)])
    before += long.reshape(20, PERIOD)[1:].sum(axis=0)
    return net, bias, weight * (course + before)


@check("psp-shape", group="dynamics")
def psp_shape(lab: Lab) -> Evidence:
    """The PSP follows its kernel, for every declared kind (rectangular, exponential, alpha): the firing probability of
    many postsynaptic neurons, step by step after a forced presynaptic spike, is that of the kernel's potential.

    Passes a target with a deviation beyond the declared share of the peak (psp_shape) at any step with at most 1e-4;
    fails a right one with less than 1e-6.
    """
    margin, tau_ref, discretisation = lab.accuracy("psp_shape"), shortest_refractory(lab), discretisations(lab)[0]
    size = max(2, copies(lab, 1, synapses=1, most=512))
    candidates, theory = {}, {}
    for name, kernel in kernels(lab, TAU_SYN).items():
        # The largest spread of u, estimated from one decision: sqrt(p (1 - p)) / (dp/du), at rest.
        decisions = observations(margin * PEAK, (REST * (1 - REST)) ** -0.5 * 1.15)
        repeats = 2 + -(-decisions * (1 + (tau_ref - 1) // 2) // size) * lab.scale
        candidates[name], bias, above = described(lab, kernel, size, repeats)
        theory[name] = bias, above, repeats
    worst: tuple[Equivalence, str, Figure] | None = None
    for name, net in alternatives(lab, candidates).items():
        bias, above, repeats = theory[name]
        with lab.open(net) as session:
            recording = session.run(PERIOD * repeats * lab.dt)
        spikes, free = (groups(x, REPLICATES) for x in firing(lab, recording, "post", tau_ref, PERIOD, repeats))
        p = spike_probability(bias + above, tau_ref, discretisation)
        slope = (spike_probability(bias + above + 1e-4, tau_ref, discretisation) - p) / 1e-4 * PEAK
        sample = (spikes - free * p) / free.mean(axis=0) / slope  # of the peak; linear in the counts
        result = equivalent(sample, np.zeros(PERIOD), margin)
        share = above / PEAK
        figure = Figure(
            "steps after the spike",
            f"PSP, {name}",
            [*range(PERIOD)],
            {"kernel": [*share], "measured": [*(share + sample.mean(axis=0))]},
            {"measured": [*(sample.std(axis=0, ddof=1) / np.sqrt(len(sample)))]},
        )
        if worst is None or result.p_value > worst[0].p_value:
            worst = result, f"{name} PSP, {result.worst} steps after the spike", figure
    assert worst is not None
    return by_test(worst[0], worst[1], HINT, unit="of the peak", figure=worst[2])


@check("psp-membrane", group="dynamics")
def psp_membrane(lab: Lab) -> Evidence:
    """The membrane potential after a presynaptic spike is the bias plus the weight times the kernel, at every step and
    for every declared kind of kernel.

    Nothing is random. The largest deviation must be within the declared share of the peak (membrane).
    """
    margin = lab.accuracy("membrane")
    made = {name: described(lab, kernel, 1, 3) for name, kernel in kernels(lab, TAU_SYN).items()}
    probed = {name: net.replace(probes=(Membrane("post"),)) for name, (net, _, _) in made.items()}
    worst: tuple[float, str, Figure] | None = None
    for name, net in alternatives(lab, probed).items():
        _, bias, _ = made[name]
        kernel, weight = net.projections[0].kernel, float(np.max(net.projections[0].weights.stored))
        course = np.concatenate([[0.0], kernel.sample(lab.dt, 3 * PERIOD - 1)])
        late = [np.concatenate([np.zeros(k * PERIOD), course])[: 3 * PERIOD] for k in range(3)]
        expected = weight * np.sum(late, axis=0) / PEAK
        with lab.open(net) as session:
            trace = session.run(3 * PERIOD * lab.dt).membrane_traces["post"].values[0, :, 0]
        measured = (trace - bias) / PEAK
        off = float(np.abs(measured - expected).max())
        steps = [*range(3 * PERIOD)]
        figure = Figure("step", f"PSP, {name}", steps, {"kernel": [*expected], "measured": [*measured]})
        if worst is None or off > worst[0]:
            worst = off, name, figure
    assert worst is not None
    result = Equivalence(worst[0], 0.0, margin, 0.0 if worst[0] <= margin else 1.0)
    return by_test(result, f"{worst[1]} PSP in the membrane potential", HINT, unit="of the peak", figure=worst[2])
