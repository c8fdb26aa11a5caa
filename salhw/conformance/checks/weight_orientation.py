"""W[post, pre]"""

from __future__ import annotations

import numpy as np

from salhw.conformance.circuits import alternatives, declared_range, glm
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, check
from salhw.conformance.verdict import by_count
from salhw.description.connectivity import Connector, Dense, Sparse
from salhw.description.network import Network
from salhw.description.parts import Population, Projection

STRONG, DRIVEN = 5.0, 1.0  # a weight, if the target declares as much; the potential to which it drives a neuron
EDGES = ((1, 0), (2, 0), (3, 2))  # (post, pre): neuron 0 drives 1 and 2, and 2 drives 3


@check("weight-orientation", group="dynamics")
def weight_orientation(lab: Lab) -> Evidence:
    """W[post, pre] acts from pre on post, in every declared form (dense, sparse), within a population and between two.
    Neuron 0 fires by itself and drives 1 and 2; 2 drives 3; neuron 4 listens to nobody, and must stay silent.

    Exact: in the time given driven neurons spike 235 times or more on average (standard deviation 7), silent ones 7
    times (20 for a weight of 4, 73 ± 7 for 2.5); on the wrong side of the line at 130 with less than 1e-12.
    """
    strong = declared_range(lab.target.projections, "weights", 0.0, STRONG)[1]
    matrix = np.zeros((5, 5))
    post, pre = np.array(EDGES).T
    matrix[post, pre] = strong
    forms: dict[str, Connector] = {
        "dense": Dense(values=matrix),
        "sparse": Sparse(post=post, pre=pre, weight=np.full(len(post), strong)),
    }
    within = {f"{name}, within": one_population(lab, form, DRIVEN - strong) for name, form in forms.items()}
    between = {f"{name}, between": two_populations(lab, form, DRIVEN - strong) for name, form in forms.items()}
    wrong, said, of = 0, [], 0
    for name, net in alternatives(lab, within | between).items():
        with lab.open(net) as session:
            counts = session.run(4000 * lab.dt).counts["listeners"][0]
        fires = [k for k in range(5) if counts[k] > 130]
        expected = [0, 1, 2, 3] if name.endswith("within") else [1, 2]
        wrong += len(set(fires) ^ set(expected))
        of += 5
        said.append(f"{name}: {fires} fire")
    return by_count(wrong, of, "; ".join(said), "W[post, pre] is read as W[pre, post]")


def one_population(lab: Lab, weights: Connector, silent: float) -> Network:
    """Neuron 0 with a high bias, the others silent."""
    bias = np.array([2.0, silent, silent, silent, silent])
    return Network(
        name="within",
        dt=lab.dt,
        populations=[Population(name="listeners", size=5, neuron=glm(lab, bias))],
        projections=[Projection(name="weights", pre="listeners", post="listeners", weights=weights)],
    )


def two_populations(lab: Lab, weights: Connector, silent: float) -> Network:
    """Of the senders only neuron 0 fires; it reaches the listeners 1 and 2."""
    bias = np.array([2.0, -9.0, -9.0, -9.0, -9.0])
    return Network(
        name="between",
        dt=lab.dt,
        populations=[
            Population(name="senders", size=5, neuron=glm(lab, bias)),
            Population(name="listeners", size=5, neuron=glm(lab, silent)),
        ],
        projections=[Projection(name="weights", pre="senders", post="listeners", weights=weights)],
    )
