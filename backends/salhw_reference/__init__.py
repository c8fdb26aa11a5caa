"""The reference backend: the semantics of a description, exactly, on the CPU (see docs/semantics.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from salhw.chip import Chip
from salhw.compile.executable import Executable
from salhw.compile.lower import Lowering
from salhw.diagnostics import Diagnostic
from salhw.kernels import Rectangular
from salhw.network import Network
from salhw.neurons import LIF
from salhw.probes import Membrane
from salhw.target import Target

if TYPE_CHECKING:
    from salhw.backend import Session

KERNELS = ("auto", "event-driven", "time-driven")
SMALL = 64  # neurons up to which waiting for events beats visiting every neuron at every step


class ReferenceBackend:
    """Owns the target ``reference``. Its option ``kernel`` is ``auto``, ``event-driven`` or ``time-driven``."""

    name = "reference"

    def targets(self) -> Mapping[str, Target]:
        """See Backend."""
        return _targets()

    def lower(self, net: Network, target: Target) -> Lowering:
        """Nothing is approximated; only the kernel is chosen."""
        wanted = target.options.get("kernel", "auto")
        if wanted not in KERNELS:
            finding = Diagnostic("SAL103", "target.options.kernel", wanted, f"supported {', '.join(KERNELS)}")
            return Lowering(net, (finding,))
        reason = obstacle(net)
        if wanted == "event-driven" and reason:
            fix = "kernel='time-driven' or 'auto'"
            finding = Diagnostic("SAL103", "target.options.kernel", wanted, f"not with {reason}", fix)
            return Lowering(net, (finding,))
        small = sum(p.size for p in net.populations) <= SMALL
        if wanted == "event-driven" or (wanted == "auto" and not reason and small):
            return Lowering(net, notes=("kernel: event-driven, exact for the discrete-time chain",))
        why = reason or ("as asked" if wanted == "time-driven" else f"more than {SMALL} neurons")
        return Lowering(net, notes=(f"kernel: time-driven ({why})",))

    def open(self, executable: Executable, *, chips: Sequence[Chip], ids: Sequence[int], seed: int) -> Session:
        """See Backend."""
        from salhw_reference.session import ReferenceSession

        return ReferenceSession(executable, chips=chips, ids=ids, seed=seed)


def obstacle(net: Network) -> str:
    """Why the event-driven kernel cannot run a network; empty if it can."""
    if any(isinstance(p.neuron, LIF) for p in net.populations):
        return "LIF neurons"
    if any(not isinstance(p.kernel, Rectangular) for p in net.projections):
        return "PSPs that are not rectangular"
    return "membrane probes" if any(isinstance(p, Membrane) for p in net.probes) else ""


@cache
def _targets() -> Mapping[str, Target]:
    files = sorted((Path(__file__).parent / "targets").glob("*.toml"))
    return {target.name: target for target in map(Target.from_toml, files)}


backend = ReferenceBackend()
