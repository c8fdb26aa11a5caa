"""Brian2 as C++: its standalone mode writes a program, which is compiled once and runs in every round from the start.

A PSP ends with the weight that it began with. Learning happens on the spike, written in two ways: with a trace per
neuron, which is enough where all synapses have one time constant, and with two traces per synapse, as Brian2's examples
have it.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from cases import DELAY, LEAD, RATE, TAU, Case, synapses
from protocol import Measured, Run, root_mean_square

TOOK = "processor_time.txt"
PYTHON = ".peers/bin/python"
NEURON = """
u : 1
likely = 1 - exp(-exp(u + bias) * dt / TAU) : 1
"""
TRACE = "drecent/dt = -recent / TAU : 1"  # spikes of a neuron; "trace" is a function of sympy
STATIC: dict[str, Any] = {"model": "w : 1", "on_pre": {"begin": "u_post += w", "end": "u_post -= w"}}
LEARNING: dict[str, Any] = {
    "model": "w : 1\nbegun : 1\nearlier : 1",
    "on_pre": {"learn": "w += RATE * recent_post", "begin": "begun = w; u_post += w", "end": "u_post -= begun"},
    "on_post": "w -= RATE * recent_pre",
}
PER_SYNAPSE = "Brian2 C++, traces per synapse"
LEARNING_PER_SYNAPSE: dict[str, Any] = {
    "model": """
        w : 1
        begun : 1
        earlier : 1
        dsent/dt = -sent / TAU : 1 (event-driven)
        darrived/dt = -arrived / TAU : 1 (event-driven)""",
    "on_pre": {"learn": "w += RATE * arrived; sent += 1", "begin": "begun = w; u_post += w", "end": "u_post -= begun"},
    "on_post": "w -= RATE * (sent - int(lastspike_pre == t)); arrived += 1",  # simultaneous spikes are no pair
}


def columns(case: Case) -> list[str]:
    """See protocol."""
    return ["Brian2 C++", *([PER_SYNAPSE] if case.learning else [])]


def prepare(case: Case, column: str) -> Run:
    """See protocol."""
    import brian2 as b

    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    b.set_device("cpp_standalone", directory=folder, build_on_run=False)
    b.prefs.devices.cpp_standalone.openmp_threads = 0
    b.defaultclock.dt = case.dt * b.ms
    b.seed()  # another one in every run
    names = {"TAU": TAU * b.ms, "bias": case.bias, "RATE": RATE}
    model, learning = NEURON, {}
    if case.learning and column != PER_SYNAPSE:
        model, learning = NEURON + TRACE, {"reset": "recent += 1", "method": "exact"}
    spiking = {"threshold": "rand() < likely", "refractory": TAU * b.ms} | learning
    neurons = b.NeuronGroup(case.neurons, model, **spiking, namespace=names)
    described = (LEARNING_PER_SYNAPSE if column == PER_SYNAPSE else LEARNING) if case.learning else STATIC
    connected = connect(b, neurons, case, names, described)
    spikes = b.SpikeMonitor(neurons, record=False)
    network = b.Network(neurons, connected, spikes)
    spikes.active = False
    network.run(LEAD * b.ms)
    spikes.active = True
    if case.learning:
        connected.earlier = "w"
    b.device.insert_code("before_network_run", "const std::clock_t began = std::clock();")
    took = f'std::ofstream("{TOOK}") << double(std::clock() - began) / CLOCKS_PER_SEC;'
    b.device.insert_code("after_network_run", took)
    network.run(case.steps * case.dt * b.ms)
    b.device.build(directory=folder, run=False)

    def run() -> Measured:
        b.device.run(directory=folder, with_output=False)
        learned = root_mean_square(np.asarray(connected.w) - np.asarray(connected.earlier)) if case.learning else None
        seconds = float((Path(folder) / TOOK).read_text())
        return Measured(seconds, np.array(spikes.count, dtype=np.int64), learned)

    return run


def connect(b: Any, neurons: Any, case: Case, names: dict[str, Any], described: dict[str, Any]) -> Any:
    """All synapses, which do what is ``described``."""
    s, step = synapses(case).copied(case), case.dt * b.ms
    delay = {"begin": DELAY * step, "end": DELAY * step + TAU * b.ms}
    connected = b.Synapses(neurons, neurons, **described, delay=delay, namespace=names)
    connected.connect(i=s.pre, j=s.post)
    connected.w = s.weight
    return connected
