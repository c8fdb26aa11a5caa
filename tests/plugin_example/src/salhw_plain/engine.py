"""The engine: arrays (instance, neuron) and (instance, synapse), moved forward by one step of dt after the other."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

import salhw
from salhw.plugin import Address, FloatArray, Raster, Recorded, addresses, folded, initial, synapses

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
        post, pre, _ = synapses(p.weights, len(ends[0]), len(ends[1]), p.pre == p.post)
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


class PlainEngine:
    holds = frozenset({"weights"})  # everything else is what was written

    def __init__(self, exe: salhw.Executable, chips: Sequence[salhw.Chip], ids: Sequence[int], seed: int) -> None:
        self.net, self.chips, self.step = exe.network, chips, 0
        self.rngs = [np.random.Generator(np.random.Philox(key=(folded(seed, 64) << 64) + identity)) for identity in ids]
        self.place = {p.name: exe.placement.neurons(self.net, p.name) for p in self.net.populations}
        self.projections = {p.name: Synapses(exe, p, chips) for p in self.net.projections}
        n, dt = sum(p.size for p in self.net.populations), self.net.dt
        self.bias, self.last = np.zeros((len(ids), n)), np.full((len(ids), n), -np.inf)
        self.odds, self.refractory, self.logistic = np.zeros(n), np.zeros(n), np.zeros(n, bool)
        for p in self.net.populations:
            if isinstance(p.neuron, salhw.GLM):  # a source has no bias, and is never refractory
                here = self.place[p.name]
                self.odds[here], self.refractory[here] = dt / p.neuron.tau_ref, round(p.neuron.tau_ref / dt)
                self.logistic[here] = p.neuron.discretisation == "logistic"
        for address in addresses(self.net, exe.target).values():
            self.write(address, initial(self.net, address.path, len(ids)))
        longest = max((s.delay + s.length for s in self.projections.values()), default=0)
        self.past = np.zeros((longest + 1, len(ids), n), bool)  # a ring: all spikes that still have something to do
        forced = [x for x in self.net.stimuli if isinstance(x, salhw.SpikeTimes)]
        trains = [(k, train) for x in forced for k, train in zip(self.place[x.population], x.times, strict=True)]
        self.forced = np.array([(round(t / dt), k) for k, train in trains for t in train], int).reshape(-1, 2)

    def read(self, address: Address) -> FloatArray:
        return self.projections[address.owner].weights.copy()

    def write(self, address: Address, value: FloatArray) -> None:
        if address.field == "bias":
            here = self.place[address.owner]
            self.bias[:, here] = [chip.vary("bias", row, here) for chip, row in zip(self.chips, value, strict=True)]
        elif address.field == "weights":
            self.projections[address.owner].weights = value
        else:
            pairs = self.projections[address.owner].rules[address.rule]
            for side, window in enumerate((pairs.rule.causal, pairs.rule.anticausal)):
                pairs.rate[side] = value * window.amplitude

    def begin(self, stop: int) -> None:
        self.spikes: list[npt.NDArray[np.int64]] = []  # of the run: rows of step, instance, neuron

    def advance(self, until: int) -> int:
        for t in range(self.step, min(until, self.step + 1000)):
            instance, neuron = np.nonzero(self.spiking(t))
            self.spikes.append(np.stack([np.full_like(neuron, t), instance, neuron], axis=1))
            self.step = t + 1
        return sum(map(len, self.spikes))

    def spiking(self, t: int) -> Bools:
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

    def finish(self) -> None:
        for s in self.projections.values():
            for pairs in (pairs for pairs in s.rules if pairs.rule.update == "run end"):
                s.update(pairs, True)

    def recorded(self) -> Recorded:
        step, instance, neuron = np.concatenate(self.spikes).T
        rasters = {}
        for name, here in self.place.items():
            mine = (neuron >= here[0]) & (neuron <= here[-1])
            rasters[name] = Raster.joined([Raster(instance[mine], neuron[mine] - here[0], step[mine])])
        return Recorded(rasters)

    def close(self) -> None:
        pass
