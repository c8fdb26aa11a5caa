"""salhw: describe a plastic spiking network once, run it on any target, measure how far the target is from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from salhw.arguments import checked_duration
from salhw.backend import Backend, Session, resolve, targets
from salhw.calibrated import Calibration
from salhw.chip import Chip
from salhw.compile.executable import Executable, Report
from salhw.compile.pipeline import compile, problems
from salhw.connectivity import AllToAll, Dense, OneToOne, Sparse
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
from salhw.kernels import Alpha, Exponential, Rectangular
from salhw.network import Network, Population, Projection
from salhw.neurons import GLM, LIF, Source
from salhw.plasticity import SAL, AntiHebbian, ExponentialWindow, Hebbian, PairSTDP, TriangularWindow, WakeSleep
from salhw.probes import Membrane, Spikes, StateOccupancy, Weights
from salhw.recording import Recording, SpikeTrains
from salhw.stimuli import Clamp, Current, Poisson, SpikeTimes
from salhw.target import Target, Variability

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

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
) -> Recording:
    """Compile, open, run ``duration`` ms, close: the one-liner. See ``compile`` and ``Executable.open``."""
    executable = compile(net, target, calibration=calibration)
    checked_duration(duration, net.dt)  # before a simulator starts
    with executable.open(instances=instances, chips=chips, seed=seed) as session:
        return session.run(duration)


__all__ = [
    "GLM",
    "LIF",
    "SAL",
    "AllToAll",
    "Alpha",
    "AntiHebbian",
    "Backend",
    "BackendError",
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
    "ExponentialWindow",
    "FileError",
    "Hebbian",
    "Membrane",
    "Network",
    "OneToOne",
    "PairSTDP",
    "Poisson",
    "Population",
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
    "TriangularWindow",
    "UnknownNameError",
    "UnsupportedNetworkError",
    "Variability",
    "WakeSleep",
    "Weights",
    "compile",
    "explain",
    "load",
    "problems",
    "run",
    "target",
    "targets",
]
