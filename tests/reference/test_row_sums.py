"""Pair sums along the rows of presynaptic spikes: what they add up to, whoever adds them up, and whatever is written in
between."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest

import salhw
from salhw import (
    GLM,
    ExponentialWindow,
    Network,
    PairSTDP,
    Population,
    Projection,
    Rectangular,
    Sparse,
    Spikes,
    Weights,
)
from salhw_reference import pace, team
from salhw_reference.delays import split
from salhw_reference.program import build

PERIOD, RULE = 30, "projections.aa.plasticity"
AMPLITUDES = {"causal": -1.0, "anticausal": 0.7}


def rule(tau: float = 1.7, **changes: Any) -> PairSTDP:
    """With different windows; a period is as long as 18 time constants of the causal one."""
    causal, anticausal = (ExponentialWindow(AMPLITUDES[side], t) for side, t in (("causal", tau), ("anticausal", 9.5)))
    given = {"causal": causal, "anticausal": anticausal, "learning_rate": 0.03, "update": f"every {PERIOD} ms"}
    return PairSTDP(pairing="all", **given | changes)


def network(*rules: PairSTDP, size: int = 24, probes: tuple[Any, ...] = (), alone: bool = False) -> Network:
    """Neurons that often spike together, all connected with each other, and half of all pairs with others; there are no
    others if they are ``alone``."""
    random = np.random.default_rng(5)
    post, pre = np.nonzero(random.random((2 * size, size)) < 0.5)
    some = Sparse(post=post, pre=pre, weight=random.normal(0.0, 0.3, len(post)))
    every = random.normal(0.0, 0.3, (size, size))
    np.fill_diagonal(every, 0.0)
    return Network(
        name="rows", dt=1.0,
        populations=[
            Population("a", size, GLM(bias=np.linspace(-0.5, 1.0, size), tau_ref=10.0)),
            Population("b", 2 * size, GLM(bias=0.5, tau_ref=10.0)),
        ],
        projections=[
            Projection("aa", "a", "a", every, Rectangular(tau_syn=5.0), delay=2.0, plasticity=rules),
            Projection("ba", "a", "b", some, Rectangular(tau_syn=5.0), plasticity=rules),
        ][: 1 if alone else 2],
        probes=[Spikes("a"), Spikes("b"), *probes],
    )  # fmt: skip


def opened(net: Network, **options: Any) -> Any:
    vectorised = salhw.target("reference").with_options(algorithm="vectorised")
    return salhw.compile(net, vectorised).open(**{"seed": 3, **options})


def joined(session: Any) -> list[int]:
    """Of each rule, whether a single sum holds both branches."""
    return list(session.engine._random.rated["joined"])


RULES = {
    "both branches in one sum": (rule(), 1),
    "within bounds": (rule(bounds=(-0.9, 0.9)), 1),
    "in one stretch": (rule(tau=8.0), 1),
    "a learning rate per synapse": (rule(learning_rate=np.random.default_rng(0).uniform(0.0, 0.05, (24, 24))), 1),
    "an amplitude per synapse": (
        rule(causal=ExponentialWindow(np.linspace(-1.0, -0.2, 24 * 24).reshape(24, 24), 1.7)),
        0,
    ),
    "without an anticausal branch": (rule(anticausal=ExponentialWindow(0.0, 9.5)), 0),
}


@pytest.mark.parametrize("name", RULES)
def test_weights_equal_the_oracle(name: str) -> None:
    """To rounding, which exp(6) makes 400 times as large at most."""
    learns, single = RULES[name]
    net = network(learns, probes=(Weights("aa", every=1.0),), alone="per synapse" in name)
    assert build(split(net)).rule["stretches"].min() == (1 if "one stretch" in name else 3)
    with opened(net) as session:
        recording = session.run(100.0)
        assert set(joined(session)) == {single}
        ended = session.get(f"projections.{net.projections[-1].name}.weights", form="synapses")[0]
    spikes = {name: oracle.trains(recording, name, 1.0) for name in ("a", "b")}
    assert set(spikes["a"][0]) & set(spikes["a"][1])
    last = net.projections[-1]
    post, pre, weight = (getattr(net.synapses(last.name), field) for field in ("post", "pre", "weight"))
    full = np.zeros(net.ends(last.name)[:2])
    full[post, pre] = weight  # the oracle knows of no gaps
    filled = net.replace(projections=[*net.projections[:-1], last.replace(weights=full)])
    course = oracle.weight_course(filled, spikes, 100)
    np.testing.assert_allclose(recording.weights["aa"].values[0], course["aa"], atol=1e-13)
    np.testing.assert_allclose(ended, course[last.name][-1, post, pre], atol=1e-13)
    assert np.abs(course["aa"][100] - course["aa"][0]).max() > 0.05


def test_where_spikes_are_more_than_synapses_pairs_are_summed_as_ever() -> None:
    """The spikes of a period would have to be kept; and where completing the sums would take longer than adding up."""
    assert not build(split(network(rule(), size=8))).rule["stretches"].any()
    assert not build(split(network(rule(update="every 90 ms", tau=1.7)))).rule["stretches"].any()
    assert not build(split(network(rule(update="run end")))).rule["stretches"].any()


def learned(net: Network, *runs: float, instances: int = 1) -> list[Any]:
    with opened(net, instances=instances) as session:
        for duration in runs:
            session.run(duration)
        return [session.get(f"projections.{name}.weights") for name in ("aa", "ba")]


def test_threads_batches_and_the_division_into_runs_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network(rule(), rule(tau=8.0, learning_rate=0.01, bounds=(-2.0, 2.0)), size=64)
    monkeypatch.setenv("SALHW_THREADS", "1")
    whole = learned(net, 131.0)
    others = [learned(net, 17.0, 49.0, 65.0), learned(net, 131.0, instances=2)]
    monkeypatch.setattr(team, "FEWEST", 64)
    monkeypatch.setattr(pace, "STRETCH", 300)
    monkeypatch.setattr(pace, "SHARE", 1e9)
    monkeypatch.setenv("SALHW_THREADS", "2")
    for other in [*others, learned(net, 131.0)]:
        for one, same in zip(whole, other, strict=True):
            np.testing.assert_array_equal(same[:1], one)


WRITTEN = {
    "other amplitudes": ({"causal": 0.3, "anticausal": -2.0}, 1),
    "an amplitude per synapse": ({"causal": np.linspace(-1.0, 1.0, 24 * 23)}, 0),
    "no anticausal branch": ({"anticausal": 0.0}, 0),
    "no branch at all, and a learning rate": ({"causal": 0.0, "anticausal": 0.0}, 0),
}


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("back", [False, True])
def test_pairs_count_with_the_amplitudes_that_hold_at_the_update(name: str, back: bool) -> None:
    """Whatever they were when the pairs were formed. Weights begin with zero and learn so little that all sessions have
    the same spikes."""
    amplitudes, single = WRITTEN[name]
    net = network(rule(learning_rate=1e-9), alone=True)
    net = net.replace(projections=[net.projections[0].replace(weights=1e-30 * (1.0 - np.eye(24)))])

    def write(session: Any, values: dict[str, Any]) -> None:
        for branch, value in values.items():
            session.set(f"{RULE}.{branch}.amplitude", value, form="synapses" if np.ndim(value) else "array")

    with opened(net, instances=2) as changed, opened(net, instances=2) as constant:
        write(constant, AMPLITUDES if back else amplitudes)
        for duration, values in ((45.0, amplitudes), (9.0, AMPLITUDES if back else amplitudes), (6.0, {})):
            changed.run(duration)
            if duration == 6.0:
                assert joined(changed) == [1 if back else single]
            constant.run(duration)
            if duration == 45.0:
                base = [s.get("projections.aa.weights") for s in (changed, constant)]
            write(changed, values)
        after = [s.get("projections.aa.weights") for s in (changed, constant)]
    one, other = (end - start for end, start in zip(after, base, strict=True))
    np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10 * 1e-9)
    assert np.abs(other).max() > 1e-10 or name.startswith("no branch")
