"""Targets that are reached through PyNN: NEST, and an analog chip emulated on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from salhw.calibrated import refuse_calibrated
from salhw.chip import Chip
from salhw.compile.executable import Executable
from salhw.compile.lower import Lowering
from salhw.diagnostics import BackendError, Diagnostic
from salhw.memory import Memory
from salhw.network import Network
from salhw.target import Target

if TYPE_CHECKING:
    from salhw.backend import Session

PACKAGES = {"PyNN": "pyNN", "nest-simulator": "nest"}


ANALOG = "brainscales2"
"""What ``options["emulates"]`` of a target says whose neurons and plasticity are an analog chip's."""


class PyNNBackend:
    """Owns the targets ``nest`` and ``brainscales2``."""

    name = "pynn"

    def targets(self) -> Mapping[str, Target]:
        """See Backend."""
        return _targets()

    def lower(self, net: Network, target: Target) -> Lowering:
        """See Backend."""
        if _analog(target):
            from salhw_pynn.analog.lowering import lower as lower_analog

            return lower_analog(net, target)
        from salhw_pynn.lowering import lower

        return lower(net, target)

    def memory(self, net: Network, target: Target) -> Memory:
        """See Weighing."""
        from salhw_pynn.memory import memory

        return memory(net, analog=_analog(target))

    def open(self, executable: Executable, *, chips: Sequence[Chip], ids: Sequence[int], seed: int) -> Session:
        """See Backend.

        Raises:
            BackendError: NEST or PyNN is not installed.
        """
        _refuse_missing()
        if _analog(executable.target):
            from salhw_pynn.analog.session import AnalogSession

            return AnalogSession(executable, chips=chips, ids=ids, seed=seed)
        from salhw_pynn.session import NestSession

        return NestSession(executable, chips=chips, ids=ids, seed=seed)

    def export(self, executable: Executable, directory: Path, *, duration: float, seed: int) -> list[Path]:
        """See Exporter: a PyNN script with its arrays; for an analog chip also the kernels of its plasticity."""
        refuse_calibrated(executable)
        if _analog(executable.target):
            from salhw_pynn.analog.script import export as export_analog

            return export_analog(executable, directory, duration=duration, seed=seed)
        from salhw_pynn.script import export

        return export(executable, directory, duration=duration, seed=seed)


def _analog(target: Target) -> bool:
    return target.options.get("emulates") == ANALOG


def _refuse_missing() -> None:
    """Say how to install what is not there; nothing is imported."""
    missing = [package for package, module in PACKAGES.items() if find_spec(module) is None]
    if missing:
        fix = 'pip install "salhw[nest]"'
        finding = Diagnostic("SAL603", "open", " and ".join(missing), "installed packages", fix)
        raise BackendError("BackendError: this target needs NEST and PyNN", [finding])


@cache
def _targets() -> Mapping[str, Target]:
    files = sorted((Path(__file__).parent / "targets").glob("*.toml"))
    found = {target.name: target for target in map(Target.from_toml, files)}
    return {name: _with_profile(target) if _analog(target) else target for name, target in found.items()}


def _with_profile(target: Target) -> Target:
    """The spreads of the noise profile, except for those that the target states itself."""
    from salhw_pynn.hardware.variability import profile

    return target.replace(variability=profile() | target.variability)


backend = PyNNBackend()
