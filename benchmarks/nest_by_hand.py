"""The network of test_nest.py as one would write it in NEST: the CPU seconds of one run, and the spikes."""

from __future__ import annotations

import sys
import time

import nest
import numpy as np

SIZE = 1000


def main(learning: bool, duration: float) -> None:
    """GLM neurons with rectangular PSPs: one connection begins a PSP, one ends it."""
    random = np.random.default_rng(0)
    post, pre = np.nonzero((random.random((SIZE, SIZE)) < 0.1) & ~np.eye(SIZE, dtype=np.bool_))
    weight = random.normal(0.0, 0.02, len(post))
    delay, length = (2.0, 10.0) if learning else (1.0, 10.0)
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.resolution = 1.0
    nest.rng_seed = 1
    neuron = {
        "tau_m": 1e300, "c_1": 0.0, "c_2": 100.0 * float(np.exp(-1.0)), "c_3": 1.0, "with_reset": False,
        "dead_time": 9.0, "tau_minus": 10.0,
    }  # fmt: skip
    n = nest.Create("pp_psc_delta", SIZE, neuron)
    first = n[0].global_id

    def connect(source: int, weight: np.ndarray, delay: float, **spec: object) -> None:
        columns = {key: np.full(len(pre), value) for key, value in spec.items()}
        model = "stdp_synapse" if spec else "static_synapse"
        syn = {"synapse_model": model, "weight": weight, "delay": np.full(len(pre), delay)} | columns
        nest.Connect(pre + source, post + first, "one_to_one", syn)

    def relay(delay: float) -> int:
        parrots = nest.Create("parrot_neuron", SIZE)
        nest.Connect(n, parrots, "one_to_one", {"delay": delay})
        return int(parrots[0].global_id)

    if learning:
        room = 1024.0
        stdp = {"lambda": -1e-5 / (2 * room), "alpha": 1.0, "mu_plus": 0.0, "mu_minus": 0.0, "tau_plus": 10.0}
        connect(relay(1.0), weight + room, 1.0, Wmax=2 * room, **stdp)
        connect(relay(1.0 + length / 2), -weight - room, 1.0 + length / 2, Wmax=-2 * room, **stdp)
        connect(first, np.full(len(pre), -room), delay)
        connect(relay(length), np.full(len(pre), room), delay)
    else:
        connect(first, weight, delay)
        connect(relay(length), -weight, delay)
    recorder = nest.Create("spike_recorder")
    nest.Connect(n, recorder)
    nest.Simulate(1.0)
    began = time.process_time()
    nest.Simulate(duration)
    spikes = len(recorder.events["times"])
    print(time.process_time() - began, spikes)


if __name__ == "__main__":
    main(bool(int(sys.argv[1])), float(sys.argv[2]))
