"""How the constants LEAK, CURRENT, INHIBITORY and BELOW of ``neurons`` are found, on the ideal chip.

The leak makes neurons without input right, the others are a compromise: in networks of five neurons with weights up to
2 and biases from -3 to 2.2 they leave the least error of the rates, while pairs at a bias of 0 stay as they are.


``python -m salhw_brainscales2.fit`` repeats it in a few minutes.
"""

from __future__ import annotations

import numpy as np

from salhw.compiler.pipeline import compile
from salhw.description.connectivity import Sparse
from salhw.description.fields import FloatArray
from salhw.description.kernels import Rectangular
from salhw.description.network import Network
from salhw.description.neurons import GLM
from salhw.description.parts import Population, Projection
from salhw.registry import resolve
from salhw.theory import rates
from salhw_brainscales2.neurons import BELOW, CURRENT, INHIBITORY, LEAK, STEEP, leak

TAU_REF = 10.0
COUPLED = [(1.0, 0.0), (1.0, 1.0), (-1.0, 0.0), (-1.0, -1.0), (-0.6, 1.0), (2.0, 0.0), (2.0, 2.0), (-2.0, -2.0),
           (-2.0, 2.0)]  # fmt: skip
"""(W_01, W_10) of the pairs whose rates the current is fitted to."""


def activation(bias: FloatArray, seconds: float, seed: int = 0) -> FloatArray:
    """Rates in Hz of sampling neurons of these biases without input, (neuron,)."""
    neuron = GLM(bias=bias, tau_ref=TAU_REF)
    net = Network(name="fit", dt=1.0, populations=[Population(name="n", size=len(bias), neuron=neuron)])
    with compile(net, resolve("brainscales2").ideal()).open(seed=seed) as session:
        session.run(20 * TAU_REF)
        return np.asarray(session.run(1000.0 * seconds).counts["n"][0] / seconds)


def leak_polynomial(
    seconds: float, *, copies: int = 15, points: int = 33, seed: int = 0
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(coefficients, biases, leaks): the leak as a polynomial in the bias of the GLM neuron that fires alike; its
    points.
    """
    asked = np.linspace(-5.0, 2.2, points)
    share = activation(np.repeat(asked, copies), seconds, seed).reshape(points, copies).mean(axis=1) * TAU_REF / 1000.0
    known = (share > 0.004) & (share < 0.985)
    alike = np.log(share[known] / (1.0 - share[known]))
    spikes = share[known] * seconds * 1000.0 / TAU_REF * copies
    at = leak(asked[known])
    weight = np.sqrt(np.minimum(spikes, 4000.0)) * (1.0 - share[known]) ** 0.5
    return np.polynomial.polynomial.polyfit(alike, at, len(LEAK) - 1, w=weight), alike, at


def pair_error(current: float, seconds: float, *, copies: int = 16, seed: int = 0) -> float:
    """Root mean square of the relative error of the rates of coupled pairs, for a current per unit weight."""
    weights = np.repeat(COUPLED, copies, axis=0).ravel()
    post = np.arange(len(weights))
    net = Network(
        name="fit", dt=1.0, populations=[Population(name="n", size=len(post), neuron=GLM(tau_ref=TAU_REF))],
        projections=[Projection(name="p", pre="n", post="n", kernel=Rectangular(tau_syn=TAU_REF),
                                weights=Sparse(post=post, pre=post ^ 1, weight=weights))],
    )  # fmt: skip
    with compile(net, resolve("brainscales2").ideal()).open(seed=seed) as session:
        session.set("projections.p.weights", weights * current / CURRENT)
        session.run(20 * TAU_REF)
        counts = session.run(1000.0 * seconds).counts["n"][0]
    measured = counts.reshape(len(COUPLED), copies, 2).mean(axis=1) / seconds
    steps = round(TAU_REF)
    expected = np.array(
        [rates(np.array([[0.0, a], [b, 0.0]]), [0.0, 0.0], np.ones(steps), steps) for a, b in COUPLED]
    ) * (1000.0 / (TAU_REF / steps))  # fmt: skip
    return float(np.sqrt(np.mean((measured / expected - 1.0) ** 2)))


def network_error(
    current: float, inhibitory: float, below: float, seconds: float, *, networks: int = 40, seed: int = 0
) -> float:
    """Root mean square of the log ratios of rates to the reference's, in random networks of five neurons, for currents
    per unit weight of either sign and the bias, as far ``below`` a neuron's, that makes its sensitivity."""
    rng = np.random.default_rng(seed)
    bias = rng.uniform(-3.0, 2.2, 5 * networks)
    block, (i, j) = 5 * np.arange(networks)[:, None], np.nonzero(~np.eye(5, dtype=np.bool_))
    post, pre = (block + i).ravel(), (block + j).ravel()
    weights = rng.uniform(-2.0, 2.0, len(post))
    net = Network(
        name="fit", dt=1.0, populations=[Population(name="n", size=len(bias), neuron=GLM(bias=bias, tau_ref=TAU_REF))],
        projections=[Projection(name="p", pre="n", post="n", kernel=Rectangular(tau_syn=TAU_REF),
                                weights=Sparse(post=post, pre=pre, weight=weights))],
    )  # fmt: skip
    slope = np.polynomial.polynomial.polyder(LEAK)
    gain = [np.polynomial.polynomial.polyval(np.clip(bias - x, *STEEP), slope) for x in (below, BELOW)]
    strength = np.where(weights >= 0, current / CURRENT, inhibitory / INHIBITORY) * (gain[0] / gain[1])[post]
    counts = []
    for target, factor in (("brainscales2", strength), ("reference", 1.0)):
        with compile(net, resolve(target).ideal()).open(seed=seed) as session:
            session.set("projections.p.weights", np.clip(weights * factor, -2.52, 2.52))
            session.run(20 * TAU_REF)
            counts.append(session.run(1000.0 * seconds).counts["n"][0] + 0.5)
    square = np.log(counts[0] / counts[1]) ** 2 - 1.0 / counts[0] - 1.0 / counts[1]  # less what random spikes add
    return float(np.sqrt(max(0.0, square.mean())))


if __name__ == "__main__":
    print("LEAK", leak_polynomial(30.0)[0].round(5).tolist(), "held", LEAK)
    for tried in (1.2, 1.3, 1.4, 1.5, 1.6):
        print("CURRENT", tried, "rate error", round(pair_error(tried, 20.0), 4), "held", CURRENT)
    for chosen in (
        (1.4, 1.5, 0.5),
        (1.4, 1.4, 0.5),
        (1.4, 1.6, 0.5),
        (1.2, 1.5, 0.5),
        (1.4, 1.5, 0.0),
        (1.4, 1.5, 1.0),
    ):
        error = round(network_error(*chosen, 30.0), 4)
        print("CURRENT, INHIBITORY, BELOW", chosen, "error in networks", error, "held", (CURRENT, INHIBITORY, BELOW))
