"""NEST, as one would write it without salhw: one connection begins a PSP, another ends it behind a relay.

With learning, a relay in front of each keeps NEST's pairs those of the neurons' own spikes, and weights of either sign
lie beside a static connection, because NEST's do not change their sign. NEST adds a pair when the next presynaptic
spike arrives, so that its weights lack the latest ones: they are not compared.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from cases import DELAY, LEAD, RATE, TAU, Case, synapses
from clock import processor_time
from protocol import Measured, Run

PYTHON = ""
ROOM = 1024.0  # a plastic weight w is stored as w + ROOM


def columns(case: Case) -> list[str]:
    """See protocol."""
    return ["NEST"]


def prepare(case: Case, column: str) -> Run:
    """See protocol."""
    import nest

    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.resolution = case.dt
    nest.rng_seed = 1
    hazard = 1000.0 * float(np.exp(case.bias)) / TAU  # Hz
    neurons = nest.Create("pp_psc_delta", case.neurons, {
        "tau_m": 1e300, "c_1": 0.0, "c_2": hazard, "c_3": 1.0, "with_reset": False, "dead_time": TAU - case.dt,
        "tau_minus": TAU,
    })  # fmt: skip
    connect(nest, neurons, case)
    recorder = nest.Create("spike_recorder")
    nest.Connect(neurons, recorder)
    nest.Simulate(LEAD)

    def run() -> Measured:
        recorder.n_events = 0
        began = processor_time()
        nest.Simulate(case.steps * case.dt)
        seconds = processor_time() - began
        cell = np.asarray(recorder.events["senders"]) - neurons[0].global_id
        return Measured(seconds, np.bincount(cell, minlength=case.neurons))

    return run


def connect(nest: Any, neurons: Any, case: Case) -> None:
    """All synapses; delays in ms, a step longer than the description's because NEST's spikes take one."""
    s, delay = synapses(case).copied(case), (DELAY + 1) * case.dt
    first = neurons[0].global_id

    def add(source: int, weight: Any, delay: float, **stdp: float) -> None:
        columns = {key: np.full(len(s.pre), value) for key, value in stdp.items()}
        model = "stdp_synapse" if stdp else "static_synapse"
        spec = {"synapse_model": model, "weight": weight, "delay": np.full(len(s.pre), delay)} | columns
        nest.Connect(s.pre + source, s.post + first, "one_to_one", spec)

    def relay(delay: float) -> int:
        parrots = nest.Create("parrot_neuron", case.neurons)
        nest.Connect(neurons, parrots, "one_to_one", {"delay": delay})
        return int(parrots[0].global_id)

    if not case.learning:
        add(first, s.weight, delay)
        add(relay(TAU), -s.weight, delay)
        return
    rule = {"alpha": 1.0, "mu_plus": 0.0, "mu_minus": 0.0, "tau_plus": TAU, "lambda": -RATE / (2 * ROOM)}
    half, room = delay / 2, np.full(len(s.pre), ROOM)  # half before the relay, half in the dendrite
    add(relay(half), s.weight + ROOM, half, Wmax=2 * ROOM, **rule)
    add(relay(half + TAU / 2), -s.weight - ROOM, half + TAU / 2, Wmax=-2 * ROOM, **rule)
    add(first, -room, delay)
    add(relay(TAU), room, delay)
