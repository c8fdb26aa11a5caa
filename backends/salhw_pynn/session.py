"""A session of the target ``nest``: a circuit in a NEST process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.chip import Chip
from salhw.closing import Closing
from salhw.compile.check import on_chip
from salhw.compile.executable import Executable
from salhw.fields import FloatArray, in_steps
from salhw.host_plasticity import HostRule
from salhw.memory import Room
from salhw.network import tau_ref_of
from salhw.neurons import GLM
from salhw.paths import addresses, as_written, described, duration_steps, find
from salhw.recorder import Raster, provenance, recording, sample_steps, stops
from salhw.recording import Recording, Trace
from salhw_pynn.circuit import circuit
from salhw_pynn.drive import cuts as changes
from salhw_pynn.drive import drive, drive_of, driven
from salhw_pynn.heldback import FORGOTTEN
from salhw_pynn.process import STRETCH, Process
from salhw_pynn.weights import History, Weights


class NestSession(Closing):
    """See salhw.backend.Session."""

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
            k: HostRule(rule, w.post, w.pre, w.position, net.ends(name)[:2], len(self.ids), net.dt)
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
            self._nominal[path] = new
            self._call("write_cells", {address.owner: self._drive(address.owner, self._step)})
            return
        w, history = self._weights[address.owner], self._history()
        flat = new.reshape(len(self.ids), -1)[:, w.wiring.position]
        if address.field == "weights":
            self._write(w, history, flat, w.rates)
            return
        self._nominal[path] = new
        rates = [flat if k == address.rule else rate for k, rate in enumerate(w.rates)]
        if w.wiring.plastic:
            self._write(w, history, w.read(self._call, history), rates)
        else:
            w.rates = rates

    def _write(self, w: Weights, history: History, weights: FloatArray, rates: list[FloatArray]) -> None:
        followed = w.write(self._call, history, weights, rates)
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
        rasters: dict[str, list[Raster]] = {p.name: [] for p in net.populations}
        membranes: dict[str, list[dict[str, Any]]] = {name: [] for name in self._circuit.plan.membranes}
        before = {name: Raster.joined(found) for name, found in self._before.items()}
        recorded = 0
        for until in stops(start, stop, *self._cuts(start, stop), samples):
            self._advance(until, rasters, membranes)
            recorded += sum(len(found[-1].step) for found in rasters.values())
            self._learn(until, {name: found[-1] for name, found in rasters.items()})
            if due := samples[until]:
                kept[until] = self._sampled(due)
            if progress:
                progress((until - start) / count)
            if until < stop and room.full(recorded):
                stop = until
                break
        self._learn_at_run_end()
        self._forget()
        wall = time.perf_counter() - began
        return room.checked(recording(
            net, self.ids, start, stop, {name: Raster.joined(found) for name, found in rasters.items()},
            before=before, weights=kept,
            membranes={name: self._trace(name, found, start, stop) for name, found in membranes.items()},
            provenance=self._provenance | {"wall_time_s": wall, "biological_time_ms": (stop - start) * net.dt},
        ))  # fmt: skip

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

    def _advance(
        self, until: int, rasters: dict[str, list[Raster]], membranes: dict[str, list[dict[str, Any]]]
    ) -> None:
        net, plan = self.executable.network, self._circuit.plan
        settings = {name: self._drive(name, self._step) for name in driven(net)}
        found = self._call("run", until - self._step, settings, {}, 0.0)
        self._step = until
        for name, spikes in found["spikes"].items():
            size = net.population(name).size
            step = (spikes["stamp"] - plan.lead_in) // plan.per_step - 1
            raster = Raster.joined([Raster(spikes["cell"] // size, spikes["cell"] % size, step)])
            rasters[name].append(raster)
            self._before[name].append(raster)
        for name, values in found["membranes"].items():
            membranes[name].append(values)

    def _drive(self, population: str, step: int) -> dict[str, FloatArray]:
        bias = self._nominal[f"populations.{population}.bias"]
        net, per_step = self.executable.network, self._circuit.plan.per_step
        return drive(net, population, step, len(self.ids), per_step, bias)

    def _forget(self) -> None:
        """Drop spikes that nothing depends on any more. Plastic synapses may owe pairs with spikes long past."""
        net, plan = self.executable.network, self._circuit.plan
        plastic = [w.projection for w in self._circuit.wiring.values() if w.plastic]
        for p in net.populations:
            if any(p.name in (q.pre, q.post) for q in plastic):
                continue
            reach = [in_steps(tau_ref_of(p) or 0.0, net.dt) or 0]
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

    def _trace(self, name: str, found: list[dict[str, Any]], start: int, stop: int) -> Trace:
        """A membrane trace; the last sample is still in NEST's exchange interval, and is what its cells hold."""
        net, plan = self.executable.network, self._circuit.plan
        population, every = net.population(name), plan.membranes[name]
        steps = np.arange(-(-start // every) * every, stop, every)
        cells = population.size * len(self.ids)
        values = np.full((len(steps), cells), np.nan)
        for events in found:
            step = (events["stamp"] - plan.lead_in) // plan.per_step - 1
            inside = (step >= start) & (step < stop)
            values[(step[inside] - steps[:1]) // every, events["cell"][inside]] = events["value"][inside]
        missing = np.flatnonzero(np.isnan(values).any(axis=1))
        if len(missing):
            values[missing] = self._call("read_cells", name, "V_m")
        bias = self._nominal[f"populations.{name}.bias"]
        potential = values.reshape(len(steps), len(self.ids), population.size).transpose(1, 0, 2)
        if isinstance(population.neuron, GLM):
            potential = potential + np.stack([drive_of(net, name, int(k), bias)[0] for k in steps], axis=1)
        return Trace((steps * net.dt).astype(np.float64), np.ascontiguousarray(potential))

    # the end ------------------------------------------------------------------------------------------------------

    def _release(self) -> None:
        self._process.close()
