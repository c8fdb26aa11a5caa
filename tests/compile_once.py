"""The algorithms of the reference, compiled once for all workers of pytest-xdist, each of which would otherwise compile
all of them at the beginning, half a minute of work. Where they are kept on disk from an earlier time, this takes a
second.

``python tests/compile_once.py vectorised`` compiles what that algorithm consists of.
"""

from __future__ import annotations

import atexit
import gc
import subprocess
import sys

SHARES = (("vectorised",), ("event-driven", "time-driven"))  # each takes as long as the other


def compile_all() -> None:
    """A process for each share, at the same time. What goes wrong there goes wrong again in the tests, which say so."""
    running = [subprocess.Popen([sys.executable, __file__, *share], stderr=subprocess.DEVNULL) for share in SHARES]
    for process in running:
        process.wait()


def compile_one(algorithm: str) -> None:
    """Run two networks: PSPs last longer than neurons are refractory, or hazards are tabulated. Learning at the end of
    the run is a function of its own."""
    import salhw
    from salhw import GLM, SAL, Network, Population, Projection, Rectangular

    target = salhw.target("reference").with_options(algorithm=algorithm)
    for tau_syn in (5.0, 20.0):
        learns = SAL(learning_rate=0.01, update="run end")
        weights = [[0.0, 1.0], [1.0, 0.0]]
        p = Projection(name="p", pre="n", post="n", weights=weights, kernel=Rectangular(tau_syn), plasticity=learns)
        net = Network(name="pair", dt=1.0, populations=[Population(name="n", size=2, neuron=GLM())], projections=[p])
        salhw.run(net, target, duration=10.0, seed=1)


if __name__ == "__main__":
    gc.disable()  # collecting takes a tenth of the time, and little is garbage
    atexit.register(gc.freeze)
    for name in sys.argv[1:]:
        compile_one(name)
