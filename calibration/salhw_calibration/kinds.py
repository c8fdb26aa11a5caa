"""What the estimators use of each kind of a description: one table per group, one small function per kind.

A network with a kind that is in no table is refused before anything is measured (see ``KNOWN``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil, exp
from typing import Any

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.grid import in_steps
from salhw.description.kernels import Alpha, Exponential, Kernel, Rectangular
from salhw.description.kinds import ByKind
from salhw.description.network import Network
from salhw.description.neurons import GLM, LIF, Neuron, Source
from salhw.description.parts import Population
from salhw.description.stimuli import Clamp, Current, Poisson, SpikeTimes, Stimulus

RECTANGULAR, EXPONENTIAL, ALPHA = range(3)
LASTING = 5.0  # time constants until an exponential or alpha PSP is taken to be over
WHO = "the calibration"


def stochastic(net: Network) -> list[Population]:
    """The populations whose neurons decide at random whether to spike: weights onto them follow from spikes alone."""
    return [p for p in net.populations if "decision" in p.neuron.offers]


# neurons ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MeasuredNeuron:
    """What estimators use of a neuron.

    Args:
        refractory: its refractory period in steps, 0 without one.
        decides: whether it draws at every step whether it spikes; ``exact`` whether its discretisation is, ``offset``
            ln(dt / tau_ref), what the link adds to u (docs/semantics.md).
        threshold: the potential at which it spikes, None where there is none, or one that is soft or adapts.
        decay: what is left after a step of how far its membrane was from ``rest``, the potential without input; None
            where the membrane is the input.
    """

    refractory: int | IntArray = 0
    decides: bool = False
    exact: bool = False
    offset: float | FloatArray = 0.0
    threshold: float | FloatArray | None = None
    decay: float | FloatArray | None = None
    rest: float | FloatArray = 0.0


def _glm(neuron: GLM, dt: float) -> MeasuredNeuron:
    exact, offset = neuron.discretisation == "exact", np.log(dt / np.asarray(neuron.tau_ref))
    return MeasuredNeuron(_steps(neuron.tau_ref, dt), decides=True, exact=exact, offset=offset)


def _lif(neuron: LIF, dt: float) -> MeasuredNeuron:
    decay, unlike = np.exp(-dt / np.asarray(neuron.tau_m)), np.maximum(neuron.delta_v, neuron.theta_plus)
    threshold = None if np.any(unlike > 0.0) else neuron.v_thresh
    return MeasuredNeuron(_steps(neuron.tau_ref, dt), threshold=threshold, decay=decay, rest=neuron.v_rest)


def _steps(time: float | FloatArray, dt: float) -> IntArray:
    return np.rint(np.asarray(time) / dt).astype(np.int64)


def _source(neuron: Source, dt: float) -> MeasuredNeuron:
    return MeasuredNeuron()


NEURONS: ByKind[Callable[[Any, float], MeasuredNeuron]] = ByKind(WHO, {GLM: _glm, LIF: _lif, Source: _source})


def measured_neuron(neuron: Neuron, dt: float) -> MeasuredNeuron:
    """What estimators use of a neuron, on a grid of ``dt`` ms."""
    return NEURONS[neuron](neuron, dt)


# PSPs ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MeasuredPSP:
    """The ``kind`` of a PSP's trace, its ``length`` in steps (rectangular), what a step leaves of it (``decay``) and
    the ``height`` of the recursion that makes it. Most of it is over after ``mostly`` steps, all of it after
    ``lasting`` time constants."""

    kind: int
    length: int
    decay: float
    height: float
    mostly: int
    lasting: float = LASTING


def _rectangular(kernel: Rectangular, dt: float) -> MeasuredPSP:
    steps = in_steps(kernel.tau_syn, dt) or 1
    return MeasuredPSP(RECTANGULAR, steps, 0.0, kernel.height, steps, lasting=1.0)


def _exponential(kernel: Exponential, dt: float) -> MeasuredPSP:
    return MeasuredPSP(EXPONENTIAL, 0, exp(-dt / kernel.tau_syn), kernel.height, ceil(2.0 * kernel.tau_syn / dt))


def _alpha(kernel: Alpha, dt: float) -> MeasuredPSP:
    height = kernel.height * (dt / kernel.tau_syn)
    return MeasuredPSP(ALPHA, 0, exp(-dt / kernel.tau_syn), height, ceil(2.0 * kernel.tau_syn / dt))


KERNELS: ByKind[Callable[[Any, float], MeasuredPSP]] = ByKind(
    WHO, {Rectangular: _rectangular, Exponential: _exponential, Alpha: _alpha}
)


def measured_psp(kernel: Kernel, dt: float) -> MeasuredPSP:
    """What estimators use of a PSP, on a grid of ``dt`` ms."""
    return KERNELS[kernel](kernel, dt)


# stimuli ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stretch:
    """A run of ``steps`` steps of ``dt`` ms, the first of them step ``begin`` of the session."""

    steps: int
    begin: int
    dt: float

    def of(self, stimulus: Stimulus) -> slice:
        """The steps of the run at which a stimulus acts."""
        start, stop = stimulus.steps(self.dt)
        end = self.begin + self.steps if stop is None else stop
        return slice(max(0, start - self.begin), max(0, end - self.begin))


@dataclass(frozen=True)
class Influence:
    """What a stimulus does to one neuron at some ``steps`` of a run: it ``adds`` to its bias, (step,), or where that is
    None, takes away the decision whether to spike."""

    steps: slice | IntArray
    adds: FloatArray | None = None


def _spike_times(s: SpikeTimes, neuron: int, run: Stretch) -> Iterator[Influence]:
    forced = np.rint(s.times[neuron] / run.dt).astype(np.int64) - run.begin
    yield Influence(forced[(forced >= 0) & (forced < run.steps)])


def _clamp(s: Clamp, neuron: int, run: Stretch) -> Iterator[Influence]:
    if s.neurons is None or neuron in s.neurons:
        yield Influence(run.of(s))


def _current(s: Current, neuron: int, run: Stretch) -> Iterator[Influence]:
    acts, points = run.of(s), s.points
    own = points[:, min(neuron, points.shape[1] - 1)]  # one column where all neurons have the same
    yield Influence(acts, own[s.point(run.begin + np.arange(run.steps)[acts], run.dt)])


def _poisson(s: Poisson, neuron: int, run: Stretch) -> Iterator[Influence]:
    """It makes sources spike, which have neither a bias nor a decision."""
    yield from ()


STIMULI: ByKind[Callable[[Any, int, Stretch], Iterator[Influence]]] = ByKind(
    WHO, {SpikeTimes: _spike_times, Clamp: _clamp, Current: _current, Poisson: _poisson}
)

KNOWN: Mapping[str, ByKind[Any]] = {"neurons": NEURONS, "kernels": KERNELS, "stimuli": STIMULI}
