"""Neurons of the description as NEST models with their parameters; bias and stimuli as what acts on these."""

from __future__ import annotations

from math import ceil, exp, expm1, log2

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.grid import in_steps
from salhw.description.kernels import Kernel, Rectangular
from salhw.description.neurons import GLM, LIF, Neuron
from salhw.description.parts import Population

FOREVER = 1e300  # ms: the time constant of a perfect integrator
MODELS = {"GLM": "pp_psc_delta", "LIF": "iaf_psc_exp", "Source": "iaf_psc_delta"}
SURE = 690.0  # the logarithm of a hazard that numbers still hold; minus this, of one that never fires
STRENGTH = 1024.0, 2.0**22  # what forces a GLM neuron to spike, or keeps it from that: at least, and at most
UNREACHED = 1e100  # a threshold that nothing reaches
UNSEEN = 1e-200  # the height of a PSP that is over before its first step; its weight can still be read
FASTEST = 600.0  # steps in units of a LIF neuron's time constant, beyond which no current of NEST moves it by its end
TRIGGER = 1e9  # what makes a source spike, far above any weight

# Random steps of a logistic neuron's potential, and how many of each a step has in the mean. The logistic law is the
# exact one averaged over hazards with an exponential distribution: 1 / (1 + x) = E[exp(-x Y)]. Here Y is exp(-K) over
# its mean, K a sum of Poisson numbers times these sizes. The sizes are whole, so that adding and taking away again is
# exact; the rates minimise the largest relative error of both probabilities, to spike and not to.
NOISE = {-1: 0.08592, 1: 1.199076, 3: 0.027745, 5: 0.004233}


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


def noise_error() -> float:
    """Largest relative error of the firing probability of a logistic neuron with noise, whatever its potential; up to a
    probability of .98 that of not firing is off by no more."""
    x = np.exp(np.linspace(-12.0, 12.0, 481))
    level, chance = _levels()
    got = -np.expm1(-x[:, None] * np.exp(-level)) @ chance
    off = np.abs(got * (1.0 + x) / x - 1.0), np.abs((1.0 - got) * (1.0 + x) - 1.0)[x < np.exp(4.0)]
    return float(max(o.max() for o in off))


def _levels() -> tuple[FloatArray, FloatArray]:
    """The values of the noise, so that the mean of exp(-value) is 1, and their probabilities."""
    size = 128
    value = (np.arange(size) + size // 4) % size - size // 4
    spectrum = sum(rate * (np.exp(-2j * np.pi * jump * np.arange(size) / size) - 1.0) for jump, rate in NOISE.items())
    chance = np.fft.ifft(np.exp(spectrum)).real
    value, chance = value[chance > 1e-13], chance[chance > 1e-13]
    return np.asarray(value + np.log(chance @ np.exp(-value)), dtype=np.float64), chance


def strength(inputs: float) -> float:
    """What is added to the potential of a GLM neuron to force a spike, or taken from it to prevent one, where
    ``inputs`` are the largest it can have: four times that. A power of two, so that adding it and taking it away again
    rounds the potential once (to 1e-9 at most), not again and again."""
    least, most = STRENGTH
    return float(np.clip(2.0 ** ceil(log2(4.0 * max(inputs, 1.0))), least, most))


def clamped(state: IntArray, escaping: dict[str, FloatArray], force: float) -> dict[str, FloatArray]:
    """The hazard of neurons that a clamp holds in ``state`` 1 or 0 (-1: free), of populations with this ``strength``:
    sure or impossible at any potential of up to a quarter of it, and the other way round where it was added or taken
    away, as forced spikes and the clock do."""
    return {
        "c_2": np.where(state < 0, escaping["c_2"], np.where(state == 1, np.exp(SURE), np.exp(-SURE))),
        "c_3": np.where(state < 0, escaping["c_3"], 2.0 * SURE / force),
    }


def psp_scale(neuron: Neuron, kernel: Kernel, dt: float) -> float:
    """The weight in NEST's units per unit weight: what makes the PSP have the kernel's value at its first step.

    A LIF neuron of NEST integrates the decaying current over the step; ours takes its value at the step's end, so the
    two agree up to a constant factor.
    """
    if isinstance(kernel, Rectangular):
        return kernel.height
    first = kernel.height * exp(-dt / kernel.tau_syn)
    if not isinstance(neuron, LIF):
        return max(first, UNSEEN)
    fast, slow = kernel.tau_syn, neuron.tau_m
    if abs(fast / slow - 1.0) < 1e-9:
        integral = dt / slow * exp(-dt / slow)
    else:
        integral = _between(dt, slow, fast) * fast / (slow - fast)
    return max(first * -expm1(-dt / slow) / integral, UNSEEN)


def _between(t: float, slow: float, fast: float) -> float:
    """exp(-t / slow) - exp(-t / fast), without cancellation and whichever of them is the slower one."""
    if fast > slow:
        return -_between(t, fast, slow)
    return exp(-t / slow) * -expm1(-t * (1.0 / fast - 1.0 / slow))


def next_potential(
    neuron: LIF, tau_syn: float, tick: float, before: FloatArray, current: FloatArray, drive: FloatArray
) -> FloatArray:
    """The potential of a LIF neuron of NEST after a tick: from what it was, the synaptic current and the bias."""
    slow, fast = neuron.tau_m, tau_syn
    if abs(fast / slow - 1.0) < 1e-9:
        share = tick / slow * exp(-tick / slow)
    else:
        share = _between(tick, slow, fast) / (slow / fast - 1.0)
    rest = neuron.v_rest
    return rest + (before - rest) * exp(-tick / slow) + share * current - expm1(-tick / slow) * drive


def latency(population: Population, dt: float, delay: float) -> int:
    """Steps from a spike to the NEST event that acts as the description says. NEST's LIF neuron lets a current act one
    step after it arrived."""
    steps = in_steps(delay, dt)
    assert steps is not None  # the description holds delays to the grid
    return steps if isinstance(population.neuron, LIF) else steps + 1
