"""Large networks through a Session against the bare loops of peers/with_numba.py, turn by turn: ``pytest benchmarks``.

In-degree 100, rectangular PSPs, tau_ref 50 steps, about .01 spikes per neuron and step. CPU time, but of two threads.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from test_speed import medians

import salhw

sys.path.append(str(Path(__file__).parent / "peers"))
import with_numba
import with_salhw
from cases import Case

RULES = {"static": "salhw", "SAL every 100 ms": "salhw", "SAL on the spike": "salhw, on the spike"}


@pytest.mark.parametrize("neurons", [1000, 10_000])
@pytest.mark.parametrize("rule", RULES)
def test_against_a_bare_loop(benchmark, capsys, monkeypatch, neurons, rule):
    """Goals: static 1.5 times the bare loop, learning 2 times; rates agree within 2 %."""
    monkeypatch.setenv("SALHW_THREADS", "1")
    case = Case("size", size=neurons, learning=rule != "static", steps=10_000_000 // neurons)
    bare, ours = with_numba.prepare(case, "bare kernel"), with_salhw.prepare(case, RULES[rule])
    assert abs(ours().counts.sum() / bare().counts.sum() - 1) < 0.02
    turns = [(bare().seconds, ours().seconds) for _ in range(15)]
    loop, salhw_s = (statistics.median(column) for column in zip(*turns, strict=True))
    benchmark.pedantic(ours, rounds=5)
    benchmark.extra_info.update(ratio=salhw_s / loop)
    per = 1e9 / case.neuron_steps
    ns = f"{salhw_s * per:.2f} ns, bare {loop * per:.2f}: {salhw_s / loop:.2f} times it"
    with capsys.disabled():
        print(f"\n  {neurons} neurons, {rule}: {ns}")


def test_two_threads(benchmark, capsys, monkeypatch):
    """Goal: 1.6 times as fast as one; wall time, so on a machine with two idle cores."""
    case = Case("size", size=10_000, steps=1000)
    executable = salhw.compile(with_salhw.network(case, {}), "reference")
    with executable.open(seed=1) as one, executable.open(seed=1) as two:

        def run(session, threads):
            monkeypatch.setenv("SALHW_THREADS", str(threads))
            return session.run(case.steps * case.dt)

        for session in (one, two):
            session.run(200.0)
        assert np.array_equal(run(one, 1).counts["n"], run(two, 2).counts["n"])
        alone, shared = medians([lambda: run(one, 1), lambda: run(two, 2)], 25, time.perf_counter)
        benchmark.pedantic(run, (two, 2), rounds=5)
    benchmark.extra_info.update(ratio=alone / shared)
    with capsys.disabled():
        print(f"\n  {case.size} neurons, static, two threads: {alone / shared:.2f} times as fast as one")
