"""Hybrid plasticity of one projection on B chips: sensors collect, the processor reads and writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from salhw.description.connectivity import synapses
from salhw.description.fields import FloatArray, IntArray
from salhw.description.grid import in_steps
from salhw.description.network import Network
from salhw.description.plasticity import PairSTDP
from salhw.diagnostics import Diagnostic
from salhw.session.executable import Executable
from salhw.session.placement import Placement
from salhw.session.reference_phase import phase_times
from salhw.substrate.capabilities import Range
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target
from salhw_brainscales2.codes import Grid, code
from salhw_brainscales2.hardware import program, sensor
from salhw_brainscales2.hardware.ppu_program import PROCESSOR_MEMORY, memory
from salhw_brainscales2.hardware.processor import COLUMNS
from salhw_brainscales2.hardware.program import PlasticitySetting
from salhw_brainscales2.hardware.reference import PhaseProgram
from salhw_brainscales2.placement import Rows, rows
from salhw_brainscales2.rules import plastic

SENSITIVITY = 2.0
"""LSB per pair at distance 0: with less, the noise of the reads drowns the pairs."""
BASELINE = 180.0
"""LSB that a sensor of the ideal chip reads without charge."""


def sensor_tau(rule: PairSTDP) -> float:
    """The time constant in ms of the sensors of a rule that passed ``lower``: both branches have it."""
    return rule.causal.tau


def setting(target: Target) -> PlasticitySetting:
    """What sensors and processor of a target, as a projection finds it, are set to."""
    low_high = target.windows["Exponential"]["tau"]
    assert isinstance(low_high, Range)
    rounding: Any = target.option("rounding")  # one of processor's
    limits, hidden = (low_high.min, low_high.max), int(target.option("hidden_bits"))
    rows = target.max_synapses_per_weight
    return PlasticitySetting(code(target), SENSITIVITY, tau=limits, hidden_bits=hidden, rounding=rounding, rows=rows)


def nominal_program(
    net: Network, target: Target, placement: Placement, name: str, seeds: Sequence[int]
) -> program.PlasticityProgram:
    """A projection's rule as the processors of chips without mismatch run it, one per seed."""
    p, rule = net.projection(name), plastic(net, target)[name]
    post, pre, position = synapses(p.weights, *net.ends(name))
    rate, row = np.asarray(rule.learning_rate), rows(net, target, placement).row[name]
    return program.compile_rule(
        rule, setting(target.scaled_for(name)), row, placement.first[p.post] + post,
        np.full((len(seeds), 2, len(post)), BASELINE),
        learning_rate=rate.ravel()[position] if rate.ndim else rate, seed=np.asarray(seeds),
        phase=phase_program(net, rule, placement.first[p.pre] + pre),
    )  # fmt: skip


def phase_program(net: Network, rule: PairSTDP, pre: IntArray) -> PhaseProgram | None:
    """When the processor measures its own error, if the rule has a reference phase; ``pre`` as of PhaseProgram."""
    if rule.reference is None:
        return None
    period = in_steps(rule.period or 0.0, net.dt) or 1
    times = phase_times(rule.reference, net)
    return PhaseProgram(pre % COLUMNS, times.length // period, times.every // period)


class Learner:
    """The sensors and the processor's program of one plastic projection. Where a weight lies in several rows, the
    sensor of its first one is read.

    Weights are in units of the description, (B, S) in the order of ``connectivity.synapses``, amplitudes
    (B, 2, S); neurons are counted through all populations.
    """

    def __init__(
        self, executable: Executable, name: str, rows: Rows, chips: Sequence[Chip], seeds: Sequence[int], tick: float,
        weights: FloatArray, rates: FloatArray, amplitudes: FloatArray,
    ) -> None:  # fmt: skip
        net, place, target = executable.network, executable.placement, executable.target
        p = net.projection(name)
        self.rule = plastic(net, target)[name]
        post, pre, _ = synapses(p.weights, *net.ends(name))
        ends = place.first[p.pre] + pre, place.first[p.post] + post
        self.exact = target.weight_bits is None
        self.period = in_steps(self.rule.period or 0.0, net.dt) or 0
        self.setting, self.grid = setting(target.scaled_for(name)), Grid.of(target, name)
        self.row, self.column, self.seeds = rows.row[name], place.first[p.post] + post, np.asarray(seeds)
        self.phase = phase_program(net, self.rule, ends[0])
        self.sensors = sensor.of_chips(
            chips, *ends, place.synapses(net, name), neurons=sum(q.size for q in net.populations), dt=tick,
            amplitude=self.setting.amplitude, capacity=self.setting.capacity, tau=sensor_tau(self.rule),
            baseline=BASELINE,
        )  # fmt: skip
        self.charge = sensor.fresh(self.sensors)
        self.noise = [np.random.default_rng([int(seed), 1]) for seed in seeds]
        self.baseline, self.baseline_reads = sensor.measured_baseline(self.sensors, self.noise)
        self.rates, self.amplitudes = rates, amplitudes
        self.spikes = np.zeros((len(chips), 2 * COLUMNS), dtype=np.int64)
        self.error = np.zeros_like(rates)  # that the last phase found, in changes per product over the learning rate
        self.program = self._compiled(rates, amplitudes)
        self.state = program.initial_state(self.program, weights / self.setting.code)
        self.weights = weights

    def _compiled(self, rates: FloatArray, amplitudes: FloatArray) -> program.PlasticityProgram:
        return program.compile_rule(
            self.rule, self.setting, self.row, self.column, self.baseline, learning_rate=rates, amplitudes=amplitudes,
            seed=self.seeds, phase=self.phase,
        )  # fmt: skip

    def teach(self, rates: FloatArray, amplitudes: FloatArray) -> None:
        """Learn with ``rates`` (B, S) and ``amplitudes`` (B, 2, S) from now on. The host writes the error of the
        processor anew.

        Raises:
            UnsupportedNetworkError: beyond what the processor's factors hold.
        """
        self.program = self._compiled(rates, amplitudes)
        self.rates, self.amplitudes = rates, amplitudes
        if self.state.reference is not None:
            error = np.rint(self.error * rates * 2.0**self.program.guard).astype(np.int64)
            self.state = replace(self.state, reference=replace(self.state.reference, error=error))

    def silence(self) -> FloatArray:
        """A reference phase begins; the weights in it."""
        self.state, self.spikes[...] = program.silenced(self.state), 0
        self.weights = np.zeros_like(self.weights)
        return self.weights

    def resume(self) -> FloatArray:
        """The reference phase ends; the weights as they were before it."""
        self.state = program.sounding(self.state)
        assert self.state.reference is not None
        scale = self.rates * 2.0**self.program.guard
        self.error = np.divide(self.state.reference.error, scale, out=np.zeros_like(scale), where=scale != 0.0)
        self.weights = self._held()
        return self.weights

    def write(self, weights: FloatArray) -> FloatArray:
        """Weights that the host writes, as they are then held. Hidden bits lie in the processor's memory and stay."""
        if self.exact:
            self.weights = weights
        else:
            new = program.initial_state(self.program, weights / self.setting.code)
            self.state = replace(self.state, code=new.code)
            self.weights = self._held()
        return self.weights

    def see(self, instance: IntArray, neuron: IntArray, tick: IntArray) -> None:
        """Spikes after all earlier ones."""
        self.charge = sensor.accumulate(self.sensors, self.charge, instance, neuron, tick)
        if self.phase is not None:
            np.add.at(self.spikes, (instance, neuron), 1)

    def update(self) -> FloatArray:
        """The weights after an update."""
        if self.exact:
            self.weights = self._exactly()
        else:
            reads = sensor.read(self.sensors, self.charge, sensor.read_noise(self.sensors, self.noise))
            self.state, self.spikes[...] = program.run(self.program, reads, self.state, self.spikes), 0
            self.weights = np.zeros_like(self.weights) if self.state.silent else self._held()
        self.charge = sensor.reset(self.charge)
        return self.weights

    def _held(self) -> FloatArray:
        return np.asarray(self.setting.code * self.state.code, dtype=np.float64)

    def _exactly(self) -> FloatArray:
        """Without converter and fixed point, as ``Target.ideal`` wants it."""
        pairs = self.charge.charge / self.setting.amplitude
        low, high = self.rule.bounds or (-np.inf, np.inf)
        new = self.weights + self.rates * (self.amplitudes * pairs).sum(axis=1)
        return self.grid.nearest(np.clip(new, low, high))


def too_large(programs: Mapping[str, program.PlasticityProgram]) -> list[Diagnostic]:
    """Whether the rules of all projections fit a processor's memory."""
    needed = sum(memory(p) for p in programs.values())
    if needed < PROCESSOR_MEMORY:
        return []
    path, fix = f"projections.{next(iter(programs))}.plasticity", "fewer plastic inputs per neuron"
    return [
        Diagnostic("SAL203", path, f"{needed} bytes of data", f"{PROCESSOR_MEMORY} available beside the stack", fix)
    ]
