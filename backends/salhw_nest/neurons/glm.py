"""GLM neurons in NEST."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import exp, expm1

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.neurons import GLM
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw.session.paths import described_at
from salhw_nest.findings import different
from salhw_nest.inputs import extent, strength_of
from salhw_nest.neurons.neuron import NestNeuron, Potential, Seen
from salhw_nest.neurons.noise import NOISE, noise_error
from salhw_nest.plan import Cells, Meter, tiled

SURE = 690.0  # the logarithm of a hazard that numbers still hold; minus this, of one that never fires


class NestGLM(NestNeuron[GLM]):
    """``pp_psc_delta`` without reset, whose potential is the PSP itself: a perfect integrator of the events that begin
    and end rectangular PSPs, a leaky one with the PSP's time constant for exponential ones."""

    model = "pp_psc_delta"
    least_refractory = 2  # without dead time a neuron of NEST may spike several times per tick
    follows_weights = True

    def cells(self, per_step: int, instances: int) -> Cells:
        size = self.population.size
        silent = {
            "tau_m": self.psp_constant, "c_1": 0.0, "with_reset": False, "V_m": 0.0, "I_e": 0.0,
            "dead_time": self.neuron.tau_ref - self.net.dt / per_step,  # NEST's smallest interval is a tick longer
            "c_2": 0.0,
        }  # fmt: skip
        bias = tiled(described_at(self.net, f"populations.{self.population.name}.bias"), size, instances)
        return Cells(self.population.name, self.model, size * instances, silent, self._escape(bias, per_step))

    def holds(self, bias: FloatArray, state: IntArray, per_step: int) -> dict[str, FloatArray]:
        escape = self._escape(bias, per_step)
        if (state < 0).all():
            return escape
        return _clamped(state, escape, strength_of(self.net, self.target, self.population))

    def _escape(self, bias: FloatArray, per_step: int) -> dict[str, FloatArray]:
        return escape(self.neuron, bias, self.net.dt, per_step, bool(self.noise))

    @property
    def logistic(self) -> bool:
        return self.neuron.discretisation == "logistic"

    @property
    def noise(self) -> Mapping[int, float]:
        return NOISE if self.logistic and self.target.option("logistic") == "noise" else {}

    def forcing(self, tick: float, least: int) -> list[tuple[float, int]]:
        lift = strength_of(self.net, self.target, self.population)
        return [(lift, least), (-lift * exp(-tick / self.psp_constant), least + 1)]

    def hushing(self, tick: float, per_step: int, least: int) -> list[tuple[float, int]]:
        quiet, ticks = strength_of(self.net, self.target, self.population), per_step - 1
        return [(-quiet, least), (quiet * exp(-ticks * tick / self.psp_constant), least + ticks)]

    def meters(self, every: int) -> tuple[Meter, ...]:
        """With noise, cells that have the noise and nothing else are sampled, too, to subtract."""
        bare = noise_of(self.population.name)
        return *super().meters(every), *([Meter(bare, bare, every)] if self.noise else [])

    def membrane(self, known: Potential, tick: float) -> FloatArray:
        return self._given(known, tick) + known.drive

    @property
    def variables(self) -> Mapping[str, Seen]:
        return {"inputs": Seen(self.meters, self._given)}

    def _given(self, known: Potential, tick: float) -> FloatArray:
        """What synapses add up to."""
        values = super().membrane(known, tick)
        if self.noise:
            values = values - known.sampled[noise_of(self.population.name)]["V_m"]
        return values - strength_of(self.net, self.target, self.population) * known.forced

    def approximations(self) -> Iterator[Diagnostic]:
        if not self.logistic:
            return
        path = f"populations.{self.population.name}.discretisation"
        if self.target.option("logistic") == "refuse":
            yield Diagnostic("SAL103", path, "logistic", "supported exact", 'discretisation="exact"')
            return
        fix = 'discretisation="exact"'
        if self.noise:
            size = (
                "NEST's hazard with noise on the potential, which makes it logistic; at any input the probability to "
                f"spike is off by up to {noise_error():.2g} of itself, up to one of .98 that not to spike, too"
            )
        else:
            once, often = (self._error(overlapping) for overlapping in (False, True))
            size = (
                f"NEST's hazard, equal at the bias; the probability to spike is over inputs of {once}, and where PSPs "
                f"overlap as much as they can, over {often}"
            )
            fix += ', or logistic="noise"'
        yield different("SAL321", path, "logistic", size, fix)

    def _error(self, overlapping: bool) -> str:
        inputs = extent(self.net, self.population, overlapping)
        bias = described_at(self.net, f"populations.{self.population.name}.bias")
        error = escape_error(self.neuron, bias, inputs, self.net.dt)
        return f"{number(inputs.min())}..{number(inputs.max())} off by up to {error:.2g} of itself"

    @property
    def lost(self) -> str:
        rate = 1.0 / (self.neuron.tau_ref * (1.0 + np.exp(-np.asarray(self.neuron.bias))))
        share = float(np.max(rate) * self.neuron.tau_ref)
        return f"{super().lost}: at the bias alone about {share:.2g} of them"


def noise_of(population: str) -> str:
    """The name of the cells that have the noise of a population, and nothing else."""
    return f"{population}_noise"


def escape(neuron: GLM, bias: FloatArray, dt: float, per_step: int, noisy: bool) -> dict[str, FloatArray]:
    """The hazard ``c_2 exp(c_3 V)`` in Hz of neurons with these biases, at the one tick of a step at which they decide.

    ``logistic`` is not among NEST's. Neurons whose potential is ``noisy`` (NOISE) get the mean hazard, which the noise
    turns into the logistic law; others the hazard whose probability per step, 1 - exp(-hazard), has the value and the
    slope of x / (1 + x) at the bias.
    """
    x = np.exp(bias) * dt / neuron.tau_ref
    hazard, slope = x, np.ones_like(x)
    if noisy:
        hazard = x * exp(-sum(rate * expm1(-size) for size, rate in NOISE.items()))
    elif neuron.discretisation == "logistic":
        hazard = np.log1p(x)
        slope = np.where(x > 1e-12, x / ((1.0 + x) * np.where(x > 0.0, hazard, 1.0)), 1.0)
    return {"c_2": hazard * (1000.0 * per_step / dt), "c_3": slope}


def escape_error(neuron: GLM, bias: FloatArray, inputs: FloatArray, dt: float) -> float:
    """Largest relative error of the firing probability of a logistic neuron without noise over ``inputs`` (neuron, ...)
    of its potential, which rises or falls monotonously from the bias on."""
    inputs = np.clip(inputs, -300.0, 300.0)
    hazard = escape(neuron, bias[:, None], dt, 1, False)
    x = np.exp(bias[:, None] + inputs) * dt / neuron.tau_ref
    wanted = x / (1.0 + x)
    got = -np.expm1(-hazard["c_2"] * (dt / 1000.0) * np.exp(np.minimum(hazard["c_3"] * inputs, 300.0)))
    return float(np.abs(got / wanted - 1.0).max(initial=0.0))


def _clamped(state: IntArray, free: dict[str, FloatArray], force: float) -> dict[str, FloatArray]:
    """The hazard of neurons that a clamp holds in ``state`` 1 or 0 (-1: free), of populations that ``force`` makes
    spike (see strength_of): sure or impossible at any potential of up to a quarter of it, and the other way round where
    it was added or taken away, as forced spikes and the clock do."""
    return {
        "c_2": np.where(state < 0, free["c_2"], np.where(state == 1, np.exp(SURE), np.exp(-SURE))),
        "c_3": np.where(state < 0, free["c_3"], 2.0 * SURE / force),
    }
