"""The engine: numbers and arrays that go to, and come from, a Python with Brian2."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import salhw
from salhw.plugin import (
    Address,
    FloatArray,
    Raster,
    Recorded,
    TimeSeries,
    Worker,
    addresses,
    folded,
    in_steps,
    initial,
    only,
    synapses,
    vary,
)

LIMIT = 300.0  # s that a call may take
STRETCH = 5000  # steps per call: a second or so


@cache
def worker(python: str) -> Worker:
    """The one process of this interpreter: it holds many networks."""
    return Worker(python, sources={"simulator": Path(__file__).parent / "simulator"}, start_limit=120.0)


def as_data(rule: salhw.PairSTDP, position: Any, count: int, dt: float) -> dict[str, Any]:
    """A rule in plain numbers; amplitudes per synapse."""
    windows = {"causal": rule.causal, "anticausal": rule.anticausal}
    period = 0 if rule.period is None else in_steps(rule.period, dt)
    data: dict[str, Any] = {"pairing": rule.pairing, "update": rule.update.split()[0], "period": period}
    for branch, window in windows.items():
        amplitude = np.ravel(window.amplitude)[position if np.ndim(window.amplitude) else 0]
        data[branch] = {"tau": window.tau, "amplitude": np.broadcast_to(amplitude, count).copy()}
    return data


def projection(executable: salhw.Executable, p: salhw.Projection) -> dict[str, Any]:
    """A projection in plain numbers."""
    net = executable.network
    post, pre, position = synapses(p.weights, *net.ends(p.name))
    bounds = [rule.bounds for rule in p.plasticity if rule.bounds]
    return {
        "name": p.name, "pre": p.pre, "post": p.post, "i": pre, "j": post, "delay": p.delay,
        "kernel": p.kernel.kind, "tau_syn": p.kernel.tau_syn, "last": p.kernel.superposition == "last",
        "low": max((low for low, _ in bounds), default=-np.inf),
        "high": min((high for _, high in bounds), default=np.inf),
        "rules": [as_data(rule, position, len(post), net.dt) for rule in p.plasticity],
    }  # fmt: skip


def population(p: salhw.Population) -> dict[str, Any]:
    """A population in plain numbers."""
    data: dict[str, Any] = {"name": p.name, "size": p.size, "kind": p.neuron.kind}
    if isinstance(p.neuron, salhw.GLM):
        data |= {"tau_ref": p.neuron.tau_ref, "discretisation": p.neuron.discretisation}
    return data


class Brian2Engine:
    holds = frozenset({"weights"})

    def __init__(
        self, executable: salhw.Executable, python: str, chips: Sequence[salhw.Chip], ids: Sequence[int], seed: int
    ) -> None:
        self.executable, self.chips, self.batch, self.step = executable, chips, len(ids), 0
        net = self.net = executable.network
        self.worker = worker(python)
        forced = [
            (in_steps(time, net.dt), s.population, k)
            for s in only(net.stimuli, salhw.SpikeTimes)
            for k, train in enumerate(s.times)
            for time in train
        ]
        plan = {
            "dt": net.dt, "batch": self.batch, "seed": folded(seed, 64), "ids": list(ids),
            "populations": [population(p) for p in net.populations],
            "projections": [projection(executable, p) for p in net.projections],
            "forced": forced,
            "membranes": {p.population: p.every or net.dt for p in only(net.probes, salhw.Membrane)},
        }  # fmt: skip
        self.sizes = {p["name"]: len(p["i"]) for p in plan["projections"]}
        self.key = self.worker.call("simulator.network:load", plan, limit=LIMIT)
        for p in net.projections:
            where = executable.placement.synapses(net, p.name)
            heights = np.full((self.batch, len(where)), p.kernel.height)
            self.send(p.name, "gain", 0, vary(chips, "weight", heights, where))
        for address in addresses(net, executable.target).values():
            self.write(address, initial(net, address.path, self.batch))

    def call(self, function: str, *args: Any) -> Any:
        """Call a function of the simulator for this network."""
        return self.worker.call(f"simulator.network:{function}", self.key, *args, limit=LIMIT)

    def send(self, owner: str, field: str, rule: int, value: FloatArray) -> None:
        """Let the simulator hold values; of a projection without a synapse it knows nothing."""
        if value.size:
            self.call("write", owner, field, rule, np.ascontiguousarray(value))

    def read(self, address: Address) -> FloatArray:
        weights: FloatArray = (
            self.call("read_weights", address.owner) if self.sizes[address.owner] else np.zeros((self.batch, 0))
        )
        return weights

    def write(self, address: Address, value: FloatArray) -> None:
        if address.field == "bias":
            where = self.executable.placement.neurons(self.net, address.owner)
            value = vary(self.chips, "bias", value, where)
        self.send(address.owner, address.field, address.rule, value)

    def begin(self, stop: int) -> None:
        self.start = self.step
        self.call("begin")

    def advance(self, until: int) -> int:
        until = min(until, self.step + STRETCH)
        count: int = self.call("advance", until, self.expected(until))
        self.step = until
        return count

    def expected(self, until: int) -> dict[str, FloatArray]:
        """How many spikes of Poisson stimuli to expect at each step until then, (step, neuron) by population."""
        expected = {}
        for item in only(self.net.stimuli, salhw.Poisson):
            first = in_steps(item.start, self.net.dt)
            end = until if item.stop is None else in_steps(item.stop, self.net.dt)
            size = self.net.population(item.population).size
            table = expected.setdefault(item.population, np.zeros((until - self.step, size)))
            table[max(first - self.step, 0) : max(end - self.step, 0)] += np.asarray(item.rate) * self.net.dt / 1000.0
        return expected

    def finish(self) -> None:
        self.call("finish")

    def recorded(self) -> Recorded:
        spikes, membranes = self.call("recorded")
        rasters = {name: Raster.joined([Raster(*each)]) for name, each in spikes.items()}
        return Recorded(rasters, {name: TimeSeries(*each) for name, each in membranes.items()})

    def close(self) -> None:
        self.call("close")
