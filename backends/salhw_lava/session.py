"""A session: a program in the worker, run in pieces, read and written by number."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray, IntArray
from salhw.description.grid import in_steps
from salhw.description.probes import Membrane
from salhw.diagnostics import BackendError, Diagnostic
from salhw.session.closing import Closing
from salhw.session.executable import Executable
from salhw.session.memory import Room
from salhw.session.paths import Address, addresses, as_written, described, duration_steps, find, session_error
from salhw.session.recorder import Raster, provenance, recording, sample_steps
from salhw.session.recording import Recording, Trace
from salhw.substrate.chip import Chip
from salhw.worker import Tenure, Worker
from salhw_lava.arithmetic import LARGEST_WEIGHT, arithmetic
from salhw_lava.learning import EngineLimit
from salhw_lava.program import layout, program
from salhw_lava.reach import reach
from salhw_lava.rules import achieved_rate, code_for, learning_rule, wanted_changes
from salhw_lava.words import Leak, words

HOST, ABOUT = "salhw_lava_worker.host", "salhw_lava_worker.about:versions"
OPENING, CALLING = 120.0, 30.0  # s
PER_STEP, PER_NEURON, PER_SYNAPSE = 0.05, 2e-5, 2e-7  # s per step, and per step and each: ten times what was measured


class LavaSession(Closing):
    """See salhw.session.backend.Session. ``get`` returns what the chip holds: rounded, learned."""

    def __init__(
        self, executable: Executable, worker: Worker, *, chips: Sequence[Chip], ids: Sequence[int], seed: int
    ) -> None:
        versions = _installed(worker)
        net = self.net = executable.network
        self.executable, self.ids = executable, tuple(ids)
        self.how, self.plan = arithmetic(executable.target), layout(net)
        self._words = words(executable.source, self.how)
        self._written: dict[str, FloatArray] = {}
        self._addresses = addresses(net, executable.target)
        self._rates = {path: self._full(a) for path, a in self._addresses.items() if a.field == "learning_rate"}
        made = program(executable, self.ids, seed)
        self._most, self._watched = made["steps"], made["watched"] // len(self.ids)
        synapses = sum(len(wiring.post) for wiring in self.plan.wiring.values())
        self._patience = PER_STEP + (PER_NEURON * self.plan.size + PER_SYNAPSE * synapses) * len(self.ids)
        self._step = 0
        self._before = {p.name: Raster.joined([]) for p in net.populations}
        self._number = int(worker.call(f"{HOST}:open_program", made, limit=OPENING))
        self._tenure = Tenure(worker)
        silent = [p["name"] for p in made["plastic"] if not p["learns"]]
        for name in silent:
            self._call("write", f"{name}.learns", False)
        about = provenance(executable, chips, seed, ())
        self._provenance = about | {
            "execution": executable.target.options["execution"],
            "model": self.how.model,
            "versions": about["versions"] | versions,
        }

    def _full(self, address: Address) -> FloatArray:
        value = described(self.net, address)
        return np.array(np.broadcast_to(value, (len(self.ids), *address.shape)))

    def _call(self, function: str, *args: Any, limit: float = CALLING) -> Any:
        """Call a function on this session's program.

        Raises:
            BackendError: what the worker raises; SAL604 if it died, and the program with it.
        """
        return self._tenure.call(f"{HOST}:{function}", self._number, *args, limit=limit)

    # reading and writing ------------------------------------------------------------------------------------------

    def get(self, path: str) -> FloatArray:
        """See Session."""
        self._refuse_closed()
        address = find(self._addresses, path)
        if address.field == "learning_rate":
            return self._rates[path].copy()
        if address.field == "bias":
            here = self.plan.neurons(self.net, address.owner)
            held: FloatArray = self._call("read", "bias").reshape(len(self.ids), -1)[:, here]
            lif = self._leak(address.owner)
            return lif.bias(held) if lif else held / self.how.per_bias
        flat = np.zeros((len(self.ids), int(np.prod(address.shape))))
        flat[:, self.plan.wiring[address.owner].position] = self._synapses(address.owner) / self.how.unit
        return flat.reshape(len(self.ids), *address.shape)

    def _leak(self, population: str) -> Leak | None:
        """The units of a LIF population; None for others."""
        held = self._words.get(population)
        return held if isinstance(held, Leak) else None

    def _synapses(self, name: str) -> Any:
        """The weights of a projection in the chip's units, (instance, synapse)."""
        wiring = self.plan.wiring[name]
        if wiring.first is None:
            return self._call("read", f"{name}.weights").reshape(len(self.ids), -1)
        static = self._call("read", "static").reshape(len(self.ids), -1)
        return static[:, wiring.first : wiring.first + len(wiring.post)]

    def set(self, path: str, value: npt.ArrayLike) -> None:
        """See Session. All synapses of a projection learn at one rate; instances may have it or none."""
        self._refuse_closed()
        address = find(self._addresses, path)
        new = as_written(address, value, len(self.ids), self.get)
        if address.field == "learning_rate":
            self._set_rate(address, new)
        elif address.field == "bias":
            self._refuse_beyond(path, address.owner, new, self._written)
            held = self._call("read", "bias").reshape(len(self.ids), -1)
            lif = self._leak(address.owner)
            held[:, self.plan.neurons(self.net, address.owner)] = lif.current(new) if lif else self.how.biases(new)
            self._call("write", "bias", held.reshape(-1))
        else:
            flat = new.reshape(len(self.ids), -1)
            post = self.net.projection(address.owner).post
            written = self._written | {address.owner: flat}
            if post in self._words:
                self._refuse_beyond(path, post, self.get(f"populations.{post}.bias"), written)
            self._written = written
            self._set_weights(address.owner, flat)

    def _refuse_beyond(self, path: str, population: str, bias: FloatArray, written: dict[str, FloatArray]) -> None:
        """Nothing is written with which a potential might outgrow its word.

        Raises:
            SessionError: SAL403 it might.
        """
        if not self.how.fixed:
            return
        beyond = self._words[population].beyond(bias, reach(self.net, population, self.how, written))
        if beyond:
            raise session_error("SAL403", path, beyond.asked, beyond.supported, beyond.fix)

    def _set_weights(self, name: str, flat: FloatArray) -> None:
        wiring = self.plan.wiring[name]
        held = self.how.held(flat[:, wiring.position], 1 if wiring.first is None else 2)
        if self.how.fixed:
            held = np.clip(held, -LARGEST_WEIGHT, LARGEST_WEIGHT)
        if wiring.first is None:
            self._call("write", f"{name}.weights", held.reshape(-1))
            return
        static = self._call("read", "static").reshape(len(self.ids), -1)
        static[:, wiring.first : wiring.first + len(wiring.post)] = held
        self._call("write", "static", static.reshape(-1))

    def _set_rate(self, address: Address, rates: FloatArray) -> None:
        projection = self.net.projection(address.owner)
        position = self.plan.wiring[address.owner].position
        each = rates.reshape(len(self.ids), -1)[:, position]
        wanted = np.unique(each[each != 0.0])
        rule = learning_rule(projection)
        if not each.size or not any(wanted_changes(rule, 1.0).values()):  # nothing learns: the rate is a number only
            self._rates[address.path] = rates.copy()
            return
        if len(wanted) > 1 or np.any(each != each[:, :1]):
            asked, fix = f"{len(np.unique(each))} learning rates", "one number, or zero for some instances"
            raise session_error("SAL403", address.path, asked, "one learning rate for all synapses", fix)
        held = 0.0
        if len(wanted):
            try:
                code = code_for(self.net, projection, self.how, wanted_changes(rule, float(wanted[0])))
            except EngineLimit as beyond:
                raise session_error("SAL403", address.path, beyond.asked, beyond.supported, beyond.fix) from None
            self._call("write_rule", address.owner, code.as_data())
            held = achieved_rate(rule, code)
        self._call("write", f"{address.owner}.learns", (each != 0.0).reshape(-1))
        self._rates[address.path] = np.where(rates != 0.0, held, 0.0)

    # running ------------------------------------------------------------------------------------------------------

    @property
    def time(self) -> float:
        """Biological time in ms since the session was opened."""
        return self._step * self.net.dt

    def run(self, duration: float, *, progress: Callable[[float], None] | None = None) -> Recording:
        """See Session."""
        self._refuse_closed()
        began = time.perf_counter()
        start, count = self._step, duration_steps(self.net, duration, progress)
        stop = start + count
        samples = sample_steps(self.net, start, stop)
        room = Room(self.net, self.executable.report.memory, len(self.ids), start, stop)
        kept = {start: self._sampled(samples[start])} if samples else {}
        spikes, membrane, recorded = [], [], 0
        while self._step < stop:
            steps = min(self._most, samples.after(self._step) - self._step)
            limit = CALLING + steps * self._patience
            found = self._call("run", int(steps), limit=limit)
            spikes.append((found["step"].astype(np.int64) + self._step, found["neuron"].astype(np.int64)))
            membrane.append(found["membrane"])
            self._step += steps
            recorded += len(found["step"])
            if due := samples[self._step]:
                kept[self._step] = self._sampled(due)
            if progress:
                progress((self._step - start) / count)
            if self._step < stop and room.full(recorded):
                stop = self._step
        step, neuron = (np.concatenate(parts) for parts in zip(*spikes, strict=True))
        rasters = {p.name: self._raster(p.name, step, neuron) for p in self.net.populations}
        before, self._before = self._before, self._late(rasters)
        wall = {"wall_time_s": time.perf_counter() - began, "biological_time_ms": (stop - start) * self.net.dt}
        return room.checked(recording(
            self.net, self.ids, start, stop, rasters, before=before, weights=kept,
            membranes=self._traces(start, stop, np.concatenate(membrane)), provenance=self._provenance | wall,
        ))  # fmt: skip

    def _sampled(self, names: list[str]) -> dict[str, FloatArray]:
        return {name: self.get(f"projections.{name}.weights") for name in names}

    def _raster(self, name: str, step: IntArray, neuron: IntArray) -> Raster:
        """The spikes of a population, from those of all neurons of all instances."""
        here = self.plan.neurons(self.net, name)
        instance, local = neuron // self.plan.size, neuron % self.plan.size
        mine = (local >= here.start) & (local < here.stop)
        return Raster.joined([Raster(instance[mine], local[mine] - here.start, step[mine])])

    def _late(self, rasters: dict[str, Raster]) -> dict[str, Raster]:
        """The spikes that states of the next run may still depend on."""
        late = {}
        for p in self.net.populations:
            lasts = in_steps(p.neuron.refractory_period or self.net.dt, self.net.dt) or 1
            late[p.name] = Raster.joined([self._before[p.name], rasters[p.name]]).since(self._step - lasts)
        return late

    def _traces(self, start: int, stop: int, membrane: FloatArray) -> dict[str, Trace]:
        """The membranes that were watched."""
        potentials, column = {}, 0
        for probe in self.net.probes:
            if not isinstance(probe, Membrane):
                continue
            size = self.net.population(probe.population).size
            every = in_steps(probe.every or self.net.dt, self.net.dt) or 1
            first, end = -(-start // every), -(-stop // every)
            rows = np.arange(first, end) * every - start
            seen = membrane.reshape(stop - start, len(self.ids), self._watched)[rows, :, column : column + size]
            lif, values = self._leak(probe.population), np.ascontiguousarray(seen.swapaxes(0, 1))
            values = values / lif.scale + lif.reset if lif else values / self.how.per_bias
            times = np.arange(first, end, dtype=np.float64) * (every * self.net.dt)
            potentials[probe.population] = Trace(times, values)
            column += size
        return potentials

    # the end ------------------------------------------------------------------------------------------------------

    def _release(self) -> None:
        if self._tenure.alive:
            self._call("close")


def _installed(worker: Worker) -> dict[str, str]:
    """The versions of what the worker has.

    Raises:
        BackendError: SAL603 its Python has no Lava.
    """
    found: dict[str, str] = worker.call(ABOUT, limit=CALLING)
    if not found["lava-nc"]:
        asked, fix = f"Python {found['python']} without Lava", "salhw setup loihi, or another interpreter"
        finding = Diagnostic("SAL603", "target.options.python", asked, "an interpreter with lava-nc 0.10", fix)
        raise BackendError("BackendError: Lava is not there", [finding])
    return found
