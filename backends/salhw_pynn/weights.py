"""The weights of a circuit as NEST holds them: read and written in the description's units, with what NEST owes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from salhw.connectivity import shape_of
from salhw.fields import FloatArray, IntArray
from salhw_pynn.circuit import Circuit, Plastic, Wiring
from salhw_pynn.encoding import Amplitudes
from salhw_pynn.heldback import SCHEMES, Trains, owed
from salhw_pynn.pairing import Part

Call = Callable[..., Any]
"""Calls a function of ``salhw_pynn.simulator.engine`` by name."""


@dataclass(frozen=True)
class History:
    """The spikes of a session so far: stamp (NEST's tick) and cell, per population; and how many steps are over."""

    steps: int
    stamp: Mapping[str, IntArray]
    cell: Mapping[str, IntArray]


@dataclass(frozen=True)
class _Due:
    """Per synapse of a plastic part (all instances): the pairs still to be added, and the same at the ends of the PSPs
    under way."""

    change: FloatArray
    active: FloatArray
    ended: FloatArray


class Weights:
    """Everything that a session's ``get`` and ``set`` know about one projection."""

    def __init__(self, circuit: Circuit, wiring: Wiring, rates: list[FloatArray], sizes: tuple[int, int]) -> None:
        """``rates``: the learning rate of each rule, (instance, synapse); ``sizes``: of the populations post, pre."""
        self.plan, self.wiring, self.rates = circuit.plan, wiring, rates
        self.instances = circuit.instances
        n_post, n_pre = sizes
        each = np.arange(circuit.instances)[:, None]
        self.post = (each * n_post + wiring.post).ravel()
        self.pre = (each * n_pre + wiring.pre).ravel()
        self.cells = (n_post * circuit.instances, n_pre * circuit.instances)
        self.shape = shape_of(wiring.projection.weights, n_post, n_pre)

    # reading ------------------------------------------------------------------------------------------------------

    def read(self, call: Call, history: History) -> FloatArray:
        """The weights after all pairs so far, (instance, synapse)."""
        w = self.wiring
        if not w.plastic:
            return np.asarray(self._shaped(call("read_synapses", [w.on])[w.on]) / w.scale)
        held = call("read_synapses", [part.on for part in w.plastic])
        values = [
            self._shaped(held[part.on]) / w.scale + part.encoding.offset
            + self._shaped(self._due(part, self.rates, history, off=False).change)
            for part in w.plastic
        ]  # fmt: skip
        total = np.sum(values, axis=0)
        bounds = w.projection.plasticity[w.plastic[0].part.rule].bounds
        return np.clip(total, *bounds) if bounds else np.asarray(total)

    def _shaped(self, values: FloatArray) -> FloatArray:
        return values.reshape(self.instances, -1)

    def _amplitudes(self, part: Part) -> Amplitudes:
        """Per synapse of an instance."""
        rule = self.wiring.projection.plasticity[part.rule]
        causal, anticausal = part.amplitudes(rule, self.plan.tick, self.shape)
        return causal.ravel()[self.wiring.position], anticausal.ravel()[self.wiring.position]

    def _due(self, plastic: Plastic, rates: list[FloatArray], history: History, *, off: bool) -> _Due:
        p, part, plan = self.wiring.projection, plastic.part, self.plan
        rule, half = p.plasticity[part.rule], self.wiring.length // 2 if off else 0
        causal, anticausal = ((rates[part.rule] * a).ravel() for a in self._amplitudes(part))
        pre = Trains.of(history.cell[p.pre], history.stamp[p.pre], self.cells[1])
        post = Trains.of(history.cell[p.post], history.stamp[p.post], self.cells[0])
        seen = pre.counted(plan.delivered(pre.stamp + part.axonal + half, history.steps))
        begun = pre.counted(plan.delivered(pre.stamp + part.axonal, history.steps))
        taus = rule.causal.tau / plan.tick, rule.anticausal.tau / plan.tick
        return _Due(
            *owed(
                SCHEMES[rule.pairing], self.pre, self.post, causal, anticausal, *taus,
                pre.first, pre.stamp + part.axonal + half, post.first, post.stamp + part.dendritic + half, seen, begun,
            )
        )  # fmt: skip

    # writing ------------------------------------------------------------------------------------------------------

    def write(self, call: Call, history: History, weights: FloatArray, rates: list[FloatArray]) -> FloatArray:
        """Make NEST hold ``weights`` (instance, synapse) as of now, and learn with ``rates`` from now on.

        Returns:
            What has to be added to the potential of each postsynaptic cell, so that the PSPs under way follow, and end
            as they are.
        """
        w = self.wiring
        signs = [("on", 1.0), ("off", -1.0)] if w.length else [("on", 1.0)]
        before = self.read(call, history)
        new: dict[str, dict[str, FloatArray]] = {}
        taken = np.zeros(len(self.post))  # by the off events of the PSPs under way, after minus before
        for plastic in w.plastic:
            encoding, rule = plastic.encoding, plastic.part.rule
            learning = encoding.parameters(rates[rule], self._amplitudes(plastic.part))
            share = weights / len(w.plastic)
            for end, sign in signs:
                name = plastic.on if end == "on" else plastic.off
                due = self._due(plastic, rates, history, off=end == "off")
                value = encoding.values(share - self._shaped(due.change))
                new[name] = {key: v.ravel() for key, v in learning.items()}
                new[name]["weight"] = (sign * w.scale * value).ravel()
                if end == "off":
                    old = self._due(plastic, self.rates, history, off=True)
                    was = -call("read_synapses", [name])[name] / w.scale
                    taken += due.active * (value.ravel() - was) + due.ended - old.ended
        if not w.plastic:
            for end, sign in signs:
                new[w.on if end == "on" else w.off] = {"weight": (sign * w.scale * weights).ravel()}
        self.rates = rates
        call("write_synapses", new)
        return self._followed(history, (weights - before).ravel(), taken)

    def _followed(self, history: History, change: FloatArray, taken: FloatArray) -> FloatArray:
        w, plan = self.wiring, self.plan
        pre = Trains.of(history.cell[w.projection.pre], history.stamp[w.projection.pre], self.cells[1])
        if w.length and not w.plastic:
            begun = pre.counted(plan.delivered(pre.stamp, history.steps))
            taken = change * (begun - pre.counted(plan.delivered(pre.stamp + w.length, history.steps)))[self.pre]
        elif not w.length:
            now = plan.lead_in + plan.per_step * history.steps
            age = (now - pre.stamp - w.reach) * plan.tick
            tau = w.projection.kernel.tau_syn
            size = np.where(age >= 0, np.exp(-np.maximum(age, 0.0) / tau), 0.0)
            cell = np.repeat(np.arange(self.cells[1]), np.diff(pre.first))
            taken = change * np.bincount(cell, size, minlength=self.cells[1])[self.pre]
        return np.asarray(w.scale * np.bincount(self.post, taken, minlength=self.cells[0]), dtype=np.float64)
