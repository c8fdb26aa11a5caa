"""A network of a thousand neurons with random synapses on its whole way, without a matrix of them ever being made."""

from __future__ import annotations

from typing import Any

import numpy as np
from peaks import peak_of

import salhw
from salhw import GLM, Exponential, FixedProbability, Network, Normal, Population, Projection, Spikes
from salhw_calibration import calibrate

SIZE, SHARE = 1000, 0.02
MATRIX = SIZE * SIZE * 8  # bytes


def network(size: int = SIZE) -> Network:
    return Network(
        name="thousand",
        dt=1.0,
        populations=[Population("n", size, GLM(bias=-1.0, tau_ref=10.0))],
        projections=[
            Projection("nn", "n", "n", FixedProbability(SHARE, weight=Normal(0.05, 0.02)), kernel=Exponential(5.0))
        ],
        probes=[Spikes("n")],
    )


def test_a_thousand_neurons_go_all_the_way_without_a_matrix() -> None:
    net = network()
    for target in ("reference", "nest", "loihi2"):
        salhw.compile(network(16), target)  # what that imports is no matrix
        executable, peak = peak_of(lambda name=target: salhw.compile(network(), name))  # type: ignore[misc]
        assert peak < MATRIX
        table = net.synapses("nn")
        listed: Any = executable.source.projections[0].weights
        assert np.array_equal(listed.post, table.post)
        assert np.array_equal(listed.pre, table.pre)
    assert abs(len(table) - SHARE * SIZE * (SIZE - 1)) < 4 * np.sqrt(SHARE * SIZE * SIZE)
    salhw.compare(network(16), ["nest"], duration=100.0, instances=2)
    comparison, peak = peak_of(lambda: salhw.compare(net, ["nest"], duration=100.0, instances=2))
    assert peak < 3 * MATRIX
    assert [outcome.status for outcome in comparison.outcomes] == ["ran"]
    for run in comparison.runs.values():
        assert run.network.synapses("nn").pre.tolist() == table.pre.tolist()


def test_sixteen_of_a_thousand_neurons_are_calibrated_at_their_places() -> None:
    """The synapses among the first sixteen are the same in a population of sixteen, since every pair is drawn alone."""
    whole, part = network().synapses("nn"), network(16)
    inside = (whole.post < 16) & (whole.pre < 16)
    assert part.synapses("nn").pre.tolist() == whole.pre[inside].tolist()
    assert np.array_equal(part.synapses("nn").weight, whole.weight[inside])
    target = salhw.target("reference").with_variability({"weight": 0.2})
    chips = target.sample_chips(1, seed=3)
    calibration = calibrate(target, chips, net=part, duration=5_000.0, rounds=0)
    assert len(calibration.synapses) == inside.sum()
    assert len(calibration.neurons) == 16
    everywhere = salhw.compile(network(), target).placement
    places = everywhere.synapses(network().explicit, "nn")[inside]
    assert sorted(places.tolist()) == calibration.synapses.tolist()
