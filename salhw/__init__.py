"""salhw: describe a plastic spiking network once, run it on any target, measure how far the target is from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from salhw.compiler.fit import Fitted, fit
from salhw.compiler.pipeline import compile, problems
from salhw.description.connectivity import AllToAll, Dense, OneToOne, Sparse
from salhw.description.kernels import Alpha, Exponential, Rectangular
from salhw.description.network import Network
from salhw.description.neurons import GLM, LIF, Source
from salhw.description.parts import Population, Projection
from salhw.description.plasticity import SAL, AntiHebbian, Hebbian, PairSTDP, PredictiveRule, WakeSleep
from salhw.description.probes import Membrane, Spikes, StateOccupancy, Traces, Weights
from salhw.description.stimuli import Clamp, Current, Poisson, SpikeTimes, Teacher
from salhw.description.ties import Tie
from salhw.description.traces import Boxcar, ExponentialTrace, Trace
from salhw.description.windows import ExponentialWindow, TriangularWindow
from salhw.diagnostics import (
    BackendError,
    CalibrationError,
    DescriptionError,
    Diagnostic,
    FileError,
    SalhwError,
    SessionError,
    UnknownNameError,
    UnsupportedNetworkError,
    explain,
)
from salhw.diagnostics.arguments import checked_duration
from salhw.registry import resolve, targets
from salhw.session.backend import Backend, Session
from salhw.session.calibration import Calibration
from salhw.session.executable import Executable, Report
from salhw.session.recording import Recording, SpikeTrains
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target
from salhw.substrate.variability import Variability

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from salhw.comparison import Comparison, Who

__version__ = "0.1.0"


def load(path: str | Path) -> Network:
    """Read a network that ``Network.save`` wrote; see Network.load for what it raises."""
    return Network.load(path)


def target(name: str) -> Target:
    """The installed target of that name.

    Raises:
        BackendError: no such target.
    """
    return resolve(name)


def run(
    net: Network,
    target: Target | str = "reference",
    *,
    duration: float,
    seed: int = 0,
    instances: int | Sequence[int] | None = None,
    chips: Sequence[Chip] | None = None,
    calibration: Calibration | None = None,
    fit: bool = False,
) -> Recording:
    """Compile, open, run ``duration`` ms, close: the one-liner. See ``compile`` and ``Executable.open``."""
    executable = compile(net, target, calibration=calibration, fit=fit)
    checked_duration(duration, net.dt)  # before a simulator starts
    with executable.open(instances=instances, chips=chips, seed=seed) as session:
        return session.run(duration)


def compare(
    net: Network,
    targets: str | Sequence[str | Target] = "all",
    *,
    duration: float,
    seed: int = 0,
    instances: int | None = None,
    chips: Who | Mapping[str, Who] | None = None,
    calibrations: Mapping[str, Calibration] | None = None,
    fit: bool = True,
    keep: Sequence[str] = (),
    margin: Mapping[str, float] | None = None,
    out: str | Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> Comparison:
    """Run a network on several targets, and say of each quantity whether the target does what the reference does.

    Targets run one after the other. One that is not installed, refuses the network or breaks is told in its outcome and
    stops nothing.

    Args:
        targets: ``all`` that are installed, or a list of names or Targets.
        duration: of every run, in ms of biological time.
        seed: of the reference; the targets run with ``seed ^ 1``, so that their noise is their own.
        instances: of each target (16 by default), and four times as many of the reference. Where chips differ, each is
            a chip of its own. A single one is cut into 16 stretches of time.
        chips: ids of chips of wafer 0, or Chips, for all targets whose chips differ; or these by target.
        calibrations: by target; it then runs on the chips that were calibrated.
        fit: whether a network is changed as little as a target needs, see ``salhw.fit``.
        keep: paths that ``fit`` leaves alone.
        margin: how far a target may be off, by quantity; ``salhw.comparison.QUANTITIES`` has them all.
        out: a folder, in which the recording of each target is saved as it ends, the comparison with them, and pictures
            and a page at the end.
        progress: is called with the share that is done.

    Raises:
        SalhwError: arguments that cannot be used; the reference cannot hold the network; ``out`` cannot be written to.
    """
    from salhw.comparison import compare as compare_all

    return compare_all(
        net, targets, duration=duration, seed=seed, instances=instances, chips=chips, calibrations=calibrations,
        fit=fit, keep=keep, margin=margin, out=out, progress=progress,
    )  # fmt: skip


__all__ = [
    "GLM",
    "LIF",
    "SAL",
    "AllToAll",
    "Alpha",
    "AntiHebbian",
    "Backend",
    "BackendError",
    "Boxcar",
    "Calibration",
    "CalibrationError",
    "Chip",
    "Clamp",
    "Current",
    "Dense",
    "DescriptionError",
    "Diagnostic",
    "Executable",
    "Exponential",
    "ExponentialTrace",
    "ExponentialWindow",
    "FileError",
    "Fitted",
    "Hebbian",
    "Membrane",
    "Network",
    "OneToOne",
    "PairSTDP",
    "Poisson",
    "Population",
    "PredictiveRule",
    "Projection",
    "Recording",
    "Rectangular",
    "Report",
    "SalhwError",
    "Session",
    "SessionError",
    "Source",
    "Sparse",
    "SpikeTimes",
    "SpikeTrains",
    "Spikes",
    "StateOccupancy",
    "Target",
    "Teacher",
    "Tie",
    "Trace",
    "Traces",
    "TriangularWindow",
    "UnknownNameError",
    "UnsupportedNetworkError",
    "Variability",
    "WakeSleep",
    "Weights",
    "compare",
    "compile",
    "explain",
    "fit",
    "load",
    "problems",
    "run",
    "target",
    "targets",
]
