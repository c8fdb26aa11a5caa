"""learning_rate[post, pre]"""

from __future__ import annotations

import numpy as np

from salhw.conformance.circuits import alternatives, pairing, schedule
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, Figure, check
from salhw.conformance.rigs import written_by_host
from salhw.conformance.statistics import Equivalence
from salhw.conformance.verdict import by_test
from salhw.description.connectivity import Connector, Dense, Sparse
from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw.description.neurons import Source
from salhw.description.parts import Population, Projection
from salhw.description.plasticity import PairSTDP
from salhw.description.stimuli import SpikeTimes
from salhw.description.windows import ExponentialWindow

RATES = np.array([[0.1, 0.5, 0.2], [0.3, 0.05, 0.6], [0.4, 0.15, 0.25]])  # [post, pre]
LAG = 3  # steps


@check("learning-rate-per-synapse", group="dynamics")
def learning_rate_per_synapse(lab: Lab) -> Evidence:
    """Every synapse [post, pre] learns at its own rate: three presynaptic neurons spike together, three postsynaptic
    ones 3 steps later, and each of the nine weights changes in proportion to its learning rate.

    Nothing is random: every change must be within the declared relative error (window), and half a step of a weight
    that the host writes.
    """
    margin = lab.accuracy("window")
    post, pre = (index.ravel() for index in np.indices(RATES.shape))
    forms: dict[str, tuple[Connector, FloatArray]] = {
        "dense": (Dense(values=np.zeros(RATES.shape)), RATES),
        "sparse": (Sparse(post=post, pre=pre, weight=np.zeros(RATES.size)), RATES.ravel()),
    }
    nets = {name: network(lab, weights, rates) for name, (weights, rates) in forms.items()}
    expected = RATES * np.exp(-LAG / 10.0)
    worst: tuple[float, str, FloatArray] | None = None
    for name, net in alternatives(lab, nets).items():
        with lab.open(net) as session:
            session.run(50 * lab.dt)
            measured = session.get("projections.synapses.weights")[0].reshape(RATES.shape)
        (p,) = net.projections
        rounded = written_by_host(lab, p.plasticity[0])
        off = np.maximum(0.0, np.abs(measured - expected) - rounded) / expected
        at = np.unravel_index(int(off.argmax()), off.shape)
        if worst is None or off[at] > worst[0]:
            worst = float(off[at]), f"change of W[{at[0]}, {at[1]}] ({name})", measured
    assert worst is not None
    result = Equivalence(worst[0], 0.0, margin, 0.0 if worst[0] <= margin else 1.0)
    figure = Figure(
        "synapse (3 post + pre)", "weight change", [*range(9)],
        {"declared": [*expected.ravel()], "measured": [*worst[2].ravel()]},
    )  # fmt: skip
    hint = "learning rates are taken per neuron, or go to the wrong synapse"
    return by_test(result, worst[1], hint, unit="relative", figure=figure)


def network(lab: Lab, weights: Connector, rates: FloatArray) -> Network:
    """Three sources to three sources."""
    window = ExponentialWindow(amplitude=1.0, tau=10 * lab.dt)
    options = {"pairing": pairing(lab), "update": schedule(lab), "execution": "host"}  # what the chip does not have
    rule = PairSTDP(causal=window, anticausal=window, learning_rate=rates, **options)
    times = {"pre": 10, "post": 10 + LAG}
    return Network(
        name="learning_rates",
        dt=lab.dt,
        populations=[Population(name=name, size=3, neuron=Source()) for name in times],
        projections=[Projection(name="synapses", pre="pre", post="post", weights=weights, plasticity=rule)],
        stimuli=[SpikeTimes(name, [np.array([step * lab.dt])] * 3) for name, step in times.items()],
    )
