"""Sessions: batches, seeds, state that persists, reading and writing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_exact import ALGORITHMS, recurrent, rule, session

import salhw
from salhw import (
    GLM,
    SAL,
    AllToAll,
    ExponentialWindow,
    Network,
    PairSTDP,
    Population,
    Projection,
    Rectangular,
    SessionError,
    Source,
    Spikes,
    SpikeTimes,
    StateOccupancy,
    TriangularWindow,
    Weights,
)
from salhw_networks.pairs.network import network as pair

NET = recurrent(
    [SAL(learning_rate=0.01, update="every 50 ms")], probes=[StateOccupancy("a"), Weights("p", every=100.0)]
)
TABULATED = recurrent([SAL(learning_rate=0.01, update="run end")], probes=[StateOccupancy("a")])


def everything(recording) -> list[np.ndarray]:  # type: ignore[no-untyped-def]
    spikes = recording.spikes["a"]
    arrays = [recording.counts["a"], recording.occupancy_counts["a"], spikes.time, spikes.neuron, spikes.instance]
    return arrays + [trace.values for trace in recording.weight_traces.values()]


@pytest.mark.parametrize("net", [NET, TABULATED], ids=["periodic", "tabulated"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_batch_equals_single_runs_bit_for_bit(algorithm: str, net: salhw.Network) -> None:
    with session(net, algorithm, instances=5, seed=9) as batch:
        together = batch.run(500.0)
        weights = batch.get("projections.p.weights")
    for k in range(5):
        with session(net, algorithm, instances=[k], seed=9) as single:
            alone = single.run(500.0)
            assert np.array_equal(single.get("projections.p.weights")[0], weights[k])
        assert np.array_equal(alone.counts["a"][0], together.counts["a"][k])
        assert np.array_equal(alone.occupancy_counts["a"][0], together.occupancy_counts["a"][k])
        for neuron in range(4):
            assert np.array_equal(alone.spikes["a"].times(neuron), together.spikes["a"].times(neuron, k))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_thread_count_changes_nothing(algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for count in ("1", "2", "5"):
        monkeypatch.setenv("SALHW_THREADS", count)
        with session(NET, algorithm, instances=7, seed=2) as s:
            results.append(everything(s.run(400.0)))
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("net", [NET, TABULATED], ids=["periodic", "tabulated"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_two_runs_are_one_run(algorithm: str, net: salhw.Network) -> None:
    unchanging = net.replace(projections=[net.projections[0].replace(plasticity=[])], probes=net.probes[:2])
    for subject in (unchanging, NET.replace(probes=NET.probes[:2])):
        with session(subject, algorithm, seed=5) as s:
            parts = [s.run(d) for d in (123.0, 1.0, 376.0)]
        with session(subject, algorithm, seed=5) as s:
            whole = s.run(500.0)
        joined = np.concatenate([part.spikes["a"].time for part in parts])
        assert np.array_equal(joined, whole.spikes["a"].time)
        assert np.array_equal(sum(part.counts["a"] for part in parts), whole.counts["a"])
        assert np.array_equal(sum(part.occupancy_counts["a"] for part in parts), whole.occupancy_counts["a"])


def wide(update: str, kind: type[TriangularWindow | ExponentialWindow]) -> salhw.Network:
    """Refractory periods of three lengths, and windows that several spikes of a neuron lie in."""
    neurons = [GLM(bias=1.0, tau_ref=[9.0, 12.0]), GLM(bias=0.5, tau_ref=10.0, discretisation="exact")]
    windows = {"causal": kind(amplitude=1.0, tau=30.0), "anticausal": kind(amplitude=-0.5, tau=12.0)}
    rule = PairSTDP(**windows, pairing="all", learning_rate=1e-3, update=update)
    return salhw.Network(
        name="wide", dt=1.0, populations=[Population("a", 2, neurons[0]), Population("b", 3, neurons[1])],
        projections=[Projection("p", "a", "b", AllToAll(weight=0.7), Rectangular(tau_syn=6.0), 2.0, plasticity=rule)],
        probes=[Spikes("a"), StateOccupancy("a")],
    )  # fmt: skip


KINDS = [TriangularWindow, ExponentialWindow]
WIDE = [wide(update, kind) for update in ("run end", "every 8 ms", "spike") for kind in KINDS]


@pytest.mark.parametrize("net", [TABULATED, *WIDE], ids=lambda net: net.name + net.projections[0].plasticity[0].update)
def test_tabulated_hazards_give_the_bits_of_the_general_algorithm(
    net: salhw.Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    from salhw_reference import tabulated

    def bits(fits: bool) -> list[np.ndarray]:
        with session(net, "event-driven", instances=3, seed=5) as s:
            assert s.engine.tabulated == fits
            runs = [array for duration in (3.0, 1000.0, 50.0) for array in everything(s.run(duration))]
            return [*runs, s.get("projections.p.weights")]

    fast = bits(fits=True)
    monkeypatch.setattr(tabulated, "TABULATED", 0)
    general = bits(fits=False)
    assert all(np.array_equal(a, b) for a, b in zip(fast, general, strict=True))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_more_spikes_than_room_are_all_kept(algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from salhw_reference import tape

    with session(NET, algorithm, instances=2, seed=1) as s:
        plenty = everything(s.run(1000.0))
    monkeypatch.setattr(tape, "ROOM", 3)
    with session(NET, algorithm, instances=2, seed=1) as s:
        scarce = everything(s.run(1000.0))
    assert all(np.array_equal(a, b) for a, b in zip(plenty, scarce, strict=True))


def test_seeds_and_ids_give_different_noise() -> None:
    def spikes(**options) -> list[float]:  # type: ignore[no-untyped-def]
        with session(NET, **options) as s:
            return s.run(300.0).spikes["a"].time.tolist()

    assert spikes(seed=1) == spikes(seed=1)
    assert spikes(seed=1) != spikes(seed=2)
    assert spikes(seed=1, instances=[0]) != spikes(seed=1, instances=[1])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_written_is_read_and_acts(algorithm: str) -> None:
    net = recurrent([rule("all", "spike", "exponential")])
    with session(net, algorithm, instances=2, seed=1) as s:
        w = np.arange(32.0).reshape(2, 4, 4) / 10
        s.set("projections.p.weights", w)
        written = s.get("projections.p.weights")
        off = ~np.eye(4, dtype=bool)
        assert np.array_equal(written[:, off], w[:, off])
        assert np.all(written[:, ~off] == 0.0)
        s.set("projections.p.weights", 0.0)
        s.set("projections.p.plasticity.learning_rate", 0.0)
        s.set("populations.a.bias", [[-60.0] * 4, [60.0] * 4])
        recording = s.run(100.0)
        assert recording.counts["a"].tolist() == [[0] * 4, [20] * 4]
        assert np.all(s.get("projections.p.weights") == 0.0)
        assert np.array_equal(s.get("populations.a.bias"), [[-60.0] * 4, [60.0] * 4])


@pytest.mark.parametrize("update", ["spike", "every 30 ms"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_written_amplitudes_act_like_described_ones(algorithm: str, update: str) -> None:
    """Per instance, branch and synapse; learning rates that are written later leave them alone."""
    drawn = np.random.default_rng(2).normal(0.0, 1.0, (2, 2, 4, 4))
    plain = rule("all", update, "exponential")
    with session(recurrent([plain]), algorithm, instances=2, seed=1) as s:
        for side, branch in enumerate(("causal", "anticausal")):
            path = f"projections.p.plasticity.{branch}.amplitude"
            assert np.all(s.get(path) == getattr(plain, branch).amplitude)
            s.set(path, drawn[:, side])
            assert np.array_equal(s.get(path), drawn[:, side])
        s.set("projections.p.plasticity.learning_rate", 0.02)
        s.run(200.0)
        written = s.get("projections.p.weights")
    for k in range(2):
        windows = {
            branch: getattr(plain, branch).replace(amplitude=drawn[k, side])
            for side, branch in enumerate(("causal", "anticausal"))
        }
        described = plain.replace(**windows, learning_rate=0.02)
        with session(recurrent([described]), algorithm, instances=[k], seed=1) as s:
            s.run(200.0)
            assert np.array_equal(s.get("projections.p.weights")[0], written[k])


def test_weights_written_under_way_act_on_psps_under_way() -> None:
    net = recurrent([], probes=[salhw.Membrane("a")])
    with session(net, seed=1) as s:
        first = s.run(200.0)
        s.set("projections.p.weights", 0.0)
        second = s.run(3.0)
    assert np.ptp(first.membrane["a"].values[0, :, 0]) > 0
    assert np.array_equal(second.membrane["a"].values[0, 0], np.linspace(-0.5, 1.0, 4))


def test_refusals() -> None:
    with session(NET) as s:
        for path, value, code in [
            ("projections.q.weights", 0.0, "SAL402"),
            ("projections.p.weights", np.zeros((3, 3)), "SAL403"),
            ("projections.p.weights", np.nan, "SAL403"),
            ("populations.a.bias", "high", "SAL403"),
        ]:
            before = s.get("projections.p.weights")
            with pytest.raises(SessionError) as caught:
                s.set(path, value)
            assert caught.value.diagnostics[0].code == code
            assert np.array_equal(before, s.get("projections.p.weights"))
        for duration in (0.0, -1.0, 0.5, np.nan):
            with pytest.raises(SessionError, match="SAL404"):
                s.run(duration)
    for act in (lambda: s.run(1.0), lambda: s.get("projections.p.weights"), lambda: s.set("populations.a.bias", 0.0)):
        with pytest.raises(SessionError, match="SAL405"):
            act()
    for options in ({"instances": 0}, {"instances": [1, 1]}, {"instances": 2, "chips": ()}):
        with pytest.raises(SessionError, match="SAL401"):
            session(NET, **options)


def test_progress_changes_nothing_and_ends_at_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from salhw_reference import pace as module

    with session(NET, "event-driven", seed=1) as s:
        quiet = everything(s.run(500.0))
    monkeypatch.setattr(module, "STRETCH", 100)
    monkeypatch.setattr(module, "LONGEST", 0.0)  # s: every stretch was too long
    shares: list[float] = []
    with session(NET, "event-driven", seed=1) as s:
        watched = everything(s.run(500.0, progress=shares.append))
    assert len(shares) > 10
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert all(np.array_equal(a, b) for a, b in zip(quiet, watched, strict=True))


def test_chips_differ_and_repeat() -> None:
    target = salhw.target("reference").with_variability({"weight": 0.3, "bias": 0.5, "causal_amplitude": 0.2})
    exe = salhw.compile(NET, target)
    chips = target.sample_chips(3, seed=7)
    with exe.open(chips=chips, seed=1) as s:
        counts = s.run(3000.0).counts["a"]
        assert np.array_equal(s.get("populations.a.bias")[0], s.get("populations.a.bias")[2])  # nominal values
    with exe.open(chips=[chips[1]], seed=1) as s:
        assert np.array_equal(s.run(3000.0).counts["a"][0], counts[1])
    assert len({tuple(row) for row in counts}) == 3
    ideal = salhw.compile(NET, target.ideal())
    with exe.open(chips=target.ideal().sample_chips(1), seed=1) as s, ideal.open(instances=1, seed=1) as nominal:
        assert np.array_equal(s.run(1000.0).counts["a"], nominal.run(1000.0).counts["a"])


def test_a_spread_that_cannot_be_a_factor_is_refused() -> None:
    target = salhw.target("reference").with_variability({"weight": salhw.Variability(mode="absolute", sd=0.1)})
    with pytest.raises(salhw.UnsupportedNetworkError, match=r"SAL103 target\.variability\.weight\.mode = absolute"):
        salhw.compile(NET, target)


@pytest.mark.parametrize("pairing", ["all", "nearest_symmetric", "nearest_restricted"])
@pytest.mark.parametrize("window", [ExponentialWindow(tau=40.0), TriangularWindow(tau=40.0)], ids=["exp", "triangle"])
@pytest.mark.parametrize("update", ["spike", "every 16 ms"])
def test_long_windows_are_worked_out_as_tables_hold_them(
    monkeypatch: pytest.MonkeyPatch, pairing: Any, window: Any, update: str
) -> None:
    """A window of more steps than a table may have is worked out at each pair: the same weights to rounding."""
    times = [np.unique(np.random.default_rng(k).integers(0, 600, 40)).astype(float) for k in range(4)]
    rule = PairSTDP(window, window.replace(amplitude=-0.7), pairing, 0.01, update)
    net = Network(
        "long", 1.0, [Population("a", 4, Source())], [Projection("aa", "a", "a", AllToAll(0.5), plasticity=rule)],
        [SpikeTimes("a", times)],
    )  # fmt: skip
    found = []
    for longest in (10**6, 0):
        monkeypatch.setattr("salhw_reference.program.LONGEST_TABLE", longest)
        with salhw.compile(net, "reference").open() as session:
            session.run(700.0)
            found.append(session.get("projections.aa.weights"))
    assert np.abs(found[0] - 0.5).max() > 0.01
    np.testing.assert_allclose(found[1], found[0], rtol=0, atol=1e-12)


def test_the_algorithms_run_as_plain_python(tmp_path: Path) -> None:
    """NUMBA_DISABLE_JIT=1 makes them plain Python, for a debugger: slow, and the same spikes."""
    program = (
        "import numpy as np, sys, salhw; from salhw_networks.pairs.network import network\n"
        "r = salhw.run(network(), duration=400.0, seed=3); np.save(sys.argv[1], r.spikes['neurons'].time)"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, str(tmp_path / "plain.npy")]
    subprocess.run(command, check=True, env={**os.environ, "NUMBA_DISABLE_JIT": "1"})
    compiled = salhw.run(pair(), duration=400.0, seed=3).spikes["neurons"].time
    assert len(compiled) > 10
    assert np.array_equal(np.load(tmp_path / "plain.npy"), compiled)
