"""How the constants LEAK and CURRENT of ``membrane`` are found, on the ideal chip.

``python -m salhw_pynn.analog.fit`` repeats it in a few minutes.
"""

from __future__ import annotations

import numpy as np

from salhw.backend import resolve
from salhw.compile.pipeline import compile
from salhw.connectivity import Sparse
from salhw.fields import FloatArray
from salhw.kernels import Rectangular
from salhw.network import Network, Population, Projection
from salhw.neurons import GLM
from salhw.theory import rates
from salhw_pynn.analog import membrane
from salhw_pynn.analog.membrane import CURRENT, LEAK

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
    at = membrane.leak(asked[known])
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
    found = counts.reshape(len(COUPLED), copies, 2).mean(axis=1) / seconds
    steps = round(TAU_REF)
    wanted = np.array(
        [rates(np.array([[0.0, a], [b, 0.0]]), [0.0, 0.0], np.ones(steps), steps) for a, b in COUPLED]
    ) * (1000.0 / (TAU_REF / steps))  # fmt: skip
    return float(np.sqrt(np.mean((found / wanted - 1.0) ** 2)))


if __name__ == "__main__":
    print("LEAK", leak_polynomial(30.0)[0].round(5).tolist(), "held", LEAK)
    for tried in (1.2, 1.3, 1.4, 1.5, 1.6):
        print("CURRENT", tried, "rate error", round(pair_error(tried, 20.0), 4), "held", CURRENT)
