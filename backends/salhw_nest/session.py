"""A session of the target ``nest``: a circuit in a NEST process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, expm1
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray, IntArray
from salhw.description.grid import in_steps
from salhw.description.kinds import of_kind
from salhw.description.neurons import GLM, LIF
from salhw.description.plasticity import PairSTDP
from salhw.description.probes import Membrane
from salhw.description.stimuli import SpikeTimes
from salhw.diagnostics.wording import number
from salhw.session.closing import Closing
from salhw.session.executable import Executable
from salhw.session.host_plasticity import HostRule
from salhw.session.memory import Room
from salhw.session.paths import Address, addresses, as_written, described, duration_steps, find, session_error
from salhw.session.recorder import Raster, provenance, recording, sample_steps, stops
from salhw.session.recording import Recording, Trace
from salhw.substrate.chip import Chip
from salhw.substrate.support import on_chip
from salhw_nest.circuit import before, circuit, noise_of
from salhw_nest.drive import cuts as changes
from salhw_nest.drive import drive, drive_of, driven, forced_at
from salhw_nest.inputs import jump, strength_of
from salhw_nest.neurons import next_potential
from salhw_nest.pending_pairs import FORGOTTEN
from salhw_nest.plan import Meter, Plan
from salhw_nest.process import STRETCH, Process
from salhw_nest.weights import History, Weights


@dataclass
class Tape:
    """What a run has recorded so far: spikes by population, and what NEST's meters returned, run by run of NEST."""

    rasters: dict[str, list[Raster]]
    sampled: dict[str, list[dict[str, Any]]]

    def samples(self, plan: Plan, meter: Meter, steps: IntArray, shape: tuple[int, int], quantity: str) -> FloatArray:
        """A quantity at ``steps``, (instance, time, neuron). NEST has not given the last step's potential to the meter
        yet: it is what the cells hold."""
        values = np.full((len(steps), shape[0] * shape[1]), np.nan)
        for events in self.sampled[meter.name]:
            if quantity == "V_m" and not meter.early and len(steps):
                values[steps == events["last"]] = events["now"]
            step = (events["stamp"] + meter.early - plan.lead_in) // plan.per_step - 1
            place = np.searchsorted(steps, step)
            inside = np.isin(step, steps)
            values[place[inside], events["cell"][inside]] = events[quantity][inside]
        return np.ascontiguousarray(values.reshape(len(steps), *shape).transpose(1, 0, 2))


def spiked(spikes: Raster, steps: IntArray, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Whether there was a spike at each of the steps, (instance, time, neuron)."""
    found = np.zeros((shape[0], len(steps), shape[1]), dtype=np.bool_)
    inside = np.isin(spikes.step, steps)
    found[spikes.instance[inside], np.searchsorted(steps, spikes.step[inside]), spikes.neuron[inside]] = True
    return found


class NestSession(Closing):
    """See salhw.session.backend.Session."""

    def __init__(self, executable: Executable, *, chips: Sequence[Chip], ids: Sequence[int], seed: int) -> None:
        net = executable.network
        self.executable, self.ids = executable, tuple(ids)
        self._circuit = circuit(net, executable.target, len(ids))
        self._addresses = addresses(net, executable.target)
        self._nominal = {
            path: np.array(np.broadcast_to(described(net, a), (len(ids), *a.shape)))
            for path, a in self._addresses.items()
        }
        self._weights = {name: self._held(name) for name in self._circuit.wiring}
        self._hosted = {name: self._host_rules(name) for name in self._circuit.wiring}
        self._before = {p.name: [Raster.joined([])] for p in net.populations}
        self._step = 0
        self._provenance = provenance(executable, chips, seed, ("PyNN", "nest-simulator"))
        self._process = Process(executable, self._circuit.plan, self.ids, seed)
        self._call = self._process.call

    def _held(self, name: str) -> Weights:
        wiring = self._circuit.wiring[name]
        rates = []
        for address in self._addresses.values():
            if (address.owner, address.field) == (name, "learning_rate"):
                rates.append(self._nominal[address.path].reshape(len(self.ids), -1)[:, wiring.position])
        return Weights(self._circuit, wiring, rates, self.executable.network.ends(name)[:2])

    def _host_rules(self, name: str) -> dict[int, HostRule]:
        net, w = self.executable.network, self._circuit.wiring[name]
        return {
            k: HostRule(
                of_kind(rule, PairSTDP, "the host of nest"),
                w.post,
                w.pre,
                w.position,
                net.ends(name)[:2],
                len(self.ids),
                net.dt,
            )
            for k, rule in enumerate(w.projection.plasticity)
            if not on_chip(rule, self.executable.target)
        }

    # reading and writing ------------------------------------------------------------------------------------------

    def get(self, path: str) -> FloatArray:
        """See Session. Weights are NEST's, with the pairs that it has not added yet."""
        self._refuse_closed()
        address = find(self._addresses, path)
        if address.field != "weights":
            return self._nominal[path].copy()
        flat = np.zeros((len(self.ids), int(np.prod(address.shape))))
        w = self._weights[address.owner]
        flat[:, w.wiring.position] = w.read(self._call, self._history())
        return flat.reshape(len(self.ids), *address.shape)

    def set(self, path: str, value: npt.ArrayLike) -> None:
        """See Session."""
        self._refuse_closed()
        address = find(self._addresses, path)
        new = np.array(as_written(address, value, len(self.ids), self.get))
        if address.field == "bias":
            self._refuse_unforced(address, new)
            self._nominal[path] = new
            self._call("write_cells", {address.owner: self._drive(address.owner, self._step)})
            return
        w, history = self._weights[address.owner], self._history()
        flat = new.reshape(len(self.ids), -1)[:, w.wiring.position]
        if address.field == "weights":
            self._write(w, history, flat, w.rates)
            return
        if not w.keeps_direction(address.rule, flat):
            supported, fix = "the sign it is described with, beside bounds", "describe amplitudes of the other sign"
            raise session_error("SAL403", path, "another sign", supported, fix)
        self._nominal[path] = new
        rates = [flat if k == address.rule else rate for k, rate in enumerate(w.rates)]
        if w.wiring.plastic:
            self._write(w, history, w.read(self._call, history), rates)
        else:
            w.rates = rates

    def _refuse_unforced(self, address: Address, bias: FloatArray) -> None:
        """A bias under which the forced spikes of LIF neurons, as they are built, would not be forced any more."""
        net = self.executable.network
        population = net.population(address.owner)
        forced = any(isinstance(s, SpikeTimes) and s.population == population.name for s in net.stimuli)
        if not (forced and isinstance(population.neuron, LIF)):
            return
        tick = self._circuit.plan.tick
        limit = -0.25 * expm1(-tick / population.neuron.tau_m) * jump(net, population, tick)
        if np.abs(bias).max() > limit:
            supported = f"up to {number(limit)} in size, which forced spikes overcome"
            fix = "describe the bias that is to come, or leave out the forced spikes"
            raise session_error("SAL403", address.path, number(float(np.abs(bias).max())), supported, fix)

    def _settling(self) -> list[int]:
        """The next steps at which written weights have to be written again."""
        return [step for w in self._weights.values() if (step := w.settle_at(self._step))]

    def _settle(self) -> None:
        for w in self._weights.values():
            if w.due_to_settle(self._step):
                self._follow(w, w.settle(self._call, self._history()))

    def _write(self, w: Weights, history: History, weights: FloatArray, rates: list[FloatArray]) -> None:
        self._follow(w, w.write(self._call, history, weights, rates))

    def _follow(self, w: Weights, followed: FloatArray) -> None:
        """Let the potentials follow a written weight."""
        post = w.wiring.projection.post
        if isinstance(self.executable.network.population(post).neuron, GLM) and followed.any():
            potential = self._call("read_cells", post, "V_m") + followed
            self._call("write_cells", {post: {"V_m": potential}})

    def _history(self) -> History:
        plan = self._circuit.plan
        sizes = {p.name: p.size for p in self.executable.network.populations}
        joined = {name: Raster.joined(rasters) for name, rasters in self._before.items()}
        self._before = {name: [raster] for name, raster in joined.items()}
        return History(
            self._step,
            {name: plan.stamp(r.step) for name, r in joined.items()},
            {name: r.instance * sizes[name] + r.neuron for name, r in joined.items()},
        )

    # running ------------------------------------------------------------------------------------------------------

    @property
    def time(self) -> float:
        """Biological time in ms since the session was opened."""
        return self._step * self.executable.network.dt

    def run(self, duration: float, *, progress: Callable[[float], None] | None = None) -> Recording:
        """See Session."""
        self._refuse_closed()
        began = time.perf_counter()
        net = self.executable.network
        count = duration_steps(net, duration, progress)
        start, stop = self._step, self._step + count
        samples = sample_steps(net, start, stop)
        room = Room(net, self.executable.report.memory, len(self.ids), start, stop)
        kept = {start: self._sampled(samples[start])} if samples else {}
        tape = Tape({p.name: [] for p in net.populations}, {m.name: [] for m in self._circuit.plan.meters})
        earlier = {name: Raster.joined(found) for name, found in self._before.items()}

        def recorded() -> Recording:
            told = {"wall_time_s": time.perf_counter() - began, "biological_time_ms": (self._step - start) * net.dt}
            spikes = {name: Raster.joined(found) for name, found in tape.rasters.items()}
            membranes = {
                probe.population: self._trace(probe.population, tape, spikes[probe.population], start)
                for probe in net.probes if isinstance(probe, Membrane)
            }  # fmt: skip
            return recording(
                net, self.ids, start, self._step, spikes, before=earlier, weights=kept, membranes=membranes,
                provenance=self._provenance | told,
            )  # fmt: skip

        n_spikes = 0
        try:
            for until in stops(start, stop, *self._cuts(start, stop), samples):
                while self._step < until:
                    self._advance(min([until, *self._settling()]), tape)
                    n_spikes += sum(len(found[-1].step) for found in tape.rasters.values())
                    self._learn(self._step, {name: found[-1] for name, found in tape.rasters.items()})
                    self._settle()
                if due := samples[until]:
                    kept[until] = self._sampled(due)
                if progress:
                    progress((until - start) / count)
                if until < stop and room.full(n_spikes):
                    break
            self._learn_at_run_end()
            self._refuse_unheld()
        except BaseException as error:
            if self._step > start:
                error.recording = recorded()  # type: ignore[attr-defined]
                error.add_note(f"What was recorded up to {number(self.time)} ms is this error's attribute `recording`.")
            raise
        self._forget()
        return room.checked(recorded())

    def _refuse_unheld(self) -> None:
        """Weights without bounds live in a range of NEST's; a rule that drove them to its end is not silently clipped.

        Raises:
            SessionError: SAL403 with the first such projection.
        """
        for name, w in self._weights.items():
            if w.may_leave(self._before):
                found = w.read(self._call, self._history())
                if w.left(found):
                    supported = f"weights without bounds of up to {number(w.room)} in size"
                    fix = "a lower learning rate, or bounds"
                    asked = number(float(np.abs(found).max()))
                    raise session_error("SAL403", f"projections.{name}.weights", asked, supported, fix)

    def _cuts(self, start: int, stop: int) -> Iterator[Iterable[int]]:
        """The steps inside a run at which it has to stop: stimuli change, the host learns, and progress is told."""
        net, plan = self.executable.network, self._circuit.plan
        cells = sum(c.size for c in plan.cells) * plan.per_step
        yield range(start, stop, max(1, STRETCH // cells))
        yield sorted(changes(net))
        for rules in self._hosted.values():
            for hosted in rules.values():
                every = 1 if hosted.rule.update == "spike" else in_steps(hosted.rule.period or 0.0, net.dt)
                if every:
                    yield range(start - start % every, stop, every)

    def _advance(self, until: int, tape: Tape) -> None:
        net, plan = self.executable.network, self._circuit.plan
        settings = {name: self._drive(name, self._step) for name in driven(net)}
        found = self._call("run", until - self._step, settings, {}, 0.0)
        self._step = until
        for name, spikes in found["spikes"].items():
            size = net.population(name).size
            step = (spikes["stamp"] - plan.lead_in) // plan.per_step - 1
            raster = Raster.joined([Raster(spikes["cell"] // size, spikes["cell"] % size, step)])
            tape.rasters[name].append(raster)
            self._before[name].append(raster)
        for name, values in found["membranes"].items():
            tape.sampled[name].append(values | {"last": until - 1})

    def _drive(self, population: str, step: int) -> dict[str, FloatArray]:
        bias = self._nominal[f"populations.{population}.bias"]
        executable, per_step = self.executable, self._circuit.plan.per_step
        return drive(executable.network, executable.target, population, step, len(self.ids), per_step, bias)

    def _forget(self) -> None:
        """Drop spikes that nothing depends on any more. Plastic synapses may owe pairs with spikes long past."""
        net, plan = self.executable.network, self._circuit.plan
        plastic = [w.projection for w in self._circuit.wiring.values() if w.plastic]
        for p in net.populations:
            if any(p.name in (q.pre, q.post) for q in plastic):
                continue
            reach = [in_steps(p.neuron.refractory_period or 0.0, net.dt) or 0]
            for w in self._circuit.wiring.values():
                decay = FORGOTTEN * w.projection.kernel.tau_syn / net.dt
                reach.append(ceil(w.reach / plan.per_step + max(w.length / plan.per_step, decay)))
            raster = Raster.joined(self._before[p.name])
            self._before[p.name] = [raster.since(self._step - max(reach))]

    # the host's part ----------------------------------------------------------------------------------------------

    def _learn(self, until: int, rasters: Mapping[str, Raster]) -> None:
        for name, rules in self._hosted.items():
            p = self._circuit.wiring[name].projection
            due = []
            for k, hosted in rules.items():
                self._form_pairs(hosted, rasters[p.pre], rasters[p.post])
                period = in_steps(hosted.rule.period or 0.0, self.executable.network.dt)
                if hosted.rule.update == "spike" or (period and until % period == 0):
                    due.append(k)
            self._apply(name, due)

    def _learn_at_run_end(self) -> None:
        for name, rules in self._hosted.items():
            self._apply(name, [k for k, hosted in rules.items() if hosted.rule.update == "run end"])

    def _form_pairs(self, hosted: HostRule, pre: Raster, post: Raster) -> None:
        n_post, n_pre = hosted.sizes
        for step in np.union1d(pre.step, post.step):
            hosted.advance(int(step), self._who(pre, step, n_pre), self._who(post, step, n_post))

    def _who(self, raster: Raster, step: int, size: int) -> npt.NDArray[np.bool_]:
        spiked = np.zeros((len(self.ids), size), dtype=np.bool_)
        now = raster.step == step
        spiked[raster.instance[now], raster.neuron[now]] = True
        return spiked

    def _apply(self, name: str, due: list[int]) -> None:
        w, rules = self._weights[name], self._hosted[name]
        change = sum((w.rates[k] * rules[k].take() for k in due), np.zeros(()))
        if not np.any(change):
            return
        history = self._history()
        weights = w.read(self._call, history) + change
        for rule in w.wiring.projection.plasticity:
            if rule.bounds:
                weights = np.clip(weights, *rule.bounds)
        self._write(w, history, weights, w.rates)

    # what was recorded --------------------------------------------------------------------------------------------

    def _sampled(self, names: list[str]) -> dict[str, FloatArray]:
        return {name: self.get(f"projections.{name}.weights") for name in names}

    def _trace(self, name: str, tape: Tape, spikes: Raster, start: int) -> Trace:
        """A membrane trace of the steps since ``start``: the potential that entered the decision, without what this
        backend adds to it."""
        net, plan = self.executable.network, self._circuit.plan
        population = net.population(name)
        shape = len(self.ids), population.size
        meter = next(m for m in plan.meters if m.name == name)
        steps = np.arange(-(-start // meter.every) * meter.every, self._step, meter.every)
        values = tape.samples(plan, meter, steps, shape, "V_m")
        bias = self._nominal[f"populations.{name}.bias"]
        drives = [drive_of(net, name, int(k), bias)[0] for k in steps]
        drive = np.stack(drives, axis=1) if drives else np.zeros_like(values)
        forced = forced_at(net, name, steps)
        if isinstance(population.neuron, GLM):
            if bare := next((m for m in plan.meters if m.name == noise_of(name)), None):
                values = values - tape.samples(plan, bare, steps, shape, "V_m")
            lift = strength_of(net, self.executable.target, population)
            values = values - lift * forced + drive
        elif isinstance(population.neuron, LIF):
            early = next(m for m in plan.meters if m.name == before(name))
            was, *currents = (tape.samples(plan, early, steps, shape, q) for q in early.quantities)
            current = sum(currents) - forced * jump(net, population, plan.tick)
            crossed = next_potential(population.neuron, self._circuit.tau_syn(name), plan.tick, was, current, drive)
            values = np.where(spiked(spikes, steps, shape), crossed, values)
        return Trace((steps * net.dt).astype(np.float64), np.ascontiguousarray(values))

    # the end ------------------------------------------------------------------------------------------------------

    def _release(self) -> None:
        self._process.close()
