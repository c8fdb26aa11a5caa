"""The engine: arrays (instance, neuron) and (instance, synapse), moved forward by one step of dt after the other."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import salhw
from salhw.plugin import Address, FloatArray, Raster, Recorded, addresses, folded, initial, only, synapses
from salhw_plain.kinds import KERNELS, NEURONS, RULES, Bools

DRAWN = 64  # steps whose random numbers are drawn at once


class Synapses:
    """One projection: arrays (instance, synapse), sorted by postsynaptic neuron."""

    def __init__(self, executable: salhw.Executable, p: salhw.Projection, chips: Sequence[salhw.Chip]) -> None:
        dt, place = executable.network.dt, executable.placement
        ends = [place.neurons(executable.network, name) for name in (p.post, p.pre)]
        post, pre, position = synapses(p.weights, len(ends[0]), len(ends[1]), p.pre == p.post)
        self.post, self.pre = ends[0][post], ends[1][pre]
        self.targets, self.first = np.unique(self.post, return_index=True)
        where = place.synapses(executable.network, p.name)
        self.gain = np.array([chip.vary("weight", np.full(len(where), p.kernel.height), where) for chip in chips])
        self.weights = np.zeros(self.gain.shape)
        self.delay, self.psps = 1 + round(p.delay / dt), KERNELS[p.kernel](p.kernel, dt, self.gain.shape)
        self.rules = [(rule, RULES[rule](rule, position, dt, self.gain.shape)) for rule in p.plasticity]
        self.periods = [round((rule.period or 0.0) / dt) for rule in p.plasticity]
        bounds = [rule.bounds for rule in p.plasticity if rule.bounds]
        self.low = max((low for low, _ in bounds), default=-np.inf)
        self.high = min((high for _, high in bounds), default=np.inf)

    def act(self, t: int, past: Bools, u: FloatArray) -> None:
        """Add the synaptic input of step t to ``u``; the spikes of step s are in ``past[s % len(past)]``."""
        arrived, over = (past[(t - self.delay - ago) % len(past)][:, self.pre] for ago in (0, self.psps.lasts))
        psp = self.psps.act(arrived, over)
        u[:, self.targets] += np.add.reduceat(self.weights * self.gain * psp, self.first, axis=1)

    def learn(self, t: int, spikes: Bools, last: FloatArray) -> None:
        """Weight changes of step t; ``last`` are the steps of the latest spikes before it."""
        pre, post = spikes[:, self.pre], spikes[:, self.post]
        for rule, changes in self.rules:
            changes.see(pre, post, last[:, self.pre], last[:, self.post])
            if rule.update == "spike" and spikes.any():
                self.update(changes, pre | post)
        for period, (_, changes) in zip(self.periods, self.rules, strict=True):
            if period and (t + 1) % period == 0:
                self.update(changes, True)

    def update(self, changes: Any, which: Bools | bool) -> None:
        """Turn what a rule has summed up into weights within the bounds."""
        self.weights = np.where(which, np.clip(self.weights + changes.take(), self.low, self.high), self.weights)


class PlainEngine:
    holds = frozenset({"weights"})  # everything else is what was written

    def __init__(self, exe: salhw.Executable, chips: Sequence[salhw.Chip], ids: Sequence[int], seed: int) -> None:
        self.net, self.chips, self.step = exe.network, chips, 0
        self.rngs = [np.random.Generator(np.random.Philox(key=(folded(seed, 64) << 64) + identity)) for identity in ids]
        self.place = {p.name: exe.placement.neurons(self.net, p.name) for p in self.net.populations}
        self.projections = {p.name: Synapses(exe, p, chips) for p in self.net.projections}
        n, dt = sum(p.size for p in self.net.populations), self.net.dt
        self.bias, self.last = np.zeros((len(ids), n)), np.full((len(ids), n), -np.inf)
        self.cells = {p.name: NEURONS[p.neuron](p.neuron, dt) for p in self.net.populations}
        self.refractory = np.repeat([c.refractory for c in self.cells.values()], [len(k) for k in self.place.values()])
        for address in addresses(self.net, exe.target).values():
            self.write(address, initial(self.net, address.path, len(ids)))
        longest = max((s.delay + s.psps.lasts for s in self.projections.values()), default=0)
        self.past = np.zeros((longest + 1, len(ids), n), bool)  # a ring: all spikes that still have something to do
        self.forced: dict[int, list[int]] = {}  # neurons by step
        for x in only(self.net.stimuli, salhw.SpikeTimes):
            for k, train in zip(self.place[x.population], x.times, strict=True):
                for t in train:
                    self.forced.setdefault(round(t / dt), []).append(k)

    def read(self, address: Address) -> FloatArray:
        return self.projections[address.owner].weights.copy()

    def write(self, address: Address, value: FloatArray) -> None:
        if address.field == "bias":
            here = self.place[address.owner]
            self.bias[:, here] = [chip.vary("bias", row, here) for chip, row in zip(self.chips, value, strict=True)]
        elif address.field == "weights":
            self.projections[address.owner].weights = value
        else:
            self.projections[address.owner].rules[address.rule][1].teach(value)

    def begin(self, stop: int) -> None:
        self.start, self.spikes = self.step, list[npt.NDArray[np.int64]]()  # of each step of the run: instance, neuron

    def advance(self, until: int) -> int:
        for t in range(self.step, min(until, self.step + 1000)):
            self.spikes.append(np.argwhere(self.spiking(t)))
            self.step = t + 1
        return sum(map(len, self.spikes))

    def spiking(self, t: int) -> Bools:
        """Step t: who spikes, all from the same state, and what follows from it."""
        u = self.bias.copy()
        for s in self.projections.values():
            s.act(t, self.past, u)
        expected = np.zeros_like(u)
        for item in only(self.net.stimuli, salhw.Poisson):
            if item.start <= (t + 0.5) * self.net.dt < (item.stop or np.inf):
                rate = item.points[item.point(t, self.net.dt)]
                expected[:, self.place[item.population]] += rate * self.net.dt / 1000.0
        each = [self.cells[name].chance(u[:, here], expected[:, here]) for name, here in self.place.items()]
        if t % DRAWN == 0:
            self.uniform = np.array([rng.random((DRAWN, u.shape[1])) for rng in self.rngs])
        spikes = (self.uniform[:, t % DRAWN] < np.concatenate(each, axis=1)) & (t - self.last >= self.refractory)
        if t in self.forced:
            spikes[:, self.forced[t]] = True
        self.past[t % len(self.past)] = spikes
        for s in self.projections.values():
            s.learn(t, spikes, self.last)
        self.last[spikes] = t
        return spikes

    def finish(self) -> None:
        for s in self.projections.values():
            for changes in (changes for rule, changes in s.rules if rule.update == "run end"):
                s.update(changes, True)

    def recorded(self) -> Recorded:
        step = np.repeat(np.arange(self.start, self.step), [len(spikes) for spikes in self.spikes])
        instance, neuron = np.concatenate(self.spikes).T
        rasters = {}
        for name, here in self.place.items():
            mine = (neuron >= here[0]) & (neuron <= here[-1])
            rasters[name] = Raster.joined([Raster(instance[mine], neuron[mine] - here[0], step[mine])])
        return Recorded(rasters)

    def close(self) -> None:
        pass
