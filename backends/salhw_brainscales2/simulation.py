"""NEST's part of the emulated chips: their neurons, from one step to another, some of them forced to spike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from salhw.description.fields import IntArray
from salhw.description.network import Network
from salhw.session.recorder import Raster
from salhw_brainscales2.circuit import ChipCircuit
from salhw_brainscales2.sources import forced_steps

ABOVE = 1e6  # a potential that crosses every threshold
TOGETHER = 100  # stretches between forced spikes that NEST is asked for at once

Stretch = tuple[int, int, dict[str, IntArray]]
"""Its length and what has passed before, in ticks, and the cells that are forced to spike at its beginning."""

Events = dict[str, list[tuple[IntArray, IntArray]]]
"""Stamps (NEST's ticks) and cells of spikes, by population, call by call."""


class Simulation:
    """The neurons of B chips in a NEST process, which ``call`` reaches."""

    def __init__(self, net: Network, circuit: ChipCircuit, batch: int, call: Callable[..., Any]) -> None:
        self._net, self._circuit, self._batch, self._call = net, circuit, batch, call
        self._forced = forced_steps(net, circuit.cells)
        self.nest_time = 0.0  # s, of all calls
        self._last = {name: np.full(made.tau_m.size, -(1 << 40)) for name, made in circuit.cells.items()}
        self._dead = {name: round(made.refractory / circuit.plan.tick) for name, made in circuit.cells.items()}

    def advance(self, step: int, until: int) -> dict[str, tuple[Raster, IntArray]]:
        """Run from the beginning of one step to that of another; forced spikes come at the last tick of theirs.

        Returns:
            The spikes of each population of neurons, and their ticks.
        """
        passed, raised, stretches = self._now(step), dict[str, IntArray](), list[Stretch]()
        for forced in sorted(s for s in self._forced if step <= s < until):
            last = self._now(forced + 1) - 1
            stretches.append((last - passed, passed, raised))
            passed, raised = last, {name: self._in_batch(name, cells) for name, cells in self._forced[forced].items()}
        stretches.append((self._now(until) - passed, passed, raised))
        run = [stretch for stretch in stretches if stretch[0]]
        spikes: Events = {name: [] for name in self._circuit.cells}
        for first in range(0, len(run), TOGETHER):
            self._simulate(run[first : first + TOGETHER], spikes)
        return {name: self._spikes(name, events) for name, events in spikes.items()}

    def _spikes(self, name: str, events: list[tuple[IntArray, IntArray]]) -> tuple[Raster, IntArray]:
        none = np.zeros(0, dtype=np.int64)
        stamp, cell = (np.concatenate([none, *(event[k] for event in events)]) for k in (0, 1))
        size = self._net.population(name).size
        return Raster(cell // size, cell % size, self._circuit.step_of(stamp)), stamp

    def _now(self, step: int) -> int:
        """Ticks that have passed when ``step`` begins."""
        return int(self._circuit.tick_of(step)) - self._circuit.per_step

    def _simulate(self, stretches: list[Stretch], events: Events) -> None:
        """Run them; of the cells that are lifted above all thresholds those that are not refractory."""
        results = self._call("run_forced", stretches, self._last, self._dead, ABOVE)
        self.nest_time += results["seconds"]
        self._last = results["latest"]
        for name, spikes in results["spikes"].items():
            events[name].append((spikes["stamp"], spikes["cell"]))

    def _in_batch(self, name: str, cells: IntArray) -> IntArray:
        """Neurons (of one instance) in all instances, ascending."""
        size = self._net.population(name).size
        return np.asarray((np.arange(self._batch)[:, None] * size + cells).ravel())
