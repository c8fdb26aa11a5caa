"""Hazards worked out in vectors: as exact as they say, and compiled once for all networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit

import salhw
from salhw import GLM, SAL, Network, Poisson, Population, Projection, Rectangular, Source, SpikeTimes, StateOccupancy
from salhw.description.fields import FloatArray
from salhw_reference import event_driven, tabulated
from salhw_reference.event_driven import line_length
from salhw_reference.hazards import LANES, Line, exp_of, line_of, log_of, set_cells
from salhw_reference.jit import Caller, compiled, helper, inlined, specialised
from salhw_reference.parts import HIGHEST, above_exp

GRID = 2.0**-46


@njit
def every_exp(x: FloatArray, result: FloatArray) -> None:
    for k in range(len(x)):
        result[k] = exp_of(x[k])


@njit
def every_log(x: FloatArray, result: FloatArray) -> None:
    for k in range(len(x)):
        result[k] = log_of(x[k])


@njit
def every_bound(x: FloatArray, result: FloatArray) -> None:
    for k in range(len(x)):
        result[k] = above_exp(x[k])


@njit
def cells_of(line: Line) -> None:
    for first in range(np.uint64(0), np.uint64(len(line.base)), np.uint64(LANES)):
        set_cells(line, 0, first)


def test_exp_and_log_are_as_exact_as_they_say() -> None:
    x = np.linspace(-HIGHEST, HIGHEST, 100_001)
    result = np.empty_like(x)
    every_exp(x, result)
    assert np.abs(result / np.exp(x) - 1.0).max() < 1e-14
    ends = [1.0, np.nextafter(2.0**0.5, 0.0), 2.0**0.5, np.nextafter(2.0**0.5, 2.0), 2.0, 4.0]
    y = np.concatenate([ends, 1.0 + np.geomspace(1e-16, 1e300, 100_001)])
    result = np.empty_like(y)
    every_log(y, result)
    assert (np.abs(result - np.log(y)) / np.maximum(1.0, np.log(y))).max() < 1e-15


def test_a_bound_of_exp_lies_above_it_and_close() -> None:
    """Whole powers of two, where they meet, and all between; by 2 / (e ln 2) - 1 at most."""
    powers = np.log(2.0) * np.arange(-1009.0, 1010.0)
    x = np.concatenate([np.linspace(-HIGHEST, HIGHEST, 100_001), powers, np.nextafter(powers, np.inf)])
    result = np.empty_like(x)
    every_bound(x, result)
    assert (result > np.exp(x)).all()
    assert (result / np.exp(x)).max() < 1.0615


@pytest.mark.parametrize("neurons", [1, 7, 8, 9, 64])
def test_cells_are_the_hazards_on_the_grid_and_empty_behind_the_last_neuron(neurons: int) -> None:
    rng, line = np.random.default_rng(neurons), line_of(neurons, 1)
    line.base[:neurons] = rng.normal(-3.0, 2.0, neurons)
    line.input[:neurons] = rng.normal(0.0, 2.0, neurons)
    line.saturates[:neurons] = rng.integers(0, 2, neurons)
    cells_of(line)
    odds = np.exp(line.base[:neurons] + line.input[:neurons])
    exact = np.where(line.saturates[:neurons] == 1.0, np.log1p(odds), odds)
    # Half a step of the grid, 1e-14 of the exponential, and three roundings near 1 of the logarithm.
    assert np.all(np.abs(line.cells[0, :neurons] - exact) <= 0.5 * GRID + 1e-14 * odds + 3 * 2.0**-53)
    assert np.all(line.cells % GRID == 0.0)
    assert np.all(line.cells[0, neurons:] == 0.0)


def test_sums_of_what_is_on_the_grid_are_exact_in_any_order() -> None:
    @njit
    def total(cells: FloatArray, free: FloatArray) -> Any:
        return line_length(cells, free)

    cells = np.rint(np.random.default_rng(1).exponential(0.3, 64) / GRID) * GRID
    assert total(cells, np.ones(64)) == sum(cells.tolist()) == sum(reversed(cells.tolist()))


def described(**changes: object) -> Network:
    """Few neurons in one of the forms that networks come in: with and without rules, sources, forced spikes, probes."""
    rule = changes.pop("rule", ())
    populations = [Population(name="a", size=3, neuron=GLM(bias=[0.0, 0.5, 1.0], tau_ref=4.0))]
    if changes.get("stimuli"):
        populations.append(Population(name="s", size=2, neuron=Source()))
    weights = [[0.0, 1.0, -1.0], [0.5, 0.0, 0.5], [0.2, 0.1, 0.0]]
    joined = Projection("aa", pre="a", post="a", weights=weights, kernel=Rectangular(tau_syn=4.0), plasticity=rule)
    return Network(name="n", dt=0.2, populations=populations, projections=[joined], **changes)  # type: ignore[arg-type]


NETWORKS = {
    "static": described(),
    "learning at the end": described(rule=SAL(0.1, tau=4.0, update="run end")),
    "learning on the spike": described(rule=SAL(0.1, tau=4.0)),
    "two rules": described(rule=[SAL(0.1, tau=4.0), SAL(0.1, tau=8.0, update="every 20 ms")]),
    "driven": described(stimuli=[Poisson("s", rate=[10.0, 20.0])]),
    "forced": described(stimuli=[SpikeTimes("a", times=[[1.0], [2.0], [0.2, 8.0]])]),
    "probed": described(probes=[StateOccupancy("a"), salhw.Spikes("a"), salhw.Weights("aa", every=2.0)]),
}


def test_nothing_is_compiled_twice_for_arrays_that_differ_in_layout_only() -> None:
    for net in NETWORKS.values():
        for batch in (1, 3):
            with salhw.compile(net, "reference").open(instances=batch) as session:
                session.run(10.0)
                session.set("projections.aa.weights", np.asfortranarray(session.get("projections.aa.weights")))
                session.run(10.0)
    assert [len(module.run.overloads) for module in (event_driven, tabulated)] == [1, 1]


def test_what_is_used_of_numba_that_it_does_not_promise_works() -> None:
    assert event_driven.run.targetoptions["_nrt"] is False
    assert not any("NRT_incref" in text for text in event_driven.run.inspect_llvm().values())
    stamp = event_driven.run._cache._cache_file._source_stamp
    assert {name for name, _, _ in stamp} >= {"hazards.py", "learning.py", "tabulated.py"}


def test_what_only_compiled_code_calls_gets_no_address() -> None:
    @helper
    def doubled(x: float) -> float:
        return 2.0 * x

    @njit(_nrt=False)
    def double(values: FloatArray) -> None:
        values[0] = doubled(values[0])

    values = np.full(1, 1.5)
    double(values)
    assert values[0] == 3.0
    inner, outer = (next(iter(code.overloads.values())).library for code in (doubled, double))
    engine = outer.codegen._engine
    assert engine.is_symbol_defined(next(f.name for f in outer.get_defined_functions()))
    names = [f.name for f in inner.get_defined_functions()]
    assert names
    assert not any(map(engine.is_symbol_defined, names))


def test_what_only_compiled_code_calls_is_compiled_once_for_all_constants() -> None:
    @inlined
    def larger(x: float, by: int) -> float:
        return x + by

    @specialised
    def smaller(x: float, by: int) -> float:
        return x - by

    @compiled
    def change(values: FloatArray, by: int) -> None:
        values[0] = smaller(smaller(larger(larger(larger(values[0], 1), by=2), by), 3), 4)

    values = np.zeros(1)
    change(values, 10)
    assert values[0] == 6.0
    assert [len(function.overloads) for function in (larger, smaller)] == [1, 2]


def test_from_the_third_call_on_no_types_are_looked_up() -> None:
    @compiled
    def add(total: FloatArray, each: FloatArray, times: int) -> None:
        for _ in range(times):
            total[0] += each[0]

    total = np.zeros(1)
    call = Caller(add, (total,))
    for k in range(4):
        called = add.get_overload(add.signatures[0]) if k > 1 else add
        assert call.code is called
        call(np.full(1, 0.5), 2)
    assert total[0] == 4.0
