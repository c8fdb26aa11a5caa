"""The reference backend: the semantics of a description, exactly, on the CPU (see docs/semantics.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from salhw.description.network import Network
from salhw.diagnostics import Diagnostic
from salhw.machine import Memory
from salhw.session.executable import Executable
from salhw.session.lowering import Lowering, unknown_kinds
from salhw.session.memory import sizes
from salhw.session.recorder import version
from salhw.session.session import EngineSession
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target
from salhw.substrate.variability import Variability
from salhw_reference.choice import choose_algorithm
from salhw_reference.kinds import AVERAGES, KNOWN, NEURONS, reach

if TYPE_CHECKING:
    from salhw.session.backend import Session

RELATIVE = ("weight", "causal_amplitude", "anticausal_amplitude")  # applied as a factor, whatever the value
_NONE = Variability()


class ReferenceBackend:
    """Owns the target ``reference``. Its option ``algorithm`` says how sessions move forward (choice.py)."""

    name = "reference"

    def targets(self) -> Mapping[str, Target]:
        """See Backend."""
        return _targets()

    def lower(self, net: Network, target: Target) -> Lowering:
        """Nothing is approximated; only the algorithm is chosen."""
        if unknown := unknown_kinds(net, KNOWN):
            return Lowering(net, tuple(unknown))
        absolute = [name for name in RELATIVE if target.variability.get(name, _NONE).mode == "absolute"]
        if absolute:
            path, fix = f"target.variability.{absolute[0]}.mode", "mode = 'relative'"
            return Lowering(net, (Diagnostic("SAL103", path, "absolute", "supported relative", fix),))
        algorithm, why = choose_algorithm(net, target)
        if algorithm:
            return Lowering(net, notes=(f"algorithm: {algorithm} ({why})",))
        path, fix = "target.options.algorithm", "algorithm='time-driven' or 'auto'"
        return Lowering(net, (Diagnostic("SAL103", path, str(target.option("algorithm")), f"supported {why}", fix),))

    def memory(self, net: Network, target: Target) -> Memory:
        """See Weighing; bytes as measured by benchmarks/memory.py."""
        from salhw_reference.delays import delays, ring_bytes, volley_bytes
        from salhw_reference.past import branches, horizons, longest_kept, ring
        from salhw_reference.program import LONGEST_TABLE, block_bytes

        neurons, static, plastic = sizes(net)
        rules = [(p, rule) for p in net.projections for rule in p.plasticity]
        windows = [reach(window, net.dt) for p, rule in rules for _, window, _, _ in branches(net, p, rule)]
        table = sum(last for last in windows if last <= LONGEST_TABLE)
        longest, path = max(horizons(net), default=(1, ""))
        # The vectorised algorithm holds weights that instances have in common once, and no learning rates of its own.
        vectorised = choose_algorithm(net, target)[0] == "vectorised"
        of_static, of_plastic = (16, 48) if vectorised else (24, 71)
        past, rest = 16 * ring(net, max(longest, longest_kept(net))), 2000 + 920 * neurons
        rest += of_static * static + of_plastic * plastic
        rings = [ring_bytes(net, p) * vectorised for p in net.projections]
        apart = [100 * neurons * (delays(p) - 1) for p in net.projections]
        rest += vectorised * (block_bytes(net) + sum(volley_bytes(net, p) for p in net.projections))
        rest += sum(each[0] or each[1] for each in zip(rings, apart, strict=True))
        rest += 24 * neurons * len(net.traces) + 8 * sum(
            net.population(trace.population).size * AVERAGES[trace.window](trace.window, net.dt).length
            for trace in net.traces
        )
        adapting = neurons * any(NEURONS[p.neuron](p.neuron, net.dt).recovery != () for p in net.populations)
        rest += 8 * adapting
        return Memory(
            once=96 * neurons
            + 48 * adapting
            + 71 * static
            + 75 * plastic
            + 4 * (len(net.ties) + any(rings)) * (static + plastic)
            + 16 * table
            + 2 * past,
            each=rest + past,
            sample=9,
            every_spike=False,
            longest=(path, longest * net.dt) if past > rest else None,
        )

    def open(self, executable: Executable, *, chips: Sequence[Chip], ids: Sequence[int], seed: int) -> Session:
        """See Backend."""
        from salhw_reference.engine import ReferenceEngine

        engine = ReferenceEngine(executable, chips=chips, ids=ids, seed=seed)
        return EngineSession(executable, engine, chips=chips, ids=ids, seed=seed, versions={"numba": version("numba")})


@cache
def _targets() -> Mapping[str, Target]:
    files = sorted((Path(__file__).parent / "targets").glob("*.toml"))
    return {target.name: target for target in map(Target.from_toml, files)}


backend = ReferenceBackend()
