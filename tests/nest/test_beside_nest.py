"""Rules of more than pairs beside NEST: what its host makes of recorded spikes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import salhw
from salhw import (
    GLM,
    ExponentialTrace,
    ExponentialWindow,
    FixedProbability,
    ModulatedSTDP,
    Network,
    PerSpike,
    Poisson,
    Population,
    Projection,
    Rectangular,
    Source,
    Spikes,
    SpikeTimes,
    Trace,
    TripletSTDP,
    Weights,
)
from salhw.conformance import replay


def test_its_host_works_out_rules_of_more_than_pairs() -> None:
    """Whenever they are due, alone and beside pairs, with weights and learning rates written in between: what the
    replay's oracle makes of the recorded spikes."""

    def per_spike(update: str, **options: Any) -> PerSpike:
        return PerSpike(pre=-0.4, post=0.3, learning_rate=0.02, update=update, execution="host", **options)

    def triplets(update: str, pairing: Any) -> TripletSTDP:
        window = ExponentialWindow(amplitude=1.0, tau=5.0)
        return TripletSTDP(
            causal=window, anticausal=window.replace(amplitude=-0.7), tau_pre=8.0, tau_post=12.0, pairing=pairing,
            learning_rate=0.02, update=update, execution="host",
        )  # fmt: skip

    def gated(update: str, pairing: Any) -> ModulatedSTDP:
        window = ExponentialWindow(amplitude=1.0, tau=5.0)
        return ModulatedSTDP(
            causal=window, anticausal=window, modulator="m", baseline=0.01, pairing=pairing, learning_rate=0.5,
            update=update, bounds=(-1.0, 1.0), execution="host",
        )  # fmt: skip

    def network(*rules: Any, traces: Any = ()) -> Network:
        connector = FixedProbability(p=0.8, weight=0.1, seed=1)
        return Network(
            name="hosted", dt=0.5,
            populations=[
                Population(name="a", size=4, neuron=Source()),
                Population(name="b", size=3, neuron=GLM(bias=0.5, tau_ref=2.0, discretisation="exact")),
            ],
            projections=[
                Projection(name=f"p{k}", pre="a", post="b", weights=connector, kernel=Rectangular(2.0), plasticity=rule)
                for k, rule in enumerate(rules)
            ],
            stimuli=[Poisson(population="a", rate=100.0)], traces=traces,
            probes=[Spikes("a"), Spikes("b"), *(Weights(f"p{k}", every=3.0) for k in range(len(rules)))],
        )  # fmt: skip

    pairs = salhw.Hebbian(0.02, tau=5.0, update="every 2 ms", execution="host")
    single = network(
        [pairs, per_spike("every 3 ms")],
        per_spike("spike"),
        [per_spike("run end"), per_spike("every 2 ms", bounds=(-0.5, 0.5))],
        [triplets("every 3 ms", "all"), triplets("run end", "nearest_symmetric")],
    )
    trace = Trace(name="m", population="a", of="spikes", window=ExponentialTrace(tau=5.0))
    third = network(gated("every 3 ms", "all"), gated("run end", "nearest_restricted"), traces=[trace])
    for net in (single, third):
        schedule = replay.random_schedule(net, salhw.target("nest"), 1, instances=3)
        assert replay.replay(salhw.compile(net, "nest"), schedule) == []


PEER = """
import sys, nest, numpy as np
nest.verbosity = nest.VerbosityLevel.ERROR
nest.resolution = 0.5
pre, post = (np.array(each.split(","), dtype=float) for each in sys.argv[1:])
source, other = (nest.Create("parrot_neuron") for _ in range(2))
for cell, times in ((source, pre + 0.5), (other, post)):
    nest.Connect(nest.Create("spike_generator", params={"spike_times": times}), cell, syn_spec={"delay": 0.5})
other.set({"tau_minus": 33.7, "tau_minus_triplet": 125.0})
nest.Connect(source, other, syn_spec={
    "synapse_model": "stdp_triplet_synapse", "weight": 5.0, "delay": 0.5, "receptor_type": 1, "Wmax": 100.0,
    "tau_plus": 16.8, "tau_plus_triplet": 101.0, "Aplus": 0.005, "Aminus": 0.007, "Aplus_triplet": 0.0062,
    "Aminus_triplet": 0.0023})
nest.Simulate(pre[-1] + 100.0)
print("weight", nest.GetConnections(source, other).weight - 5.0)
"""
"""A triplet synapse of NEST between two trains. Postsynaptic spikes reach it after a dendritic delay of a step, so
presynaptic ones are sent a step later; it learns at these, of which the last comes after all others."""


@pytest.mark.slow
def test_nests_own_triplet_synapse_is_the_rule() -> None:
    """Spike by spike, without coincidences, which NEST orders its own way."""
    rng = np.random.default_rng(3)
    pre, post = np.split(rng.choice(np.arange(20, 2000), 90, replace=False) * 0.5, 2)
    trains = np.append(np.sort(pre), 1100.0), np.sort(post)
    rules = salhw.PfisterGerstner(1.0, pairs=(0.005, 0.007), triplets=(0.0062, 0.0023))
    net = Network(
        name="peer", dt=0.5, populations=[Population("x", 1, Source()), Population("y", 1, GLM(bias=-60.0))],
        projections=[Projection("p", "x", "y", [[0.0]], plasticity=rules)],
        stimuli=[SpikeTimes(name, [train]) for name, train in zip("xy", trains, strict=True)],
    )  # fmt: skip
    with salhw.compile(net, "reference").open() as session:
        session.run(1200.0)
        found = session.get("projections.p.weights")[0, 0, 0]
    command = [sys.executable, "-c", PEER, *(",".join(map(str, train)) for train in trains)]
    peer = subprocess.run(command, capture_output=True, text=True, timeout=300.0, check=True).stdout.split()[-1]
    assert abs(found) > 0.01
    np.testing.assert_allclose(found, float(peer), rtol=1e-9)
