"""Microcircuits: the builder, the rule against gradients, self-prediction, alignment, both forms, and longer chains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import salhw
from salhw import PairSTDP, PredictiveRule
from salhw.description.fields import FloatArray
from salhw_networks.microcircuit import learning
from salhw_networks.microcircuit.network import drawn, network
from salhw_networks.microcircuit.training import Class, Protocol, students, train

TAU_REF = 10.0


def sigmoid(x: FloatArray | float) -> FloatArray:
    return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(x))))


# the builder ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(1, 1, 1), (2, 3, 2), (4, 6, 3, 2)])
@pytest.mark.parametrize("method", ["SAL", "FA", "BP"])
@pytest.mark.parametrize("chunk", [None, 2000.0])
def test_a_chain_is_wired_as_the_paper_draws_it(sizes: tuple[int, ...], method: str, chunk: float | None) -> None:
    """Interneurons as many as the layer above has neurons; copies that make it self-predicting; rules where learning is."""
    net, last = network(sizes, method=method, chunk=chunk), len(sizes) - 1  # type: ignore[arg-type]
    with salhw.compile(net, "reference").open() as session:
        w = {p.name: session.get(f"projections.{p.name}.weights")[0] for p in net.projections}
    assert {p.name: p.size for p in net.populations} == {f"P{k}": size for k, size in enumerate(sizes)} | {
        f"I{k}": sizes[k + 1] for k in range(1, last)
    }
    for k in range(1, last + 1):
        assert w[f"W{k}{k - 1}"].shape == (sizes[k], sizes[k - 1])
        (rule,) = net.projection(f"W{k}{k - 1}").plasticity
        assert isinstance(rule, PredictiveRule)
        assert (rule.update, rule.execution) == (("spike", "chip") if chunk is None else ("every 2000 ms", "host"))
    for k in range(1, last):
        up, down = w[f"W{k + 1}{k}"], w[f"B{k}{k + 1}"]
        np.testing.assert_array_equal(w[f"LIP{k}"], up)
        np.testing.assert_array_equal(w[f"LPI{k}"], -down)
        assert np.array_equal(down, up.T) == (method == "BP")
        rules = net.projection(f"B{k}{k + 1}").plasticity
        assert [type(rule) for rule in rules] == ([PairSTDP] if method == "SAL" else [])
    assert net.stimuli[0].every == chunk


def test_given_weights_are_taken_and_drawn_ones_are_table_2_s() -> None:
    net = network((1, 2, 1), weights=[[[0.5], [1.0]], [[2.0, 3.0]]], feedback=[[[-1.0], [4.0]]])
    assert net.projection("W21").weights.stored.tolist() == [[2.0, 3.0]]
    assert net.projection("B12").weights.stored.tolist() == [[-1.0], [4.0]]
    draws = np.array([[w[0][0, 0], w[1][0, 0], b[0][0, 0]] for w, b in (drawn((1, 1, 1), k) for k in range(400))])
    assert np.abs(draws).max() <= 3.0
    np.testing.assert_allclose(draws.std(axis=0), 3.0 / np.sqrt(3.0), rtol=0.12)  # 4 standard errors: .032 each
    assert np.abs(np.corrcoef(draws.T)[np.triu_indices(3, 1)]).max() < 4.0 / np.sqrt(400)


def test_a_network_that_transports_weights_says_so() -> None:
    notes = {
        method: " ".join(salhw.compile(network(method=method), "reference").report.notes) for method in ("BP", "FA")
    }  # type: ignore[arg-type]
    assert "B12 = 1 W21 transposed" in notes["BP"]
    assert "B12 = " not in notes["FA"]
