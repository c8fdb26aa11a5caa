"""Random connectors: which synapses they draw, from what, and that nothing else of a network moves them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import salhw
from salhw import (
    GLM,
    SAL,
    AllToAll,
    DescriptionError,
    DistanceDependent,
    Exponential,
    FixedIndegree,
    FixedOutdegree,
    FixedProbability,
    FixedTotalNumber,
    LogNormal,
    Network,
    Normal,
    Population,
    Projection,
    Sparse,
    Tie,
    Uniform,
)
from salhw.description.distributions import Distribution
from salhw.description.drawn import PAIR, Draws

GOLDEN = "75732b193ed11f2e1f2a4eb864bd6d778159e339931bd67db7557a166cd4ce49"
KINDS: dict[str, Any] = {
    "FixedProbability": FixedProbability(0.3, weight=0.5),
    "FixedIndegree": FixedIndegree(3, weight=0.5),
    "FixedOutdegree": FixedOutdegree(3, weight=0.5),
    "FixedTotalNumber": FixedTotalNumber(20, weight=0.5),
    "DistanceDependent": DistanceDependent(0.9, length=2.0, weight=0.5),
}


def network(weights: Any, pre: int = 9, post: int = 7, **projection: Any) -> Network:
    """Two populations on a line, joined by a projection; ``pre=0`` joins the second with itself."""
    populations = [
        Population(name, size, GLM(bias=-2.0), positions=np.arange(float(size))[:, None])
        for name, size in (("a", pre), ("b", post)) if size
    ]  # fmt: skip
    p = Projection(name="p", pre="a" if pre else "b", post="b", weights=weights, **projection)
    return Network(name="n", dt=1.0, populations=populations, projections=[p])


def pairs(net: Network, name: str = "p") -> set[tuple[int, int]]:
    table = net.synapses(name)
    return set(zip(table.post.tolist(), table.pre.tolist(), strict=True))


def test_a_pair_is_joined_where_its_own_number_says_so() -> None:
    """The numbers by numpy itself, as docs/semantics.md defines them, with its worked example."""
    key = np.frombuffer(hashlib.sha256(b"salhw.connector 3 p").digest()[:16], dtype="<u8")
    rows = [np.random.Philox(key=key, counter=[0, 0, i, 0]).random_raw(4) for i in range(3)]
    uniform = np.array([[(int(bits) >> 11) + 0.5 for bits in row] for row in rows]) / 2.0**53
    assert uniform.round(3).tolist() == EXAMPLE
    assert pairs(network(FixedProbability(0.4, weight=1.0, seed=3), 4, 3)) == set(
        zip(*np.nonzero(uniform < 0.4), strict=True)
    )
    indegree = network(FixedIndegree(2, weight=1.0, seed=3), 4, 3).synapses("p")
    assert indegree.pre.reshape(3, 2).tolist() == np.sort(np.argsort(uniform, axis=1)[:, :2], axis=1).tolist()
    total = pairs(network(FixedTotalNumber(5, weight=1.0, seed=3), 4, 3))
    assert total == set(zip(*np.unravel_index(np.argsort(uniform, axis=None)[:5], (3, 4)), strict=True))


EXAMPLE = [[0.544, 0.651, 0.74, 0.849], [0.126, 0.17, 0.104, 0.141], [0.641, 0.073, 0.943, 0.024]]


@settings(deadline=None, max_examples=25)
@given(
    pre=st.integers(0, 12), post=st.integers(1, 12), seed=st.integers(0, 2**64), kind=st.sampled_from([*KINDS]),
    share=st.floats(0.0, 1.0),
)  # fmt: skip
def test_synapses_are_sorted_single_and_as_many_as_asked(
    pre: int, post: int, seed: int, kind: str, share: float
) -> None:
    recurrent, senders = pre == 0, pre or post
    most = {
        "FixedIndegree": senders - recurrent, "FixedOutdegree": post - recurrent,
        "FixedTotalNumber": post * (senders - recurrent),
    }  # fmt: skip
    changes = {"n": int(share * most[kind])} if kind in most else {"p": share}
    net = network(KINDS[kind].replace(seed=seed, **changes), pre, post)
    table = net.synapses("p")
    flat = table.post * senders + table.pre
    assert np.all(np.diff(flat) > 0)
    assert np.all((table.pre < senders) & (table.post < post))
    assert not (recurrent and np.any(table.pre == table.post))
    if kind == "FixedIndegree":
        assert np.bincount(table.post, minlength=post).tolist() == [changes["n"]] * post
    if kind == "FixedOutdegree":
        assert np.bincount(table.pre, minlength=senders).tolist() == [changes["n"]] * senders
    if kind == "FixedTotalNumber":
        assert len(table) == changes["n"]
    assert Network.model_validate(net.model_dump(mode="json")).synapses("p").pre.tolist() == table.pre.tolist()


def test_synapses_with_replacement_are_drawn_one_by_one() -> None:
    """docs/semantics.md word by word; and 3 sigma at most between what is counted and expected of 12,000 draws."""
    key = np.frombuffer(hashlib.sha256(b"salhw.connector 3 p").digest()[:16], dtype="<u8")

    def numbers(row: int, purpose: int, count: int) -> Any:
        bits = np.random.Philox(key=key, counter=[0, 0, row, purpose]).random_raw(count)
        return ((bits >> np.uint64(11)) + 0.5) / 2.0**53

    net = network(FixedIndegree(40, weight=Uniform(0.0, 1.0), seed=3, multapses=True), 4, 3)
    table = net.synapses("p")
    assert table.pre[:40].tolist() == sorted(np.floor(4 * numbers(0, 4, 40)).astype(int).tolist())
    again = np.arange(40) - np.searchsorted(table.pre[:40], table.pre[:40])
    assert np.allclose(table.weight[:40], numbers(0, 2, 4 * 40)[table.pre[:40] + 4 * again])
    out = network(FixedOutdegree(9, weight=1.0, seed=3, multapses=True), 0, 4).synapses("p")
    onto = np.floor(3 * numbers(2, 5, 9)).astype(int)
    assert sorted(out.post[out.pre == 2].tolist()) == sorted((onto + (onto >= 2)).tolist())
    for autapses in (False, True):
        total = FixedTotalNumber(12_000, weight=1.0, seed=3, multapses=True, autapses=autapses)
        drawn = network(total, 0, 4).synapses("p")
        counts = np.bincount(4 * drawn.post + drawn.pre, minlength=16).reshape(4, 4)
        allowed = counts[~np.eye(4, dtype=np.bool_) | autapses]
        expected = 12_000 / allowed.size
        assert counts.sum() == allowed.sum() == 12_000
        assert np.abs(allowed - expected).max() < 3.5 * np.sqrt(expected)


def test_a_neuron_may_be_joined_with_itself_where_that_is_said() -> None:
    everything = network(FixedProbability(1.0, weight=0.5, autapses=True), 0, 3)
    assert pairs(everything) == {(i, j) for i in range(3) for j in range(3)}
    drawn = {kind: pairs(network(w.replace(autapses=True), 0)) for kind, w in KINDS.items()}
    assert all(any(i == j for i, j in found) for found in drawn.values())
    alone = {kind: pairs(network(w, 0)) for kind, w in KINDS.items()}
    assert alone["FixedProbability"] < drawn["FixedProbability"]  # those of two neurons are where they were


def test_the_synapses_of_one_projection_are_drawn_without_those_of_others() -> None:
    """And are the same once all are drawn."""
    net = network(FixedProbability(0.5, weight=Uniform(0.0, 1.0), seed=3), 4, 3)
    alone = net.synapses("p")
    assert "explicit" not in vars(net)
    assert len(net.explicit.projection("p").weights.pre) == len(alone)
    for column in ("pre", "post", "weight", "delay"):
        np.testing.assert_array_equal(getattr(net.synapses("p"), column), getattr(alone, column))


def test_nothing_else_of_the_network_moves_a_synapse() -> None:
    weights = FixedProbability(0.3, weight=Normal(0.5, 0.1))
    small, large = network(weights, 20, 15), network(weights, 30, 40, delay=2.0)
    other = Projection(name="other", pre="a", post="b", weights=weights)
    both = small.replace(projections=[other, *small.projections])
    assert pairs(both) == pairs(small) == {(i, j) for i, j in pairs(large) if i < 15 and j < 20}
    assert np.array_equal(both.synapses("p").weight, small.synapses("p").weight)
    inside = (large.synapses("p").post < 15) & (large.synapses("p").pre < 20)
    assert np.array_equal(large.synapses("p").weight[inside], small.synapses("p").weight)
    assert pairs(both, "other") != pairs(small) != pairs(network(weights.replace(seed=1), 20, 15))
    assert pairs(small) < pairs(network(weights.replace(p=0.5), 20, 15))
    assert pairs(network(FixedIndegree(3, weight=1.0))) < pairs(network(FixedIndegree(4, weight=1.0)))


def test_pairs_are_joined_with_their_probability_and_independently() -> None:
    """A chi-squared test over 3,600 pairs in 36 classes of (distance, row), alpha = 1e-3 each, with fixed seeds."""
    size = 60
    table = network(FixedProbability(0.3, weight=0.5, seed=5), size, size).synapses("p")
    counts = np.add.reduceat(np.bincount(table.post, minlength=size), range(0, size, 10))
    assert stats.chisquare(np.append(counts, 3600 - counts.sum()), [180.0] * 6 + [2520.0]).pvalue > 1e-3
    placed = DistanceDependent(0.9, length=10.0, weight=0.5, profile="gaussian", seed=5)
    table = network(placed, size, size).synapses("p")
    distance = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    expected = np.bincount(distance.ravel() // 15, 0.9 * np.exp(-((distance.ravel() / 10.0) ** 2) / 2), minlength=4)
    found = np.bincount(np.abs(table.post - table.pre) // 15, minlength=4)
    assert np.all(np.abs(found[:2] - expected[:2]) < 3.3 * np.sqrt(expected[:2]))
    assert found[2:].sum() <= 9  # of 2 expected ones


@pytest.mark.parametrize(
    ("distribution", "of"),
    [
        (Uniform(-1.0, 2.0), stats.uniform(-1.0, 3.0)),
        (Normal(0.5, 0.2), stats.norm(0.5, 0.2)),
        (Normal(0.5, 0.2, low=0.4, high=1.0), stats.truncnorm(-0.5, 2.5, 0.5, 0.2)),
        (LogNormal(0.5, 0.7), stats.lognorm(0.7, scale=0.5)),
    ],
)
def test_weights_are_of_their_distribution(distribution: Distribution, of: Any) -> None:
    """Kolmogorov-Smirnov over 2,000 synapses, alpha = 1e-3."""
    weight = network(FixedTotalNumber(2000, weight=distribution), 60, 40).synapses("p").weight
    assert stats.kstest(weight, of.cdf).pvalue > 1e-3
    low, high = distribution.ends
    assert low <= weight.min() <= weight.max() <= high


def test_tails_are_moved_or_drawn_again() -> None:
    clipped = network(FixedProbability(1.0, weight=Normal(0.0, 1.0, low=0.0, outside="clip")), 30, 30).synapses("p")
    again = network(FixedProbability(1.0, weight=Normal(0.0, 1.0, low=0.0)), 30, 30).synapses("p")
    assert 400 < np.count_nonzero(clipped.weight == 0.0) < 500
    assert np.count_nonzero(again.weight == 0.0) == 0
    negative = network(FixedProbability(1.0, weight=LogNormal(-0.5, 0.7, low=-1.0)), 30, 30).synapses("p").weight
    assert -1.0 <= negative.min() < -0.9
    assert negative.max() < 0.0
    with pytest.raises(DescriptionError, match='outside = "clip"'):
        Normal(0.0, 1.0, low=8.0)
    assert Normal(0.0, 1.0, low=8.0, outside="clip").quantile(np.array([0.5])) == 8.0


def digest() -> str:
    """Of the synapses of all kinds."""
    sink = hashlib.sha256()
    for weights in KINDS.values():
        table = network(weights.replace(weight=Uniform(0.0, 1.0), seed=9), 40, 30).synapses("p")
        for array in (table.pre, table.post, table.weight):
            sink.update(array.astype(f"<{array.dtype.str[1:]}").tobytes())
    return sink.hexdigest()


def test_synapses_are_the_same_in_every_process_and_python() -> None:
    """The digest was taken on Python 3.11 and holds on 3.12."""
    code = "import test_drawn_synapses as t; print(t.digest())"
    place = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]), "PYTHONHASHSEED": "7"}
    there = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | place, check=True
    )
    assert there.stdout.strip() == digest() == GOLDEN


@pytest.mark.parametrize(
    ("change", "path", "fix"),
    [
        ({"weights": FixedIndegree(10, weight=0.5)}, "projections.p.weights.n", "n <= 9"),
        ({"weights": FixedOutdegree(8, weight=0.5)}, "projections.p.weights.n", "n <= 7"),
        ({"weights": FixedTotalNumber(64, weight=0.5)}, "projections.p.weights.n", "n <= 63"),
        ({"weights": FixedIndegree(1, weight=0.5, multapses=True), "pre": 0, "post": 1},
         "projections.p.weights.n", "n <= 0"),
        ({"weights": FixedIndegree(1, weight=0.5, autapses=True), "pre": 0, "plasticity": SAL(0.1)},
         "projections.p.weights.autapses", "a projection without rules"),
        ({"weights": Sparse(post=[0, 0], pre=[1, 1], weight=[0.5, 1.0], multapses=True, autapses=True), "pre": 0,
          "plasticity": SAL(0.1)}, "projections.p.weights.autapses", "a projection without rules"),
        ({"weights": FixedIndegree(2, weight=np.ones(13))}, "projections.p.weights.weight", "Network.synapses"),
        (
            {"weights": FixedIndegree(2, weight=Normal(0.5, 0.1)), "plasticity": SAL(0.1, bounds=(0.0, 1.0))},
            "projections.p.weights.weight",
            "low = 0, high = 1",
        ),
        ({"plasticity": SAL(np.ones(5)), "weights": FixedIndegree(2, weight=0.5)},
         "projections.p.plasticity.learning_rate", "per synapse"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_where_it_is(change: dict[str, Any], path: str, fix: str) -> None:
    with pytest.raises(DescriptionError) as refused:
        network(**change)
    (finding,) = refused.value.diagnostics
    assert finding.path == path
    assert fix in finding.fix


def test_distances_need_positions_in_one_space() -> None:
    net = network(DistanceDependent(0.5, 1.0, weight=0.5))
    flat = net.populations[0].replace(positions=None)
    plane = net.populations[0].replace(positions=np.zeros((9, 2)))
    for population, asked in ((flat, "distances"), (plane, "a in 2 dimensions, b in 1 dimensions")):
        with pytest.raises(DescriptionError) as refused:
            net.replace(populations=[population, net.populations[1]])
        assert [(d.code, d.asked) for d in refused.value.diagnostics] == [("SAL012", asked)]
    short = net.populations[0].replace(positions=np.zeros((8, 1)))
    with pytest.raises(DescriptionError, match="shape \\(9, 1\\)"):
        net.replace(populations=[short, net.populations[1]])


def test_arrays_and_copies_fit_what_was_drawn() -> None:
    count = len(network(FixedProbability(0.3, weight=0.5)).synapses("p"))
    rates = np.linspace(0.1, 0.2, count)
    net = network(FixedProbability(0.3, weight=np.arange(count) / 10.0), plasticity=SAL(rates))
    assert net.synapses("p").weight.tolist() == (np.arange(count) / 10.0).tolist()
    back = Projection(name="back", pre="b", post="a", weights=AllToAll(0.0))
    tied = network(AllToAll(0.5)).replace(
        projections=[back.replace(weights=FixedProbability(0.3, weight=0.0)), *network(AllToAll(0.5)).projections],
        ties=[Tie(projection="back", to="p", transpose=True)],
    )
    assert tied.explicit.ties == tied.ties
    with pytest.raises(DescriptionError, match="synapses that p has"):
        net.replace(projections=[back, *net.projections], ties=[Tie(projection="back", to="p", transpose=True)])


def test_a_session_has_the_drawn_synapses_in_their_order(tmp_path: Path) -> None:
    net = network(FixedProbability(0.3, weight=Uniform(0.1, 0.2)), kernel=Exponential(tau_syn=5.0))
    net.save(tmp_path / "n.json")
    loaded = salhw.load(tmp_path / "n.json")
    assert loaded == net
    assert f"{len(net.synapses('p'))} synapses (FixedProbability: weight (Uniform: low 0.1, high 0.2)" in str(net)
    executable = salhw.compile(loaded, "reference")
    assert executable.written == net
    assert f"p: {len(net.synapses('p'))} synapses drawn by FixedProbability: weight (Uniform" in str(executable.report)
    with executable.open() as session:
        assert session.get("projections.p.weights")[0].tolist() == net.synapses("p").weight.tolist()
        assert session.run(5.0).provenance["written_hash"] == net.content_hash


def test_a_target_without_the_connector_takes_the_list() -> None:
    net = network(FixedProbability(0.3, weight=0.1))
    target = salhw.target("reference")
    target = target.replace(projections=target.projections | {"connectivity": ("Dense", "Sparse")})
    (finding,) = salhw.problems(net, target)
    assert (finding.code, finding.path) == ("SAL101", "projections.p.weights")
    assert "net.explicit" in finding.fix
    assert salhw.problems(net.explicit, target) == []
    fitted = salhw.fit(net, target)
    assert fitted.network == net.explicit
    assert fitted.changes == ()


def test_draws_have_53_bits_and_lie_inside() -> None:
    row = Draws(0, "p").row(PAIR, 0, 1000)
    assert 0.0 < row.min() < row.max() < 1.0
    assert np.all(row * 2.0**54 == np.rint(row * 2.0**54))
