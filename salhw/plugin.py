"""What an author of a backend imports beside ``salhw`` itself: all that docs/write-a-backend.md speaks of, no more."""

from salhw.description.connectivity import count, synapses
from salhw.description.fields import FloatArray, IntArray
from salhw.description.grid import in_steps
from salhw.description.kinds import ByKind
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.arguments import folded
from salhw.machine import Memory
from salhw.session.backend import Exporter, Weighing
from salhw.session.calibration import refuse_calibrated
from salhw.session.engine import Engine, initial
from salhw.session.host_plasticity import HostRule
from salhw.session.lowering import Lowering
from salhw.session.paths import Address, addresses, duration_steps, session_error
from salhw.session.recorder import Raster, Recorded, following
from salhw.session.recording import Trace
from salhw.session.session import EngineSession
from salhw.substrate.support import on_chip
from salhw.worker.environments import Environment
from salhw.worker.worker import Worker

__all__ = [
    "Address",
    "ByKind",
    "Diagnostic",
    "Engine",
    "EngineSession",
    "Environment",
    "Exporter",
    "FloatArray",
    "HostRule",
    "IntArray",
    "Lowering",
    "Memory",
    "Raster",
    "Recorded",
    "Trace",
    "Weighing",
    "Worker",
    "addresses",
    "count",
    "duration_steps",
    "folded",
    "following",
    "in_steps",
    "initial",
    "on_chip",
    "refuse_calibrated",
    "session_error",
    "synapses",
]
