"""The target ``nest``: the simulator NEST, reached through PyNN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from salhw.description.network import Network
from salhw.diagnostics import BackendError, Diagnostic
from salhw.machine import Memory
from salhw.session.calibration import refuse_calibrated
from salhw.session.executable import Executable
from salhw.session.lowering import Lowering
from salhw.session.recorder import version
from salhw.session.session import EngineSession
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target

if TYPE_CHECKING:
    from salhw.session.backend import Session

PACKAGES = {"PyNN": "pyNN", "nest-simulator": "nest"}


class NestBackend:
    """Owns the target ``nest``."""

    name = "nest"

    def targets(self) -> Mapping[str, Target]:
        """See Backend."""
        return _targets()

    def lower(self, net: Network, target: Target) -> Lowering:
        """See Backend."""
        from salhw_nest.lowering import lower

        return lower(net, target)

    def memory(self, net: Network, target: Target) -> Memory:
        """See Weighing."""
        from salhw_nest.memory import memory

        return memory(net, target)

    def open(self, executable: Executable, *, chips: Sequence[Chip], ids: Sequence[int], seed: int) -> Session:
        """See Backend.

        Raises:
            BackendError: NEST or PyNN is not installed.
        """
        from salhw_nest.engine import NestEngine

        refuse_missing()
        engine = NestEngine(executable, ids=ids, seed=seed)
        return EngineSession(executable, engine, chips=chips, ids=ids, seed=seed, versions=versions())

    def export(self, executable: Executable, directory: Path, *, duration: float, seed: int) -> list[Path]:
        """See Exporter: a PyNN script with its arrays."""
        from salhw_nest.script import export

        refuse_calibrated(executable.calibration)
        return export(executable, directory, duration=duration, seed=seed)


def versions() -> dict[str, str]:
    """Of what NEST is reached through, for the provenance of recordings."""
    return {package: version(package) for package in PACKAGES}


def refuse_missing() -> None:
    """Say how to install what is not there; nothing is imported.

    Raises:
        BackendError: SAL603.
    """
    missing = [package for package, module in PACKAGES.items() if find_spec(module) is None]
    if missing:
        fix = 'pip install "salhw[nest]"'
        finding = Diagnostic("SAL603", "open", " and ".join(missing), "installed packages", fix)
        raise BackendError("BackendError: this target needs NEST and PyNN", [finding])


@cache
def _targets() -> Mapping[str, Target]:
    return {"nest": Target.from_toml(Path(__file__).parent / "targets" / "nest.toml")}


backend = NestBackend()
