"""How fast small networks are, as ratios to a plain numba loop that does the same work, turn by turn in one process;
and what many delays cost beside one.

No times: a slow or a busy machine slows both down. Each side has its best of many rounds, in processor time of this
thread. On a machine with ten jobs for each core, whose caches are always somebody else's, the lowest ratios seen in 40
rounds were 3.8 (at the end of a run) and 2.3 (on the spike); the best were 8 and 3.5.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import salhw
from salhw import GLM, Exponential, FixedIndegree, Network, Normal, Population, Projection, Uniform
from salhw_networks.sampling.network import network

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from peer import sleep_phase

STEPS, ROUNDS, RATE = 50_000, 40, 1e-7
LEAST = {"run end": 3.0, "spike": 1.6}


def best(calls: list[Callable[[], object]]) -> list[float]:
    """The shortest time of each call, turn by turn."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(ROUNDS):
        for call, times in zip(calls, taken, strict=True):
            began = time.thread_time()
            call()
            times.append(time.thread_time() - began)
    return [min(times) for times in taken]


@pytest.mark.parametrize("update", LEAST)
def test_a_sleep_phase_is_faster_than_a_plain_numba_loop(update: str) -> None:
    net = network(seed=11, sal_rate=RATE, update=update)
    weights, bias = net.projections[0].weights.values, net.populations[0].neuron.bias  # type: ignore[union-attr]
    with salhw.compile(net, "reference").open(seed=1) as session:

        def ours() -> salhw.Recording:
            session.set("projections.recurrent.weights", weights)
            return session.run(STEPS * net.dt)

        spikes = int(ours().counts["neurons"].sum())
        theirs = int(sleep_phase(weights, bias, 50, STEPS, 1)[0].sum())
        assert abs(spikes - theirs) < 0.1 * theirs, "the same work"
        fast, plain = best([ours, lambda: sleep_phase(weights, bias, 50, STEPS, 1)])
    assert plain / fast > LEAST[update], f"{plain / fast:.2f} times as fast as a plain loop"


def test_forty_delays_cost_at_most_twice_one() -> None:
    """As little as 1.35 times; a projection per delay would cost 22 times."""

    def late(delay: Any) -> salhw.Session:
        inputs = FixedIndegree(100, weight=Normal(0.0, 0.05), seed=1)
        net = Network(
            name="late", dt=1.0, populations=[Population("n", 1000, GLM(tau_ref=50.0))],
            projections=[Projection("p", "n", "n", inputs, Exponential(tau_syn=10.0), delay)],
        )  # fmt: skip
        return salhw.compile(net, "reference").open(seed=1)

    with late(1.0) as one, late(Uniform(1.0, 40.0)) as many:
        alone, several = best([lambda: one.run(100.0), lambda: many.run(100.0)])
    assert several / alone < 2.0, f"{several / alone:.2f} times as long"
