"""Delays per synapse: what they mean and how they are drawn; learning, writing and copies do not see them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import salhw
from salhw import (
    GLM,
    SAL,
    Dense,
    DescriptionError,
    FixedIndegree,
    LogNormal,
    Membrane,
    Network,
    Normal,
    Population,
    Projection,
    Rectangular,
    Source,
    Spikes,
    SpikeTimes,
    Tie,
    UnsupportedNetworkError,
    Weights,
)

DELAYS = np.array([[0.0, 1.0, 2.5], [2.5, 2.5, 2.5], [0.0, 0.0, 0.5], [5.0, 1.0, 1.0]])
EACH = {f"p{k}": delay == DELAYS for k, delay in enumerate(np.unique(DELAYS))}
"""The synapses of each delay, by the projection of its own that they have in ``parted``."""
ALGORITHMS = ("time-driven", "event-driven", "vectorised")


def onto(delay: Any, weights: Any = None, *, plasticity: Any = (), **parts: Any) -> Network:
    """Three sources that drive four GLM neurons, and a projection among those."""
    random = np.random.default_rng(3)
    among = random.normal(0.0, 0.5, (4, 4)) * (1.0 - np.eye(4))
    weights = random.normal(0.0, 1.0, (4, 3)) if weights is None else weights
    return Network(
        name="late",
        dt=0.5,
        populations=[Population("x", 3, Source()), Population("y", 4, GLM(bias=0.5, tau_ref=2.0))],
        projections=[
            Projection("p", "x", "y", weights, Rectangular(3.0), delay, plasticity),
            Projection("among", "y", "y", among, Rectangular(2.0), 1.0),
        ],
        **({"stimuli": [salhw.Poisson("x", 150.0)], "probes": [Spikes("y")]} | parts),
    )


def reference(algorithm: str) -> salhw.Target:
    return salhw.target("reference").with_options(algorithm=algorithm)


def test_a_spike_acts_after_the_delay_of_each_synapse() -> None:
    """The example of docs/semantics.md."""
    net = Network(
        name="example", dt=0.5,
        populations=[Population("x", 2, Source()), Population("y", 2, GLM(bias=-9.0, tau_ref=2.0))],
        projections=[Projection("p", "x", "y", [[1.0, 2.0], [4.0, 8.0]], Rectangular(1.0), [[0.0, 0.5], [1.0, 0.0]])],
        stimuli=[SpikeTimes("x", [[1.0], [1.0]])], probes=[Membrane("y")],
    )  # fmt: skip
    for algorithm in ("time-driven", "vectorised"):
        membrane = salhw.run(net, target=reference(algorithm), duration=4.0).membrane["y"].values[0] + 9.0
        np.testing.assert_allclose(membrane, np.transpose([[0, 0, 0, 1, 3, 2, 0, 0], [0, 0, 0, 8, 8, 4, 4, 0]]))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_equal_delays_give_the_bits_of_one_number(algorithm: str) -> None:
    found = []
    for delay in (2.0, np.full((4, 3), 2.0)):
        with salhw.compile(onto(delay, plasticity=SAL(0.02)), reference(algorithm)).open(
            instances=2, seed=1
        ) as session:
            found.append((session.run(300.0).spikes["y"].time, session.get("projections.p.weights")))
    np.testing.assert_array_equal(*[times for times, _ in found])
    np.testing.assert_array_equal(*[weights for _, weights in found])


def parted(net: Network) -> Network:
    """The same with a projection for each delay."""
    p, among = net.projections
    weights = p.weights.stored
    parts = [
        p.replace(name=name, delay=DELAYS[there][0], weights=salhw.Sparse(*np.nonzero(there), weights[there]))
        for name, there in EACH.items()
    ]
    return net.replace(projections=[*parts, among])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("update", ["spike", "every 50 ms"])
def test_learning_and_writing_see_the_described_synapses(algorithm: str, update: Any) -> None:
    """As in a network with a projection for each delay, whose learning rates differ between synapses, too."""
    rates = np.linspace(0.01, 0.1, 12).reshape(4, 3)
    net = onto(DELAYS, plasticity=SAL(rates, update=update), probes=[Spikes("y"), Weights("p", every=100.0)])
    apart = parted(onto(DELAYS, plasticity=SAL(0.0, update=update)))
    new = np.random.default_rng(0).normal(size=(4, 3))
    with (
        salhw.compile(net, reference(algorithm)).open(instances=2, seed=1) as one,
        salhw.compile(apart, reference(algorithm)).open(instances=2, seed=1) as other,
    ):
        for name, there in EACH.items():
            other.set(f"projections.{name}.plasticity.learning_rate", rates[there], form="synapses")
        for written in (None, new):
            if written is not None:
                one.set("projections.p.weights", written)
                for name, there in EACH.items():
                    other.set(f"projections.{name}.weights", written[there])
            runs = one.run(200.0), other.run(200.0)
            np.testing.assert_array_equal(*(run.spikes["y"].time for run in runs))
        weights = one.get("projections.p.weights")
        np.testing.assert_array_equal(runs[0].weights["p"].values[:, -1], weights)
        for name, there in EACH.items():
            np.testing.assert_array_equal(weights[:, there], other.get(f"projections.{name}.weights"))
        assert np.abs(weights - new).min() > 0.0


def test_copies_follow_whatever_the_delays_are() -> None:
    net = onto(DELAYS, plasticity=SAL(0.05))
    copy = Projection("copy", "y", "x2", np.zeros((3, 4)), Rectangular(2.0), DELAYS.T[:, ::-1].copy())
    net = net.replace(
        populations=[*net.populations, Population("x2", 3, GLM())],
        projections=[copy, *net.projections],
        ties=[Tie("copy", "p", scale=-0.5, transpose=True)],
    )
    with salhw.compile(net, "reference").open(instances=2) as session:
        session.run(100.0)
        weights, copies = session.get("projections.p.weights"), session.get("projections.copy.weights")
    assert np.ptp(weights, axis=0).max() > 0.0
    np.testing.assert_array_equal(copies, -0.5 * weights.swapaxes(1, 2))


def test_chips_have_the_places_of_the_described_synapses() -> None:
    """The same gain for each synapse, whatever the delays are: a PSP of each, one at a time."""
    target, trains = salhw.target("reference").with_variability({"weight": 0.3}), [[1.0], [21.0], [41.0]]
    peaks = []
    for delay in (2.0, DELAYS):
        net = onto(delay, np.ones((4, 3)), stimuli=[SpikeTimes("x", trains)], probes=[Membrane("y")])
        net = net.replace(projections=net.projections[:1])
        with salhw.compile(net, target).open(chips=target.sample_chips(2)) as session:
            membrane = session.run(60.0).membrane["y"].values - 0.5
        peaks.append(membrane.reshape(2, 3, 40, 4).max(axis=2))
    np.testing.assert_allclose(*peaks)
    assert peaks[0].std() > 0.1


# drawn ----------------------------------------------------------------------------------------------------------------


def test_drawn_delays_are_whole_steps_of_the_distribution() -> None:
    """500 of each: the mean within 5 standard errors, rounding included (false alarm below 1e-6)."""
    for weights in (Dense(np.ones((25, 20))), FixedIndegree(n=20, weight=1.0, seed=5)):
        size, late = 20 if isinstance(weights, Dense) else 40, Normal(mean=1.5, std=0.3, low=0.1)
        net = Network(
            name="drawn", dt=0.1, populations=[Population("a", size, Source()), Population("b", 25, GLM())],
            projections=[Projection("p", "a", "b", weights, delay=late)],
        )  # fmt: skip
        delay = net.synapses("p").delay
        assert len(delay) == 500
        np.testing.assert_allclose(delay / 0.1, np.rint(delay / 0.1), atol=1e-9)
        assert abs(delay.mean() - 1.5) < 5.0 * np.hypot(0.3, 0.1 / np.sqrt(12)) / np.sqrt(500)
        assert 0.2 < delay.std() < 0.4
        beside = net.replace(populations=[Population("c", 3, Source()), *net.populations])
        np.testing.assert_array_equal(beside.synapses("p").delay, delay)


def test_a_network_with_drawn_delays_is_saved_as_such(tmp_path: Any) -> None:
    net = onto(LogNormal(median=1.0, sigma=0.5))
    assert Network.load(net.save(tmp_path / "net.json")) == net
    assert "delay (LogNormal: " in str(net)


@pytest.mark.parametrize(
    ("delay", "path", "code"),
    [
        (np.zeros((3, 4)), "projections.p.delay", "SAL003"),
        (DELAYS + 0.2, "projections.p.delay[0][0]", "SAL008"),
        (-DELAYS, "delay[0][1]", "SAL005"),
        (Normal(mean=1.0, std=0.5), "delay", "SAL005"),
    ],
)
def test_wrong_delays_are_named(delay: Any, path: str, code: str) -> None:
    with pytest.raises(DescriptionError) as caught:
        onto(delay)
    assert [(f.path, f.code) for f in caught.value.diagnostics] == [(path, code)]


def test_delays_of_drawn_synapses_fit_them() -> None:
    with pytest.raises(DescriptionError, match=r"one number or shape \(8,\)"):
        onto([1.0, 2.0], FixedIndegree(n=2, weight=1.0))
    net = onto(np.arange(8) * 0.5, FixedIndegree(n=2, weight=1.0))
    np.testing.assert_array_equal(net.synapses("p").delay, np.arange(8) * 0.5)


@pytest.mark.parametrize(
    ("name", "pairing", "code"),
    [
        ("nest", "nearest_restricted", "SAL107"), ("loihi2", "all", "SAL121"),
        ("brainscales2", "nearest_restricted", "SAL102"),
    ],
)  # fmt: skip
def test_targets_refuse_what_they_cannot_delay(name: str, pairing: Any, code: str) -> None:
    """What learns has one delay at most, on chips none."""
    net = onto(DELAYS, plasticity=SAL(0.01, update="spike").replace(pairing=pairing), probes=[Spikes("y")])
    with pytest.raises(UnsupportedNetworkError) as caught:
        salhw.compile(net, name)
    assert ("projections.p.delay", code) in {(f.path, f.code) for f in caught.value.diagnostics}
