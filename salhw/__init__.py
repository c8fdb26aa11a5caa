"""salhw: describe a plastic spiking network once, run it on any target, measure how far the target is from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from salhw.compiler.fit import Fitted, fit
from salhw.compiler.pipeline import compile, problems
from salhw.description.connectivity import AllToAll, Dense, OneToOne, Sparse
from salhw.description.distributions import LogNormal, Normal, Uniform
from salhw.description.drawn import (
    DistanceDependent,
    FixedIndegree,
    FixedOutdegree,
    FixedProbability,
    FixedTotalNumber,
)
from salhw.description.kernels import Alpha, Exponential, Rectangular
from salhw.description.network import Network
from salhw.description.neurons import GLM, LIF, AdEx, Izhikevich, Source
from salhw.description.parts import Population, Projection
from salhw.description.plasticity import (
    SAL,
    AntiHebbian,
    Hebbian,
    ModulatedSTDP,
    PairSTDP,
    PerSpike,
    PfisterGerstner,
    PredictiveRule,
    ReferencePhase,
    TripletSTDP,
    VogelsSprekeler,
    WakeSleep,
)
from salhw.description.probes import (
    Membrane,
    Rates,
    Spikes,
    StateOccupancy,
    SynapseVariable,
    Traces,
    Variable,
    Weights,
)
from salhw.description.short_term import TsodyksMarkram
from salhw.description.stimuli import Clamp, Current, NoisyCurrent, Poisson, SpikeTimes, Teacher
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
from salhw.substrate.measured import MeasuredChips
from salhw.substrate.target import Target
from salhw.substrate.variability import Variability

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from salhw.comparison import Comparison, compare

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


def __getattr__(name: str) -> Callable[..., Comparison]:
    """``compare``, imported when it is asked for: it knows of everything else, statistics and pictures included."""
    if name == "compare":
        from salhw.comparison import compare

        return compare
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """With ``compare``, which is there when it is asked for."""
    return [*globals(), "compare"]


__all__ = [
    "GLM",
    "LIF",
    "SAL",
    "AdEx",
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
    "DistanceDependent",
    "Executable",
    "Exponential",
    "ExponentialTrace",
    "ExponentialWindow",
    "FileError",
    "Fitted",
    "FixedIndegree",
    "FixedOutdegree",
    "FixedProbability",
    "FixedTotalNumber",
    "Hebbian",
    "Izhikevich",
    "LogNormal",
    "MeasuredChips",
    "Membrane",
    "ModulatedSTDP",
    "Network",
    "NoisyCurrent",
    "Normal",
    "OneToOne",
    "PairSTDP",
    "PerSpike",
    "PfisterGerstner",
    "Poisson",
    "Population",
    "PredictiveRule",
    "Projection",
    "Rates",
    "Recording",
    "Rectangular",
    "ReferencePhase",
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
    "SynapseVariable",
    "Target",
    "Teacher",
    "Tie",
    "Trace",
    "Traces",
    "TriangularWindow",
    "TripletSTDP",
    "TsodyksMarkram",
    "Uniform",
    "UnknownNameError",
    "UnsupportedNetworkError",
    "Variability",
    "Variable",
    "VogelsSprekeler",
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
