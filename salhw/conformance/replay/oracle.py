"""The oracle: what a description means, read once more from docs/semantics.md, for spikes that are given.

It is slow, plain numpy, and shares no code with any backend. Arrays are (instance, neuron) and (instance, synapse).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from salhw.conformance.replay.acting import Noise, acts, clamps, forced, lists_times, rewritten
from salhw.conformance.replay.cells import AVERAGES, CELLS, REFRACTORY, UNDECIDED, Moment, Slack, State
from salhw.conformance.replay.course import Course
from salhw.conformance.replay.disputes import Disputes
from salhw.conformance.replay.doubts import Doubts
from salhw.conformance.replay.learners import RULES
from salhw.conformance.replay.phases import Phases
from salhw.conformance.replay.remembering import Remembered
from salhw.conformance.replay.rounded import Steps
from salhw.conformance.replay.trains import NEVER, Bools, End, delayed_psps, fades, latest, onto, states, strengths_at
from salhw.conformance.replay.watching import Watched
from salhw.description.connectivity import synapses
from salhw.description.fields import FloatArray, IntArray
from salhw.description.kinds import only
from salhw.description.network import Network
from salhw.description.parts import Population, Projection
from salhw.description.plasticity.rule import narrowest_bounds
from salhw.description.probes import StateOccupancy
from salhw.description.stimuli import Current, NoisyCurrent, Poisson, Teacher
from salhw.description.ties import Tie
from salhw.description.traces import Trace
from salhw.session.recorder import refractory_steps

Sums = dict[str | float, FloatArray]
"""What the inputs of a population add up to, by name; see ``Oracle._inputs``."""
Held = dict[str, FloatArray]
"""What a session holds, by path: (instance, ...) as ``get`` shapes it."""


class Oracle:
    """What one session must do, run after run, given the spikes of all its populations.

    Args:
        spikes: (instance, step, neuron) by population, of all runs.
        held: what the session holds before its first run.
        seed, ids: of the session, which noise follows from.
        limits: where what a host writes ends, (lowest, highest), by path: biases of populations with teachers; and of
            weights what they are times their gain.
        slack: what the target may be off by, by population.
        loose: projections of whose pairs at and after coincidences a target counts more or less than is described.
        steps: of projections whose weights a target rounds at random while they learn.
        unsure, remembered: how far acting weights of a projection may be off, see Doubts, and those that a host
            remembers, see Remembered.
    """

    def __init__(
        self,
        net: Network,
        spikes: Mapping[str, Bools],
        held: Held,
        seed: int,
        ids: Sequence[int],
        limits: Mapping[str, tuple[float, float]] | None = None,
        slack: Mapping[str, Slack] | None = None,
        loose: Collection[str] = (),
        steps: Mapping[str, Steps] | None = None,
        unsure: Callable[[Oracle, str], FloatArray] | None = None,
        remembered: Callable[[Oracle, str], FloatArray] | None = None,
    ) -> None:
        self.net, self.dt, self.now, self.limits = net, net.dt, 0, limits or {}
        self.slack = {p.name: Slack() for p in net.populations} | dict(slack or {})
        self.ahead = 0  # how many steps reference phases took, by which ``spikes`` are longer than all runs
        self.noise = Noise(net, seed, ids)
        self.spikes = dict(spikes)
        self.instances = len(next(iter(spikes.values())))
        self.held: Held = {}
        self.disputes = Disputes(loose)
        self.ends = {p.name: synapses(p.weights, *net.ends(p.name)) for p in net.projections}
        self.onto = {p.name: onto(self.ends[p.name][0], self.instances, net.ends(p.name)[0]) for p in net.projections}
        self.bounds = {p.name: narrowest_bounds(p.plasticity) for p in net.projections}
        self.weights: dict[str, FloatArray] = {}
        self.known: dict[str, FloatArray] = {}  # as they were read last
        self.movement = {name: np.zeros((self.instances, len(ends[0]))) for name, ends in self.ends.items()}
        self.memory = Remembered(self, remembered)
        self.prepare()
        self.phases = Phases(self)
        self.cells: dict[str, State] = {
            p.name: tuple(np.full((self.instances, p.size), each) for each in CELLS[p.neuron].begins(p.neuron))
            for p in net.populations
        }
        self.averages = {t.name: AVERAGES[t.window](t.window, self.dt) for t in net.traces}
        self.means = {t.name: np.zeros((self.instances, net.population(t.population).size)) for t in net.traces}
        self.nudges: dict[int, FloatArray] = {}
        self.reached: dict[str, FloatArray] = {}
        self.doubts = Doubts(self, steps or {}, unsure)
        self.given, self.watched = dict[str, FloatArray](), Watched(self)
        self.adopt(held)
        for tie in net.ties:
            self._copy(tie)

    def prepare(self) -> None:
        """Work out what follows from spikes alone."""
        net, spikes = self.net, self.spikes
        self._force()
        self.free = {p.name: self._free(p.name) for p in net.populations}
        self.soon = {p.name: self._free(p.name, self.slack[p.name].early) for p in net.populations}
        self.sent = {p.name: spikes[p.pre] * strengths_at(p, spikes[p.pre], self.dt) for p in net.projections}
        self.psps = {p.name: delayed_psps(net, p, self.ends[p.name], spikes[p.pre]) for p in net.projections}
        probed = {probe.population for probe in only(net.probes, StateOccupancy)}
        self.states = {name: states(spikes[name], refractory_steps(net, name)) for name in probed}
        self.learners = {
            (p.name, k): RULES[rule](self, p, k) for p in net.projections for k, rule in enumerate(p.plasticity)
        }

    def adopt(self, held: Held) -> None:
        """Go on from what the session says that it holds."""
        for path, value in held.items():
            self.held[path] = np.array(value, dtype=np.float64)
            owner = path.split(".")[1]
            if path == f"projections.{owner}.weights":
                before = self.memory.full(owner) if owner in self.weights else None
                self.weights[owner] = self.held[path].reshape(self.instances, -1)[:, self.ends[owner][2]]
                self.memory.read(owner, before)
                self.disputes.read(owner, self.weights[owner])
                self.known[owner] = self.weights[owner]
                self.doubts.read(owner)
        if any(map(lists_times, held)):
            self._force()

    def _force(self) -> None:
        """Work out which spikes stimuli force, by the times that they list now."""
        times = {path: value for path, value in self.held.items() if lists_times(path)}
        self.forced = {name: forced(self.net, name, each.shape[1], times) for name, each in self.spikes.items()}

    def write(self, path: str, value: FloatArray) -> None:
        """A session writes; copies of weights follow at once, and teachers work out anew what they add."""
        held, now = self.held[path], (self.now - 0.5) * self.dt
        self.adopt({path: rewritten(held, value, now) if lists_times(path) else np.broadcast_to(value, held.shape)})
        if (owner := path.split(".")[1]) in self.weights and path == f"projections.{owner}.weights":
            self.memory.change(owner)
        self._copies_of(path)
        self.nudges = {}

    def rewrite(self, projection: str, new: FloatArray) -> None:
        """The host writes weights, and copies follow at once."""
        self._move(projection, new)
        self._copies_of(f"projections.{projection}.weights")

    def _copies_of(self, path: str) -> None:
        for tie in self.net.ties:
            if path == f"projections.{tie.to}.weights":
                self._copy(tie)

    def holds(self, path: str) -> FloatArray:
        """What the session must hold at a path."""
        owner = path.split(".")[1]
        if path != f"projections.{owner}.weights":
            return self.held[path]
        full = np.array(self.held[path])
        full.reshape(self.instances, -1)[:, self.ends[owner][2]] = self.weights[owner]
        return full

    def _copy(self, tie: Tie) -> None:
        """W[projection] = scale W[to]."""
        post, pre, _ = self.ends[tie.to]
        where = {pair: k for k, pair in enumerate(zip(post.tolist(), pre.tolist(), strict=True))}
        own_post, own_pre, _ = self.ends[tie.projection]
        own = zip(own_post.tolist(), own_pre.tolist(), strict=True)
        originals = np.array([where[(j, i) if tie.transpose else (i, j)] for i, j in own], dtype=np.int64)
        self._move(tie.projection, tie.scale * self.memory.full(tie.to)[:, originals])
        self.disputes.copy(tie, originals)
        self.doubts.copy(tie, originals)

    def _move(self, projection: str, new: FloatArray) -> None:
        if ends := self.limits.get(f"projections.{projection}.weights"):
            p = self.net.projection(projection)
            gain = self.gain(p.post, p.into)
            held = np.clip(gain * new, *ends)
            new = np.where(held == gain * new, new, held / np.where(gain == 0.0, 1.0, gain))
        self.movement[projection] = self.movement[projection] + np.abs(new - self.weights[projection])
        self.weights[projection] = new
        self.memory.change(projection)

    def gain(self, population: str, named: str | None) -> FloatArray:
        """The gain of an input of a population, (instance, 1): 1 of what goes into none that has a name."""
        if named is None:
            return np.ones((self.instances, 1))
        return self.held[f"populations.{population}.inputs.{named}"].reshape(-1, 1)

    def per_synapse(self, path: str, projection: str) -> FloatArray:
        """What is held at a path, for each synapse."""
        return self.held[path].reshape(self.instances, -1)[:, self.ends[projection][2]]

    # what spikes and stimuli decide ---------------------------------------------------------------------------------

    def steps(self, time: float) -> int:
        """A time in ms as a number of steps."""
        return round(time / self.dt)

    def at_ends(self, p: Projection) -> tuple[End, End]:
        """The presynaptic and the postsynaptic end of the synapses of a projection."""
        post, pre, _ = self.ends[p.name]
        return End(self.spikes[p.pre], pre), End(self.spikes[p.post], post)

    def recovered(self, name: str, last: IntArray, step: int | IntArray) -> Bools:
        """Whether neurons that spiked ``last`` are not refractory at a step: one that spiked at t can spike again at
        t + tau_ref / dt."""
        return np.asarray((last == NEVER) | (step - last >= refractory_steps(self.net, name)))

    def _free(self, name: str, early: int = 0) -> Bools:
        last = latest(self.spikes[name])
        return self.recovered(name, last, np.arange(last.shape[1])[:, None] + early)

    def present(self, number: int, field: str, step: int) -> FloatArray:
        """What a stimulus does at a step at which it acts, (instance, neuron): each point of a course lasts ``every``
        from its start on, the last one for good."""
        stimulus, held = self.net.stimuli[number], self.held[f"stimuli[{number}].{field}"]
        assert isinstance(stimulus, Poisson | Current)
        if stimulus.every is None:
            return held
        begun = (step - self.steps(stimulus.start)) // self.steps(stimulus.every)
        return np.asarray(held[:, min(begun, held.shape[1] - 1)])

    def expected(self, name: str, step: int) -> FloatArray:
        """How many spikes Poisson stimuli make each neuron of a population expect at a step."""
        total = np.zeros((self.instances, self.net.population(name).size))
        for k, stimulus in enumerate(self.net.stimuli):
            if isinstance(stimulus, Poisson) and stimulus.population == name and acts(stimulus, step, self.dt):
                total += self.present(k, "rate", step) * self.dt / 1000.0
        return total

    # one step after the other ---------------------------------------------------------------------------------------

    def run(self, steps: int) -> Course:
        """The next run, of that many steps."""
        start, stop = self.now, self.now + steps
        rows: dict[str, dict[str, list[Any]]] = {
            kind: {}
            for kind in ("potentials", "thresholds", "chances", "deciders", "inputs", "reached", "followed", "spread",
                         "uncertain", "variables", "unsure", "traces", "weights", "movement", "disputed", "doubted",
                         "states")
        }  # fmt: skip

        def note(kind: str, values: Mapping[str, Any]) -> None:
            for name, value in values.items():
                rows[kind].setdefault(name, []).append(value)  # nothing is changed in place

        for step in range(start, stop):
            if self.phases.due(step):
                self.phases.measure(step)
            t = step + self.ahead
            note("weights", self.weights)
            note("movement", self.movement)
            note("disputed", self.disputes.weights)
            note("doubted", {name: self.doubts.weights(name) for name in self.weights})
            self._nudge(t)
            inputs, through = self._inputs(t)
            for name, added in inputs.items():
                self.reached[name] = np.maximum(self.reached.get(name, 0.0), np.abs(added))
            chances, deciders = {}, {}
            for p in self.net.populations:
                free, forced = self.free[p.name][:, t], self.forced[p.name][:, t]
                chances[p.name], decider = self.decide(p, t, through[p.name], free, forced)
                soon = self.soon[p.name][:, t] & (decider == REFRACTORY)
                deciders[p.name] = np.where(soon, UNDECIDED, decider)
            note("inputs", inputs)
            note("reached", self.reached)
            note("followed", self.doubts.followed)
            note("uncertain", self.doubts.uncertain)
            note("potentials", self.potential)
            cells = [(p, CELLS[p.neuron], self.cells[p.name]) for p in self.net.populations]
            note("thresholds", {p.name: cell.threshold(p.neuron, state) for p, cell, state in cells})
            note("spread", {p.name: cell.spread(state) for p, cell, state in cells})
            note("variables", (shown := self.watched.shown(t, through))[0])
            note("unsure", shown[1])
            note("chances", chances)
            note("deciders", deciders)
            note("states", {name: z[:, t] for name, z in self.states.items()})
            self._follow(t, through)
            note("traces", self.means)
            for p in self.net.populations:
                self.reset(p, self.spikes[p.name][:, t])
            self._learn(t)
        note("weights", self.weights)
        note("movement", self.movement)
        note("disputed", self.disputes.weights)
        note("doubted", {name: self.doubts.weights(name) for name in self.weights})
        self._end_of_run()
        self.now = stop
        stacked = {kind: {n: np.stack(v, axis=1) for n, v in each.items()} for kind, each in rows.items()}
        return Course(start, stop, **stacked)

    def decide(self, p: Population, t: int, sums: Sums, free: Bools, forced: Bools) -> tuple[FloatArray, IntArray]:
        """Move the state of a population on to step t, with the ``sums`` of its inputs (see ``_inputs``), and say
        how probable spikes are then, and what decides."""
        moment = self._moment(p.name, t, sums, free, forced)
        self.cells[p.name], chance, decider = CELLS[p.neuron].decides(p.neuron, moment, self.cells[p.name])
        return chance, decider

    @property
    def potential(self) -> dict[str, FloatArray]:
        """The potentials of each population."""
        return {name: state[0] for name, state in self.cells.items()}

    def reset(self, p: Population, spiked: Bools) -> None:
        """What the state of neurons that spiked becomes."""
        state = self.cells[p.name]
        after = CELLS[p.neuron].resets(p.neuron, state)
        self.cells[p.name] = tuple(np.where(spiked, *each) for each in zip(after, state, strict=True))

    def nothing(self, p: Population) -> Sums:
        """The sums of inputs that a population without synapses has; see ``_inputs``."""
        names = "inputs", "g", "pull", *(f"inputs.{name}" for name in p.neuron.input_gains)
        return {name: np.zeros((self.instances, p.size)) for name in names}

    def _inputs(self, t: int) -> tuple[dict[str, FloatArray], dict[str, Sums]]:
        """What each projection adds to potentials at step t, gains included; and by population what ``inputs``, and
        each named input before its gain, add up to; of conductances, ``g`` and ``pull`` (see Moment); and what
        fades, by its time constant."""
        each, through = dict[str, FloatArray](), {p.name: self.nothing(p) for p in self.net.populations}
        self.beside = {p.name: np.zeros((self.instances, p.size)) for p in self.net.populations}
        self.doubts.begin()
        for q in self.net.projections:
            psp, which = self.psps[q.name]
            now, onto = psp[:, t, which], self.onto[q.name]
            total, beside = onto(self.weights[q.name] * now), np.zeros(())
            sums, gain = through[q.post], self.gain(q.post, q.into)
            self.given[q.name] = gain * total
            if q.name in self.memory.apart:
                beside = onto(self.memory.apart[q.name] * now)
                self.beside[q.post] = self.beside[q.post] + gain * beside
            if q.e_rev is not None:
                each[q.name] = (distance := q.e_rev - self.cells[q.post][0]) * total
                self.doubts.add(q, gain, now, t, distance)
                sums["g"], sums["pull"] = sums["g"] + total, sums["pull"] + q.e_rev * total
                self._fade(q, sums, total)
                continue
            if q.into is not None:
                sums[f"inputs.{q.into}"] = sums[f"inputs.{q.into}"] + total + beside
            each[q.name] = self.given[q.name]
            self.doubts.add(q, gain, now, t)
            sums["inputs"] = sums["inputs"] + self.given[q.name]
            self._fade(q, sums, each[q.name])
        self.doubts.end()
        return each, through

    def _fade(self, q: Projection, sums: Sums, added: FloatArray) -> None:
        """Note what of drive, conductance and pull decays within a step where the neurons solve equations, of what a
        projection has ``added`` to the drive or, with a reversal potential, to the conductance."""
        if self.slack[q.post].solved and fades(q.kernel):
            none = np.zeros_like(added)
            parts = (added, none, none) if q.e_rev is None else (none, added, q.e_rev * added)
            sums[q.kernel.tau_syn] = sums.get(q.kernel.tau_syn, 0.0) + np.stack(parts)

    def _moment(self, name: str, t: int, sums: Sums, free: Bools, forced: Bools) -> Moment:
        """What the neurons of a population decide from at step t, with the ``sums`` of their inputs."""
        drive = sums["inputs"] + self._stimulated(name, t)
        clamped, state = clamps(self.net, name, t)
        gains = [
            np.abs(self.held[f"stimuli[{k}].gain"])
            for k, s in enumerate(self.net.stimuli)
            if s.population == name and isinstance(s, Teacher) and self.net.trace(s.trace).quantity == "membrane"
        ]
        decided = free, clamped, state, forced, self.expected(name, t), np.asarray(sum(gains, start=0.0))
        slack, off = self.slack[name], self.off(name)
        fading = {tau: part for tau, part in sums.items() if isinstance(tau, float)}
        return Moment(self.dt, drive, sums["g"], sums["pull"], *decided, off, slack.solved, fading, slack.leak)

    def off(self, name: str) -> FloatArray:
        """What a target may be off by in the drive of a population at this step."""
        slack, onto = self.slack[name], [q.name for q in self.net.projections if q.post == name]
        most = sum((self.reached[q] for q in onto if q in self.reached), start=np.zeros_like(self.potential[name]))
        lagging, uncertain = self.doubts.followed[name], self.doubts.uncertain[name]
        return np.asarray(slack.psp * most + slack.lag * lagging + uncertain)

    def _stimulated(self, name: str, t: int) -> FloatArray:
        """Bias, currents and teachers of a population."""
        total = np.zeros((self.instances, self.net.population(name).size))
        total = total + self.held.get(f"populations.{name}.bias", 0.0)
        for k, stimulus in enumerate(self.net.stimuli):
            if stimulus.population == name and isinstance(stimulus, Teacher):
                total = total + self.nudges[k]
        total = np.clip(total, *self.limits.get(f"populations.{name}.bias", (-np.inf, np.inf)))
        for k, stimulus in enumerate(self.net.stimuli):
            if stimulus.population == name and isinstance(stimulus, Current) and acts(stimulus, t, self.dt):
                total = total + self.present(k, "amplitude", t)
            if stimulus.population == name and isinstance(stimulus, NoisyCurrent) and acts(stimulus, t, self.dt):
                total = total + self.held[f"stimuli[{k}].sd"] * self.noise.at(k, t)
        return total

    def _nudge(self, t: int) -> None:
        """What teachers add, from the traces as the step before has left them."""
        for k, teacher in enumerate(self.net.stimuli):
            if isinstance(teacher, Teacher):
                every = 1 if teacher.every is None else self.steps(teacher.every)
                if k not in self.nudges or t % every == 0:
                    target, gain = (self.held[f"stimuli[{k}].{field}"] for field in ("target", "gain"))
                    self.nudges[k] = gain * (target - self.says(self.net.trace(teacher.trace)))

    def says(self, trace: Trace) -> FloatArray:
        """What a trace says of the potential of its neurons."""
        mean = self.means[trace.name]
        if trace.quantity == "membrane":
            return mean
        gain = self.gain(trace.population, trace.input)
        return np.asarray(self.held[f"populations.{trace.population}.bias"] + gain * mean)

    def _follow(self, t: int, through: Mapping[str, Sums]) -> None:
        """Traces move on with the step's membranes, inputs and spikes."""
        for trace in self.net.traces:
            sums, beside = through[trace.population], self.beside[trace.population]
            seen = {"membrane": self.cells[trace.population][0] + beside, **sums, "inputs": sums["inputs"] + beside}
            spikes = self.spikes[trace.population][:, t] / self.dt
            self.means[trace.name] = self.averages[trace.name](spikes if trace.of == "spikes" else seen[trace.of])

    # learning -------------------------------------------------------------------------------------------------------

    def _learn(self, t: int) -> None:
        """Pairs of the step's spikes; then the updates on the spike, then those that are due before step t + 1."""
        for learner in self.learners.values():
            learner.see(t)
        self.doubts.see(t)
        self.disputes.see(t, self.learners)
        self._update("spike", t)
        for tie in self.net.ties:
            if tie.every is None:
                self._copy(tie)
        self._update("every", t + 1)
        for tie in self.net.ties:
            if tie.every is None or (t + 1) % self.steps(tie.every) == 0:
                self._copy(tie)
        self.phases.subtract(t + 1)

    def _end_of_run(self) -> None:
        self._update("run end", self.now)
        for tie in self.net.ties:
            if tie.every is None:
                self._copy(tie)

    def _update(self, when: str, step: int) -> None:
        """The rules that change weights now, one after the other; each ends by clipping to the bounds."""
        for p in self.net.projections:
            for k, rule in enumerate(p.plasticity):
                if rule.schedule != when or (rule.period is not None and step % self.steps(rule.period) != 0):
                    continue
                changed = self.memory.full(p.name) + self.learners[p.name, k].change()
                self._move(p.name, np.clip(changed, *self.bounds[p.name]))
                self.doubts.apply(p.name)
