"""What a network with millions of plastic synapses takes, per synapse; and, by ``-m slow``, one of ten million."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import salhw
from salhw import GLM, SAL, Network, Population, Projection, Rectangular, Sparse, Spikes
from salhw.compiler.check import check

INPUTS = 100
GIVEN = 24  # bytes of a synapse in the arrays that describe it: post, pre, weight


def listed(neurons: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Post, pre and weight of INPUTS synapses onto each neuron."""
    post = np.repeat(np.arange(neurons), INPUTS)
    pre = (post + 1 + np.tile(np.arange(INPUTS) * (neurons // INPUTS - 1), neurons)) % neurons
    return post, pre, np.random.default_rng(0).normal(0.0, 0.05, len(post))


def described(neurons: int, post: np.ndarray, pre: np.ndarray, weight: np.ndarray) -> Network:
    rule = SAL(learning_rate=1e-4, tau=10.0, pairing="all", update="every 100 ms")
    connector = Sparse(post=post, pre=pre, weight=weight)
    return Network(
        name="large", dt=0.2, populations=[Population("a", neurons, GLM(bias=0.1, tau_ref=10.0))],
        projections=[Projection(name="p", pre="a", post="a", weights=connector, kernel=Rectangular(tau_syn=10.0),
                                plasticity=[rule])],
        probes=[Spikes("a")],
    )  # fmt: skip


@pytest.fixture
def traced() -> Iterator[None]:
    """Count every byte that Python and numpy allocate."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
def test_bytes_of_a_synapse() -> None:
    """Description and check: at the peak 3 times the arrays beside the caller's own. A session: twice the arrays while
    it lasts (weights 8, ends 12, where they lie 8; pair sums take 16 more when they are first written)."""
    neurons = 4000
    synapses = neurons * INPUTS
    given = listed(neurons)
    check(described(2 * INPUTS, *listed(2 * INPUTS)), salhw.target("reference"))  # what is made once
    salhw.compile(described(2 * INPUTS, *listed(2 * INPUTS)), "reference").open().close()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    net = described(neurons, *given)
    assert check(net, salhw.target("reference")) == []
    assert tracemalloc.get_traced_memory()[1] - before < 3 * GIVEN * synapses
    executable = salhw.compile(net, "reference")
    before, _ = tracemalloc.get_traced_memory()
    with executable.open() as session:
        held = tracemalloc.get_traced_memory()[0] - before
        assert held < 2 * GIVEN * synapses + 2000 * neurons
        assert held - 2000 * neurons < executable.report.memory.of(1)
        assert session.get("projections.p.weights").shape == (1, synapses)


@pytest.mark.slow
def test_ten_million_plastic_synapses_take_less_than_1500_megabytes(tmp_path: Path) -> None:
    """Described, compiled, opened, run, read per synapse, saved and loaded, in a process of its own."""
    subprocess.run([sys.executable, __file__, str(tmp_path)], check=True)


def ten_million(folder: Path) -> None:
    neurons = 100_000
    given = listed(neurons)
    before, began = peak(), time.process_time()
    net = described(neurons, *given)
    assert check(net, salhw.target("reference")) == []
    assert time.process_time() - began < 3.0
    assert peak() - before < 3 * GIVEN * neurons * INPUTS
    del given
    with salhw.compile(net, "reference").open(seed=1) as session:
        assert session.run(120.0).counts["a"].mean() > 1
        weights = session.get("projections.p.weights", form="synapses")
        assert np.any(weights[0] != net.projections[0].weights.stored)
    del session, weights
    assert salhw.load(net.save(folder / "large.json")) == net
    assert peak() < 1.5e9, f"{peak() / 1e9:.2f} GB"


def peak() -> float:
    """The most bytes of memory that this process has had."""
    return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    ten_million(Path(sys.argv[1]))
