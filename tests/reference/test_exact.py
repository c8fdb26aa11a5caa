"""Every spike, membrane and weight of the algorithms against the oracle, to rounding."""

from __future__ import annotations

import itertools

import numpy as np
import oracle
import pytest

import salhw
from salhw import (
    GLM,
    LIF,
    SAL,
    Alpha,
    Clamp,
    Current,
    Exponential,
    ExponentialWindow,
    Membrane,
    Network,
    OneToOne,
    PairSTDP,
    Poisson,
    Population,
    Projection,
    Rectangular,
    Source,
    Sparse,
    Spikes,
    SpikeTimes,
    StateOccupancy,
    TriangularWindow,
    WakeSleep,
    Weights,
)

DT = 1.0
ALGORITHMS = ("event-driven", "time-driven", "vectorised")
STEPWISE = ("time-driven", "vectorised")


def rule(pairing: str, update: str, shape: str, bounds: tuple[float, float] | None = None) -> PairSTDP:
    window = ExponentialWindow if shape == "exponential" else TriangularWindow
    return PairSTDP(
        causal=window(amplitude=-1.0, tau=6.0),
        anticausal=window(amplitude=0.7, tau=9.5),
        pairing=pairing,
        learning_rate=0.03,
        update=update,
        bounds=bounds,
    )


def recurrent(rules: list[PairSTDP], kernel=None, delay: float = 0.0, probes=(), n: int = 4) -> Network:  # type: ignore[no-untyped-def]
    """A busy little network: short refractory period, so that spikes often coincide."""
    weights = np.random.default_rng(5).normal(0.0, 1.0, (n, n))
    np.fill_diagonal(weights, 0.0)
    return Network(
        name="busy",
        dt=DT,
        populations=[Population(name="a", size=n, neuron=GLM(bias=np.linspace(-0.5, 1.0, n), tau_ref=5.0))],
        projections=[
            Projection(
                name="p", pre="a", post="a", weights=weights, kernel=kernel or Rectangular(tau_syn=5.0), delay=delay,
                plasticity=rules,
            )
        ],
        probes=[Spikes("a"), *probes],
    )  # fmt: skip


def session(net: Network, algorithm: str = "time-driven", **options):  # type: ignore[no-untyped-def]
    return salhw.compile(net, salhw.target("reference").with_options(algorithm=algorithm)).open(**options)


ALL_RULES = [
    *itertools.product(
        ("all", "nearest_symmetric", "nearest_restricted"), ("spike", "every 40 ms", "run end"),
        ("exponential", "triangular"),
    )
]  # fmt: skip


@pytest.mark.parametrize(("pairing", "update", "shape"), ALL_RULES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_weight_changes_equal_the_oracle(algorithm: str, pairing: str, update: str, shape: str) -> None:
    net = recurrent([rule(pairing, update, shape, bounds=(-1.65, 1.65))], probes=[Weights("p", every=1.0)])
    with session(net, algorithm, seed=3) as s:
        recording = s.run(400.0)
        final = s.get("projections.p.weights")[0]
    spikes = {"a": oracle.trains(recording, "a", DT)}
    assert any(set(spikes["a"][0]) & set(spikes["a"][k]) for k in (1, 2, 3))  # coincidences do occur
    course = oracle.weight_course(net, spikes, 400)["p"]
    np.testing.assert_allclose(recording.weights["p"].values[0, :400], course[:400], atol=1e-12)
    np.testing.assert_allclose(final, course[400], atol=1e-12)
    assert np.abs(course[400] - course[0]).max() > 0.05


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_two_rules_with_delay_and_learning_rates_per_synapse(algorithm: str) -> None:
    rates = np.random.default_rng(0).uniform(0.0, 0.05, (4, 4))
    rules = [SAL(learning_rate=rates, tau=7.0, update="every 30 ms"), WakeSleep(learning_rate=0.01, tau_ref=5.0)]
    net = recurrent(rules, delay=3.0, probes=[Weights("p", every=1.0)])
    with session(net, algorithm, seed=1) as s:
        recording = s.run(300.0)
    course = oracle.weight_course(net, {"a": oracle.trains(recording, "a", DT)}, 300)["p"]
    np.testing.assert_allclose(recording.weights["p"].values[0], course, atol=1e-12)


@pytest.mark.parametrize("algorithm", STEPWISE)
@pytest.mark.parametrize("superposition", ["sum", "last"])
@pytest.mark.parametrize("delay", [0.0, 4.0])
@pytest.mark.parametrize("kind", [Rectangular, Exponential, Alpha])
@pytest.mark.parametrize("update", ["spike", "every 7 ms"])
def test_membranes_equal_equation_8(kind: type, delay: float, superposition: str, update: str, algorithm: str) -> None:
    kernel = kind(tau_syn=8.0, area=11.0, superposition=superposition)
    net = recurrent(
        [rule("all", update, "exponential")], kernel, delay, probes=[Membrane("a"), Weights("p", every=1.0)]
    )
    with session(net, algorithm, seed=2) as s:
        recording = s.run(250.0)
    spikes = {"a": oracle.trains(recording, "a", DT)}
    course = oracle.weight_course(net, spikes, 250)
    u = oracle.inputs(net, spikes, course, 250, "a")
    np.testing.assert_allclose(recording.membrane["a"].values[0], u, atol=1e-11)
    np.testing.assert_allclose(recording.weights["p"].values[0], course["p"], atol=1e-12)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_smallest_interval_is_the_refractory_period(algorithm: str) -> None:
    net = Network(
        name="fast", dt=0.5, populations=[Population(name="a", size=3, neuron=GLM(bias=[40.0, 3.0, 0.0], tau_ref=4.0))],
        probes=[Spikes("a"), StateOccupancy("a")],
    )  # fmt: skip
    with session(net, algorithm, seed=1) as s:
        recording = s.run(2000.0)
    intervals = [np.diff(recording.spikes["a"].times(k)) for k in range(3)]
    assert np.all(intervals[0] == 4.0)  # a hazard of e^40: spikes the moment it can
    assert all(gap.min() == 4.0 for gap in intervals)
    occupied = recording.state_occupancy["a"].values[0]
    assert occupied[[0, 2, 4, 6]].sum() == 0.0  # neuron 0 is always in z = 1
    busy = 8 * recording.counts["a"][0] / 4000  # steps with z = 1, up to the cut at the end of the run
    for k in range(3):
        share = occupied[[z for z in range(8) if z >> k & 1]].sum()
        assert abs(share - busy[k]) <= 8 / 4000


def forced(times: list[list[float]], rules, update_probe=True, **options) -> Network:  # type: ignore[no-untyped-def]
    sources = len(times)
    return Network(
        name="forced",
        dt=1.0,
        populations=[
            Population(name="pre", size=sources, neuron=Source()),
            Population(name="post", size=sources, neuron=Source()),
        ],
        projections=[
            Projection(name="p", pre="pre", post="post", weights=OneToOne(weight=0.0), plasticity=rules, **options)
        ],
        stimuli=[SpikeTimes("pre", times), SpikeTimes("post", [[50.0]] * sources)],
        probes=[Spikes("pre"), Spikes("post")],
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_forced_pairs_trace_the_window(algorithm: str) -> None:
    lags = np.arange(-20, 21)
    net = forced([[50.0 - lag] for lag in lags], SAL(learning_rate=2.0, tau=5.0))
    with session(net, algorithm) as s:
        recording = s.run(100.0)
        change = s.get("projections.p.weights")[0]
    expected = np.where(lags > 0, -2.0, 2.0) * np.exp(-np.abs(lags) / 5.0)
    expected[20] = 0.0  # a coincidence: the mean of both branches
    np.testing.assert_allclose(change, expected, atol=1e-12)
    assert recording.spikes["post"].times(7).tolist() == [50.0]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_three_pairings_are_told_apart(algorithm: str) -> None:
    """Pre at 40, 45; post at 50, 52: all 4 pairs; symmetric (45,50), (45,52); restricted only (45,50)."""
    lags = {"all": (10, 5, 12, 7), "nearest_symmetric": (5, 7), "nearest_restricted": (5,)}
    for pairing, expected in lags.items():
        net = forced([[40.0, 45.0]], SAL(learning_rate=1.0, tau=5.0, pairing=pairing)).replace(
            stimuli=[SpikeTimes("pre", [[40.0, 45.0]]), SpikeTimes("post", [[50.0, 52.0]])]
        )
        with session(net, algorithm) as s:
            s.run(100.0)
            change = float(s.get("projections.p.weights")[0, 0])
        assert change == pytest.approx(-sum(np.exp(-lag / 5.0) for lag in expected), abs=1e-12)


def test_a_spike_acts_from_the_next_step_for_tau_syn() -> None:
    net = Network(
        name="psp", dt=0.5,
        populations=[
            Population(name="in", size=1, neuron=Source()), Population(name="out", size=1, neuron=GLM(bias=-30.0)),
        ],
        projections=[
            Projection(name="p", pre="in", post="out", weights=[[2.0]], kernel=Rectangular(tau_syn=3.0), delay=1.5)
        ],
        stimuli=[SpikeTimes("in", [[10.0]])],
        probes=[Membrane("out")],
    )  # fmt: skip
    trace = salhw.run(net, duration=30.0).membrane["out"]
    on = trace.time.values[trace.values[0, :, 0] > -29.0]
    assert on.tolist() == [10.0 + 0.5 + 1.5 + 0.5 * k for k in range(6)]


@pytest.mark.parametrize("algorithm", STEPWISE)
def test_lif_integrates_exactly(algorithm: str) -> None:
    neuron = LIF(bias=[1.5, 0.9], tau_m=10.0, tau_ref=3.0)
    net = Network(
        name="lif", dt=0.1, populations=[Population(name="a", size=2, neuron=neuron)],
        probes=[Spikes("a"), Membrane("a")],
    )  # fmt: skip
    with session(net, algorithm) as s:
        recording = s.run(200.0)
    crossing = 10.0 * np.log(1.5 / 0.5)  # v = 1.5 (1 - exp(-t / tau_m)) reaches 1
    interval = np.ceil(crossing / 0.1 - 1e-9) * 0.1 + 3.0 - 0.1
    gaps = np.diff(recording.spikes["a"].times(0))
    np.testing.assert_allclose(gaps, interval, atol=1e-9)
    assert len(recording.spikes["a"].times(1)) == 0
    v = recording.membrane["a"].values[0, :, 1]
    np.testing.assert_allclose(v, 0.9 * (1 - np.exp(-(np.arange(2000) + 1) * 0.1 / 10.0)), atol=1e-12)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_clamp_current_and_poisson_act_in_their_window(algorithm: str) -> None:
    net = Network(
        name="driven", dt=1.0,
        populations=[
            Population(name="a", size=3, neuron=GLM(bias=-40.0, tau_ref=10.0)),
            Population(name="in", size=2, neuron=Source()),
        ],
        stimuli=[
            Clamp("a", state=[1, 0], neurons=[0, 1], start=100.0, stop=200.0),
            Current("a", amplitude=[0.0, 80.0, 80.0], start=150.0, stop=250.0),
            Poisson("in", rate=[0.0, 400.0], start=500.0, stop=1500.0),
        ],
        probes=[Spikes("a"), Spikes("in")],
    )  # fmt: skip
    with session(net, algorithm, seed=4) as s:
        recording = s.run(2000.0)
    a, source = recording.spikes["a"], recording.spikes["in"]
    assert a.times(0).tolist() == [100.0 + 10.0 * k for k in range(10)]
    assert a.times(1).tolist() == [200.0 + 10.0 * k for k in range(5)]  # the clamp holds it down until 200
    assert a.times(2).tolist() == [150.0 + 10.0 * k for k in range(10)]
    assert len(source.times(0)) == 0
    times = source.times(1)
    assert times.min() >= 500.0
    assert times.max() < 1500.0
    p = 1 - np.exp(-0.4)
    assert abs(len(times) - 1000 * p) < 5 * np.sqrt(1000 * p * (1 - p))  # false alarm 6e-7


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_forced_spikes_start_a_refractory_period(algorithm: str) -> None:
    net = Network(
        name="forced", dt=1.0, populations=[Population(name="a", size=1, neuron=GLM(bias=40.0, tau_ref=10.0))],
        stimuli=[SpikeTimes("a", [[3.0, 5.0]])], probes=[Spikes("a")],
    )  # fmt: skip
    with session(net, algorithm) as s:
        assert s.run(40.0).spikes["a"].times(0).tolist() == [0.0, 3.0, 5.0, 15.0, 25.0, 35.0]


def test_sparse_and_dense_are_the_same_network() -> None:
    dense = recurrent([rule("all", "spike", "exponential")])
    matrix = dense.projections[0].weights.values
    post, pre = np.nonzero(~np.eye(4, dtype=bool))
    order = np.random.default_rng(0).permutation(len(post))
    sparse = Sparse(post=post[order], pre=pre[order], weight=matrix[post, pre][order])
    other = dense.replace(projections=[dense.projections[0].replace(weights=sparse)])
    with session(dense, seed=1) as one, session(other, seed=1) as two:
        one.run(300.0)
        two.run(300.0)
        w, listed = one.get("projections.p.weights")[0], two.get("projections.p.weights")[0]
    assert np.array_equal(w[post, pre][order], listed)
