"""Rules of more than pairs beside NEST: what its host makes of recorded spikes."""

from __future__ import annotations

from typing import Any

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
    Trace,
    Weights,
)
from salhw.conformance import replay


def test_its_host_works_out_rules_of_more_than_pairs() -> None:
    """Whenever they are due, alone and beside pairs, with weights and learning rates written in between: what the
    replay's oracle makes of the recorded spikes."""

    def per_spike(update: str, **options: Any) -> PerSpike:
        return PerSpike(pre=-0.4, post=0.3, learning_rate=0.02, update=update, execution="host", **options)

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
    )
    trace = Trace(name="m", population="a", of="spikes", window=ExponentialTrace(tau=5.0))
    third = network(gated("every 3 ms", "all"), gated("run end", "nearest_restricted"), traces=[trace])
    for net in (single, third):
        schedule = replay.random_schedule(net, salhw.target("nest"), 1, instances=3)
        assert replay.replay(salhw.compile(net, "nest"), schedule) == []
