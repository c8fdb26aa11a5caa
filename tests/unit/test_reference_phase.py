"""Reference phases: what is subtracted, when, and what does not go with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loop_examples import looped_reference

import salhw
from salhw import (
    GLM,
    SAL,
    Boxcar,
    DescriptionError,
    Hebbian,
    Membrane,
    Network,
    Poisson,
    Population,
    Projection,
    Rectangular,
    ReferencePhase,
    Source,
    Spikes,
    Trace,
    UnsupportedNetworkError,
    Weights,
)
from salhw.cli.export import write
from salhw.description.fields import FloatArray
from salhw.description.plasticity import PairSTDP
from salhw.session.host_plasticity import HostRules
from salhw.session.pieces import raster

PERIOD, RATE, WEIGHTS = 100.0, 0.01, "projections.pair.weights"


def rule(reference: ReferencePhase | None, causal: float = 1.0, **options: Any) -> PairSTDP:
    """SAL whose causal branch is ``causal`` times what it should be."""
    sal = SAL(RATE, **{"update": f"every {PERIOD:g} ms", "reference": reference, **options})
    return sal.replace(causal=sal.causal.replace(amplitude=-causal))


def net(reference: ReferencePhase | None, *, weights: float = 0.3, bias: float = 0.0, **options: Any) -> Network:
    matrix = weights * (1.0 - np.eye(3))
    return Network(
        name="three", dt=1.0, populations=[Population("n", 3, GLM(bias=bias, tau_ref=10.0))],
        projections=[Projection("pair", "n", "n", matrix, Rectangular(10.0), plasticity=rule(reference, **options))],
        probes=[Spikes("n"), Weights("pair", every=PERIOD)],
    )  # fmt: skip


PHASE = ReferencePhase(2_000.0)


@pytest.mark.parametrize("causal", [1.0, 0.7])
def test_each_update_subtracts_one_error_per_synapse_times_both_numbers_of_spikes(causal: float) -> None:
    """What the weights did beyond the pairs of the recorded spikes is, at every update, one number per synapse times
    the product of the spikes of the period. The first update may have pairs that began in the phase."""
    described, updates = net(PHASE, causal=causal), 12
    with salhw.compile(described, "reference").open(instances=4, seed=2) as session:
        recording = session.run(updates * PERIOD + 1.0)
    p, seen = described.projections[0], raster(recording, "n", 1.0)
    rules = HostRules(described, p, {0: rule(None, causal)}, 4)
    steps, post, pre = round(PERIOD), *np.nonzero(1.0 - np.eye(3))
    by_pairs, products = [], []
    for k in range(updates):
        now = seen.chosen((seen.step >= k * steps) & (seen.step < (k + 1) * steps))
        rules.see({"n": now})
        by_pairs.append(rules.learned(np.zeros((4, 6)), [0], [np.full((4, 6), RATE)]))
        spikes = np.zeros((4, 3))
        np.add.at(spikes, (now.instance, now.neuron), 1.0)
        products.append(spikes[:, post] * spikes[:, pre])
    learned = np.diff(recording.weight_traces["pair"].values[..., post, pre], axis=1).swapaxes(0, 1)
    beyond, product = (np.array(learned) - by_pairs)[1:], np.array(products)[1:]
    error = beyond.sum(axis=0) / product.sum(axis=0)
    assert np.abs(beyond - error * product).max() < 1e-12
    assert np.abs(error).min() > 1e-6
    if causal < 1.0:  # uncoupled neurons strengthen then, and that is subtracted
        assert (error.mean(axis=0) < 0.0).all()


def drift(reference: ReferencePhase | None, bias: float, causal: float = 0.7) -> FloatArray:
    """How far the mean weight of each instance has moved after 10 s of a lopsided rule, at a bias that is set after the
    reference phase."""
    with salhw.compile(net(reference, weights=0.0, causal=causal), "reference").open(instances=20, seed=5) as session:
        session.run(PERIOD)
        session.set("populations.n.bias", bias)
        session.run(10_000.0)
        return np.asarray(session.get(WEIGHTS)[:, ~np.eye(3, dtype=bool)].mean(axis=1))


def test_a_lopsided_rule_stays_where_it_is_at_other_rates_too() -> None:
    """At the rates of the phase what is left of the drift is noise, within four standard errors (one false alarm in
    15,000). At a bias of -.5 the product of spikes is .57 times that of the phase: not scaled by it, most of the drift
    would be left with the opposite sign; 3 % are (measured)."""
    without, with_phase = drift(None, 0.0), drift(ReferencePhase(20_000.0), 0.0)
    assert without.mean() > 0.3
    assert abs(with_phase.mean()) < 4.0 * with_phase.std(ddof=1) / np.sqrt(len(with_phase))
    without, with_phase = drift(None, -0.5), drift(ReferencePhase(20_000.0), -0.5)
    assert abs(with_phase.mean()) < 0.1 * without.mean()


@pytest.mark.parametrize("name", ["reference", "brainscales2"])
def test_an_interrupted_phase_is_none_and_updates_stay_where_they_were(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C within the first of three phases, 230 of its 600 ms on: no time has passed, weights are as written, and
    the next run begins with a whole phase. Updates come every 200 ms of the session's time."""
    described = net(ReferencePhase(600.0, every=400.0), causal=0.5, update="every 200 ms")
    described = described.replace(probes=[Weights("pair", every=50.0)])
    with salhw.compile(described, name).open(instances=2, seed=2) as session:
        written = session.get(WEIGHTS)
        interrupt(session.engine, monkeypatch)  # type: ignore[attr-defined]
        with pytest.raises(KeyboardInterrupt):
            session.run(1000.0)
        assert session.time == 0.0
        assert np.array_equal(session.get(WEIGHTS), written)
        recording = session.run(1000.0)
    assert recording.provenance["reference_phases"] == 3
    assert recording.provenance["silent_ms"] == 230.0 + 170.0 + 3 * 600.0
    weights = recording.weight_traces["pair"]
    moved = weights.time[1:][np.any(np.diff(weights.values, axis=1), axis=(0, 2, 3))]
    assert moved.tolist() == [200.0, 400.0, 600.0, 800.0, 1000.0]


def test_an_interrupted_run_beside_a_reference_keeps_what_was_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its piece ended 30 ms on; error and session go on from there as an uninterrupted run does."""
    described = net(ReferencePhase(200.0), update="every 200 ms")
    with salhw.compile(described, "reference").open(seed=2) as session:
        whole = session.run(400.0)
    with salhw.compile(described, "reference").open(seed=2) as session:
        interrupt(session.engine, monkeypatch)  # type: ignore[attr-defined]
        with pytest.raises(KeyboardInterrupt) as caught:
            session.run(400.0)
        kept = caught.value.recording  # type: ignore[attr-defined]
        assert kept.duration == session.time == 30.0
        rest, weights = session.run(370.0), session.get(WEIGHTS)
    spikes = np.concatenate([part.spikes["n"].time for part in (kept, rest)])
    np.testing.assert_array_equal(spikes, whole.spikes["n"].time)
    np.testing.assert_array_equal(weights, whole.weight_traces["pair"].values[:, -1])


def interrupt(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what runs the target stop once, within its second period of 200 ms: after 230 ms."""
    owner, method = (engine, "_go") if hasattr(engine, "_go") else (engine._session.engine, "advance")
    go, calls = getattr(owner, method), []

    def stop(until: int) -> Any:
        calls.append(until)
        if len(calls) == 2:
            go(230)
            raise KeyboardInterrupt
        return go(until)

    monkeypatch.setattr(owner, method, stop)


def test_fit_keeps_the_phase_and_an_export_refuses_one_of_the_host(tmp_path: Path) -> None:
    described = net(PHASE)
    fitted = salhw.fit(described, "nest", sized=False)
    assert [change.path for change in fitted.changes] == ["projections.pair.plasticity.execution"]
    p = described.projections[0]
    others = described.replace(projections=[p, p.replace(name="static", plasticity=())])
    executable = salhw.compile(others, "brainscales2")
    assert "silent for 2000 ms (2 ms on the chip)" in str(executable.report)
    with pytest.raises(UnsupportedNetworkError, match="a reference phase, by the host"):
        write(executable, tmp_path / "out", duration=1_000.0, seed=0)


def test_the_phase_is_in_no_run() -> None:
    described = net(ReferencePhase(1_050.0)).replace(
        probes=[Spikes("n"), Membrane("n", every=50.0), Weights("pair", 100.0)]
    )
    executable = salhw.compile(described, "reference")
    with executable.open(instances=2, seed=1) as session:
        assert session.time == 0.0
        first, second = session.run(250.0), session.run(150.0)
        assert session.time == 400.0
    assert first.weight_traces["pair"].time.tolist() == [0.0, 100.0, 200.0]
    assert np.all(first.weight_traces["pair"].values[:, 0] == np.asarray(described.projections[0].weights.stored))
    assert second.membrane_traces["n"].time.tolist() == [250.0, 300.0, 350.0]
    assert second.spikes["n"].time.min() >= 250.0
    assert second.spikes["n"].time.max() < 400.0
    assert first.counts["n"].sum() == len(first.spikes["n"])
    assert second.provenance["silent_ms"] == 1_100.0, "whole periods"
    assert "all 6 weights are silent for 1100 ms, 1050 ms to whole periods" in str(executable.report)


def test_a_phase_that_is_repeated_replaces_the_one_before() -> None:
    described = net(ReferencePhase(200.0, every=500.0))
    with salhw.compile(described, "reference").open(seed=1) as session:
        assert session.run(500.0).provenance["reference_phases"] == 1
        assert session.run(600.0).provenance["reference_phases"] == 3
        assert session.run(1.0).provenance["silent_ms"] == 600.0


def test_instances_are_as_single_runs_and_weights_as_written() -> None:
    executable = salhw.compile(net(PHASE), "reference")
    with executable.open(instances=3, seed=4) as batch, executable.open(instances=[2], seed=4) as single:
        for session in (batch, single):
            session.set(WEIGHTS, 0.7 * (1.0 - np.eye(3)))
            session.run(500.0)
        assert np.array_equal(batch.get(WEIGHTS)[2], single.get(WEIGHTS)[0])
        single.set("projections.pair.plasticity.learning_rate", 0.0)
        before = single.get(WEIGHTS)
        single.run(500.0)
        assert np.array_equal(single.get(WEIGHTS), before), "nothing is subtracted where nothing is learned"


def test_bounds_hold() -> None:
    with salhw.compile(net(PHASE, causal=0.2, bounds=(-0.1, 0.35)), "reference").open(seed=4) as session:
        weights = session.run(1_000.0).weight_traces["pair"].values
    assert weights.min() >= -0.1
    assert weights.max() <= 0.35


def test_rules_without_a_reference_rest_in_the_phase() -> None:
    """Of two opposite rules the pairs cancel in the run, and would in the phase: then nothing were left to subtract."""
    first = net(PHASE)
    both = [rule(PHASE), Hebbian(RATE, update=f"every {PERIOD:g} ms", pairing="nearest_restricted")]
    described = first.replace(projections=[first.projections[0].replace(plasticity=both)])
    with salhw.compile(described, "reference").open(seed=4) as session:
        learned = np.diff(session.run(500.0).weight_traces["pair"].values[0], axis=0)
    assert np.abs(learned[:, ~np.eye(3, dtype=bool)]).min() > 1e-6


def test_a_host_that_works_out_gains_and_traces_has_it_too() -> None:
    """The folded network learns with the gain, and the described weights are what they are without one."""

    def described(gain: float) -> Network:
        flat = net(PHASE, weights=0.3)
        p, neuron = flat.projections[0], flat.populations[0].neuron
        return flat.replace(
            populations=[flat.populations[0].replace(neuron=neuron.replace(inputs={"in": gain}))],
            projections=[p.replace(into="in")], traces=[Trace("rate", "n", "spikes", Boxcar(200.0))],
        )  # fmt: skip

    learned = []
    for gain in (1.0, 1e-9):  # which leaves neurons uncoupled
        with salhw.compile(described(gain), looped_reference()).open(instances=2, seed=3) as session:
            session.run(1_000.0)
            learned.append(session.get(WEIGHTS) - 0.3 * (1.0 - np.eye(3)))
    assert 0.2 < learned[1].std() / learned[0].std() < 5.0
    with pytest.raises(UnsupportedNetworkError, match="beside 1 traces"):
        salhw.compile(described(1.0), "reference")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"update": "spike"}, "every T ms"),
        ({"update": "run end"}, "every T ms"),
        ({"bounds": (0.0, 1.0)}, "below and above 0"),
    ],
)
def test_rules_that_cannot_have_one(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DescriptionError, match=message):
        rule(PHASE, **options)


def test_networks_that_cannot_have_one() -> None:
    described = net(PHASE)
    p = described.projections[0]
    source = [*described.populations, Population("s", 1, Source())]
    for timed in (Poisson("s", rate=10.0, stop=100.0), Poisson("s", rate=[10.0, 5.0], every=50.0)):
        with pytest.raises(DescriptionError, match=r"stimuli\[0\].*time stands still"):
            described.replace(populations=source, stimuli=[timed])
    described.replace(populations=source, stimuli=[Poisson("s", rate=10.0)])
    with pytest.raises(DescriptionError, match="one on a projection"):
        described.replace(projections=[p.replace(plasticity=(rule(PHASE), rule(PHASE)))])
    other = Projection("other", "n", "n", 0.3 * (1.0 - np.eye(3)), plasticity=rule(ReferencePhase(1.0)))
    with pytest.raises(DescriptionError, match="one phase for all rules, 2000 ms"):
        described.replace(projections=[p, other])
    bounded = other.replace(plasticity=rule(None, bounds=(0.0, 1.0)).replace(bounds=(0.1, 1.0)))
    with pytest.raises(DescriptionError, match="bounds that hold 0"):
        described.replace(projections=[p, bounded])
    with pytest.raises(UnsupportedNetworkError, match='update = "spike" and reference = None, or execution="host"'):
        salhw.compile(described, "nest")
    at_end = other.replace(plasticity=rule(None, update="run end"))
    with pytest.raises(UnsupportedNetworkError, match="a run is in pieces"):
        salhw.compile(described.replace(projections=[p, at_end]), "reference")
