"""The engine of an emulated analog chip: its neurons in a NEST process, its plasticity beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.plasticity.pair_stdp import BRANCHES
from salhw.diagnostics import UnsupportedNetworkError
from salhw.session.engine import initial
from salhw.session.executable import Executable
from salhw.session.folding import reference_phase
from salhw.session.paths import Address, described, session_error
from salhw.session.recorder import Raster, Recorded, ascending, following
from salhw.session.reference_phase import phase_times
from salhw.substrate.chip import Chip
from salhw_brainscales2.circuit import circuit, generator
from salhw_brainscales2.codes import Grid
from salhw_brainscales2.host import Host
from salhw_brainscales2.neurons import cells
from salhw_brainscales2.placement import rows
from salhw_brainscales2.plasticity import Learner
from salhw_brainscales2.rules import hosted, plastic, rule_path
from salhw_brainscales2.simulation import Simulation
from salhw_brainscales2.sources import Emitter, entropy
from salhw_nest.process import STRETCH, Process
from salhw_nest.stimuli import refuse_other_times

AHEAD = 20_000  # steps for which the spikes of sources are drawn at a time

Spikes = dict[str, tuple[Raster, IntArray]]
"""Spikes of each population, and their ticks."""


class AnalogEngine:
    """See salhw.session.engine.Engine. Values are nominal: what the chip's fixed pattern makes of them is not in them.
    Weights are rounded to the chip's codes, and end at its range. Each run is a trial: thresholds are as noisy as the
    chip's are from run to run."""

    holds = frozenset({"weights"})

    def __init__(self, executable: Executable, *, chips: Sequence[Chip], ids: Sequence[int], seed: int) -> None:
        net, self._target, self._first = executable.network, executable.target, executable.placement.first
        self._net, self._batch, self._chips = net, len(ids), chips
        self._circuit, self._cells = circuit(net, self._target, executable.placement, chips), cells(net)
        self._entropy = entropy(seed, ids)
        self._bias = {name: initial(net, f"populations.{name}.bias", self._batch) for name in self._circuit.cells}
        self._weights = {p.name: initial(net, f"projections.{p.name}.weights", self._batch) for p in net.projections}
        sources = [p.name for p in net.populations if p.name not in self._circuit.cells]
        self._emitters = [Emitter(net, name, self._entropy) for name in sources]
        self._drawn: dict[str, Raster] = {}  # the spikes of sources until the step self._known
        place, tick = rows(net, self._target, executable.placement), self._circuit.plan.tick
        paths = {name: rule_path(net, self._target, name) for name in plastic(net, self._target)}
        self._learners = {
            name: Learner(
                executable, name, place, chips, self._entropy, tick, self._weights[name],
                initial(net, f"{path}.learning_rate", self._batch), self._amplitudes(path),
            )
            for name, path in paths.items()
        }  # fmt: skip
        self._hosts = {
            p.name: Host(net, self._target, p.name, self._batch) for p in net.projections if hosted(p, self._target)
        }
        size = sum(c.size for c in self._circuit.plan.cells) * self._circuit.per_step
        self._stretch = max(1, STRETCH // size)
        self._start = self._clock = self._known = self._horizon = self._runs = 0  # steps, those of phases included
        phase = reference_phase(net)
        self._times = None if phase is None else phase_times(phase, net)
        self._ahead = self._phases = 0  # steps of reference phases so far, and how many there were
        self._measured: int | None = None  # the step at which the last one was
        self.process = Process(executable, self._circuit.plan, ids, seed)
        self._call = self.process.call
        self._simulation = Simulation(net, self._circuit, self._batch, self._call)
        try:
            for name, weights in self._weights.items():
                self._hold(name, self._grid(name, weights))
        except BaseException:
            self.close()
            raise

    def _amplitudes(self, path: str) -> FloatArray:
        """Of both branches of a rule, (B, 2, S)."""
        return np.stack([initial(self._net, f"{path}.{b}.amplitude", self._batch) for b in BRANCHES], axis=1)

    @property
    def step(self) -> int:
        """See Engine."""
        return self._clock - self._ahead

    # reading and writing ------------------------------------------------------------------------------------------

    def read(self, address: Address) -> FloatArray:
        """See Engine."""
        return self._weights[address.owner].copy()

    def write(self, address: Address, value: FloatArray) -> None:
        """See Engine."""
        if address.field == "bias":
            self._bias[address.owner] = value
            self._call("write_cells", {address.owner: {"I_e": self._drive(address.owner)}})
            self._send([p.name for p in self._net.projections if p.post == address.owner])
        elif address.path.startswith("stimuli["):
            self._drive_sources(address, value)
        elif address.field == "weights":
            if address.owner in self._hosts:
                self._hosts[address.owner].forget()
            self._write_weights(address.owner, self._grid(address.owner, value))
        else:
            self._teach(address, value)

    def _drive_sources(self, address: Address, value: FloatArray) -> None:
        """Give sources other rates or spike times."""
        points = value.reshape(self._batch, *(1,) * (2 - len(address.shape)), *address.shape)
        for emitter in self._emitters:
            if emitter.name == address.owner:
                emitter.write(address.rule, points)
                return
        refuse_other_times(address, self._net.population(address.owner), described(self._net, address)[None], value)

    def remainder(self, address: Address) -> FloatArray:
        """See Remembering."""
        host = self._hosts.get(address.owner)
        return np.zeros(()) if host is None else host.kept

    def _write_weights(self, name: str, weights: FloatArray) -> None:
        """Let the chips hold weights on their grid that the host writes."""
        learner = self._learners.get(name)
        self._hold(name, learner.write(weights) if learner else weights)

    def _grid(self, name: str, weights: FloatArray) -> FloatArray:
        """The nearest weights that the chip holds."""
        return Grid.of(self._target, name).nearest(weights)

    def _hold(self, name: str, weights: FloatArray) -> None:
        """Make the emulated chips hold nominal ``weights`` (B, S)."""
        self._weights[name] = weights
        self._send([name])

    def _send(self, names: Sequence[str]) -> None:
        """Give NEST the weights of these projections, as strong as the present biases of their neurons ask for."""
        currents = {}
        for name in names:
            post = self._net.projection(name).post
            if post in self._circuit.cells and len(self._circuit.wiring[name].post):
                cell = self._cells[post]
                by_bias = cell.scale * cell.sensitivity(self._bias[post], self._net.dt)
                currents[name] = {"weight": self._circuit.wiring[name].weights(self._weights[name], by_bias)}
        if currents:
            self._call("write_synapses", currents)

    def _teach(self, address: Address, value: FloatArray) -> None:
        host = self._hosts.get(address.owner)
        if host is not None and address.rule in host.rules:
            host.teach(address, value)
            return
        learner = self._learners[address.owner]
        rates, amplitudes = learner.rates, learner.amplitudes.copy()
        if address.field == "learning_rate":
            rates = value
        else:
            amplitudes[:, BRANCHES.index(address.part)] = value
        try:
            learner.teach(rates, amplitudes)
        except UnsupportedNetworkError as error:
            f = error.diagnostics[0]
            raise session_error("SAL403", address.path, f.asked, f.supported, f.fix) from None

    def _drive(self, name: str) -> FloatArray:
        cell = self._cells[name]
        return (cell.scale * cell.drive(self._circuit.cells[name], self._bias[name], self._net.dt)).ravel()

    # running ------------------------------------------------------------------------------------------------------

    def begin(self, stop: int) -> None:
        """See Engine. Thresholds are those of a new trial."""
        self._start, self._horizon = self._clock, stop + self._ahead
        self._spikes, self._updates, self._pieces = 0, 0, 0
        self._rasters: dict[str, list[Raster]] = {p.name: [] for p in self._net.populations}
        self._simulation.nest_time = 0.0
        self._begin_trial()

    def _begin_trial(self) -> None:
        """A run on the chip begins, with thresholds of its own."""
        self._pieces += 1
        settings: dict[str, dict[str, Any]] = {}
        for k, (name, made) in enumerate(self._circuit.cells.items()):
            draws = [np.random.default_rng([e, 2, k, self._runs]).standard_normal(made.tau_m.shape[1])
                     for e in self._entropy]  # fmt: skip
            least = made.reset + 1e-3 * made.unit  # a reset above its threshold is one just below it
            thresh = np.maximum(made.noisy(self._chips, np.array(draws)), least)
            spiking = self._cells[name].thresholds(made, thresh)
            settings[name] = {field: v.ravel() for field, v in spiking.items()} | {"I_e": self._drive(name)}
        self._call("write_cells", settings)
        self._runs += 1

    def advance(self, until: int) -> int:
        """See Engine. It stops where the processor or the host works, and where the spikes of sources are known no
        further. A reference phase that is due comes before."""
        if self._times is not None:
            if self._times.due(self.step, self._measured):
                self._measure(self._times.length)
            until = self._times.stop(self.step, until)
        for name, (raster, _) in self._go(until + self._ahead).items():
            steps = Raster(raster.instance, raster.neuron, raster.step - self._ahead)
            self._rasters[name].append(steps)
            self._spikes += len(steps.step)
        return self._spikes

    def _measure(self, length: int) -> None:
        """A reference phase of so many steps: the weights are silent, and the processor counts. It begins with a period
        of its own, where an interrupted one has ended within one."""
        assert self._times is not None
        begun, run, start, updates = self._clock, self._horizon, self.step, self._updates
        counted = begun + self._times.rest(begun)
        self._horizon = counted + length
        try:
            for end in (counted, self._horizon):
                for name, learner in self._learners.items():
                    self._hold(name, learner.silence())
                while self._clock < end:
                    self._go(end)
            self._measured, self._phases = start, self._phases + 1
        finally:
            passed = self._clock - begun
            self._ahead, self._horizon, self._start = self._ahead + passed, run + passed, self._start + passed
            self._updates = updates
            for name, learner in self._learners.items():
                self._hold(name, learner.resume())

    def _go(self, until: int) -> Spikes:
        """Go on to a step of the clock, or to an earlier one: the spikes of each population, and their ticks."""
        if self._clock == self._known:
            self._emit(min(self._horizon, self._known + AHEAD))
        periods = [following(self._clock, learner.period) for learner in self._learners.values()]
        periods += [step for host in self._hosts.values() for step in host.next(self._clock)]
        until = min([until, self._known, following(self._clock, self._stretch, self._start), *periods])
        spikes = self._simulation.advance(self._clock, until)
        for name, known in self._drawn.items():
            now = (known.step >= self._clock) & (known.step < until)
            raster = Raster(known.instance[now], known.neuron[now], known.step[now])
            spikes[name] = raster, self._circuit.tick_of(raster.step)
        self._clock = until
        self._see(spikes)
        for name, learner in self._learners.items():
            if until % learner.period == 0:
                self._hold(name, learner.update())
                self._updates += 1
        updated = [self._host_learns(name, host.due(until)) for name, host in self._hosts.items()]
        if any(updated) and until < self._horizon:
            self._begin_trial()
        return spikes

    def _host_learns(self, name: str, due: list[int]) -> bool:
        """Let weights follow the host's rules that are due; whether there are any."""
        if due:
            self._write_weights(name, self._hosts[name].updated(due, self._weights[name]))
        return bool(due)

    def _emit(self, stop: int) -> None:
        """Draw the spikes of sources until ``stop``, and give them to NEST."""
        settings: dict[str, dict[str, Any]] = {}
        tick = self._circuit.plan.tick
        for emitter in self._emitters:
            self._drawn[emitter.name] = raster = emitter.spikes(self._known, stop)
            cell = raster.instance * emitter.size + raster.neuron
            order = ascending(cell, raster.step)
            maker, earlier = generator(self._net, emitter.name)
            times = np.round((self._circuit.tick_of(raster.step[order]) - earlier) * tick, 6)
            ends = np.searchsorted(cell[order], np.arange(1, emitter.size * self._batch))
            settings[maker] = {"spike_times": np.split(times, ends)}
        if settings:
            self._call("write_cells", settings)
        self._known = stop

    def _see(self, spikes: Spikes) -> None:
        """Let the sensors of synapses, and the host, see spikes."""
        each = [(self._first[p.name], *spikes[p.name]) for p in self._net.populations]
        seen = [(raster.instance, first + raster.neuron, tick) for first, raster, tick in each]
        instance, neuron, stamp = (np.concatenate(x) for x in zip(*seen, strict=True))
        for learner in self._learners.values():
            learner.see(instance, neuron, stamp)
        for host in self._hosts.values():
            host.see({name: raster for name, (raster, _) in spikes.items()})

    def finish(self) -> None:
        """See Engine."""
        for name, host in self._hosts.items():
            self._host_learns(name, host.due_at_run_end())

    def recorded(self) -> Recorded:
        """See Engine."""
        biological = (self._clock - self._start) * self._net.dt
        about = {"hardware_time_ms": biological / (self._target.speed_up or 1.0), "updates": self._updates}
        about |= {"nest_time_s": self._simulation.nest_time}
        about |= {"runs_on_the_chip": self._pieces} if self._hosts else {}
        if self._times is not None:
            about |= {"reference_phases": self._phases, "silent_ms": self._ahead * self._net.dt}
        return Recorded({name: Raster.joined(parts) for name, parts in self._rasters.items()}, provenance=about)

    def close(self) -> None:
        """See Engine."""
        self.process.close()
