"""What the reference makes of each kind of a description: one table per group, one small function per kind.

A kind that is in no table is refused (see ``KNOWN``). Connectors have none: their synapses are all that is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.kernels import Alpha, Exponential, Kernel, Rectangular
from salhw.description.kinds import ByKind
from salhw.description.neurons import GLM, LIF, AdEx, Izhikevich, Neuron, Source
from salhw.description.plasticity import ModulatedSTDP, PairSTDP, PerSpike, PredictiveRule, TripletSTDP
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
from salhw.description.traces import Boxcar, ExponentialTrace
from salhw.description.windows import ExponentialWindow, TriangularWindow, Window

LOGISTIC, EXACT, SOURCE, LEAKY, ADAPTIVE, QUADRATIC, RISING = 0, 1, 2, 3, 4, 5, 6  # how a neuron comes to spike
INTEGRATE = LEAKY  # the first of those that integrate a membrane
RECTANGULAR, EXPONENTIAL, ALPHA = 0, 1, 2  # shapes of PSPs
LINKS = {"logistic": LOGISTIC, "exponential": EXACT}
PAIRS, PREDICTS, MODULATED, TRIPLETS = 0, 1, 2, 3  # forms of rules
ALL, SYMMETRIC, RESTRICTED = 0, 1, 2  # pairings
PAIRINGS = {"all": ALL, "nearest_symmetric": SYMMETRIC, "nearest_restricted": RESTRICTED}
BY_TABLE, BY_TRACE, BY_COUNT = 0, 1, 2  # how a branch sums over partner spikes
EXPONENTIALLY, LINEARLY = -1, -2  # in the place of where a window's table begins
HIGHEST = 700.0  # of a potential, or a logarithmic hazard, in size: its exponential is a number
NEGLIGIBLE = 46.0  # time constants after which an exponential window counts as 0 (1e-20)

MEMBRANE_POTENTIAL, INPUTS, SPIKING = 0, 1, 2  # what a trace is of
QUANTITIES = {"membrane": MEMBRANE_POTENTIAL, "inputs": INPUTS, "spikes": SPIKING}
BOXCAR, FADING = 0, 1  # windows of traces
POTENTIAL, MEAN, ADAPTATION, SUM, SHARE, LEFT = 0, 1, 2, 3, 4, 5  # what a probe samples
VARIABLES = {"theta": ADAPTATION, "w": ADAPTATION, "u": ADAPTATION, "inputs": SUM, "conductance": SUM}
OF_SYNAPSES = {"u": SHARE, "x": LEFT}

ADDED, HELD, HAZARD = 0, 1, 2  # rows of the drive: see drive.py

WHO = "the reference"


def steps(time: float, dt: float) -> int:
    """A time that the description has already put on the grid."""
    return round(time / dt)


# neurons ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReferenceNeuron:
    """The ``code`` of a neuron's dynamics, the constants of its membrane (MEMBRANE in arrays.py) and of what adapts it
    (RECOVERY; none if nothing does), and where both begin. ``stepwise`` says why it takes the time-driven algorithm;
    empty if it does not."""

    code: int
    membrane: tuple[float | FloatArray, ...] = (0.0, 0.0, 0.0, 0.0, 0.0)
    recovery: tuple[float | FloatArray, ...] = ()
    begins: tuple[float | FloatArray, float | FloatArray] = (0.0, 0.0)
    stepwise: str = ""


def _glm(neuron: GLM, dt: float) -> ReferenceNeuron:
    return ReferenceNeuron({"logistic": LOGISTIC, "exact": EXACT}[neuron.discretisation])


def _lif(neuron: LIF, dt: float) -> ReferenceNeuron:
    decay = np.exp(-dt / np.asarray(neuron.tau_m))
    membrane = (decay, neuron.v_rest, neuron.v_reset, neuron.v_thresh, neuron.delta_v)
    rises = bool(np.any(np.asarray(neuron.theta_plus) > 0.0))
    fade = np.exp(-dt / np.asarray(neuron.tau_theta))
    recovery = (0.0, 0.0, 0.0, fade, 0.0, neuron.theta_plus) if rises else ()
    begins, code = (neuron.v_rest, 0.0), RISING if rises else LEAKY
    return ReferenceNeuron(code, membrane, recovery, begins, stepwise="LIF neurons")


def _adex(neuron: AdEx, dt: float) -> ReferenceNeuron:
    """Its leak and the decay of w are those of half a step (docs/semantics.md)."""
    leak, fade = (np.exp(-0.5 * dt / np.asarray(tau)) for tau in (neuron.tau_m, neuron.tau_w))
    membrane = (leak, neuron.v_rest, neuron.v_reset, neuron.v_thresh, neuron.delta_v)
    recovery = (neuron.v_peak, neuron.slope_factor, dt / np.asarray(neuron.tau_m), fade, neuron.a, neuron.b)
    return ReferenceNeuron(ADAPTIVE, membrane, recovery, begins=(neuron.v_rest, 0.0), stepwise="AdEx neurons")


def _izhikevich(neuron: Izhikevich, dt: float) -> ReferenceNeuron:
    recovery = (neuron.v_peak, 0.0, dt, dt * np.asarray(neuron.a), neuron.b, neuron.d)
    begins = neuron.c, np.asarray(neuron.b) * neuron.c
    return ReferenceNeuron(QUADRATIC, (0.0, 0.0, neuron.c, 0.0, 0.0), recovery, begins, stepwise="Izhikevich neurons")


def _source(neuron: Source, dt: float) -> ReferenceNeuron:
    return ReferenceNeuron(SOURCE)


NEURONS: ByKind[Callable[[Any, float], ReferenceNeuron]] = ByKind(
    WHO, {GLM: _glm, LIF: _lif, AdEx: _adex, Izhikevich: _izhikevich, Source: _source}
)


def periods(neuron: Neuron, dt: float) -> IntArray:
    """The shortest time from a spike to the next one of the same neuron, in steps; one number or one per neuron."""
    times = neuron.refractory_periods
    return np.asarray(1 if times is None else np.rint(np.asarray(times) / dt), dtype=np.int64)


def period(neuron: Neuron, dt: float) -> int:
    """The shortest of ``periods``."""
    return int(periods(neuron, dt).min())


# PSPs ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReferencePSP:
    """The ``code`` of a PSP's shape, and whether it ``ends`` after tau_syn; others fade. ``stepwise`` as of neurons."""

    code: int
    ends: bool = False
    stepwise: str = "PSPs that are not rectangular"


PSPS = ByKind(
    WHO,
    {
        Rectangular: ReferencePSP(RECTANGULAR, ends=True, stepwise=""),
        Exponential: ReferencePSP(EXPONENTIAL),
        Alpha: ReferencePSP(ALPHA),
    },
)


def length(kernel: Kernel, dt: float) -> int | None:
    """The steps that a PSP lasts; None if it fades."""
    return steps(kernel.tau_syn, dt) if PSPS[kernel].ends else None


def _tsodyks_markram(short_term: TsodyksMarkram, dt: float) -> tuple[float, float, float]:
    facilitation = dt / short_term.tau_facil if short_term.tau_facil else np.inf
    return short_term.U, dt / short_term.tau_rec, facilitation


SHORT_TERM: ByKind[Callable[[Any, float], tuple[float, float, float]]] = ByKind(WHO, {TsodyksMarkram: _tsodyks_markram})
"""Short-term plasticity as PSP in arrays.py has it: utilisation, recovery, facilitation."""

# windows and rules --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReferenceWindow:
    """A window counts as 0 after ``lasts`` time constants. ``sums`` says how it adds up over all earlier spikes,
    ``formula`` how it is worked out where a table would be too long."""

    lasts: float
    sums: int
    formula: int


WINDOWS = ByKind(
    WHO,
    {
        ExponentialWindow: ReferenceWindow(NEGLIGIBLE, BY_TRACE, EXPONENTIALLY),
        TriangularWindow: ReferenceWindow(1.0, BY_COUNT, LINEARLY),
    },
)


def reach(window: Window, dt: float) -> int:
    """The steps after which a window counts as 0."""
    return ceil(min(WINDOWS[window].lasts * window.tau / dt, 2.0**62))  # checked later, where it is too long


@dataclass(frozen=True)
class ReferenceRule:
    """What a rule's ``form`` learns from. PAIRS: which pairs of spikes it counts, and its windows by name; the first is
    of presynaptic spikes with later postsynaptic ones, the second of the opposite order; without windows, what each
    postsynaptic and each presynaptic spike counts by itself. PREDICTS: the names of the teacher's and the prediction's
    traces, and the code of its link; it learns at presynaptic spikes. MODULATED: as PAIRS, times the mean of its one
    trace less the ``baseline``. TRIPLETS: as PAIRS, times what is left of the own earlier spikes of the neuron
    that spikes later, which fade with ``taus``, in ms, of either branch."""

    form: int
    pairing: int = 0
    windows: tuple[tuple[str, Window], ...] = ()
    counts: tuple[float, float] = (0.0, 1.0)
    traces: tuple[str, ...] = ()
    link: int = 0
    baseline: float = 0.0
    taus: tuple[float, float] = (1.0, 1.0)


def _windows(rule: PairSTDP | ModulatedSTDP | TripletSTDP) -> tuple[tuple[str, Window], ...]:
    return ("causal", rule.causal), ("anticausal", rule.anticausal)


def _pair_stdp(rule: PairSTDP) -> ReferenceRule:
    return ReferenceRule(PAIRS, pairing=PAIRINGS[rule.pairing], windows=_windows(rule))


def _modulated(rule: ModulatedSTDP) -> ReferenceRule:
    pairing, traces = PAIRINGS[rule.pairing], (rule.modulator,)
    return ReferenceRule(MODULATED, pairing, windows=_windows(rule), traces=traces, baseline=rule.baseline)


def _per_spike(rule: PerSpike) -> ReferenceRule:
    return ReferenceRule(PAIRS, pairing=SYMMETRIC, counts=(rule.post, rule.pre))


def _triplets(rule: TripletSTDP) -> ReferenceRule:
    taus = rule.tau_post, rule.tau_pre
    return ReferenceRule(TRIPLETS, pairing=PAIRINGS[rule.pairing], windows=_windows(rule), taus=taus)


def _predictive(rule: PredictiveRule) -> ReferenceRule:
    return ReferenceRule(PREDICTS, traces=(rule.teacher, rule.prediction), link=LINKS[rule.link])


RULES: ByKind[Callable[[Any], ReferenceRule]] = ByKind(
    WHO,
    {
        PairSTDP: _pair_stdp, PerSpike: _per_spike, ModulatedSTDP: _modulated, TripletSTDP: _triplets,
        PredictiveRule: _predictive,
    },
)  # fmt: skip


# stimuli and probes -------------------------------------------------------------------------------------------------


Present = FloatArray | None  # see salhw.session.strengths


def _added(s: Current | NoisyCurrent, present: Present, rows: FloatArray, dt: float) -> None:
    rows[ADDED] += present


def _poisson(s: Poisson, present: Present, rows: FloatArray, dt: float) -> None:
    assert present is not None
    rows[HAZARD] += present * dt / 1000.0


def _clamp(s: Clamp, present: Present, rows: FloatArray, dt: float) -> None:
    rows[HELD][:, slice(None) if s.neurons is None else s.neurons] = np.asarray(s.state) + 1


def _spike_times(s: SpikeTimes, present: Present, rows: FloatArray, dt: float) -> None:
    """Forced spikes change no drive: they are a list of their own, `forced` in arrays.py."""


def _teacher(s: Teacher, present: Present, rows: FloatArray, dt: float) -> None:
    """What a teacher adds changes with its trace at every step: a list of its own, `teacher` in arrays.py."""


STIMULI: ByKind[Callable[[Any, Present, FloatArray, float], None]] = ByKind(
    WHO,
    {
        Current: _added, NoisyCurrent: _added, Poisson: _poisson, Clamp: _clamp, SpikeTimes: _spike_times,
        Teacher: _teacher,
    },
)  # fmt: skip
"""What a stimulus of a ``present`` strength changes in the drive of its population, (row, instance, neuron)."""

PROBES = ByKind(
    WHO,
    {
        Spikes: "", Rates: "", StateOccupancy: "", Weights: "", Membrane: "membrane probes", Traces: "traces",
        Variable: "probes of variables", SynapseVariable: "probes of variables",
    },
)  # fmt: skip
"""Why a probe takes the time-driven algorithm; empty if it does not."""


# traces -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReferenceAverage:
    """The ``code`` of a trace's window, the steps that it looks back (0: all), and how much of the way to a new value
    it goes at a step."""

    code: int
    length: int = 0
    share: float = 0.0


def _boxcar(window: Boxcar, dt: float) -> ReferenceAverage:
    return ReferenceAverage(BOXCAR, length=steps(window.duration, dt))


def _exponential_trace(window: ExponentialTrace, dt: float) -> ReferenceAverage:
    return ReferenceAverage(FADING, share=-np.expm1(-dt / window.tau))


AVERAGES: ByKind[Callable[[Any, float], ReferenceAverage]] = ByKind(
    WHO, {Boxcar: _boxcar, ExponentialTrace: _exponential_trace}
)

KNOWN: Mapping[str, ByKind[Any]] = {
    "neurons": NEURONS,
    "kernels": PSPS,
    "windows": WINDOWS,
    "plasticity": RULES,
    "stimuli": STIMULI,
    "probes": PROBES,
    "averages": AVERAGES,
    "short_term": SHORT_TERM,
}
