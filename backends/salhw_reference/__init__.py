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
from salhw.memory import Memory, sizes
from salhw.network import Network
from salhw.neurons import LIF
from salhw.probes import Membrane
from salhw.target import Target, Variability

if TYPE_CHECKING:
    from salhw.backend import Session

KERNELS = ("auto", "event-driven", "time-driven")
RELATIVE = ("weight", "causal_amplitude", "anticausal_amplitude")  # applied as a factor, whatever the value
_NONE = Variability()
SMALL = 64  # neurons up to which waiting for events beats visiting every neuron at every step


class ReferenceBackend:
    """Owns the target ``reference``. Its option ``kernel`` is ``auto``, ``event-driven`` or ``time-driven``."""

    name = "reference"

    def targets(self) -> Mapping[str, Target]:
        """See Backend."""
        return _targets()

    def lower(self, net: Network, target: Target) -> Lowering:
        """Nothing is approximated; only the kernel is chosen."""
        absolute = [name for name in RELATIVE if target.variability.get(name, _NONE).mode == "absolute"]
        if absolute:
            path, fix = f"target.variability.{absolute[0]}.mode", "mode = 'relative'"
            return Lowering(net, (Diagnostic("SAL103", path, "absolute", "supported relative", fix),))
        kernel, why = choose_kernel(net, target)
        if kernel:
            return Lowering(net, notes=(f"kernel: {kernel} ({why})",))
        wanted = target.options["kernel"]
        fix = f"kernel='{KERNELS[-1]}' or 'auto'"
        return Lowering(net, (Diagnostic("SAL103", "target.options.kernel", wanted, f"supported {why}", fix),))

    def memory(self, net: Network, target: Target) -> Memory:
        """See Weighing; bytes as measured by benchmarks/memory.py."""
        from salhw_reference.program import LONGEST_TABLE, horizons, reach, ring, rules_of

        neurons, static, plastic = sizes(net)
        windows = [reach(w, net.dt) for _, _, rule in rules_of(net) for w in (rule.causal, rule.anticausal)]
        table = sum(last for last in windows if last <= LONGEST_TABLE)
        longest, path = max(horizons(net), default=(1, ""))
        past, rest = 16 * ring(net, longest), 1600 + 850 * neurons + 24 * static + 91 * plastic
        return Memory(
            once=80 * neurons + 122 * static + 157 * plastic + 16 * table + 2 * past,
            each=rest + past,
            sample=9,
            every_spike=False,
            longest=(path, longest * net.dt) if past > rest else None,
        )

    def open(self, executable: Executable, *, chips: Sequence[Chip], ids: Sequence[int], seed: int) -> Session:
        """See Backend."""
        from salhw_reference.session import ReferenceSession

        return ReferenceSession(executable, chips=chips, ids=ids, seed=seed)


def choose_kernel(net: Network, target: Target) -> tuple[str, str]:
    """The kernel for a network and why; without a kernel, what is supported instead of the one that was asked for."""
    wanted = target.options.get("kernel", "auto")
    reason = _not_event_driven(net)
    if wanted not in KERNELS:
        return "", ", ".join(KERNELS)
    if wanted == "time-driven":
        return wanted, "as asked"
    if wanted == "event-driven":
        return ("", f"auto, time-driven; {reason}") if reason else (wanted, "as asked")
    if not reason and sum(p.size for p in net.populations) > SMALL:
        reason = f"more than {SMALL} neurons"
    return ("time-driven", reason) if reason else ("event-driven", "exact for the discrete-time chain")


def _not_event_driven(net: Network) -> str:
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
