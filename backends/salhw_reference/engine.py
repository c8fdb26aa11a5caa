"""The reference's engine: the arrays of a batch, moved forward by one of its algorithms."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from operator import is_
from typing import Any

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.kinds import only
from salhw.description.parts import rule_name
from salhw.description.probes import Membrane, Spikes, StateOccupancy, SynapseVariable
from salhw.description.stimuli import Teacher
from salhw.diagnostics.arguments import threads as allowed_threads
from salhw.session.engine import initial
from salhw.session.executable import Executable
from salhw.session.paths import Address, addresses
from salhw.session.recorder import Raster, Recorded, presynaptic
from salhw.session.recording import TimeSeries
from salhw.substrate.chip import Chip, vary
from salhw_reference import event_driven, learning, pace, row_updates, tabulated, time_driven, vectorised
from salhw_reference.arrays import Indices
from salhw_reference.choice import choose_algorithm
from salhw_reference.common import condensed, is_common, own
from salhw_reference.delays import split
from salhw_reference.drive import Drives
from salhw_reference.hazards import Line, line_of
from salhw_reference.jit import Caller, handed
from salhw_reference.kinds import RULES, steps
from salhw_reference.looking import looked_at, sampled
from salhw_reference.past import rules_of
from salhw_reference.program import (
    ON_SPIKE,
    RUN_END,
    build,
    forced_spikes,
    neuron_ranges,
    rows_of,
    synapse_ranges,
)
from salhw_reference.rng import streams
from salhw_reference.row_sums import regroup, sums_in_rows
from salhw_reference.state import at_rest
from salhw_reference.tape import Tape
from salhw_reference.team import do_at_once, team_size
from salhw_reference.vectors import Taught, of_team, pass_on, vectors_at_rest, with_rates


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
        self._vectorised = algorithm == "vectorised"
        self._parts = split(net, vectorised=self._vectorised)
        self.arrays = build(self._parts)
        self.tabulated = algorithm == "event-driven" and tabulated.fits_table(self._parts.network, self.arrays)
        neurons, live = len(self.arrays.kind), np.any(self.arrays.rule["update"] == ON_SPIKE)
        rows = 2**neurons if self.tabulated and not live else 1
        self._line_size = (neurons, rows) if algorithm == "event-driven" else (0, 0)
        self._lines: dict[int, Line] = {}  # by the first instance of those that a thread runs
        by_event = tabulated.run if self.tabulated else event_driven.run
        self._algorithm = {"time-driven": time_driven.run, "vectorised": vectorised.run}.get(algorithm, by_event)
        self._network = handed(self._algorithm, self.arrays)
        self._ranges, self._synapse_ranges = neuron_ranges(net), synapse_ranges(net)
        self.state = at_rest(self.arrays, self._batch, common=self._vectorised)
        spreads = {id(chip.variability): chip.variability for chip in chips}.values()  # of chips sampled together, one
        self._varied = {name for each in spreads for name, spread in each.items() if spread.varies}
        self._varied |= {name for chip in chips for name in chip.measured}
        self._random: Any = streams(seed, ids)
        if self._vectorised:
            self._random = vectors_at_rest(self.arrays, seed, ids, varied="weight" in self._varied)
        if "weight" in self._varied:
            self.state = self.state._replace(gain=self._gains())
        self._drives = Drives(net, seed, ids)
        self._at_run_end = bool(np.any(self.arrays.rule["update"] == RUN_END))
        self._pool: ThreadPoolExecutor | None = None
        self._workers = 0
        self._rates: dict[tuple[str, int, str], FloatArray] = {}  # by projection, rule, branch ("": the learning rate)
        self._taught: dict[int, Taught] = {}  # by rule
        self._retaught = False  # since the last run
        self._pace = pace.begin(neurons * self._batch)
        self._teams: dict[int, dict[str, IntArray]] = {}  # by size
        self._callers: dict[Any, Caller] = {}  # by algorithm
        self._start = self.step = 0
        self._force()
        self._allowed = 1  # threads of this run
        for address in addresses(net, executable.target).values():
            if address.field != "amplitude":  # these are written with the learning rates
                value = initial(net, address.path, self._batch)
                self.write(address, value)
        self._copy()

    # reading and writing ------------------------------------------------------------------------------------------

    def read(self, address: Address) -> FloatArray:
        """See Engine."""
        held = self.state.weight[:, self._rows(address.owner)]
        return np.broadcast_to(held, (self._batch, held.shape[1]))

    def write(self, address: Address, value: FloatArray) -> None:
        """See Engine."""
        self.state.now["written"] = 1
        if address.field == "bias":
            low, high = self._ranges[address.owner]
            place = partial(self._placement.neurons, self._net, address.owner)
            self.state.bias[:, low:high] = self._on_chip("bias", value, place)
        elif address.field == "inputs":
            into = (address.owner, address.part)
            self.state.input_gain[:, [(p.post, p.into) == into for p in self._parts.network.projections]] = value
            self.state.now["stale"] = 1
        elif address.field == "weights":
            self._write_weights(address.owner, value)
        elif address.path.startswith("stimuli["):
            teachers = [k for k, s in enumerate(self._net.stimuli) if isinstance(s, Teacher)]
            if address.rule not in teachers:
                self._drives.write(address.rule, value)
                if address.trains:
                    self._force()
                return
            first = int(np.argmax(self.arrays.teacher["number"] == teachers.index(address.rule)))
            held = {"target": self.state.target, "gain": self.state.nudging}[address.field]
            held[:, first : first + value.shape[1]] = value
        else:
            self._rates[address.owner, address.rule, address.part] = value
            self._teach(address.owner, address.rule)

    def _force(self) -> None:
        """Let those spikes happen from now on that stimuli force."""
        forced = forced_spikes(self._net, self._drives.strengths)
        self.state = self.state._replace(forced=forced)
        self.state.now["forced_at"] = np.sum(forced["step"] < self.step, axis=1)[:, None]

    def _write_weights(self, projection: str, value: FloatArray) -> None:
        """Hold weights: where the algorithm can, once for all instances if all have the same. Copies of them follow;
        other copies, which may wait for their time, do not."""
        weight, rows = self.state.weight, self._rows(projection)
        common = is_common(value, 0)
        if not common:
            weight = own(weight, self._batch)
        weight[:, rows] = value[: len(weight)]
        if common and self._vectorised:
            weight = condensed(weight, 0)
        self._hold(weight)
        self._copy(projection)
        self.state.now["stale"] = 1

    def _rows(self, projection: str) -> Indices:
        """Where the weights of a projection's synapses are held."""
        return rows_of(self._parts, self.arrays.row, projection)

    def _own_weights(self) -> None:
        """Give each instance weights of its own, which are about to change."""
        self._hold(own(self.state.weight, self._batch))

    def _hold(self, weight: FloatArray) -> None:
        """Take other weights, if they are others. Nobody keeps the ones before, which may be large."""
        if weight is not self.state.weight:
            self.state = self.state._replace(weight=weight)
            self._callers.clear()

    def _copy(self, original: str | None = None) -> None:
        """Let copies of weights be copies: those of one projection, or all."""
        for tied, tie in zip(self._net.ties, self.arrays.tie, strict=True):
            if original not in (None, tied.to):
                continue
            low, high = int(tie["first"]), int(tie["end"])
            copies, originals = self.arrays.row[low:high], self.arrays.original[low:high]
            self.state.weight[:, copies] = tie["scale"] * self.state.weight[:, originals]

    def _gains(self) -> FloatArray:
        """What the chips make of each synapse's weight, in rows."""
        gain = np.ones((self._batch, len(self.arrays.post)))
        for name, (low, high) in self._synapse_ranges.items():
            ones = np.ones((self._batch, high - low))
            place = partial(self._placement.synapses, self._net, name)
            gain[:, self._rows(name)] = self._on_chip("weight", ones, place)
        return condensed(gain, 0) if self._vectorised else gain

    def _teach(self, projection: str, rule: int) -> None:
        """Let a rule learn with its rates and amplitudes."""
        low, high = self._synapse_ranges[projection]
        place = partial(self._placement.synapses, self._net, projection)
        described = self._net.projection(projection).plasticity[rule]
        stem = f"projections.{projection}.{rule_name(self._net.projection(projection), rule)}"
        rate = self._rates[projection, rule, ""]
        made = RULES[described](described)
        amplitudes = [np.array([[count]]) for count in made.counts] if not made.windows else []
        for branch, _ in made.windows:
            amplitude = self._rates.get((projection, rule, branch))
            if amplitude is None:
                amplitude = initial(self._net, f"{stem}.{branch}.amplitude", self._batch)
            amplitude = _smallest(amplitude)
            if (name := f"{branch}_amplitude") in self._varied:
                amplitude = amplitude * self._on_chip(name, np.ones((self._batch, high - low)), place)
            amplitudes.append(amplitude)
        numbers = [(k, r) for k, r, _ in rules_of(self._parts.network)]
        for k, chosen in self._parts.parts[projection]:
            values = [_smallest(rate), *amplitudes]
            of_part = [value if chosen is None or value.shape[1] == 1 else value[:, chosen] for value in values]
            self._teach_part(numbers.index((k, rule)), *of_part)

    def _teach_part(self, number: int, rate: FloatArray, causal: FloatArray, anticausal: FloatArray) -> None:
        """Give a rule of the arrays its learning rates and amplitudes, (instance, synapse)."""
        about = self.arrays.rule[number]
        into, low = self.arrays.into[about["projection"]], int(about["first_synapse"])
        high = low + int(into[-1] - into[0])

        def in_rows(values: FloatArray) -> FloatArray:
            if values.shape[1] == 1:
                return values
            moved = np.empty_like(values)
            moved[:, self.arrays.row[low:high] - low] = values
            return moved

        if not self._vectorised:
            first = int(about["first_sum"])
            for k, side in enumerate((rate * causal, in_rows(rate * anticausal))):
                self.state.rate[:, k, first : first + high - low] = side
            return
        self._retaught = True
        rows = sums_in_rows(self.arrays, self._random, number)
        if rows and causal.size == anticausal.size == 1 and anticausal[0, 0] != 0.0:  # see row_sums.regroup
            amplitudes = float(causal[0, 0]), float(anticausal[0, 0])
            self._taught[number] = Taught(np.zeros((1, 1)), in_rows(rate), amplitudes)
        else:
            causal = rate * causal
            self._taught[number] = Taught(in_rows(causal) if rows else causal, in_rows(rate * anticausal))

    def _on_chip(self, parameter: str, nominal: FloatArray, place: Callable[[], IntArray]) -> FloatArray:
        """``nominal`` (instance, ...) as the chips have it; the places are worked out only where something varies."""
        if parameter not in self._varied:
            return nominal
        where = place()
        return vary(self._chips, parameter, nominal, where)

    # running ------------------------------------------------------------------------------------------------------

    def begin(self, stop: int) -> None:
        """See Engine."""
        self._start, self._allowed = self.step, threads()
        if self._retaught:
            known, rules = self._random.rated, range(len(self.arrays.rule))
            self._random = with_rates(self._random, [self._taught[r] for r in rules])
            for r in rules:
                if sums_in_rows(self.arrays, self._random, r):
                    regroup(self.arrays, self.state, r, known[r], self._random.rated[r], self.step)
            self._retaught = False
        if self._vectorised and (len(self.arrays.tie) or np.any(self.arrays.rule["update"] != RUN_END)):
            self._own_weights()
        self._tape = Tape.of(self.arrays, self._batch, self.step, stop)
        self.state.spiked[:] = 0
        self.state.states[:] = 0
        self._counted = self._counters()

    def advance(self, until: int) -> int:
        """See Engine. Where the algorithm returns, and how many threads run it, changes no result."""
        state, tape, drive = self.state, self._tape, self._drives.at(self.step)
        size = team_size(len(self.arrays.kind), self._allowed // self._batch) if self._vectorised else 1
        team, stretch = pace.next_call(self._pace, size)
        until = min(until, self.step + stretch, self._drives.change(self.step, until))
        self._set_team(team)

        def work(first: int, last: int) -> None:
            call = self._caller(self._algorithm, self._network, state, self._random)
            call(drive, self._line(first), tape.spikes, tape.membrane, tape.origin, first, last, until)

        self._compile(self._algorithm, work)
        began = time.perf_counter()
        self._spread(work, team, alone=team == 1 and pace.is_short(self._pace, until - self.step))
        tape.take(state.now["used"][:, 0])
        while np.count_nonzero(state.now["time"] != until):  # where room ran out, or the team gave up
            self._set_team(1)
            self._spread(work)
            tape.take(state.now["used"][:, 0])
        seconds = max(time.perf_counter() - began, 1e-6)
        self._pace = pace.after(self._pace, team, until - self.step, seconds)
        self.step, self._counted = until, self._counters()
        return tape.length

    def _line(self, first: int) -> Line:
        """The line of the thread that runs instance ``first`` and those that follow, the same in every run."""
        if first not in self._lines:
            self._lines[first] = line_of(*self._line_size)
        return self._lines[first]

    def _set_team(self, size: int) -> None:
        """Let so many threads share a network out. What they need is worked out once."""
        if not self._vectorised or self._random.found.shape[1] == size:
            return
        if size not in self._teams:
            self._teams[size] = of_team(self.arrays, self._batch, size)
        pass_on(self._random, self._teams[size])
        self._random = self._random._replace(**self._teams[size])

    def _counters(self) -> tuple[IntArray, IntArray]:
        return self.state.spiked.copy(), self.state.states.copy()

    def finish(self) -> None:
        """See Engine."""
        if not self._at_run_end:
            return
        algorithm: Any = learning.run_end
        held: tuple[Any, ...] = (self._network, self.state)
        if self._vectorised:
            self._own_weights()
            algorithm, held = row_updates.run_end, (self._network, self.state, self._random)
        call = self._caller(algorithm, *held)
        self._compile(algorithm, call)
        self._spread(call)

    def _caller(self, algorithm: Any, *held: Any) -> Callable[..., None]:
        """What calls an algorithm with these arrays: that of the last call if they are the same."""
        known = self._callers.get(algorithm)
        if known is None or not all(map(is_, held, known.held)):
            known = self._callers[algorithm] = Caller(algorithm, held)
        return known

    def _compile(self, algorithm: Any, work: Callable[[int, int], None]) -> None:
        """Compile what ``work`` calls before it is shared out and timed; never in the main thread, whose Ctrl-C would
        be lost in the compiler."""
        if not getattr(algorithm, "overloads", True):
            self._threads(1).submit(work, 0, 0).result()

    def _spread(self, work: Callable[[int, int], None], team: int = 1, alone: bool = False) -> None:
        """Share the instances out over threads, or each of them over a ``team``, but for work so short that it is done
        sooner ``alone``; all is computed the same whoever does it."""
        workers = min(self._allowed, 1 if alone else self._batch * team)
        if workers == 1:
            work(0, self._batch)
        elif team > 1:
            shares = [(b, b + 1) for b in range(self._batch) for _ in range(team)]
            pool = self._threads(workers)
            pool.submit(do_at_once, work, shares, pool).result()  # not half submitted when Ctrl-C comes
        else:  # more shares than threads, because instances differ in cost
            edges = np.linspace(0, self._batch, min(self._batch, 4 * workers) + 1).astype(int)
            list(self._threads(workers).map(work, edges[:-1].tolist(), edges[1:].tolist()))

    def _threads(self, workers: int) -> ThreadPoolExecutor:
        """At least so many threads."""
        if self._pool is None or self._workers < workers:
            self._close_pool()
            self._pool, self._workers = ThreadPoolExecutor(workers, thread_name_prefix="salhw"), workers
        return self._pool

    def recorded(self) -> Recorded:
        """See Engine."""
        net, (instance, neuron, step) = self._net, self._tape.trains()
        occupied = self._counted[1]
        rasters, occupancy = {}, {}
        membranes: dict[str, TimeSeries] = {}
        samples: dict[str, TimeSeries] = {}
        states = columns = 0
        for p in only(net.probes, Spikes):
            low, high = self._ranges[p.population]
            mine = (neuron >= low) & (neuron < high) & (step < self.step)
            rasters[p.population] = Raster(instance[mine], neuron[mine] - low, step[mine])
        for state in only(net.probes, StateOccupancy):
            size = net.population(state.population).size
            occupancy[state.population] = occupied[:, states : states + 2**size]
            states += 2**size
        for probe, population in sampled(net):
            neurons, every = looked_at(net, probe, population), steps(probe.every or net.dt, net.dt)
            size = len(neurons)
            first, end = -(-self._start // every), -(-self.step // every)
            part = self._tape.membrane[:, : end - first, columns : columns + size]
            part = part if size else np.zeros((self._batch, end - first, 0))  # of no synapses
            when = np.arange(first, end, dtype=np.float64) * (every * net.dt)
            if isinstance(probe, SynapseVariable):
                part = part[:, :, np.searchsorted(neurons, presynaptic(net, probe))]
            where, name = (membranes, population) if isinstance(probe, Membrane) else (samples, probe.label)
            where[name] = TimeSeries(when, part)
            columns += size
        return Recorded(rasters, membranes, self.counted(), occupancy, samples)

    def counted(self) -> Mapping[str, IntArray]:
        """See CountingEngine."""
        return {name: self._counted[0][:, low:high].copy() for name, (low, high) in self._ranges.items()}

    def close(self) -> None:
        """See Engine."""
        self._close_pool()

    def _close_pool(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()


def _smallest(values: FloatArray) -> FloatArray:
    """(instance, synapse), with a single entry along each of both that has the same all along."""
    return condensed(condensed(values, 1), 0)
