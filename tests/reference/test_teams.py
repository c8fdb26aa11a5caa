"""Threads that share one network change no bit of what it does, and instances with common weights none either."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

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
    StateOccupancy,
    WakeSleep,
)
from salhw_reference import pace, team
from salhw_reference.delays import split
from salhw_reference.jit import compiled
from salhw_reference.program import build
from salhw_reference.vectors import vectors_at_rest

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


def calls_of_threads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many threads make each call from now on."""
    sizes: list[int] = []

    def noted(held: pace.Pace, size: int) -> tuple[int, int]:
        threads, steps = next_call(held, size)
        sizes.append(threads)
        return threads, steps

    next_call = pace.next_call
    monkeypatch.setattr(pace, "next_call", noted)
    return sizes


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
    monkeypatch.setattr(pace, "STRETCH", 2 * SIZE)  # so that calls are short, and come from one thread and a team
    monkeypatch.setattr(pace, "SHARE", 1e9)
    sizes = calls_of_threads(monkeypatch)
    for threads in (2, 3):
        monkeypatch.setenv("SALHW_THREADS", str(threads))
        assert team.team_size(2 * SIZE, threads) == threads
        for one, other in zip(alone, outcome(net, (60.0, 40.0)), strict=True):
            np.testing.assert_array_equal(one, other)
        assert {1, threads} <= set(sizes)
    if case != "at the end":
        for one, other in zip(alone, outcome(net, (27.0, 40.0, 33.0)), strict=True):
            np.testing.assert_array_equal(one, other)


def time_of(seconds: float, step: dict[int, float], size: int = 2) -> tuple[dict[int, float], pace.Pace]:
    """So many seconds of work, in calls whose steps take as long as ``step`` says by the number of threads; how much
    of the work each number of threads did."""
    held, work, passed = pace.begin(10_000), {1: 0.0, size: 0.0}, 0.0
    while passed < seconds:
        threads, steps = pace.next_call(held, size)
        held = pace.after(held, threads, steps, steps * step[threads])
        work[threads] += steps
        passed += steps * step[threads]
    return {threads: steps / sum(work.values()) for threads, steps in work.items()}, held


def test_a_team_moves_a_network_where_it_is_faster() -> None:
    shares, _ = time_of(5.0, {1: 20e-6, 2: 12e-6})
    assert shares[2] > 0.95


@pytest.mark.parametrize("slower", [1.01, 2.0, 14.0, 100.0])
def test_teams_that_lose_cost_no_more_than_their_share(slower: float) -> None:
    single = 20e-6
    shares, _ = time_of(20.0, {1: single, 2: slower * single})
    lost = shares[2] * (slower - 1.0)
    trial = pace.STRETCH / 10_000 * (slower - 1.0) * single / 20.0
    assert 0.0 < lost <= pace.SHARE + pace.CREDIT / 20.0 + trial


def test_a_team_gives_up_soon_after_cores_become_busy_and_comes_back() -> None:
    _, quiet = time_of(5.0, {1: 20e-6, 2: 12e-6})
    busy, extra, threads = quiet, 0.0, 2
    while threads == 2 or busy.credit >= 0.0:
        threads, steps = pace.next_call(busy, 2)
        waited = 0.02 * (threads == 2)  # s until a team notices; a single thread does the rest of the call
        busy = pace.after(busy, threads, steps, steps * 20e-6 + waited)
        extra += waited
    assert extra < 0.1
    seconds, again = 0.0, busy
    while again.credit < pace.CREDIT:
        threads, steps = pace.next_call(again, 2)
        again = pace.after(again, threads, steps, steps * {1: 20e-6, 2: 12e-6}[threads])
        seconds += steps * {1: 20e-6, 2: 12e-6}[threads]
    assert seconds < 2.0 * extra / pace.SHARE


def test_a_team_works_at_once_away_from_the_first_and_leaves_its_threads_free() -> None:
    everywhere, met = os.sched_getaffinity(0), threading.Barrier(3, timeout=10.0)
    places: dict[int, set[int]] = {}

    def work(first: int, end: int) -> None:
        places[first] = os.sched_getaffinity(0)
        met.wait()

    with ThreadPoolExecutor(3) as pool:
        pool.submit(team.do_at_once, work, [(0, 1), (1, 2), (2, 3)], pool).result()
        after = list(pool.map(lambda _: os.sched_getaffinity(0), range(9)))
    assert places[0] == everywhere
    assert places[1] == places[2]
    assert len(places[1]) == max(len(everywhere) - 1, 1)
    assert after == [everywhere] * 9


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


def test_a_team_gives_up_where_one_of_it_does_not_come() -> None:
    @compiled
    def meet(meeting, goes_on):  # type: ignore[no-untyped-def]
        if team.last_to_meet(meeting):
            goes_on[0] = team.holds_together(meeting)
            team.go_on(meeting)

    meeting, goes_on = team.team(2), np.ones(1, np.bool_)
    meet(team.team(1), goes_on)
    assert goes_on[0]
    waiting = threading.Thread(target=meet, args=(meeting, goes_on))
    waiting.start()
    late = time.monotonic() + 20.0
    while meeting[team.NAPS] < team.MOST_NAPS and time.monotonic() < late:
        time.sleep(0.001)
    meet(meeting, goes_on)
    waiting.join()
    assert not goes_on[0]


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


def test_network_states_are_counted_where_two_threads_share_a_population(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watched neurons lie on both sides of an edge between shares; their states follow from their spikes."""
    names, sizes, tau, steps = ("a", "watched", "b"), (60, 8, 60), 5, 300
    net = Network(
        name="states",
        dt=1.0,
        populations=[Population(n, k, GLM(tau_ref=float(tau))) for n, k in zip(names, sizes, strict=True)],
        probes=[Spikes("watched"), StateOccupancy("watched")],
    )
    monkeypatch.setattr(team, "FEWEST", 64)
    monkeypatch.setattr(pace, "STRETCH", sum(sizes))
    monkeypatch.setattr(pace, "SHARE", 1e9)
    monkeypatch.setenv("SALHW_THREADS", "2")
    assert sizes[0] < team.first_of_share(sum(sizes), 1, 2) < sizes[0] + sizes[1]
    teams = calls_of_threads(monkeypatch)
    with salhw.compile(net, "reference").open(seed=2) as session:
        recording = session.run(float(steps))
    assert {1, 2} <= set(teams)
    spikes, refractory = recording.spikes["watched"], np.zeros((steps, sizes[1]), np.int64)
    for neuron, time_ms in zip(spikes.neuron, spikes.time, strict=True):
        refractory[round(time_ms) : round(time_ms) + tau, neuron] = 1
    expected = np.bincount(refractory @ (1 << np.arange(sizes[1])), minlength=2 ** sizes[1])
    assert len(spikes.neuron) > 100
    np.testing.assert_array_equal(np.asarray(recording.state_occupancy["watched"])[0], expected / steps)


def test_vectors_begin_where_cache_lines_do() -> None:
    vectors = vectors_at_rest(build(split(network("spike"))), seed=1, ids=[0, 1], varied=False)
    rows = [vectors.random.reshape(8, -1), vectors.input, vectors.base, vectors.gate, vectors.drawn, vectors.hit]
    assert [row.ctypes.data % 64 for array in rows for row in array] == [0] * 18
