"""Replay: the generator, the oracle against sums by hand, the tests of spikes, and wrong backends that it catches."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import mutants_replay
import mutation_table
import numpy as np
import pytest
from mutant_sessions import Wrapped
from one_algorithm import target as reference
from wrong_backends import WrongBackend, each_neuron

import salhw
import salhw_reference
from salhw import PairSTDP, Recording
from salhw.conformance import replay, run
from salhw.conformance.circuits import pairing_sum
from salhw.conformance.lab import Lab
from salhw.conformance.replay import chance, trains
from salhw.conformance.replay.cells import CELLS, FREE
from salhw.conformance.replay.covering import declared, exercised_by
from salhw.conformance.replay.departing import DECIDERS
from salhw.conformance.replay.dice import Dice
from salhw.conformance.replay.phased import PHASED
from salhw.conformance.replay.surveying import CANDIDATES, MORE, NETWORKS, examined
from salhw.diagnostics import BackendError, Diagnostic
from salhw.substrate.capabilities import Range

sys.path.insert(0, str(Path(__file__).parents[1] / "plugin_example" / "src"))

import salhw_plain

# ---------------------------------------------------------------- the generator


def test_draws_are_the_same_everywhere() -> None:
    dice = Dice("salhw")
    assert [dice.whole(0, 9) for _ in range(8)] == [dice_of_python(k) for k in range(8)]
    net, again, other = (replay.random_network(salhw.target("reference"), seed) for seed in (3, 3, 4))
    assert net == again != other
    schedule = replay.random_schedule(net, salhw.target("reference"), 3)
    assert [part.steps for part in schedule.parts] == [
        part.steps for part in replay.random_schedule(again, salhw.target("reference"), 3).parts
    ]


def dice_of_python(k: int) -> int:
    from random import Random

    random = Random("salhw")
    return int([10 * random.random() for _ in range(k + 1)][k])


@pytest.mark.parametrize("base", [0, 1000])
def test_a_quick_profile_exercises_all_that_the_reference_declares(base: int) -> None:
    """With the networks that it draws on for what the first have not, as a survey does."""
    target = salhw.target("reference")
    left, more = {name for name in declared(target) if not name.startswith("write ")}, MORE
    for seed in (*range(base, base + NETWORKS), base + PHASED):
        left -= set(exercised_by(replay.random_network(target, seed), target))
    for seed in range(base + NETWORKS, base + NETWORKS + CANDIDATES if left else 0):
        exercised = set(exercised_by(replay.random_network(target, seed), target)) if left and more else set()
        more -= bool(left & exercised)
        left -= exercised
    assert not left


def test_what_has_one_value_alone_is_no_thing_to_exercise() -> None:
    target = salhw.target("reference")
    fixed = target.replace(kernels={"Rectangular": {"tau_syn": Range(min=10.0, max=10.0)}})
    assert "kernels.Rectangular.tau_syn" in set(declared(target)) - set(declared(fixed))


def test_random_networks_are_of_many_sizes_steps_and_parts() -> None:
    target = salhw.target("reference")
    nets = [replay.random_network(target, seed) for seed in range(24)]
    sizes = {p.size for net in nets for p in net.populations}
    assert min(sizes) == 1
    assert max(sizes) > 15
    assert len({net.dt for net in nets}) == 8
    parallel = [len({(q.pre, q.post) for q in net.projections}) < len(net.projections) for net in nets]
    assert sum(parallel) > 6
    assert max(len(q.plasticity) for net in nets for q in net.projections) == 3
    assert all(
        {p.population for p in net.probes if p.kind == "Spikes"} == {p.name for p in net.populations} for net in nets
    )


# ---------------------------------------------------------------- the oracle


@pytest.mark.parametrize("pairing", ["all", "nearest_symmetric", "nearest_restricted"])
def test_pairs_are_those_of_the_definition(pairing: str) -> None:
    """Against the sum over all pairs of spikes, taken word for word from the definition."""
    rule = PairSTDP(
        causal=salhw.ExponentialWindow(amplitude=-1.3, tau=4.0),
        anticausal=salhw.TriangularWindow(amplitude=0.7, tau=9.0),
        pairing=pairing,
        learning_rate=1.0,
    )
    rng = np.random.default_rng(5)
    pre, post = rng.random((2, 6, 40, 1)) < 0.3
    one = np.zeros(1, dtype=np.int64)
    causal, anticausal = trains.pair_sums(rule, trains.End(pre, one), trains.End(post, one), 0.5)
    for b in range(6):
        by_hand = pairing_sum(
            np.flatnonzero(pre[b, :, 0]), np.flatnonzero(post[b, :, 0]), rule.causal, rule.anticausal, pairing, 0.5
        )
        assert np.isclose(-1.3 * causal[b].sum() + 0.7 * anticausal[b].sum(), by_hand, rtol=0, atol=1e-12)


def test_psps_begin_and_end_where_they_should() -> None:
    """A spike at step 2 with a delay of 3 acts from step 6; a rectangular PSP of 4 steps until 9; of two spikes the
    latest replaces the one before."""
    spikes = np.zeros((1, 20, 1), dtype=bool)
    spikes[0, [2, 4], 0] = True
    kernel = salhw.Rectangular(tau_syn=2.0, area=3.0)
    course = trains.psps(kernel, spikes, 3, 0.5)[0, :, 0]
    assert course.tolist() == [0.0] * 6 + [1.5] * 2 + [3.0] * 2 + [1.5] * 2 + [0.0] * 8
    last = trains.psps(kernel.replace(superposition="last"), spikes, 3, 0.5)[0, :, 0]
    assert last.tolist() == [0.0] * 6 + [1.5] * 6 + [0.0] * 8
    fading = trains.psps(salhw.Exponential(tau_syn=2.0), spikes, 0, 0.5)[0, :, 0]
    assert np.allclose(fading[3:5], np.exp([-0.25, -0.5]))
    assert np.isclose(fading[5], np.exp(-0.75) + np.exp(-0.25))


@pytest.mark.parametrize("algorithm", ["event-driven", "time-driven", "vectorised"])
def test_the_reference_does_what_its_spikes_imply(algorithm: str) -> None:
    lab = Lab(salhw_reference.backend, reference(algorithm), "quick", 1)
    found = replay.survey(lab, networks=1)
    assert [case.flaw for case in found.cases if case.flaw] == []
    assert [str(d) for case in found.cases for d in case.departures] == []
    assert found.alarms == ()
    assert all(len(case.tested) > 3 for case in found.cases)


def test_a_network_of_ones_own_is_replayed() -> None:
    """With the first step and neuron at which a session departs: here a membrane that is .01 too high at step 30."""

    class Shifted(Wrapped):
        def run(self, duration: float) -> Recording:
            recording = self.inner.run(duration)
            trace = recording.membrane_traces["a"]
            values = trace.values + 0.01 * (trace.time[:, None] == 15.0) * (np.arange(3) == 2)
            return replace(recording, membrane_traces={"a": replace(trace, values=values)})

    net = salhw.Network(
        name="own", dt=0.5,
        populations=[salhw.Population(name="a", size=3, neuron=salhw.GLM(bias=0.5))],
        projections=[salhw.Projection(name="q", pre="a", post="a", weights=salhw.AllToAll(weight=0.4))],
        probes=[salhw.Spikes("a"), salhw.Membrane("a")],
    )  # fmt: skip
    schedule = replay.Schedule((replay.Part((), 20), replay.Part((), 20)), ids=(0, 5))
    right = salhw.compile(net, salhw.target("reference"))
    assert replay.replay(right, schedule) == []
    wrong = salhw.compile(net, salhw.target("reference"), plugin=mutants_replay.Wrong(session=Shifted))
    (departure,) = replay.replay(wrong, schedule)
    assert (departure.kind, departure.where, departure.instance, departure.step) == (
        "membrane",
        "populations.a[2]",
        0,
        30,
    )
    assert np.isclose(departure.measured - departure.expected, 0.01)


@pytest.mark.parametrize(("short", "declared", "departs"), [(1, 0, True), (1, 1, False), (2, 1, True)])
def test_spikes_before_a_refractory_period_is_over_depart_beyond_what_is_declared(
    short: int, declared: int, departs: bool
) -> None:
    """A neuron of constant drive whose refractory period of 6 steps is ``short`` of some."""
    target = salhw.target("reference")
    accuracy = {key: value for key, value in target.accuracy.items() if key != "membrane"}
    target = target.replace(accuracy=accuracy | {"lif_refractory": declared})
    net = salhw.Network(
        name="driven", dt=0.5, populations=[salhw.Population("a", 1, salhw.LIF(bias=1e3, tau_ref=3.0))],
        probes=[salhw.Spikes("a")],
    )  # fmt: skip
    wrong = WrongBackend(each_neuron(salhw.LIF, lambda n, dt: {"tau_ref": n.tau_ref - short * dt}))
    found = replay.replay(salhw.compile(net, target, plugin=wrong), replay.Schedule((replay.Part((), 20),), ids=(0,)))
    assert [d.kind for d in found] == ["refractory period"] * departs


# ---------------------------------------------------------------- spikes


def decided(rng: np.random.Generator, odds: float, count: int) -> chance.Decisions:
    """Decisions whose odds are so many times the ones that are said."""
    p = rng.uniform(0.02, 0.4, count)
    truth = p * odds / (1 - p + p * odds)
    return chance.Decisions(rng.random(count) < truth, p, p, p)


def test_right_probabilities_raise_no_more_alarms_than_stated() -> None:
    """E has the mean 1 (within five standard errors of a bounded part of it), and is above 20 in less than 1 of 20
    cases: here of 2,000, five standard deviations beside."""
    rng = np.random.default_rng(2)
    ratios = np.array([np.exp(chance.evidence(decided(rng, 1.0, 60), np.ones(60))) for _ in range(2000)])
    assert np.minimum(ratios, 100.0).mean() < 1.0 + 5 * np.minimum(ratios, 100.0).std() / np.sqrt(2000)
    assert ratios.mean() > 0.5
    assert np.mean(ratios > 20.0) <= 0.05 + 5 * np.sqrt(0.05 * 0.95 / 2000)


def test_wrong_probabilities_do() -> None:
    rng = np.random.default_rng(3)
    assert all(chance.evidence(decided(rng, odds, 20_000), np.ones(20_000)) > 25.0 for odds in (0.8, 1.25))


def test_probabilities_within_the_margin_do_not() -> None:
    """Odds that are off by 20 %, of a target that may be off by 30 %."""
    rng = np.random.default_rng(4)
    given = decided(rng, 1.2, 20_000)
    odds = given.chance / (1 - given.chance)
    low, high = (odds * factor / (1 + odds * factor) for factor in (0.7, 1.3))
    assert chance.evidence(chance.Decisions(given.spikes, low, high, given.chance), np.ones(20_000)) < 3.0


def test_soft_thresholds_that_may_be_far_off_have_probabilities() -> None:
    """A spike that cannot be stays so; a probability that is no number would say nothing against any spikes."""
    neuron, chances, far = salhw.LIF(delta_v=0.01), np.array([0.0, 1e-5, 1.0]), np.full(3, 200.0)
    for sign, expected in ((1.0, [0.0, 1.0, 1.0]), (-1.0, [0.0, 0.0, 0.0])):
        assert np.allclose(CELLS[neuron].at_higher(neuron, chances, sign * far), expected)
    assert chance.Tested("rate", "populations.a[0]", np.nan, 1.0, 2.0).p_value == 0.0


def test_shared_random_numbers_show() -> None:
    rng = np.random.default_rng(5)
    p, uniform = np.full(3000, 0.1), rng.random((2, 3000))
    one, same, other = (chance.Decisions(u < p, p, p, p) for u in (uniform[0], uniform[0], uniform[1]))
    assert chance.together(one, same) > 25.0
    assert chance.together(one, other) < 3.0


# ---------------------------------------------------------------- checks, and wrong backends


def test_what_follows_a_spike_shows_where_all_rates_are_right() -> None:
    """Four neurons that spike with p = .1 at each step. Of wrong ones the odds are doubled after a step with a spike,
    and p = .06 elsewhere; a third of all steps, .219 / (1 - .552 + .219), are after one, so that the mean stays: no
    other test sees that surely (e^12 it takes among all tests of a profile); spikes of a step have odds in common."""
    steps, p = 4_000, 0.1
    net = salhw.Network(name="four", dt=1.0, populations=[salhw.Population("n", 4, salhw.GLM(tau_ref=1.0))])
    known = {
        "chances": np.full((1, steps, 4), p), "deciders": np.full((1, steps, 4), FREE),
        **{name: np.zeros((1, steps, 4)) for name in ("potentials", "followed", "uncertain", "spread")},
    }  # fmt: skip
    each = {name: {"n": known[name]} if name in known else {} for name in replay.Course.__annotations__}
    course = replay.Course(**each | {"start": 0, "stop": steps})

    def found(after: float, elsewhere: float) -> dict[str, float]:
        uniform, spikes = np.random.default_rng(6).random((steps, 4)), np.zeros((1, steps, 4), bool)
        for t in range(steps):
            spikes[0, t] = uniform[t] < (after if t and spikes[0, t - 1].any() else elsewhere)
        kinds: dict[str, float] = {}
        for each in replay.tests(net, {"n": spikes}, [course], replay.Tolerance.of(salhw.target("reference"))):
            kinds[each.kind] = max(each.evidence, kinds.get(each.kind, 0.0))
        return kinds

    right, wrong = found(p, p), found(2 * p / (1 + p), 0.06)
    assert max(right.values()) < 5.0
    assert wrong["succession"] > 25.0
    assert max(wrong["rate"], wrong["independence"]) < 10.0


def test_what_nobody_measured_is_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind that the oracle does not know is declared, and said to be unmeasured; the report still stands."""
    monkeypatch.setattr("salhw.conformance.replay.surveying.NETWORKS", 1)
    monkeypatch.setattr("salhw.conformance.replay.surveying.CANDIDATES", 0)  # nothing that is missing is sought
    plain = salhw_plain.backend.targets()["plain"]
    target = plain.replace(neurons=plain.neurons | {"Strange": {}})
    report = run(salhw_plain.backend, target, checks=["replay-coverage", "replay-counts"])
    outcome = report["replay-coverage"]
    assert outcome.outcome == "unmeasured"
    assert "neurons.Strange" in outcome.reason
    assert outcome.details is not None
    assert "neurons.Strange" in outcome.details["unmeasured"]
    assert report["replay-counts"].outcome == "pass"
    assert report.passed
    assert report.as_json()["checks"][0]["details"]["kinds"]


MISSED = [m for m in mutants_replay.MUTANTS if m.name in ("clamps inverted", "rules see delayed spikes")]


@pytest.mark.parametrize("mutant", MISSED, ids=lambda m: m.name)
def test_a_wrong_backend_is_caught(mutant: mutants_replay.Mutant) -> None:
    caught(mutant)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", mutants_replay.MUTANTS, ids=lambda m: m.name)
def test_every_wrong_backend_is_caught(mutant: mutants_replay.Mutant) -> None:
    caught(mutant)


def caught(mutant: mutants_replay.Mutant) -> None:
    """The mutant's own kind of departure comes up in one of the networks; the first that departs may show another."""
    needed, _ = mutation_table.networks_needed(mutant.factory(), mutant.departs)
    assert needed is not None, f"none of {NETWORKS} networks departs in {mutant.departs}"


def test_the_docs_say_how_many_networks_each_took() -> None:
    told = {row.split("|")[1].strip(): row.split("|")[3] for row in mutation_table.written("replayed")}
    assert set(told) == {m.name for m in mutants_replay.MUTANTS}, (
        "run PYTHONPATH=tests python tests/conformance/mutation_table.py replayed"
    )
    assert len(told) >= 20
    assert all(0 < int(re.sub(r"\D", "", count)) <= NETWORKS for count in told.values())
    assert all(set(m.departs) <= {*DECIDERS.values(), *OTHERS} for m in mutants_replay.MUTANTS)


OF_STATES = {"membrane", "variable", "synapse variable", "weights", "trace", "held", "counts", "occupancy"}
OTHERS = OF_STATES | {"rate", "slope", "succession", "independence"}


@pytest.mark.slow
def test_false_alarms_over_a_hundred_seeds() -> None:
    """No network of a hundred base seeds departs; at most one base seed raises an alarm by chance, at 1e-3 each."""
    alarmed = []
    for seed in range(100, 200):
        found = replay.survey(Lab(salhw_reference.backend, salhw.target("reference"), "quick", seed))
        assert [str(d) for case in found.cases for d in case.departures] == []
        assert [case.flaw for case in found.cases if case.flaw] == []
        alarmed += [seed] if found.alarms else []
    assert len(alarmed) <= 1, alarmed


WORKER = [Diagnostic("SAL606", "far:advance", "ValueError: no ink", "no exception", "see the traceback below")]


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (RuntimeError("out of paper"), "RuntimeError: out of paper (test_replay.py:"),
        (
            BackendError("BackendError: in the worker", WORKER, "there"),
            "BackendError: in the worker SAL606 far:advance =",
        ),
    ],
)
def test_a_backend_that_fails_under_way_is_named(error: Exception, named: str) -> None:
    class Fails(Wrapped):
        def run(self, duration: float) -> Recording:
            raise error

    lab = Lab(mutants_replay.Wrong(session=Fails), salhw.target("reference"), "quick", 1)
    case, trial = examined(lab, 0)
    assert case.flaw.startswith(named)
    assert "there" not in case.flaw
    assert trial is None


def test_a_simulator_that_is_not_there_ends_the_survey() -> None:
    class Absent(Wrapped):
        def run(self, duration: float) -> Recording:
            raise BackendError("BackendError: none", [Diagnostic("SAL603", "open", "", "a simulator", "install it")])

    lab = Lab(mutants_replay.Wrong(session=Absent), salhw.target("reference"), "quick", 1)
    with pytest.raises(BackendError, match="SAL603"):
        examined(lab, 0)
