"""Reference phases in replay: the oracle works them out where nothing is random, and wrong hosts depart."""

from __future__ import annotations

from dataclasses import replace

import mutants_replay
import numpy as np
import pytest
from mutant_sessions import Recorded
from mutants_hosts import MUTANTS, PHASE

import salhw
from salhw import Network, Recording, UnsupportedNetworkError
from salhw.conformance import replay
from salhw.conformance.replay.phased import PHASED, has_phase, is_phased, repeatable, takes_phases
from salhw.conformance.replay.surveying import runnable
from salhw.conformance.runner import laboratory
from salhw.description.plasticity.rule import reference_of
from salhw.session.recording import TimeSeries


def net(neuron: salhw.LIF | salhw.GLM, every: float | None = 45.0) -> Network:
    """Three neurons that spike at their own paces, a lopsided rule of periods of 20 ms, and a phase of 30 ms, made 40,
    before the steps 0 and 60 of the session."""
    rule = salhw.SAL(0.05, update="every 20 ms", reference=salhw.ReferencePhase(30.0, every=every), bounds=(-2.0, 2.0))
    return Network(
        name="phased", dt=1.0, populations=[salhw.Population("n", 3, neuron)],
        projections=[salhw.Projection("p", "n", "n", 0.2 * (1.0 - np.eye(3)), salhw.Exponential(5.0),
                                      plasticity=rule.replace(causal=rule.causal.replace(amplitude=-0.6)))],
        stimuli=[salhw.NoisyCurrent("n", sd=0.3, every=5.0)],
        probes=[salhw.Spikes("n"), salhw.Membrane("n"), salhw.Weights("p", every=20.0), salhw.StateOccupancy("n")],
    )  # fmt: skip


LIF = salhw.LIF(bias=[1.6, 1.9, 2.3], tau_m=8.0, tau_ref=3.0)
RATE = replay.Write("projections.p.plasticity.learning_rate", np.array(0.08))
SCHEDULE = replay.Schedule((replay.Part((), 47), replay.Part((RATE,), 60)), ids=(0, 3), seed=2)
STILL = net(LIF).replace(projections=[net(LIF).projections[0].replace(plasticity=[])])
UNWRITTEN = replace(SCHEDULE, parts=tuple(replay.Part((), part.steps) for part in SCHEDULE.parts))


def test_what_a_phase_leaves_and_subtracts_is_worked_out() -> None:
    """Weights, membranes and states after it, on the reference, where the bound is not reached and where it is."""
    assert replay.replay(salhw.compile(net(LIF), "reference"), SCHEDULE) == []
    assert replay.replay(salhw.compile(net(LIF, every=None), "reference"), SCHEDULE) == []


@pytest.mark.parametrize("bug", [name for name, (*_, checks) in MUTANTS.items() if checks == PHASE])
def test_wrong_hosts_depart(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, wrong, _ = MUTANTS[bug]
    monkeypatch.setattr(where, name, wrong(getattr(where, name)))
    found = replay.replay(salhw.compile(net(LIF), "reference"), SCHEDULE)
    assert {d.kind for d in found} & {"weights", "held"}


def test_a_phase_of_random_neurons_is_refused_with_what_can_be_done() -> None:
    with pytest.raises(UnsupportedNetworkError, match=r"(?s)SAL703 populations\.n .*leave the reference out"):
        replay.replay(salhw.compile(net(salhw.GLM()), "reference"), SCHEDULE)


def test_random_networks_of_some_seeds_have_a_phase() -> None:
    target = salhw.target("reference")
    assert takes_phases(target)
    assert repeatable(target)
    assert not takes_phases(salhw.target("brainscales2"))  # which declares nothing of membranes
    for seed in (3, PHASED, 1000 + PHASED):
        drawn = replay.random_network(target, seed)
        assert is_phased(drawn) == has_phase(seed) == (seed != 3)


def test_phases_come_once_where_psps_under_way_keep_their_weight() -> None:
    """Then nothing is under way when they begin. Of seed 990 NEST does not take the rule of the first such network."""
    lab = laboratory("nest")
    assert takes_phases(lab.target)
    drawn = [runnable(lab, seed).source for seed in (PHASED, 1000 + PHASED)]
    phases = [reference_of(rule) for net in drawn for p in net.projections for rule in p.plasticity]
    assert {phase.every for phase in phases if phase} == {None}


def test_spikes_that_nobody_records_are_asked_for() -> None:
    unseen = net(LIF).replace(probes=[salhw.Membrane("n")])
    with pytest.raises(UnsupportedNetworkError, match=r"(?s)SAL703 populations\.n .*Spikes\('n'\)"):
        replay.replay(salhw.compile(unseen, "reference"), SCHEDULE)


class NoSamples(Recorded):
    """A session whose recordings have no samples of weights."""

    def changed(self, recording: Recording) -> Recording:
        none = {n: TimeSeries(t.time[:0], t.values[:, :0]) for n, t in recording.weight_traces.items()}
        return replace(recording, weight_traces=none)


class Faster(Recorded):
    """A session that tells the time of a chip which is a thousand times faster."""

    def changed(self, recording: Recording) -> Recording:
        spikes = {
            name: replace(s, start=s.start / 1e3, stop=s.stop / 1e3, time=s.time / 1e3)
            for name, s in recording.spikes.items()
        }
        return replace(recording, start=recording.start / 1e3, duration=recording.duration / 1e3, spikes=spikes)


@pytest.mark.parametrize(("session", "kind"), [(NoSamples, "weights times"), (Faster, "counts times")])
def test_recordings_without_samples_or_of_other_times_depart(session: type, kind: str) -> None:
    wrong = salhw.compile(STILL, "reference", plugin=mutants_replay.Wrong(session=session))
    assert {d.kind for d in replay.replay(wrong, UNWRITTEN)} == {kind}


def test_what_chips_make_of_weights_is_not_held_against_the_description() -> None:
    """A fixed pattern of 1e-6 is what the target declares."""
    target = salhw.target("reference").with_variability({"weight": 1e-6})
    assert replay.replay(salhw.compile(STILL, target), UNWRITTEN, on_chips=True) == []
