"""Poisson sources"""

from __future__ import annotations

from math import ceil

import numpy as np

from salhw.conformance.circuits import apportioned
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, check
from salhw.conformance.statistics import equivalent, observations, replicates
from salhw.conformance.verdict import by_test
from salhw.description.network import Network
from salhw.description.neurons import Source
from salhw.description.parts import Population
from salhw.description.stimuli import Poisson

RATES = (160.0, 320.0)  # Hz; at half the rate it takes twice the time


@check("poisson-rate", group="dynamics")
def poisson_rate(lab: Lab) -> Evidence:
    """A Poisson source of rate r Hz spikes in a step with probability 1 - exp(-r dt), dt in seconds.

    Passes a target beyond the declared relative error (poisson_rate) with at most 1e-4; fails a right one with less
    than 1e-6.
    """
    margin = lab.accuracy("poisson_rate")
    expected = -np.expm1(-np.array(RATES) * lab.dt / 1000.0)
    need = observations(margin, 1.0) / expected * lab.scale
    sizes = apportioned(lab, need)
    steps = ceil((need / sizes).max())
    net = Network(
        name="poisson",
        dt=lab.dt,
        populations=[
            Population(name=f"at_{r:g}", size=int(n), neuron=Source()) for r, n in zip(RATES, sizes, strict=True)
        ],
        stimuli=[Poisson(f"at_{r:g}", r) for r in RATES],
    )
    with lab.open(net) as session:
        counts = session.run(steps * lab.dt).counts
    sample = replicates([counts[f"at_{r:g}"] for r in RATES]) / steps
    result = equivalent(sample, expected, margin, expected)
    hint = "a wrong unit (kHz, per step), or more than one spike per step"
    return by_test(result, f"rate of {RATES[result.worst]:g} Hz", hint, unit="relative")
