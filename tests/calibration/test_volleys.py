"""Forced spikes: what they promise to synapses and to neurons."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from salhw_calibration.volleys import FAR, Volleys, coloured

GRAPHS = st.integers(1, 12).flatmap(
    lambda n: st.tuples(st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=40))
)


@given(GRAPHS)
def test_no_synapse_joins_neurons_of_one_colour(graph: tuple[int, list[tuple[int, int]]]) -> None:
    size, edges = graph
    first, second = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    colour = coloured(size, first, second)
    assert all(colour[a] != colour[b] for a, b in edges if a != b)
    degree = max(len({b for e in edges for b in e if k in e} - {k}) for k in range(size))
    assert set(colour.tolist()) == set(range(colour.max() + 1))
    assert colour.max() <= degree


def test_reciprocal_pairs_need_two_colours() -> None:
    post = np.arange(20)
    assert coloured(20, post, post ^ 1).max() == 1


@example([0, 4], False, 1.125, 1.0, 22, 0)  # 4.5 slots are 4
@given(st.lists(st.integers(0, 5), min_size=1, max_size=10), st.booleans(), st.floats(1.0, 30.0),
       st.sampled_from([0.2, 1.0]), st.integers(0, 400), st.integers(0, 9))  # fmt: skip
def test_neurons_spike_once_per_cycle_within_their_updates_and_never_while_refractory(
    colours: list[int], near: bool, tau: float, dt: float, active: int, seed: int
) -> None:
    colour, tau_ref, gap = np.array(colours), 10.0, 30
    volleys = Volleys.of(colour, near, tau, tau_ref, dt)
    assert volleys.cycle * dt > tau_ref
    begins = [k * (active + gap) for k in range(4)]
    trains = volleys.trains(begins, active, np.random.default_rng(seed))
    assert len({len(train) for train in trains}) == 1
    for train in trains:
        assert np.all(np.diff(train) * dt > tau_ref)
        assert np.isin(train // (active + gap), range(4)).all()
        assert np.all(train % (active + gap) < active)
    if colour.max() < max(2, round(FAR * tau / dt)):  # as many slots as colours
        for a, b in np.argwhere(colour[:, None] != colour):
            assert not np.intersect1d(trains[a], trains[b]).size


def test_lags_are_short_or_about_two_time_constants_and_the_order_is_reversed() -> None:
    for near, lag in ((True, 5), (False, 100)):
        volleys = Volleys.of(np.array([0, 1]), near, 10.0, 10.0, 0.2)
        a, b = (train.reshape(2, -1) for train in volleys.trains([0, 9000], 5000, np.random.default_rng(0)))
        assert np.all(np.abs(np.abs(b - a) - lag) <= lag // 2)
        assert len(np.unique(b - a)) > 5
        assert np.all(np.sign(b - a)[0] == -np.sign(b - a)[1])
