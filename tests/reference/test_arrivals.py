"""A projection with a delay per synapse that is kept whole does what projections of one delay each do."""

from __future__ import annotations

import tracemalloc
from typing import Any

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
)
from salhw.description.fields import FloatArray
from salhw_reference import delays, pace, team
from salhw_reference.delays import split
from salhw_reference.program import build

SIZE, INPUTS, SLOWEST = 70, 20, 15


def sparse(random: np.random.Generator, strength: float) -> tuple[Sparse, FloatArray]:
    """INPUTS synapses onto each of SIZE neurons from as many, and their delays."""
    post = np.repeat(np.arange(SIZE), INPUTS)
    pre = np.concatenate([np.sort(random.choice(SIZE, INPUTS, replace=False)) for _ in range(SIZE)])
    weight = np.clip(random.normal(0.0, strength, len(post)), -0.8, 0.8)
    return Sparse(post[pre != post], pre[pre != post], weight[pre != post]), random.integers(
        1, SLOWEST + 1, int(np.sum(pre != post))
    ).astype(float)


def network(kernel: type, *, leaky: bool = False, update: str = "every 30 ms", e_rev: float | None = None) -> Network:
    """Neurons that learn, some of them forced, driven by sources through a second projection with delays."""
    random = np.random.default_rng(4)
    (among, slow), (onto, late) = sparse(random, 0.3), sparse(random, 0.3)
    if e_rev is not None:
        onto = Sparse(onto.post, onto.pre, np.abs(onto.weight))
    neuron = LIF(bias=0.9, tau_m=10.0, tau_ref=4.0) if leaky else GLM(bias=np.linspace(-1.0, 1.0, SIZE), tau_ref=4.0)
    rule = SAL(0.02, tau=6.0, pairing="all", update=update, bounds=(-0.8, 0.8))
    return Network(
        name="late", dt=1.0,
        populations=[Population("in", SIZE, Source()), Population("a", SIZE, neuron)],
        projections=[
            Projection("p", "a", "a", among, kernel(tau_syn=5.0), slow, rule),
            Projection("q", "in", "a", onto, kernel(tau_syn=3.0), late, e_rev=e_rev),
        ],
        stimuli=[
            Poisson("in", rate=80.0),
            SpikeTimes("a", [[7.0, 9.0, 40.0] if k % 9 == 3 else [] for k in range(SIZE)]),
        ],
        probes=[Spikes("a"), Membrane("a")],
    )  # fmt: skip


def outcome(net: Network, durations: tuple[float, ...], *, written: bool = True) -> tuple[Any, ...]:
    """Spikes, membranes and learned weights on two chips whose synapses differ; in between weights are ``written``
    while spikes are on their way."""
    target = salhw.target("reference").with_variability({"weight": 0.2})
    with salhw.compile(net, target).open(chips=target.sample_chips(2), seed=3) as session:
        runs = []
        for k, duration in enumerate(durations):
            runs.append(session.run(duration))
            if written and k == 0:
                session.set("projections.q.weights", 1.5 * session.get("projections.q.weights"))
        weights = session.get("projections.p.weights")
    spikes = [np.concatenate([getattr(r.spikes["a"], field) for r in runs]) for field in ("instance", "neuron", "time")]
    order = np.lexsort(spikes)
    return *(each[order] for each in spikes), weights, np.concatenate([r.membrane["a"].values for r in runs], axis=1)


CASES: dict[str, dict[str, Any]] = {
    "rectangular": {"kernel": Rectangular},
    "exponential": {"kernel": Exponential, "update": "run end"},
    "alpha": {"kernel": Alpha},
    "conductances": {"kernel": Alpha, "leaky": True, "e_rev": 3.0},
}


@pytest.mark.parametrize("case", CASES)
def test_one_ring_does_what_a_projection_per_delay_does(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same spikes and learned weights; potentials to the rounding of sums in another order: each of the terms that
    a neuron's input was made of may round by half an eps of the largest sum of them."""
    net = network(**CASES[case])
    assert len(build(split(net, vectorised=True)).psp) == 2
    whole = outcome(net, (50.0, 50.0))
    monkeypatch.setattr(delays, "STEPS_PER_DELAY", 0)
    assert len(build(split(net, vectorised=True)).psp) == 2 * SLOWEST
    apart = outcome(net, (50.0, 50.0))
    assert len(whole[0]) > 300
    for one, other in zip(whole[:4], apart[:4], strict=True):
        np.testing.assert_array_equal(one, other)
    terms, largest = 2 * 2 * INPUTS * 100, 1.5 * INPUTS * 2 * 0.8  # begin and end, two projections, 100 steps; weights
    difference = np.abs(whole[4] - apart[4]).max()
    assert 0.0 < difference < terms * largest * np.finfo(float).eps / 2


@pytest.mark.parametrize("case", CASES)
def test_threads_and_division_into_runs_change_no_bit(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = network(**CASES[case])
    monkeypatch.setenv("SALHW_THREADS", "1")
    alone = outcome(net, (41.0, 59.0))
    monkeypatch.setattr(team, "FEWEST", 64)
    monkeypatch.setattr(pace, "STRETCH", SIZE)  # so that calls are short, and come from one thread and a team
    monkeypatch.setattr(pace, "SHARE", 1e9)
    monkeypatch.setenv("SALHW_THREADS", "4")
    assert team.team_size(2 * SIZE, 2) == 2
    durations = (41.0, 59.0) if CASES[case].get("update") == "run end" else (41.0, 3.0, 7.0, 49.0)
    for one, other in zip(alone, outcome(net, durations), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "apart",
    [
        {"plasticity": SAL(0.02)},
        {"kernel": Exponential(5.0, superposition="last")},
        {"delay": np.where(np.arange(SIZE * INPUTS) % 7, 1.0, 2.0 + 2 * delays.STEPS_PER_DELAY)},
    ],
    ids=["on the spike", "last", "far apart"],
)
def test_what_needs_a_projection_per_delay_has_one(apart: dict[str, Any]) -> None:
    net = network(Exponential)
    if "delay" in apart:
        apart = {"delay": apart["delay"][: len(net.projections[0].delay)]}  # type: ignore[arg-type]
    changed = net.projections[0].replace(**apart)
    made = build(split(net.replace(projections=[changed, net.projections[1]]), vectorised=True))
    assert len(made.psp) == len(np.unique(changed.delay)) + 1


def test_rings_count_as_memory() -> None:
    """A session holds no more than the report says; without its rings it would say too little."""
    net = network(Alpha)
    executable = salhw.compile(net, "reference")
    executable.open(seed=1).close()  # what is made once
    tracemalloc.start()
    with executable.open(seed=1):
        held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    arrays = 2 * SLOWEST * SIZE * (8 + 16)
    assert held < executable.report.memory.of(1) < held + 8 * arrays
