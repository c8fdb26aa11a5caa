"""Hybrid plasticity: what sensors and processor make of the spikes that the session records."""

from __future__ import annotations

import numpy as np
import pytest
from analog_examples import CHIP, IDEAL, QUIET, RATE, pairs

import salhw
from salhw import SAL, Network, Population, Projection, SessionError, Source, SpikeTimes, Weights
from salhw.description.connectivity import AllToAll
from salhw.session.host_plasticity import HostRule
from salhw_brainscales2.hardware import program, sensor
from salhw_brainscales2.plasticity import BASELINE, nominal_program
from salhw_brainscales2.sources import entropy

WEIGHTS = "projections.p.weights"
START = np.array([0.8, 0.2, 1.0, -0.4, 0.0, 0.6])


def test_the_weights_are_what_sensors_and_processor_make_of_the_recorded_spikes() -> None:
    """Replayed bit for bit: on a grid as fine as NEST's, recordings hold all that the sensors see. Two instances
    with different ids, runs that do not end with an update, weights that are written between."""
    net = pairs(START, dt=0.2)
    executable = salhw.compile(net, QUIET)
    with executable.open(instances=[4, 1], seed=6) as session:
        runs = [session.run(500.0), session.run(300.0)]
        after = session.get(WEIGHTS)
        session.set(WEIGHTS, START)
        runs.append(session.run(200.0))
        last = session.get(WEIGHTS)
    place, chips, post = executable.placement, QUIET.sample_chips(1) * 2, np.arange(6)
    sensors = sensor.of_chips(chips, post ^ 1, post, place.synapses(net, "p"), neurons=6, dt=0.2)
    compiled = nominal_program(net, executable.target, place, "p", entropy(6, [4, 1]))
    assert compiled.baseline.max() == BASELINE * program.LSB
    state, charge = program.initial_state(compiled, START / 0.04), sensor.fresh(sensors)
    spikes = [np.concatenate([getattr(r.spikes["n"], k) for r in runs]) for k in ("instance", "neuron", "time")]
    for period in range(5):
        now = (spikes[2] >= 200.0 * period - 1e-6) & (spikes[2] < 200.0 * (period + 1) - 1e-6)
        charge = sensor.accumulate(sensors, charge, spikes[0][now], spikes[1][now], spikes[2][now] / 0.2)
        if period == 4:
            held = program.initial_state(compiled, START / 0.04)
            state = program.PlasticityState(held.code, held.residual, state.generators)
        state = program.run(compiled, sensor.read(sensors, charge), state)
        charge = sensor.reset(charge)
        if period == 3:
            assert np.array_equal(after, 0.04 * state.code)
            assert (np.abs(after - START) > 0.03).any()
    assert np.array_equal(last, 0.04 * state.code)


def test_the_ideal_chip_learns_by_the_rule_itself() -> None:
    """Without converters and fixed point the sum over nearest pairs, to rounding."""
    rule = SAL(RATE, update="every 100 ms", bounds=(-1.0, 1.0))
    net = pairs(START, dt=0.2, rule=rule)
    with salhw.compile(net, IDEAL).open(seed=6) as session:
        spikes, found = session.run(100.0).spikes["n"], session.get(WEIGHTS)[0]
    host = HostRule(rule, np.arange(6), np.arange(6) ^ 1, np.arange(6), (6, 6), 1, 0.2)
    step = np.rint(spikes.time / 0.2).astype(int)
    for t in np.unique(step):
        who = np.zeros((1, 6), dtype=np.bool_)
        who[0, spikes.neuron[step == t]] = True
        host.advance(int(t), who, who)
    assert np.allclose(found, np.clip(START + RATE * host.take()[0], -1.0, 1.0), rtol=0, atol=1e-12)
    assert len(spikes) > 20


def learning(rule: salhw.PairSTDP, target: salhw.Target, probe: bool = True) -> Network:
    """A source that spikes 2 ms before another: five causal pairs in the first 100 ms, none later."""
    times = 10.0 + 15.0 * np.arange(5)
    return Network(
        name="forced", dt=1.0,
        populations=[Population(name="x", size=1, neuron=Source()), Population(name="y", size=1, neuron=Source())],
        projections=[Projection(name="p", pre="x", post="y", weights=AllToAll(weight=0.0), plasticity=rule)],
        stimuli=[SpikeTimes("x", [times]), SpikeTimes("y", [times + 2.0])],
        probes=[Weights("p", every=50.0)] if probe else [],
    )  # fmt: skip


@pytest.mark.parametrize("make", [salhw.SAL, salhw.Hebbian, salhw.AntiHebbian])
def test_weights_change_at_the_whole_periods_by_the_described_sign(make: type) -> None:
    """Five pairs of exp(-.2) - and four anti-causal ones of exp(-1.3) - times 2 LSB, read to 1 LSB each."""
    rule = make(0.04, update="every 100 ms", pairing="nearest_restricted")
    with salhw.compile(learning(rule, QUIET), QUIET).open() as session:
        recording = session.run(260.0)
        told = recording.provenance
    trace = recording.weight_traces["p"]
    assert trace.time.tolist() == [0.0, 50.0, 100.0, 150.0, 200.0, 250.0]
    values = trace.values[0].ravel()
    expected = 0.04 * float(np.asarray(rule.causal.amplitude)) * (5 * np.exp(-0.2) - 4 * np.exp(-1.3))
    assert values[1] == 0.0
    assert np.ptp(values[2:]) == 0.0
    assert values[2] == pytest.approx(expected, abs=0.04 * 2 * 0.5 / 2 + 0.02)
    assert (told["updates"], told["hardware_time_ms"]) == (2, pytest.approx(0.26))


def test_learning_rates_act_per_instance_and_beyond_the_processor_are_refused() -> None:
    path = "projections.p.plasticity.learning_rate"
    rule = SAL(0.04, update="every 100 ms")
    with salhw.compile(learning(rule, QUIET, probe=False), QUIET).open(instances=3) as session:
        session.set(path, np.array([0.0, 0.02, 0.04]).reshape(3, 1, 1))
        with pytest.raises(SessionError, match="SAL403"):
            session.set(path, 0.2)
        assert session.get(path).ravel().tolist() == [0.0, 0.02, 0.04]
        session.run(100.0)
        changed = session.get(WEIGHTS).ravel()
    assert changed[0] == 0.0
    assert changed[2] < changed[1] < 0.0
    assert changed[2] == pytest.approx(2 * changed[1], abs=0.04)


@pytest.mark.parametrize("target", [QUIET, IDEAL], ids=["bits", "ideal"])
def test_amplitudes_act_per_instance_and_branch(target: salhw.Target) -> None:
    """What the five causal and the four anti-causal pairs change is amplitude times learning rate of each; the
    processor's factors hold the product."""
    paths = [f"projections.p.plasticity.{branch}.amplitude" for branch in ("causal", "anticausal")]
    rule = SAL(0.04, update="every 100 ms")
    pair_sums = np.array([5 * np.exp(-0.2), 4 * np.exp(-1.3)])
    sides = np.array([[-1.8, 1.0], [1.5, 0.0], [0.0, 0.5]])
    with salhw.compile(learning(rule, target, probe=False), target).open(instances=3) as session:
        for path, side in zip(paths, sides.T, strict=True):
            session.set(path, side.reshape(3, 1, 1))
            assert session.get(path).ravel().tolist() == side.tolist()
        if target is QUIET:
            with pytest.raises(SessionError, match=r"SAL403 projections\.p\.plasticity\.causal\.amplitude"):
                session.set(paths[0], 2.5)
            with pytest.raises(SessionError, match="SAL403"):
                session.set("projections.p.plasticity.learning_rate", 0.079)
            assert session.get(paths[0]).ravel().tolist() == sides[:, 0].tolist()
        session.run(100.0)
        changed = session.get(WEIGHTS).ravel()
    resolution = (
        0.5 * 0.04 + 0.04 * np.abs(sides).sum(axis=1) * 0.25 if target is QUIET else 1e-9
    )  # a code, an LSB each
    assert np.all(np.abs(changed - 0.04 * sides @ pair_sums) <= resolution)


def test_chips_learn_by_their_own_sensors() -> None:
    """What a chip's sensors make of the same spikes is frozen: again in another session, on another chip otherwise."""
    rule = SAL(0.078, update="every 100 ms")
    target = CHIP.with_noise(trial=False, mismatch=False).with_variability(
        {"read_noise": 0.0, "causal_amplitude": 0.5, "anticausal_amplitude": 0.5}
    )
    chips = target.sample_chips(8, seed=2)

    def run(k: list[int]) -> list[float]:
        with salhw.compile(learning(rule, target, probe=False), target).open(chips=[chips[i] for i in k]) as session:
            session.run(100.0)
            return session.get(WEIGHTS).ravel().tolist()

    whole = run([*range(8)])
    assert whole == run([*range(8)])
    assert whole[3] == run([3])[0]
    assert len(set(whole)) >= 4
