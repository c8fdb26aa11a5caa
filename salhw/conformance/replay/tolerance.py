"""How far a target may be off what the oracle works out: rounding, and what its declared accuracies add up to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from salhw.compiler.quantise import weight_levels
from salhw.conformance.replay.cells import CELLS, Slack
from salhw.conformance.replay.course import DIVERGED, Course
from salhw.conformance.replay.oracle import Oracle
from salhw.conformance.replay.rounded import Steps, steps_of
from salhw.conformance.replay.trains import fades
from salhw.description.fields import FloatArray
from salhw.description.kinds import of_kind, only
from salhw.description.network import Network
from salhw.description.neurons import LIF
from salhw.description.parts import Projection
from salhw.description.plasticity import PlasticityRule
from salhw.description.plasticity.rule import narrowest_bounds
from salhw.description.probes import Variable
from salhw.description.stimuli import Teacher
from salhw.description.traces import named_traces
from salhw.diagnostics import Diagnostic
from salhw.session.executable import Report
from salhw.session.folding import by_host, predicted
from salhw.substrate.capabilities import Range
from salhw.substrate.support import on_chip
from salhw.substrate.target import Target

PAIRED, CLIPPED = "SAL323", "SAL327"
"""What spikes are approximated by that are not paired as is described, and weights that are not clipped so: at
``bounds`` where spikes coincide."""
ROUNDING = 1e-9
"""What exact arithmetic may be off by, as a share of what was added up: ten million operations of 1e-16 each."""


def is_of_coincidences(approximation: Diagnostic) -> bool:
    """Whether a target approximates pairs of spikes that coincide, or what clipping makes of these at a bound."""
    return approximation.code == PAIRED or (approximation.code == CLIPPED and approximation.path.endswith(".bounds"))


@dataclass(frozen=True)
class Tolerance:
    """What a target's declared accuracies allow. Of one whose chips differ they hold for the mean over chips: what
    neurons and the target's own rules do on each is not compared then.

    Args:
        rate: the share of a hazard that it may be off by.
        psp: the share of the peak of each PSP that an input may be off by, where it is seen in spikes.
        potential: the same where it is read from a membrane; None where nothing is declared, and none is compared.
        window: the share of each weight change that it may be off by; None likewise.
        coincidence: the same of synapses whose neurons have spiked at one step.
        written: what is held of a written bias or learning rate may differ by.
        loose: projections of whose pairs at and after coincidences the target counts more or less than is described, as
            it says.
        rounding: how far the target may be off because it holds in steps what it works out, as ``Report`` has it.
    """

    target: Target
    rate: float | None
    psp: float | None
    potential: float | None
    window: float | None
    coincidence: float
    written: float
    loose: frozenset[str] = frozenset()
    rounding: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, target: Target, report: Report | None = None) -> Tolerance:
        """That of a target; with a ``report``, for the network that it is of."""
        differ = any(spread.varies and not spread.compensated for spread in target.variability.values())
        said = {k: v for k, v in target.accuracy.items() if not (differ and k in ("membrane", "psp_shape", "window"))}
        membrane = said.get("membrane")
        shapes = [share for share in (said.get("psp_shape"), membrane) if share is not None]
        window, rate, written = said.get("window"), said.get("rate"), said.get("held", 1e-6)
        coincidence = max(window or 0.0, said.get("coincidence", 0.0))
        named = report.approximations if report and "simultaneous" in target.accuracy else ()
        loose = frozenset(finding.path.split(".")[1] for finding in named if is_of_coincidences(finding))
        rounding = report.rounding if report else {}
        return cls(target, rate, min(shapes, default=None), membrane, window, coincidence, written, loose, rounding)

    @property
    def disputed(self) -> float:
        """The share of all pairs at and after coincidences by which weights of ``loose`` projections may be off."""
        return self.target.accuracy.get("simultaneous", 0.0)

    def held(self, value: FloatArray) -> FloatArray:
        """Of what is held, not learned."""
        return np.asarray(max(self.written, ROUNDING) * np.maximum(1.0, np.abs(value)))

    def limits(self, net: Network) -> dict[str, tuple[float, float]]:
        """Where what the target's host writes ends, as ``Oracle`` takes it: what teachers add to biases, and weights
        that are copied or learned; of targets that hold numbers, no codes, in a loop with the host alone, and of what
        that loop learns."""
        if not (self.target.host_loop and (by_host(net, self.target) or self.target.weight_bits is not None)):
            return {}
        taught = {t.population for t in only(net.stimuli, Teacher)}
        neurons = {name: self.target.neurons[net.population(name).neuron.kind] for name in taught}
        reach = {f"populations.{name}.bias": each.get("bias") for name, each in neurons.items()}
        codes = self.target.weight_bits is not None
        copies = {tie.projection for tie in net.ties}
        ends = [p for p in net.projections if codes or predicted(p) or p.name in copies]
        scaled = {p.name: self.target.scaled_for(p.name).projections for p in ends}
        reach |= {f"projections.{name}.weights": each.get("weights") for name, each in scaled.items()}
        return {path: (ends.min, ends.max) for path, ends in reach.items() if isinstance(ends, Range)}

    def slack(self, net: Network) -> dict[str, Slack]:
        """What the neurons of each population may be off by."""
        share, leak = max(self.potential or 0.0, ROUNDING), self.target.accuracy.get("leak", 0.0)
        nudged = self.written if self.target.weight_bits is not None else 0.0  # biases are held in steps, too
        return {
            p.name: Slack(
                share, self._lag(net, p.name), self._solved(net, p.name), self._early(net, p.name), leak, nudged
            )
            for p in net.populations
        }

    def steps(self, net: Network) -> dict[str, Steps]:
        """Of the projections whose weights the target rounds at random while it learns, as far as it declares that."""
        most = self.target.accuracy.get("learned", 0.0)
        named = {p.name: steps_of(self.rounding, p.name) for p in net.projections if self._by_target(p)}
        return {name: replace(each, weight=min(each.weight, most)) for name, each in named.items() if most and each}

    def _by_target(self, p: Projection) -> bool:
        """Whether the target itself works out a rule of a projection."""
        return any(on_chip(rule, self.target) for rule in p.plasticity)

    def remembered(self, oracle: Oracle, projection: str) -> FloatArray:
        """How far weights that a host remembers in full may be from what was read of them, (instance, 1); 0 of those
        that the target learns."""
        rounding = self.rounding_of(oracle, projection)
        return np.zeros_like(rounding) if self._by_target(oracle.net.projection(projection)) else rounding

    def unsure(self, net: Network) -> Callable[[Oracle, str], FloatArray]:
        """What says how far weights of a projection that act may be off those of the oracle, (instance, synapse):
        nothing where they are as they were read; a share of all that the target has learned since, and what it has
        rounded; and what the host's are rounded by."""
        copied = {tie.projection for tie in net.ties}
        own = {p.name for p in net.projections if self._by_target(p)} - copied
        hosted = {p.name for p in net.projections if p.plasticity} | copied

        def unsure(oracle: Oracle, projection: str) -> FloatArray:
            off = oracle.doubts.weights(projection)
            if projection in own:
                return off + (self.window or 0.0) * oracle.movement[projection]
            return off + self.rounding_of(oracle, projection) if projection in hosted else off

        return unsure

    def rounding_of(self, oracle: Oracle, projection: str) -> FloatArray:
        """How far what a session holds of the weights of a projection may be from what was written or learned, with the
        present gains, (instance, 1): half a step between the weights that the target holds, or a whole one where the
        nearest lies beyond the bounds of rules. A copy is one of what is held."""
        off = self._rounding(oracle, projection)
        for tie in oracle.net.ties:
            if tie.projection == projection:
                off = off + abs(tie.scale) * self._rounding(oracle, tie.to)
        return off

    def _rounding(self, oracle: Oracle, projection: str) -> FloatArray:
        """The same of what is no copy."""
        p, none = oracle.net.projection(projection), np.zeros((oracle.instances, 1))
        if self.target.weight_bits is None or not isinstance(self.target.projections.get("weights"), Range):
            return none
        step, *_ = weight_levels(self.target.scaled_for(p.name))
        bounded = np.isfinite(narrowest_bounds(p.plasticity)).any()
        gain = np.abs(oracle.gain(p.post, p.into)) if self.target.host_loop else none + 1.0
        exact = gain == 0.0  # nothing to round: the host alone remembers such weights
        return np.where(exact, 0.0, (1.0 if bounded else 0.5) * step / np.where(exact, 1.0, gain))

    def weights(
        self,
        net: Network,
        projection: str,
        value: FloatArray,
        movement: npt.ArrayLike,
        rounding: FloatArray,
        coincided: npt.ArrayLike = True,
    ) -> FloatArray | float:
        """Of weights that have moved so much since they were last known: each change may be off by a share of itself,
        and clipping makes no difference larger; and they are rounded. ``coincided``: which synapses have neurons that
        have spiked at one step, (instance, synapse); of what is copied, any may."""
        share: npt.ArrayLike = ROUNDING
        learning = {projection, *(tie.to for tie in net.ties if tie.projection == projection)}  # copies learn, too
        rules = [rule for name in learning for rule in net.projection(name).plasticity]
        if any(self._sees_means(net, rule) for rule in rules):
            return np.inf
        if any(on_chip(rule, self.target) for rule in rules):
            if self.window is None:
                return np.inf
            known = np.asarray(coincided) if learning == {projection} else np.True_
            share = np.where(known, max(ROUNDING, self.coincidence), max(ROUNDING, self.window))
            share = share[:, None] if share.ndim < value.ndim and share.ndim > 1 else share
        moved = np.asarray(movement)
        rounded = rounding.reshape(-1, *(1,) * (value.ndim - 1))
        within = np.asarray(share) * moved + ROUNDING * (1.0 + np.abs(value)) + rounded
        return np.where(moved <= DIVERGED, within, np.inf)  # which is so of what is no number, too

    def _sees_means(self, net: Network, rule: PlasticityRule) -> bool:
        """Whether a rule reads traces that a host works out of weights which are learned beside it, without seeing each
        of their changes (SAL328)."""
        traces = [net.trace(name) for name in named_traces(rule)] if self.target.host_loop else []
        seen = {trace.population for trace in traces if trace.quantity != "spikes"}
        learned = {p.post for p in net.projections for other in p.plasticity if not named_traces(other)}
        return bool(seen & learned)

    def input(self, net: Network, population: str, course: Course, share: float) -> FloatArray:
        """Of the input of each neuron at each step, where every PSP may be off by a ``share`` of its peak: its spikes
        may all have the wrong shape."""
        total = np.zeros_like(course.potentials[population])
        for p in net.projections:
            if p.post == population:
                total += (share + self._decay(net, p)) * course.reached[p.name]
        return total

    def _decay(self, net: Network, p: Projection) -> float:
        """The share of what a conductance adds that its decay within a step may make a difference of."""
        declared = self.target.accuracy.get("conductance", 0.0)
        if p.e_rev is None or not declared or not fades(p.kernel) or self._solved(net, p.post):
            return 0.0
        tau_m = of_kind(net.population(p.post).neuron, LIF, "the replay oracle").tau_m
        return declared * net.dt**2 / float(p.kernel.tau_syn * np.min(tau_m))

    def decided(self, net: Network, population: str, course: Course) -> FloatArray:
        """Of the potential that spikes are decided from, where every PSP may have the wrong shape, and those under way
        lag behind."""
        off = self.input(net, population, course, self.psp or 0.0) + course.uncertain[population]
        return off + self._lag(net, population) * course.followed[population] + self._stepped(population)

    def _stepped(self, population: str) -> float:
        """How far a potential may be off by the steps in which it is held."""
        most = self.target.accuracy.get("potential", 0.0)
        return min(most, self.rounding.get(f"populations.{population}", most))

    def membrane(self, net: Network, population: str, course: Course) -> FloatArray | float:
        """Of the potential of each neuron at each step; nothing is known of it where it may be let go early."""
        if self.potential is None or self._early(net, population):
            return np.inf
        share = max(self.potential, ROUNDING)
        within = self.input(net, population, course, share) + ROUNDING * (1.0 + np.abs(course.potentials[population]))
        if lag := self._lag(net, population):  # others' membranes never deviate by more than their inputs
            followed = course.followed[population]
            amplified = CELLS[net.population(population).neuron].amplifies & (followed > 0.0)
            within = np.where(amplified, np.inf, within + lag * followed)
        within = within + course.spread[population] + course.uncertain[population] + self._stepped(population)
        return np.where(course.diverged | np.isnan(within), np.inf, within)

    def variable(self, net: Network, probe: Variable, course: Course) -> FloatArray | float:
        """Of what a Variable probe shows."""
        if self.potential is None or self._early(net, probe.population):
            return np.inf
        value = course.variables[probe.label]
        within = course.unsure[probe.label] + max(self.potential, ROUNDING) * np.abs(value) + ROUNDING
        return np.where(course.diverged | np.isnan(within), np.inf, within)

    def of_synapses(self) -> float:
        """Of what a SynapseVariable probe shows, which is 1 at most: what strengths may be off by in a membrane."""
        return max(self.potential or 0.0, ROUNDING)

    def _lag(self, net: Network, population: str) -> float:
        """The share of a change of a weight that PSPs which are under way onto a population do not follow."""
        return max(self.target.accuracy.get("under_way", 0.0), self._special_lag(net, population))

    def _special_lag(self, net: Network, population: str) -> float:
        """The same as far as it concerns some neurons or rules alone: what hosts make of the others' weights
        follows."""
        onto = (rule for p in net.projections if p.post == population for rule in p.plasticity)
        learns = "learned_under_way" if any(on_chip(rule, self.target) for rule in onto) else ""
        own = CELLS[net.population(population).neuron].under_way
        return max(self.target.accuracy.get(name, 0.0) for name in (own, learns))

    def _solved(self, net: Network, population: str) -> float:
        """The share of a step's error that neurons lack which solve equations instead."""
        return self.target.accuracy.get(CELLS[net.population(population).neuron].solved, 0.0)

    def _early(self, net: Network, population: str) -> int:
        return int(self.target.accuracy.get(CELLS[net.population(population).neuron].early, 0.0))

    def trace(self, net: Network, name: str, course: Course) -> FloatArray | float:
        """Of a trace: as of what it averages, where that is not known between bounds only."""
        of, size = net.trace(name), np.abs(course.traces[name])
        if of.quantity == "spikes":
            return np.asarray(ROUNDING * (1.0 / net.dt + size))
        unknown = self._special_lag(net, of.population) > 0.0 or self._solved(net, of.population) > 0.0
        if self.potential is None or unknown or self._early(net, of.population):
            return np.inf
        share = max(self.potential, ROUNDING)
        within = share * (1.0 + np.maximum.accumulate(size, axis=1))
        return np.where(course.diverged | np.isnan(within), np.inf, within)
