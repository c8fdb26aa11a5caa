"""What sessions take of the machine's memory, beside what the compile report says: ``python benchmarks/memory.py``.

Each network runs in a process of its own: measured is the largest sum of PSS (pages that several processes share are
shared out among them) over the process and all that it starts, from before ``open`` to the end of a short run and a
reading of all weights, less what was there before. Arguments: targets, and ``network=NAME`` for one network.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

import salhw
from salhw import (
    GLM,
    SAL,
    AllToAll,
    Exponential,
    Network,
    Population,
    Projection,
    Rectangular,
    Sparse,
    Spikes,
)
from salhw.description.connectivity import Connector
from salhw.description.kernels import Kernel

TARGETS = ("reference", "nest", "brainscales2", "loihi2")


def network(size: int, weights: Connector, *, plastic: bool = False, kernel: Kernel | None = None) -> Network:
    """One population with one projection onto itself."""
    rules = [SAL(learning_rate=1e-3, tau=10.0, pairing="all")] if plastic else []
    psp = kernel or Rectangular(tau_syn=10.0)
    neurons = Population(name="a", size=size, neuron=GLM(bias=-3.0, tau_ref=10.0))
    p = Projection(name="p", pre="a", post="a", weights=weights, kernel=psp, plasticity=rules)
    return Network(name="n", dt=1.0, populations=[neurons], projections=[p], probes=[Spikes("a")])


def sparse(size: int, inputs: int) -> Sparse:
    """So many inputs for each neuron."""
    post = np.repeat(np.arange(size), inputs)
    pre = (post + 1 + np.tile(np.arange(inputs), size)) % size
    return Sparse(post=post, pre=pre, weight=np.full(len(post), 0.01))


def networks(target: str) -> dict[str, tuple[Network, int]]:
    """Name -> network, instances: small, many small, dense, learning, sparse, several of medium size."""
    dense, psp = AllToAll(weight=0.01), Exponential(tau_syn=10.0)
    if target == "brainscales2":
        return {
            "pair": (network(2, dense, kernel=psp), 1),
            "pairs": (network(2, dense, kernel=psp), 1000),
            "learning pairs": (learning_on_chip(2), 500),
            "static": (network(100, dense, kernel=psp), 10),
            "learning": (learning_on_chip(60), 10),
            "sparse": (network(400, sparse(400, 10), kernel=psp), 5),
        }
    copies, size, many = {"reference": (50_000, 1000, 50), "nest": (1500, 250, 20), "loihi2": (1500, 400, 20)}[target]
    return {
        "pair": (network(2, dense), 1),
        "pairs": (network(2, dense, plastic=True), copies),
        "static": (network(size, dense), 1),
        "learning": (network(size, dense, plastic=True), 1),
        "sparse": (network(10 * size, sparse(10 * size, 25), kernel=psp), 1),
        "many": (network(size // 10, dense, plastic=True), many),
    }


def learning_on_chip(size: int) -> Network:
    """As the plasticity processor can."""
    rule = SAL(learning_rate=1e-3, tau=10.0, pairing="nearest_restricted", update="every 1000 ms")
    made = network(size, AllToAll(weight=0.01), kernel=Exponential(tau_syn=10.0))
    return made.replace(projections=[made.projections[0].replace(plasticity=[rule])])


def form(name: str) -> salhw.Target:
    found = salhw.target(name)
    return found.ideal() if name == "brainscales2" else found


def pss(root: int) -> int:
    """Bytes of a process and everything below it."""
    from salhw.worker.supervisor import descendants

    total = 0
    for pid in [root, *descendants(root, without=0)]:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += 1024 * sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total


def child(target: str, name: str) -> None:
    net, instances = networks(target)[name]
    executable = salhw.compile(net, form(target))
    with salhw.compile(networks(target)["pair"][0], form(target)).open() as session:  # imports, compiled code
        session.run(8.0 * net.dt)
    if target in ("nest", "brainscales2"):
        from salhw_nest import process

        for worker in process._idle:
            worker.close()
    elif target == "loihi2":
        import salhw_lava

        salhw_lava.worker(form(target)).close()
    print("ready", executable.report.memory.of(instances), flush=True)
    sys.stdin.readline()
    with executable.open(instances=instances, seed=1) as session:
        session.run(100.0 * net.dt)
        for p in net.projections:
            session.get(f"projections.{p.name}.weights")
    print("done", flush=True)


def measured(target: str, name: str) -> tuple[int, int]:
    """(estimated, measured) bytes."""
    code = [sys.executable, __file__, "--child", target, name]
    with subprocess.Popen(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        word, estimated = process.stdout.readline().split()
        assert word == "ready"
        before = most = pss(process.pid)
        process.stdin.write("\n")
        process.stdin.flush()
        import select

        while not select.select([process.stdout], [], [], 0.01)[0]:
            most = max(most, pss(process.pid))
        assert process.stdout.readline() == "done\n"
    return int(estimated), most - before


def main() -> None:
    """Print a table."""
    chosen = [a for a in sys.argv[1:] if "=" not in a] or TARGETS
    names = [a.partition("=")[2] for a in sys.argv[1:] if a.startswith("network=")]
    print("target        network          estimated    measured   ratio")
    for target in chosen:
        for name in names or networks(target):
            estimated, taken = measured(target, name)
            ratio = estimated / max(taken, 1)
            print(f"{target:13} {name:15} {estimated / 1e6:8.1f} MB {taken / 1e6:8.1f} MB {ratio:7.2f}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        main()
