"""Izhikevich neurons in NEST against the reference, and what NEST refuses of them."""

from __future__ import annotations

import numpy as np
import pytest

import salhw
from salhw import (
    SAL,
    Current,
    Exponential,
    Izhikevich,
    Membrane,
    Network,
    Population,
    Projection,
    Rectangular,
    Source,
    Spikes,
    SpikeTimes,
)

DT = 0.25
NEURON = Izhikevich(
    bias=[2.0, 5.0, 0.0], a=[0.02, 0.1, 0.02], b=[0.2, 0.25, 0.2], c=[-65.0, -60.0, -50.0], d=[8.0, 2.0, 6.0],
    v_peak=[30.0, 35.0, 25.0], inputs={"far": 0.5},
)  # fmt: skip


def network(**of_p: object) -> Network:
    """Sources that are silent from 60 to 80 ms onto three neurons, which excite and inhibit each other; currents,
    forced spikes, a delay per synapse, a named input."""
    rng = np.random.default_rng(3)
    trains = [DT * np.sort(rng.choice([*range(240), *range(320, 560)], 40, replace=False)) for _ in range(5)]
    p = {"kernel": Rectangular(4 * DT), "delay": DT * rng.integers(0, 5, (3, 5))} | of_p
    return Network(
        name="izhikevich", dt=DT, populations=[Population("x", 5, Source()), Population("n", 3, NEURON)],
        projections=[
            Projection("p", "x", "n", rng.normal(4.0, 8.0, (3, 5)), **p),
            Projection("r", "n", "n", [[0, 6, -4], [2, 0, 8], [4, -9, 0]], kernel=Rectangular(DT), into="far"),
        ],
        stimuli=[
            SpikeTimes("x", trains), SpikeTimes("n", [[10.0, 33.0], [], [5.0]]),
            Current("n", amplitude=[3.0, 0.0, 6.0], every=30.0),
        ],
        probes=[Spikes("n"), Membrane("n")],
    )  # fmt: skip


def test_spikes_and_membranes_are_the_references() -> None:
    """To rounding, those that crossed the peak too, in two instances, with other weights and biases from 75 ms on."""
    weights = 2.0 * network().projection("p").weights.stored
    recordings = []
    for name in ("nest", "reference"):
        with salhw.compile(network(), name).open(instances=2, seed=1) as session:
            first = session.run(75.0)
            session.set("projections.p.weights", weights)
            session.set("populations.n.bias", [4.0, 1.0, 2.0])
            recordings.append((first, session.run(65.0)))
    for here, there in zip(*recordings, strict=True):
        trains = [r.spikes["n"] for r in (here, there)]
        spikes, expected = ({*zip(s.instance, s.neuron, np.rint(s.time / DT), strict=True)} for s in trains)
        assert spikes == expected
        assert len(expected) > 20
        np.testing.assert_allclose(here.membrane_traces["n"].values, there.membrane_traces["n"].values, rtol=1e-8)


@pytest.mark.parametrize(
    ("net", "path"),
    [
        (network(kernel=Exponential(5.0)), "projections.p.kernel"),
        (network(kernel=Rectangular(101 * DT)), "projections.p.kernel.tau_syn"),
        (network(delay=0.0, plasticity=SAL(0.1)), "projections.p.plasticity.execution"),
    ],
)
def test_nest_says_what_does_not_go_together(net: Network, path: str) -> None:
    assert [(f.code, f.path) for f in salhw.problems(net, "nest")] == [("SAL107", path)]
