"""Wrong backends: each is the reference with one realistic bug in its dynamics.

Most bugs are a wrong network that is run rightly (``Mutant.change``, applied when the description is lowered); the
others tamper with a session (``Mutant.wrap``). ``caught_by`` are the checks that must fail, the one whose name says
what is wrong among them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from wrong_backends import (
    Change,
    CoincidencesOnce,
    Mutant,
    SharedRandomNumbers,
    SignsKept,
    WrittenGainsLost,
    WrittenTargetsLost,
    averaged,
    crosstalk,
    each_average,
    each_input,
    each_kernel,
    each_neuron,
    each_prediction,
    each_projection,
    each_rule,
    each_teacher,
    each_tie,
    each_trace,
    each_weight,
    each_window,
    ends_swapped,
    first_bias_for_all,
    forgotten_rule,
    half_slope,
    paired_off,
    per_neuron,
    poisson,
    recorded,
    transposed,
)

from salhw import (
    GLM,
    LIF,
    Alpha,
    Boxcar,
    Exponential,
    ExponentialTrace,
    ExponentialWindow,
    Rectangular,
    TriangularWindow,
)


def mutant(name: str, caught_by: str, change: Change = lambda net: net, **fields: Any) -> Mutant:
    return Mutant(name, frozenset(caught_by.split()), change, **fields)


MUTANTS: list[Mutant] = [
    # neurons
    mutant(
        "refractory period one step long",
        "smallest-interval transfer-function",
        each_neuron(GLM, lambda n, dt: {"tau_ref": n.tau_ref + dt}),
    ),
    mutant(
        "refractory period one step short",
        "smallest-interval",
        each_neuron(GLM, lambda n, dt: {"tau_ref": np.maximum(dt, np.asarray(n.tau_ref) - dt)}),
    ),
    mutant("hazard of half the slope", "transfer-function psp-shape", half_slope),
    mutant(
        "logistic taken for exact",
        "discretisation transfer-function",
        each_neuron(GLM, lambda n, dt: {"discretisation": "logistic"}),
    ),
    mutant(
        "exact taken for logistic",
        "discretisation transfer-function",
        each_neuron(GLM, lambda n, dt: {"discretisation": "exact"}),
    ),
    mutant(
        "bias of the wrong neuron",
        "bias-order",
        each_neuron(GLM, lambda n, dt: {"bias": np.roll(n.bias, 1) if np.ndim(n.bias) else n.bias}),
    ),
    mutant("bias of the wrong population", "bias-order", first_bias_for_all),
    mutant(
        "membrane time constant 10 % off", "lif-intervals", each_neuron(LIF, lambda n, dt: {"tau_m": 1.1 * n.tau_m})
    ),
    mutant(
        "LIF refractory period one step long",
        "lif-intervals",
        each_neuron(LIF, lambda n, dt: {"tau_ref": n.tau_ref + dt}),
    ),
    mutant("neurons share random numbers", "unconnected-neurons-independent", wrap=SharedRandomNumbers),
    mutant("crosstalk between neurons", "unconnected-neurons-independent", crosstalk),
    # sources
    mutant("Poisson rate in kHz", "poisson-rate", poisson(lambda r, dt: 1000.0 * r)),
    mutant("Poisson rate dt taken for the probability", "poisson-rate", poisson(lambda r, dt: -np.log1p(-r * dt) / dt)),
    # synapses
    mutant("weights transposed", "weight-orientation", each_projection(transposed)),
    mutant("post and pre of sparse synapses swapped", "weight-orientation", each_projection(ends_swapped)),
    mutant("sign of inhibitory weights lost", "psp-sign", each_weight(np.abs)),
    mutant("negative weights dropped", "psp-sign", each_weight(lambda w: np.maximum(w, 0.0))),
    mutant(
        "PSP one step short",
        "psp-length psp-shape",
        each_kernel(Rectangular, lambda k, dt: k.replace(tau_syn=k.tau_syn - dt, area=k.height * (k.tau_syn - dt))),
    ),
    mutant(
        "PSP one step long",
        "psp-length psp-shape",
        each_kernel(Rectangular, lambda k, dt: k.replace(tau_syn=k.tau_syn + dt, area=k.height * (k.tau_syn + dt))),
    ),
    mutant("PSP one step late", "psp-delay psp-shape", each_projection(lambda p, dt: p.replace(delay=p.delay + dt))),
    mutant("delay ignored", "psp-delay", each_projection(lambda p, _: p.replace(delay=0.0))),
    mutant(
        "delay one step short",
        "psp-delay",
        each_projection(lambda p, dt: p.replace(delay=max(0.0, p.delay - dt))),
    ),
    mutant(
        "kernel area not applied",
        "psp-area",
        each_projection(lambda p, _: p.replace(kernel=p.kernel.replace(area=None))),
    ),
    mutant(
        "PSPs always add up",
        "psp-superposition",
        each_projection(lambda p, _: p.replace(kernel=p.kernel.replace(superposition="sum"))),
    ),
    mutant(
        "PSPs never add up",
        "psp-superposition",
        each_projection(lambda p, _: p.replace(kernel=p.kernel.replace(superposition="last"))),
    ),
    mutant(
        "alpha PSP taken for exponential",
        "psp-shape",
        each_kernel(Alpha, lambda k, _: Exponential(tau_syn=k.tau_syn, area=k.area, superposition=k.superposition)),
    ),
    mutant("weights 10 % too strong", "psp-shape", each_weight(lambda w: 1.1 * w)),
    mutant("gain of a named input ignored", "input-gains", each_input(lambda gains: dict.fromkeys(gains, 1.0))),
    mutant(
        "gain of another input",
        "input-gains",
        each_input(lambda gains: dict(zip(gains, reversed(gains.values()), strict=True))),
    ),
    mutant("written gains do nothing", "input-gains", wrap=WrittenGainsLost),
    # traces
    mutant("boxcar one step long", "trace-values", each_average(Boxcar, lambda b, dt: {"duration": b.duration + dt})),
    mutant(
        "trace with the wrong time constant",
        "trace-values",
        each_average(ExponentialTrace, lambda w, _: {"tau": 1.1 * w.tau}),
    ),
    mutant(
        "gain counted in the trace of a named input",
        "trace-values",
        each_trace(lambda t, _: {"of": t.quantity}),
    ),
    mutant(
        "trace of inputs taken for the membrane",
        "trace-values",
        each_trace(lambda t, _: {"of": "membrane" if t.of == "inputs" else t.of}),
    ),
    # predictions, teachers and ties
    mutant(
        "teacher and prediction swapped",
        "predictive-rule",
        each_prediction(lambda r: {"teacher": r.prediction, "prediction": r.teacher}),
    ),
    mutant("exponential link taken for logistic", "predictive-rule", each_prediction(lambda _: {"link": "logistic"})),
    mutant(
        "presynaptic spikes of a period counted once each",
        "predictive-rule",
        each_prediction(lambda r: {"update": "spike"}),
    ),
    mutant("target of a teacher 10 % off", "teacher-nudges", each_teacher(lambda s: {"target": 1.1 * s.target})),
    mutant(
        "a teacher sees the mean of all times", "teacher-nudges", each_trace(lambda _, dt: {"window": Boxcar(1e6 * dt)})
    ),
    mutant("written targets do nothing", "teacher-nudges", wrap=WrittenTargetsLost),
    mutant("scale of a tie ignored", "ties-copy", each_tie(lambda _: {"scale": 1.0})),
    mutant("transposition of a tie ignored", "ties-copy", each_tie(lambda _: {"transpose": False})),
    mutant("copies made once", "ties-copy", each_tie(lambda _: {"every": 1e9})),
    # plasticity
    mutant(
        "causal and anticausal swapped",
        "causal-branch stdp-window-amplitude",
        each_rule(lambda r: r.replace(causal=r.anticausal, anticausal=r.causal)),
    ),
    mutant(
        "anticausal branch missing",
        "causal-branch sal-conserves-the-sum",
        each_window(lambda w: w.replace(amplitude=0.0), ["anticausal"]),
    ),
    mutant(
        "window amplitude 10 % off",
        "stdp-window-amplitude",
        each_window(
            lambda w: w.replace(amplitude=1.1 * np.asarray(w.amplitude) if np.ndim(w.amplitude) else 1.1 * w.amplitude)
        ),
    ),
    mutant("window tau 15 % off", "stdp-window-tau", each_window(lambda w: w.replace(tau=1.15 * w.tau))),
    mutant(
        "one tau for both branches",
        "stdp-window-tau",
        each_rule(lambda r: r.replace(anticausal=r.anticausal.replace(tau=r.causal.tau))),
    ),
    mutant(
        "triangular window taken for exponential",
        "stdp-window-shape",
        each_window(
            lambda w: ExponentialWindow(amplitude=w.amplitude, tau=w.tau) if isinstance(w, TriangularWindow) else w
        ),
    ),
    mutant("all pairs instead of nearest", "pairing-scheme", each_rule(lambda r: r.replace(pairing="all"))),
    mutant(
        "nearest_restricted taken for nearest_symmetric",
        "pairing-scheme",
        paired_off("nearest_symmetric", "nearest_restricted"),
    ),
    mutant(
        "nearest_symmetric taken for nearest_restricted",
        "pairing-scheme",
        paired_off("nearest_restricted", "nearest_symmetric"),
    ),
    mutant("coincident pairs counted once", "coincident-pairs", recorded, wrap=CoincidencesOnce),
    mutant(
        "learning rate per pre instead of per post",
        "learning-rate-per-synapse",
        each_rule(lambda r: r.replace(learning_rate=per_neuron(r.learning_rate))),
    ),
    mutant(
        "one learning rate for all synapses",
        "learning-rate-per-synapse",
        each_rule(lambda r: r.replace(learning_rate=averaged(r.learning_rate))),
    ),
    mutant("weights cannot change sign", "sal-converges sal-converges-one-sided", wrap=SignsKept),
    mutant("only the first projection learns", "sal-conserves-the-sum", forgotten_rule),
]
"""Every one must be caught, by every check that it names."""
