"""The theory of reference phases, against SAL on the reference target."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import salhw
from salhw import GLM, SAL, Exponential, Network, Population, Projection, Rectangular, ReferencePhase
from salhw.description.fields import FloatArray
from salhw.description.kernels import Kernel
from salhw.theory import (
    PairField,
    attractor,
    drift,
    pair_field,
    rates,
    reference_noise,
    sal_course,
    sal_noise,
    sal_window,
    stdd,
)

RATE, TAU, UPDATE, RUN, KAPPA = 0.004, 10.0, 200, 30_000, np.ones(10)
RECTANGULAR = Rectangular(10.0)


@cache
def field() -> PairField:
    return pair_field(np.linspace(-2.0, 2.0, 9), [0.0, 0.0], KAPPA, 10, 60)


def simulated(
    start: FloatArray, reference: float | None, amplitude: FloatArray | None = None, seed: int = 1,
    kernel: Kernel = RECTANGULAR, bias: tuple[float, float] = (0.0, 0.0),
) -> FloatArray:  # fmt: skip
    """Weights (into 1, into 0) of pairs after RUN steps of 1 ms; ``amplitude`` (pair, synapse, branch) of sensors."""
    phase = None if reference is None else ReferencePhase(reference)
    rule = SAL(RATE, TAU, update=f"every {UPDATE} ms", reference=phase)
    pair = Projection("p", "n", "n", [[0.0, 0.0], [0.0, 0.0]], kernel, plasticity=rule)
    net = Network(
        name="pair", dt=1.0, populations=[Population("n", 2, GLM(bias=bias, tau_ref=10.0))], projections=[pair]
    )
    with salhw.compile(net, "reference").open(instances=len(start), seed=seed) as session:

        def write(path: str, into_1: FloatArray, into_0: FloatArray) -> None:
            matrix = np.zeros((len(start), 2, 2))
            matrix[:, 1, 0], matrix[:, 0, 1] = into_1, into_0
            session.set(f"projections.p.{path}", matrix)

        write("weights", *start.T)
        for branch, sign in ((0, -1.0), (1, 1.0)) if amplitude is not None else ():
            name = ("causal", "anticausal")[branch]
            write(f"plasticity.{name}.amplitude", *(sign * amplitude[:, :, branch]).T)
        session.run(float(RUN))
        held = session.get("projections.p.weights")
    return np.stack([held[:, 1, 0], held[:, 0, 1]], axis=1)


def test_the_field_is_exact_on_its_grid_and_between() -> None:
    pairs, spikes = field().at(np.array([[0.5, -1.0], [0.25, 0.5]]))
    exact = stdd([[0.0, -1.0], [0.5, 0.0]], [0.0, 0.0], KAPPA, 10, 60).rate
    assert np.allclose(pairs[0], exact, rtol=1e-6)
    assert np.allclose(spikes[0], rates([[0.0, -1.0], [0.5, 0.0]], [0.0, 0.0], KAPPA, 10), rtol=1e-6)
    between = stdd([[0.0, 0.5], [0.25, 0.0]], [0.0, 0.0], KAPPA, 10, 60).rate
    assert np.abs(pairs[1] - between).max() < 0.02 * between.max(), "a grid of steps of .5"


def test_the_field_is_exact_for_biases_that_differ() -> None:
    unequal = pair_field([0.0, 1.0], [-0.5, 0.5], KAPPA, 10, 60, apart=[-1.0, 0.0, 0.4])
    pairs, spikes = unequal.at(np.array([[1.0, 0.0], [1.0, 0.0]]), [0.4, -1.0])
    for k, bias in enumerate(([-0.7, 0.7], [0.0, 0.0])):
        exact = stdd([[0.0, 0.0], [1.0, 0.0]], bias, KAPPA, 10, 60).rate
        assert np.allclose(pairs[k], exact, rtol=1e-6), "neuron 1's bias is higher by apart than what was given"
        assert np.allclose(spikes[k], rates([[0.0, 0.0], [1.0, 0.0]], bias, KAPPA, 10), rtol=1e-6)


def test_the_relaxation_is_the_slope_of_the_drift() -> None:
    window = sal_window(TAU, 60)
    apart = drift(stdd([[0.0, 0.45], [0.55, 0.0]], [0.0, 0.0], KAPPA, 10, 60), -window, window)
    noise = sal_noise(field(), 0.5, TAU)
    assert noise.relaxation == pytest.approx(-2.0 * apart / 0.1, rel=0.05)
    product = [np.prod(rates([[0.0, w], [w, 0.0]], [0.0, 0.0], KAPPA, 10)) for w in (0.5, 0.0)]
    assert noise.ratio == pytest.approx(product[0] / product[1], rel=1e-6)


@pytest.mark.parametrize("reference", [None, 10_000.0])
def test_noise_in_closed_form(reference: float | None) -> None:
    """Of 300 pairs; a standard deviation is known to 4 %, and five of these are 20 %. The lags of successive pairs are
    not independent, as theory takes them: what is measured is up to 1.35 times as much (docs/reference-phase.md)."""
    end = simulated(np.full((300, 2), 0.5), reference)
    difference, mean = reference_noise(sal_noise(field(), 0.5, TAU), RATE, RUN, reference)
    assert 0.8 < np.std(end[:, 1] - end[:, 0]) / difference < 1.35 * 1.2
    assert mean == 0.0
    assert np.abs(end.mean(axis=1) - 0.5).max() < 1e-9, "sensors that are equal keep every mean, with a reference too"


def test_sensors_that_differ_drive_pairs_as_theory_says_and_a_reference_stops_them() -> None:
    """200 pairs with amplitudes of .2 spread: where each mean goes is told by its sensors, to what scatter adds."""
    rng = np.random.default_rng(3)
    start, amplitude = rng.normal(0.3, 0.3, (200, 2)), 1.0 + 0.2 * rng.standard_normal((200, 2, 2))
    tau = np.full((200, 2, 2), TAU)
    moved = {}
    for reference in (None, 20_000):
        said = sal_course(field(), start, RATE, amplitude, tau, run=RUN, update=UPDATE, reference=reference, seed=5)
        seen = simulated(start, reference, amplitude)
        moved[reference] = [(end - start).mean(axis=1) for end in (said, seen)]
        gaps = [np.median(np.abs(end[:, 0] - end[:, 1])) for end in (said, seen)]
        assert 0.7 < gaps[1] / gaps[0] < 1.5, (reference, gaps)
    said, seen = moved[None]
    assert np.corrcoef(said, seen)[0, 1] > 0.97
    assert np.std(seen) == pytest.approx(np.std(said), rel=0.1)
    assert np.std(moved[20_000][1]) < 0.2 * np.std(seen)
    assert 0.5 < np.std(moved[20_000][1]) / np.std(moved[20_000][0]) < 2.0


def test_neurons_of_unequal_biases_come_to_rest_apart_where_psps_decay() -> None:
    """Half of 120 pairs begin at the exact attractor, where they stay, half at equal weights of the same mean, from
    where they go as theory says. Five standard errors are allowed."""
    psp, half = Exponential(5.0, area=10.0, superposition="last"), np.arange(120) < 60
    kappa = psp.sample(1.0, 25)
    (partner,) = attractor([0.9], [-0.5, 0.5], kappa, 10, TAU, 60)
    rest = partner - 0.9
    assert rest < -0.2, "the weight onto the neuron of the higher bias is the larger one"
    start = np.where(half[:, None], [[0.9, partner]], 0.5 * (0.9 + partner))
    decaying = pair_field(np.linspace(0.0, 1.2, 7), [0.0, 0.0], kappa, 10, 60, apart=[0.0, 1.0])
    told = {"run": RUN, "update": UPDATE, "seed": 5}
    nominal = np.ones((120, 2, 2)), np.full((120, 2, 2), TAU)
    said, alike = (sal_course(decaying, start, RATE, *nominal, apart=d, **told) for d in (1.0, 0.0))
    seen = simulated(start, None, kernel=psp, bias=(-0.5, 0.5))
    gaps = {name: end[:, 1] - end[:, 0] for name, end in (("said", said), ("seen", seen), ("alike", alike))}
    error = {name: gap[half].std() / np.sqrt(60) for name, gap in gaps.items()}
    for name in ("said", "seen"):
        assert abs(gaps[name][half].mean() - rest) < 5.0 * error[name], name
    assert gaps["alike"][half].mean() > 0.5 * rest, "equal biases bring weights together"
    moved = {name: gap[~half].mean() for name, gap in gaps.items()}
    assert moved["seen"] < 0.5 * rest
    assert abs(moved["seen"] - moved["said"]) < 5.0 * np.hypot(error["seen"], error["said"])


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="increasing values around 0"):
        pair_field([0.5, 1.0], [0.0, 0.0], KAPPA, 10, 60)
    with pytest.raises(ValueError, match="must be 1 or more increasing values around 0"):
        pair_field([0.0, 1.0], [0.0, 0.0], KAPPA, 10, 60, apart=[0.1])
    with pytest.raises(ValueError, match="tau has shape"):
        sal_course(field(), [[0.0, 0.0]], RATE, np.ones((1, 2, 2)), np.ones((1, 2)), run=200, update=200)
