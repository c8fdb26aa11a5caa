"""What a Membrane probe shows: the description's potential, whatever NEST does to it, against a sum over the spikes."""

from __future__ import annotations

import numpy as np
import pytest

import salhw
from salhw import GLM, LIF, Exponential, Network, Population, Projection, Rectangular, Source
from salhw.description.fields import FloatArray

STEPS = 48


def everything(seed: int) -> Network:
    """Sources, GLM and LIF neurons on each other; currents, clamps and forced spikes on both kinds."""
    random = np.random.default_rng(seed)
    dt = float(random.choice([1.0, 0.5, 0.1, 2.0]))
    discretisation = ("logistic", "exact")[seed % 2]
    glm = GLM(bias=random.uniform(-2.0, 2.0, 3), tau_ref=dt * 3, discretisation=discretisation)
    lif = LIF(
        bias=random.uniform(0.5, 2.0, 2), tau_m=dt * float(random.uniform(2.0, 20.0)), tau_ref=dt * (1 + seed % 4),
        v_thresh=1.0, v_reset=0.2, v_rest=-0.1,
    )  # fmt: skip
    kernels = [Rectangular(tau_syn=dt * 5), Exponential(tau_syn=dt * float(random.uniform(0.5, 8.0)))]
    onto = {"g": kernels[seed % 2], "l": kernels[seed // 2 % 2]}
    sizes = {"x": 2, "g": 3, "l": 2}

    def projection(pre: str, post: str, delay: int) -> Projection:
        weights = random.normal(0.0, 1.0, (sizes[post], sizes[pre]))
        if pre == post:
            np.fill_diagonal(weights, 0.0)
        late = random.integers(delay, 4, weights.shape) if seed % 2 else delay
        return Projection(pre + post, pre, post, weights, kernel=onto[post], delay=dt * late)

    def forced(name: str, tau_ref: float) -> salhw.SpikeTimes:
        return salhw.SpikeTimes(
            name, [tau_ref * np.sort(random.choice(12, 2, replace=False)) for _ in range(sizes[name])]
        )

    return Network(
        name="everything",
        dt=dt,
        populations=[Population("x", 2, Source()), Population("g", 3, glm), Population("l", 2, lif)],
        projections=[
            projection("x", "g", 2), projection("g", "g", 0), projection("l", "g", 1), projection("x", "l", 1),
            projection("g", "l", 2),
        ],
        stimuli=[
            salhw.Poisson("x", 200.0 / dt), salhw.Current("g", 0.8, start=7 * dt, stop=20 * dt),
            salhw.Current("l", 0.5, start=9 * dt, stop=25 * dt),
            salhw.Clamp("g", seed % 2, neurons=[0], start=15 * dt, stop=30 * dt),
            forced("g", glm.tau_ref), forced("l", lif.tau_ref),
        ],
        probes=[
            salhw.Membrane("g", every=dt * (1, 3)[seed % 3 == 0]),
            salhw.Membrane("l", every=dt * (1, 3)[seed % 3 == 1]),
            *map(salhw.Spikes, "xgl"),
        ],
    )  # fmt: skip


def inputs(net: Network, name: str, spikes: dict[str, FloatArray]) -> FloatArray:
    """bias + currents + sum of W kernel, (step, neuron): docs/semantics.md."""
    population = net.population(name)
    total = np.tile(np.broadcast_to(population.neuron.bias, (population.size,)), (STEPS, 1))  # type: ignore[union-attr]
    for s in net.stimuli:
        if isinstance(s, salhw.Current) and s.population == name and s.stop is not None:
            total[round(s.start / net.dt) : round(s.stop / net.dt)] += s.amplitude
    for p in net.projections:
        if p.post == name:
            shape = p.kernel.sample(net.dt, STEPS)
            late = np.broadcast_to(np.rint(np.asarray(p.delay) / net.dt).astype(int), p.weights.values.shape)
            for (i, j), after in np.ndenumerate(late):
                psp = np.convolve(spikes[p.pre][:, j], shape)[: STEPS - after - 1]
                total[after + 1 :, i] += p.weights.values[i, j] * psp
    return total


def integrated(net: Network, spikes: FloatArray, driven: FloatArray) -> FloatArray:
    """The potential of LIF neurons before each decision: it decays towards the input, and is held while refractory."""
    neuron = net.population("l").neuron
    assert isinstance(neuron, LIF)
    v, free = np.full(2, neuron.v_rest), np.zeros(2)
    decay, found = np.exp(-net.dt / neuron.tau_m), np.zeros((STEPS, 2))
    for t in range(STEPS):
        there = neuron.v_rest + (v - neuron.v_rest) * decay + driven[t] * (1.0 - decay)
        found[t] = v = np.where(t >= free, there, v)
        v = np.where(spikes[t] > 0, neuron.v_reset, v)
        free = np.where(spikes[t] > 0, t + round(neuron.tau_ref / net.dt), free)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_membranes_are_the_descriptions(seed: int) -> None:
    """To rounding, at every sample of runs of 1, 2, 5 and 40 steps: PSPs, currents, clamps, forced spikes, refractory
    steps, the potential that crossed the threshold; nothing of what forces or of the noise of logistic neurons."""
    net = everything(seed)
    with salhw.compile(net, "nest").open(instances=2, seed=seed) as session:
        runs = [session.run(n * net.dt) for n in (1, 2, 5, 40)]
    for instance in range(2):
        spikes = {p.name: np.zeros((STEPS, p.size)) for p in net.populations}
        for run in runs:
            for name, train in run.spikes.items():
                mine = train.instance == instance
                spikes[name][np.rint(train.time[mine] / net.dt).astype(int), train.neuron[mine]] += 1.0
        assert all(s.max() == 1.0 for s in spikes.values())
        right = {"g": inputs(net, "g", spikes), "l": integrated(net, spikes["l"], inputs(net, "l", spikes))}
        for run in runs:
            for name, expected in right.items():
                trace = run.membrane_traces[name]
                steps = np.rint(trace.time / net.dt).astype(int)
                np.testing.assert_allclose(trace.values[instance], expected[steps], atol=1e-9)


@pytest.mark.parametrize("input_", [-2000.0, -300.0, 300.0, 2000.0])
@pytest.mark.parametrize("discretisation", ["exact", "logistic"])
def test_clamps_and_forced_spikes_hold_under_any_input(input_: float, discretisation: str) -> None:
    """Ten sources hold the input for 60 steps. A clamp to 1 spikes every tau_ref, one to 0 never; a forced spike
    happens under inhibition, and in the clamp to 0; the membrane shows the input."""
    weight = input_ / 10.0
    forced = [[], [20.0], [20.0]] if input_ < 0 else [[]] * 3
    glm = GLM(bias=0.0, tau_ref=4.0, discretisation=discretisation)
    net = Network(
        name="held",
        dt=1.0,
        populations=[Population("x", 10, Source()), Population("g", 3, glm)],
        projections=[Projection("p", "x", "g", salhw.AllToAll(weight), kernel=Rectangular(tau_syn=60.0))],
        stimuli=[
            salhw.SpikeTimes("x", [[1.0]] * 10), salhw.SpikeTimes("g", forced),
            salhw.Clamp("g", [1, 0], neurons=[0, 1], start=8.0, stop=56.0),
        ],
        probes=[salhw.Spikes("g"), salhw.Membrane("g")],
    )  # fmt: skip
    with salhw.compile(net, "nest").open(seed=1) as session:
        recording = session.run(56.0)
    spikes = [train[train >= 8.0] for train in (recording.spikes["g"].times(k) for k in range(3))]
    assert (np.diff(spikes[0]) == 4.0).all()
    assert len(spikes[0]) == 12
    assert spikes[1].tolist() == ([20.0] if input_ < 0 else [])
    assert (20.0 in spikes[2]) or input_ > 0
    np.testing.assert_allclose(recording.membrane_traces["g"].values[0, 2:], input_, atol=1e-8)


@pytest.mark.parametrize("changes", ["nothing", "a current", "a written bias"])
def test_neurons_with_conductances_may_begin_above_their_threshold(changes: str) -> None:
    """They fall from v_rest, and spike if they are above it at the end of the first step, as on the reference: some
    fall beneath it within the step, where NEST's own equation would have kept them above."""
    beneath, kept = np.array([-3.0, -0.7, -0.4, -0.32, -0.2, 0.5, 0.1]), 0.0 if changes == "a written bias" else 1.0
    lif = LIF(bias=kept * beneath, tau_m=0.5, tau_ref=0.3, v_rest=0.7, v_reset=-0.1, v_thresh=[*[0.6] * 6, 0.75])
    net = Network(
        name="above",
        dt=0.1,
        populations=[Population("x", 1, Source()), Population("a", 7, lif)],
        projections=[Projection("p", "x", "a", salhw.AllToAll(0.1), kernel=Exponential(50.0), delay=0.1, e_rev=2.0)],
        stimuli=[salhw.SpikeTimes("x", [[0.3]]), salhw.Current("a", -0.2 * (changes == "a current"), stop=0.4)],
        probes=[salhw.Spikes("a"), salhw.Membrane("a")],
    )  # fmt: skip
    found = {}
    for target in ("reference", "nest"):
        with salhw.compile(net, target).open(instances=2, seed=0) as session:
            if changes == "a written bias":
                session.set("populations.a.bias", beneath)
            found[target] = [session.run(0.1), session.run(1.0)]
    for right, run in zip(*found.values(), strict=True):
        np.testing.assert_array_equal(run.counts["a"], right.counts["a"])
        np.testing.assert_allclose(run.membrane_traces["a"].values, right.membrane_traces["a"].values, atol=1e-5)
    end = lif.v_rest + beneath - 0.2 * (changes == "a current")
    at_first = end + (lif.v_rest - end) * np.exp(-net.dt / lif.tau_m)
    np.testing.assert_allclose(found["nest"][0].membrane_traces["a"].values[0, 0], at_first, atol=1e-7)
