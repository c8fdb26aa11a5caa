"""Plasticity beyond pairs: the examples of docs/semantics.md, on every algorithm that has the rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from loop_examples import looped_reference

import salhw
from salhw import (
    GLM,
    DescriptionError,
    ExponentialTrace,
    ExponentialWindow,
    ModulatedSTDP,
    Network,
    PerSpike,
    Population,
    Projection,
    Source,
    SpikeTimes,
    Trace,
    VogelsSprekeler,
)
from salhw.compiler.check import check
from salhw_networks.balance.network import balance, network

ALGORITHMS = ("event-driven", "time-driven", "vectorised")


def synapse(rules: Any, **spikes: list[float]) -> Network:
    """One synapse from x to y, whose neurons are made to spike; and two neurons m, of which the first is."""
    forced = [SpikeTimes(name, [times, []][: 2 if name == "m" else 1]) for name, times in spikes.items()]
    return Network(
        name="synapse", dt=1.0,
        populations=[Population("x", 1, Source()), Population("y", 1, GLM(bias=-60.0)), Population("m", 2, Source())],
        projections=[Projection("p", "x", "y", weights=[[0.0]], plasticity=rules)],
        traces=[Trace("reward", "m", "spikes", ExponentialTrace(10.0))] if "m" in spikes else [],
        stimuli=forced,
    )  # fmt: skip


def reference(algorithm: str) -> salhw.Target:
    return salhw.target("reference").with_options(algorithm=algorithm)


def weights(net: Network, ends: list[float], target: salhw.Target | str = "reference") -> list[float]:
    """The weight at some times."""
    with salhw.compile(net, target).open() as session:
        held = []
        for end in ends:
            session.run(end - session.time)
            held.append(float(session.get("projections.p.weights")[0, 0, 0]))
    return held


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("update", ["spike", "every 1 ms", "run end"])
def test_pairs_and_single_spikes_add_up(algorithm: str, update: str) -> None:
    net = synapse(VogelsSprekeler(0.1, rate=5.0, tau=20.0, update=update), x=[2.0, 7.0], y=[5.0, 9.0])
    changes = [-0.2, np.exp(-3 / 20), np.exp(-2 / 20) - 0.2, np.exp(-2 / 20) + np.exp(-7 / 20)]
    held = weights(net, [3.0, 6.0, 8.0, 10.0], reference(algorithm))
    np.testing.assert_allclose(held, 0.1 * np.cumsum(changes), atol=1e-12)
    assert np.round(held, 4).tolist() == [-0.02, 0.0661, 0.1366, 0.2975]  # as docs/semantics.md has them


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_single_spikes_count_at_both_ends_and_end_at_the_bounds(algorithm: str) -> None:
    """Four spikes, two of them at one step: they are added before the weight is clipped."""
    net = synapse(PerSpike(pre=-0.5, post=0.25, learning_rate=0.2, bounds=(-0.12, 1.0)), x=[2.0, 4.0], y=[4.0, 6.0])
    np.testing.assert_allclose(weights(net, [3.0, 5.0, 7.0], reference(algorithm)), [-0.1, -0.12, -0.07], atol=1e-12)
    free = synapse(net.projections[0].plasticity[0].replace(bounds=None), x=[2.0, 4.0], y=[4.0, 6.0])
    np.testing.assert_allclose(weights(free, [3.0, 5.0, 7.0], reference(algorithm)), [-0.1, -0.15, -0.1], atol=1e-12)


def test_single_spikes_hold_a_rate() -> None:
    """What presynaptic spikes add and postsynaptic ones take is in balance where the neuron spikes half as often as its
    sources, whatever its bias: weights that stay where they are have been changed by as many of either. Counts of 60 s
    vary by 1 to 2 %; 6 are allowed."""
    rule = PerSpike(pre=1.0, post=-2.0, learning_rate=0.002, bounds=(-3.0, 3.0))
    net = Network(
        name="homeostasis", dt=1.0,
        populations=[Population("x", 20, Source()), Population("y", 2, GLM(bias=[-4.0, -3.0], tau_ref=10.0))],
        projections=[Projection("p", "x", "y", salhw.AllToAll(weight=0.0), plasticity=rule)],
        stimuli=[salhw.Poisson("x", rate=40.0)],
    )  # fmt: skip
    with salhw.compile(net, "reference").open(seed=2) as session:
        before = session.run(500.0).rates["y"].values[0]
        session.run(20_000.0)
        after = session.run(60_000.0).rates["y"].values[0]
    assert np.all(before < 12.0)
    np.testing.assert_allclose(after, 20.0, rtol=0.06)


def modulated(**options: Any) -> ModulatedSTDP:
    window = ExponentialWindow(amplitude=1.0, tau=10.0)
    return ModulatedSTDP(window, window.replace(amplitude=0.0), "reward", 0.02, learning_rate=2.0, **options)


def test_a_trace_of_other_neurons_gates_the_pairs() -> None:
    net = synapse(modulated(update="every 10 ms"), x=[2.0, 12.0], y=[5.0, 13.0], m=[8.0])
    held = weights(net, [10.0, 20.0])
    trace = (1.0 - np.exp(-0.1)) * np.exp([-0.1, -1.1])
    expected = np.cumsum(2.0 * (trace / 2 - 0.02) * np.exp([-0.3, -0.1]))
    np.testing.assert_allclose(held, expected, atol=1e-12)
    assert np.round(held, 4).tolist() == [0.0342, 0.0266]  # as docs/semantics.md has them


def test_on_the_spike_the_trace_has_just_moved_on() -> None:
    """With the reward in the step of the later spike, or one too late."""
    rewarded = [weights(synapse(modulated(), x=[2.0], y=[5.0], m=[at]), [9.0])[0] for at in (5.0, 6.0)]
    share = 1.0 - np.exp(-0.1)
    np.testing.assert_allclose(rewarded, 2.0 * np.exp(-0.3) * np.array([share / 2 - 0.02, -0.02]), atol=1e-12)


def test_a_factor_that_a_session_gives_is_the_learning_rate() -> None:
    net = synapse(salhw.Hebbian(0.0, tau=10.0, update="every 10 ms"), x=[2.0], y=[5.0])
    with salhw.compile(net, "reference").open(instances=2) as session:
        session.run(8.0)
        session.set("projections.p.plasticity.learning_rate", np.array([0.5, -0.25])[:, None, None])
        session.run(2.0)
        np.testing.assert_allclose(
            session.get("projections.p.weights")[:, 0, 0], np.exp(-0.3) * np.array([0.5, -0.25]), atol=1e-12
        )


def test_the_modulator_is_a_trace_of_the_network_and_nothing_else_reads_other_populations() -> None:
    with pytest.raises(DescriptionError, match=r"SAL009 projections\.p\.plasticity\.modulator"):
        synapse(modulated(), x=[2.0])
    with pytest.raises(DescriptionError, match=r"SAL012 projections\.p\.plasticity\.teacher"):
        synapse(salhw.PredictiveRule("reward", "reward", learning_rate=1.0), m=[8.0])


@pytest.mark.parametrize("target", ["brainscales2", "loihi2"])
def test_targets_without_the_rule_say_so(target: str) -> None:
    net = synapse(PerSpike(post=-0.5, learning_rate=0.1, execution="host"), x=[2.0])
    found = [f for f in check(net, salhw.target(target)) if f.path == "projections.p.plasticity"]
    assert [(f.code, f.asked) for f in found] == [("SAL101", "PerSpike")]


def test_a_host_works_it_out_beside_the_target() -> None:
    """A target without traces in a loop with its host: what the reference does by itself, coincidences included."""
    net = synapse(modulated(update="every 10 ms", execution="host"), x=[2.0, 12.0, 14.0], y=[5.0, 13.0, 14.0], m=[8.0])
    ends = [10.0, 15.0, 30.0]
    found = weights(net, ends, looped_reference())
    np.testing.assert_allclose(found, weights(net, ends), atol=1e-12)
    assert abs(found[2] - found[0]) > 1e-3


def test_inhibition_learns_to_balance_excitation() -> None:
    """Vogels, Sprekeler et al. (2011): the rate goes to what the rule keeps, excitation and inhibition of each neuron
    cancel within 10 %; before learning nothing does."""
    executable = salhw.compile(network(), "reference")
    before, after = balance(executable, learning=False, settle=500.0, seen=500.0), balance(executable)
    assert before.rate > 50.0
    assert before.imbalance > 0.5
    assert abs(after.rate - 5.0) < 0.5
    assert after.imbalance < 0.1


@pytest.mark.slow
def test_it_does_so_on_nest() -> None:
    after = balance(salhw.compile(network(), "nest"))
    assert abs(after.rate - 5.0) < 0.5
    assert after.imbalance < 0.1
