"""Short-term plasticity"""

from __future__ import annotations

import numpy as np

from salhw.conformance import rigs
from salhw.conformance.circuits import merged, one_to_all
from salhw.conformance.lab import Lab, Undeclared
from salhw.conformance.model import Evidence, Figure, check
from salhw.conformance.statistics import Equivalence
from salhw.conformance.verdict import by_test
from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw.description.neurons import Source
from salhw.description.parts import Population, Projection
from salhw.description.probes import Spikes
from salhw.description.short_term import TsodyksMarkram
from salhw.diagnostics import Diagnostic

BANK, SPAN, HIGHEST = 64, 0.9, 0.75
"""Neurons, how far below their thresholds they rest at most, and the PSP of the strongest spike, in thresholds."""
SPIKES, APART = 6, 60
"""Presynaptic spikes, and the steps from one to the next: PSPs of 10 steps are over by then."""
TAU_M = 10
"""Steps."""


@check("short-term-strengths", group="dynamics")
def short_term_strengths(lab: Lab) -> Evidence:
    """A source spikes at regular intervals onto LIF neurons that rest at graded distances below their thresholds: as
    many spike as its PSP is high. How high it is, as a share of the highest, is what resources and utilisation come to,
    under depression and, where the target has it, facilitation.

    Nothing is random, as the target's variability is off; the largest difference must be within the declared
    ``short_term``.
    """
    lab = lab.without("mismatch", "trial")
    margin, declared = lab.accuracy("short_term"), lab.target.short_term.get("TsodyksMarkram")
    if declared is None or "LIF" not in lab.target.neurons:
        raise Undeclared([Diagnostic("SAL101", "short_term", "TsodyksMarkram onto LIF", "not declared by the target")])
    settings = {"depression": {"U": 0.5, "tau_rec": 60 * lab.dt}}
    if "tau_facil" in declared:
        settings["facilitation"] = {"U": 0.2, "tau_rec": 5 * lab.dt, "tau_facil": 150 * lab.dt}
    off, curves = {}, {}
    for name, wishes in settings.items():
        chosen = rigs.fitted(TsodyksMarkram, declared, lab.dt, wishes)
        expected = chosen.of_train(APART * lab.dt * np.arange(SPIKES, dtype=np.float64))
        measured = _spiking(lab, chosen, float(expected.max()))
        at = int(expected.argmax())
        curves[f"{name}, theory"] = [*(expected / expected[at])]
        curves[name] = [*(measured / max(measured[at], 1.0))]
        off[name] = float(np.abs(np.subtract(curves[name], curves[f"{name}, theory"])).max())
    worst = max(off, key=lambda name: off[name])
    result = Equivalence(off[worst], 0.0, margin, 0.0 if off[worst] <= margin else 1.0, [*off].index(worst))
    figure = Figure("spike", "PSP, as a share of the highest", [*range(SPIKES)], curves)
    wrong = "a wrong U, tau_rec or tau_facil, or spikes that do not count for the next ones"
    return by_test(result, f"strengths under {worst}", wrong, unit="of the strongest", figure=figure)


def _spiking(lab: Lab, short_term: TsodyksMarkram, strongest: float) -> FloatArray:
    """How many neurons of the bank spike after each presynaptic spike."""
    kernel, allowed = rigs.kernel(lab), rigs.weight_range(lab)
    v, peak = 0.0, 0.0
    for value in kernel.shape(lab.dt * np.arange(1.0, APART)):
        v += (float(value) - v) * -np.expm1(-1.0 / TAU_M)
        peak = max(peak, v)
    weight = min(HIGHEST / (strongest * peak), allowed.max)
    bias = 1.0 - SPAN * (np.arange(BANK) + 0.5) / BANK
    neuron = rigs.neuron(lab, ("LIF",), bias=bias, tau_m=TAU_M * lab.dt, tau_ref=20 * lab.dt)
    steps = APART + APART * np.arange(SPIKES)
    sizes = {"pre": (1, Source()), "bank": (BANK, neuron)}
    net = Network(
        name="bank", dt=lab.dt,
        populations=[Population(name=name, size=size, neuron=each) for name, (size, each) in sizes.items()],
        projections=[Projection(name="p", pre="pre", post="bank", weights=one_to_all(lab, weight, BANK), kernel=kernel,
                                short_term=short_term)],
        stimuli=[rigs.forced("pre", [steps], lab.dt)],
        probes=[Spikes("pre"), Spikes("bank")],
    )  # fmt: skip
    with lab.open(net) as session:
        step, _ = merged(lab, session.run((SPIKES + 1) * APART * lab.dt), "bank")
    return np.bincount(step // APART, minlength=SPIKES + 1)[1 : SPIKES + 1].astype(np.float64)
