"""Poisson sources"""

from __future__ import annotations

from math import ceil

import numpy as np

from salhw.conformance.circuits import copies
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, check
from salhw.conformance.statistics import equivalent, groups, observations
from salhw.conformance.verdict import by_test
from salhw.description.network import Network
from salhw.description.neurons import Source
from salhw.description.parts import Population
from salhw.description.stimuli import Poisson

RATES = (40.0, 160.0)  # Hz


@check("poisson-rate", group="dynamics")
def poisson_rate(lab: Lab) -> Evidence:
    """A Poisson source of rate r Hz spikes in a step with probability 1 - exp(-r dt), dt in seconds.

    Passes a target beyond the declared relative error (poisson_rate) with at most 1e-4; fails a right one with less
    than 1e-6.
    """
    margin, size = lab.accuracy("poisson_rate"), copies(lab, len(RATES), most=512)
    expected = -np.expm1(-np.array(RATES) * lab.dt / 1000.0)
    need = observations(margin, 1.0) / expected.min() * lab.scale
    steps = ceil(need / size)
    net = Network(
        name="poisson",
        dt=lab.dt,
        populations=[Population(name=f"at_{r:g}", size=size, neuron=Source()) for r in RATES],
        stimuli=[Poisson(f"at_{r:g}", r) for r in RATES],
    )
    with lab.open(net) as session:
        counts = session.run(steps * lab.dt).counts
    each = np.stack([counts[f"at_{r:g}"].reshape(-1).astype(float) for r in RATES], axis=1)
    sample = groups(each) / max(1, len(each) // 64) / steps
    result = equivalent(sample, expected, margin, expected)
    hint = "a wrong unit (kHz, per step), or more than one spike per step"
    return by_test(result, f"rate of {RATES[result.worst]:g} Hz", hint, unit="relative")
