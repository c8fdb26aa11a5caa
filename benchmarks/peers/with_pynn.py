"""PyNN's own NEST backend, with NEST's stochastic neuron as a native cell type: networks without learning.

PyNN's plastic synapses see postsynaptic spikes a dendritic delay late, and learn another rule than SAL (docs/nest.md);
its connector calls NEST once per neuron, so that networks beyond 3,000 neurons take minutes to build.
"""

from __future__ import annotations

import warnings

import numpy as np
from cases import DELAY, LEAD, TAU, Case, synapses
from clock import processor_time
from protocol import Measured, Run

PYTHON = ""
MICRO = 1e-3  # PyNN hands NEST a thousandfold of a weight


def columns(case: Case) -> list[str]:
    """See protocol."""
    return ["PyNN on NEST"] if not case.learning and case.neurons * case.inputs <= 100_000 else []


def prepare(case: Case, column: str) -> Run:
    """See protocol."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pyNN.nest as sim

    delay, longest = (DELAY + 1) * case.dt, TAU + (DELAY + 1) * case.dt
    sim.setup(timestep=case.dt, min_delay=case.dt, max_delay=longest, rng_seed=1, verbosity="error")
    hazard = 1000.0 * float(np.exp(case.bias)) / TAU  # Hz
    cell = sim.native_cell_type("pp_psc_delta")(
        tau_m=1e300, c_1=0.0, c_2=hazard, c_3=1.0, with_reset=False, dead_time=TAU - case.dt
    )
    neurons, s = sim.Population(case.neurons, cell), synapses(case).copied(case)
    for sign, late in ((1.0, delay), (-1.0, delay + TAU)):
        rows = np.column_stack([s.pre, s.post, MICRO * sign * s.weight, np.full(len(s.pre), late)])
        sim.Projection(neurons, neurons, sim.FromListConnector(rows.tolist()), sim.StaticSynapse())
    neurons.record("spikes")
    sim.run(LEAD)
    neurons.get_data(clear=True)

    def run() -> Measured:
        began = processor_time()
        sim.run(case.steps * case.dt)
        seconds = processor_time() - began
        trains = neurons.get_data(clear=True).segments[-1].spiketrains
        return Measured(seconds, np.array([len(train) for train in trains]))

    return run
