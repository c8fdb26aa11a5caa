"""Hybrid plasticity of one projection on B chips: sensors collect, and every period the processor reads, computes, writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from salhw.chip import Chip
from salhw.compile.executable import Executable
from salhw.compile.quantise import levels
from salhw.connectivity import synapses
from salhw.fields import FloatArray, IntArray, in_steps
from salhw.network import Network
from salhw.target import Range, Target
from salhw_pynn.analog.placement import Rows
from salhw_pynn.hardware import program, sensor
from salhw_pynn.hardware.program import Setting

SENSITIVITY = 2.0
"""LSB per pair at distance 0: with less, the noise of the reads drowns the pairs."""


def code(target: Target) -> float:
    """The weight of one code: what the target's weight bits make of its range, or would."""
    limits = target.projections["weights"]
    assert isinstance(limits, Range)
    return levels(limits, target.weight_bits or 7)[0]


def setting(target: Target) -> Setting:
    """What sensors and processor of a target are set to."""
    low_high = target.windows["Exponential"]["tau"]
    assert isinstance(low_high, Range)
    return Setting(code(target), SENSITIVITY, tau=(low_high.min, low_high.max),
                   hidden_bits=int(target.options["hidden_bits"]), rounding=target.options["rounding"])  # type: ignore[arg-type]


class Learner:
    """The sensors and the processor's program of one plastic projection. Weights are in units of the description, (B, S)
    in the order of ``salhw.connectivity.synapses``; neurons are counted through all populations."""

    def __init__(
        self, executable: Executable, name: str, rows: Rows, chips: Sequence[Chip], seeds: Sequence[int], tick: float,
        weights: FloatArray, rates: FloatArray,
    ) -> None:  # fmt: skip
        net, place, target = executable.network, executable.placement, executable.target
        p = net.projection(name)
        (self.rule,) = p.plasticity
        post, pre, _ = synapses(p.weights, *net.ends(name))
        ends = place.first[p.pre] + pre, place.first[p.post] + post
        self.exact = target.weight_bits is None
        self.period = in_steps(self.rule.period or 0.0, net.dt) or 0
        self.setting = setting(target)
        self.row, self.column, self.seeds = rows.row[name], place.first[p.post] + post, np.asarray(seeds)
        self.sensors = sensor.of_chips(
            chips, *ends, place.synapses(net, name), neurons=sum(q.size for q in net.populations), dt=tick,
            amplitude=self.setting.amplitude, tau=self.rule.causal.tau, capacity=self.setting.capacity,
        )  # fmt: skip
        self.charge = sensor.fresh(self.sensors)
        self.noise = [np.random.default_rng([int(seed), 1]) for seed in seeds]
        self.baseline, self.baseline_reads = sensor.measured_baseline(self.sensors, self.noise)
        self.program = self._compiled(rates)
        self.rates = rates
        self.state = program.initial_state(self.program, weights / self.setting.code)
        self.weights = weights

    def _compiled(self, rates: FloatArray) -> program.Program:
        return program.compile_rule(
            self.rule, self.setting, self.row, self.column, self.baseline, learning_rate=rates, seed=self.seeds
        )

    def teach(self, rates: FloatArray) -> None:
        """Learn with ``rates`` (B, S) from now on.

        Raises:
            UnsupportedNetworkError: beyond what the processor's factors hold.
        """
        self.program = self._compiled(rates)
        self.rates = rates

    def write(self, weights: FloatArray) -> FloatArray:
        """Weights that the host writes, as they are then held; nothing stays hidden."""
        if self.exact:
            self.weights = weights
        else:
            new = program.initial_state(self.program, weights / self.setting.code)
            self.state = replace(new, generators=self.state.generators)
            self.weights = self.setting.code * self.state.code
        return self.weights

    def see(self, instance: IntArray, neuron: IntArray, tick: IntArray) -> None:
        """Spikes after all earlier ones."""
        self.charge = sensor.accumulate(self.sensors, self.charge, instance, neuron, tick)

    def update(self) -> FloatArray:
        """The weights after an update."""
        if self.exact:
            self.weights = self._exactly()
        else:
            reads = sensor.read(self.sensors, self.charge, sensor.read_noise(self.sensors, self.noise))
            self.state = program.run(self.program, reads, self.state)
            self.weights = self.setting.code * self.state.code
        self.charge = sensor.reset(self.charge)
        return self.weights

    def _exactly(self) -> FloatArray:
        """Without converter and fixed point, as ``Target.ideal`` wants it."""
        sides = [float(np.asarray(w.amplitude)) for w in (self.rule.causal, self.rule.anticausal)]
        pairs = self.charge.charge / self.setting.amplitude
        low, high = self.rule.bounds or (-np.inf, np.inf)
        limit = self.setting.code * program.WEIGHT_MAX
        new = self.weights + self.rates * (sides[0] * pairs[:, 0] + sides[1] * pairs[:, 1])
        return np.asarray(np.clip(new, max(low, -limit), min(high, limit)))


def plastic(net: Network) -> list[str]:
    """The projections that learn."""
    return [p.name for p in net.projections if p.plasticity]
