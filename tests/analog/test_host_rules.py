"""Rules that the chip does not have, worked out by its host between runs: to the step from recorded spikes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from analog_examples import CHIP, IDEAL, QUIET, RATE, pairs

import salhw
from salhw import (
    SAL,
    ExponentialWindow,
    Network,
    PairSTDP,
    Population,
    Projection,
    SessionError,
    Source,
    SpikeTimes,
    TriangularWindow,
    UnsupportedNetworkError,
    WakeSleep,
)
from salhw.description.connectivity import AllToAll
from salhw.session.host_plasticity import HostRule
from salhw.session.recording import Recording

WEIGHTS, PLASTICITY = "projections.p.weights", "projections.p.plasticity"
START = np.array([0.8, 0.2, 1.0, -0.4, 0.0, 0.6])


def stdp(pairing: str, window: type[Any] = ExponentialWindow, **options: Any) -> PairSTDP:
    """A rule whose branches differ, for the host."""
    sides = {"causal": window(amplitude=0.7, tau=12.0), "anticausal": window(amplitude=-1.0, tau=20.0)}
    rule = {"learning_rate": 0.01, "update": "run end", "pairing": pairing, "execution": "host"}
    return PairSTDP(**sides, **(rule | options))


def replayed(rule: PairSTDP, recording: Recording) -> Any:
    """What the pairs of recorded spikes of three pairs add up to, at steps of 1 ms, (synapse,)."""
    spikes, every = recording.spikes["n"], np.arange(6)
    host = HostRule(rule, every, every ^ 1, every, (6, 6), 1, 1.0)
    step = np.rint(spikes.time).astype(int)
    for t in np.unique(step):
        who = np.zeros((1, 6), dtype=np.bool_)
        who[0, spikes.neuron[step == t]] = True
        host.advance(int(t), who, who)
    return host.take()[0]


@pytest.mark.parametrize(
    "rule",
    [
        stdp("all"),
        stdp("nearest_symmetric", TriangularWindow),
        stdp("nearest_restricted", TriangularWindow, update="every 200 ms", bounds=(-0.5, 1.1)),
        WakeSleep(0.005, tau_ref=10.0, phase="sleep", update="run end", execution="host"),
    ],
    ids=["all", "triangular", "every", "wake-sleep"],
)
def test_weights_are_what_the_pairs_of_recorded_spikes_make(rule: PairSTDP) -> None:
    """On the ideal chip to rounding; with codes to half of one (a half more where a bound lies between codes)."""
    for target, off in ((IDEAL, 1e-9), (QUIET, 0.02 + 1e-9)):
        with salhw.compile(pairs(START, rule=rule), target).open(seed=4) as session:
            recording = session.run(200.0)
            found = session.get(WEIGHTS)[0]
            assert recording.provenance["runs_on_the_chip"] == 1
        expected = START + 0.01 * replayed(rule, recording) * (rule.learning_rate / 0.01)
        low, high = rule.bounds or (-9.0, 9.0)
        assert np.abs(found - np.clip(expected, low, high)).max() <= (off if rule.bounds is None else off + 0.02)
        assert np.abs(found - START).max() > 0.03
        assert (len(recording.spikes["n"])) > 30


def forced(*rules: PairSTDP, weight: float = 0.0) -> Network:
    """A source that spikes 3 ms before another, every 40 ms."""
    times = 10.0 + 40.0 * np.arange(50)
    return Network(
        name="forced", dt=1.0, populations=[Population("x", 1, Source()), Population("y", 1, Source())],
        projections=[Projection("p", "x", "y", AllToAll(weight=weight), plasticity=rules)],
        stimuli=[SpikeTimes("x", [times]), SpikeTimes("y", [times + 3.0])],
    )  # fmt: skip


def test_the_host_keeps_what_is_finer_than_a_code_until_somebody_writes() -> None:
    """Each update is an eighth of a code: after eight of them the weight is a code up, not eight times nothing."""
    window = TriangularWindow(amplitude=1.0, tau=10.0)
    nothing = window.replace(amplitude=0.0)
    per_pair = 0.04 / 8 / float(window.shape(np.array(3.0)))
    rule = PairSTDP(causal=window, anticausal=nothing, pairing="all", learning_rate=per_pair,
                    update="every 120 ms", execution="host")  # fmt: skip
    with salhw.compile(forced(rule), QUIET).open(instances=2) as session:
        held = []
        for _ in range(6):  # three pairs each: 3/8, 6/8 .. codes
            session.run(120.0)
            held.append(round(session.get(WEIGHTS)[1, 0, 0] / 0.04))
        assert held == [0, 1, 1, 2, 2, 2]  # 18/8 at the end, of which 2/8 are kept
        session.set(WEIGHTS, 0.4)
        session.run(120.0)
        assert session.get(WEIGHTS)[0, 0, 0] == pytest.approx(0.4)
        session.run(120.0)
        assert session.get(WEIGHTS)[0, 0, 0] == pytest.approx(0.44)  # 6/8: the 2/8 are forgotten


def test_processor_and_host_learn_side_by_side() -> None:
    """On one projection the sum of both, each alone on the same spikes, to a code: bounds of either hold."""
    chip = SAL(0.02, update="every 200 ms", bounds=(-5.0, 5.0))
    host = stdp("all", TriangularWindow, learning_rate=0.012, update="every 400 ms", bounds=(-4.0, 4.0))
    change = []
    for rules in ((chip,), (host,), (host, chip)):
        with salhw.compile(forced(*rules), QUIET).open() as session:
            session.run(800.0)
            change.append(session.get(WEIGHTS)[0, 0, 0])
    assert change[2] == pytest.approx(change[0] + change[1], abs=0.04 + 1e-9)
    assert min(abs(change[0]), abs(change[1])) > 0.1


def test_learning_rates_and_amplitudes_of_the_host_act_per_instance() -> None:
    rule = stdp("nearest_symmetric", update="run end")
    with salhw.compile(forced(rule), IDEAL).open(instances=3) as session:
        session.set(f"{PLASTICITY}.learning_rate", np.array([0.0, 0.01, 0.02]).reshape(3, 1, 1))
        session.run(400.0)
        first = session.get(WEIGHTS).ravel()
        session.set(f"{PLASTICITY}.learning_rate", 0.01)
        session.set(f"{PLASTICITY}.causal.amplitude", np.array([0.0, 0.7, 1.4]).reshape(3, 1, 1))
        session.set(f"{PLASTICITY}.anticausal.amplitude", 0.0)
        session.run(400.0)
        second = session.get(WEIGHTS).ravel() - first
    assert first == pytest.approx(first[1] * np.arange(3), abs=1e-12)
    assert second == pytest.approx(second[1] * np.arange(3), abs=1e-12)
    assert second[1] == pytest.approx(0.01 * 0.7 * 10 * np.exp(-3.0 / 12.0))


def test_each_piece_is_a_run_of_the_chip_with_thresholds_of_its_own() -> None:
    """Where thresholds are noisy from run to run, updates of a rule that changes nothing change the spikes, after the
    first of them."""
    still = stdp("all", learning_rate=0.0, update="every 100 ms")
    spikes = []
    for rule in (None, still):
        with salhw.compile(pairs(START, rule=rule), CHIP).open(seed=3) as session:
            recording = session.run(600.0)
        spikes.append([recording.spikes["n"].time[recording.spikes["n"].time < end] for end in (100.0, 600.0)])
    assert recording.provenance["runs_on_the_chip"] == 6
    assert np.array_equal(spikes[0][0], spikes[1][0])
    assert not np.array_equal(spikes[0][1], spikes[1][1])


def test_weights_that_are_rounded_stay_within_the_bounds_of_predictive_rules() -> None:
    """1.238 is nearest to a code of 1.24, beyond the bound at which it starts."""
    rule = salhw.PredictiveRule(
        "spiking", "said", learning_rate=0.01, bounds=(-1.5, 1.238), update="every 100 ms", execution="host"
    )
    net = salhw.Network(
        name="n", dt=1.0,
        populations=[salhw.Population(name="a", size=2, neuron=salhw.GLM(inputs={"basal": 0.5}))],
        projections=[salhw.Projection(
            name="p", pre="a", post="a", weights=[[0.0, 1.238], [-0.3, 0.0]], plasticity=rule, into="basal",
        )],
        traces=[
            salhw.Trace(name="spiking", population="a", of="spikes", window=salhw.Boxcar(100.0)),
            salhw.Trace(name="said", population="a", of="inputs.basal", window=salhw.Boxcar(100.0)),
        ],
    )  # fmt: skip
    for described in (
        net,
        net.replace(populations=[net.populations[0].replace(neuron=salhw.GLM(inputs={"basal": 1.0}))]),
    ):
        weights = salhw.compile(described, CHIP).network.projection("p").weights.values
        assert weights.max() <= 1.238
        assert np.abs(weights - net.projection("p").weights.stored).max() <= 0.04


def test_what_the_host_cannot_do_is_refused(tmp_path: Any) -> None:
    """A host sees spikes when a run is over; a projection has one rule of the processor; exports are without a host."""

    def refused(*rules: PairSTDP) -> list[tuple[str, str]]:
        return [(f.code, f.path) for f in salhw.problems(forced(*rules), CHIP)]

    sal = SAL(RATE, update="every 200 ms")
    assert refused(stdp("all", update="spike")) == [("SAL101", f"{PLASTICITY}.update")]
    assert refused(stdp("all", update="every 40 ms")) == [("SAL104", f"{PLASTICITY}.update")]
    assert refused(stdp("all", execution="chip"))[0] == ("SAL103", f"{PLASTICITY}.pairing")
    assert refused(sal, sal) == [("SAL107", f"{PLASTICITY}[1]")]
    assert refused(sal, sal.replace(execution="host")) == []
    assert refused(SAL(RATE, update="run end", execution="host")) == []
    executable = salhw.compile(pairs([0.5, 0.4], rule=stdp("all")), CHIP)
    assert "SAL322" in {f.code for f in executable.report.approximations}
    with pytest.raises(
        UnsupportedNetworkError, match=r"SAL101 projections\.p\.plasticity = a rule that the host works"
    ):
        executable.plugin.export(executable, tmp_path, duration=200.0, seed=1)  # type: ignore[attr-defined]
    with executable.open() as session, pytest.raises(SessionError, match="SAL403"):
        session.set(WEIGHTS, 2.6)
