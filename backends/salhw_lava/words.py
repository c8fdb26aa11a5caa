"""How potentials lie in the chip's words of 24 bits: with as many bits behind the point as the network's largest
possible value leaves, or a refusal if it does not fit at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, exp, expm1, log1p, log2, nextafter

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw.description.neurons import GLM, LIF
from salhw.description.parts import Population
from salhw_lava.arithmetic import FINEST, WORD, Arithmetic
from salhw_lava.learning import EngineLimit, rounded_down
from salhw_lava.reach import Reach, of_projection, reach

SPARE = 2.0  # biases and inputs may grow by this factor at the expense of the last bit, while bits are left
CURRENT = range(12, 5, -1)  # bits behind the point of a LIF neuron's current; more where the threshold is below 1
MOST = 18
LEAK = 12  # bits of a leak's mantissa
MANTISSA = (1 << 17) - 1  # of a threshold
SHORTEST = 0.1  # ms: tau_m as the target declares it
SMALLEST_THRESHOLD = 32  # steps of the membrane


@dataclass(frozen=True)
class Potential:
    """A GLM population's potentials: words with ``bits`` behind the point."""

    bits: int

    @property
    def largest(self) -> float:
        """The largest potential that fits."""
        return WORD / 2.0**self.bits

    def beyond(self, bias: FloatArray, inputs: Reach) -> EngineLimit | None:
        """What does not fit, if anything."""
        most = float(np.max(np.maximum(bias + inputs.high, -(bias + inputs.low)), initial=0.0))
        if most <= self.largest:
            return None
        fix = f"inputs that add up to {0.98 * self.largest / most:.2g} times as much"
        return EngineLimit(f"a potential of up to {most:.6g}", f"at most {self.largest:.6g}, a word of 24 bits", fix)


@dataclass(frozen=True)
class Leak:
    """A LIF population in the units of Lava's LIF, whose membrane is reset to zero: ``v = (1 - dv) v + PSPs + bias``.

    ``scale`` is the chip's unit over that of the description's v; ``gain`` turns a bias or an input into a current per
    step, a whole number in fixed point. ``du``, ``dv`` and ``vth`` are Lava's parameters, ``start`` the membrane at
    rest. In fixed point the leak is ``dv 2^-leak_bits``, the threshold ``vth 2^vth_shift``, and a current has
    ``current_bits`` more than a weight.
    """

    scale: float
    gain: float
    offset: float
    height: float
    reset: float
    du: float
    dv: float
    vth: float
    start: float
    fixed: bool = False
    leak_bits: int = 0
    vth_shift: int = 0
    current_bits: int = 0

    @property
    def threshold(self) -> float:
        """The one achieved, in the description's units."""
        return (self.vth * 2.0**self.vth_shift + 0.5) / self.scale + self.reset

    def current(self, bias: FloatArray) -> FloatArray:
        """What the chip adds to the membrane in every step."""
        exact = self.gain * (np.asarray(bias, dtype=np.float64) + self.offset)
        return np.rint(exact) if self.fixed else exact

    def bias(self, current: FloatArray) -> FloatArray:
        """The bias that a current is."""
        return np.asarray(current, dtype=np.float64) / self.gain - self.offset

    def psp_peak(self, tau: float) -> float:
        """The peak in the membrane of an exponential PSP of ``tau`` steps and weight 1."""
        share = self.gain / self.scale
        arriving, staying = exp(-1.0 / tau), (1.0 - share) * (1.0 - 1e-7)
        if arriving == staying:
            staying *= 1.0 - 1e-7
        steps = np.unique(np.rint(np.geomspace(1.0, 10.0 * max(tau, 1.0 / share), 200)))
        return float(share * arriving * np.max((arriving**steps - staying**steps) / (arriving - staying)))

    def beyond(self, bias: FloatArray, inputs: Reach, spare: float = 1.0) -> EngineLimit | None:
        """What does not fit, if anything: a membrane, or a current."""
        if not self.fixed:
            return None
        limits = (
            ("a membrane", self.scale, excursion(self, bias, inputs, spare, self.gain / self.scale)),
            ("inputs", self.gain, spare * inputs.most),
            ("a drive", self.gain, spare * float(np.max(np.abs(bias + self.offset), initial=0.0))),
        )
        for what, scale, most in limits:
            if most * scale > WORD:
                fix = f"{WORD / scale / most:.2g} times as much drive at most, or a shorter tau_m"
                return EngineLimit(f"{what} of up to {most:.6g}", f"at most {WORD / scale:.6g}, a word of 24 bits", fix)
        return None


def excursion(leak: Leak, bias: FloatArray, inputs: Reach, spare: float, share: float) -> float:
    """How far a membrane may get from reset, in the description's units: down to where the lowest drive would hold it,
    up to the threshold and what the last step adds."""
    drive = bias + leak.offset
    low = spare * float(np.min(drive + inputs.low, initial=min(0.0, leak.offset)))
    high = spare * float(np.max(drive + inputs.high, initial=max(0.0, leak.offset)))
    return max(-low, leak.height + share * high)


Words = Mapping[str, Potential | Leak]


def words(net: Network, how: Arithmetic) -> Words:
    """Of every population but sources. ``net`` is the description: what is rounded later does not count.

    Raises:
        EngineLimit: something does not fit, which lowering has refused before.
    """
    return {p.name: word(net, p, how) for p in net.populations if isinstance(p.neuron, GLM | LIF)}


def word(net: Network, population: Population, how: Arithmetic) -> Potential | Leak:
    """How the potentials of a population lie in words.

    Raises:
        EngineLimit: they do not fit, or the threshold is no more than a few steps high.
    """
    neuron = population.neuron
    assert isinstance(neuron, GLM | LIF)
    bias = np.broadcast_to(np.asarray(neuron.bias, dtype=np.float64), (population.size,))
    if not how.fixed:
        return Potential(0) if isinstance(neuron, GLM) else floating_leak(neuron, net.dt)
    inputs = reach(net, population.name, how)
    return _potential(bias, inputs, how) if isinstance(neuron, GLM) else _leak(neuron, net.dt, bias, inputs, how)


def _potential(bias: FloatArray, inputs: Reach, how: Arithmetic) -> Potential:
    least = round(np.log2(how.per_bias))
    twice = Reach(SPARE * inputs.low, SPARE * inputs.high)
    for bits in range(least + FINEST, least, -1):
        if Potential(bits).beyond(SPARE * bias, twice) is None:
            return Potential(bits)
    if beyond := Potential(least).beyond(bias, inputs):
        raise beyond
    return Potential(least)


def shorter_psps(net: Network, population: Population, how: Arithmetic) -> tuple[str, str]:
    """For a refusal: up to which tau_syn of the projection that adds most a population's potentials fit, and where;
    nothing if it is as short as can be."""
    inputs = [p for p in net.projections if p.post == population.name and p.kernel.tau_syn > net.dt]
    if not inputs:
        return "", ""
    worst = max(inputs, key=lambda p: of_projection(net, p, how).most)

    def fits(steps: int) -> bool:
        kernel = worst.kernel.replace(tau_syn=steps * net.dt)
        others = [p if p.name != worst.name else p.replace(kernel=kernel) for p in net.projections]
        try:
            word(net.replace(projections=others), population, how)
        except EngineLimit as beyond:
            return bool(beyond.at)  # another field stands in the way, and has a fix of its own
        return True

    low, high = 1, max(1, round(worst.kernel.tau_syn / net.dt))
    if low == high:
        return "", ""
    while high - low > 1 and fits(low):  # if none fits, the others' have to be shorter, too
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return f"projections.{worst.name}.kernel.tau_syn", f"tau_syn <= {low * net.dt:.12g} ms"


def floating_leak(neuron: LIF, dt: float) -> Leak:
    """How Lava's floating-point LIF does a population."""
    share, offset = float(-expm1(-dt / neuron.tau_m)), neuron.v_rest - neuron.v_reset
    height = neuron.v_thresh - neuron.v_reset
    vth = nextafter(height / share, 0.0) * (1.0 - 1e-12)  # Lava spikes above the threshold, we from it on
    return Leak(1.0 / share, 1.0, offset, height, neuron.v_reset, 1.0, share, vth, offset / share)


def fixed_leak(neuron: LIF, dt: float, bits: int, how: Arithmetic) -> Leak:
    """How Lava's fixed-point LIF does a population whose currents have ``bits`` behind the point."""
    share, offset = float(-expm1(-dt / neuron.tau_m)), neuron.v_rest - neuron.v_reset
    height, leak_bits = neuron.v_thresh - neuron.v_reset, LEAK
    while share * 2.0**leak_bits < 2 ** (LEAK - 1) - 0.25:
        leak_bits += 1
    dv = min((1 << LEAK) - 1, round(share * 2.0**leak_bits))
    gain = 2.0**bits
    scale = gain * 2.0**leak_bits / dv
    steps, shift = height * scale - 0.5, 0
    while steps * 2.0**-shift > MANTISSA:
        shift += 1
    return Leak(
        scale, gain, offset, height, neuron.v_reset, (1 << LEAK) - 1, dv, round(steps * 2.0**-shift),
        round(offset * scale), True, leak_bits, shift, bits - how.bits,
    )  # fmt: skip


def _leak(neuron: LIF, dt: float, bias: FloatArray, inputs: Reach, how: Arithmetic) -> Leak:
    """The most bits with which everything fits, if possible with some to spare."""
    more = max(0, ceil(-log2(neuron.v_thresh - neuron.v_reset)))
    tried = [fixed_leak(neuron, dt, min(MOST, bits + more), how) for bits in CURRENT]
    fits = (leak for spare in (SPARE, 1.0) for leak in tried if leak.beyond(bias, inputs, spare) is None)
    found = next(fits, None)
    if found is None:
        raise _too_slow(tried[-1], dt, bias, inputs)
    if found.vth * 2**found.vth_shift < SMALLEST_THRESHOLD:
        lowest = found.reset + 1.1 * SMALLEST_THRESHOLD / found.scale
        asked = f"a threshold {found.height:.3g} above reset beside potentials of up to {WORD / found.scale:.3g}"
        raise EngineLimit(
            asked, f"{SMALLEST_THRESHOLD} steps of 2^-23 of these", f"v_thresh >= {lowest:.4g}", "v_thresh"
        )
    return found


def _too_slow(leak: Leak, dt: float, bias: FloatArray, inputs: Reach) -> EngineLimit:
    """The refusal, and up to which tau_m everything fits: a membrane's unit is that of the current over the leak."""
    most = excursion(leak, bias, inputs, 1.0, 1.0)
    share = 1.001 * most * leak.gain / WORD
    asked = f"potentials of up to {excursion(leak, bias, inputs, 1.0, leak.gain / leak.scale):.4g}"
    bits = round(log2(leak.gain))
    supported = (
        f"at most {WORD / leak.scale:.4g} with this tau_m: words of 24 bits, {bits} of a current behind the point"
    )
    if share >= -expm1(-dt / SHORTEST) or inputs.most * leak.gain > WORD:
        return EngineLimit(asked, supported, "fewer synapses, or weaker ones")
    return EngineLimit(asked, supported, f"tau_m <= {rounded_down(-dt / log1p(-share))} ms", "tau_m")
