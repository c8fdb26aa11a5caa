"""AdEx and Izhikevich neurons: the worked examples of docs/semantics.md, their equations solved finely, limits that are
known, PyNN's own cells, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import salhw
from salhw import (
    LIF,
    SAL,
    AdEx,
    Current,
    DescriptionError,
    Exponential,
    Izhikevich,
    Membrane,
    Network,
    NoisyCurrent,
    Population,
    Projection,
    Rectangular,
    Source,
    Spikes,
    SpikeTimes,
)

ALGORITHMS = ["time-driven", "vectorised"]


def target(algorithm: str) -> salhw.Target:
    return salhw.target("reference").with_options(algorithm=algorithm)


def alone(neuron: Any, dt: float = 0.5, **parts: Any) -> Network:
    """One neuron, its spikes and its membrane."""
    plain = {"populations": [Population("n", 1, neuron)], "probes": [Spikes("n"), Membrane("n")]}
    return Network(name="n", dt=dt, **plain | parts)


def ran(net: Network, duration: float, algorithm: str = "time-driven") -> tuple[Any, Any]:
    """Spike times, and the potential at each step."""
    recording = salhw.run(net, target(algorithm), duration=duration, seed=1)
    return recording.spikes["n"].time, recording.membrane_traces["n"].values.ravel()


# ---------------------------------------------------------------- AdEx


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_adex_neuron_does_what_the_worked_example_says(algorithm: str) -> None:
    times, v = ran(alone(AdEx(bias=1.5, tau_ref=2.0, b=0.2, tau_w=20.0)), 110.0, algorithm)
    np.testing.assert_allclose(v[:3], [0.07316, 0.14274, 0.20891], atol=5e-6)
    np.testing.assert_allclose(v[28:34], [1.28468, 1.5, 0.0, 0.0, 0.0, 0.06230], atol=5e-6)
    assert times.tolist() == [14.5, 34.5, 56.0, 78.0, 100.0]


def intervals(neuron: AdEx, duration: float) -> Any:
    """Between spikes of the equations, solved to nine digits; refractory from the spike on."""
    start, state, times = 0.0, np.array([neuron.v_rest, 0.0]), []

    def slopes(t: float, y: Any) -> Any:
        v, w = y
        escape = neuron.slope_factor * np.exp(min((v - neuron.v_thresh) / neuron.slope_factor, 50.0))
        current = neuron.v_rest - v + escape - w + neuron.bias
        return [current / neuron.tau_m, (neuron.a * (v - neuron.v_rest) - w) / neuron.tau_w]

    def peak(t: float, y: Any) -> Any:
        return y[0] - neuron.v_peak

    peak.terminal = True  # type: ignore[attr-defined]
    while (solved := solve_ivp(slopes, (start, duration), state, events=peak, rtol=1e-9, atol=1e-11)).status == 1:
        times.append(solved.t[-1])
        held = neuron.a * (neuron.v_reset - neuron.v_rest)
        w = held + (solved.y[1, -1] + neuron.b - held) * np.exp(-neuron.tau_ref / neuron.tau_w)
        start, state = times[-1] + neuron.tau_ref, np.array([neuron.v_reset, w])
    return np.diff(times)


def test_intervals_are_off_by_a_share_of_a_step() -> None:
    """.13 dt too short in the mean, as the docs say, and less than a step each, over the 17 of half a second."""
    fine = intervals(AdEx(bias=1.5), 500.0)
    for dt in (1.0, 0.5, 0.25, 0.125):
        off = np.diff(ran(alone(AdEx(bias=1.5), dt), 500.0)[0]) - fine
        assert abs(off.mean() + 0.13 * dt) < 0.05 * dt
        assert np.abs(off).max() < dt


@pytest.mark.parametrize("conducts", [False, True])
def test_without_spikes_a_step_is_off_by_its_square(conducts: bool) -> None:
    """1.4e-4 dt^2 (ms), a quarter of it at half the step."""

    def potential(dt: float) -> Any:
        neuron, trains = AdEx(bias=0.3, tau_w=30.0, a=0.5), SpikeTimes("x", [[4.0, 20.0, 29.0]])
        drive = [Current("n", amplitude=0.62, start=8.0, stop=40.0)]
        synapse = Projection("p", "x", "n", [[0.8]], kernel=Rectangular(8.0), delay=4.0 - dt, e_rev=1.2)
        net = Network(
            name="n", dt=dt, populations=[Population("x", 1, Source()), Population("n", 1, neuron)],
            projections=[synapse] if conducts else [], stimuli=[trains] if conducts else drive,
            probes=[Spikes("n"), Membrane("n")],
        )  # fmt: skip
        times, v = ran(net, 60.0)
        assert len(times) == 0
        return v[round(1.0 / dt) - 1 :: round(1.0 / dt)]  # after whole milliseconds

    fine = potential(1 / 128)
    off = [np.abs(potential(dt) - fine).max() for dt in (0.5, 0.25)]
    assert off[0] < 1.45e-4 * 0.5**2
    assert 3.8 < off[0] / off[1] < 4.2


def test_without_adaptation_and_with_a_sharp_upstroke_it_is_a_lif_neuron() -> None:
    """Spike by spike; beneath v_thresh v is the same to rounding, as the upstroke begins within .03 of it."""
    currents = [Current("n", amplitude=[[0.7], [1.4], [0.2], [2.5]], every=17.0)]
    lif, adex = LIF(bias=0.4, tau_ref=2.0), AdEx(bias=0.4, tau_ref=2.0, a=0.0, b=0.0, slope_factor=1e-3, v_peak=1.0)
    (here, v), (there, expected) = (ran(alone(neuron, stimuli=currents), 300.0) for neuron in (adex, lif))
    assert len(there) > 20
    assert np.array_equal(here, there)
    below = expected < 0.97
    np.testing.assert_allclose(v[below], expected[below], atol=1e-12)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_escape_noise_comes_beside_the_peak(algorithm: str) -> None:
    """At rest .2 = 2 delta_v below v_thresh, of a slope factor without effect, the probability of a step is .03327, as
    in the example of soft thresholds; with a current every neuron reaches the peak in its step."""
    neuron = AdEx(v_rest=0.8, v_reset=0.8, tau_ref=2.0, delta_v=0.1, a=0.0, b=0.0, slope_factor=0.005)
    net = Network(
        name="n", dt=0.5, populations=[Population("n", 400, neuron)], probes=[Spikes("n")],
        stimuli=[Current("n", amplitude=1e3, start=200.0)],
    )  # fmt: skip
    times = np.rint(salhw.run(net, target(algorithm), duration=202.5, seed=4).spikes["n"].time / 0.5)
    early, p = times[times < 400], 0.03327
    free = 400 * 400 - np.minimum(3, 399 - early).sum()
    assert abs(len(early) - p * free) < 4.5 * np.sqrt(p * (1 - p) * free)  # 7 in a million
    assert len(times) - len(early) == 400 + np.count_nonzero(times == 400)


def test_sal_aligns_a_pair_of_adex_neurons_under_noise() -> None:
    """Its noise a current's: the gap of .6 closes in the mean over 16 instances, and the sum of the weights stays."""
    neuron = AdEx(bias=0.8, tau_m=5.0, tau_ref=10.0, tau_w=50.0)
    pair = Projection("p", "n", "n", [[0, 0.7], [0.1, 0]], kernel=Rectangular(10.0), plasticity=SAL(0.02, tau=10.0))
    noise = [NoisyCurrent("n", sd=1.0, every=2.5)]
    net = Network(name="pair", dt=0.5, populations=[Population("n", 2, neuron)], projections=[pair], stimuli=noise)
    with salhw.compile(net, "reference").open(instances=16, seed=1) as session:
        session.run(8_000.0)
        w = session.get("projections.p.weights")
    gap = w[:, 0, 1] - w[:, 1, 0]
    assert abs(gap.mean()) < 0.2
    np.testing.assert_allclose(w[:, 0, 1] + w[:, 1, 0], 0.8, atol=1e-9)


# ---------------------------------------------------------------- Izhikevich


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_izhikevich_neuron_does_what_the_worked_example_says(algorithm: str) -> None:
    times, v = ran(alone(Izhikevich(bias=10.0)), 10.0, algorithm)
    np.testing.assert_allclose(v[:4], [-61.5, -58.105, -54.34718, -49.65317], atol=5e-6)
    np.testing.assert_allclose(v[7:9], [47.80567, -65.64396], atol=5e-6)
    assert times.tolist() == [3.5]


@pytest.mark.parametrize(
    ("neuron", "off"), [(Izhikevich(bias=10.0), [0.028, 0.007]), (Izhikevich(bias=20.0, a=0.1, d=2.0), [0.26, 0.065])]
)
def test_intervals_of_euler_are_off_by_what_the_docs_say(neuron: Izhikevich, off: list[float]) -> None:
    """Against steps of 1/256 ms, whose own share is a thirtieth of the last."""

    def mean(dt: float) -> float:
        return float(np.diff(ran(alone(neuron, dt, probes=[Spikes("n"), Membrane("n", every=1.0)]), 1000.0)[0]).mean())

    fine = mean(1 / 256)
    np.testing.assert_allclose([mean(dt) / fine - 1.0 for dt in (0.5, 0.125)], off, rtol=0.15)


# ---------------------------------------------------------------- peers


PEER = """
import pyNN.nest as sim
sim.setup(timestep=%(dt)r, min_delay=%(dt)r, verbosity="error")
cell = sim.%(cell)s
n = sim.Population(1, cell, initial_values=%(initial)r)
for train, weight, receptor in %(trains)r:
    x = sim.Population(1, sim.SpikeSourceArray(spike_times=train))
    synapse = sim.StaticSynapse(weight=weight, delay=%(dt)r)
    sim.Projection(x, n, sim.AllToAllConnector(), synapse, receptor_type=receptor)
n.record("spikes")
sim.run(500.0)
print("SPIKES", *n.get_data().segments[0].spiketrains[0].magnitude)
"""


def of_pynn(dt: float, cell: str, initial: dict[str, float], trains: list[Any]) -> Any:
    """Its spikes, in our time: NEST's step t + 1 is our t."""
    code = PEER % {"dt": dt, "cell": cell, "initial": initial, "trains": trains}
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return np.array(told.split("SPIKES")[1].split(), dtype=np.float64) - dt


SPIKES_AT = np.random.default_rng(6)
TRAINS = [np.sort(SPIKES_AT.choice(490, 60, replace=False)) * 1.0 for _ in range(2)]


def under_sources(dt: float, neuron: Any, *projections: dict[str, Any], name: str = "reference") -> Any:
    """Our spikes, on a target, of a neuron onto which two sources spike at TRAINS."""
    made = [Projection(name=f"p{k}", pre="x", post="n", **each) for k, each in enumerate(projections)]
    populations = [Population("x", 2, Source()), Population("n", 1, neuron)]
    net = alone(neuron, dt, populations=populations, projections=made, stimuli=[SpikeTimes("x", TRAINS)])
    return salhw.run(net, name, duration=500.0, seed=1).spikes["n"].time


@pytest.mark.slow
def test_pynn_has_the_same_adex_spikes_to_first_order() -> None:
    """EIF_cond_exp_isfa_ista of PyNN on NEST, a leak of 10 nS and 100 mV per unit: as many spikes as on the reference
    and on ``nest``, none more than 10 steps apart (where v is slow beside v_thresh) at dt = .1 and .025 ms, most of
    them two."""
    for dt, name in ((0.1, "reference"), (0.025, "reference"), (0.1, "nest"), (0.025, "nest")):
        ours = under_sources(
            dt, AdEx(bias=1.0, tau_ref=2.0),
            {"weights": [[0.4, 0.0]], "e_rev": 4.0, "kernel": Exponential(5.0), "delay": dt},
            {"weights": [[0.0, 0.6]], "e_rev": -1.0, "kernel": Exponential(5.0), "delay": dt}, name=name,
        )  # fmt: skip
        cell = f"""EIF_cond_exp_isfa_ista(
            tau_m=10.0, cm=0.1, v_rest=0.0, v_reset=0.0, v_thresh=100.0, delta_T=10.0, v_spike=150.0, a=1.0, b=0.1,
            tau_w=100.0, tau_refrac={2.0 - dt}, e_rev_E=400.0, e_rev_I=-100.0, tau_syn_E=5.0, tau_syn_I=5.0,
            i_offset=1.0)"""
        sent = [[float(t + dt) for t in train] for train in TRAINS]
        inputs = [(sent[0], 0.004, "excitatory"), (sent[1], 0.006, "inhibitory")]
        apart = np.abs(of_pynn(dt, cell, {"v": 0.0, "w": 0.0}, inputs) - ours)
        assert len(ours) > 10
        assert apart.max() < 10.1 * dt
        assert np.median(apart) < 2.1 * dt


@pytest.mark.slow
def test_pynn_has_the_same_izhikevich_spikes() -> None:
    """Izhikevich of PyNN on NEST, whose synapses add their weight to v at once: here PSPs of one step. At dt = .1 and
    .025 ms the same spikes, to the step."""
    for dt in (0.1, 0.025):
        jump = {"weights": [[10.0 / dt, 0.0]], "kernel": Rectangular(dt)}
        ours = under_sources(dt, Izhikevich(bias=10.0), jump)
        cell, begin = "Izhikevich(a=0.02, b=0.2, c=-65.0, d=8.0, i_offset=0.01)", {"v": -65.0, "u": -13.0}
        theirs = of_pynn(dt, cell, begin, [([float(t + dt) for t in TRAINS[0]], 10.0, "excitatory")])
        assert len(ours) > 10
        np.testing.assert_allclose(theirs, ours, atol=1e-6)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        (lambda: AdEx(v_reset=1.5), "v_reset"),
        (lambda: AdEx(slope_factor=[0.1, 0.0]), "slope_factor[1]"),
        (lambda: AdEx(tau_w=0.0), "tau_w"),
        (lambda: Izhikevich(c=[-65.0, 30.0]), "c[1]"),
        (lambda: Izhikevich(a=-0.1), "a"),
        (lambda: alone(Izhikevich(), 1.25), "dt"),
        (lambda: alone(AdEx(tau_ref=1.2)), "populations.n.tau_ref"),
        (lambda: alone(Izhikevich(d=[1.0, 2.0])), "populations.n.d"),
    ],
)
def test_what_cannot_be_is_refused_at_its_place(wrong: Any, path: str) -> None:
    with pytest.raises(DescriptionError) as refused:
        wrong()
    assert [finding.path for finding in refused.value.diagnostics] == [path]


@pytest.mark.parametrize(
    ("name", "neuron"),
    [("loihi2", AdEx()), ("brainscales2", Izhikevich()), ("loihi2", Izhikevich())],
)
def test_targets_without_them_say_so_by_name(name: str, neuron: Any) -> None:
    found = salhw.problems(alone(neuron, 1.0, probes=[Spikes("n")]), name)
    assert [(f.code, f.path, f.asked) for f in found] == [("SAL101", "populations.n.neuron", neuron.kind)]
