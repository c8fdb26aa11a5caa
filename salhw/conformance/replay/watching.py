"""What probes of variables must show, and how far a target may be off in it (docs/semantics.md, "Variables")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from salhw.conformance.replay.cells import CELLS
from salhw.conformance.replay.trains import Bools, found_by_spikes
from salhw.description.fields import FloatArray
from salhw.description.kinds import only
from salhw.description.probes import SynapseVariable, Variable

Shown = dict[str, FloatArray]
"""By the label of the probe, (instance, neuron or synapse)."""
Sums = Mapping[str | float, FloatArray]
"""What the inputs of a population add up to, by name; see ``Oracle._inputs``."""


class Watched:
    """The probes of variables in the network of an ``oracle``, which is a session's Oracle. Of what synapses add up to
    it remembers the most, in size, that there has been, of which a target may be off by a share."""

    def __init__(self, oracle: Any) -> None:
        self._oracle, self._most = oracle, Shown()
        self._found: dict[str, tuple[Bools, Shown]] = {}

    def shown(self, t: int, through: Mapping[str, Sums]) -> tuple[Shown, Shown]:
        """What the probes must show at step t, when decisions are made, and how far a target may be off; ``through``:
        the sums of inputs of each population."""
        oracle, values, unsure = self._oracle, Shown(), Shown()
        for probe in only(oracle.net.probes, Variable):
            cell = CELLS[oracle.net.population(probe.population).neuron]
            seen = self._remembered if probe.of in cell.variables else self._summed
            values[probe.label], unsure[probe.label] = seen(probe, t, through[probe.population])
        for of in only(oracle.net.probes, SynapseVariable):
            values[of.label] = self._of_synapses(of)[:, t, oracle.ends[of.projection][1]]
            unsure[of.label] = np.zeros_like(values[of.label])
        return values, unsure

    def _of_synapses(self, probe: SynapseVariable) -> FloatArray:
        """A variable of short-term plasticity, (instance, step, presynaptic neuron), worked out once for all steps."""
        p = self._oracle.net.projection(probe.projection)
        spikes, known = self._oracle.spikes[p.pre], self._found.get(p.name)
        if known is None or known[0] is not spikes:
            known = self._found[p.name] = spikes, found_by_spikes(p, spikes, self._oracle.dt)
        return known[1][probe.of]

    def _remembered(self, probe: Variable, t: int, sums: Sums) -> tuple[FloatArray, FloatArray]:
        """A variable of the neurons' own; nothing is known of one that multiplies what PSPs under way are off by."""
        oracle, name = self._oracle, probe.population
        neuron = oracle.net.population(name).neuron
        cell, spiked = CELLS[neuron], oracle.spikes[name][:, t]
        value, off = cell.variables[probe.of](neuron, oracle.cells[name], spiked, oracle.off(name))
        blown_up = cell.amplifies and oracle.slack[name].lag > 0.0
        return value, np.where(blown_up & (oracle.doubts.followed[name] > 0.0), np.inf, off)

    def _summed(self, probe: Variable, t: int, sums: Sums) -> tuple[FloatArray, FloatArray]:
        """What synapses add up to: all, those into one input before its gain, or the conductance of one projection."""
        oracle, slack, (quantity, _, part) = self._oracle, self._oracle.slack[probe.population], probe.of.partition(".")
        conducts = quantity == "conductance"
        each = [q for q in oracle.net.projections if q.post == probe.population and (q.e_rev is not None) == conducts]
        onto = [q for q in each if part in ("", q.name if conducts else q.into)]
        nothing = np.zeros_like(sums["g"])
        value = sum((oracle.given[q.name] for q in onto), start=nothing) if conducts else sums[probe.of]
        off = nothing
        for q in onto:
            gain = oracle.gain(q.post, q.into) if part and not conducts else 1.0
            with np.errstate(divide="ignore", invalid="ignore"):
                given, lagging = (np.abs(of[q.name] / gain) for of in (oracle.given, oracle.doubts.lagging))
            off = off + slack.psp * given + slack.lag * lagging
        self._most[probe.label] = np.maximum(self._most.get(probe.label, 0.0), off)
        most = self._most[probe.label]
        return np.asarray(value), np.where(np.isnan(most), np.inf, most)
