"""A session of the reference: the arrays of a batch, moved forward by one of the two kernels."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.description.connectivity import synapses
from salhw.description.fields import FloatArray, IntArray
from salhw.description.parts import rule_name
from salhw.description.plasticity.pair_stdp import BRANCHES
from salhw.description.probes import Membrane, Spikes, StateOccupancy, Weights
from salhw.diagnostics.arguments import threads as allowed_threads
from salhw.session.closing import Closing
from salhw.session.executable import Executable
from salhw.session.memory import Room
from salhw.session.paths import Address, addresses, as_written, described, duration_steps, find
from salhw.session.recorder import sample_steps, stops
from salhw.session.recording import Recording, SpikeTrains, Trace
from salhw.substrate.chip import Chip
from salhw_reference import event_driven, tabulated, time_driven
from salhw_reference import layout as at
from salhw_reference.choice import choose_kernel
from salhw_reference.drive import drives
from salhw_reference.kinds import steps
from salhw_reference.learning import run_end
from salhw_reference.program import RUN_END, build, neuron_ranges, rules_of, synapse_ranges
from salhw_reference.state import initial
from salhw_reference.tape import Tape

STRETCH = 1_000_000  # neuron-steps of the first call of a kernel
LONGEST = 0.2  # s of those that follow, so that progress and Ctrl-C come through


def threads() -> int:
    """Cores to use: the environment's SALHW_THREADS, or all that this process may use. Never changes a result."""
    return allowed_threads(len(os.sched_getaffinity(0)))


class ReferenceSession(Closing):
    """See salhw.session.backend.Session. ``get`` returns nominal values; a chip's fixed pattern acts behind them."""

    def __init__(self, executable: Executable, *, chips: Sequence[Chip], ids: Sequence[int], seed: int) -> None:
        net = executable.network
        self.executable, self.ids, self.seed, self.chips = executable, tuple(ids), seed, tuple(chips)
        kernel, _ = choose_kernel(net, executable.target)
        self._program = build(net, event_driven=kernel == "event-driven")
        by_event = tabulated.run if self._program.tabulate else event_driven.run
        self._kernel = by_event if kernel == "event-driven" else time_driven.run
        self._addresses = addresses(net, executable.target)
        self._nominal = {
            path: np.broadcast_to(described(net, address), (len(ids), *address.shape))
            for path, address in self._addresses.items()
        }
        self._synapses = {p.name: self._positions(p.name) for p in net.projections}
        self._ranges, self._synapse_ranges = neuron_ranges(net), synapse_ranges(net)
        self._state = initial(self._program, seed, ids)
        self._varied = {name for chip in self.chips for name, spread in chip.variability.items() if spread.sd > 0.0}
        self._stale = self._state.view(at.STALE)
        self._time, self._used = self._state.view(at.TIME), self._state.view(at.USED)
        self._count, self._occupied = self._state.view(at.COUNT), self._state.view(at.STATES)
        self._bias, self._weight = self._state.view(at.BIAS), self._state.view(at.WEIGHT)
        for name, (low, high) in self._synapse_ranges.items():
            gain = self._state.view(at.GAIN)[:, low:high]
            gain[:] = self._on_chip("weight", gain, partial(executable.placement.synapses, net, name))
        self._drives = drives(net)
        self._provenance = {
            "network": net.name,
            "network_hash": executable.source.content_hash,
            "target": executable.target.name,
            "target_hash": executable.target.content_hash,
            "chips": [chip.id for chip in self.chips],
            "wafer": self.chips[0].seed,
            "seed": seed,
            "versions": {name: version(name) for name in ("salhw", "numpy", "numba")},
        }
        self._at_run_end = bool(np.any(self._program.arrays[at.RULE][:, 2] == RUN_END))
        self._pool: ThreadPoolExecutor | None = None
        for path, address in self._addresses.items():
            if address.field != "amplitude":  # these are written with the learning rates
                self._write(path, self._nominal[path])

    # reading and writing ------------------------------------------------------------------------------------------

    def _positions(self, name: str) -> IntArray:
        net = self.executable.network
        return synapses(net.projection(name).weights, *net.ends(name))[2]

    def get(self, path: str) -> FloatArray:
        """See Session."""
        self._refuse_closed()
        address = find(self._addresses, path)
        if address.field != "weights":
            return self._nominal[path].copy()
        low, high = self._synapse_ranges[address.owner]
        flat = np.zeros((len(self.ids), int(np.prod(address.shape))))
        flat[:, self._synapses[address.owner]] = self._weight[:, low:high]
        return flat.reshape(len(self.ids), *address.shape)

    def set(self, path: str, value: npt.ArrayLike) -> None:
        """See Session."""
        self._refuse_closed()
        self._write(path, as_written(find(self._addresses, path), value, len(self.ids), self.get))

    def _write(self, path: str, value: FloatArray) -> None:
        address, state = self._addresses[path], self._state
        if address.field == "bias":
            low, high = self._ranges[address.owner]
            self._nominal[path] = np.array(value)
            place = partial(self.executable.placement.neurons, self.executable.network, address.owner)
            self._bias[:, low:high] = self._on_chip("bias", value, place)
            return
        flat = value.reshape(len(self.ids), -1)[:, self._synapses[address.owner]]
        low, high = self._synapse_ranges[address.owner]
        if address.field == "weights":
            self._weight[:, low:high] = flat
            self._stale[:] = 1
            return
        self._nominal[path] = np.array(value)
        net = self.executable.network
        p = net.projection(address.owner)
        names = [(net.projections[k].name, r) for k, r, _ in rules_of(net)]
        first = int(self._program.arrays[at.RULE][names.index((address.owner, address.rule)), 5])
        place = partial(self.executable.placement.synapses, net, address.owner)
        stem = f"projections.{address.owner}.{rule_name(p, address.rule)}"
        rate = self._on_synapses(self._addresses[f"{stem}.learning_rate"])
        for side, branch in enumerate(BRANCHES):
            amplitude = self._on_synapses(
                Address(f"{stem}.{branch}.amplitude", address.owner, "amplitude", address.shape, address.rule, branch)
            )
            factor = self._on_chip(f"{branch}_amplitude", np.ones_like(flat), place)
            state.view(at.RATE)[:, side, first : first + high - low] = rate * amplitude * factor

    def _on_synapses(self, address: Address) -> FloatArray:
        """What is nominally held at an address of a rule, (instance, synapse)."""
        shape = (len(self.ids), *address.shape)
        held = self._nominal.get(address.path)
        whole = np.broadcast_to(described(self.executable.network, address) if held is None else held, shape)
        return whole.reshape(len(self.ids), -1)[:, self._synapses[address.owner]]

    def _on_chip(self, parameter: str, nominal: FloatArray, place: Callable[[], IntArray]) -> FloatArray:
        """``nominal`` (instance, ...) as the chips have it; the places are worked out only where something varies."""
        if parameter not in self._varied:
            return nominal
        where = place()
        return np.array([chip.vary(parameter, row, where) for chip, row in zip(self.chips, nominal, strict=True)])

    # running ------------------------------------------------------------------------------------------------------

    @property
    def time(self) -> float:
        """Biological time in ms since the session was opened."""
        return int(self._time[0, 0]) * self.executable.network.dt

    def run(self, duration: float, *, progress: Callable[[float], None] | None = None) -> Recording:
        """See Session. ``progress`` is called with the share that is done, between 0 and 1."""
        self._refuse_closed()
        began = time.perf_counter()
        net = self.executable.network
        count = duration_steps(net, duration, progress)
        start = int(self._time[0, 0])
        stop = start + count
        room = Room(net, self.executable.report.memory, len(self.ids), start, stop)
        tape = Tape.of(self._program, len(self.ids), start, stop)
        self._count[:] = 0
        self._occupied[:] = 0
        samples = sample_steps(net, start, stop)
        kept = {start: self._sampled(samples[start])} if samples else {}
        for until in stops(start, stop, self._drives.cuts(start, stop), self._stretches(start), samples):
            self._advance(tape, until)
            if due := samples[until]:
                kept[until] = self._sampled(due)
            if progress:
                progress((until - start) / count)
            if until < stop and room.full(tape.length):
                stop = until
                break
        if self._at_run_end:
            self._spread(run_end, self._finish)
        return room.checked(self._recording(tape, kept, start, stop, time.perf_counter() - began))

    def _stretches(self, start: int) -> Iterator[int]:
        """Steps at which a kernel returns, as far apart as it gets in LONGEST s: where it does changes no result."""
        stretch = max(1, STRETCH // (int(self._program.q[at.N]) * len(self.ids)))
        while True:
            began = time.perf_counter()
            start += stretch
            yield start
            pace = LONGEST / max(time.perf_counter() - began, 1e-6)  # of the stretch before
            stretch = max(1, int(stretch * min(max(pace, 0.1), 2.0)))

    def _advance(self, tape: Tape, until: int) -> None:
        p, state, drive = self._program, self._state, self._drives.at(int(self._time[0, 0]))
        hazards = 2 ** int(p.q[at.N]) if p.tabulate else 1

        def work(first: int, last: int) -> None:
            table = np.empty((2, hazards, int(p.q[at.N])))
            self._kernel(
                p.q, p.f, state.ints, state.floats, state.rng, drive, table, tape.spikes, tape.membrane, tape.origin,
                first, last, until,
            )  # fmt: skip

        while True:
            self._spread(self._kernel, work)
            tape.take(self._used)
            if np.all(self._time == until):
                return

    def _finish(self, first: int, last: int) -> None:
        run_end(self._program.q, self._program.f, self._state.ints, self._state.floats, first, last)

    def _spread(self, kernel: Any, work: Callable[[int, int], None]) -> None:
        """Share the instances out over threads; each instance is computed the same whoever does it.

        The call that compiles ``kernel`` is never made by the main thread: a Ctrl-C inside the compiler is lost there.
        """
        batch = len(self.ids)
        workers = min(threads(), batch) if batch > 1 else 1
        if workers == 1 and getattr(kernel, "signatures", True):
            work(0, batch)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(workers, thread_name_prefix="salhw")
        # More shares than threads, because instances differ in cost.
        edges = np.linspace(0, batch, min(batch, 4 * workers) + 1).astype(int)
        list(self._pool.map(work, edges[:-1].tolist(), edges[1:].tolist()))

    def _sampled(self, names: list[str]) -> dict[str, FloatArray]:
        return {name: self.get(f"projections.{name}.weights") for name in names}

    def _recording(
        self, tape: Tape, kept: dict[int, dict[str, FloatArray]], start: int, stop: int, wall: float
    ) -> Recording:
        net, (instance, neuron, step) = self.executable.network, tape.trains()
        spikes, membrane, weights, occupancy = {}, {}, {}, {}
        states = columns = 0
        for probe in net.probes:
            if isinstance(probe, Weights):
                times = [s for s in sorted(kept) if probe.projection in kept[s]]
                stack = np.stack([kept[s][probe.projection] for s in times], axis=1)
                weights[probe.projection] = Trace(np.array(times, dtype=np.float64) * net.dt, stack)
                continue
            name = probe.about
            low, high = self._ranges[name]
            if isinstance(probe, Spikes):
                mine = (neuron >= low) & (neuron < high)
                trains = instance[mine], neuron[mine] - low, step[mine].astype(np.float64) * net.dt
                spikes[name] = SpikeTrains(self.ids, high - low, start * net.dt, stop * net.dt, *trains)
            elif isinstance(probe, StateOccupancy):
                occupancy[name] = self._occupied[:, states : states + 2 ** (high - low)].copy()
                states += 2 ** (high - low)
            elif isinstance(probe, Membrane):
                every = 1 if probe.every is None else steps(probe.every, net.dt)
                first, end = -(-start // every), -(-stop // every)
                part = tape.membrane[:, : end - first, columns : columns + high - low]
                membrane[name] = Trace(np.arange(first, end, dtype=np.float64) * (every * net.dt), part)
                columns += high - low
        return Recording(
            ids=self.ids,
            start=start * net.dt,
            duration=(stop - start) * net.dt,
            counts={name: self._count[:, low:high].copy() for name, (low, high) in self._ranges.items()},
            spikes=spikes,
            membrane_traces=membrane,
            weight_traces=weights,
            occupancy_counts=occupancy,
            provenance=self._provenance | {"wall_time_s": wall, "biological_time_ms": (stop - start) * net.dt},
        )

    # the end ------------------------------------------------------------------------------------------------------

    def _release(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
