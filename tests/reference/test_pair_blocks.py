"""Pair sums that are formed in blocks of steps are those of each spike, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import salhw
from salhw import GLM, SAL, Hebbian, Network, Poisson, Population, Projection, Rectangular, Source
from salhw_reference import pace, team, vectors
from salhw_reference.delays import split
from salhw_reference.program import BLOCK, block_bytes, build

SIZES = {"a": 90, "b": 150, "in": 40}


def network(update: str) -> Network:
    """Layers in both directions, one of which is connected to itself, and sources that spike at up to every second
    step; two rules in one projection."""
    random = np.random.default_rng(3)

    def dense(post: str, pre: str, *rules: Any) -> Projection:
        weights = random.normal(0.0, 0.1, (SIZES[post], SIZES[pre]))
        if post == pre:
            np.fill_diagonal(weights, 0.0)
        return Projection(f"{post}_{pre}", pre, post, weights, kernel=Rectangular(tau_syn=5.0), plasticity=rules)

    sal = SAL(learning_rate=1e-3, tau=6.0, pairing="all", update=update)
    slow = Hebbian(learning_rate=1e-4, tau=30.0, pairing="all", update="every 90 ms")
    return Network(
        name="dense", dt=1.0,
        populations=[
            Population("a", 90, GLM(bias=np.linspace(-2.0, 1.0, 90), tau_ref=5.0)),
            Population("b", 150, GLM(bias=0.0, tau_ref=4.0)), Population("in", 40, Source()),
        ],
        projections=[
            dense("a", "a", sal), dense("b", "a", sal, slow),
            dense("a", "b", sal), dense("b", "in", sal),
        ],
        stimuli=[Poisson("in", rate=np.linspace(0.0, 700.0, 40))],
    )  # fmt: skip


def weights(net: Network, durations: tuple[float, ...], instances: int = 1) -> list[Any]:
    """Of all projections, after runs of so many ms."""
    with salhw.compile(net, "reference").open(seed=5, instances=instances) as session:
        for duration in durations:
            session.run(duration)
        return [session.get(f"projections.{p.name}.weights") for p in net.projections]


@pytest.mark.parametrize("update", ["every 70 ms", "run end"])
def test_blocks_change_no_bit(update: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For one thread and a team, and for runs that end within blocks and after several."""
    net, durations = network(update), (30.0, 1.5 * BLOCK // 1, 101.0)
    monkeypatch.setenv("SALHW_THREADS", "1")
    monkeypatch.setattr(vectors, "LEAST", 2**40)
    each = weights(net, durations)
    assert np.abs(each[1] - net.projections[1].weights.values).max() > 1e-3  # type: ignore[union-attr]
    monkeypatch.setattr(vectors, "LEAST", 2)
    alone = weights(net, durations)
    monkeypatch.setattr(team, "FEWEST", 64)
    monkeypatch.setattr(pace, "STRETCH", 300)
    monkeypatch.setattr(pace, "SHARE", 1e9)
    monkeypatch.setenv("SALHW_THREADS", "2")
    shared = weights(net, durations)
    batch = weights(net, durations, instances=2)
    for one, other, team_s, two in zip(each, alone, shared, batch, strict=True):
        np.testing.assert_array_equal(other, one)
        np.testing.assert_array_equal(team_s, one)
        np.testing.assert_array_equal(two[:1], one)


def test_large_dense_projections_alone_form_blocks() -> None:
    """And only with rules that add up all pairs, not those that learn on the spike."""
    random = np.random.default_rng(4)

    def in_blocks(**changes: Any) -> bool:
        post, pre = 120, changes.pop("pre", 140)
        matrix = random.normal(size=(post, pre))
        matrix[:, :: changes.pop("every", pre)] = 0.0
        band = changes.pop("band", post)  # each presynaptic neuron reaches only so many neighbours on either side
        matrix *= abs(np.arange(post)[:, None] - np.arange(pre) * (post / pre)) < band
        for synapse in changes.pop("without", []):
            matrix[synapse] = 0.0
        rule = SAL(learning_rate=1e-3, tau=6.0, **{"update": "run end", "pairing": "all"} | changes)
        i, j = np.nonzero(matrix)
        weights: Any = salhw.Sparse(post=i, pre=j, weight=matrix[i, j])
        neuron = GLM(tau_ref=5.0)
        net = Network(
            name="two", dt=1.0, populations=[Population("x", pre, neuron), Population("y", post, neuron)],
            projections=[Projection("p", "x", "y", weights, kernel=Rectangular(tau_syn=5.0), plasticity=rule)],
        )  # fmt: skip
        made = vectors.vectors_at_rest(build(split(net)), 1, np.array([0]), varied=False)
        return bool(made.kept[0, 0]["neurons"] > 0)

    assert in_blocks()
    assert not in_blocks(pre=100)
    assert not in_blocks(without=[(60, 90)])
    assert not in_blocks(without=[(90, 90)])  # where a neuron would be the same in other populations
    assert not in_blocks(every=7, pre=200)
    assert not in_blocks(update="spike")
    assert not in_blocks(pre=3000, band=6)
    assert not in_blocks(pairing="nearest_symmetric")


def test_memory_is_told_with_its_blocks() -> None:
    """No less than what they take, and no more than half as much again."""
    net = network("run end")
    made = vectors.vectors_at_rest(build(split(net)), 1, np.array([0]), varied=False)
    assert block_bytes(net) == made.past_trace.nbytes == 0  # all layers are too small
    large = net.model_copy(
        update={
            "populations": [Population("a", 300, GLM(tau_ref=10.0)), Population("b", 100, GLM(tau_ref=10.0))],
            "projections": [
                Projection("p", "a", "b", np.ones((100, 300)), kernel=Rectangular(tau_syn=10.0),
                           plasticity=SAL(learning_rate=1e-3, tau=6.0, pairing="all", update="run end")),
            ],
            "stimuli": [],
        }
    )  # fmt: skip
    made = vectors.vectors_at_rest(build(split(large)), 1, np.array([0]), varied=False)
    taken = made.past_trace.nbytes + made.chain.nbytes
    assert 0 < taken <= block_bytes(large) < 1.5 * taken
