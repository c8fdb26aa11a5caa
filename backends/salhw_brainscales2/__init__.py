"""The target ``brainscales2``: an analog chip, emulated with NEST's neurons, a noise profile and the chip's own way of
learning."""

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
from salhw.session.session import EngineSession
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target
from salhw_nest import refuse_missing, versions

if TYPE_CHECKING:
    from salhw.session.backend import Session


class BrainScaleS2Backend:
    """Owns the target ``brainscales2``."""

    name = "brainscales2"

    def targets(self) -> Mapping[str, Target]:
        """See Backend. Spreads are those of the noise profile, except for what the target file states itself."""
        return _targets()

    def lower(self, net: Network, target: Target) -> Lowering:
        """See Backend."""
        from salhw_brainscales2.lowering import lower

        return lower(net, target)

    def memory(self, net: Network, target: Target) -> Memory:
        """See Weighing."""
        from salhw_brainscales2.memory import memory

        return memory(net, target)

    def open(self, executable: Executable, *, chips: Sequence[Chip], ids: Sequence[int], seed: int) -> Session:
        """See Backend.

        Raises:
            BackendError: NEST or PyNN is not installed.
        """
        from salhw_brainscales2.engine import AnalogEngine

        refuse_missing()
        engine = AnalogEngine(executable, chips=chips, ids=ids, seed=seed)
        return EngineSession(executable, engine, chips=chips, ids=ids, seed=seed, versions=versions())

    def export(self, executable: Executable, directory: Path, *, duration: float, seed: int) -> list[Path]:
        """See Exporter: a PyNN script with its arrays, and the programs of the chip's plasticity processor."""
        from salhw_brainscales2.script import export

        refuse_calibrated(executable.calibration)
        return export(executable, directory, duration=duration, seed=seed)


@cache
def _targets() -> Mapping[str, Target]:
    from salhw_brainscales2.hardware.variability import profile

    target = Target.from_toml(Path(__file__).parent / "targets" / "brainscales2.toml")
    return {target.name: target.replace(variability=profile() | target.variability)}


backend = BrainScaleS2Backend()
