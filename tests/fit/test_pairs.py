"""Several synapses of a pair become one where that changes nothing that neurons receive; else they stay refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import salhw
from salhw import (
    GLM,
    FixedIndegree,
    FixedTotalNumber,
    Network,
    Population,
    Projection,
    Rectangular,
    Sparse,
    Spikes,
    Tie,
    Uniform,
    UnsupportedNetworkError,
    WakeSleep,
    Weights,
)

LISTED = Sparse(post=[0, 0, 0, 1, 2], pre=[1, 1, 2, 1, 0], weight=[0.5, 0.25, -1.0, 1.5, 0.75], multapses=True)
PATH = "projections.p.weights.multapses"


def network(weights: Any, probes: Any = (), ties: Any = (), **options: Any) -> Network:
    """Three neurons onto three others, with up to five synapses of a pair."""
    neurons = [Population(name, 3, GLM(bias=[-1.0, 0.0, -0.5])) for name in ("a", "b")]
    p = Projection("p", "a", "b", weights, kernel=Rectangular(tau_syn=20.0), **options)
    other = p.replace(name="q", weights=Sparse(post=[0], pre=[0], weight=[0.5]), plasticity=(), delay=0.0)
    return Network(
        name="pairs", dt=1.0, populations=neurons, projections=[p, other], probes=[Spikes("b"), *probes], ties=ties
    )


@pytest.mark.parametrize(
    "weights", [LISTED, FixedIndegree(5, weight=0.25, multapses=True), FixedTotalNumber(9, weight=0.5, multapses=True)]
)
@pytest.mark.parametrize("delay", [0.0, 3.0])
def test_their_sums_make_neurons_spike_alike_to_the_last_bit(weights: Any, delay: float) -> None:
    net = network(weights, delay=delay)
    made = salhw.fit(net, "loihi2", sized=False)
    assert [change.path for change in made.changes] == ["projections.p.weights"]
    table, written = made.network.synapses("p"), net.synapses("p")
    assert len(table) == len({*zip(table.post, table.pre, strict=True)}) < len(written)
    assert (table.weight.sum(), {*table.delay}) == (written.weight.sum(), {delay})
    assert not salhw.problems(made.network, "loihi2")
    counts = [salhw.run(shown, "reference", duration=2000.0, seed=2).spikes["b"] for shown in (net, made.network)]
    np.testing.assert_array_equal(counts[0].time, counts[1].time)
    np.testing.assert_array_equal(counts[0].neuron, counts[1].neuron)


def test_each_pair_keeps_its_delay() -> None:
    made = salhw.fit(network(LISTED, delay=[2.0, 2.0, 3.0, 0.0, 1.0]), "loihi2", sized=False)
    assert made.network.synapses("p").delay.tolist() == [2.0, 3.0, 0.0, 1.0]


def test_the_report_says_that_nothing_moves() -> None:
    (change,) = salhw.fit(network(LISTED), "loihi2").changes
    assert change.reason.path == PATH
    assert [size.quantity for size in change.sizes if size.moves] == []


@pytest.mark.parametrize(
    "net",
    [
        network(LISTED, delay=[2.0, 1.0, 3.0, 0.0, 1.0]),
        network(LISTED, delay=Uniform(0.0, 5.0)),
        network(LISTED, plasticity=WakeSleep(learning_rate=0.01, tau_ref=20.0)),
        network(LISTED, probes=[Weights("p", every=10.0, synapses=[1])]),
    ],
    ids=["delays that differ", "delays that are drawn", "weights that learn", "synapses that a probe counts"],
)
def test_what_one_synapse_cannot_do_stays_refused(net: Network) -> None:
    with pytest.raises(UnsupportedNetworkError, match=PATH):
        salhw.fit(net, "loihi2", sized=False)


def test_copies_of_weights_stay_refused() -> None:
    net = network(LISTED)
    (p, q) = net.projections
    tied = net.replace(projections=[p, q.replace(weights=LISTED)], ties=[Tie("p", to="q", every=10.0)])
    with pytest.raises(UnsupportedNetworkError, match=PATH):
        salhw.fit(tied, "loihi2", sized=False)
