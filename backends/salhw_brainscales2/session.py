"""A session of an emulated analog chip: its neurons in a NEST process, its plasticity beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray, IntArray
from salhw.description.neurons import Source
from salhw.description.plasticity.pair_stdp import BRANCHES
from salhw.diagnostics import UnsupportedNetworkError
from salhw.session.closing import Closing
from salhw.session.executable import Executable
from salhw.session.memory import Room
from salhw.session.paths import Address, addresses, as_written, described, duration_steps, find, session_error
from salhw.session.recorder import Raster, provenance, recording, sample_steps, stops
from salhw.session.recording import Recording
from salhw.substrate.chip import Chip
from salhw_brainscales2.circuit import circuit
from salhw_brainscales2.hardware.processor import WEIGHT_MAX
from salhw_brainscales2.membrane import drive, sensitivity
from salhw_brainscales2.placement import rows
from salhw_brainscales2.plasticity import Learner, code, plastic
from salhw_brainscales2.sources import Emitter, forced_steps
from salhw_nest.process import STRETCH, Process, seeded

AHEAD = 20_000  # steps for which the spikes of sources are drawn at a time
ABOVE = 1e6  # a potential that crosses every threshold


def entropy(seed: int, ids: Sequence[int]) -> list[int]:
    """A number for each instance that seeds everything random beside NEST."""
    return [int(seeded(seed, [i]).generate_state(1)[0]) >> 1 for i in ids]


class AnalogSession(Closing):
    """See salhw.session.backend.Session."""

    def __init__(self, executable: Executable, *, chips: Sequence[Chip], ids: Sequence[int], seed: int) -> None:
        net = executable.network
        self.executable, self.ids, self.chips = executable, tuple(ids), tuple(chips)
        self._circuit = circuit(net, executable.placement, chips)
        self._addresses = addresses(net, executable.target)
        self._nominal = {
            path: np.array(np.broadcast_to(described(net, a), (len(ids), *a.shape)))
            for path, a in self._addresses.items()
        }
        self._entropy = entropy(seed, self.ids)
        self._step, self._runs = 0, 0
        self._emitters = [Emitter(net, p.name, self._entropy) for p in net.populations
                          if isinstance(p.neuron, Source)]  # fmt: skip
        self._forced = forced_steps(net, self._circuit.cells)
        self._last = {name: np.full(made.tau_m.size, -(1 << 40)) for name, made in self._circuit.cells.items()}
        self._before = {p.name: [Raster.joined([])] for p in net.populations}
        place = rows(net, executable.placement)
        self._learners = {
            name: Learner(
                executable, name, place, chips, self._entropy, self._circuit.plan.tick,
                self._flat(name, "weights"), self._flat(name, "learning_rate"), self._amplitudes(name),
            )
            for name in plastic(net)
        }  # fmt: skip
        self._provenance = provenance(executable, chips, seed, ("PyNN", "nest-simulator"))
        self._process = Process(executable, self._circuit.plan, self.ids, seed)
        self._call = self._process.call
        try:
            for p in net.projections:
                self._write(p.name, self._grid(p.name, self._flat(p.name, "weights")))
        except BaseException:
            self._process.close()
            raise

    # reading and writing ------------------------------------------------------------------------------------------

    def _address(self, name: str, field: str) -> Address:
        return next(a for a in self._addresses.values() if (a.owner, a.field) == (name, field))

    def _on_synapses(self, address: Address) -> FloatArray:
        """What is nominally held, per synapse, (B, S)."""
        whole = self._nominal.get(address.path, described(self.executable.network, address)[None])
        flat = np.broadcast_to(whole, (len(self.ids), *address.shape)).reshape(len(self.ids), -1)
        return np.array(flat[:, self._circuit.wiring[address.owner].position])

    def _flat(self, name: str, field: str) -> FloatArray:
        return self._on_synapses(self._address(name, field))

    def _amplitudes(self, name: str) -> FloatArray:
        """Of both branches, (B, 2, S)."""
        rate = self._address(name, "learning_rate")
        stem = rate.path.removesuffix("learning_rate")
        each = [replace(rate, path=f"{stem}{b}.amplitude", field="amplitude", part=b) for b in BRANCHES]
        return np.stack([self._on_synapses(address) for address in each], axis=1)

    def _grid(self, name: str, weights: FloatArray) -> FloatArray:
        """The nearest weights that the chip holds."""
        step = code(self.executable.target.scaled_for(name))
        if self.executable.target.weight_bits is None:
            return np.clip(weights, -WEIGHT_MAX * step, WEIGHT_MAX * step)
        return np.asarray(np.clip(np.rint(weights / step), -WEIGHT_MAX, WEIGHT_MAX) * step + 0.0)

    def _write(self, name: str, weights: FloatArray) -> None:
        """Make the emulated chips hold nominal ``weights`` (B, S)."""
        wiring = self._circuit.wiring[name]
        held = self._nominal[self._address(name, "weights").path]
        held.reshape(len(self.ids), -1)[:, wiring.position] = weights
        self._send([name])

    def _send(self, names: Sequence[str]) -> None:
        """Tell NEST the weights of these projections, as strong as the present biases of their neurons ask for."""
        net, currents = self.executable.network, {}
        for name in names:
            population = net.population(net.projection(name).post)
            if population.name in self._circuit.cells and len(self._circuit.wiring[name].post):
                by_bias = sensitivity(population, self._nominal[f"populations.{population.name}.bias"], net.dt)
                held = self._on_synapses(self._address(name, "weights"))
                currents[name] = {"weight": self._circuit.wiring[name].weights(held, by_bias)}
        if currents:
            self._call("write_synapses", currents)

    def get(self, path: str) -> FloatArray:
        """See Session. Weights are nominal: what the chip's fixed pattern makes of them is not in them."""
        self._refuse_closed()
        return self._nominal[find(self._addresses, path).path].copy()

    def set(self, path: str, value: npt.ArrayLike) -> None:
        """See Session. Weights are rounded to the chip's codes, and end at its range."""
        self._refuse_closed()
        address = find(self._addresses, path)
        new = np.array(as_written(address, value, len(self.ids), self.get))
        if address.field == "bias":
            self._nominal[path] = new
            self._call("write_cells", {address.owner: {"I_e": self._drive(address.owner)}})
            self._send([p.name for p in self.executable.network.projections if p.post == address.owner])
            return
        flat = new.reshape(len(self.ids), -1)[:, self._circuit.wiring[address.owner].position]
        if address.field in ("learning_rate", "amplitude"):
            self._teach(address, new)
        elif address.owner in self._learners:
            self._write(address.owner, self._learners[address.owner].write(self._grid(address.owner, flat)))
        else:
            self._write(address.owner, self._grid(address.owner, flat))

    def _teach(self, address: Address, new: FloatArray) -> None:
        before, self._nominal[address.path] = self._nominal[address.path], new
        try:
            learner = self._learners[address.owner]
            learner.teach(self._flat(address.owner, "learning_rate"), self._amplitudes(address.owner))
        except UnsupportedNetworkError as error:
            self._nominal[address.path] = before
            f = error.diagnostics[0]
            raise session_error("SAL403", address.path, f.asked, f.supported, f.fix) from None

    def _drive(self, name: str) -> FloatArray:
        population = self.executable.network.population(name)
        return drive(
            population, self._circuit.cells[name], self._nominal[f"populations.{name}.bias"], self.executable.network.dt
        ).ravel()

    # running ------------------------------------------------------------------------------------------------------

    @property
    def time(self) -> float:
        """Biological time in ms since the session was opened."""
        return self._step * self.executable.network.dt

    def run(self, duration: float, *, progress: Callable[[float], None] | None = None) -> Recording:
        """See Session. Each run is a trial: thresholds are as noisy as the chip's are from run to run."""
        self._refuse_closed()
        began = time.perf_counter()
        net = self.executable.network
        count = duration_steps(net, duration, progress)
        start, stop = self._step, self._step + count
        samples = sample_steps(net, start, stop)
        room = Room(net, self.executable.report.memory, len(self.ids), start, stop)
        kept = {start: self._sampled(samples[start])} if samples else {}
        rasters: dict[str, list[Raster]] = {p.name: [] for p in net.populations}
        before = {name: Raster.joined(found) for name, found in self._before.items()}
        self._begin()
        known, recorded = start, 0  # the spikes of sources are known until then
        for until in stops(start, stop, *self._cuts(start, stop), samples):
            if self._step == known:
                known = min(stop, known + AHEAD)
                self._emit(self._step, known, rasters)
            self._advance(until, rasters)
            recorded = sum(len(raster.step) for found in rasters.values() for raster in found)
            for name, learner in self._learners.items():
                if until % learner.period == 0:
                    self._write(name, learner.update())
            if due := samples[until]:
                kept[until] = self._sampled(due)
            if progress:
                progress((until - start) / count)
            if until < stop and until == known and room.full(recorded):
                stop = until
                break
        self._before = {name: [Raster.joined(found).since(stop - 100_000)] for name, found in rasters.items()}
        biological = (stop - start) * net.dt
        told = {
            "wall_time_s": time.perf_counter() - began, "biological_time_ms": biological,
            "hardware_time_ms": biological / (self.executable.target.speed_up or 1.0),
            "updates": sum(stop // x.period - start // x.period for x in self._learners.values()),
        }  # fmt: skip
        return room.checked(recording(
            net, self.ids, start, stop, {name: Raster.joined(found) for name, found in rasters.items()},
            before=before, weights=kept, membranes={}, provenance=self._provenance | told,
        ))  # fmt: skip

    def _begin(self) -> None:
        """Thresholds of a new trial."""
        settings: dict[str, dict[str, Any]] = {}
        for k, (name, made) in enumerate(self._circuit.cells.items()):
            draws = [np.random.default_rng([e, 2, k, self._runs]).standard_normal(made.tau_m.shape[1])
                     for e in self._entropy]  # fmt: skip
            least = made.reset + 1e-3 * made.unit  # a reset above its threshold is one just below it
            thresh = np.maximum(made.noisy(self.chips, np.array(draws)), least)
            settings[name] = {"V_th": thresh.ravel(), "I_e": self._drive(name)}
        self._call("write_cells", settings)
        self._runs += 1

    def _emit(self, start: int, stop: int, rasters: dict[str, list[Raster]]) -> None:
        """Give NEST the spikes of sources in some of a run's steps."""
        settings: dict[str, dict[str, Any]] = {}
        tick = self._circuit.plan.tick
        for emitter in self._emitters:
            raster = emitter.spikes(start, stop)
            rasters[emitter.name].append(raster)
            cell = raster.instance * emitter.size + raster.neuron
            order = np.lexsort((raster.step, cell))
            times = np.round(self._circuit.tick_of(raster.step[order]) * tick, 6)
            ends = np.searchsorted(cell[order], np.arange(1, emitter.size * len(self.ids)))
            settings[emitter.name] = {"spike_times": np.split(times, ends)}
        if settings:
            self._call("write_cells", settings)

    def _cuts(self, start: int, stop: int) -> Iterator[Iterable[int]]:
        """The steps inside a run at which the processor works, sources are told their spikes, and progress is told."""
        plan = self._circuit.plan
        cells = sum(c.size for c in plan.cells) * self._circuit.per_step
        yield range(start, stop, max(1, STRETCH // cells))
        yield range(start, stop, AHEAD)
        for learner in self._learners.values():
            yield range(start - start % learner.period, stop, learner.period)

    def _advance(self, until: int, rasters: dict[str, list[Raster]]) -> None:
        """Run to the beginning of a step; forced spikes come at the last tick of theirs."""
        first, ticks = self._step, self._now(self._step)
        found: dict[str, list[tuple[IntArray, IntArray]]] = {name: [] for name in self._circuit.cells}
        raised: dict[str, IntArray] = {}
        for step in sorted(s for s in self._forced if first <= s < until):
            self._simulate(self._now(step + 1) - 1 - ticks, raised, found)
            ticks = self._now(step + 1) - 1
            raised = {name: self._ready(name, cells, ticks) for name, cells in self._forced[step].items()}
        self._simulate(self._now(until) - ticks, raised, found)
        self._step = until
        net, place = self.executable.network, self.executable.placement
        seen: list[tuple[IntArray, IntArray, IntArray]] = []
        for p in net.populations:
            if p.name in found:
                stamp, cell = (
                    np.concatenate([np.zeros(0, dtype=np.int64), *(f[k] for f in found[p.name])]) for k in (0, 1)
                )
                raster = Raster(cell // p.size, cell % p.size, self._circuit.step_of(stamp))
                rasters[p.name].append(raster)
            else:
                whole = rasters[p.name][-1]
                now = (whole.step >= first) & (whole.step < until)
                raster = Raster(whole.instance[now], whole.neuron[now], whole.step[now])
                stamp = self._circuit.tick_of(raster.step)
            seen.append((raster.instance, place.first[p.name] + raster.neuron, stamp))
        instance, neuron, stamp = (np.concatenate(x) for x in zip(*seen, strict=True))
        for learner in self._learners.values():
            learner.see(instance, neuron, stamp)

    def _now(self, step: int) -> int:
        """Ticks that have passed when ``step`` begins."""
        return int(self._circuit.tick_of(step)) - self._circuit.per_step

    def _simulate(
        self, ticks: int, raised: dict[str, IntArray], found: dict[str, list[tuple[IntArray, IntArray]]]
    ) -> None:
        """Run after ``raised`` cells were lifted above all thresholds."""
        if not ticks:
            return
        for name, spikes in self._call("run", ticks, {}, raised, ABOVE)["spikes"].items():
            found[name].append((spikes["stamp"], spikes["cell"]))
            np.maximum.at(self._last[name], spikes["cell"], spikes["stamp"])

    def _ready(self, name: str, cells: IntArray, ticks: int) -> IntArray:
        """Neurons (of one instance) in the batch that are not refractory, ascending."""
        size = self.executable.network.population(name).size
        index = (np.arange(len(self.ids))[:, None] * size + cells).ravel()
        dead = round(self._circuit.cells[name].refractory / self._circuit.plan.tick)
        return np.asarray(index[self._last[name][index] + dead <= ticks + 1])

    def _sampled(self, names: list[str]) -> dict[str, FloatArray]:
        return {name: self.get(f"projections.{name}.weights") for name in names}

    # the end ------------------------------------------------------------------------------------------------------

    def _release(self) -> None:
        self._process.close()
