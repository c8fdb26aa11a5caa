"""Sessions: arrays (instance, neuron) and (instance, synapse), moved forward by one step of dt after the other."""

from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

import salhw
from salhw.description.connectivity import synapses
from salhw.description.fields import FloatArray
from salhw.diagnostics.arguments import folded
from salhw.session.paths import addresses, as_written, described, duration_steps, find, session_error
from salhw.session.recording import Trace

Bools = npt.NDArray[np.bool_]


class Pairs:
    """The spike pairs of one rule: what they add up to since the last update, (instance, synapse)."""

    def __init__(self, rule: salhw.PairSTDP, dt: float, shape: tuple[int, int]) -> None:
        self.rule, self.period, self.sum = rule, round((rule.period or 0.0) / dt), np.zeros(shape)
        self.fade = [np.exp(-dt / window.tau) for window in (rule.causal, rule.anticausal)]
        self.rate, self.trace = np.zeros((2, *shape)), np.zeros((2, *shape))  # traces are left by a pair's first spike

    def add(self, pre: Bools, post: Bools, last_pre: FloatArray, last_post: FloatArray) -> None:
        """The pairs that the spikes of this step form with earlier ones and with each other."""
        every = self.rule.pairing == "all"
        sides = ((post, pre, last_post, last_pre), (pre, post, last_pre, last_post))  # causal, anti-causal
        for side, (own, partner, last_own, last_partner) in enumerate(sides):
            value = trace = self.trace[side] * self.fade[side]
            if self.rule.pairing == "nearest_restricted" and own.any():  # no other spike between; a half if undefined
                value = trace * (0.5 * (last_partner > last_own) + 0.5 * (last_partner >= last_own))
            if own.any():  # simultaneous spikes: the mean over both orders
                together = (1.0 if every else 0.5) * value + 0.5
                self.sum += self.rate[side] * own * np.where(partner, together, value)
            self.trace[side] = trace * (every | ~partner) + partner


class Synapses:
    """One projection: arrays (instance, synapse), sorted by postsynaptic neuron."""

    def __init__(self, executable: salhw.Executable, p: salhw.Projection, chips: Sequence[salhw.Chip]) -> None:
        dt, place = executable.network.dt, executable.placement
        ends = [place.neurons(executable.network, name) for name in (p.post, p.pre)]
        post, pre, self.position = synapses(p.weights, len(ends[0]), len(ends[1]), p.pre == p.post)
        self.post, self.pre = ends[0][post], ends[1][pre]
        self.targets, self.first = np.unique(self.post, return_index=True)
        where = place.synapses(executable.network, p.name)
        self.gain = np.array([chip.vary("weight", np.full(len(where), p.kernel.height), where) for chip in chips])
        self.weights, self.psp, self.shape = np.zeros(self.gain.shape), np.zeros(self.gain.shape), self.gain.shape
        self.delay, self.renewed = 1 + round(p.delay / dt), p.kernel.superposition == "last"
        self.length = round(p.kernel.tau_syn / dt) if isinstance(p.kernel, salhw.Rectangular) else 0
        self.fade = np.exp(-dt / p.kernel.tau_syn)
        self.rules = [Pairs(rule, dt, self.shape) for rule in p.plasticity]
        bounds = [rule.bounds for rule in p.plasticity if rule.bounds]
        self.low = max((low for low, _ in bounds), default=-np.inf)
        self.high = min((high for _, high in bounds), default=np.inf)

    def act(self, t: int, past: Bools, u: FloatArray) -> None:
        """Add the synaptic input of step t to ``u``; the spikes of step s are in ``past[s % len(past)]``."""
        arrives = past[(t - self.delay) % len(past)][:, self.pre]
        if self.length:
            self.psp += arrives
            self.psp -= past[(t - self.delay - self.length) % len(past)][:, self.pre]
        else:
            self.psp = (self.psp * ~(arrives & self.renewed) + arrives) * self.fade
        psp = np.minimum(self.psp, 1.0) if self.renewed else self.psp
        u[:, self.targets] += np.add.reduceat(self.weights * self.gain * psp, self.first, axis=1)

    def learn(self, t: int, spikes: Bools, last: FloatArray) -> None:
        """Pairs and weight changes of step t; ``last`` are the steps of the latest spikes before it."""
        pre, post = spikes[:, self.pre], spikes[:, self.post]
        for pairs in self.rules:
            pairs.add(pre, post, last[:, self.pre], last[:, self.post])
            if pairs.rule.update == "spike":
                self.update(pairs, pre | post)
        for pairs in self.rules:
            if pairs.period and (t + 1) % pairs.period == 0:
                self.update(pairs, True)

    def update(self, pairs: Pairs, which: Bools | bool) -> None:
        """Turn a rule's pairs into weights within the bounds."""
        self.weights = np.where(which, np.clip(self.weights + pairs.sum, self.low, self.high), self.weights)
        pairs.sum[:] = 0.0


class PlainSession:
    def __init__(self, exe: salhw.Executable, chips: Sequence[salhw.Chip], ids: Sequence[int], seed: int) -> None:
        self.net, self.chips, self.ids, self.step, self.closed = exe.network, chips, tuple(ids), 0, False
        self.provenance = {"network_hash": exe.source.content_hash, "target": exe.target.name, "seed": seed}
        self.rngs = [np.random.Generator(np.random.Philox(key=(folded(seed, 64) << 64) + identity)) for identity in ids]
        self.place = {p.name: exe.placement.neurons(self.net, p.name) for p in self.net.populations}
        self.projections = {p.name: Synapses(exe, p, chips) for p in self.net.projections}
        self.addresses, self.written = addresses(self.net, exe.target), dict[str, FloatArray]()
        n, dt = sum(p.size for p in self.net.populations), self.net.dt
        self.bias, self.last = np.zeros((len(ids), n)), np.full((len(ids), n), -np.inf)
        self.odds, self.refractory, self.logistic = np.zeros(n), np.zeros(n), np.zeros(n, bool)
        for p in self.net.populations:
            if isinstance(p.neuron, salhw.GLM):  # a source has no bias, and is never refractory
                here = self.place[p.name]
                self.odds[here], self.refractory[here] = dt / p.neuron.tau_ref, round(p.neuron.tau_ref / dt)
                self.logistic[here] = p.neuron.discretisation == "logistic"
        for path, address in self.addresses.items():
            self.set(path, described(self.net, address))
        longest = max((s.delay + s.length for s in self.projections.values()), default=0)
        self.past = np.zeros((longest + 1, len(ids), n), bool)  # a ring: all spikes that still have something to do
        forced = [x for x in self.net.stimuli if isinstance(x, salhw.SpikeTimes)]
        trains = [(k, train) for x in forced for k, train in zip(self.place[x.population], x.times, strict=True)]
        self.forced = np.array([(round(t / dt), k) for k, train in trains for t in train], int).reshape(-1, 2)

    def _refuse_closed(self) -> None:
        if self.closed:
            raise session_error("SAL405", "session", "closed", "an open session", "open the executable again")

    def get(self, path: str) -> FloatArray:
        self._refuse_closed()
        address = find(self.addresses, path)
        value = self.written[path].copy()
        if address.field == "weights":  # zero between the synapses
            s, value = self.projections[address.owner], np.zeros(value.shape)
            value.reshape(len(value), -1)[:, s.position] = s.weights
        return value

    def set(self, path: str, value: npt.ArrayLike) -> None:
        self._refuse_closed()
        address = find(self.addresses, path)
        new = self.written[path] = as_written(address, value, len(self.ids), self.get).copy()
        if address.field == "bias":
            here = self.place[address.owner]
            self.bias[:, here] = [chip.vary("bias", row, here) for chip, row in zip(self.chips, new, strict=True)]
            return
        s = self.projections[address.owner]
        if address.field == "weights":
            s.weights = new.reshape(len(new), -1)[:, s.position]
            return
        for side, window in enumerate((s.rules[address.rule].rule.causal, s.rules[address.rule].rule.anticausal)):
            s.rules[address.rule].rate[side] = (new * window.amplitude).reshape(len(new), -1)[:, s.position]

    @property
    def time(self) -> float:
        return self.step * self.net.dt

    def run(self, duration: float, *, progress: Callable[[float], None] | None = None) -> salhw.Recording:
        self._refuse_closed()
        net, dt, start, count = self.net, self.net.dt, self.step, duration_steps(self.net, duration, progress)
        raster = np.zeros((len(self.ids), count, self.last.shape[1]), bool)
        every = {p.projection: round(p.every / dt) for p in net.probes if isinstance(p, salhw.Weights)}
        samples = {name: {start: self.get(f"projections.{name}.weights")} for name in every}
        states = [p.population for p in net.probes if isinstance(p, salhw.StateOccupancy)]
        occupied = {name: np.zeros((len(self.ids), 2 ** len(self.place[name])), int) for name in states}
        for t in range(start, start + count):
            raster[:, t - start] = self._advance(t)
            self.step = t + 1
            for name in (name for name in every if self.step % every[name] == 0):
                samples[name][self.step] = self.get(f"projections.{name}.weights")
            for name, seen in occupied.items():
                z = (t - self.last < self.refractory)[:, self.place[name]]
                seen[np.arange(len(z)), z @ 2 ** np.arange(z.shape[1])] += 1
        for s in self.projections.values():
            for pairs in (pairs for pairs in s.rules if pairs.rule.update == "run end"):
                s.update(pairs, True)
        trains = {}
        for name in (p.population for p in net.probes if isinstance(p, salhw.Spikes)):
            instance, step, neuron = np.nonzero(raster[:, :, self.place[name]])  # sorted as SpikeTrains wants it
            about, times = (self.ids, len(self.place[name]), start * dt, self.step * dt), (start + step) * dt
            trains[name] = salhw.SpikeTrains(*about, instance, neuron, times.astype(np.float64))
        weights = {name: Trace(np.array([*w]) * dt, np.stack([*w.values()], axis=1)) for name, w in samples.items()}
        counts = {name: raster[:, :, here].sum(axis=1) for name, here in self.place.items()}
        ends = start * dt, count * dt
        return salhw.Recording(self.ids, *ends, counts, trains, {}, weights, occupied, self.provenance)

    def _advance(self, t: int) -> Bools:
        """Step t: who spikes, all from the same state, and what follows from it."""
        u = self.bias.copy()
        for s in self.projections.values():
            s.act(t, self.past, u)
        x = np.exp(np.minimum(u, 500.0)) * self.odds
        for item in self.net.stimuli:
            if isinstance(item, salhw.Poisson) and item.start <= (t + 0.5) * self.net.dt < (item.stop or np.inf):
                x[:, self.place[item.population]] += np.asarray(item.rate) * self.net.dt / 1000.0
        chance = np.where(self.logistic, x / (1.0 + x), -np.expm1(-x))
        uniform = np.array([rng.random(len(self.odds)) for rng in self.rngs])
        spikes = (uniform < chance) & (t - self.last >= self.refractory)
        spikes[:, self.forced[self.forced[:, 0] == t, 1]] = True
        self.past[t % len(self.past)] = spikes
        for s in self.projections.values():
            s.learn(t, spikes, self.last)
        self.last[spikes] = t
        return spikes

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
