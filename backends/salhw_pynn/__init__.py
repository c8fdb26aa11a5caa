"""Targets that are reached through PyNN: NEST, and an analog chip emulated on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from salhw.chip import Chip
from salhw.compile.executable import Executable
from salhw.compile.lower import Lowering
from salhw.diagnostics import BackendError, Diagnostic
from salhw.network import Network
from salhw.target import Target

if TYPE_CHECKING:
    from salhw.backend import Session

PACKAGES = {"PyNN": "pyNN", "nest-simulator": "nest"}


class PyNNBackend:
    """Owns the target ``nest``."""

    name = "pynn"

    def targets(self) -> Mapping[str, Target]:
        """See Backend."""
        return _targets()

    def lower(self, net: Network, target: Target) -> Lowering:
        """See Backend."""
        from salhw_pynn.lowering import lower

        return lower(net, target)

    def open(self, executable: Executable, *, chips: Sequence[Chip], ids: Sequence[int], seed: int) -> Session:
        """See Backend.

        Raises:
            BackendError: NEST or PyNN is not installed.
        """
        _refuse_missing()
        from salhw_pynn.session import NestSession

        return NestSession(executable, chips=chips, ids=ids, seed=seed)

    def export(self, executable: Executable, directory: Path, *, duration: float, seed: int) -> list[Path]:
        """See Exporter: a PyNN script with its arrays."""
        from salhw_pynn.script import export

        return export(executable, directory, duration=duration, seed=seed)


def _refuse_missing() -> None:
    """Say how to install what is not there; nothing is imported."""
    missing = [package for package, module in PACKAGES.items() if find_spec(module) is None]
    if missing:
        fix = 'pip install "salhw[nest]"'
        finding = Diagnostic("SAL603", "open", " and ".join(missing), "installed packages", fix)
        raise BackendError("BackendError: the target 'nest' needs NEST and PyNN", [finding])


@cache
def _targets() -> Mapping[str, Target]:
    files = sorted((Path(__file__).parent / "targets").glob("*.toml"))
    return {target.name: target for target in map(Target.from_toml, files)}


backend = PyNNBackend()
