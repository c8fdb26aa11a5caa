"""A target in a loop with its host: the target runs its own part of a network piece by piece, and between two pieces
the host reads spikes and weights, and writes weights and biases.

It works for every backend whose sessions have spikes, ``get`` and ``set``. The host takes on what ``folding.own_part``
takes away: gains of named inputs, traces, predictive rules, teachers and ties. What it writes between two pieces is
exact: a rule with ``every T ms`` and a teacher or a tie with ``every`` do what docs/semantics.md says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from salhw.description.connectivity import synapses
from salhw.description.fields import FloatArray
from salhw.description.grid import in_steps
from salhw.description.kinds import of_kind, only
from salhw.description.parts import Projection, rule_name
from salhw.description.plasticity import PredictiveRule
from salhw.description.plasticity.rule import narrowest_bounds
from salhw.description.probes import Spikes, Traces
from salhw.description.stimuli import Teacher
from salhw.description.ties import Tie
from salhw.diagnostics.wording import number
from salhw.session.calibration import Calibration
from salhw.session.engine import initial
from salhw.session.executable import Executable, Session
from salhw.session.folding import HOST, RULES, copied, gain_of, predicted
from salhw.session.host_traces import HostTraces
from salhw.session.lowering import Lowering
from salhw.session.paths import Address, addresses, described_at, session_error
from salhw.session.predictions import Reading
from salhw.session.recorder import Raster, Recorded, following
from salhw.session.recording import Recording, Trace
from salhw.session.session import EngineSession
from salhw.substrate.capabilities import Range
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target


class LoopedBackend:
    """The backend of an executable that runs in a loop: ``inner`` is the target's own part, as its backend runs it."""

    def __init__(self, inner: Executable) -> None:
        self.inner, self.name = inner, inner.plugin.name

    def targets(self) -> Mapping[str, Target]:
        """See Backend."""
        return self.inner.plugin.targets()

    def lower(self, net: Any, target: Target) -> Lowering:
        """See Backend."""
        return self.inner.plugin.lower(net, target)

    def open(self, executable: Executable, *, chips: Sequence[Chip], ids: Sequence[int], seed: int) -> Session:
        """See Backend."""
        inner = replace(self.inner, calibration=executable.calibration)
        session = inner.plugin.open(inner, chips=chips, ids=ids, seed=seed)
        try:
            engine = LoopEngine(executable, inner, session, len(ids))
        except BaseException:
            session.close()
            raise
        return LoopSession(executable, engine, chips=chips, ids=ids, seed=seed)


class LoopSession(EngineSession):
    """The session of a target in a loop. Its calibration corrects what the target's own session writes and reads."""

    def _calibrate(self, calibration: Calibration) -> None:
        """See EngineSession: nothing is to be corrected twice."""


class LoopEngine:
    """See salhw.session.engine.Engine: a target's own session, and the host beside it.

    The host keeps weights that it writes in full, whatever the target makes of them, as long as the target holds what
    was written: a change below the target's resolution counts, and a gain that is raised again finds them.
    """

    holds = frozenset({"weights", "bias", "learning_rate"})

    def __init__(self, executable: Executable, inner: Executable, session: Session, instances: int) -> None:
        net = self._net = executable.source
        self._inner, self._session, self._instances = inner, session, instances
        self._allowed = {path: a.allowed for path, a in addresses(inner.network, inner.target).items()}
        self._position = {p.name: synapses(p.weights, *net.ends(p.name))[2] for p in net.projections}
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
        self._predicted = {
            (p.name, k): of_kind(p.plasticity[k], PredictiveRule, HOST) for p in net.projections for k in predicted(p)
        }
        self._sent = {key: np.zeros((instances, net.ends(key[0])[1])) for key in self._predicted}
        self._exact = {p.name: initial(net, f"projections.{p.name}.weights", instances) for p in net.projections}
        self._held = {name: self._folded(name) for name in self._exact}
        times = [rule.period for rule in self._predicted.values()]
        times += [tie.every for tie in net.ties] + [teacher.every for teacher in self._teachers.values()]
        self._periods = {in_steps(time, net.dt) or 1 for time in times if time is not None}
        self._limited = 0
        for tie in net.ties:
            self._copy(tie)
        self._nudge(self._teachers)

    # paths and arrays of the target's own session -----------------------------------------------------------------

    def _described(self, path: str) -> FloatArray:
        value = described_at(self._net, path)
        return np.array(np.broadcast_to(value, (self._instances, *value.shape)))

    def _rate_path(self, p: Projection, rule: int) -> str:
        return f"projections.{p.name}.{rule_name(p, rule)}.learning_rate"

    def _get(self, path: str) -> FloatArray:
        """What the target's session holds, (instance, neuron or synapse)."""
        flat = self._session.get(path).reshape(self._instances, -1)
        return flat[:, self._position[path.split(".")[1]]] if path.startswith("projections.") else flat

    def _set(self, path: str, value: FloatArray) -> None:
        array = np.array(self._session.get(path))
        flat = array.reshape(self._instances, -1)
        flat[:, self._position[path.split(".")[1]] if path.startswith("projections.") else slice(None)] = value
        self._session.set(path, array)

    def _folded(self, name: str) -> FloatArray:
        """The weights that the target holds: gain times those of the network."""
        return self._get(f"projections.{name}.weights")

    def _factor(self, p: Projection, gains: Mapping[tuple[str, str], FloatArray] | None = None) -> FloatArray:
        """The gain of a projection's input, (instance, 1)."""
        known = self._gains if gains is None else gains
        return np.ones((self._instances, 1)) if p.into is None else known[p.post, p.into][:, None]

    # weights ------------------------------------------------------------------------------------------------------

    def _weights(self, name: str, *, in_full: bool) -> FloatArray:
        """The weights of a projection: what the target holds over the gain; with a gain of 0, and ``in_full`` wherever
        the target holds what was written, what the host remembers."""
        factor, folded = self._factor(self._net.projection(name)), self._folded(name)
        remembered = (folded == self._held[name]) & ((factor == 0.0) | in_full)
        return np.where(remembered, self._exact[name], folded / np.where(factor == 0.0, 1.0, factor))

    def _hold(self, name: str, weights: FloatArray) -> None:
        """Let the target hold weights, as far as its range goes."""
        path, factor = f"projections.{name}.weights", self._factor(self._net.projection(name))
        folded = factor * weights
        if (allowed := self._allowed[path]) is not None:
            folded = np.clip(folded, allowed.min, allowed.max)
        self._set(path, folded)
        self._exact[name] = np.where(factor == 0.0, weights, folded / np.where(factor == 0.0, 1.0, factor))
        self._exact[name] = np.where(folded == factor * weights, weights, self._exact[name])
        self._held[name] = self._folded(name)

    def _copy(self, tie: Tie) -> None:
        """Let copies be what their original is."""
        net, original = self._net, self._weights(tie.to, in_full=False)
        of, own = net.projection(tie.to), net.projection(tie.projection)
        full = np.zeros((self._instances, int(np.prod(of.weights.shape(*net.ends(tie.to)[:2])))))
        full[:, self._position[tie.to]] = original
        copies = [np.broadcast_to(copied(net, tie, one), own.weights.shape(*net.ends(own.name)[:2])) for one in full]
        flat = np.array(copies).reshape(self._instances, -1)[:, self._position[own.name]]
        if not np.array_equal(flat, self._weights(own.name, in_full=True)):
            self._hold(own.name, flat)

    # reading and writing ------------------------------------------------------------------------------------------

    def read(self, address: Address) -> FloatArray:
        """See Engine."""
        if address.field == "weights":
            return self._weights(address.owner, in_full=False)
        if address.field == "bias":
            return self._biases[address.owner].copy()
        return self._rates[address.owner, address.rule].copy()

    def write(self, address: Address, value: FloatArray) -> None:
        """See Engine."""
        if address.field == "weights":
            same = value == self.read(address)
            exact = np.where(same, self._weights(address.owner, in_full=True), value)
            self._refuse_beyond(address.path, self._net.projection(address.owner), exact, self._gains)
            self._hold(address.owner, exact)
            self._copy_from({address.owner})
        elif address.field == "inputs":
            self._write_gain(address, value)
        elif address.path.startswith("stimuli[") and address.rule in self._teachers:
            self._taught[address.rule, address.field] = value
        elif address.path.startswith("stimuli["):
            shaped = value.reshape(self._instances, *address.shape)
            before = sum(k < address.rule for k in self._teachers)  # which the target does not have
            self._session.set(f"stimuli[{address.rule - before}].{address.field}", shaped)
            self._traces.strengths[address.rule] = shaped.reshape(self._instances, -1, address.shape[-1])
        elif address.field == "bias":
            self._session.set(address.path, value)
            self._biases[address.owner] = self._get(address.path)
        elif address.field == "learning_rate":
            self._write_rate(self._net.projection(address.owner), address.rule, value)
        else:
            self._set(address.path, value)
        self._nudge(self._teachers)

    def _write_rate(self, p: Projection, rule: int, value: FloatArray) -> None:
        if (p.name, rule) not in self._predicted:
            path, factor = self._rate_path(p, rule), self._factor(p)
            self._set(path, factor * value)
            value = np.where(factor == 0.0, value, self._get(path) / np.where(factor == 0.0, 1.0, factor))
        self._rates[p.name, rule] = value

    def _write_gain(self, address: Address, value: FloatArray) -> None:
        """Write a gain: the weights and the learning rates that the target holds go with it."""
        gain = value.reshape(self._instances)
        gains = self._gains | {(address.owner, address.part): gain}
        into = [p for p in self._net.projections if (p.post, p.into) == (address.owner, address.part)]
        weights = {p.name: self._weights(p.name, in_full=True) for p in into}
        for p in into:
            self._refuse_unlearnable(address, p, gain)
            self._refuse_beyond(address.path, p, weights[p.name], gains)
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
        """Weights and gains whose products the target does not hold.

        Raises:
            SessionError: SAL403.
        """
        allowed, folded = self._allowed[f"projections.{p.name}.weights"], self._factor(p, gains) * weights
        if not isinstance(allowed, Range) or not folded.size:
            return
        worst = float(folded.ravel()[np.argmax(np.maximum(allowed.min - folded, folded - allowed.max))])
        if not allowed.min <= worst <= allowed.max:
            asked = f"gain times weight {number(worst)} of {p.name}"
            supported = f"{number(allowed.min)}..{number(allowed.max)}, which the target holds of gain times weight"
            raise session_error("SAL403", path, asked, supported, "smaller weights, or a smaller gain")

    # running ------------------------------------------------------------------------------------------------------

    @property
    def step(self) -> int:
        """See Engine."""
        return round(self._session.time / self._net.dt)

    def begin(self, stop: int) -> None:
        """See Engine."""
        self._start, self._spikes = self.step, 0
        self._pieces: list[Recording] = []
        self._samples: dict[str, list[Trace]] = {p.label: [] for p in self._trace_probes()}

    def _trace_probes(self) -> list[Traces]:
        return only(self._net.probes, Traces)

    def advance(self, until: int) -> int:
        """See Engine. It stops where the host has to write: a piece is one run on the target."""
        start, net = self.step, self._net
        until = min([until, *(following(start, every) for every in self._periods)])
        learning = [p.name for p in net.projections if any(rule not in RULES for rule in p.plasticity)]
        before = {p.name: self._weights(p.name, in_full=False) for p in self._traced()}
        piece = self._session.run((until - start) * net.dt)
        self._pieces.append(piece)
        self._spikes += int(sum(counts.sum() for counts in piece.counts.values()))
        rasters = {name: _raster(piece, name, net.dt) for name in piece.spikes}
        held = {  # of weights that the target changes, the mean over the piece
            name: 0.5 * (w + self._weights(name, in_full=False)) if name in learning else w
            for name, w in before.items()
        }
        self._traces.follow(start, until, rasters, held, self._gains, self._nudged())
        for (name, k), sent in self._sent.items():
            self._sent[name, k] = sent + piece.counts[net.projection(name).pre]
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
            self._samples[probe.label].append(Trace(steps.astype(np.float64) * self._net.dt, values))

    def _update(self, step: int, *, run_end: bool) -> None:
        """Rules that are due after ``step`` steps, or at the end of a run; then copies, then teachers."""
        net, learned = self._net, set()
        reading = Reading(net, self._traces.mean, self._biases, self._gains)
        for p in net.projections:
            due = [k for k in predicted(p) if self._due(self._predicted[p.name, k], step, run_end)]
            if due:
                learned.add(p.name)
                self._learn(p, due, reading)
        if not run_end:
            learned |= {p.name for p in net.projections if p.plasticity}
        self._copy_from(learned, step)
        if not run_end:
            nudged = {k: s for k, s in self._teachers.items() if step % (in_steps(s.every or net.dt, net.dt) or 1) == 0}
            self._nudge(nudged)

    def _due(self, rule: PredictiveRule, step: int, run_end: bool) -> bool:
        if run_end:
            return rule.update == "run end"
        return rule.period is not None and step % (in_steps(rule.period, self._net.dt) or 1) == 0

    def _learn(self, p: Projection, due: list[int], reading: Reading) -> None:
        """Change the weights by the presynaptic spikes since the last update."""
        post, pre, _ = synapses(p.weights, *self._net.ends(p.name))
        weights, (low, high) = self._weights(p.name, in_full=True), narrowest_bounds(p.plasticity)
        for k in due:
            error, key = reading.error(self._predicted[p.name, k]), (p.name, k)
            weights = weights + self._rates[key] * error[:, post] * self._sent[key][:, pre]
            self._sent[key] = np.zeros_like(self._sent[key])
        self._hold(p.name, np.clip(weights, low, high))

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

    def _nudge(self, teachers: Mapping[int, Teacher]) -> None:
        """Let teachers add what they do now, as a bias; within the target's range."""
        reading = Reading(self._net, self._traces.mean, self._biases, self._gains)
        for k, teacher in teachers.items():
            error = self._taught[k, "target"] - reading.potential(teacher.trace)
            self._pushed[k] = self._taught[k, "gain"] * error
        nudged = self._nudged()
        for name in {teacher.population for teacher in teachers.values()}:
            path, allowed = f"populations.{name}.bias", self._allowed[f"populations.{name}.bias"]
            bias = nudged[name] if allowed is None else np.clip(nudged[name], allowed.min, allowed.max)
            self._limited += int(np.sum(bias != nudged[name]))
            self._session.set(path, bias)

    def finish(self) -> None:
        """See Engine."""
        self._update(self.step, run_end=True)

    def recorded(self) -> Recorded:
        """See Engine."""
        net, pieces = self._net, self._pieces
        probed = {probe.population for probe in only(net.probes, Spikes)}
        return Recorded(
            rasters={name: Raster.joined([_raster(piece, name, net.dt) for piece in pieces]) for name in probed},
            membranes={name: _joined([p.membrane_traces[name] for p in pieces]) for name in pieces[0].membrane_traces},
            counts={p.name: np.sum([piece.counts[p.name] for piece in pieces], axis=0) for p in net.populations},
            occupancy={
                name: np.sum([p.occupancy_counts[name] for p in pieces], axis=0) for name in pieces[0].occupancy_counts
            },
            samples={
                **{name: _joined([piece.samples[name] for piece in pieces]) for name in pieces[0].samples},
                **{name: _joined(parts) for name, parts in self._samples.items()},
            },
            provenance=self._about(),
        )  # fmt: skip

    def _about(self) -> dict[str, Any]:
        """What pieces say about themselves, numbers added up; how many there were, and how many biases of taught
        neurons ended at the target's limits."""
        about: dict[str, Any] = {}
        for piece in self._pieces:
            for key, value in piece.provenance.items():
                own = key not in OUTSIDE
                added = isinstance(value, int | float) and not isinstance(value, bool)
                about |= {key: about.get(key, 0) + value if added else value} if own else {}
        limited = {"teacher_at_limits": self._limited} if self._teachers else {}
        return about | {"pieces": len(self._pieces)} | limited

    def close(self) -> None:
        """See Engine."""
        self._session.close()


OUTSIDE = frozenset(
    ("network", "network_hash", "target", "target_hash", "chips", "wafer", "seed", "wall_time_s", "biological_time_ms",
     "written_hash", "changes", "age", "temperature")
)  # fmt: skip
"""What a recording says of itself that is said of the whole, and not of the pieces."""


def _raster(piece: Recording, name: str, dt: float) -> Raster:
    spikes = piece.spikes[name]
    return Raster(spikes.instance, spikes.neuron, np.rint(spikes.time / dt).astype(np.int64))


def _joined(parts: Sequence[Trace]) -> Trace:
    return Trace(np.concatenate([part.time for part in parts]), np.concatenate([part.values for part in parts], axis=1))
