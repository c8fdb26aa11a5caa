"""The microcircuit's phases on every target in a loop with its host, as the fitted network learns on the reference."""

from __future__ import annotations

import numpy as np
import pytest
from loop_examples import aligns, microcircuit

import salhw
from salhw import Spikes, Traces
from salhw.description.fields import FloatArray

FEW, MANY = 8, 40  # instances on a target, and on the reference


def changes(net: salhw.Network, target: salhw.Target, instances: int) -> dict[str, FloatArray]:
    """By how much W21 changes in two chunks of training, and then B in 1.2 s of alignment, (instance,)."""
    with salhw.compile(net, target).open(instances=instances, seed=6) as session:
        session.run(400.0)
        learned = session.get("projections.W21.weights").ravel() - 1.0
        aligns(session, 0.07, 1200.0)
        turned = session.get("projections.B.weights").ravel() + 1.0
        copies = session.get("projections.lateral.weights").ravel()
    np.testing.assert_allclose(copies, 1.0 - turned, atol=1e-9)
    return {"W21": learned, "B": turned}


def ideal(name: str) -> salhw.Target:
    """A target without variability and quantisation, in the fastest of its ways to run."""
    target = salhw.target(name).ideal()
    return target.with_options(execution="in-process") if name == "loihi2" else target


@pytest.mark.parametrize("name", ["nest", "brainscales2", "loihi2"])
def test_it_learns_as_on_the_reference(name: str) -> None:
    """Means over instances within 4 standard errors of the reference's (6e-5 for each of two weights), and B turns by
    more than 4 of its own."""
    fitted = salhw.fit(microcircuit(), ideal(name), sized=False)
    measured = changes(fitted.network, fitted.target, FEW)
    expected = changes(fitted.network, salhw.target("reference"), MANY)
    for weight, values in measured.items():
        error = float(np.hypot(_error(values), _error(expected[weight])))
        assert abs(values.mean() - expected[weight].mean()) < 4.0 * error, weight
    assert measured["B"].mean() > 4.0 * _error(measured["B"])


def _error(values: FloatArray) -> float:
    """The standard error of the mean."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def test_what_is_learned_sees_weights_that_a_chip_rounds_in_full() -> None:
    """Behind a gain of .02 a code of .04 is 2 of B and of its lateral copy. The mean potential that Eq 37 reads has of
    them what was written, from the chip's own spikes: PSPs of 10 steps each."""
    net, written = salhw.fit(microcircuit(apical=0.02), "brainscales2", sized=False).network, -1.3
    net = net.replace(probes=[Spikes("P2"), Spikes("I1"), Traces("u_P1", every=200.0), Traces("basal_P1", every=200.0)])
    with salhw.compile(net, "brainscales2").open(seed=1) as session:
        session.set("projections.B.weights", written)
        held = [float(session.get(f"projections.{name}.weights").squeeze()) for name in ("B", "lateral")]
        bias = float(session.get("populations.P1.bias").squeeze())
        recording = session.run(201.0)
    active = {
        name: sum(max(0, min(10, 200 - round(time))) for time in recording.spikes[name].times(0)) / 200.0
        for name in ("P2", "I1")
    }
    apart = recording.traces["u_P1"].values[0, -1, 0] - recording.traces["basal_P1"].values[0, -1, 0] - bias
    assert held == [-2.0, 2.0]
    assert abs(active["P2"] - active["I1"]) > 0.01
    assert apart == pytest.approx(0.02 * written * (active["P2"] - active["I1"]), abs=1e-9)
