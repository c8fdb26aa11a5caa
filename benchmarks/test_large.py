"""Large networks through a Session against the bare loops of bare.py, turn by turn: ``pytest benchmarks``.

In-degree 100, rectangular PSPs, tau_ref 50 steps, .0106 spikes per neuron and step. CPU time, but of two threads.
"""

from __future__ import annotations

import time

import bare
import numpy as np
import pytest
from test_speed import medians

import salhw
from salhw import GLM, SAL, Network, Population, Projection, Rectangular, Sparse

BIAS, TAU_REF, INPUTS, DT = 0.1, 50, 100, 0.2
RULES = {
    "static": [],
    "SAL every 100 ms": [SAL(learning_rate=1e-7, tau=10.0, pairing="all", update="every 100 ms")],
    "SAL on the spike": [SAL(learning_rate=1e-7, tau=10.0, pairing="all")],
}


def synapses(neurons):
    """INPUTS random synapses onto each neuron, of weights with mean 0."""
    rng = np.random.default_rng(0)
    post = np.repeat(np.arange(neurons), INPUTS)
    pre = np.concatenate([rng.choice(neurons - 1, INPUTS, replace=False) for _ in range(neurons)])
    return Sparse(post=post, pre=pre + (pre >= post), weight=rng.normal(0.0, 0.05, len(post)))


def opened(neurons, connector, rules):
    tau = TAU_REF * DT
    net = Network(
        name="large", dt=DT, populations=[Population("a", neurons, GLM(bias=BIAS, tau_ref=tau))],
        projections=[Projection(name="p", pre="a", post="a", weights=connector, kernel=Rectangular(tau_syn=tau),
                                plasticity=rules)],
    )  # fmt: skip
    session = salhw.compile(net, "reference").open(seed=1)
    session.run(200.0)
    return session


@pytest.mark.parametrize("neurons", [1000, 10_000])
@pytest.mark.parametrize("rule", RULES)
def test_against_a_bare_loop(benchmark, capsys, monkeypatch, neurons, rule):
    """Goals: static 1.5 times the bare loop, learning 2 times; rates agree within 2 %."""
    monkeypatch.setenv("SALHW_THREADS", "1")
    connector, steps, learning = synapses(neurons), 10_000_000 // neurons, rule != "static"
    rows = bare.rows(connector.post, connector.pre, connector.weight, neurons)
    sums = [np.zeros(len(connector.post), np.float32) for _ in range(2)]
    count = bare.run(rows, BIAS, TAU_REF, steps, 1, learning, *sums)
    with opened(neurons, connector, RULES[rule]) as session:
        recording = session.run(steps * DT)
        assert abs(recording.counts["a"].sum() / count - 1) < 0.02
        loop, ours = medians(
            [lambda: bare.run(rows, BIAS, TAU_REF, steps, 1, learning, *sums), lambda: session.run(steps * DT)], 15
        )
        benchmark.pedantic(session.run, (steps * DT,), rounds=5)
    per = 1e9 / steps / neurons
    benchmark.extra_info.update(ratio=ours / loop)
    with capsys.disabled():
        print(f"\n  {neurons} neurons, {rule}: {ours * per:.2f} ns, bare {loop * per:.2f}: {ours / loop:.2f} times it")


def test_two_threads(benchmark, capsys, monkeypatch):
    """Goal: 1.6 times as fast as one; wall time, so on a machine with two idle cores."""
    neurons, steps = 10_000, 1000
    with opened(neurons, synapses(neurons), []) as one, opened(neurons, synapses(neurons), []) as two:

        def run(session, threads):
            monkeypatch.setenv("SALHW_THREADS", str(threads))
            return session.run(steps * DT)

        assert np.array_equal(run(one, 1).counts["a"], run(two, 2).counts["a"])
        alone, shared = medians([lambda: run(one, 1), lambda: run(two, 2)], 25, time.perf_counter)
        benchmark.pedantic(run, (two, 2), rounds=5)
    benchmark.extra_info.update(ratio=alone / shared)
    with capsys.disabled():
        print(f"\n  {neurons} neurons, static, two threads: {alone / shared:.2f} times as fast as one")
