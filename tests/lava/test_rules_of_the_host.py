"""Rules beyond the learning engine: the host works them out where they allow it, or a learning epoch holds them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from lava_examples import LOIHI, MODELS, QUICK, in_process, pairs

import salhw
from salhw import (
    SAL,
    ExponentialWindow,
    Network,
    PairSTDP,
    Population,
    Projection,
    Source,
    SpikeTimes,
    TriangularWindow,
)
from salhw.registry import builders
from salhw.session.recording import Recording
from salhw_lava import backend
from salhw_lava.arithmetic import LARGEST_WEIGHT
from salhw_lava.hosted import hosted

WEIGHTS = "projections.p.weights"
END = 3.96875
IDEAL = QUICK.ideal()


def window(amplitude: Any, tau: float = 10.0) -> ExponentialWindow:
    return ExponentialWindow(amplitude=amplitude, tau=tau)


def rule(**fields: Any) -> PairSTDP:
    options = {"learning_rate": 0.1, "pairing": "all", "update": "every 30 ms"} | fields
    return PairSTDP(**{"causal": window(-1.0), "anticausal": window(0.6, 15.0)} | options)


def trains(seed: int, apart: int = 10) -> list[np.ndarray]:
    """Of four neurons: 20 spikes each, ``apart`` steps apart or more."""
    rng = np.random.default_rng(seed)
    return [np.cumsum(rng.integers(apart, 25, 20)).astype(float) for _ in range(4)]


def net_of(*rules: PairSTDP, weights: float = 0.25, every: float = 10.0, **fields: Any) -> Network:
    """Two sources to two sources, whose spikes are given: weights act on nothing."""
    spikes = trains(3)
    return Network(
        name="forced", dt=1.0,
        populations=[Population(name=name, size=2, neuron=Source()) for name in "ab"],
        projections=[
            Projection(name="p", pre="a", post="b", weights=np.full((2, 2), weights), plasticity=rules, **fields)
        ],
        stimuli=[SpikeTimes("a", spikes[:2]), SpikeTimes("b", spikes[2:])],
        probes=[salhw.Weights("p", every=every)],
    )  # fmt: skip


def ran(net: Network, target: Any) -> tuple[salhw.Executable, Recording, np.ndarray]:
    """The executable, two runs' samples, and the weights after them."""
    executable = salhw.compile(net, target)
    with executable.open() as session:
        traces = [session.run(duration).weight_traces["p"].values[0] for duration in (71.0, 100.0)]
        return executable, np.concatenate(traces), session.get(WEIGHTS)


RATES = np.array([[0.1, 0.2], [-0.05, 0.0]])
OF_THE_HOST: dict[str, tuple[list[PairSTDP], dict[str, Any]]] = {
    "nearest, with the spike": ([rule(pairing="nearest_restricted", update="spike")], {}),
    "nearest, every T": ([rule(pairing="nearest_symmetric")], {}),
    "a run's end": ([rule(update="run end")], {}),
    "a period beyond an epoch": ([rule()], {}),
    "bounds": ([rule(bounds=(-0.5, 0.5), learning_rate=0.5, update="spike")], {}),
    "a triangular window": ([rule(causal=TriangularWindow(amplitude=-1.0, tau=12.0))], {}),
    "rates and amplitudes": ([rule(learning_rate=RATES, anticausal=window(RATES))], {}),
    "a delay": ([rule()], {"delay": 3.0}),
    "two rules": ([rule(), rule(update="every 20 ms", bounds=(-1.0, 1.0))], {}),
}


@pytest.mark.parametrize("what", OF_THE_HOST)
def test_the_host_learns_what_the_description_says(what: str) -> None:
    """Step by step: in floating point to rounding, in fixed point to half a step of a weight within the bounds (a whole
    one at bounds that lie on no step). Without leave, lowering or check refuses and offers it."""
    rules, fields = OF_THE_HOST[what]
    allowed = net_of(*(r.replace(execution="host") for r in rules), **fields)
    _, expected, _ = ran(allowed, "reference")
    assert np.ptp(expected) > 1e-5  # or the test shows little
    executable, found, _ = ran(allowed, IDEAL)
    assert np.abs(found - expected).max() < 1e-9
    assert {f.code for f in executable.report.approximations} == {"SAL322", "SAL313"}
    executable, found, _ = ran(allowed, QUICK)
    assert np.abs(found - expected).max() <= 1 / 64 + 1e-9
    assert np.array_equal(found * 32, np.rint(found * 32))
    (size, *_) = [f.supported for f in executable.report.approximations if f.code == "SAL322"]
    assert "off by at most 0.0156" in size
    findings = salhw.problems(net_of(*rules, **fields), QUICK)
    assert findings
    assert any('execution="host"' in finding.fix for finding in findings)


def test_small_changes_are_not_lost_by_rounding_nor_by_writing_what_was_read() -> None:
    """3e-4 per pair, a hundredth of a step: the host's weight follows the description to rounding."""
    net = net_of(rule(learning_rate=3e-4, execution="host", anticausal=window(0.0)))
    with salhw.compile(net, "reference").open() as exact, salhw.compile(net, QUICK).open() as session:
        for _ in range(5):
            exact.run(60.0)
            session.run(60.0)
            session.set(WEIGHTS, session.get(WEIGHTS))
        kept = session.engine._kept["p"]  # type: ignore[attr-defined]
        assert np.abs(kept.reshape(2, 2) - exact.get(WEIGHTS)[0]).max() < 1e-12
        assert np.all(exact.get(WEIGHTS) < 0.25)
        assert np.all(session.get(WEIGHTS) == 0.25)
        session.set(WEIGHTS, 0.261)
        assert np.all(session.get(WEIGHTS) == 0.25)  # the nearest step, and the host's own from here
        session.run(1.0)
        assert np.all(session.engine._kept["p"] == 0.261)  # type: ignore[attr-defined]


def test_a_session_writes_learning_rates_of_the_host_per_synapse_and_instance() -> None:
    net, path = net_of(rule(execution="host")), "projections.p.plasticity.learning_rate"
    rates = np.stack([RATES, 2.0 * RATES])
    session, exact = (salhw.compile(net, target).open(instances=2) for target in (IDEAL, "reference"))
    with session, exact:
        for each in (session, exact):
            each.set(path, rates)
            each.run(200.0)
        assert np.array_equal(session.get(path), rates)
        assert np.abs(session.get(WEIGHTS) - exact.get(WEIGHTS)).max() < 1e-9


def test_weights_without_bounds_end_where_the_chips_do() -> None:
    """The host's weight ends there, too: it comes back at once."""
    up = rule(causal=window(2.0), anticausal=window(2.0), learning_rate=2.0, execution="host")
    with salhw.compile(net_of(up), QUICK).open() as session:
        session.run(390.0)
        assert np.all(session.get(WEIGHTS) == END)
        assert np.all(session.engine._kept["p"] == END)  # type: ignore[attr-defined]


@pytest.mark.parametrize("model", MODELS)
def test_the_runtime_and_one_process_agree_where_the_host_learns(model: str) -> None:
    net = pairs(2, rule=SAL(0.2, 10.0, update="every 20 ms", execution="host"))
    found = []
    for target in (MODELS[model], in_process(MODELS[model])):
        with salhw.compile(net, target).open(instances=[4, 1], seed=9) as session:
            session.run(130.0)
            session.run(70.0)
            found.append(session.get(WEIGHTS))
    assert np.array_equal(*found)
    assert np.any(found[0][0] != found[0][1])


@pytest.mark.parametrize("update", ["every 5 ms", "every 10 ms", "every 1 ms"])
def test_a_learning_epoch_holds_a_period_that_neurons_spike_once_in(update: str) -> None:
    """The engine's own, without leave for the host: at each step the weights are the description's, which change at
    whole multiples of the period. In floating point to rounding; in fixed point what changes, changes then."""
    net = net_of(rule(update=update), every=1.0)
    _, expected, _ = ran(net, "reference")
    executable, found, _ = ran(net, IDEAL)
    assert np.abs(found - expected).max() < 1e-9
    assert {f.code for f in executable.report.approximations} == {"SAL313"}
    executable, found, _ = ran(net, QUICK)
    assert not hosted(executable.source, executable.target)
    two = net.replace(projections=[*net.projections, net_of(rule(update="spike")).projections[0].replace(name="q")])
    several = [note for note in salhw.compile(two, QUICK).report.notes if "unverified: a chip may have one" in note]
    assert bool(several) == (update != "every 1 ms")
    changed, period = np.flatnonzero(np.any(np.diff(found, axis=0) != 0, axis=(1, 2))), float(update.split()[1])
    samples = np.concatenate([np.arange(72.0), np.arange(71.0, 172.0)])  # a run begins with what the last one left
    assert len(changed) > 5
    assert np.all(samples[changed + 1] % period == 0)
    assert np.abs(found - expected).max() < 0.25  # rounding at random


def test_a_longer_period_is_refused_with_the_longest_and_the_host_takes_it() -> None:
    net = net_of(rule())
    (finding,) = salhw.problems(net, QUICK)
    assert (finding.code, finding.path) == ("SAL121", "projections.p.plasticity.update")
    assert finding.fix == 'update = "every 10 ms", or execution="host"'
    assert not salhw.problems(net_of(rule(update="every 10 ms")), QUICK)
    beyond = rule(update="every 64 ms", causal=window(-1.0, 500.0), anticausal=window(1.0, 500.0))
    rare = net_of(beyond).replace(stimuli=[SpikeTimes(name, [[5.0, 305.0]] * 2) for name in "ab"])
    (finding,) = salhw.problems(rare, QUICK)
    assert finding.fix.startswith('update = "every 63 ms"')


def test_a_rate_too_small_for_the_engine_is_the_hosts() -> None:
    net = net_of(rule(learning_rate=1e-5, update="every 5 ms", execution="host"))
    assert (hosted(net, QUICK), hosted(net, IDEAL)) == ({"p"}, set())  # in floating point none is too small
    with salhw.compile(net, "reference").open() as exact, salhw.compile(net, QUICK).open() as session:
        exact.run(100.0)
        session.run(100.0)
        kept = session.engine._kept["p"]  # type: ignore[attr-defined]
        assert 0.0 < np.abs(kept - 0.25).max() < 1e-3
        assert np.abs(kept.reshape(2, 2) - exact.get(WEIGHTS)[0]).max() < 1e-12


@pytest.mark.parametrize("bounds", [(0.0, END), (-END, 0.0), (-END, END)])
@pytest.mark.parametrize("target", [QUICK, IDEAL], ids=["fixed", "floating"])
def test_bounds_at_the_ends_of_the_weights_are_the_engines(target: Any, bounds: tuple[float, float]) -> None:
    """A sign mode: driven beyond either end the weights end there; the reference's do, too. Where spikes coincide,
    fixed point is off by no more than it says."""
    apart = [SpikeTimes("a", [np.arange(5.0, 160.0, 11.0)] * 2), SpikeTimes("b", [np.arange(8.0, 160.0, 11.0)] * 2)]
    together = [SpikeTimes(name, [[5.0]] * 2) for name in "ab"]
    for sign in (1.0, -1.0):
        branches = {name: window(sign) for name in ("causal", "anticausal")}
        bounded = rule(**branches, learning_rate=1.5, bounds=bounds, update="spike", execution="host")
        net = net_of(bounded, weights=0.0).replace(stimuli=apart)
        executable, found, held = ran(net, target)
        assert not hosted(executable.source, executable.target)
        assert np.all(held == bounds[sign > 0])
        assert found.min() >= bounds[0]
        assert found.max() <= bounds[1]
        assert np.array_equal(held, ran(net, "reference")[2])
        net = net_of(bounded, weights=bounds[sign > 0]).replace(stimuli=together)
        off = np.abs(ran(net, target)[2] - ran(net, "reference")[2]).max()
        said = [float(f.supported.split()[-3]) for f in executable.report.approximations if f.code == "SAL327"]
        assert bool(said) == (target is QUICK)
        assert off <= max([1e-9, *said])
    other = net_of(bounded.replace(bounds=(-1.0, 1.0)), weights=0.0)
    assert hosted(other, target) == {"p"}


def heavy(weight: float, **fields: Any) -> Network:
    return pairs(1, weights=(weight, 0.5), **fields).replace(name="heavy")


def test_an_exponent_is_chosen_for_weights_beyond_the_given_ones() -> None:
    """Steps that double with the range: 4 takes 1/16. What the fix says is accepted when followed, either way."""
    auto = QUICK.with_options(weight_exponent="auto")
    for weight, end in ((4.0, 7.9375), (-31.0, 31.75), (63.5, 63.5), (3.9, END)):
        net = heavy(weight)
        executable = salhw.compile(net, auto)
        assert executable.target.projections["weights"].max == end  # type: ignore[union-attr]
        with executable.open() as session:
            held = session.get(WEIGHTS)[0]
            session.run(20.0)
        assert abs(held[0] - weight) <= end / LARGEST_WEIGHT
        given = salhw.problems(net, QUICK)
        fix = [finding.fix for finding in given if finding.path.startswith(WEIGHTS)]
        assert bool(fix) == (end > END)
        assert all(words.endswith('or target.with_options(weight_exponent="auto")') for words in fix)
    assert salhw.problems(heavy(64.0), auto)
    assert auto.with_options(weight_exponent="given") == QUICK


def test_a_chosen_exponent_holds_the_bounds() -> None:
    """Finer steps, too, though bounds leave no room for weights to double in."""
    auto = QUICK.with_options(weight_exponent="auto")
    for bound, end in ((4.0, 7.9375), (0.45, END / 8), (0.9, END / 4), (3.0, END)):
        small = rule(bounds=(0.0, bound), execution="host")
        executable = salhw.compile(net_of(small), auto)
        assert executable.target.projections["weights"].max == end  # type: ignore[union-attr]


def test_installed_networks_run() -> None:
    """Dale's law with its weights and bounds of 4, periods and nearest pairs; a pair that the host may learn."""
    dale = builders()["dale"]()
    auto = QUICK.with_options(weight_exponent="auto")
    assert all('weight_exponent="auto"' in finding.fix for finding in salhw.problems(dale, LOIHI))
    assert not salhw.problems(dale, auto.ideal())
    with salhw.compile(dale, auto).open() as session:
        session.run(1200.0)
        assert np.all(session.get("projections.IE.weights") == 4.0)
    pair = builders()["pair"]()
    (p,) = pair.projections
    for update in ("spike", "every 200 ms"):
        allowed = p.plasticity[0].replace(execution="host", update=update)
        net = pair.replace(projections=[p.replace(plasticity=allowed)])
        assert salhw.compile(net, LOIHI).network.projections[0].plasticity[0].pairing == "nearest_restricted"  # type: ignore[attr-defined]


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (0.0, 2.0)])
def test_bounds_leave_room_for_finer_potentials(bounds: tuple[float, float]) -> None:
    """Weights that end at their bounds add up to less than those that end at 3.97."""
    free, bounded = (
        backend.lower(pairs(2, weights=(0.5, 0.5), rule=SAL(0.01, bounds=b, execution="host")), LOIHI)
        for b in (None, bounds)
    )
    assert not [f for f in (*free.findings, *bounded.findings) if f.severity == "error"]
