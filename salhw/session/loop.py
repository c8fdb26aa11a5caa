"""A target in a loop with its host: the target runs its own part of a network piece by piece, and between two pieces
the host reads spikes and weights, and writes weights and biases.

It works for every backend whose sessions have spikes, ``get`` and ``set``. The host takes on what ``folding.own_part``
takes away: gains of named inputs, traces, predictive rules, teachers and ties. What it writes between two pieces is
exact: a rule with ``every T ms`` and a teacher or a tie with ``every`` do what docs/semantics.md says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray
from salhw.description.grid import in_steps
from salhw.description.kinds import only
from salhw.description.parts import Projection, rule_name
from salhw.description.plasticity import PlasticityRule
from salhw.description.plasticity.rule import narrowest_bounds
from salhw.description.probes import Traces
from salhw.description.stimuli import Teacher
from salhw.description.ties import Tie
from salhw.diagnostics import SessionError
from salhw.diagnostics.wording import number
from salhw.session.engine import Engine, initial
from salhw.session.executable import Executable, Session
from salhw.session.folding import RULES, copied, gain_of, predicted
from salhw.session.host_traces import HostTraces
from salhw.session.paths import Address, addresses, described_at, session_error
from salhw.session.pieces import PiecewiseBackend, PiecewiseEngine, joined, raster
from salhw.session.predictions import LEARNERS, Reading
from salhw.session.recorder import Recorded, following
from salhw.session.recording import TimeSeries
from salhw.substrate.capabilities import Range


def _without_gain(factor: FloatArray, folded: FloatArray, otherwise: FloatArray) -> FloatArray:
    """What values are before they are multiplied by gains; ``otherwise`` behind a gain of 0, which hides them."""
    return np.where(factor == 0.0, otherwise, folded / np.where(factor == 0.0, 1.0, factor))


class LoopedBackend(PiecewiseBackend):
    """The backend of an executable that runs in a loop with its host."""

    def engine(self, executable: Executable, inner: Executable, session: Session, instances: int) -> Engine:
        """See PiecewiseBackend."""
        return LoopEngine(executable, inner, session, instances)


class LoopEngine(PiecewiseEngine):
    """See salhw.session.engine.Engine: a target's own session, and the host beside it.

    The host keeps weights that it writes in full, whatever the target makes of them, as long as the target holds what
    was written: a change below the target's resolution counts, a gain that is raised again finds them, traces and
    copies are of them. Behind a small gain a step of the target may be as large as a weight; so what is to cancel on
    average, such as a feedback weight and its lateral copy, cancels in what is learned from it.
    """

    holds = frozenset({"weights", "bias", "learning_rate"})

    def __init__(self, executable: Executable, inner: Executable, session: Session, instances: int) -> None:
        net = executable.source
        super().__init__(net, session, instances)
        self._allowed = {path: a.allowed for path, a in addresses(inner.network, inner.target).items()}
        self._gains = {
            (p.name, name): np.full(instances, gain)
            for p in net.populations
            for name, gain in p.neuron.input_gains.items()
        }
        self._traces = HostTraces(net, instances)
        self._teachers = {k: s for k, s in enumerate(net.stimuli) if isinstance(s, Teacher)}
        self._taught = {  # targets and gains, as a session writes them
            (k, name): self._described(f"stimuli[{k}].{name}") for k in self._teachers for name in ("target", "gain")
        }
        self._pushed = {k: np.zeros_like(self._taught[k, "target"]) for k in self._teachers}
        biased = [p.name for p in net.populations if f"populations.{p.name}.bias" in self._allowed]
        self._biases = {name: session.get(f"populations.{name}.bias") for name in biased}
        rules = [(p, k) for p in net.projections for k in range(len(p.plasticity))]
        self._rates = {(p.name, k): initial(net, self._rate_path(p, k), instances) for p, k in rules}
        self._learners = {
            (p.name, k): LEARNERS[rule](net, p, rule, instances)
            for p in net.projections
            for k, rule in predicted(p).items()
        }
        for p, k in rules:
            if (p.name, k) not in self._learners:
                self._rates[p.name, k] = self._held_rate(p, k, self._rates[p.name, k])
        self._exact = {p.name: initial(net, f"projections.{p.name}.weights", instances) for p in net.projections}
        self._held = {name: self._folded(name) for name in self._exact}
        times = [rule.period for p in net.projections for rule in predicted(p).values()]
        times += [tie.every for tie in net.ties] + [teacher.every for teacher in self._teachers.values()]
        self._periods = {in_steps(time, net.dt) or 1 for time in times if time is not None}
        self._limited = 0
        self._undo: list[Callable[[], None]] | None = None
        for tie in net.ties:
            self._copy(tie)
        self._nudge(self._teachers)

    # paths and arrays of the target's own session -----------------------------------------------------------------

    def _described(self, path: str) -> FloatArray:
        value = described_at(self._net, path)
        return np.array(np.broadcast_to(value, (self._instances, *value.shape)))

    def _rate_path(self, p: Projection, rule: int) -> str:
        return f"projections.{p.name}.{rule_name(p, rule)}.learning_rate"

    def _folded(self, name: str) -> FloatArray:
        """The weights that the target holds: gain times those of the network."""
        return self._get(f"projections.{name}.weights")

    def _factor(self, p: Projection, gains: Mapping[tuple[str, str], FloatArray] | None = None) -> FloatArray:
        """The gain of a projection's input, (instance, 1)."""
        known = self._gains if gains is None else gains
        return np.ones((self._instances, 1)) if p.into is None else known[p.post, p.into][:, None]

    # weights ------------------------------------------------------------------------------------------------------

    def _weights(self, name: str, *, as_held: bool = False) -> FloatArray:
        """The weights of a projection: what the host remembers wherever the target holds what was written, else what
        the target holds over the gain; ``as_held`` that, unless the gain is 0."""
        factor, folded = self._factor(self._net.projection(name)), self._folded(name)
        remembered = (folded == self._held[name]) & ((factor == 0.0) | (not as_held))
        return np.where(remembered, self._exact[name], _without_gain(factor, folded, folded))

    def _hold(self, name: str, weights: FloatArray, same: npt.NDArray[np.bool_] | bool = False) -> None:
        """Let the target hold weights, as far as its range goes; and go on holding what it does where they are the
        ``same``, which it may round otherwise now than when it was opened."""
        path, factor = f"projections.{name}.weights", self._factor(self._net.projection(name))
        before = self._folded(name)
        self._undone_by(partial(self._hold_again, name, before, self._exact[name], self._held[name]))
        folded = np.where(same, before, factor * weights)
        if (allowed := self._allowed[path]) is not None:
            folded = np.clip(folded, allowed.min, allowed.max)
        self._set(path, folded)
        self._exact[name] = _without_gain(factor, folded, weights)
        self._exact[name] = np.where(same | (folded == factor * weights), weights, self._exact[name])
        self._held[name] = self._folded(name)

    def _hold_again(self, name: str, folded: FloatArray, exact: FloatArray, held: FloatArray) -> None:
        """Undo what ``_hold`` has done."""
        self._set(f"projections.{name}.weights", folded)
        self._exact[name], self._held[name] = exact, held

    def _copy(self, tie: Tie) -> None:
        """Let copies be what their original is."""
        net, original = self._net, self._weights(tie.to)
        of, own = net.projection(tie.to), net.projection(tie.projection)
        full = np.zeros((self._instances, int(np.prod(of.weights.shape(*net.ends(tie.to)[:2])))))
        full[:, self._position[tie.to]] = original
        flat = np.array([copied(net, tie, one).ravel() for one in full])[:, self._position[own.name]]
        if not np.array_equal(flat, self._weights(own.name)):
            self._hold(own.name, flat)

    # reading and writing ------------------------------------------------------------------------------------------

    def read(self, address: Address) -> FloatArray:
        """See Engine."""
        if address.field == "weights":
            return self._weights(address.owner, as_held=True)
        if address.field == "bias":
            return self._biases[address.owner].copy()
        return self._rates[address.owner, address.rule].copy()

    def write(self, address: Address, value: FloatArray) -> None:
        """See Engine. Weights, gains and learning rates of which the target refuses a part all stay as they were."""
        done: list[Callable[[], None]] = []
        self._undo = done
        try:
            self._write(address, value)
        except SessionError:
            for undo in reversed(done):
                undo()
            raise
        finally:
            self._undo = None

    def _undone_by(self, undo: Callable[[], None]) -> None:
        """Remember what undoes a part of the present write; runs undo nothing."""
        if self._undo is not None:
            self._undo.append(undo)

    def _write(self, address: Address, value: FloatArray) -> None:
        if address.field == "weights":
            same = value == self.read(address)
            exact = np.where(same, self._weights(address.owner), value)
            self._refuse_beyond(address.path, self._net.projection(address.owner), exact, self._gains)
            self._hold(address.owner, exact, same)
            self._copy_from({address.owner})
        elif address.field == "inputs":
            self._write_gain(address, value)
        elif address.path.startswith("stimuli[") and address.rule in self._teachers:
            self._taught[address.rule, address.field] = value
        elif address.path.startswith("stimuli["):
            before = sum(k < address.rule for k in self._teachers)  # which the target does not have
            path = f"stimuli[{address.rule - before}].{address.field}"
            self._session.set(path, value.reshape(self._instances, *address.shape))
            self._traces.strengths.write(address.rule, value)
        elif address.field == "bias":
            self._session.set(address.path, value)
            self._biases[address.owner] = self._get(address.path)
        elif address.field == "learning_rate":
            self._write_rate(self._net.projection(address.owner), address.rule, value)
        elif (learner := self._learners.get((address.owner, address.rule))) is not None:
            rule = self._net.projection(address.owner).plasticity[address.rule]
            learner.amplitudes[[name for name, _ in rule.parts()].index(address.part)] = value
        else:
            self._set(address.path, value)
        self._nudge(self._teachers)

    def _write_rate(self, p: Projection, rule: int, value: FloatArray) -> None:
        key, before = (p.name, rule), self._rates[p.name, rule]
        self._undone_by(lambda: self._rates.update({key: before}))
        if key not in self._learners:
            path = self._rate_path(p, rule)
            self._undone_by(partial(self._set, path, self._get(path)))
            self._set(path, self._factor(p) * value)
            value = self._held_rate(p, rule, value)
        self._rates[key] = value

    def _held_rate(self, p: Projection, rule: int, value: FloatArray) -> FloatArray:
        """What the target makes of a learning rate that it was given, times the gain."""
        return _without_gain(self._factor(p), self._get(self._rate_path(p, rule)), value)

    def _write_gain(self, address: Address, value: FloatArray) -> None:
        """Write a gain: the weights and the learning rates that the target holds go with it."""
        gain = value.reshape(self._instances)
        gains = self._gains | {(address.owner, address.part): gain}
        into = [p for p in self._net.projections if (p.post, p.into) == (address.owner, address.part)]
        weights = {p.name: self._weights(p.name) for p in into}
        for p in into:
            self._refuse_unlearnable(address, p, gain)
            self._refuse_beyond(address.path, p, weights[p.name], gains)
        self._undone_by(partial(setattr, self, "_gains", self._gains))
        self._gains = gains
        for p in into:
            self._hold(p.name, weights[p.name])
            for k in range(len(p.plasticity)):
                self._write_rate(p, k, self._rates[p.name, k])

    def _refuse_unlearnable(self, address: Address, p: Projection, gain: FloatArray) -> None:
        """A gain with which the target cannot learn what is described.

        Raises:
            SessionError: SAL403.
        """
        asked = f"a gain of {number(float(gain[0]))}"
        for k, rule in enumerate(p.plasticity):
            if rule in RULES:
                continue
            if rule.bounds is not None and np.any(gain != gain_of(self._net, p)):
                supported = f"{number(gain_of(self._net, p))}: the bounds of {p.name} are set with it on the target"
                raise session_error("SAL403", address.path, asked, supported, "leave out the bounds, or describe it")
            if np.any((gain == 0.0)[:, None] & (self._rates[p.name, k] != 0.0)):
                supported = (
                    f"gains other than 0 as long as {p.name} learns on the target, which holds gain times weight"
                )
                raise session_error(
                    "SAL403", address.path, asked, supported, "a small gain, or learning_rate = 0 first"
                )

    def _refuse_beyond(
        self, path: str, p: Projection, weights: FloatArray, gains: Mapping[tuple[str, str], FloatArray]
    ) -> None:
        """Weights and gains whose products the target does not hold; what it has learned itself may be written back.

        Raises:
            SessionError: SAL403.
        """
        allowed, folded = self._allowed[f"projections.{p.name}.weights"], self._factor(p, gains) * weights
        folded = folded[folded != self._factor(p) * self._weights(p.name)]
        if not isinstance(allowed, Range) or not folded.size:
            return
        worst = float(folded[np.argmax(np.maximum(allowed.min - folded, folded - allowed.max))])
        if not allowed.min <= worst <= allowed.max:
            asked = f"gain times weight {number(worst)} of {p.name}"
            supported = f"{number(allowed.min)}..{number(allowed.max)}, which the target holds of gain times weight"
            raise session_error("SAL403", path, asked, supported, "smaller weights, or a smaller gain")

    # running ------------------------------------------------------------------------------------------------------

    def begin(self, stop: int) -> None:
        """See Engine."""
        super().begin(stop)
        self._samples = {p.label: [self._unsampled(p)] for p in self._trace_probes()}

    def _unsampled(self, probe: Traces) -> TimeSeries:
        """What a run has that ends with an error before its first piece does."""
        size = self._net.population(self._net.trace(probe.trace).population).size
        return TimeSeries(np.zeros(0), np.zeros((self._instances, 0, size)))

    def _trace_probes(self) -> list[Traces]:
        return only(self._net.probes, Traces)

    def advance(self, until: int) -> int:
        """See Engine. It stops where the host has to write: a piece is one run on the target."""
        start, net = self.step, self._net
        until = min([until, *(following(start, every) for every in self._periods)])
        learning = [p.name for p in net.projections if any(rule not in RULES for rule in p.plasticity)]
        before = {p.name: self._weights(p.name) for p in self._traced()}
        piece = self._piece(until - start)
        rasters = {name: raster(piece, name, net.dt) for name in piece.spikes}
        held = {  # of weights that the target changes, the mean over the piece
            name: 0.5 * (w + self._weights(name)) if name in learning else w for name, w in before.items()
        }
        self._traces.follow(start, until, rasters, held, self._gains, self._given(self._nudged()))
        for (name, _), learner in self._learners.items():
            p = net.projection(name)
            learner.see(rasters[p.pre], rasters[p.post])
        self._sample(start, until)
        self._update(until, run_end=False)
        return self._spikes

    def _traced(self) -> list[Projection]:
        traced = {trace.population for trace in self._net.traces}
        return [p for p in self._net.projections if p.post in traced]

    def _sample(self, start: int, until: int) -> None:
        """Samples of traces, of the steps of a piece."""
        for probe in self._trace_probes():
            every = in_steps(probe.every or self._net.dt, self._net.dt) or 1
            steps = np.arange(-(-start // every) * every, until, every)
            values = self._traces.course[probe.trace][steps - start].swapaxes(0, 1)
            self._samples[probe.label].append(TimeSeries(steps.astype(np.float64) * self._net.dt, values))

    def _update(self, step: int, *, run_end: bool) -> None:
        """Rules that are due after ``step`` steps, or at the end of a run; then copies, then teachers."""
        net, learned = self._net, set()
        reading = Reading(net, self._traces.mean, self._biases, self._gains)
        for p in net.projections:
            due = [k for k, rule in predicted(p).items() if self._due(rule, step, run_end)]
            if due:
                learned.add(p.name)
                self._learn(p, due, reading)
        if not run_end:
            learned |= {p.name for p in net.projections if p.plasticity}
        self._copy_from(learned, step)
        if not run_end:
            nudged = {k: s for k, s in self._teachers.items() if step % (in_steps(s.every or net.dt, net.dt) or 1) == 0}
            self._nudge(nudged)

    def _due(self, rule: PlasticityRule, step: int, run_end: bool) -> bool:
        if run_end:
            return rule.update == "run end"
        return rule.period is not None and step % (in_steps(rule.period, self._net.dt) or 1) == 0

    def _learn(self, p: Projection, due: list[int], reading: Reading) -> None:
        """Change the weights by what was seen since the last update."""
        weights, (low, high) = self._weights(p.name), narrowest_bounds(p.plasticity)
        for k in due:
            change = self._rates[p.name, k] * self._learners[p.name, k].change(reading)
            weights = np.clip(weights + change, low, high)
        self._hold(p.name, weights)

    def _copy_from(self, changed: set[str], step: int | None = None) -> None:
        """Copies of weights that have changed; of those with a period after ``step``, if it is over then."""
        for tie in self._net.ties:
            every = in_steps(tie.every or 0.0, self._net.dt) or 0
            if tie.to in changed and (step is None or not every or step % every == 0):
                self._copy(tie)

    def _nudged(self) -> dict[str, FloatArray]:
        """Biases with what teachers add."""
        biases = dict(self._biases)
        for k, teacher in self._teachers.items():
            biases[teacher.population] = biases[teacher.population] + self._pushed[k]
        return biases

    def _given(self, biases: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """Biases as far as the target's range goes."""
        ends = {name: self._allowed[f"populations.{name}.bias"] for name in biases}
        return {
            name: bias if (end := ends[name]) is None else np.clip(bias, end.min, end.max)
            for name, bias in biases.items()
        }

    def _nudge(self, teachers: Mapping[int, Teacher]) -> None:
        """Let teachers add what they do now, as a bias; within the target's range."""
        reading = Reading(self._net, self._traces.mean, self._biases, self._gains)
        for k, teacher in teachers.items():
            error = self._taught[k, "target"] - reading.potential(teacher.trace)
            self._pushed[k] = self._taught[k, "gain"] * error
        nudged = self._nudged()
        given = self._given(nudged)
        for name in {teacher.population for teacher in teachers.values()}:
            self._limited += int(np.sum(given[name] != nudged[name]))
            self._session.set(f"populations.{name}.bias", given[name])

    def finish(self) -> None:
        """See Engine."""
        self._update(self.step, run_end=True)

    def recorded(self) -> Recorded:
        """See Engine."""
        recorded, own = super().recorded(), {name: joined(parts) for name, parts in self._samples.items()}
        return replace(recorded, samples={**recorded.samples, **own})

    def _about(self) -> dict[str, Any]:
        """How many biases of taught neurons ended at the target's limits, too."""
        return super()._about() | ({"teacher_at_limits": self._limited} if self._teachers else {})
