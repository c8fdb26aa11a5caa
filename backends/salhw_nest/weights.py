"""The weights of a circuit as NEST holds them: read and written in the description's units, with the pending pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.description.connectivity import shape_of
from salhw.description.fields import FloatArray, IntArray
from salhw.description.short_term import strengths
from salhw_nest.circuit import NestCircuit, NestWiring, Plastic
from salhw_nest.encoding import Amplitudes
from salhw_nest.pairing import Part, largest_step
from salhw_nest.pending_pairs import FORGOTTEN, SCHEMES, Pending, PendingTrains, pending, within

NEVER = -(1 << 40)  # a tick before all others
Call = Callable[..., Any]
"""Calls a function of ``salhw_nest.simulator.engine`` by name."""
Followed = Mapping[int, FloatArray]
"""What is added to the potential of each postsynaptic cell before a step, by step."""


@dataclass(frozen=True)
class History:
    """The spikes of a session so far: stamp (NEST's tick) and cell, per population; and how many steps are over."""

    steps: int
    stamp: Mapping[str, IntArray]
    cell: Mapping[str, IntArray]


class Held:
    """What NEST holds of synapses, by name: asked for once while NEST stands still, because it takes its time."""

    def __init__(self) -> None:
        self._steps, self._values = -1, dict[str, FloatArray]()

    def read(self, call: Call, steps: int, name: str, chosen: npt.NDArray[np.bool_] | None = None) -> FloatArray:
        """The weights in NEST's units after so many steps; those that are not ``chosen`` may be 0 instead."""
        if steps != self._steps:
            self._steps, self._values = steps, {}
        if name not in self._values:
            if chosen is not None and not chosen.all():
                some = np.zeros(chosen.size)
                some[chosen] = call("read_synapses", {name: np.flatnonzero(chosen)})[name]
                return some
            self._values[name] = call("read_synapses", {name: None})[name]
        return self._values[name]

    def write(self, call: Call, steps: int, new: dict[str, dict[str, FloatArray]]) -> None:
        """Let NEST hold other weights, or learn with other parameters."""
        call("write_synapses", new)
        weights = {name: parameters["weight"] for name, parameters in new.items()}
        self._steps, self._values = steps, (self._values if steps == self._steps else {}) | weights


class NestWeights:
    """Everything that a session's ``get`` and ``set`` know about one projection."""

    def __init__(
        self, circuit: NestCircuit, wiring: NestWiring, rates: list[FloatArray], sizes: tuple[int, int]
    ) -> None:
        """``rates``: the learning rate of each rule, (instance, synapse); ``sizes``: of the populations post, pre."""
        self.plan, self.wiring, self.rates = circuit.plan, wiring, rates
        self.instances = circuit.instances
        n_post, n_pre = sizes
        each = np.arange(circuit.instances)[:, None]
        self.post = (each * n_post + wiring.post).ravel()
        self.pre = (each * n_pre + wiring.pre).ravel()
        self.cells = (n_post * circuit.instances, n_pre * circuit.instances)
        self.shape = shape_of(wiring.projection.weights, n_post, n_pre)
        self._held = Held()
        self._beside = np.zeros((circuit.instances, len(wiring.post)))
        self._written, self._written_at, self._first_written = self._beside, 0, 0
        self._spikes, self._spare = 0, 0.0  # of both populations, at the last call of may_leave, which see

    # reading ------------------------------------------------------------------------------------------------------

    def read(self, call: Call, history: History) -> FloatArray:
        """The weights after all pairs so far, (instance, synapse)."""
        w = self.wiring
        if not w.plastic:
            return np.asarray(self._shaped(self._held.read(call, history.steps, w.begin)) / w.scale)
        total = np.zeros((self.instances, len(w.post)))
        for part in w.plastic:
            held = np.abs(self._held.read(call, history.steps, part.begin)) / abs(w.scale)
            after = self._pending(part, self.rates, history, held, ending=False).after(held)
            total += part.encoding.offset + np.sign(part.encoding.reach) * self._shaped(after)
        if self.unsettled:
            (part,) = w.plastic
            towards = np.sign(part.encoding.reach)
            held = ((self._written - part.encoding.offset) * towards).ravel()
            after = self._pending(part, self.rates, history, held, ending=False, since=self._written_at).after(held)
            total = np.where(self._beside == 0.0, total, part.encoding.offset + towards * self._shaped(after))
        bounds = w.plastic[0].part.rule.bounds
        return np.clip(total, *bounds) if bounds else np.asarray(total)

    def _shaped(self, values: FloatArray) -> FloatArray:
        return values.reshape(self.instances, -1)

    def _amplitudes(self, part: Part) -> Amplitudes:
        """Per synapse of an instance."""
        first, second = part.amplitudes(self.plan.tick, self.shape)
        return first.ravel()[self.wiring.position], second.ravel()[self.wiring.position]

    def _pending(
        self,
        plastic: Plastic,
        rates: list[FloatArray],
        history: History,
        held: FloatArray,
        *,
        ending: bool,
        since: int | None = None,
    ) -> Pending:
        """The pairs that NEST has still to add; or all pairs from the step ``since`` on."""
        p, part, plan = self.wiring.projection, plastic.part, self.plan
        half = self.wiring.length // 2 if ending else 0
        towards = np.sign(plastic.encoding.reach)
        first, second = ((rates[part.index] * a * towards).ravel() for a in self._amplitudes(part))
        pre = PendingTrains.of(history.cell[p.pre], history.stamp[p.pre], self.cells[1])
        post = PendingTrains.of(history.cell[p.post], history.stamp[p.post], self.cells[0])
        seen = pre.counted(plan.delivered(pre.stamp + part.axonal + half, history.steps))
        begun = pre.counted(plan.delivered(pre.stamp + part.axonal, history.steps))
        past = -1
        if since is not None:
            seen = pre.counted(pre.stamp < plan.stamp(since))
            past = plan.stamp(since) + part.dendritic - 1
        taus = (tau / plan.tick for tau in part.taus)
        reach = np.tile(np.abs(plastic.encoding.reach), self.instances)
        return Pending(
            *pending(
                SCHEMES[part.rule.pairing], self.pre, self.post, held, reach, first, second, *taus,
                pre.first, pre.stamp + part.axonal + half, post.first, post.stamp + part.dendritic + half, past, seen,
                begun,
            )
        )  # fmt: skip

    @property
    def _late(self) -> int:
        """Ticks, at most, between a spike and what a plastic synapse makes of it, but for NEST's exchange."""
        return self.wiring.length + max((x.part.axonal + x.part.dendritic for x in self.wiring.plastic), default=0)

    @property
    def _traced(self) -> int:
        """Ticks after which a spike's trace is over."""
        return ceil(
            FORGOTTEN * max((tau for x in self.wiring.plastic for tau in x.part.taus), default=0.0) / self.plan.tick
        )

    @property
    def memory(self) -> int:
        """For how many ticks the pairs of a spike may be pending that no synapse has to wait for."""
        return 2 * self._late + 2 * self.plan.min_delay + self._traced

    def waits_for(self, history: History) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
        """Which spikes of a population pending pairs depend on, however long ago they were: a plastic synapse waits for
        the next presynaptic spike with the pairs of the last. Both ends; what is written beside waits for all."""
        w, ends = self.wiring, (self.wiring.projection.pre, self.wiring.projection.post)
        if not w.plastic:
            return
        if self.unsettled:
            yield from ((name, np.ones(len(history.stamp[name]), dtype=np.bool_)) for name in ends)
            return
        (pre, post), (cell, post_cell) = ([x[name] for name in ends] for x in (history.stamp, history.cell))
        seen = self.plan.delivered(pre + self._late, history.steps)
        last = np.full(self.cells[1], NEVER)
        np.maximum.at(last, cell[seen], pre[seen])
        yield ends[0], pre >= last[cell] - self._traced
        last = last[self.pre]
        yield ends[1], within(post_cell, post, self.post, last - self._late, last + self._late + self._traced)

    def keeps_direction(self, rule: int, rates: FloatArray) -> bool:
        """Whether synapses with bounds can learn at these rates; see Encoding."""
        return all(
            plastic.encoding.keeps_direction(rates, self._amplitudes(plastic.part))
            for plastic in self.wiring.plastic
            if plastic.part.index == rule and plastic.part.rule.bounds
        )

    # the end of the room ------------------------------------------------------------------------------------------

    @property
    def room(self) -> float:
        """How large a weight without bounds can be: the parts that learn a rule together share it."""
        return min(float(part.encoding.reach.max(initial=0.0)) / 2.0 for part in self.wiring.plastic) * len(
            self.wiring.plastic
        )

    def may_leave(self, spikes: Mapping[str, int]) -> bool:
        """Whether rules without bounds could have driven a weight to the end of NEST's range since this was asked: a
        spike changes a weight by the largest trace at most. ``spikes``: of each population so far."""
        p = self.wiring.projection
        rules = {x.part.index: x.part.rule for x in self.wiring.plastic if x.part.rule.bounds is None}
        if not rules or not len(self.post):
            return False
        count = spikes[p.pre] + spikes[p.post]
        most = max(largest_step(rule, self.rates[k], self.plan.tick) for k, rule in rules.items())
        if (count - self._spikes) * most < self._spare:
            return False
        self._spikes = count
        return True

    def left(self, weights: FloatArray) -> bool:
        """Whether one of them is at the end of the range; if not, how far it is to the nearest is remembered."""
        if not self.wiring.plastic:
            return False
        self._spare = self.room - float(np.abs(weights).max(initial=0.0))
        return self._spare < 1e-6 * self.room

    # writing ------------------------------------------------------------------------------------------------------

    def write(self, call: Call, history: History, weights: FloatArray, rates: list[FloatArray]) -> Followed:
        """Make NEST hold ``weights`` (instance, synapse) as of now, and learn with ``rates`` from now on.

        Returns:
            What has to be added to the potential of each postsynaptic cell, and before which step, so that the PSPs of
            spikes that are under way follow, and end as they are.
        """
        w = self.wiring
        events = [(False, 1.0), (True, -1.0)] if w.length else [(False, 1.0)]  # whether it ends PSPs, and its sign
        # rectangular PSPs that learn follow what they end with, all others how far their weight moves
        moved = np.zeros(len(self.post)) if w.length and w.plastic else (weights - self.read(call, history)).ravel()
        new: dict[str, dict[str, FloatArray]] = {}
        taken = np.zeros(len(self.post))  # by what ends the PSPs under way, after minus before
        for plastic in w.plastic:
            encoding, part = plastic.encoding, plastic.part
            taught = rates[part.index] is not self.rates[part.index]
            learning = encoding.parameters(rates[part.index], self._amplitudes(part)) if taught else {}
            towards = np.sign(encoding.reach)
            wanted = ((weights / len(w.plastic) - encoding.offset) * towards).ravel()
            if part.rule.bounds:
                # what the pairs to come make unreachable stands beside, in the static synapse, until they have come
                goal = self._pending(plastic, rates, history, wanted, ending=bool(w.length)).reachable(wanted)
                missing = np.where(np.abs(wanted - goal) > 1e-12, wanted - goal, 0.0)
                taken += self._aside(history, towards * self._shaped(missing), encoding.offset, new)
                wanted = wanted - missing
                self._written, self._written_at = weights.copy(), history.steps
            for ending, sign in events:
                name = plastic.end if ending else plastic.begin
                held = self._pending(plastic, rates, history, wanted, ending=ending).until(wanted)
                new[name] = {key: v.ravel() for key, v in learning.items()}
                new[name]["weight"] = (sign * w.scale * towards * self._shaped(held)).ravel()
                if ending:
                    under_way = self._under_way(history, part.axonal, w.length // 2) > 0
                    was = np.abs(self._held.read(call, history.steps, name, under_way)) / abs(w.scale)
                    ends = self._pending(plastic, rates, history, held, ending=True).ended
                    change = ends - self._pending(plastic, self.rates, history, was, ending=True).ended
                    taken += (towards * self._shaped(change)).ravel()
        if not w.plastic:
            for ending, sign in events:
                new[w.end if ending else w.begin] = {"weight": (sign * w.scale * weights).ravel()}
            new |= {name: dict(new[w.begin]) for name in w.again}
        self.rates, self._first_written = rates, history.steps
        self._held.write(call, history.steps, new)
        self.left(weights)
        return self._followed(history, moved, taken)

    def _aside(
        self, history: History, beside: FloatArray, offset: FloatArray, new: dict[str, dict[str, FloatArray]]
    ) -> FloatArray:
        """Put ``beside`` (instance, synapse) into the static synapses, with ``offset``; what the PSPs under way end
        with, after minus before."""
        w = self.wiring
        change, self._beside = (beside - self._beside).ravel(), beside
        if not change.any():
            return np.zeros(len(self.post))
        for name, sign in ((w.begin, 1.0), (w.end, -1.0)):
            if name:
                new[name] = {"weight": (sign * w.scale * (offset + beside)).ravel()}
        return change * self._under_way(history, 0, w.length) if w.length else np.zeros(len(self.post))

    def _under_way(self, history: History, delay: int, length: int) -> FloatArray:
        """How many spikes of each synapse came out of what begins PSPs, ``delay`` ticks behind the neuron, and not yet
        out of what ends them, ``length`` ticks later."""
        w, plan = self.wiring, self.plan
        pre = PendingTrains.of(history.cell[w.projection.pre], history.stamp[w.projection.pre], self.cells[1])
        begun = pre.counted(plan.delivered(pre.stamp + delay, history.steps))
        ended = pre.counted(plan.delivered(pre.stamp + delay + length, history.steps))
        return np.asarray((begun - ended)[self.pre], dtype=np.float64)

    @property
    def unsettled(self) -> bool:
        """Whether a written weight is partly beside the synapse that learns; then it is written again later."""
        return bool(self._beside.any())

    def settle_at(self, steps: int) -> int | None:
        """The next step, after ``steps``, at which it is: the first, second, fourth ... after it was written, however
        time is divided into runs."""
        return self._first_written + 2 ** (steps - self._first_written).bit_length() if self.unsettled else None

    def due_to_settle(self, steps: int) -> bool:
        """Whether this is one of the steps of ``settle_at``."""
        age = steps - self._first_written
        return self.unsettled and age > 0 and age & (age - 1) == 0

    def settle(self, call: Call, history: History) -> Followed:
        """Write what is held again, after which less of it stands beside; see ``write``."""
        first = self._first_written
        followed = self.write(call, history, self.read(call, history), self.rates)
        self._first_written = first
        return followed

    def _followed(self, history: History, change: FloatArray, taken: FloatArray) -> Followed:
        """What a ``change`` of weights asks of the potentials now, or ``taken`` where PSPs that learn have ends; and
        later, of spikes that a delay keeps, which have taken the old weight along."""
        w, plan = self.wiring, self.plan
        if w.length and w.plastic:
            return {history.steps: self._onto_cells(taken)}
        pre = PendingTrains.of(history.cell[w.projection.pre], history.stamp[w.projection.pre], self.cells[1])
        cell = np.repeat(np.arange(self.cells[1]), np.diff(pre.first))
        strong = strengths(w.projection.short_term, cell, pre.stamp * plan.tick)
        followed: dict[int, FloatArray] = {}
        for sign, after in [(1.0, 0), (-1.0, w.length)] if w.length else [(1.0, 0)]:
            sent = plan.delivered(pre.stamp + after, history.steps)
            for reach in np.unique(w.reach).tolist() if change.any() else ():
                arrives = pre.stamp + after + reach
                # the last step before, from which a potential that fades reaches the tick of the arrival with its size
                step = np.maximum(-(-(arrives - plan.lead_in) // plan.per_step) - 1, history.steps)
                moved = np.where(np.tile(w.reach, len(change) // np.size(w.reach)) == reach, change, 0.0)
                for at in np.unique(step[sent]).tolist():
                    age = (plan.lead_in + plan.per_step * at - arrives) * plan.tick
                    size = strong if w.length else strong * np.exp(-age / w.projection.kernel.tau_syn)
                    size = np.where(sent & (step == at), sign * size, 0.0)
                    each = moved * np.bincount(cell, size, minlength=self.cells[1])[self.pre]
                    followed[at] = followed.get(at, np.zeros(self.cells[0])) + self._onto_cells(each)
        return followed

    def _onto_cells(self, each: FloatArray) -> FloatArray:
        """What synapses give, added up for each postsynaptic cell."""
        scale = self.wiring.scale
        return np.asarray(scale * np.bincount(self.post, each, minlength=self.cells[0]), dtype=np.float64)
