"""PSPs that end together as a vector leave the same inputs behind as PSPs that end one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import salhw
from salhw import (
    GLM,
    SAL,
    AllToAll,
    Membrane,
    Network,
    Poisson,
    Population,
    Projection,
    Rectangular,
    Source,
    Sparse,
    Spikes,
    TsodyksMarkram,
)
from salhw_reference import pace, team
from salhw_reference.delays import volley_bytes

SIZE, LASTS = 150, 7  # with the two steps more that flags are kept, more than a power of two
NEVER = 2**40  # spikes in so few steps
NEURONS = 2 * SIZE + 70


def sparse(seed: int, inputs: int) -> Sparse:
    """So many inputs for each of SIZE neurons, none from itself."""
    random = np.random.default_rng(seed)
    post = np.repeat(np.arange(SIZE), inputs)
    away = np.concatenate([random.choice(np.arange(1, SIZE), inputs, replace=False) for _ in range(SIZE)])
    return Sparse(post, (post + away) % SIZE, random.uniform(-0.5, 0.5, len(post)))


LAST = Rectangular(tau_syn=float(LASTS), superposition="last")


def network(update: str = "every 20 ms", **of_sources: Any) -> Network:
    """Neurons so active that PSPs often end as the next begin, driven by sources. PSPs of ``p`` and ``d`` replace each
    other, those of ``q`` and ``s`` add up; ``d`` has all synapses that there can be; those of ``s`` learn."""
    psp = Rectangular(tau_syn=float(LASTS))
    rule = SAL(0.01, tau=6.0, pairing="all", update=update, bounds=(-1.0, 1.0))
    return Network(
        name="volleys", dt=1.0,
        populations=[
            Population("in", SIZE, Source()),
            Population("a", SIZE, GLM(bias=np.linspace(-3.0, 4.0, SIZE), tau_ref=float(LASTS))),
            Population("b", NEURONS - 2 * SIZE, GLM(bias=-1.0, tau_ref=float(LASTS))),
        ],
        projections=[
            Projection("p", "a", "a", sparse(1, 20), LAST),
            Projection("q", "in", "a", sparse(2, 15), **{"kernel": psp, "delay": 3.0} | of_sources),
            Projection("d", "b", "b", AllToAll(0.02), LAST),
            Projection("s", "a", "a", sparse(3, 12), psp, plasticity=rule),
        ],
        stimuli=[Poisson("in", rate=40.0)],
        probes=[Spikes("a"), Spikes("b"), Membrane("a"), Membrane("b")],
    )  # fmt: skip


CASES: dict[str, dict[str, Any]] = {
    "learning now and then": {},
    "learning on the spike": {"update": "spike"},
    "PSPs that replace others": {"kernel": LAST},
    "short-term plasticity": {"short_term": TsodyksMarkram(U=0.5, tau_rec=20.0, tau_facil=5.0)},
    "some delays": {"delay": np.resize([1.0, 2.0, 7.0], SIZE * 15)},
    "other synapses on a chip": {"varied": True},
}


def vectors_of(session: Any) -> Any:
    """What the vectorised algorithm holds of a session."""
    return session.engine._random


def outcome(case: dict[str, Any], fewest: Any) -> tuple[list[Any], list[Any], Any, Any]:
    """What is the same with and without volleys: spikes; and, but for rounding, membranes and weights, which are
    written in between. And in which share of the steps each projection had volleys, ``fewest`` being what makes one,
    and what of that there was at the end."""
    options = dict(case)
    target = salhw.target("reference").with_variability({"weight": 0.2} if options.pop("varied", False) else {})
    spikes, values, shares = [], [], []
    with salhw.compile(network(**options), target).open(chips=target.sample_chips(1), seed=3) as session:
        held = vectors_of(session)
        held.volley["fewest"] = fewest
        for duration in (30.0, 7.0, 1.0, *[9.0] * 10):
            ran = session.run(duration)
            spikes += [getattr(ran.spikes[name], field) for name in "ab" for field in ("neuron", "time")]
            values += [ran.membrane[name].values for name in "ab"]
            of_each = [held.whole[0, first : first + LASTS] for first in held.volley["flag"][held.volley["lasts"] > 0]]
            shares.append(np.mean(of_each, axis=1))
            if duration == 7.0:
                session.set("projections.p.weights", 1.5 * session.get("projections.p.weights"))
        return spikes, [*values, session.get("projections.s.weights")], np.mean(shares, axis=0), held.recent[0].copy()


@pytest.mark.parametrize("case", CASES)
def test_volleys_change_no_spike(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums in another order may differ in their last bits, by less than 1e-12 of inputs of about 10."""
    monkeypatch.setattr(team, "FEWEST", 64)
    monkeypatch.setattr(pace, "SHARE", 1e9)
    monkeypatch.setenv("SALHW_THREADS", "1")
    spikes, values, never, _ = outcome(CASES[case], NEVER)
    assert len(spikes[0]) > 200
    assert np.all(never == 0.0)

    def with_volleys(fewest: Any) -> tuple[Any, Any]:
        """The shares of the steps, and what of spikes there was at the end; of one thread and of two."""
        told = []
        for threads in ("1", "2"):
            monkeypatch.setenv("SALHW_THREADS", threads)
            told.append(outcome(CASES[case], fewest))
            for one, other in zip(spikes, told[-1][0], strict=True):
                assert np.array_equal(one, other)
            for one, other in zip(values, told[-1][1], strict=True):
                assert np.allclose(one, other, rtol=0.0, atol=1e-11)
        assert all(map(np.array_equal, told[0][1], told[1][1]))
        assert all(map(np.array_equal, told[0][2:], told[1][2:]))
        return told[0][2:]

    always, mean = with_volleys(0)
    sometimes, _ = with_volleys(mean - 4)
    assert np.all((sometimes > 0.02) & (sometimes < always - 0.02))


def test_volleys_take_the_memory_that_is_told() -> None:
    """Within the cache lines at the ends of vectors."""
    for case, of_q in (("learning now and then", 1.0), ("some delays", 0.0)):  # too few synapses of each delay
        net = network(**CASES[case])
        with salhw.compile(net, "reference").open(instances=2) as session:
            held = vectors_of(session).input[0]
        used = held.nbytes - 8 * (-(-NEURONS // 64) * 64)
        told = {p.name: volley_bytes(net, p) for p in net.projections}
        expected = sum(told.values()) - (1.0 - of_q) * told["q"]
        assert expected <= used <= 1.1 * expected
