"""The engine of the target ``nest``: a circuit in a NEST process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.grid import in_steps
from salhw.description.kinds import only
from salhw.description.parts import rule_name
from salhw.description.probes import Membrane, SynapseVariable
from salhw.description.stimuli import Stimulus
from salhw.diagnostics.wording import number
from salhw.session.engine import initial
from salhw.session.executable import Executable
from salhw.session.host_plasticity import HostRules
from salhw.session.paths import Address, described, session_error
from salhw.session.recorder import Raster, Recorded, following
from salhw.session.recording import TimeSeries
from salhw.session.strengths import Strengths
from salhw_nest.circuit import circuit, drive_name
from salhw_nest.drive import cuts, drive, driven, triggered
from salhw_nest.meters import metering
from salhw_nest.neurons import nest_neuron
from salhw_nest.pairing import hosted
from salhw_nest.pending_pairs import FORGOTTEN
from salhw_nest.probes import metered
from salhw_nest.process import STRETCH, Process, seeded
from salhw_nest.resources import remembered
from salhw_nest.stimuli import NestStimulus, nest_stimuli, refuse_other_times
from salhw_nest.weights import Followed, History, NestWeights

FEW = 100  # spikes that are not worth forgetting


class NestEngine:
    """See salhw.session.engine.Engine. Weights are NEST's, with the pairs that it has not added yet."""

    holds = frozenset({"weights"})

    def __init__(self, executable: Executable, *, ids: Sequence[int], seed: int) -> None:
        self._net, self._target, self._batch = executable.network, executable.target, len(ids)
        net = self._net
        self._circuit = circuit(net, self._target, self._batch)
        biased = [p.name for p in net.populations if "bias" in p.neuron.offers]
        self._bias = {name: initial(net, f"populations.{name}.bias", self._batch) for name in biased}
        self._strengths = Strengths(net, seed, ids)
        self._random = np.random.default_rng(seeded(seed, ids))
        self._told: dict[str, int] = {}  # sources, and before which step they are told whether they spike
        self._weights = {name: self._weights_of(name) for name in self._circuit.wiring}
        self._hosted = {p.name: HostRules(net, p, hosted(p, self._target), self._batch) for p in net.projections}
        self._changes = sorted(cuts(net))
        cells = sum(c.size for c in self._circuit.plan.cells) * self._circuit.plan.per_step
        self._stretch = max(1, STRETCH // cells)
        self._before = {p.name: [Raster.joined([])] for p in net.populations}
        self._spiked = dict.fromkeys(self._before, 0)  # how often, since the session was opened
        self._memory, self._kept = self._depended_on(), 0
        self._start = self.step = 0
        self._arriving: dict[int, dict[str, FloatArray]] = {}  # what potentials follow later, by step and population
        self.process = Process(executable, self._circuit.plan, ids, seed)
        self.call = self.process.call

    def _weights_of(self, name: str) -> NestWeights:
        p = self._net.projection(name)
        rules = range(len(p.plasticity))
        rates = [initial(self._net, f"projections.{name}.{rule_name(p, k)}.learning_rate", self._batch) for k in rules]
        made = NestWeights(self._circuit, self._circuit.wiring[name], rates, self._net.ends(name)[:2])
        made.left(initial(self._net, f"projections.{name}.weights", self._batch))
        return made

    # reading and writing ------------------------------------------------------------------------------------------

    def read(self, address: Address) -> FloatArray:
        """See Engine."""
        return self._weights[address.owner].read(self.call, self._history())

    def write(self, address: Address, value: FloatArray) -> None:
        """See Engine."""
        stimulus = address.path.startswith("stimuli[")
        if stimulus and (generator := nest_stimuli(self._net)[address.rule]).generator:
            self._redraw(address, generator, value)
            return
        if stimulus or address.field == "bias":
            self._refuse_unforced(address, value)
            if stimulus:
                self._strengths.write(address.rule, value)
            else:
                self._bias[address.owner] = value
            self.call("write_cells", {address.owner: self._drive(address.owner, self.step)})
            return
        w, history = self._weights[address.owner], self._history()
        if address.field == "weights":
            self._write(w, history, value, w.rates)
            return
        if not w.keeps_direction(address.rule, value):
            supported, fix = "the sign it is described with, beside bounds", "describe amplitudes of the other sign"
            raise session_error("SAL403", address.path, "another sign", supported, fix)
        rates = [value if k == address.rule else rate for k, rate in enumerate(w.rates)]
        if w.wiring.plastic:
            self._write(w, history, w.read(self.call, history), rates)
        else:
            w.rates = rates

    def _redraw(self, address: Address, stimulus: NestStimulus[Stimulus], value: FloatArray) -> None:
        """Give generators other rates or spike times. The triggers of the next steps are under way already: sources do
        not wait for them, but are told whether they spike."""
        plan, population = self._circuit.plan, self._net.population(address.owner)
        if "rate" not in population.neuron.offers:
            refuse_other_times(address, population, self._strengths.trains(address.rule), value)
            return
        self._strengths.write(address.rule, value)
        if address.trains:
            points = self._strengths.trains(address.rule)
            given = np.broadcast_to(points, (self._batch, *points.shape[1:]))
        else:
            points = self._strengths.points(address.rule)
            given = np.broadcast_to(points, (self._batch, points.shape[1], population.size))
        now = plan.lead_in + plan.per_step * self.step
        self.call("write_cells", {drive_name(address.owner, address.rule): stimulus.written(given, plan, now)})
        self._told[address.owner] = self.step + plan.min_delay // plan.per_step + 2

    def _tell(self, population: str) -> dict[str, FloatArray]:
        """What sources have to hold for the next step."""
        source = nest_neuron(self._net, self._target, population)
        if self.step < self._told[population]:
            state = triggered(self._net, population, self.step, self._batch, self._strengths, self._random)
        else:
            del self._told[population]
            state = np.full((self._batch, source.population.size), -1)
        return source.told(state.ravel(), self._circuit.plan.per_step)

    def _refuse_unforced(self, address: Address, value: FloatArray) -> None:
        """A bias under which forced spikes, as they are built, would not be forced any more, or a current larger than
        the described one, which they are built to overcome."""
        if not any(s.forced and s.population == address.owner for s in nest_stimuli(self._net)):
            return
        if address.field == "bias":
            neuron, known = nest_neuron(self._net, self._target, address.owner), ""
            limit = neuron.largest_bias(self._circuit.plan.tick)
        else:
            limit, known = float(np.abs(described(self._net, address)).max(initial=0.0)), " as described"
        if (largest := float(np.abs(value).max(initial=0.0))) > limit:
            supported = f"up to {number(limit)} in size{known}, which forced spikes overcome"
            fix = f"describe the {address.field} that is to come, or leave out the forced spikes"
            raise session_error("SAL403", address.path, number(largest), supported, fix)

    def _write(self, w: NestWeights, history: History, weights: FloatArray, rates: list[FloatArray]) -> None:
        self._follow(w, w.write(self.call, history, weights, rates))

    def _follow(self, w: NestWeights, followed: Followed) -> None:
        """Let the potentials follow a written weight, now or when the spikes arrive that have left before."""
        post = w.wiring.projection.post
        if not nest_neuron(self._net, self._target, post).follows_weights:
            return
        for step, change in followed.items():
            if change.any():
                waiting = self._arriving.setdefault(step, {})
                waiting[post] = waiting.get(post, np.zeros_like(change)) + change
        self._arrive()

    def _arrive(self) -> None:
        """Add to the potentials what is due now."""
        for post, change in self._arriving.pop(self.step, {}).items():
            potential = self.call("read_cells", post, "V_m") + change
            self.call("write_cells", {post: {"V_m": potential}})

    def _history(self) -> History:
        self._forget()
        return self._joined()

    def _joined(self) -> History:
        plan = self._circuit.plan
        sizes = {p.name: p.size for p in self._net.populations}
        joined = {name: Raster.joined(rasters) for name, rasters in self._before.items()}
        self._before = {name: [raster] for name, raster in joined.items()}
        return History(
            self.step,
            {name: plan.stamp(r.step) for name, r in joined.items()},
            {name: r.instance * sizes[name] + r.neuron for name, r in joined.items()},
        )

    def _forget(self) -> None:
        """Drop spikes that nothing depends on any more, once there are twice as many as were left the last time."""
        count = sum(len(r.step) for rasters in self._before.values() for r in rasters)
        if count <= 2 * self._kept + FEW:
            return
        history = self._joined()
        needed = {name: raster.step >= self.step - self._memory for name, (raster,) in self._before.items()}
        for w in self._weights.values():
            for name, chosen in w.waits_for(history):
                needed[name] |= chosen
        self._before = {name: [raster.chosen(needed[name])] for name, (raster,) in self._before.items()}
        self._kept = sum(int(np.sum(chosen)) for chosen in needed.values())

    def _depended_on(self) -> int:
        """For how many steps everything may depend on a spike. Plastic synapses wait longer for some."""
        net, plan = self._net, self._circuit.plan
        reach = [in_steps(p.neuron.refractory_period or 0.0, net.dt) or 0 for p in net.populations]
        for w in self._circuit.wiring.values():
            p = w.projection
            decay = FORGOTTEN * p.kernel.tau_syn / net.dt
            strength = 0.0 if p.short_term is None else p.short_term.memory / net.dt
            lasts = max(w.length / plan.per_step, decay) + strength
            reach.append(ceil(np.max(w.reach, initial=0) / plan.per_step + lasts))
        reach += [ceil(w.memory / plan.per_step) for w in self._weights.values()]
        return max(reach, default=0)

    # running ------------------------------------------------------------------------------------------------------

    def begin(self, stop: int) -> None:
        """See Engine."""
        self._start, self._spikes, self._nest_time = self.step, 0, 0.0
        self._rasters: dict[str, list[Raster]] = {p.name: [] for p in self._net.populations}
        sending = {self._net.projection(probe.projection).pre for probe in only(self._net.probes, SynapseVariable)}
        self._earlier = {name: Raster.joined(self._before[name]) for name in sending}
        self._sampled: dict[str, list[dict[str, Any]]] = {meter.name: [] for meter in self._circuit.plan.meters}

    def advance(self, until: int) -> int:
        """See Engine. It stops where stimuli change, the host learns, or written weights are to be written again."""
        draw = self._strengths.next_draw(self.step, until)
        until = min([until, draw, following(self.step, self._stretch, self._start), *self._stops()])
        rasters = self._simulate(until)
        self._spikes += sum(len(raster.step) for raster in rasters.values())
        for name, rules in self._hosted.items():
            rules.see(rasters)
            self._learn(name, rules.due(until))
        for w in self._weights.values():
            if w.due_to_settle(until):
                self._follow(w, w.settle(self.call, self._history()))
        self._arrive()
        return self._spikes

    def _stops(self) -> list[int]:
        """The next steps at which stimuli change, sources are told what to do, rules of the host are due, written
        weights are written again, or spikes arrive that left before a weight was written."""
        changes = [step for step in self._changes if step > self.step][:1]
        updates = [step for rules in self._hosted.values() for step in rules.next(self.step)]
        settling = [step for w in self._weights.values() if (step := w.settle_at(self.step))]
        told = [self.step + 1 for last in self._told.values() if self.step < last]
        return changes + told + updates + settling + [*self._arriving]

    def _simulate(self, until: int) -> dict[str, Raster]:
        """Let NEST go on; the spikes of each population."""
        net, plan = self._net, self._circuit.plan
        settings = {name: self._drive(name, self.step) for name in driven(net)}
        settings |= {name: self._tell(name) for name in [*self._told]}
        results = self.call("run", until - self.step, settings, {}, 0.0)
        self.step = until
        self._nest_time += results["seconds"]
        rasters = {}
        for name, spikes in results["spikes"].items():
            size = net.population(name).size
            step = (spikes["stamp"] - plan.lead_in) // plan.per_step - 1
            rasters[name] = Raster.joined([Raster(spikes["cell"] // size, spikes["cell"] % size, step)])
            self._rasters[name].append(rasters[name])
            self._before[name].append(rasters[name])
            self._spiked[name] += len(step)
        for name, values in results["meters"].items():
            self._sampled[name].append(values | {"last": until - 1})
        return rasters

    def _drive(self, population: str, step: int) -> dict[str, FloatArray]:
        per_step, bias = self._circuit.plan.per_step, self._bias[population]
        return drive(self._net, self._target, population, step, self._batch, per_step, bias, self._strengths)

    def _learn(self, name: str, due: list[int]) -> None:
        """Let NEST's weights follow the host's rules that are due."""
        if not self._hosted[name].waiting(due):
            return
        w, history = self._weights[name], self._history()
        weights = self._hosted[name].learned(w.read(self.call, history), due, w.rates)
        self._write(w, history, weights, w.rates)

    def finish(self) -> None:
        """See Engine.

        Raises:
            SessionError: SAL403 a rule without bounds drove a weight to the end of NEST's range, which would otherwise
                be clipped in silence.
        """
        for name, rules in self._hosted.items():
            self._learn(name, rules.due_at_run_end())
        for name, w in self._weights.items():
            if w.may_leave(self._spiked) and w.left(weights := w.read(self.call, self._history())):
                supported = f"weights without bounds of up to {number(w.room)} in size"
                asked, fix = number(float(np.abs(weights).max())), "a lower learning rate, or bounds"
                raise session_error("SAL403", f"projections.{name}.weights", asked, supported, fix)
        self._forget()

    def recorded(self) -> Recorded:
        """See Engine."""
        net = self._net
        rasters = {name: Raster.joined(parts) for name, parts in self._rasters.items()}
        about, rest = (net, self._target, self._circuit), (self._strengths, self._start, self.step)
        membranes, samples = dict[str, TimeSeries](), dict[str, TimeSeries]()
        for probe, _ in metered(net):
            name = probe.population
            shown = metering(*about, probe, self._sampled, rasters[name], self._bias[name], *rest)
            where, label = (membranes, name) if isinstance(probe, Membrane) else (samples, probe.label)
            where[label] = shown
        for seen in only(net.probes, SynapseVariable):
            pre = net.projection(seen.projection).pre
            sent = Raster.joined([self._earlier[pre], rasters[pre]])
            samples[seen.label] = remembered(net, seen, sent, self._batch, self._start, self.step)
        return Recorded(rasters, membranes, samples=samples, provenance={"nest_time_s": self._nest_time})

    def close(self) -> None:
        """See Engine."""
        self.process.close()
