"""Machine code that an earlier process has compiled is loaded without what compiles it; results are the same bits."""

from __future__ import annotations

import json
import subprocess
import sys

import salhw
from salhw import GLM, SAL, AllToAll, Network, Population, Projection, Rectangular

ALGORITHMS = {"tabulated": 4, "event-driven": 12, "time-driven": 4, "vectorised": 70}
"""All of the reference, and the neurons of a network for which it takes each (the first by itself)."""
IMPORTED_TO_COMPILE = ("numba.np.arraymath", "scipy.linalg")


def learned(size: int, algorithm: str) -> list[float]:
    """The weights of a network after .1 s, which every synapse changes at their end."""
    rule, kernel = SAL(learning_rate=0.1, tau=4.0, update="run end"), Rectangular(tau_syn=5.0)
    joined = Projection("p", pre="a", post="a", weights=AllToAll(0.1), kernel=kernel, plasticity=rule)
    net = Network(
        name="n", dt=0.5, populations=[Population("a", size=size, neuron=GLM(tau_ref=5.0))], projections=[joined]
    )
    target = salhw.target("reference").with_options(algorithm=algorithm.replace("tabulated", "event-driven"))
    with salhw.compile(net, target).open(seed=1) as session:
        session.run(100.0)
        return list(session.get("projections.p.weights").ravel().tolist())


def results() -> list[list[float]]:
    return [learned(size, algorithm) for algorithm, size in ALGORITHMS.items()]


def test_code_is_loaded_without_what_compiles_it_and_does_the_same() -> None:
    here = results()  # compiled now, if no earlier process has
    there = json.loads(subprocess.run([sys.executable, __file__], capture_output=True, check=True).stdout)
    assert there == {"results": here, "imported": []}


if __name__ == "__main__":
    of_here = results()
    print(json.dumps({"results": of_here, "imported": [name for name in IMPORTED_TO_COMPILE if name in sys.modules]}))
