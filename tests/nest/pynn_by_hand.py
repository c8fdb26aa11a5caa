"""Networks that are written in PyNN by hand and run on its NEST backend, with nothing of salhw.

``python pynn_by_hand.py < wanted.json`` builds the one that ``wanted["network"]`` names, a function of this file, with
the rest as its arguments, and prints what it returns as the last line. Units are PyNN's own: mV, nA, nF, µS, ms.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pyNN.nest as sim
from pyNN.parameters import Sequence

MEMBRANE = {"tau_m": 10.0, "cm": 0.1, "v_rest": 0.0, "v_reset": 0.0}


def cells(model: str, size: int, dt: float, bias: Any, **parameters: Any) -> Any:
    """Neurons of a standard cell type; on the grid NEST's smallest interval is a step longer than tau_refrac."""
    reversal = {} if "curr" in model else {"e_rev_E": 400.0, "e_rev_I": -100.0}
    synaptic = {"tau_syn_E": 5.0, "tau_syn_I": 5.0, "tau_refrac": 2.0 - dt}
    kind = getattr(sim, model)(i_offset=bias, **MEMBRANE | synaptic | reversal | parameters)
    return sim.Population(size, kind, initial_values={"v": 0.0})


def trains(population: Any) -> list[list[float]]:
    """The recorded spikes of each neuron."""
    return [[float(t) for t in train.magnitude] for train in population.get_data().segments[0].spiketrains]


def driven(
    dt: float, model: str, bias: list[float], sent: list[list[float]], weights: list[float], duration: float,
    **more: Any,
) -> Any:  # fmt: skip
    """Neurons with a bias each under an excitatory and an inhibitory SpikeSourceArray: the spikes of each.

    ``synapse`` names how the excitatory one transmits, with its ``transmission``; ``cell`` has more parameters.
    """
    n = cells(model, len(bias), dt, bias, **more.get("cell", {}))
    dynamic, own = more.get("synapse"), more.get("transmission", {})
    for train, weight, receptor in zip(sent, weights, ("excitatory", "inhibitory"), strict=True):
        synapse = sim.StaticSynapse(weight=weight, delay=dt)
        if dynamic and receptor == "excitatory":
            kind = getattr(sim, dynamic, None) or sim.native_synapse_type(dynamic)
            unit = 1.0 if hasattr(sim, dynamic) else 1000.0  # a native one counts in NEST's pA
            synapse = kind(weight=unit * weight, delay=dt, **own)
        x = sim.Population(1, sim.SpikeSourceArray(spike_times=train))
        sim.Projection(x, n, sim.AllToAllConnector(), synapse, receptor_type=receptor)
    n.record("spikes")
    sim.run(duration)
    return trains(n)


def learning(dt: float, sent: list[list[float]], taught: list[list[float]], start: float, most: float) -> Any:
    """Pairs of neurons that are made to spike, each with a synapse of the additive pair rule between them: the spikes
    of the postsynaptic ones, and the weights in the end."""
    pre, teacher = (sim.Population(len(s), sim.SpikeSourceArray(spike_times=s)) for s in (sent, taught))
    post = cells("IF_curr_exp", len(sent), dt, 0.0, v_thresh=100.0, tau_syn_E=0.1, tau_refrac=0.5)
    strong = sim.StaticSynapse(weight=3000.0, delay=dt)
    sim.Projection(teacher, post, sim.OneToOneConnector(), strong, receptor_type="excitatory")
    rule = sim.STDPMechanism(
        timing_dependence=sim.SpikePairRule(tau_plus=20.0, tau_minus=15.0, A_plus=0.01, A_minus=0.012),
        weight_dependence=sim.AdditiveWeightDependence(w_min=0.0, w_max=most), weight=start, delay=dt,
    )  # fmt: skip
    learned = sim.Projection(pre, post, sim.OneToOneConnector(), rule, receptor_type="excitatory")
    post.record("spikes")
    sim.run(max(train[-1] for train in sent) + 20.0)
    found = {(int(i), int(j)): w for i, j, w in learned.get("weight", format="list")}
    return {"spikes": trains(post), "weights": [found[k, k] for k in range(len(sent))]}


def izhikevich(
    dt: float, bias: list[float], sent: list[list[float]], weights: list[float], duration: float
) -> Any:  # fmt: skip
    """Neurons of Izhikevich, whose synapses add their weight to v at once: the spikes of each."""
    kind = sim.Izhikevich(a=0.02, b=0.2, c=-65.0, d=8.0, i_offset=[each / 1000.0 for each in bias])
    n = sim.Population(len(bias), kind, initial_values={"v": -65.0, "u": -13.0})
    x = sim.Population(1, sim.SpikeSourceArray(spike_times=sent[0]))
    synapse = sim.StaticSynapse(weight=weights[0], delay=dt)
    sim.Projection(x, n, sim.AllToAllConnector(), synapse, receptor_type="excitatory")
    n.record("spikes")
    sim.run(duration)
    return trains(n)


def escaping(dt: float, bias: float, size: int, duration: float, width: float, raised: float, tau: float) -> Any:
    """GIF_cond_exp without currents of adaptation: a soft threshold that each spike raises. The spikes of each."""
    nothing, adapts = [0.0, 0.0, 0.0], [raised, 0.0, 0.0]
    n = cells(
        "GIF_cond_exp", size, dt, bias, delta_v=width, v_t_star=100.0, lambda0=500.0,
        a_eta=nothing, a_gamma=adapts, tau_gamma=[tau, 1.0, 1.0],
    )  # fmt: skip
    n.record("spikes")
    sim.run(duration)
    return trains(n)


def poisson(dt: float, rate: float, size: int, duration: float) -> Any:
    """SpikeSourcePoisson: the spikes of each."""
    x = sim.Population(size, sim.SpikeSourcePoisson(rate=rate))
    x.record("spikes")
    sim.run(duration)
    return trains(x)


def recurrent(
    dt: float, model: str, sizes: list[int], synapses: list[list[list[float]]], delay: float, rate: float,
    weight: float, duration: float, cell: dict[str, float], sent: list[list[list[float]]],
) -> Any:  # fmt: skip
    """Excitatory and inhibitory neurons of a standard type, connected by lists [pre, post, weight], one for each of
    E to E, E to I, I to E, I to I, each neuron under a SpikeSourcePoisson of its own, or a source that spikes when
    it is ``sent``: their spikes, E's first."""
    both = [cells(model, size, dt, 0.0, **cell) for size in sizes]
    for k, listed in enumerate(synapses):
        pre, post = both[k // 2], both[k % 2]
        chosen = [(int(i), int(j), w) for i, j, w in listed]
        connector = sim.FromListConnector(chosen, column_names=["weight"])
        kind = "inhibitory" if k // 2 else "excitatory"
        sim.Projection(pre, post, connector, sim.StaticSynapse(delay=delay), receptor_type=kind)
    for at, n in enumerate(both):
        source = sim.SpikeSourcePoisson(rate=rate)
        if sent:
            source = sim.SpikeSourceArray(spike_times=[Sequence(train) for train in sent[at]])
        x = sim.Population(n.size, source)
        synapse = sim.StaticSynapse(weight=weight, delay=delay)
        sim.Projection(x, n, sim.OneToOneConnector(), synapse, receptor_type="excitatory")
        n.record("spikes")
    sim.run(duration)
    return [train for n in both for train in trains(n)]


if __name__ == "__main__":
    wanted = json.load(sys.stdin)
    dt, precision = wanted["dt"], wanted.pop("spike_precision", "on_grid")
    sim.setup(timestep=dt, min_delay=dt, max_delay=20.0, verbosity="error", rng_seed=1, spike_precision=precision)
    made = {each.__name__: each for each in (driven, learning, izhikevich, escaping, poisson, recurrent)}
    result = made[wanted.pop("network")](**wanted)
    print("RESULT", json.dumps(result, default=lambda value: np.asarray(value).tolist()))
