"""The microcircuit's phases on every target, in a loop with its host: it learns as the fitted network on the reference."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import salhw
from salhw.description.fields import FloatArray

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from loop_examples import aligns, microcircuit

FEW, MANY = 8, 40  # instances on a target, and on the reference


def changes(net: salhw.Network, target: salhw.Target, instances: int) -> dict[str, FloatArray]:
    """By how much W21 changes in two chunks of training, and then B in 1.2 s of alignment, (instance,)."""
    with salhw.compile(net, target).open(instances=instances, seed=6) as session:
        session.run(400.0)
        learned = session.get("projections.W21.weights").ravel() - 1.0
        aligns(session, 0.07, 1200.0)
        turned = session.get("projections.B.weights").ravel() + 1.0
        copies = session.get("projections.lateral.weights").ravel()
    step = 0.0 if target.weight_bits is None else 0.2  # gain 0 keeps copies of what was held, to a step
    np.testing.assert_allclose(copies, 1.0 - turned, atol=1e-9 + step)
    return {"W21": learned, "B": turned}


@pytest.mark.parametrize("name", ["nest", "brainscales2", "loihi2"])
def test_it_learns_as_on_the_reference(name: str) -> None:
    """Means over instances within 4 standard errors of the reference's (6e-5 for each of two weights), and B turns by
    more than 4 of its own."""
    target = salhw.target(name).ideal()
    fitted = salhw.fit(microcircuit(), target.with_options(execution="in-process") if name == "loihi2" else target, sized=False)
    measured = changes(fitted.network, fitted.target, FEW)
    expected = changes(fitted.network, salhw.target("reference"), MANY)
    for weight, values in measured.items():
        error = float(np.hypot(_error(values), _error(expected[weight])))
        assert abs(values.mean() - expected[weight].mean()) < 4.0 * error, (weight, values.mean(), expected[weight].mean(), error)
    assert measured["B"].mean() > 4.0 * _error(measured["B"])


def _error(values: FloatArray) -> float:
    """The standard error of the mean."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))
