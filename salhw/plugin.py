"""What an author of a backend, or of kinds, imports beside ``salhw`` itself: all that docs/write-a-backend.md and
docs/architecture.md speak of, no more."""

from salhw.description.connectivity import Connector, count, synapses
from salhw.description.fields import FloatArray, IntArray, Milliseconds, NonNegative, Number, PerNeuron, PerSynapse
from salhw.description.grid import in_steps
from salhw.description.kernels import Kernel
from salhw.description.kinds import ByKind, of_kind, only
from salhw.description.markers import Mark, PopulationName, ProjectionName, Structure
from salhw.description.neurons import Neuron
from salhw.description.plasticity import PlasticityRule
from salhw.description.plasticity.rule import Bounds, Execution, LearningRate, Update
from salhw.description.probes import Probe
from salhw.description.short_term import ShortTerm, strengths
from salhw.description.stimuli import Stimulus
from salhw.description.windows import Window
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.arguments import folded
from salhw.machine import Memory
from salhw.session.backend import Exporter, Fitting, Weighing
from salhw.session.calibration import refuse_calibrated
from salhw.session.engine import CountingEngine, Engine, Remembering, initial
from salhw.session.folding import unreferenced
from salhw.session.host_plasticity import HostRule, HostRules
from salhw.session.lowering import Lowering, unknown_kinds, unknown_windows
from salhw.session.paths import Address, addresses, duration_steps, session_error
from salhw.session.recorder import Raster, Recorded, following
from salhw.session.recording import TimeSeries
from salhw.session.session import EngineSession
from salhw.session.strengths import Strengths
from salhw.substrate.chip import vary
from salhw.substrate.support import on_chip
from salhw.worker.environments import Environment
from salhw.worker.worker import Worker

__all__ = [
    "Address",
    "Bounds",
    "ByKind",
    "Connector",
    "CountingEngine",
    "Diagnostic",
    "Engine",
    "EngineSession",
    "Environment",
    "Execution",
    "Exporter",
    "Fitting",
    "FloatArray",
    "HostRule",
    "HostRules",
    "IntArray",
    "Kernel",
    "LearningRate",
    "Lowering",
    "Mark",
    "Memory",
    "Milliseconds",
    "Neuron",
    "NonNegative",
    "Number",
    "PerNeuron",
    "PerSynapse",
    "PlasticityRule",
    "PopulationName",
    "Probe",
    "ProjectionName",
    "Raster",
    "Recorded",
    "Remembering",
    "ShortTerm",
    "Stimulus",
    "Strengths",
    "Structure",
    "TimeSeries",
    "Update",
    "Weighing",
    "Window",
    "Worker",
    "addresses",
    "count",
    "duration_steps",
    "folded",
    "following",
    "in_steps",
    "initial",
    "of_kind",
    "on_chip",
    "only",
    "refuse_calibrated",
    "session_error",
    "strengths",
    "synapses",
    "unknown_kinds",
    "unknown_windows",
    "unreferenced",
    "vary",
]
