"""Weights are asked of NEST once while it stands still, and only those that matter; its share of a run is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import salhw
from salhw import GLM, SAL, Exponential, Network, Population, Projection, Rectangular, Sparse
from salhw.description.kernels import Kernel
from salhw_nest.process import ENGINE

PATH = "projections.p.weights"


def network(kernel: Kernel, bounds: tuple[float, float] | None = None) -> Network:
    """Sixty neurons that learn, more synapses than NEST is asked for at a time."""
    random, size = np.random.default_rng(2), 60
    post, pre = np.nonzero((random.random((size, size)) < 0.1) & ~np.eye(size, dtype=np.bool_))
    weights = Sparse(post=post, pre=pre, weight=random.normal(0.0, 0.2, len(post)))
    rule = SAL(0.01, pairing="all", bounds=bounds)
    neurons = Population("n", size, GLM(bias=0.0, tau_ref=4.0))
    return Network("sixty", 1.0, [neurons], [Projection("p", "n", "n", weights, kernel=kernel, plasticity=rule)])


@pytest.mark.parametrize(
    ("kernel", "bounds"),
    [(Rectangular(tau_syn=4.0), None), (Rectangular(tau_syn=4.0), (-1.0, 1.0)), (Exponential(tau_syn=4.0), None)],
    ids=["rectangular", "bounded", "exponential"],
)
def test_what_is_known_of_nests_weights_is_what_nest_holds(kernel: Kernel, bounds: tuple[float, float] | None) -> None:
    """NEST is asked after a run, not again before the next, nor for what was just written; then as now the weights are
    those that it holds. A written weight is read back, and a rate that is written leaves weights as they are."""
    with salhw.compile(network(kernel, bounds), "nest").open(seed=1) as session:
        engine: Any = session.engine  # type: ignore[attr-defined]
        calls: list[tuple[str, ...]] = []

        def asked(function: str, *arguments: Any) -> Any:
            calls.append((function, *arguments[0]) if "synapses" in function else (function,))
            return engine.process.call(function, *arguments)

        def reads() -> int:
            return sum(call[0] == "read_synapses" for call in calls)

        engine.call = asked
        session.run(40.0)
        first = session.get(PATH)
        assert reads() > 0
        before = reads()
        assert np.array_equal(session.get(PATH), first)
        assert reads() == before
        session.set(PATH, first / 2.0)
        session.set("projections.p.plasticity.learning_rate", 0.02)
        session.set(PATH, first)
        after = reads()
        np.testing.assert_allclose(session.get(PATH), first, atol=1e-9)
        assert reads() == after
        session.run(1.0)
        session.get(PATH)
        assert reads() == after + 1
        held = engine._weights["p"]._held
        assert held._values
        for name, values in held._values.items():
            assert np.array_equal(engine.process.call("read_synapses", {name: None})[name], values)


def test_some_weights_of_nest_are_read_as_all_are_with_or_without_its_private_interface() -> None:
    """In the plan's order, chosen ones in theirs; and where NEST has renamed what is private, through its public
    interface."""
    with salhw.compile(network(Rectangular(tau_syn=4.0)), "nest").open(seed=1) as session:
        process = session.engine.process  # type: ignore[attr-defined]
        session.run(40.0)
        name, places = "p.plastic0.on", np.array([7, 0, 300, 8])
        everything = process.call("read_synapses", {name: None})[name]
        assert len(np.unique(everything)) > 300
        assert np.array_equal(process.call("read_synapses", {name: places})[name], everything[places])
        process.lease.call("builtins:exec", f"import {ENGINE} as e\ne._private = None", limit=60.0)
        try:
            assert np.array_equal(process.call("read_synapses", {name: None})[name], everything)
            assert np.array_equal(process.call("read_synapses", {name: places})[name], everything[places])
        finally:
            process.lease.worker.close()  # nobody else shall have this one


def test_cells_are_written_with_or_without_nests_private_interface() -> None:
    """One number for all, one for each, and both at once."""
    with salhw.compile(network(Rectangular(tau_syn=4.0)), "nest").open(seed=1) as session:
        process, each = session.engine.process, np.linspace(1.0, 9.0, 60)  # type: ignore[attr-defined]

        def written(factor: float) -> None:
            values = {"c_2": factor * each, "c_3": 0.5 * factor, "V_m": -factor * each}
            process.call("write_cells", {"n": values})
            process.call("write_cells", {"n": {"tau_m": 7.0 * factor}})
            for name, value in (values | {"tau_m": 7.0 * factor}).items():
                assert np.array_equal(process.call("read_cells", "n", name), value + 0.0 * each)

        written(1.0)
        build = ENGINE.replace(".engine", ".build")
        process.lease.call("builtins:exec", f"import {build} as b\nb._set_status = None", limit=60.0)
        try:
            written(3.0)
        finally:
            process.lease.worker.close()  # nobody else shall have this one


def test_a_recording_tells_the_time_that_nest_took() -> None:
    """Some of the run's, on both targets that run NEST; anew in every run."""
    on_chip = SAL(0.001, pairing="nearest_restricted", update="every 100 ms")
    net = network(Exponential(tau_syn=10.0))
    analog = net.replace(
        populations=[net.populations[0].replace(neuron=GLM(bias=0.0, tau_ref=10.0))],
        projections=[net.projections[0].replace(plasticity=on_chip)],
    )
    for described, target in ((net, "nest"), (analog, "brainscales2")):
        with salhw.compile(described, target).open(seed=1) as session:
            for _ in range(2):
                told = session.run(100.0).provenance
                assert 0.0 < told["nest_time_s"] < told["wall_time_s"]
