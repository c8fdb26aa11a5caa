"""Several synapses of a pair, and those of a neuron onto itself: PSPs add up, in every algorithm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import salhw
from salhw import (
    GLM,
    LIF,
    AllToAll,
    Exponential,
    FixedIndegree,
    Network,
    Population,
    Projection,
    Rectangular,
    Sparse,
    Spikes,
    Uniform,
)  # fmt: skip
from salhw_reference import vectors

SIZE = 90


def network(*projections: Projection) -> Network:
    """Deterministic neurons, each with a drive of its own."""
    neuron = LIF(bias=np.linspace(0.9, 1.4, SIZE), tau_m=10.0, tau_ref=2.0)
    return Network(
        name="several",
        dt=0.5,
        populations=[Population("n", SIZE, neuron)],
        projections=projections,
        probes=[Spikes("n")],
    )


def joined(weights: Any, name: str = "p", **options: Any) -> Projection:
    return Projection(name=name, pre="n", post="n", weights=weights, kernel=Exponential(tau_syn=3.0), **options)


def spikes(net: Network, algorithm: str = "auto") -> list[tuple[float, int]]:
    target = salhw.target("reference").with_options(algorithm=algorithm)
    found = salhw.run(net, target, duration=300.0, seed=1).spikes["n"]
    return sorted(zip(found.time.tolist(), found.neuron.tolist(), strict=True))


DRAWN = FixedIndegree(12, weight=Uniform(-0.25, 0.25), autapses=True, multapses=True)


def test_several_synapses_are_as_strong_as_their_sum() -> None:
    """Weights in quarters, whose sums are exact."""
    table = network(joined(DRAWN)).synapses("p")
    quarters = np.round(table.weight * 16) / 16
    each = Sparse(post=table.post, pre=table.pre, weight=quarters, autapses=True, multapses=True)
    pairs, which = np.unique(table.post * SIZE + table.pre, return_inverse=True)
    assert len(pairs) < len(table)
    total = Sparse(post=pairs // SIZE, pre=pairs % SIZE, weight=np.bincount(which, quarters), autapses=True)
    found = spikes(network(joined(each)))
    assert len(found) > 1000
    assert found == spikes(network(joined(total)))
    assert found != spikes(network(joined(total.replace(weight=np.abs(total.weight)))))


@pytest.mark.parametrize("delay", [0.0, Uniform(0.0, 2.0)], ids=["at once", "delays"])
def test_every_algorithm_has_the_same_spikes(delay: Any) -> None:
    net = network(joined(DRAWN, delay=delay))
    assert spikes(net, "vectorised") == spikes(net, "time-driven")


def test_several_synapses_are_as_strong_as_their_sum_where_hazards_are_tabulated() -> None:
    """Few GLM neurons with one projection."""
    few = Network(
        name="few", dt=1.0, populations=[Population("n", 3, GLM(bias=[0.0, 0.5, 1.0], tau_ref=8.0))],
        projections=[Projection("p", "n", "n", AllToAll(0.0), kernel=Rectangular(tau_syn=8.0))], probes=[Spikes("n")],
    )  # fmt: skip
    each = Sparse(post=[0, 0, 0, 1], pre=[1, 1, 2, 0], weight=[1.5, -3.0, -0.5, 1.0], multapses=True)
    total = Sparse(post=[0, 0, 1], pre=[1, 2, 0], weight=[-1.5, -0.5, 1.0])
    one, other = (spikes(few.replace(projections=[few.projections[0].replace(weights=w)])) for w in (each, total))
    assert len(one) > 50
    assert one == other


@pytest.mark.parametrize("blocks", [False, True])
def test_rows_with_two_synapses_and_a_gap_are_not_taken_for_gapless(
    blocks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their first and last partners lie as far apart as those of a row that has each neuron between them once."""
    monkeypatch.setattr(vectors, "LEAST", 2 if blocks else 2**40)
    each = np.arange(SIZE)
    post = np.where(each + 3 < SIZE, each + 1, each - 3)[:, None] + np.array([0, 0, 2])
    weight = np.random.default_rng(2).normal(0.0, 0.1, post.size)
    listed = Sparse(post=post.ravel(), pre=np.repeat(each, 3), weight=weight, multapses=True)
    net = network(joined(listed, plasticity=salhw.Hebbian(0.05, tau=5.0, pairing="all", update="every 20 ms")))
    held = []
    for algorithm in ("vectorised", "time-driven"):
        with salhw.compile(net, salhw.target("reference").with_options(algorithm=algorithm)).open(seed=1) as session:
            counts = session.run(100.0).counts["n"]
            held.append((counts, session.get("projections.p.weights")))
    np.testing.assert_array_equal(held[0][0], held[1][0])
    np.testing.assert_allclose(held[0][1], held[1][1], rtol=0.0, atol=1e-12)
    assert np.abs(held[0][1] - weight).max() > 0.01


def test_a_neuron_acts_on_itself() -> None:
    own = Sparse(post=range(SIZE), pre=range(SIZE), weight=np.full(SIZE, 0.5), autapses=True)
    free, held = (len(spikes(network(joined(own.replace(weight=np.full(SIZE, w)))))) for w in (0.0, -2.0))
    assert held < 0.9 * free
    beside = network(joined(own, "own"), joined(AllToAll(weight=-0.01)))
    assert spikes(beside, "vectorised") == spikes(beside, "time-driven")


def test_targets_without_them_refuse_them() -> None:
    for name in ("brainscales2", "loihi2"):
        found = {f.path: f for f in salhw.problems(network(joined(DRAWN)), name)}
        for more in ("autapses", "multapses"):
            assert found[f"projections.p.weights.{more}"].code == "SAL101"
            assert found[f"projections.p.weights.{more}"].fix == f"{more} = false"
    listed = Sparse(post=[0, 0], pre=[1, 1], weight=[0.5, 0.5], multapses=True)
    (finding,) = (f for f in salhw.problems(network(joined(listed)), "loihi2") if f.path.endswith("multapses"))
    assert finding.fix == "add their weights up"
