"""The engine: numbers and arrays that go to, and come from, a Python with Brian2."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

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

STRETCH = 5000  # steps per call: a second or so
VARIABLES = {"bias": "bias", "weights": "w", "learning_rate": "rate{}", "gain": "gain"}


@cache
def worker(python: str) -> Worker:
    """The one process of this interpreter, which holds many networks."""
    return Worker(python, sources={"simulator": Path(__file__).parent / "simulator"}, start_limit=120.0)


def rule_of(rule: salhw.PairSTDP, position: Any, count: int, dt: float) -> dict[str, Any]:
    """A rule in plain numbers; amplitudes per synapse."""
    update = "every" if rule.period else rule.update
    data: dict[str, Any] = {"pairing": rule.pairing, "update": update, "period": in_steps(rule.period or 0.0, dt)}
    for branch, window in (("causal", rule.causal), ("anticausal", rule.anticausal)):
        amplitude = np.ravel(window.amplitude)[position if np.ndim(window.amplitude) else 0]
        data[branch] = {"tau": window.tau, "amplitude": np.broadcast_to(amplitude, count).copy()}
    return data


def projection(net: salhw.Network, p: salhw.Projection) -> dict[str, Any]:
    """A projection in plain numbers."""
    post, pre, position = synapses(p.weights, *net.ends(p.name))
    bounds = [rule.bounds for rule in p.plasticity if rule.bounds]
    return {
        "name": p.name, "pre": p.pre, "post": p.post, "i": pre, "j": post, "delay": p.delay,
        "kernel": p.kernel.kind, "tau_syn": p.kernel.tau_syn, "last": p.kernel.superposition == "last",
        "low": max((low for low, _ in bounds), default=-np.inf),
        "high": min((high for _, high in bounds), default=np.inf),
        "rules": [rule_of(rule, position, len(post), net.dt) for rule in p.plasticity],
    }  # fmt: skip


def population(p: salhw.Population) -> dict[str, Any]:
    """A population in plain numbers."""
    own = p.neuron.model_dump(include={"tau_ref", "discretisation"})
    return {"name": p.name, "size": p.size, "kind": p.neuron.kind, **own}


class Brian2Engine:
    holds = frozenset({"weights"})

    def __init__(
        self, executable: salhw.Executable, python: str, chips: Sequence[salhw.Chip], ids: Sequence[int], seed: int
    ) -> None:
        net = self.net = executable.network
        self.place, self.chips, self.batch, self.step = executable.placement, chips, len(ids), 0
        stimuli = only(net.stimuli, salhw.SpikeTimes)
        trains = [(item.population, k, train) for item in stimuli for k, train in enumerate(item.times)]
        plan = {
            "dt": net.dt, "batch": self.batch, "seed": folded(seed, 64), "ids": list(ids),
            "populations": [population(p) for p in net.populations],
            "projections": [projection(net, p) for p in net.projections],
            "forced": [(in_steps(time, net.dt), name, k) for name, k, train in trains for time in train],
            "membranes": {p.population: p.every or net.dt for p in only(net.probes, salhw.Membrane)},
        }  # fmt: skip
        self.worker, self.key = worker(python), uuid4().hex  # a process started anew knows no key of an earlier one
        self.worker.call("simulator.network:load", self.key, plan, limit=60.0)
        for p in net.projections:
            where = self.place.synapses(net, p.name)
            heights = np.full((self.batch, len(where)), p.kernel.height)
            self.send(p.name, "gain", vary(chips, "weight", heights, where))
        for address in addresses(net, executable.target).values():
            self.write(address, initial(net, address.path, self.batch))

    def call(self, method: str, *args: Any) -> Any:
        """Call a method of this network in the simulator."""
        return self.worker.call("simulator.network:call", self.key, method, *args, limit=300.0)

    def send(self, owner: str, variable: str, value: FloatArray) -> None:
        """Let the simulator hold values; of a projection without a synapse it knows nothing."""
        if value.size:
            self.call("write", owner, variable, np.ascontiguousarray(value))

    def read(self, address: Address) -> FloatArray:
        here = self.place.synapses(self.net, address.owner)
        weights: FloatArray = self.call("read", address.owner) if len(here) else np.zeros((self.batch, 0))
        return weights

    def write(self, address: Address, value: FloatArray) -> None:
        if address.field == "bias":
            value = vary(self.chips, "bias", value, self.place.neurons(self.net, address.owner))
        self.send(address.owner, VARIABLES[address.field].format(address.rule), value)

    def begin(self, stop: int) -> None:
        self.call("begin")

    def advance(self, until: int) -> int:
        until = min(until, self.step + STRETCH)
        count: int = self.call("advance", until, self.expected(until))
        self.step = until
        return count

    def expected(self, until: int) -> Mapping[str, FloatArray]:
        """How many spikes of Poisson stimuli to expect at each step until then, (step, neuron) by population."""
        tables: dict[str, FloatArray] = {}
        for item in only(self.net.stimuli, salhw.Poisson):
            start = in_steps(item.start, self.net.dt) - self.step
            stop = until if item.stop is None else in_steps(item.stop, self.net.dt) - self.step
            size = self.net.population(item.population).size
            table = tables.setdefault(item.population, np.zeros((until - self.step, size)))
            table[max(start, 0) : max(stop, 0)] += np.asarray(item.rate) * self.net.dt / 1000.0
        return tables

    def finish(self) -> None:
        self.call("finish")

    def recorded(self) -> Recorded:
        spikes, membranes = self.call("recorded")
        rasters = {name: Raster.joined([Raster(*columns)]) for name, columns in spikes.items()}
        return Recorded(rasters, {name: TimeSeries(*columns) for name, columns in membranes.items()})

    def close(self) -> None:
        self.worker.call("simulator.network:close", self.key, limit=60.0)
