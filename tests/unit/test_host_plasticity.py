"""Rules worked out beside a target, against the definition of a pair; and recordings made from spikes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import salhw
from salhw import ExponentialWindow, PairSTDP, TriangularWindow
from salhw.conformance.circuits import pairing_sum
from salhw.description.connectivity import synapses
from salhw.registry import builder
from salhw.session.host_plasticity import HostRule, HostRules
from salhw.session.recorder import Raster, occupancy, sample_steps
from salhw.substrate.support import on_chip

TRAIN = st.sets(st.integers(0, 40), max_size=12)
WINDOWS = {"exponential": ExponentialWindow, "triangular": TriangularWindow}


@pytest.mark.parametrize("pairing", ["all", "nearest_symmetric", "nearest_restricted"])
@pytest.mark.parametrize("window", WINDOWS)
@given(pre=TRAIN, post=TRAIN)
def test_the_host_forms_the_pairs_of_the_definition(window: str, pairing: str, pre: set[int], post: set[int]) -> None:
    causal, anticausal = WINDOWS[window](amplitude=-1.0, tau=10.0), WINDOWS[window](amplitude=0.7, tau=15.0)
    rule = PairSTDP(causal, anticausal, pairing=pairing, learning_rate=1.0)
    one = np.zeros(1, dtype=np.int64)
    host = HostRule(rule, one, one, one, (1, 1), 1, 1.0)
    for step in sorted(pre | post):
        host.advance(step, np.array([[step in pre]]), np.array([[step in post]]))
    expected = pairing_sum(pre, post, causal, anticausal, pairing, 1.0)
    assert host.take()[0, 0] == pytest.approx(expected, abs=1e-9)
    assert host.take()[0, 0] == 0.0


def test_amplitudes_go_to_their_synapses_and_instances_stay_apart() -> None:
    weights = salhw.Sparse(post=[1, 0], pre=[0, 1], weight=[0.0, 0.0])
    net = salhw.Network(
        name="n",
        dt=1.0,
        populations=[salhw.Population(name=name, size=2, neuron=salhw.Source()) for name in "ab"],
        projections=[salhw.Projection(name="p", pre="a", post="b", weights=weights)],
    )
    post, pre, position = synapses(weights, *net.ends("p"))
    window = ExponentialWindow(amplitude=[1.0, 2.0], tau=10.0)
    rule = PairSTDP(window, window.replace(amplitude=0.0), pairing="all", learning_rate=1.0)
    host = HostRule(rule, post, pre, position, (2, 2), 2, 1.0)
    host.advance(0, np.array([[True, True], [False, True]]), np.zeros((2, 2), dtype=np.bool_))
    host.advance(3, np.zeros((2, 2), dtype=np.bool_), np.ones((2, 2), dtype=np.bool_))
    # in the order of post: synapse 1 (amplitude 2, from neuron 1), synapse 0 (amplitude 1, from neuron 0)
    np.testing.assert_allclose(host.take(), np.exp(-0.3) * np.array([[2.0, 1.0], [2.0, 0.0]]))


def one_synapse(*rules: PairSTDP) -> HostRules:
    """The host's rules of one synapse, whose pair is 3 steps apart."""
    populations = [salhw.Population(name=name, size=1, neuron=salhw.Source()) for name in "ab"]
    p = salhw.Projection(name="p", pre="a", post="b", weights=[[1.0]], plasticity=rules)
    net = salhw.Network(name="n", dt=1.0, populations=populations, projections=[p])
    hosted = HostRules(net, p, dict(enumerate(rules)), 1)
    seen = {name: Raster(*np.array([[0], [0], [step]])) for name, step in (("a", 2), ("b", 5))}
    hosted.see(seen)
    return hosted


def test_a_pair_counts_with_the_amplitude_that_holds_when_an_update_adds_it_up() -> None:
    """docs/semantics.md, Pairs: of whatever may be written between a pair and its update, the later value counts."""
    window = TriangularWindow(amplitude=1.0, tau=10.0)
    hosted = one_synapse(PairSTDP(window, window, pairing="all", update="every 10 ms", learning_rate=1.0))
    hosted.rules[0].amplitudes[0] = np.array([[3.0]])
    changed = hosted.learned(np.zeros((1, 1)), [0], [np.array([[0.5]])])
    assert changed[0, 0] == pytest.approx(0.5 * 3.0 * float(window.shape(np.array(3.0))), abs=1e-12)


def test_rules_that_are_due_together_clip_one_after_the_other() -> None:
    """A weight of 1 at its bound goes up by .5 and then down by .3: it ends at .7, not at 1."""
    window = TriangularWindow(amplitude=1.0, tau=1e9)
    up = PairSTDP(window, window, pairing="all", update="every 10 ms", learning_rate=0.5, bounds=(-1.0, 1.0))
    hosted = one_synapse(up, up.replace(learning_rate=-0.3))
    rates = [np.array([[rate]]) for rate in (0.5, -0.3)]
    assert hosted.learned(np.ones((1, 1)), [0, 1], rates)[0, 0] == pytest.approx(0.7, abs=1e-6)


def test_a_rule_goes_to_the_host_only_where_it_may_and_must() -> None:
    target, rule = salhw.target("nest"), salhw.SAL(0.1, pairing="all")
    assert on_chip(rule, target)
    assert on_chip(rule.replace(execution="host"), target)  # a permission, not an order
    window = TriangularWindow(amplitude=1.0, tau=10.0)
    assert not on_chip(PairSTDP(window, window, learning_rate=0.1, execution="host"), target)


@given(
    trains=st.lists(st.sets(st.integers(-6, 19)), min_size=3, max_size=3),
    tau_ref=st.integers(1, 6),
)
def test_occupancy_counts_the_states_of_every_step(trains: list[set[int]], tau_ref: int) -> None:
    events = [(neuron, step) for neuron, train in enumerate(trains) for step in train]
    neuron, step = np.array(events, dtype=np.int64).reshape(-1, 2).T
    raster = Raster(np.zeros_like(neuron), neuron, step).since(-tau_ref)
    expected = np.zeros(8, dtype=np.int64)
    for t in range(20):
        expected[sum(2**k for k, train in enumerate(trains) if any(0 <= t - s < tau_ref for s in train))] += 1
    np.testing.assert_array_equal(occupancy(raster, 3, 1, tau_ref, 0, 20)[0], expected)


def test_weights_are_sampled_at_the_start_and_at_whole_periods() -> None:
    net = builder("pair")()
    net = net.replace(probes=[salhw.Weights("pair", every=10 * net.dt)])
    samples = sample_steps(net, 7, 30, counting=True)
    assert [step for step in range(7, 31) if samples[step] == [*net.probes]] == [7, 10, 20, 30]
    assert [samples.after(step) for step in (7, 9, 10, 20, 29)] == [10, 10, 20, 30, 30]
