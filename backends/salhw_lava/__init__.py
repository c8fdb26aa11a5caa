"""Loihi 2 through Lava: the target ``loihi2``, which runs in a Python 3.10 of its own (docs/loihi.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from salhw.description.network import Network
from salhw.machine import Memory
from salhw.session.calibration import refuse_calibrated
from salhw.session.executable import Executable
from salhw.session.lowering import Lowering
from salhw.session.memory import sizes
from salhw.session.session import EngineSession
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target
from salhw.worker.environments import Environment, is_made

if TYPE_CHECKING:
    from salhw.session.backend import Session
    from salhw.worker.worker import Worker

HERE = Path(__file__).parent
environment = Environment.from_toml(HERE / "environment.toml")
SOURCES = {"salhw_lava_worker": HERE / "worker"}


WORKER, RUNTIME, PROCESS = 60_000_000, 98_000_000, 6_000_000  # bytes: Python with Lava, its runtime, a further process
RECORDED = 16_000_000  # bytes of what a run records before it reports, at most twice that


class LavaBackend:
    """Owns the target ``loihi2``: Lava's fixed-point models. Its ``ideal()`` are the floating-point ones."""

    name = "lava"

    def targets(self) -> Mapping[str, Target]:
        """See Backend."""
        return _targets()

    def lower(self, net: Network, target: Target) -> Lowering:
        """See Backend. Everything that is rounded or later than described is named, with its size."""
        from salhw_lava.lower import lower

        return lower(net, target)

    def memory(self, net: Network, target: Target) -> Memory:
        """See Weighing; bytes as measured by benchmarks/memory.py. Lava runs a process for the neurons, one for static
        synapses, one for each population of LIF neurons and each plastic projection; on another host they cost
        nothing here."""
        from salhw_lava.words import NEURON_KINDS

        # It is asked before lowering refuses neurons that it does not know.
        known = [NEURON_KINDS[p.neuron] for p in net.populations if p.neuron in NEURON_KINDS]
        neurons, static, plastic = sizes(net)
        plastic_projections = sum(bool(p.plasticity) for p in net.projections)
        processes = PROCESS * (plastic_projections + sum(kind.own_process for kind in known))
        runtime = WORKER if target.option("execution") == "in-process" else RUNTIME + processes
        return Memory(
            once=0 if target.option("ssh") else runtime + RECORDED,
            each=2_000 + 300 * neurons + 125 * static + 225 * plastic,
            every_step=True,
        )

    def open(self, executable: Executable, *, chips: Sequence[Chip], ids: Sequence[int], seed: int) -> Session:
        """See Backend. A digital chip has no fixed pattern: ``chips`` are all alike.

        Raises:
            BackendError: SAL603 there is no Lava.
        """
        from salhw_lava.engine import LavaEngine

        engine = LavaEngine(executable, worker(executable.target), ids=ids, seed=seed)
        return EngineSession(executable, engine, chips=chips, ids=ids, seed=seed, versions=engine.versions)

    def export(self, executable: Executable, directory: Path, *, duration: float, seed: int) -> list[Path]:
        """Write a folder with a Lava script that runs the network without salhw; see ``salhw_lava.script``."""
        from salhw_lava.script import export

        refuse_calibrated(executable.calibration)
        return export(executable, directory, duration=duration, seed=seed)


def worker(target: Target) -> Worker:
    """The interpreter that runs a target's programs: the option ``python``, or the environment ``loihi``.

    Raises:
        BackendError: SAL603 the environment is not set up.
    """
    from salhw.diagnostics import BackendError, Diagnostic
    from salhw.worker.worker import shared

    python, ssh = str(target.option("python")), str(target.option("ssh")) or None
    if ssh and not python:
        finding = Diagnostic(
            "SAL603", "target.options.python", "", "an interpreter on the host", "python='/path/on/it'"
        )
        raise BackendError("BackendError: which interpreter there?", [finding])
    if not python:
        if not is_made(environment):
            finding = Diagnostic("SAL603", "open", "lava-nc", "an interpreter with Lava", "salhw setup loihi")
            raise BackendError("BackendError: Lava is not there", [finding])
        python = str(environment.interpreter)
    return shared(python, sources=SOURCES, ssh=ssh)


@cache
def _targets() -> Mapping[str, Target]:
    files = sorted((HERE / "targets").glob("*.toml"))
    return {target.name: target for target in map(Target.from_toml, files)}


def with_weight_exponent(target: Target, exponent: int) -> Target:
    """``target`` with weights and their steps 2^exponent times as large; see ``salhw_lava.arithmetic``."""
    from salhw_lava.arithmetic import with_weight_exponent as changed

    return changed(target, exponent)


backend = LavaBackend()
