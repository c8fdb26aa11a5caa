"""Short-term plasticity: the example of docs/semantics.md, theory's means, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from loop_examples import looped_reference

import salhw
import salhw_calibration
from salhw import (
    GLM,
    Exponential,
    ExponentialTrace,
    Membrane,
    Network,
    Poisson,
    Population,
    Projection,
    Rectangular,
    Source,
    Spikes,
    SpikeTimes,
    Trace,
    Traces,
    TsodyksMarkram,
)
from salhw.compiler.check import check
from salhw.description.fields import FloatArray

BOTH = TsodyksMarkram(U=0.5, tau_rec=20.0, tau_facil=50.0)
TRAIN = [10.0, 20.0, 25.0, 60.0, 61.0]
STRENGTHS = [0.5, 0.491, 0.3123, 0.5895, 0.241]
"""As docs/semantics.md has them."""


def network(kernel: Any, *, bias: float = 0.0, weight: float = 1.0, stimulus: Any = None, **options: Any) -> Network:
    """A source that spikes as it is made to, onto a GLM neuron."""
    return Network(
        name="short", dt=1.0,
        populations=[Population("x", 1, Source()), Population("y", 1, GLM(bias=bias, tau_ref=2.0))],
        projections=[Projection("p", "x", "y", [[weight]], kernel, **{"short_term": BOTH} | options)],
        stimuli=[stimulus or SpikeTimes("x", [TRAIN])], probes=[Membrane("y")],
    )  # fmt: skip


def membrane(net: Network, duration: float, target: Any = "reference", **options: Any) -> FloatArray:
    """u of the postsynaptic neuron, (instance, step)."""
    recording = salhw.run(net, target, duration=duration, **options)
    return np.asarray(recording.membrane["y"].values[:, :, 0])


def test_the_strengths_of_a_train_are_those_of_the_docs() -> None:
    found = BOTH.of_train(np.array(TRAIN))
    assert np.round(found, 4).tolist() == STRENGTHS
    u, x = 0.5 + 0.25 * np.exp(-0.2), 1.0 - 0.5 * np.exp(-0.5)  # of the second spike, by hand
    np.testing.assert_allclose(found[:2], [0.5, u * x], rtol=1e-14)


@pytest.mark.parametrize("algorithm", ["time-driven", "vectorised"])
@pytest.mark.parametrize("kernel", [Rectangular(12.0), Rectangular(12.0, superposition="last"), Exponential(12.0)])
def test_each_psp_has_its_strength_until_it_ends(algorithm: str, kernel: Any) -> None:
    """PSPs that overlap, of two delays, through a session in two runs, in which another weight is written."""
    net = network(kernel, delay=3.0)
    target = salhw.target("reference").with_options(algorithm=algorithm)
    with salhw.compile(net, target).open() as session:
        first = session.run(22.0).membrane["y"].values[0, :, 0]
        session.set("projections.p.weights", [[-2.0]])
        found = np.r_[first, session.run(58.0).membrane["y"].values[0, :, 0]]
    expected = np.zeros(80)
    for time, strength in zip(TRAIN, BOTH.of_train(np.array(TRAIN)), strict=True):
        begin = int(time) + 4
        if kernel.superposition == "last":
            expected[begin:] = 0.0
        expected[begin:] += strength * kernel.sample(1.0, 80)[: 80 - begin]
    np.testing.assert_allclose(found, expected * np.where(np.arange(80) < 22, 1.0, -2.0), atol=1e-14)


@pytest.mark.parametrize("algorithm", ["event-driven", "time-driven", "vectorised"])
def test_only_strong_psps_make_a_neuron_spike(algorithm: str) -> None:
    """Where that is certain: from a strength of .4 on. In all instances of a batch."""
    net = network(Rectangular(1.0), bias=-400.0, weight=1000.0).replace(probes=[Spikes("y")])
    recording = salhw.run(net, salhw.target("reference").with_options(algorithm=algorithm), duration=80.0, instances=2)
    passed = [time + 1.0 for time, strength in zip(TRAIN, STRENGTHS, strict=True) if strength > 0.4]
    assert [recording.spikes["y"].times(0, b).tolist() for b in range(2)] == [passed, passed]


def test_each_synapse_of_several_delays_has_the_strengths_of_its_neuron() -> None:
    delayed = Projection("p", "x", "y", [[1.0], [1.0]], Rectangular(2.0), [[0.0], [7.0]], short_term=BOTH)
    cells = [Population("x", 1, Source()), Population("y", 2, GLM(bias=0.0, tau_ref=2.0))]
    net = network(Rectangular(2.0)).replace(populations=cells, projections=[delayed])
    both = salhw.run(net, duration=80.0).membrane["y"].values[0]
    np.testing.assert_allclose(both[:-7, 0], both[7:, 1], atol=1e-14)
    np.testing.assert_allclose(both[[11, 21, 26], 0], BOTH.of_train(np.array(TRAIN))[:3], atol=1e-14)


def test_a_regular_rate_leads_to_the_steady_state() -> None:
    """u = U / (1 - (1 - U) f), x = (1 - r) / (1 - (1 - u) r), with f and r what is left of either after an interval."""
    for short_term in (BOTH, TsodyksMarkram(U=0.1, tau_rec=50.0, tau_facil=200.0), TsodyksMarkram(0.9, tau_rec=80.0)):
        found = membrane(network(Rectangular(1.0), stimulus=SpikeTimes("x", [np.arange(0.0, 3000.0, 10.0)]),
                                 short_term=short_term), 3000.0)[0]  # fmt: skip
        r = np.exp(-10.0 / short_term.tau_rec)
        f = np.exp(-10.0 / short_term.tau_facil) if short_term.tau_facil else 0.0
        u = short_term.U / (1.0 - (1.0 - short_term.U) * f)
        np.testing.assert_allclose(found[2991], u * (1.0 - r) / (1.0 - (1.0 - u) * r), rtol=1e-12)


@pytest.mark.parametrize("resources", [True, False])
def test_random_spikes_have_the_mean_of_theory(resources: bool) -> None:
    """Resources alone: mean x = (1 - r) / (1 - (1 - U) r); facilitation alone: mean u = U / (1 - (1 - U) f), with r
    and f the mean of what is left after an interval. Exact for a spike with probability p at each step, as the use of
    a spike does not depend on the interval after it; which goes on to 1 / (1 + U rate tau_rec) as dt goes to 0. The
    mean of 20 instances against its spread, falsely outside of 4.9 standard errors in 1e-4 of all seeds."""
    tau, use, p = 60.0, 0.3, 1.0 - np.exp(-0.04)
    short_term = TsodyksMarkram(use, tau) if resources else TsodyksMarkram(use, 1e-6, tau)
    found = membrane(network(Rectangular(1.0), stimulus=Poisson("x", rate=40.0), short_term=short_term), 20_000.0,
                     instances=20, seed=3)  # fmt: skip
    left = p * np.exp(-1.0 / tau) / (1.0 - (1.0 - p) * np.exp(-1.0 / tau))
    expected = use * (1.0 - left) / (1.0 - (1.0 - use) * left) if resources else use / (1.0 - (1.0 - use) * left)
    means = np.array([each[each > 1e-6].mean() for each in found[:, 1000:]])
    assert abs(means.mean() - expected) < 4.9 * means.std(ddof=1) / np.sqrt(20)
    assert means.std(ddof=1) / np.sqrt(20) < 0.01 * expected < 0.1 * abs(expected - use)


def test_rules_learn_as_without_it() -> None:
    """The weight scales PSPs of any strength; pairs are pairs of spikes."""
    forced = [SpikeTimes("x", [TRAIN]), SpikeTimes("y", [[13.0, 30.0, 62.0]])]
    net = network(Rectangular(5.0), bias=-60.0, plasticity=salhw.SAL(0.1, tau=10.0)).replace(
        stimuli=forced, probes=[Membrane("y"), salhw.Weights("p", every=1.0)]
    )
    (p,) = net.projections
    short, plain = (salhw.run(net.replace(projections=[p.replace(short_term=s)]), duration=80.0) for s in (BOTH, None))
    weights = short.weights["p"].values
    np.testing.assert_array_equal(weights, plain.weights["p"].values)
    assert np.ptp(weights) > 0.01
    strong = BOTH.of_train(np.array(TRAIN))[3:].sum()
    assert abs(short.membrane["y"].values[0, 63, 0] + 60.0 - weights[0, 63, 0, 0] * strong) < 1e-12


def test_a_host_sees_it_in_traces() -> None:
    """In runs between which spikes are forgotten: what the reference does by itself."""
    traced = {"traces": [Trace("t", "y", "inputs", ExponentialTrace(10.0))], "probes": [Traces("t", every=1.0)]}
    net = network(Rectangular(5.0), bias=-60.0, stimulus=Poisson("x", rate=200.0)).replace(**traced)
    found = []
    for target in (salhw.target("reference"), looped_reference()):
        with salhw.compile(net, target).open(seed=4) as session:
            found.append(np.concatenate([session.run(1500.0).traces["t"].values[0] for _ in range(4)]))
    assert len(found[0]) == 6000
    np.testing.assert_allclose(*found, atol=1e-12)


def test_who_does_not_have_it_says_so() -> None:
    net = network(Rectangular(5.0))
    found = [f for f in check(net, salhw.target("loihi2")) if f.path == "projections.p.short_term"]
    assert [(f.code, f.asked) for f in found] == [("SAL101", "TsodyksMarkram")]
    with pytest.raises(salhw.SalhwError, match=r"SAL802 projections\.p\.short_term = TsodyksMarkram"):
        salhw_calibration.effective_weights(salhw.compile(net, "reference"), duration=1000.0)
