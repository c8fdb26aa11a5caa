"""How fast small networks are, as ratios to a plain numba loop that does the same work, turn by turn in one process.

No times: a slow or a busy machine slows both down. Each side has its best of many rounds, in processor time of this
thread. On a machine with ten jobs for each core, whose caches are always somebody else's, the lowest ratios seen in 40
rounds were 3.8 (at the end of a run) and 2.3 (on the spike); the best were 8 and 3.5.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import salhw
from salhw_networks.sampling.network import network

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from peer import sleep_phase

STEPS, ROUNDS, RATE = 50_000, 60, 1e-7
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
