"""What benchmarks/peers gives all simulators, and what it refuses to print times of."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks" / "peers"))
from agree import disagreements
from cases import Case, cases, synapses
from race import Entry, columns, peers

CASE = Case("size", size=400, inputs=20, learning=True, steps=1000)


def entry(column: str, rate: float, learned: float, seed: int) -> Entry:
    """Three rounds of a simulator whose neurons spike independently."""
    counts = np.random.default_rng(seed).binomial(3 * CASE.steps, rate, CASE.neurons)
    return Entry(column, 1.0, [0.5, 0.4, 0.6], counts, [learned] * 3)


def test_every_neuron_has_its_inputs_from_others_and_instances_are_apart() -> None:
    """As many different inputs as said, none from itself; a copy is the same network with higher numbers."""
    s = synapses(CASE)
    assert np.bincount(s.post).tolist() == [20] * 400
    assert len(set(zip(s.post.tolist(), s.pre.tolist(), strict=True))) == 8000
    assert not np.any(s.post == s.pre)
    assert (s.pre.min(), s.pre.max()) == (0, 399)
    copied = s.copied(Case("batch", size=400, inputs=20, instances=3))
    assert np.array_equal(copied.pre[16000:], s.pre + 800)
    assert np.array_equal(copied.post[8000:16000], s.post + 400)


def test_each_case_runs_whole_updates_of_100_ms() -> None:
    for case in (*cases(quick=True), *cases(quick=False)):
        assert round(case.steps * case.dt, 6) % 100.0 == 0.0
        assert case.steps > 0


def test_simulators_that_agree_pass_and_one_that_does_not_is_named() -> None:
    """Rates differ by 20 % where 1.3 % is the error, or one learns 1.3 times as much; ``alike`` is salhw with another
    seed: such a pair is refused once in 25,000 times."""
    ours, alike = entry("salhw", 0.01, 1e-6, 1), entry("alike", 0.01, 1.01e-6, 2)
    assert disagreements({CASE: [ours, alike]}) == []
    (fast,) = disagreements({CASE: [ours, alike, entry("fast", 0.012, 1e-6, 3)]})
    assert "fast spikes +" in fast
    (eager,) = disagreements({CASE: [ours, alike, entry("eager", 0.01, 1.3e-6, 4)]})
    assert "eager changes weights 1.300 times" in eager


@pytest.mark.parametrize("name", sorted(peers()))
def test_a_peer_is_a_file_that_says_what_it_runs(name: str) -> None:
    """Nothing but the file is asked: its interpreter, its columns, how to prepare a case."""
    peer = peers()[name]
    assert isinstance(peer.PYTHON, str)
    assert peer.columns(Case("size"))
    assert callable(peer.prepare)


def test_a_peer_whose_interpreter_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    brian2 = peers()["with_brian2"]
    monkeypatch.setattr(brian2, "PYTHON", "nowhere/python")
    assert "with_brian2" not in {peer for peer, _, _ in columns(CASE)}
    assert "with_nest" in {peer for peer, _, _ in columns(CASE)}
