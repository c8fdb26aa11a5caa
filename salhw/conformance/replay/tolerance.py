"""How far a target may be off what the oracle works out: rounding, and what its declared accuracies add up to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from salhw.conformance.replay.cells import CELLS
from salhw.conformance.replay.course import DIVERGED, Course
from salhw.conformance.replay.trains import fades
from salhw.description.fields import FloatArray
from salhw.description.kinds import of_kind
from salhw.description.network import Network
from salhw.description.neurons import LIF
from salhw.description.parts import Projection
from salhw.substrate.capabilities import Range
from salhw.substrate.support import on_chip
from salhw.substrate.target import Target

ROUNDING = 1e-9
"""What exact arithmetic may be off by, as a share of what was added up: ten million operations of 1e-16 each."""


@dataclass(frozen=True)
class Tolerance:
    """What a target's declared accuracies allow.

    Args:
        rate: the share of a hazard that it may be off by.
        psp: the share of the peak of each PSP that an input may be off by, where it is seen in spikes.
        potential: the same where it is read from a membrane; None where nothing is declared, and none is compared.
        window: the share of each weight change that it may be off by; None likewise.
        written: what is held of a written bias or learning rate may differ by.
        level: the distance of two weights that it can hold, 0 where weights are not rounded.
    """

    target: Target
    rate: float | None
    psp: float | None
    potential: float | None
    window: float | None
    written: float
    level: float

    @classmethod
    def of(cls, target: Target) -> Tolerance:
        """That of a target."""
        said = target.accuracy
        membrane = said.get("membrane")
        shapes = [share for share in (said.get("psp_shape"), membrane) if share is not None]
        window = said.get("window")
        if window is not None:
            window = max(window, said.get("coincidence", 0.0))
        reach = target.projections.get("weights")
        level = 0.0
        if target.weight_bits is not None and isinstance(reach, Range):
            level = (reach.max - reach.min) / (2**target.weight_bits - 1)
        return cls(
            target,
            said.get("rate"),
            min(shapes, default=None),
            membrane,
            window,
            said.get("held", 1e-6),
            level,
        )

    def held(self, value: FloatArray) -> FloatArray:
        """Of what is held, not learned."""
        return np.asarray(max(self.written, ROUNDING) * np.maximum(1.0, np.abs(value)))

    def weights(self, net: Network, projection: str, value: FloatArray, movement: npt.ArrayLike) -> FloatArray | float:
        """Of weights that have moved so much since they were last known: each change may be off by a share of itself,
        and clipping makes no difference larger."""
        share = ROUNDING
        learning = {projection, *(tie.to for tie in net.ties if tie.projection == projection)}  # copies learn, too
        rules = [rule for name in learning for rule in net.projection(name).plasticity]
        if any(on_chip(rule, self.target) for rule in rules):
            if self.window is None:
                return np.inf
            share = max(share, self.window)
        moved = np.asarray(movement)
        within = share * moved + ROUNDING * (1.0 + np.abs(value)) + 0.5 * self.level
        return np.where(moved > DIVERGED, np.inf, within)

    def input(self, net: Network, population: str, course: Course, share: float) -> FloatArray:
        """Of the input of each neuron at each step, where every PSP may be off by a ``share`` of its peak: its spikes
        may all have the wrong shape."""
        total = np.zeros_like(course.potentials[population])
        for p in net.projections:
            if p.post == population:
                size = np.abs(course.inputs[p.name])
                total += (share + self._decay(net, p)) * np.maximum.accumulate(size, axis=1)
        return total

    def _decay(self, net: Network, p: Projection) -> float:
        """The share of what a conductance adds that its decay within a step may make a difference of."""
        declared = self.target.accuracy.get("conductance", 0.0)
        if p.e_rev is None or not declared or not fades(p.kernel):
            return 0.0
        tau_m = of_kind(net.population(p.post).neuron, LIF, "the replay oracle").tau_m
        return declared * net.dt**2 / float(p.kernel.tau_syn * np.min(tau_m))

    def decided(self, net: Network, population: str, course: Course) -> FloatArray:
        """Of the potential that spikes are decided from, where every PSP may have the wrong shape, and those under way
        lag behind."""
        off = self.input(net, population, course, self.psp or 0.0)
        return off + self._lag(net, population) * course.followed[population]

    def membrane(self, net: Network, population: str, course: Course) -> FloatArray | float:
        """Of the potential of each neuron at each step."""
        if self.potential is None:
            return np.inf
        share = max(self.potential, ROUNDING)
        within = self.input(net, population, course, share) + ROUNDING * (1.0 + np.abs(course.potentials[population]))
        if lag := self._lag(net, population):  # a membrane never deviates by more than its input
            within = within + lag * course.followed[population]
        return np.where(course.diverged, np.inf, within)

    def _lag(self, net: Network, population: str) -> float:
        """The share of a change of a weight that PSPs which are under way onto a population do not follow."""
        return self.target.accuracy.get(CELLS[net.population(population).neuron].under_way, 0.0)

    def trace(self, net: Network, name: str, course: Course) -> FloatArray | float:
        """Of a trace: as of what it averages."""
        of, size = net.trace(name), np.abs(course.traces[name])
        if of.quantity == "spikes":
            return np.asarray(ROUNDING * (1.0 / net.dt + size))
        if self.potential is None or self._lag(net, of.population) > 0.0:
            return np.inf
        share = max(self.potential, ROUNDING)
        return np.where(course.diverged, np.inf, share * (1.0 + np.maximum.accumulate(size, axis=1)))
