"""Short-term plasticity on NEST: its tsodyks2_synapse against the reference, and what goes beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import salhw
from salhw import (
    GLM,
    SAL,
    Exponential,
    Membrane,
    Network,
    Poisson,
    Population,
    Projection,
    Rectangular,
    Source,
    Spikes,
    SpikeTimes,
    TsodyksMarkram,
    Weights,
)

BOTH = TsodyksMarkram(U=0.3, tau_rec=20.0, tau_facil=50.0)


def network(**options: Any) -> Network:
    """A source that spikes as it is made to, onto GLM neurons of rectangular and of exponential PSPs, of two delays."""
    cells = [Population("x", 1, Source()), *(Population(n, 2, GLM(-50.0, 2.0, "exact")) for n in "yz")]
    kernels = {"y": Rectangular(12.0), "z": Exponential(5.0)}
    delay = options.pop("delay", [[1.0], [3.0]])
    return Network(
        name="short", dt=1.0, populations=cells,
        projections=[Projection(n, "x", n, [[2.0], [-1.0]], kernels[n], delay, short_term=BOTH, **options)
                     for n in kernels],
        stimuli=[SpikeTimes("x", [[10.0, 20.0, 25.0, 60.0, 61.0]])],
        probes=[Membrane("y"), Membrane("z")],
    )  # fmt: skip


def test_nest_is_the_reference() -> None:
    """Membranes of all instances, before a weight is written and after, which PSPs under way follow."""
    found = []
    for target in ("reference", "nest"):
        with salhw.compile(network(), target).open(instances=2) as session:
            parts = [session.run(22.5 + 0.5)]
            for name in "yz":
                session.set(f"projections.{name}.weights", [[3.0], [1.0]])
            parts.append(session.run(77.0))
        found.append([np.concatenate([part.membrane[n].values for part in parts], axis=1) for n in "yz"])
    for reference, nest in zip(*found, strict=True):
        np.testing.assert_allclose(nest, reference, atol=1e-9)
        assert np.ptp(reference) > 1.0


def test_what_is_written_follows_spikes_long_forgotten() -> None:
    """Spikes are kept as long as strengths depend on them, and no longer: after many, a weight is written."""
    net = network(delay=1.0).replace(stimuli=[Poisson("x", rate=200.0)], probes=[Spikes("x"), Membrane("z")])
    with salhw.compile(net, "nest").open(seed=1) as session:
        times = session.run(4000.0).spikes["x"].times(0, 0)
        session.set("projections.z.weights", [[3.0], [1.0]])
        found = session.run(1.0).membrane["z"].values[0, 0]
    age = 4000.0 - times - 1.0
    total = np.sum(BOTH.of_train(times) * np.exp(-age / 5.0) * (age > 0.0))
    np.testing.assert_allclose(found, -50.0 + total * np.array([3.0, 1.0]), atol=1e-9)


def test_a_rule_of_the_host_learns_beside_it_and_one_of_nest_does_not() -> None:
    rule = SAL(0.1, tau=10.0, update="every 5 ms", execution="host")
    spiking = [SpikeTimes(n, [[13.0, 30.0, 62.0], []]) for n in "yz"]
    net = network(plasticity=rule, delay=1.0)
    net = net.replace(stimuli=[*net.stimuli, *spiking], probes=[Weights(n, every=5.0) for n in "yz"])
    reference, nest = (salhw.run(net, target, duration=100.0).weights["y"].values for target in ("reference", "nest"))
    np.testing.assert_allclose(nest, reference, atol=1e-9)
    with pytest.raises(salhw.UnsupportedNetworkError, match=r"synapses of short-term plasticity that the") as refused:
        salhw.compile(network(plasticity=SAL(0.1), delay=1.0), "nest")
    paths = {f"projections.{name}.plasticity.execution" for name in "yz"}
    assert {f.path for f in refused.value.diagnostics} == paths
