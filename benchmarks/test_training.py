"""What a training cycle of the paper's sampling networks costs."""

from __future__ import annotations

import time

from salhw_networks.sampling import sweep, synaptic_noise
from salhw_networks.sampling.sweep import Scale
from salhw_networks.sampling.training import Training, train


def test_a_training_cycle_costs_less_than_six_tenths_of_a_millisecond() -> None:
    """CPU time of all threads per network and cycle (sleep 10 s, both rules, all updates), in a batch of 64: the best
    of six, because a shared machine makes single ones slower."""
    how, runs = Training(), Scale(distributions=4, seeds=4, cycles=1, checks=1, measure=1e5)
    start = sweep.cases(how, runs, synaptic_noise.conditions((0.8,)))
    assert len(start) == 64
    train(how, start, 1, target="reference", seed=1)  # compiles
    costs = []
    for _ in range(6):
        began = time.process_time()
        train(how, start, 4, target="reference", seed=1)
        costs.append((time.process_time() - began) / (4 * len(start)))
    print(f"\n{1e3 * min(costs):.3f} ms CPU per network and cycle")
    assert min(costs) < 0.6e-3
