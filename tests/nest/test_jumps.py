"""PSPs of one step: NEST's ``iaf_psc_delta`` has the reference's spikes, bit for bit, by one connection for each."""

from __future__ import annotations

import numpy as np
import pytest

import salhw
from salhw import LIF, Current, Membrane, Network, Population, Projection, Rectangular, Source, Spikes, SpikeTimes
from salhw.description.fields import FloatArray

STEPS = 1500


def driven(*, kernel: Rectangular, sampled: bool = False) -> Network:
    """30 neurons of different thresholds on each other, at several delays, and 20 sources that spike at set times."""
    random = np.random.default_rng(1)
    weights = random.normal(0.0, 1.5, (30, 30)) * (random.random((30, 30)) < 0.4)
    np.fill_diagonal(weights, 0.0)
    neurons = LIF(
        tau_m=20.0, tau_ref=2.0, v_thresh=random.uniform(15.0, 20.0, 30), v_reset=10.0, v_rest=-1.0,
        bias=random.uniform(0.0, 25.0, 30),
    )  # fmt: skip
    late = random.integers(0, 20, (30, 20)) * 0.1
    times = [np.sort(random.choice(2 * STEPS, 60, replace=False)) * 0.1 for _ in range(20)]
    return Network(
        name="driven", dt=0.1,
        populations=[Population("x", 20, Source()), Population("l", 30, neurons)],
        projections=[
            Projection("xl", "x", "l", random.normal(3.0, 1.0, (30, 20)), kernel=kernel, delay=late),
            Projection("ll", "l", "l", weights, kernel=kernel, delay=0.3),
        ],
        stimuli=[SpikeTimes("x", times), Current("l", 3.0, start=50.0, stop=100.0)],
        probes=[Spikes("l"), *([Membrane("l")] if sampled else [])],
    )  # fmt: skip


def spikes(target: str) -> list[FloatArray]:
    """(time, neuron) in two runs, between which weights and biases are written."""
    runs = []
    net = driven(kernel=Rectangular(tau_syn=0.1, area=20.05))
    with salhw.compile(net, target).open(seed=1) as session:
        for gain in (0.5, 1.0):
            recorded = session.run(STEPS * net.dt).spikes["l"]
            runs.append(np.stack([recorded.time, recorded.neuron]))
            session.set("projections.ll.weights", gain * session.get("projections.ll.weights"))
            session.set("populations.l.bias", gain * session.get("populations.l.bias"))
    return runs


def test_spikes_are_the_reference_s() -> None:
    for expected, found in zip(spikes("reference"), spikes("nest"), strict=True):
        assert expected.shape[1] > 500
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("steps", "sampled", "model", "twice"),
    [(1, False, "iaf_psc_delta", False), (2, False, "iaf_psc_exp", True), (1, True, "iaf_psc_exp", True)],
)
def test_the_report_says_which_model_it_is(steps: int, sampled: bool, model: str, twice: bool) -> None:
    """A membrane that is sampled needs the model that shows what moves it."""
    report = str(salhw.compile(driven(kernel=Rectangular(tau_syn=0.1 * steps), sampled=sampled), "nest").report)
    assert f"l: 30 {model}" in report
    assert ("each twice" in report) == twice
