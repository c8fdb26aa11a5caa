"""One network on one target: fitted, with the probes that a comparison needs, run, and whatever goes wrong told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from salhw.comparison.measures import Run
from salhw.compiler.check import check
from salhw.compiler.fit import Fitted, fit
from salhw.compiler.pipeline import compile
from salhw.conformance.runner import NOT_AVAILABLE
from salhw.description.connectivity import count
from salhw.description.markers import structure
from salhw.description.network import Network
from salhw.description.probes import Probe, Spikes, Weights
from salhw.diagnostics import BackendError, CalibrationError, SalhwError, UnsupportedNetworkError
from salhw.session.calibration import Calibration
from salhw.session.executable import Executable, Report
from salhw.session.pilot import Estimate, estimated
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target

LARGEST = 2000
"""Neurons of a population beyond which its spikes are counted but not recorded."""
SYNAPSES = 20_000
"""Plastic synapses of a projection beyond which its weights are not sampled."""
SAMPLES = 20
"""How often weights are sampled in a run."""


@dataclass(frozen=True)
class Task:
    """A target to run a network on. ``chips`` is None where the chips do not differ: then ``instances`` run."""

    label: str
    target: Target
    instances: int
    chips: tuple[Chip, ...] | None = None
    calibration: Calibration | None = None


@dataclass(frozen=True)
class Ran:
    """What ran, as what, and for how long."""

    run: Run
    fitted: Fitted
    report: Report
    seconds: float


def probed(net: Network, target: Target, duration: float) -> Network:
    """The network with the probes that a comparison needs, as far as the target has them."""
    net = net.replace(probes=[probe for probe in net.probes if not _partial(probe)])
    for probe in _wanted(net, duration):
        more = net.replace(probes=(*net.probes, probe))
        if not check(more, target):
            net = more
    return net


def _partial(probe: Probe) -> bool:
    """Whether a probe looks at some neurons or synapses only, of which no comparison knows."""
    return any(marker.index and getattr(probe, name) is not None for name, marker in structure(type(probe)))


def _wanted(net: Network, duration: float) -> Iterator[Probe]:
    there = {(probe.kind, probe.about) for probe in net.probes}
    for population in net.populations:
        if ("Spikes", population.name) not in there and population.size <= LARGEST:
            yield Spikes(population.name)
    every = max(1, round(duration / SAMPLES / net.dt)) * net.dt
    for p in net.explicit.projections:
        few = count(p.weights, *net.ends(p.name)) <= SYNAPSES
        if p.plasticity and ("Weights", p.name) not in there and few:
            yield Weights(p.name, every=every)


@dataclass(frozen=True)
class Prepared:
    """A network as it is going to run on a target."""

    fitted: Fitted
    executable: Executable
    duration: float

    @classmethod
    def of(cls, net: Network, task: Task, *, duration: float, fitting: bool, keep: Sequence[str]) -> Prepared:
        """Fitted, with the probes that a comparison needs, and compiled.

        Raises:
            SalhwError: what fit and compile raise.
        """
        fitted = fit(net, task.target, keep=keep, sized=False) if fitting else Fitted(net, task.target, (), net)
        whole = probed(fitted.network, fitted.target, duration)
        executable = compile(whole, fitted.target, calibration=task.calibration)
        return cls(fitted, executable, max(1, round(duration / whole.dt)) * whole.dt)


def opening(task: Task, seed: int) -> dict[str, Any]:
    """What a session of a task is opened with."""
    return {"seed": seed} | ({"instances": task.instances} if task.chips is None else {"chips": task.chips})


def executed(
    net: Network,
    task: Task,
    *,
    duration: float,
    seed: int,
    fitting: bool,
    keep: Sequence[str],
    progress: Callable[[float], None] | None,
) -> Ran:
    """Run a network on a target.

    Raises:
        SalhwError: what fit, compile, open and run raise.
    """
    began = time.perf_counter()
    ready = Prepared.of(net, task, duration=duration, fitting=fitting, keep=keep)
    fitted, executable, whole = ready.fitted, ready.executable, ready.executable.source
    with executable.open(**opening(task, seed)) as session:
        few = [p.name for p in whole.projections if count(p.weights, *whole.ends(p.name)) <= SYNAPSES]
        start = {name: session.get(f"projections.{name}.weights", form="synapses") for name in few}
        recording = session.run(ready.duration, progress=progress)
        names = [p.name for p in whole.projections if p.plasticity and p.name in recording.weight_traces]
        final = {name: session.get(f"projections.{name}.weights", form="synapses") for name in names}
    if fitted.changes:  # their sizes, which take longer than what tells that a target is not installed
        fitted = fitted.sized()
    return Ran(Run(executable.network, recording, final, start), fitted, executable.report, time.perf_counter() - began)


def outlook(net: Network, tasks: Sequence[tuple[Task, bool]], *, duration: float, keep: Sequence[str]) -> Estimate:
    """How long tasks take one after the other, each with whether it is fitted. One that cannot run takes no time."""
    seconds = 0.0
    for task, fitting in tasks:
        with suppress(Exception):  # whatever it is, it is told when the task's turn comes
            ready = Prepared.of(net, task, duration=duration, fitting=fitting, keep=keep)
            seconds += estimated(ready.executable, ready.duration, **opening(task, 0)).seconds
    return Estimate(seconds)


def status_of(error: Exception) -> tuple[str, str]:
    """(status, message) of a target that did not run."""
    if isinstance(error, BackendError):
        gone = [finding for finding in error.diagnostics if finding.code in NOT_AVAILABLE]
        if gone:
            return "unavailable", "\n".join(map(str, gone))
    if isinstance(error, UnsupportedNetworkError | CalibrationError):
        return "refused", "\n".join(map(str, error.diagnostics))
    return "failed", str(error) if isinstance(error, SalhwError) else f"{type(error).__name__}: {error}"
