"""Neurons of the description as NEST models with their parameters; bias and stimuli as what acts on these."""

from __future__ import annotations

from math import exp, expm1

import numpy as np

from salhw.fields import FloatArray, in_steps
from salhw.kernels import Kernel, Rectangular
from salhw.network import Population
from salhw.neurons import GLM, LIF, Neuron

FOREVER = 1e300  # ms: the time constant of a perfect integrator
MODELS = {"GLM": "pp_psc_delta", "LIF": "iaf_psc_exp", "Source": "iaf_psc_delta"}
SURE, NEVER = 1e40, 1e-150  # Hz per Hz: a hazard that fires at once, and one that never does but for a forced spike
FORCE = 512.0  # what forces a GLM neuron to spike: exp(FORCE) NEVER is still sure; a power of two, so that adding and
# taking it away again rounds the potential to 1e-13 once, not again and again
QUIET = 1024.0  # what keeps it from spiking between the steps
TRIGGER = 1e9  # what makes a source spike, far above any weight


def held(neuron: GLM | LIF, tau_syn: float | None) -> dict[str, float]:
    """The parameters that never change; ``tau_syn`` in ms is that of the exponential PSPs, None of rectangular ones.

    ``pp_psc_delta`` without reset is a GLM neuron whose potential is the PSP itself: a perfect integrator of on and off
    events for rectangular PSPs, a leaky one with the PSP's time constant for exponential ones.
    """
    constant = tau_syn or FOREVER
    if isinstance(neuron, GLM):
        return {"tau_m": constant, "c_1": 0.0, "with_reset": False, "V_m": 0.0, "I_e": 0.0}
    return {
        "tau_m": neuron.tau_m, "C_m": neuron.tau_m,  # a resistance of 1: currents in units of the potential
        "E_L": neuron.v_rest, "V_m": neuron.v_rest, "V_reset": neuron.v_reset, "V_th": neuron.v_thresh,
        "tau_syn_ex": constant, "tau_syn_in": constant,
    }  # fmt: skip


def refractory(neuron: GLM | LIF, tick: float) -> dict[str, float]:
    """NEST counts from the spike's own step, so its smallest interval is one tick longer than what it is told."""
    return {"dead_time" if isinstance(neuron, GLM) else "t_ref": neuron.tau_ref - tick}


def source(tick: float) -> dict[str, float]:
    """A cell that spikes once at each tick with a trigger, forgets, and takes no notice of weights."""
    return {
        "tau_m": 1e-3 * tick, "C_m": 1.0, "E_L": 0.0, "V_m": 0.0, "V_reset": 0.0, "V_th": 0.5 * TRIGGER, "t_ref": 0.0
    }  # fmt: skip


def escape(neuron: GLM, bias: FloatArray, dt: float, per_step: int) -> dict[str, FloatArray]:
    """The hazard ``c_2 exp(c_3 V)`` in Hz of neurons with these biases, at the one tick of a step at which they decide.

    ``logistic`` is not among NEST's: it gets the hazard whose probability per step, 1 - exp(-hazard), has the value and
    the slope of x / (1 + x) at the bias.
    """
    x = np.exp(bias) * dt / neuron.tau_ref
    hazard, slope = x, np.ones_like(x)
    if neuron.discretisation == "logistic":
        hazard = np.log1p(x)
        slope = x / ((1.0 + x) * hazard)
    return {"c_2": hazard * (1000.0 * per_step / dt), "c_3": slope}


def escape_error(neuron: GLM, bias: FloatArray, inputs: FloatArray, dt: float) -> float:
    """Largest relative error of a logistic neuron's firing probability over ``inputs`` (neuron, ...) of its
    potential."""
    inputs = np.clip(inputs, -FORCE, FORCE)
    hazard = escape(neuron, bias[:, None], dt, 1)
    x = np.exp(bias[:, None] + inputs) * dt / neuron.tau_ref
    wanted = x / (1.0 + x)
    got = -np.expm1(-hazard["c_2"] * (dt / 1000.0) * np.exp(hazard["c_3"] * inputs))
    return float(np.abs(got / wanted - 1.0).max(initial=0.0))


def psp_scale(neuron: Neuron, kernel: Kernel, dt: float) -> float:
    """The weight in NEST's units per unit weight: what makes the PSP have the kernel's value at its first step.

    A LIF neuron of NEST integrates the decaying current over the step; ours takes its value at the step's end, so the
    two agree up to a constant factor.
    """
    if isinstance(kernel, Rectangular):
        return kernel.height
    first = kernel.height * exp(-dt / kernel.tau_syn)
    if not isinstance(neuron, LIF):
        return first
    fast, slow = kernel.tau_syn, neuron.tau_m
    if abs(fast / slow - 1.0) < 1e-9:
        integral = dt / slow * exp(-dt / slow)
    else:  # (exp(-dt/slow) - exp(-dt/fast)) fast / (slow - fast), without cancellation
        integral = exp(-dt / slow) * -expm1(-dt * (1.0 / fast - 1.0 / slow)) * fast / (slow - fast)
    return first * -expm1(-dt / slow) / integral


def latency(population: Population, dt: float, delay: float) -> int:
    """Steps from a spike to the NEST event that acts as the description says. NEST's LIF neuron lets a current act one
    step after it arrived."""
    steps = in_steps(delay, dt)
    assert steps is not None  # the description holds delays to the grid
    return steps if isinstance(population.neuron, LIF) else steps + 1
