"""The reference's engine: the arrays of a batch, moved forward by one of its algorithms."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.kinds import only
from salhw.description.parts import rule_name
from salhw.description.probes import Spikes, StateOccupancy
from salhw.description.stimuli import Teacher
from salhw.diagnostics.arguments import threads as allowed_threads
from salhw.session.engine import initial
from salhw.session.executable import Executable
from salhw.session.paths import Address, addresses
from salhw.session.recorder import Raster, Recorded
from salhw.session.recording import Trace
from salhw.substrate.chip import Chip
from salhw_reference import event_driven, tabulated, time_driven, vectorised
from salhw_reference.choice import choose_algorithm
from salhw_reference.drive import drives
from salhw_reference.kinds import RULES, steps
from salhw_reference.learning import run_end
from salhw_reference.program import RUN_END, build, fits_table, neuron_ranges, rules_of, sampled, synapse_ranges
from salhw_reference.rng import streams
from salhw_reference.state import at_rest
from salhw_reference.tape import Tape
from salhw_reference.vectors import vectors_at_rest

STRETCH = 1_000_000  # neuron-steps of a run's first call of the algorithm
LONGEST = 0.2  # s of those that follow, so that progress and Ctrl-C come through


def threads() -> int:
    """Cores to use: the environment's SALHW_THREADS, or all that this process may use. Never changes a result."""
    return allowed_threads(len(os.sched_getaffinity(0)))


class ReferenceEngine:
    """See salhw.session.engine.Engine. Values are nominal; a chip's fixed pattern acts behind them."""

    holds = frozenset({"weights"})

    def __init__(self, executable: Executable, *, chips: Sequence[Chip], ids: Sequence[int], seed: int) -> None:
        net = self._net = executable.network
        self._placement = executable.placement
        self._batch, self._chips = len(ids), chips
        algorithm, _ = choose_algorithm(net, executable.target)
        self.arrays = build(net)
        self.tabulated = algorithm == "event-driven" and fits_table(net, self.arrays)
        by_event = tabulated.run if self.tabulated else event_driven.run
        self._algorithm = {"time-driven": time_driven.run, "vectorised": vectorised.run}.get(algorithm, by_event)
        self._ranges, self._synapse_ranges = neuron_ranges(net), synapse_ranges(net)
        self.state = at_rest(self.arrays, self._batch)
        self._varied = {name for chip in chips for name, spread in chip.variability.items() if spread.varies}
        self._random: Any = streams(seed, ids)
        if algorithm == "vectorised":
            self._random = vectors_at_rest(self.arrays, seed, ids, varied="weight" in self._varied)
        for name, (low, high) in self._synapse_ranges.items():
            ones = np.ones((self._batch, high - low))
            gain = self._on_chip("weight", ones, partial(self._placement.synapses, net, name))
            self.state.gain[:, self.arrays.row[low:high]] = gain
        self._drives = drives(net)
        self._at_run_end = bool(np.any(self.arrays.rule["update"] == RUN_END))
        self._pool: ThreadPoolExecutor | None = None
        self._rates: dict[tuple[str, int, str], FloatArray] = {}  # by projection, rule, branch ("": the learning rate)
        self._start = self._stretch = self.step = 0
        for address in addresses(net, executable.target).values():
            if address.field != "amplitude":  # these are written with the learning rates
                value = initial(net, address.path, self._batch)
                self.write(address, value)
        self._copy()

    # reading and writing ------------------------------------------------------------------------------------------

    def read(self, address: Address) -> FloatArray:
        """See Engine."""
        low, high = self._synapse_ranges[address.owner]
        return self.state.weight[:, self.arrays.row[low:high]]

    def write(self, address: Address, value: FloatArray) -> None:
        """See Engine."""
        if address.field == "bias":
            low, high = self._ranges[address.owner]
            place = partial(self._placement.neurons, self._net, address.owner)
            self.state.bias[:, low:high] = self._on_chip("bias", value, place)
        elif address.field == "inputs":
            into = (address.owner, address.part)
            self.state.input_gain[:, [(p.post, p.into) == into for p in self._net.projections]] = value
            self.state.now["stale"] = 1
        elif address.field == "weights":
            low, high = self._synapse_ranges[address.owner]
            self.state.weight[:, self.arrays.row[low:high]] = value
            self._copy()
            self.state.now["stale"] = 1
        elif address.path.startswith("stimuli["):
            teachers = [k for k, s in enumerate(self._net.stimuli) if isinstance(s, Teacher)]
            first = int(self.arrays.teacher[teachers.index(address.rule)]["column"])
            held = {"target": self.state.target, "gain": self.state.nudging}[address.field]
            held[:, first : first + value.shape[1]] = value
        else:
            self._rates[address.owner, address.rule, address.part] = value
            self._teach(address.owner, address.rule)

    def _copy(self) -> None:
        """Let copies of weights be copies."""
        for tie in self.arrays.tie:
            low, high = int(tie["first"]), int(tie["end"])
            copies, originals = self.arrays.row[low:high], self.arrays.original[low:high]
            self.state.weight[:, copies] = tie["scale"] * self.state.weight[:, originals]

    def _teach(self, projection: str, rule: int) -> None:
        """Let a rule learn with its rates and amplitudes."""
        low, high = self._synapse_ranges[projection]
        names = [(self._net.projections[k].name, r) for k, r, _ in rules_of(self._net)]
        first = int(self.arrays.rule[names.index((projection, rule))]["first_sum"])
        place = partial(self._placement.synapses, self._net, projection)
        ones = np.ones((self._batch, high - low))
        rate = self._rates[projection, rule, ""]
        stem = f"projections.{projection}.{rule_name(self._net.projection(projection), rule)}"
        described = self._net.projection(projection).plasticity[rule]
        windows = RULES[described](described).windows
        if not windows:
            self.state.rate[:, 1, first + self.arrays.row[low:high] - low] = rate
        for side, (branch, _) in enumerate(windows):
            amplitude = self._rates.get((projection, rule, branch))
            if amplitude is None:
                amplitude = initial(self._net, f"{stem}.{branch}.amplitude", self._batch)
            factor = self._on_chip(f"{branch}_amplitude", ones, place)
            order = np.arange(high - low) if side == 0 else self.arrays.row[low:high] - low
            self.state.rate[:, side, first + order] = rate * amplitude * factor

    def _on_chip(self, parameter: str, nominal: FloatArray, place: Callable[[], IntArray]) -> FloatArray:
        """``nominal`` (instance, ...) as the chips have it; the places are worked out only where something varies."""
        if parameter not in self._varied:
            return nominal
        where = place()
        return np.array([chip.vary(parameter, row, where) for chip, row in zip(self._chips, nominal, strict=True)])

    # running ------------------------------------------------------------------------------------------------------

    def begin(self, stop: int) -> None:
        """See Engine."""
        self._start = self.step
        self._stretch = max(1, STRETCH // (len(self.arrays.kind) * self._batch))
        self._tape = Tape.of(self.arrays, self._batch, self.step, stop)
        self.state.spiked[:] = 0
        self.state.states[:] = 0
        self._counted = self._counters()

    def advance(self, until: int) -> int:
        """See Engine. Where the algorithm returns changes no result."""
        until = min(until, self.step + self._stretch, self._drives.change(self.step, until))
        began = time.perf_counter()
        arrays, state, tape, drive = self.arrays, self.state, self._tape, self._drives.at(self.step)
        neurons = len(arrays.kind)

        def work(first: int, last: int) -> None:
            table = np.empty((2, 2**neurons if self.tabulated else 1, neurons))
            samples = tape.spikes, tape.membrane, tape.origin
            self._algorithm(arrays, state, self._random, drive, table, *samples, first, last, until)

        while np.any(state.now["time"] != until):
            self._spread(self._algorithm, work)
            tape.take(state.now["used"][:, 0])
        pace = (until - self.step) * LONGEST / max(time.perf_counter() - began, 1e-6)
        self._stretch = max(1, int(min(max(pace, 0.1 * self._stretch), 2.0 * self._stretch)))
        self.step, self._counted = until, self._counters()
        return tape.length

    def _counters(self) -> tuple[IntArray, IntArray]:
        return self.state.spiked.copy(), self.state.states.copy()

    def finish(self) -> None:
        """See Engine."""
        if self._at_run_end:
            self._spread(run_end, lambda first, last: run_end(self.arrays, self.state, first, last))

    def _spread(self, algorithm: Any, work: Callable[[int, int], None]) -> None:
        """Share the instances out over threads; each instance is computed the same whoever does it.

        The call that compiles ``algorithm`` is never made by the main thread: a Ctrl-C is lost in the compiler.
        """
        workers = min(threads(), self._batch) if self._batch > 1 else 1
        if workers == 1 and getattr(algorithm, "signatures", True):
            work(0, self._batch)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(workers, thread_name_prefix="salhw")
        # More shares than threads, because instances differ in cost.
        edges = np.linspace(0, self._batch, min(self._batch, 4 * workers) + 1).astype(int)
        list(self._pool.map(work, edges[:-1].tolist(), edges[1:].tolist()))

    def recorded(self) -> Recorded:
        """See Engine."""
        net, (instance, neuron, step) = self._net, self._tape.trains()
        counts, occupied = self._counted
        rasters, occupancy = {}, {}
        membranes: dict[str, Trace] = {}
        samples: dict[str, Trace] = {}
        states = columns = 0
        for p in only(net.probes, Spikes):
            low, high = self._ranges[p.population]
            mine = (neuron >= low) & (neuron < high) & (step < self.step)
            rasters[p.population] = Raster(instance[mine], neuron[mine] - low, step[mine])
        for state in only(net.probes, StateOccupancy):
            size = net.population(state.population).size
            occupancy[state.population] = occupied[:, states : states + 2**size]
            states += 2**size
        for probe, population, mean in sampled(net):
            size, every = net.population(population).size, steps(probe.every or net.dt, net.dt)
            first, end = -(-self._start // every), -(-self.step // every)
            part = self._tape.membrane[:, : end - first, columns : columns + size]
            when = np.arange(first, end, dtype=np.float64) * (every * net.dt)
            where, name = (membranes, population) if mean < 0 else (samples, probe.label)
            where[name] = Trace(when, part)
            columns += size
        counted = {name: counts[:, low:high].copy() for name, (low, high) in self._ranges.items()}
        return Recorded(rasters, membranes, counted, occupancy, samples)

    def close(self) -> None:
        """See Engine."""
        if self._pool is not None:
            self._pool.shutdown()
