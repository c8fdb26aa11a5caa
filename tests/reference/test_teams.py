"""Threads that share one network change no bit of what it does, and instances with common weights none either."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import salhw
from salhw import (
    GLM,
    LIF,
    SAL,
    Alpha,
    Exponential,
    Membrane,
    Network,
    Poisson,
    Population,
    Projection,
    Rectangular,
    Source,
    Sparse,
    Spikes,
    SpikeTimes,
    WakeSleep,
)
from salhw_reference import team
from salhw_reference.jit import compiled

SIZE = 200


def sparse(seed: int, n_pre: int = SIZE) -> Sparse:
    """30 inputs for each of SIZE neurons."""
    rng = np.random.default_rng(seed)
    post = np.repeat(np.arange(SIZE), 30)
    pre = np.concatenate([np.sort(rng.choice(n_pre - 1, 30, replace=False)) for _ in range(SIZE)])
    pre += (pre >= post) & (n_pre == SIZE)
    return Sparse(post=post, pre=pre, weight=rng.normal(0.0, 0.2, len(post)))


def network(update: str, kernel: type = Rectangular, pairing: str = "all", leaky: bool = False) -> Network:
    """Neurons that learn by two rules, driven by sources, some of them forced."""
    rules = [
        SAL(learning_rate=0.02, tau=6.0, pairing=pairing, update=update, bounds=(-0.8, 0.8)),
        WakeSleep(learning_rate=1e-3, tau_ref=5.0, update="every 20 ms"),
    ]
    psp = kernel(tau_syn=5.0)
    neuron = LIF(bias=0.95, tau_m=10.0, tau_ref=5.0) if leaky else GLM(bias=np.linspace(-1.0, 1.0, SIZE), tau_ref=5.0)
    return Network(
        name="shared", dt=1.0,
        populations=[Population("a", SIZE, neuron), Population("in", SIZE, Source())],
        projections=[
            Projection(name="p", pre="a", post="a", weights=sparse(1), kernel=psp, plasticity=rules),
            Projection(name="q", pre="in", post="a", weights=sparse(2), kernel=psp, delay=3.0),
        ],
        stimuli=[
            Poisson("in", rate=np.linspace(0.0, 100.0, SIZE)),
            SpikeTimes("a", [[7.0, 40.0] if k % 50 == 3 else [] for k in range(SIZE)]),
        ],
        probes=[Spikes("a"), Membrane("a", every=10.0)],
    )  # fmt: skip


def outcome(net: Network, durations: tuple[float, ...], **options):  # type: ignore[no-untyped-def]
    with salhw.compile(net, "reference").open(seed=5, **options) as session:
        runs = [session.run(duration) for duration in durations]
        weights = session.get("projections.p.weights")
    spikes = [np.concatenate([getattr(r.spikes["a"], field) for r in runs]) for field in ("instance", "neuron", "time")]
    return *spikes, np.concatenate([r.membrane["a"].values for r in runs], axis=1), weights


CASES = {
    "on the spike": {"update": "spike"},
    "nearest on the spike": {"update": "spike", "pairing": "nearest_restricted"},
    "periodic": {"update": "every 30 ms"},
    "at the end": {"update": "run end", "pairing": "nearest_symmetric"},
    "exponential": {"update": "spike", "kernel": Exponential},
    "alpha and LIF": {"update": "every 30 ms", "kernel": Alpha, "leaky": True},
}


@pytest.mark.parametrize("case", CASES)
def test_threads_and_division_into_runs_change_no_bit(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = network(**CASES[case])  # type: ignore[arg-type]
    monkeypatch.setenv("SALHW_THREADS", "1")
    alone = outcome(net, (60.0, 40.0))
    assert len(alone[0]) > 300
    assert np.abs(alone[-1] - net.projections[0].weights.weight).max() > 0.01  # type: ignore[attr-defined]
    monkeypatch.setattr(team, "FEWEST", 64)
    for threads in (2, 3):
        monkeypatch.setenv("SALHW_THREADS", str(threads))
        assert team.team_size(2 * SIZE, threads) == threads
        for one, other in zip(alone, outcome(net, (60.0, 40.0)), strict=True):
            np.testing.assert_array_equal(one, other)
    if case != "at the end":
        for one, other in zip(alone, outcome(net, (27.0, 40.0, 33.0)), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_thread_waits_for_all_of_its_team() -> None:
    """Three threads add to one number without an atomic operation, each while it has the others waiting."""

    @compiled
    def work(meeting, total, rounds):  # type: ignore[no-untyped-def]
        for _ in range(rounds):
            if team.last_to_meet(meeting):
                total[0] += 1
                team.go_on(meeting)

    meeting, total = team.team(3), np.zeros(1, np.int64)
    work(team.team(1), np.zeros(1, np.int64), 1)  # compiled
    threads = [threading.Thread(target=work, args=(meeting, total, 300)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total[0] == 300


@pytest.mark.parametrize("update", ["spike", "every 30 ms", "run end"])
def test_instances_with_common_weights_do_what_they_do_alone(update: str) -> None:
    net = network(update)
    together = outcome(net, (60.0, 40.0), instances=3)
    for b in range(3):
        alone = outcome(net, (60.0, 40.0), instances=[b])
        mine = together[0] == b
        np.testing.assert_array_equal(together[1][mine], alone[1])
        np.testing.assert_array_equal(together[2][mine], alone[2])
        np.testing.assert_array_equal(together[-1][b], alone[-1][0])


def test_weights_are_held_once_until_they_differ() -> None:
    static = network("spike").projections[0].replace(plasticity=[])
    net = network("spike").replace(projections=[static])
    with salhw.compile(net, "reference").open(instances=64) as session:
        weights = session.get("projections.p.weights")
        assert weights.shape == (64, 6000)
        session.run(10.0)
        assert session.engine.state.weight.shape == (1, 6000)  # type: ignore[attr-defined]
        weights[3] *= 2.0
        session.set("projections.p.weights", weights)
        assert session.engine.state.weight.shape == (64, 6000)  # type: ignore[attr-defined]
        np.testing.assert_array_equal(session.get("projections.p.weights"), weights)
        session.set("projections.p.weights", weights[3])
        assert session.engine.state.weight.shape == (1, 6000)  # type: ignore[attr-defined]
        np.testing.assert_array_equal(session.get("projections.p.weights"), np.broadcast_to(weights[3], (64, 6000)))
