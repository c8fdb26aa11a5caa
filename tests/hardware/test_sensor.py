"""Correlation sensors against the definition of nearest_restricted pairs, and against the reference target."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import salhw
from salhw import GLM, ExponentialWindow, Network, PairSTDP, Population, Projection, Rectangular, Spikes
from salhw.substrate.variability import Variability
from salhw_brainscales2.hardware import sensor
from salhw_brainscales2.hardware.sensor import Charge, Sensors
from salhw_brainscales2.hardware.variability import profile

LEVEL = 1e-4  # of every statistical test; seeds are fixed
PRE, POST = np.array([0, 1, 2, 0, 2]), np.array([1, 0, 1, 2, 0])


def sensors(chips: int = 1, *, dt: float = 0.5, capacity: float = 1e9, noise: float = 0.0, seed: int = 0) -> Sensors:
    """Five synapses among three neurons, each branch with an amplitude and a time constant of its own."""
    rng, shape = np.random.default_rng(seed), (chips, 2, len(PRE))
    drawn = rng.uniform(0.5, 3.0, shape), rng.uniform(2.0, 30.0, shape), rng.uniform(120.0, 200.0, shape)
    return Sensors(PRE, POST, 3, dt, *drawn, capacity, np.full(chips, noise))


def defined(pre: Sequence[int], post: Sequence[int], amplitude: float, tau: float, dt: float) -> float:
    """The charge of the causal branch by the words of docs/semantics.md: every pair, weighted by what lies between."""
    total = 0.0
    for s in pre:
        for t in post:
            if s > t or any(s < x < t for x in (*pre, *post)):
                continue
            if s == t:
                total += 0.5 * amplitude
                continue
            halves = (s in post) + (t in pre)  # ends that are coincidences
            total += amplitude * math.exp(-(t - s) * dt / tau) * 0.5**halves
    return total


SPIKES = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 40)), max_size=40, unique=True)


@settings(max_examples=200, deadline=None)
@given(SPIKES, st.lists(st.integers(0, 40), max_size=4))
def test_charge_is_the_sum_over_nearest_restricted_pairs_however_the_spikes_come_in_chunks(
    spikes: list[tuple[int, int, int]], cuts: list[int]
) -> None:
    s = sensors(chips=2)
    charge = sensor.fresh(s)
    for low, high in zip([-1, *sorted(cuts)], [*sorted(cuts), 40], strict=True):
        chunk = np.array([x for x in spikes if low < x[2] <= high], dtype=np.int64).reshape(-1, 3)
        charge = sensor.accumulate(s, charge, *chunk.T)
    for chip in range(2):
        trains = [[t for b, n, t in spikes if (b, n) == (chip, neuron)] for neuron in range(3)]
        for synapse, (j, i) in enumerate(zip(PRE, POST, strict=True)):
            for side, (first, second) in enumerate(((trains[j], trains[i]), (trains[i], trains[j]))):
                where = chip, side, synapse
                expected = defined(first, second, s.amplitude[where], s.tau[where], s.dt)
                assert charge.charge[where] == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_the_reference_target_learns_what_the_sensors_collect() -> None:
    """Spontaneous spikes, coincidences among them; the windows differ, so that no branch hides the other."""
    rate, ratio = 1e-6, math.pi
    rule = PairSTDP(
        causal=ExponentialWindow(amplitude=1.0, tau=8.0), anticausal=ExponentialWindow(amplitude=ratio, tau=12.0),
        learning_rate=rate, update="every 100 ms",
    )  # fmt: skip
    net = Network(
        name="recurrent", dt=1.0, populations=[Population(name="n", size=3, neuron=GLM(bias=1.0, tau_ref=4.0))],
        projections=[Projection(name="p", pre="n", post="n", weights=np.ones((3, 3)) - np.eye(3),
                                kernel=Rectangular(tau_syn=4.0), plasticity=rule)],
        probes=[Spikes("n")],
    )  # fmt: skip
    with salhw.compile(net, "reference").open(instances=4, seed=3) as session:
        before = session.get("projections.p.weights")
        spikes = session.run(2000.0).spikes["n"]
        learned = (session.get("projections.p.weights") - before) / rate
    post, pre = np.nonzero(1 - np.eye(3))
    shape = (4, 2, 6)
    tau = np.broadcast_to(np.array([8.0, 12.0])[:, None], shape)
    s = Sensors(pre, post, 3, net.dt, np.ones(shape), tau, np.zeros(shape), 1e9, np.zeros(4))
    charge = sensor.accumulate(s, sensor.fresh(s), spikes.instance, spikes.neuron, np.rint(spikes.time / net.dt))
    same_step = np.diff(spikes.time) == 0
    assert same_step.sum() > 100
    assert np.allclose(charge.charge[:, 0] + ratio * charge.charge[:, 1], learned[:, post, pre], rtol=1e-8)


def test_charge_ends_at_the_capacity_and_a_reset_forgets_no_spike() -> None:
    s = sensors(capacity=4.0)
    times = np.repeat(np.arange(200), 2)
    full = sensor.accumulate(s, sensor.fresh(s), np.zeros(400), np.tile([0, 1], 200), 2 * times + np.tile([0, 1], 200))
    assert full.charge[0, 0, 0] == 4.0
    assert full.charge[0, :, 2:].max() == 0.0  # neuron 2 was silent
    empty = sensor.reset(full)
    assert not empty.charge.any()
    later = sensor.accumulate(s, empty, [0], [0], [401])  # one step after neuron 1's latest spike at 399
    assert later.charge[0, 1, 0] == pytest.approx(s.amplitude[0, 1, 0] * math.exp(-2 * s.dt / s.tau[0, 1, 0]))


def test_reads_fall_with_the_charge_are_whole_numbers_of_eight_bits_and_noisy_as_said() -> None:
    s = sensors(chips=400, noise=2.0)
    charge = Charge(sensor.fresh(s).last, np.full(s.shape, 30.0))
    generators = [np.random.default_rng([5, chip]) for chip in range(400)]
    reads = sensor.read(s, charge, sensor.read_noise(s, generators))
    error = (reads - (s.baseline - 30.0)).ravel()
    assert reads.dtype == np.int64
    assert stats.kstest(error + np.random.default_rng(1).uniform(-0.5, 0.5, error.size), _read_error).pvalue > LEVEL
    assert np.array_equal(sensor.read(s, charge), np.rint(s.baseline - 30.0))
    assert not sensor.read(s, Charge(charge.last, charge.charge + 300.0)).any()
    assert sensor.read(s, Charge(charge.last, charge.charge - 300.0)).min() == 255


def _read_error(x: np.ndarray) -> np.ndarray:
    """Distribution of noise of 2 LSB plus rounding, which is uniform over 1 LSB, twice: once undone by the test."""
    grid = np.linspace(-1.0, 1.0, 2001)
    triangle = 1.0 - np.abs(grid)
    return np.array(stats.norm.cdf((x[:, None] - grid) / 2.0) @ triangle / triangle.sum())


def test_a_measured_baseline_is_as_exact_as_asked() -> None:
    s = sensors(chips=50, noise=2.0)
    generators = [np.random.default_rng([6, chip]) for chip in range(50)]
    measured, reads = sensor.measured_baseline(s, generators, error=0.1)
    assert reads == 400
    z = (measured - s.baseline).ravel() / np.sqrt((4.0 + 1.0 / 12.0) / reads)
    assert stats.kstest(z, "norm").pvalue > LEVEL
    exact, once = sensor.measured_baseline(sensors(), [np.random.default_rng(0)])
    assert once == 1
    assert np.array_equal(exact, np.rint(sensors().baseline))


def test_a_batch_does_what_its_chips_do_alone() -> None:
    rng = np.random.default_rng(2)
    instance, neuron = rng.integers(0, 3, 300), rng.integers(0, 3, 300)
    step = rng.integers(0, 500, 300)
    s = sensors(chips=3, capacity=20.0)
    together = sensor.accumulate(s, sensor.fresh(s), instance, neuron, step).charge
    assert together.max() == 20.0
    for chip in range(3):
        one = slice(chip, chip + 1)
        alone = Sensors(PRE, POST, 3, s.dt, s.amplitude[one], s.tau[one], s.baseline[one], 20.0, s.read_noise[one])
        mine = instance == chip
        charge = sensor.accumulate(alone, sensor.fresh(alone), np.zeros(mine.sum()), neuron[mine], step[mine]).charge
        assert np.array_equal(charge[0], together[chip])


def test_chips_have_sensors_of_their_own_and_ideal_ones_are_nominal() -> None:
    target = salhw.target("reference").replace(variability=profile())
    location = (POST.astype(np.int64) << 32) + PRE
    options = {"neurons": 3, "dt": 0.1, "amplitude": 1.5, "tau": 7.0, "baseline": 170.0}
    s = sensor.of_chips(target.sample_chips(3, seed=1), PRE, POST, location, **options)
    assert s.shape == (3, 2, 5)
    assert len(np.unique(s.amplitude)) == len(np.unique(s.tau)) == 30
    assert len(np.unique(s.baseline)) == 18  # a converter channel per column and branch
    assert np.array_equal(s.baseline[:, :, 0], s.baseline[:, :, 2])  # both onto neuron 1
    assert s.read_noise.tolist() == [2.0, 2.0, 2.0]
    chip = target.sample_chips(3, seed=1)[2]
    assert np.array_equal(s.tau[2, 1], chip.vary("anticausal_tau", 7.0, location))
    quiet = sensor.of_chips(target.with_noise(plasticity=False).sample_chips(2), PRE, POST, location, **options)
    for value, nominal in ((quiet.amplitude, 1.5), (quiet.tau, 7.0), (quiet.baseline, 170.0), (quiet.read_noise, 0.0)):
        assert np.unique(value).tolist() == [nominal]
    harsh = target.with_variability({"causal_amplitude": Variability(sd=2.0), "causal_tau": Variability(sd=2.0)})
    wild = sensor.of_chips(harsh.sample_chips(20), PRE, POST, location, **options)
    assert wild.amplitude.min() == 0.0  # no branch turns its sign
    assert wild.tau.min() > 0.0


def test_fifty_periods_of_twenty_chips_take_well_below_a_second() -> None:
    rng, chips, neurons = np.random.default_rng(4), 20, 32
    pre = np.arange(neurons) ^ 1
    shape = (chips, 2, neurons)
    flat = np.ones(shape)
    s = Sensors(pre, np.arange(neurons), neurons, 0.1, 2 * flat, 10 * flat, 180 * flat, 150.0, np.full(chips, 2.0))
    generators = [np.random.default_rng(chip) for chip in range(chips)]
    spikes = rng.random((50, chips, neurons, 6)) * 2000  # 6 in 200 ms
    b, n, _ = (x.ravel() for x in np.indices(spikes.shape[1:]))
    charge = sensor.accumulate(s, sensor.fresh(s), b[:1], n[:1], [0])  # compiled by now
    begin = time.perf_counter()
    for k in range(50):
        charge = sensor.accumulate(s, charge, b, n, 1 + 2000 * k + spikes[k].ravel())
        reads = sensor.read(s, charge, sensor.read_noise(s, generators))
        charge = sensor.reset(charge)
    assert time.perf_counter() - begin < 1.0
    assert reads.shape == shape
