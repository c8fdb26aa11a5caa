"""Reference phases, on every target: the host lets all weights be zero for a while, counts what rules change then, and
subtracts it at each of their updates. What a phase means is in docs/semantics.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil, lcm
from typing import Any, NamedTuple

import numpy as np

from salhw.description.connectivity import synapses
from salhw.description.fields import FloatArray, IntArray
from salhw.description.grid import in_steps
from salhw.description.network import Network
from salhw.description.parts import Projection, rule_name
from salhw.description.plasticity import ReferencePhase
from salhw.description.plasticity.rule import narrowest_bounds, reference_of
from salhw.session.engine import Engine, Remembering
from salhw.session.executable import Executable, Session
from salhw.session.folding import reference_phase
from salhw.session.paths import Address, addresses
from salhw.session.pieces import PiecewiseBackend, PiecewiseEngine
from salhw.session.recorder import following
from salhw.session.recording import Recording


class ReferenceBackend(PiecewiseBackend):
    """The backend of an executable with a reference phase. ``weight_steps`` lie between two weights that the target
    holds, by projection; 0 where it holds any."""

    def __init__(self, inner: Executable, weight_steps: Mapping[str, float]) -> None:
        super().__init__(inner)
        self._weight_steps = weight_steps

    def engine(self, executable: Executable, inner: Executable, session: Session, instances: int) -> Engine:
        """See PiecewiseBackend."""
        return ReferenceEngine(executable, inner, session, instances, self._weight_steps)


@dataclass
class _Referenced:
    """One rule with a reference phase, over (instance, synapse).

    Args:
        path, rate_path: of the projection's weights, and of the rule's learning rate.
        period: steps of time between two updates.
        post, pre: neurons of each synapse, (synapse,).
        weight_step: between two weights that the target holds.
        spikes: of the post- and presynaptic neuron since the last update.
        error: what the phase found per product of spikes, over the learning rate.
        kept: what the target has not taken of the weights that it was to hold, below a step of them.
    """

    path: str
    rate_path: str
    projection: Projection
    period: int
    post: IntArray
    pre: IntArray
    weight_step: float
    spikes: list[FloatArray] = field(default_factory=list)
    error: FloatArray | float = 0.0
    kept: FloatArray | float = 0.0

    def count(self, piece: Recording | None = None) -> None:
        """Add the spikes of a piece; without one, begin anew."""
        ends = ((self.projection.post, self.post), (self.projection.pre, self.pre))
        if piece is None:
            self.spikes = [np.zeros(())] * 2
        else:
            self.spikes = [n + piece.counts[name][:, at] for n, (name, at) in zip(self.spikes, ends, strict=True)]

    def take(self) -> FloatArray:
        """The product of both numbers of spikes since the last update, and begin anew."""
        product = np.asarray(self.spikes[0] * self.spikes[1], dtype=np.float64)
        self.count()
        return product


class ReferenceEngine(PiecewiseEngine):
    """See salhw.session.engine.Engine: a target's own session, with a reference phase before the first run.

    The session's steps are the target's without those of phases. What a target rounds away of a correction, it gets
    with the next one.
    """

    def __init__(
        self, executable: Executable, inner: Executable, session: Session, instances: int,
        weight_steps: Mapping[str, float],
    ) -> None:  # fmt: skip
        net = executable.source
        super().__init__(net, session, instances)
        self._addresses = addresses(inner.network, inner.target)
        self.holds = frozenset(address.field for address in self._addresses.values())
        phase = reference_phase(net)
        assert phase is not None
        self._times = phase_times(phase, inner.network)
        self._ahead = self._phases = 0
        self._measured: int | None = None
        self._rules = {
            p.name: self._referenced(p, k, inner.network, weight_steps[p.name]) for p, k in referenced_rules(net)
        }
        for rule in self._rules.values():
            rule.count()

    def _referenced(self, p: Projection, k: int, lowered: Network, weight_step: float) -> _Referenced:
        path, (post, pre, _) = f"projections.{p.name}", synapses(p.weights, *self._net.ends(p.name))
        period = in_steps(lowered.projection(p.name).plasticity[k].period or 0.0, self._net.dt) or 1
        rate_path = f"{path}.{rule_name(p, k)}.learning_rate"
        return _Referenced(f"{path}.weights", rate_path, p, period, post, pre, weight_step)

    # reading and writing ------------------------------------------------------------------------------------------

    @property
    def step(self) -> int:
        """See Engine."""
        return super().step - self._ahead

    def read(self, address: Address) -> FloatArray:
        """See Engine."""
        return self._get(address.path)

    def write(self, address: Address, value: FloatArray) -> None:
        """See Engine."""
        self._set(address.path, value)
        if address.field == "weights" and address.owner in self._rules:
            self._rules[address.owner].kept = 0.0

    # running ------------------------------------------------------------------------------------------------------

    def advance(self, until: int) -> int:
        """See Engine. It stops where a rule is updated."""
        start = self.step
        if self._times.due(start, self._measured):
            self._measure(start)
        ends = [following(start, rule.period) for rule in self._rules.values()]
        until = min([self._times.stop(start, until), *ends])
        self._piece(until - start)
        for rule in self._rules.values():
            if until % rule.period == 0:
                self._subtract(rule)
        return self._spikes

    def _keep(self, piece: Recording) -> Recording:
        """See PiecewiseEngine."""
        kept = super()._keep(earlier(piece, self._ahead * self._net.dt))
        for rule in self._rules.values():
            rule.count(kept)
        return kept

    def _learned(self, rule: _Referenced) -> FloatArray:
        """The weights that a rule has made, with what the target's host remembers of them."""
        engine, held = getattr(self._session, "engine", None), self._get(rule.path)
        return held + engine.remainder(self._addresses[rule.path]) if isinstance(engine, Remembering) else held

    def _subtract(self, rule: _Referenced) -> None:
        """Take what the phase says from the weights."""
        wanted = self._learned(rule) + rule.kept - self._get(rule.rate_path) * rule.error * rule.take()
        wanted = np.clip(wanted, *narrowest_bounds(rule.projection.plasticity))
        allowed = self._addresses[rule.path].allowed
        self._set(rule.path, wanted if allowed is None else np.clip(wanted, allowed.min, allowed.max))
        rule.kept = np.clip(wanted - self._learned(rule), -rule.weight_step, rule.weight_step)

    def _measure(self, start: int) -> None:
        """A reference phase. Rules without a reference rest in it; weights, and what rests, are then as before. One
        that is interrupted counts nothing, and takes none of the session's time; the next run begins with another."""
        own = {rule.rate_path for rule in self._rules.values()}
        weights = [p for p, address in self._addresses.items() if address.field == "weights" and not address.copy_of]
        resting = [p for p, address in self._addresses.items() if address.field == "learning_rate" and p not in own]
        before = {path: self._get(path) for path in (*weights, *resting)}
        rates_now = {name: self._get(rule.rate_path) for name, rule in self._rules.items()}
        spikes = {name: rule.spikes for name, rule in self._rules.items()}
        change: dict[str, FloatArray] = {name: np.zeros_like(rate) for name, rate in rates_now.items()}
        products = {name: np.zeros_like(rate) for name, rate in rates_now.items()}
        try:
            self._silence([*weights, *resting])
            if rest := self._times.rest(super().step):
                self._session.run(rest * self._net.dt)
                self._silence(weights)
            for rule in self._rules.values():
                rule.count()
            step, begun = 0, {name: self._learned(rule) for name, rule in self._rules.items()}
            while step < self._times.length:
                until = min(following(step, rule.period) for rule in self._rules.values())
                piece, step = self._session.run((until - step) * self._net.dt), until
                for name, rule in self._rules.items():
                    rule.count(piece)
                    if step % rule.period == 0:
                        change[name] += self._learned(rule) - begun[name]
                        products[name] += rule.take()
                self._silence(weights)
                begun = {name: self._learned(rule) for name, rule in self._rules.items()}
        finally:
            self._ahead = super().step - start
            for path, value in before.items():
                self._set(path, value)
            for name, rule in self._rules.items():
                rule.spikes = spikes[name]
        for name, rule in self._rules.items():
            seen = rates_now[name] * products[name]
            rule.error = np.divide(change[name], seen, out=np.zeros_like(seen), where=seen != 0.0)
        self._measured, self._phases = start, self._phases + 1

    def _silence(self, paths: Iterable[str]) -> None:
        for path in paths:
            if np.any(held := self._get(path)):
                self._set(path, np.zeros_like(held))

    def finish(self) -> None:
        """See Engine: rules that change weights at the end of a run are refused beside a reference phase."""

    def _about(self) -> dict[str, Any]:
        """How many phases there were since the session was opened, and how long they took."""
        silent = self._ahead * self._net.dt
        return super()._about() | {"reference_phases": self._phases, "silent_ms": silent}


def referenced_rules(net: Network) -> list[tuple[Projection, int]]:
    """The rules with a reference phase: their projection, and their number in it."""
    rules = ((p, k, rule) for p in net.projections for k, rule in enumerate(p.plasticity))
    return [(p, k) for p, k, rule in rules if reference_of(rule) is not None]


def common_period(net: Network) -> int:
    """The fewest steps that are whole multiples of all periods of a network: a phase lasts so many, or a multiple, and
    what is due every so many ms stays due when it was."""
    times = [rule.period for p in net.projections for rule in p.plasticity]
    times += [getattr(item, "every", None) for item in (*net.stimuli, *net.probes, *net.ties)]
    return lcm(*(in_steps(time, net.dt) or 1 for time in times if time is not None))


class PhaseTimes(NamedTuple):
    """When reference phases come, in steps of the runs, which count no phase: before the first, and again after each
    ``every`` of them, 0 for never; ``length`` is what a phase lasts, ``common`` the network's common period."""

    length: int
    every: int
    common: int

    def due(self, step: int, last: int | None) -> bool:
        """Whether a phase comes at a step, where ``last`` is that of the phase before; None before any."""
        return last is None or (self.every > 0 and step % self.every == 0 and step != last)

    def stop(self, step: int, until: int) -> int:
        """Up to which step a run goes on from ``step`` to ``until`` without a phase."""
        return min(until, following(step, self.every)) if self.every else until

    def rest(self, clock: int) -> int:
        """How many steps of the target's own clock are left of the periods in which an interrupted phase has ended."""
        return -clock % self.common


def phase_times(phase: ReferencePhase, net: Network) -> PhaseTimes:
    """The phases of a network, as its target runs it: no shorter and no more often than it says, and whole multiples of
    its common period."""
    common = common_period(net)
    length, every = (0 if time is None else ceil(time / net.dt / common - 1e-9) * common
                     for time in (phase.duration, phase.every))  # fmt: skip
    return PhaseTimes(length, every, common)


def earlier(piece: Recording, by: float) -> Recording:
    """The recording of a piece, ``by`` ms earlier."""

    def traces(table: Mapping[str, Any]) -> dict[str, Any]:
        return {name: replace(trace, time=trace.time - by) for name, trace in table.items()}

    spikes = {
        name: replace(trains, start=trains.start - by, stop=trains.stop - by, time=trains.time - by)
        for name, trains in piece.spikes.items()
    }
    membranes, samples = traces(piece.membrane_traces), traces(piece.samples)
    return replace(piece, start=piece.start - by, spikes=spikes, membrane_traces=membranes, samples=samples)
