"""Several synapses of a pair, and those of a neuron onto itself: PSPs add up, in every algorithm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import salhw
from salhw import (
    LIF,
    AllToAll,
    Exponential,
    FixedIndegree,
    Network,
    Population,
    Projection,
    Rectangular,
    Sparse,
    Spikes,
    Uniform,
)

SIZE = 90


def network(*projections: Projection) -> Network:
    """Deterministic neurons, each with a drive of its own."""
    neuron = LIF(bias=np.linspace(0.9, 1.4, SIZE), tau_m=10.0, tau_ref=2.0)
    return Network(
        name="several",
        dt=0.5,
        populations=[Population("n", SIZE, neuron)],
        projections=projections,
        probes=[Spikes("n")],
    )


def joined(weights: Any, name: str = "p", **options: Any) -> Projection:
    return Projection(name=name, pre="n", post="n", weights=weights, kernel=Exponential(tau_syn=3.0), **options)


def spikes(net: Network, algorithm: str = "auto") -> list[tuple[float, int]]:
    target = salhw.target("reference").with_options(algorithm=algorithm)
    found = salhw.run(net, target, duration=300.0, seed=1).spikes["n"]
    return sorted(zip(found.time.tolist(), found.neuron.tolist(), strict=True))


DRAWN = FixedIndegree(12, weight=Uniform(-0.25, 0.25), autapses=True, multapses=True)


def test_several_synapses_are_as_strong_as_their_sum() -> None:
    """Weights in quarters, whose sums are exact."""
    table = network(joined(DRAWN)).synapses("p")
    quarters = np.round(table.weight * 16) / 16
    each = Sparse(post=table.post, pre=table.pre, weight=quarters, autapses=True, multapses=True)
    pairs, which = np.unique(table.post * SIZE + table.pre, return_inverse=True)
    assert len(pairs) < len(table)
    total = Sparse(post=pairs // SIZE, pre=pairs % SIZE, weight=np.bincount(which, quarters), autapses=True)
    found = spikes(network(joined(each)))
    assert len(found) > 1000
    assert found == spikes(network(joined(total)))
    assert found != spikes(network(joined(total.replace(weight=np.abs(total.weight)))))


@pytest.mark.parametrize("delay", [0.0, Uniform(0.0, 2.0)], ids=["at once", "delays"])
def test_every_algorithm_has_the_same_spikes(delay: Any) -> None:
    net = network(joined(DRAWN, delay=delay))
    assert spikes(net, "vectorised") == spikes(net, "time-driven")


def test_a_row_with_a_gap_and_a_pair_twice_is_not_taken_for_one_without_gaps() -> None:
    """Its first and its last partner are as far from each other as those of a row of neighbours."""
    pre = np.repeat(np.arange(SIZE - 3), 3)
    post = pre + np.tile([1, 3, 3], SIZE - 3)
    each = Sparse(post=post, pre=pre, weight=np.tile([0.25, -0.5, 0.75], SIZE - 3), multapses=True)
    once = np.flatnonzero(np.arange(len(pre)) % 3 != 2)
    total = Sparse(post=post[once], pre=pre[once], weight=np.full(len(once), 0.25))
    one, other = (
        network(Projection("p", "n", "n", weights, kernel=Rectangular(tau_syn=3.0))) for weights in (each, total)
    )
    assert spikes(one) == spikes(other) == spikes(one, "time-driven")


def test_a_neuron_acts_on_itself() -> None:
    own = Sparse(post=range(SIZE), pre=range(SIZE), weight=np.full(SIZE, 0.5), autapses=True)
    free, held = (len(spikes(network(joined(own.replace(weight=np.full(SIZE, w)))))) for w in (0.0, -2.0))
    assert held < 0.9 * free
    beside = network(joined(own, "own"), joined(AllToAll(weight=-0.01)))
    assert spikes(beside, "vectorised") == spikes(beside, "time-driven")


def test_targets_without_them_refuse_them() -> None:
    for name in ("brainscales2", "loihi2"):
        found = {f.path: f for f in salhw.problems(network(joined(DRAWN)), name)}
        for more in ("autapses", "multapses"):
            assert found[f"projections.p.weights.{more}"].code == "SAL101"
            assert found[f"projections.p.weights.{more}"].fix == f"{more} = false"
    listed = Sparse(post=[0, 0], pre=[1, 1], weight=[0.5, 0.5], multapses=True)
    (finding,) = (f for f in salhw.problems(network(joined(listed)), "nest") if f.path.endswith("multapses"))
    assert finding.fix == "add their weights up"
