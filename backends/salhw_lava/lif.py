"""LIF neurons on the chip: Lava's own model, whose membrane is reset to zero and whose leak has 12 bits."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, expm1, log1p, log2, nextafter

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.neurons import LIF
from salhw_lava.arithmetic import WORD, Arithmetic
from salhw_lava.learning import EngineLimit, rounded_down, rounded_up
from salhw_lava.neurons import SPARE, Parameters, PspWords
from salhw_lava.reach import Reach

CURRENT = range(12, 5, -1)  # bits behind the point of a current; more where the threshold is below 1
MOST = 18
LEAK = 12  # bits of a leak's mantissa
MANTISSA = (1 << 17) - 1  # of a threshold
SHORTEST = 0.1  # ms: tau_m as the target declares it
SMALLEST_THRESHOLD = 32  # steps of the membrane


@dataclass(frozen=True)
class Leak:
    """A LIF population in the units of Lava's LIF: ``v = (1 - dv) v + PSPs + bias``, reset to zero.

    ``scale`` is the chip's unit over that of the description's v; ``gain`` turns a bias or an input into a current per
    step, a whole number in fixed point. ``du``, ``dv`` and ``vth`` are Lava's parameters, ``start`` the membrane at
    rest. In fixed point the leak is ``dv 2^-leak_bits``, the threshold ``vth 2^vth_shift``, and a current has
    ``current_bits`` more than a weight.
    """

    neuron: LIF
    dt: float
    scale: float
    gain: float
    du: float
    dv: float
    vth: float
    start: float
    fixed: bool = False
    leak_bits: int = 0
    vth_shift: int = 0
    current_bits: int = 0

    @property
    def reset(self) -> float:
        """Lava's zero."""
        return float(self.neuron.v_reset)

    @property
    def offset(self) -> float:
        """The bias that holds the membrane at rest."""
        return float(self.neuron.v_rest - self.neuron.v_reset)

    @property
    def height(self) -> float:
        """From reset to the threshold."""
        return float(self.neuron.v_thresh - self.neuron.v_reset)

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

    def membrane(self, recorded: FloatArray) -> FloatArray:
        """Potentials as the description has them, from those that Lava records."""
        return recorded / self.scale + self.reset

    def psp_peak(self, tau: float) -> float:
        """The peak in the membrane of an exponential PSP of ``tau`` steps and weight 1."""
        share = self.gain / self.scale
        arriving, staying = exp(-1.0 / tau), (1.0 - share) * (1.0 - 1e-7)
        if arriving == staying:
            staying *= 1.0 - 1e-7
        steps = np.unique(np.rint(np.geomspace(1.0, 10.0 * max(tau, 1.0 / share), 200)))
        return float(share * arriving * np.max((arriving**steps - staying**steps) / (arriving - staying)))

    def psp(self, tau: float) -> PspWords:
        """How an exponential PSP of ``tau`` steps lies in the words; what counts is the PSP in the membrane."""
        gain = self.gain / self.scale * min(tau + 1.0, self.scale / self.gain)
        return PspWords(self.psp_peak(tau), round(log2(self.gain)), 1.5 / self.gain + 1.0 / self.scale, gain)

    def beyond(self, bias: FloatArray, inputs: Reach, spare: float = 1.0) -> EngineLimit | None:
        """What does not fit, if anything: a membrane, or a current."""
        if not self.fixed:
            return None
        limits = (
            ("a membrane", self.scale, self.excursion(bias, inputs, spare, self.gain / self.scale)),
            ("inputs", self.gain, spare * inputs.most),
            ("a drive", self.gain, spare * float(np.max(np.abs(bias + self.offset), initial=0.0))),
        )
        for what, scale, most in limits:
            if most * scale > WORD:
                fix = f"{WORD / scale / most:.2g} times as much drive at most, or a shorter tau_m"
                return EngineLimit(f"{what} of up to {most:.6g}", f"at most {WORD / scale:.6g}, a word of 24 bits", fix)
        return None

    def excursion(self, bias: FloatArray, inputs: Reach, spare: float, share: float) -> float:
        """How far a membrane may get from reset, in the description's units: down to where the lowest drive would hold
        it, up to the threshold and what the last step adds."""
        drive = bias + self.offset
        low = spare * float(np.min(drive + inputs.low, initial=min(0.0, self.offset)))
        high = spare * float(np.max(drive + inputs.high, initial=max(0.0, self.offset)))
        return max(-low, self.height + share * high)

    def parameters(self, bias: FloatArray) -> Parameters:
        """What Lava needs to know, with these biases: its own LIF has a process of its own."""
        kind = int if self.fixed else float
        units = {"du": self.du, "dv": self.dv, "vth": self.vth, "v": self.start}
        shifts = {"leak_bits": self.leak_bits, "vth_shift": self.vth_shift, "current_bits": self.current_bits}
        refractory = round(float(self.neuron.tau_ref) / self.dt) - 1
        process = {name: kind(value) for name, value in units.items()} | shifts | {"refractory": refractory}
        return Parameters(self.current(bias), process=process)

    def approximation(self) -> tuple[str, str]:
        """What fixed point makes of the neurons: (of what, how much)."""
        tau = -self.dt / float(np.log1p(-self.dv / 2.0**self.leak_bits))
        off = self.threshold - float(self.neuron.v_thresh)
        moved = max(0.5 * 2.0**self.vth_shift, abs(off * self.scale)) / self.scale
        return f"tau_m = {self.neuron.tau_m:g} ms", (
            f"{tau:.6g} ms (a leak of 12 bits), v_thresh off by {rounded_up(moved)}, drive in steps of "
            f"{rounded_up(1.0 / self.gain)}, of which up to one is lost (a membrane of 24 bits, rounded toward v_reset "
            f"at every step)"
        )

    @property
    def rounding(self) -> float:
        """How far a membrane may be from where it would be, beside the threshold, at most: by half a step of the
        current, by which PSPs are rounded, the one that is lost, half a step at the start, and the threshold."""
        return 1.5 / self.gain + (0.5 + 0.5 + 0.5 * 2.0**self.vth_shift) / self.scale

    def moved(self, off: float) -> str:
        """What it means that biases are moved by ``off``."""
        return f"moved by at most {rounded_up(off)}"


def fit_leak(neuron: LIF, dt: float, units: Arithmetic, inputs: Reach | None) -> Leak:
    """The words with the most bits in which everything fits, if possible with some to spare.

    Args:
        inputs: what PSPs add up to; None in floating point.

    Raises:
        EngineLimit: it does not fit, or the threshold is no more than a few steps high.
    """
    if inputs is None:
        return floating_leak(neuron, dt)
    bias = np.asarray(neuron.bias, dtype=np.float64)
    more = max(0, ceil(-log2(neuron.v_thresh - neuron.v_reset)))
    tried = [fixed_leak(neuron, dt, min(MOST, bits + more), units) for bits in CURRENT]
    fitting = (leak for spare in (SPARE, 1.0) for leak in tried if leak.beyond(bias, inputs, spare) is None)
    leak = next(fitting, None)
    if leak is None:
        raise _too_slow(tried[-1], bias, inputs)
    if leak.vth * 2**leak.vth_shift < SMALLEST_THRESHOLD:
        lowest = leak.reset + 1.1 * SMALLEST_THRESHOLD / leak.scale
        asked = f"a threshold {leak.height:.3g} above reset beside potentials of up to {WORD / leak.scale:.3g}"
        supported = f"{SMALLEST_THRESHOLD} steps of 2^-23 of these"
        raise EngineLimit(asked, supported, f"v_thresh >= {lowest:.4g}", "v_thresh")
    return leak


def floating_leak(neuron: LIF, dt: float) -> Leak:
    """How Lava's floating-point LIF does a population."""
    share, height = float(-expm1(-dt / neuron.tau_m)), neuron.v_thresh - neuron.v_reset
    vth = nextafter(height / share, 0.0) * (1.0 - 1e-12)  # Lava spikes above the threshold, we from it on
    return Leak(neuron, dt, 1.0 / share, 1.0, 1.0, share, vth, float(neuron.v_rest - neuron.v_reset) / share)


def fixed_leak(neuron: LIF, dt: float, bits: int, units: Arithmetic) -> Leak:
    """How Lava's fixed-point LIF does a population whose currents have ``bits`` behind the point."""
    share, offset, leak_bits = float(-expm1(-dt / neuron.tau_m)), float(neuron.v_rest - neuron.v_reset), LEAK
    while share * 2.0**leak_bits < 2 ** (LEAK - 1) - 0.25:
        leak_bits += 1
    dv = min((1 << LEAK) - 1, round(share * 2.0**leak_bits))
    gain = 2.0**bits
    scale = gain * 2.0**leak_bits / dv
    steps, shift = float(neuron.v_thresh - neuron.v_reset) * scale - 0.5, 0
    while steps * 2.0**-shift > MANTISSA:
        shift += 1
    return Leak(
        neuron, dt, scale, gain, (1 << LEAK) - 1, dv, round(steps * 2.0**-shift), round(offset * scale),
        True, leak_bits, shift, bits - units.bits - units.arriving,
    )  # fmt: skip


def _too_slow(leak: Leak, bias: FloatArray, inputs: Reach) -> EngineLimit:
    """The refusal, and up to which tau_m everything fits: a membrane's unit is that of the current over the leak."""
    most = leak.excursion(bias, inputs, 1.0, 1.0)
    share = 1.001 * most * leak.gain / WORD
    asked = f"potentials of up to {leak.excursion(bias, inputs, 1.0, leak.gain / leak.scale):.4g}"
    bits = round(log2(leak.gain))
    supported = (
        f"at most {WORD / leak.scale:.4g} with this tau_m: words of 24 bits, {bits} of a current behind the point"
    )
    if share >= -expm1(-leak.dt / SHORTEST) or inputs.most * leak.gain > WORD:
        return EngineLimit(asked, supported, "fewer synapses, or weaker ones")
    return EngineLimit(asked, supported, f"tau_m <= {rounded_down(-leak.dt / log1p(-share))} ms", "tau_m")
