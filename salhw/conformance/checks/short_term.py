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
    many spike as its PSP is high. Its height, as a share of that of a plain synapse of the strongest spike's weight,
    is what resources and utilisation come to, under depression and, where the target has it, facilitation.

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
    off: dict[str, float] = {}
    curves: dict[str, list[float]] = {}
    for name, wishes in settings.items():
        chosen = rigs.fitted(TsodyksMarkram, declared, lab.dt, wishes)
        strengths = chosen.of_train(APART * lab.dt * np.arange(SPIKES, dtype=np.float64))
        expected = strengths / strengths.max()
        plain, measured = _spiking(lab, chosen, float(strengths.max()))
        measured /= max(float(plain.mean()), 1.0)
        curves |= {f"{name}, theory": [*expected], name: [*measured]}
        off[name] = float(np.abs(measured - expected).max())
    worst = max(off, key=lambda name: off[name])
    result = Equivalence(off[worst], 0.0, margin, 0.0 if off[worst] <= margin else 1.0, [*off].index(worst))
    figure = Figure("spike", "PSP, as a share of the strongest", [*range(SPIKES)], curves)
    wrong = "a wrong U, tau_rec or tau_facil, or spikes that do not count for the next ones"
    return by_test(result, f"strengths under {worst}", wrong, unit="of the strongest", figure=figure)


def _spiking(lab: Lab, short_term: TsodyksMarkram, strongest: float) -> list[FloatArray]:
    """How many neurons spike after each presynaptic spike: of a bank behind plain synapses of the ``strongest`` weight,
    and of one behind short-term plasticity."""
    kernel, allowed = rigs.kernel(lab), rigs.weight_range(lab)
    v, peak = 0.0, 0.0
    for value in kernel.shape(lab.dt * np.arange(1.0, APART)):
        v += (float(value) - v) * -np.expm1(-1.0 / TAU_M)
        peak = max(peak, v)
    weight = min(HIGHEST / (strongest * peak), allowed.max)
    bias = 1.0 - SPAN * (np.arange(BANK) + 0.5) / BANK
    neuron = rigs.neuron(lab, ("LIF",), bias=bias, tau_m=TAU_M * lab.dt, tau_ref=20 * lab.dt)
    steps, banks = (
        APART + APART * np.arange(SPIKES),
        {"plain": (strongest * weight, None), "bank": (weight, short_term)},
    )
    net = Network(
        name="banks", dt=lab.dt,
        populations=[Population(name="pre", size=1, neuron=Source()),
                     *(Population(name=name, size=BANK, neuron=neuron) for name in banks)],
        projections=[Projection(name=f"onto_{name}", pre="pre", post=name, weights=one_to_all(lab, each, BANK),
                                kernel=kernel, short_term=behind) for name, (each, behind) in banks.items()],
        stimuli=[rigs.forced("pre", [steps], lab.dt)],
        probes=[Spikes(name) for name in banks],
    )  # fmt: skip
    with lab.open(net) as session:
        recording = session.run((SPIKES + 1) * APART * lab.dt)
    counts = [np.bincount(merged(lab, recording, name)[0] // APART, minlength=SPIKES + 1) for name in banks]
    return [each[1 : SPIKES + 1].astype(np.float64) for each in counts]
