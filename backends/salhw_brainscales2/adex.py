"""AdEx neurons of the description as the chip's neuron circuits: the leaky circuit with its exponential and its
adaptation term (Billaudelle et al. 2022, Aamir et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray
from salhw.description.kernels import Kernel
from salhw.description.neurons import AdEx
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw_brainscales2.cell import LEAK_LSB, LEAKS, LSB_PER_GAP, Membranes, Varied
from salhw_brainscales2.leaky import LeakyCell
from salhw_nest.neurons.adex import ACCURATE, RUNAWAY, UNIT
from salhw_nest.neurons.leaky import UNREACHED

PEAK = 160.0
"""Converter LSB from the lower of rest and reset to the highest threshold of the comparator, 220 LSB on the chip."""
STEPS, PIECES = 400, 4
"""How many steps intervals are worked out for, and the parts of a tick by which equations are solved."""
BoolArray = npt.NDArray[np.bool_]
RUNS_AWAY = -0.95
"""The least a: below -1 v and w run away from rest on any circuit."""


class AdaptingCell(LeakyCell):
    """An AdEx neuron's: its membrane is the description's.

    v_thresh, the onset of the exponential term, lies LSB_PER_GAP above the lower of rest and reset; v_peak is the
    threshold of the comparator.
    """

    model, scale = "aeif_psc_exp", UNIT
    off_grid = "spikes wait for no step's end, and the equations are solved instead of stepped"

    def __init__(self, neuron: AdEx) -> None:
        self.neuron, self.tau_m, self.tau_ref = neuron, float(neuron.tau_m), float(neuron.tau_ref)
        self.rest, self.reset, self.onset = float(neuron.v_rest), float(neuron.v_reset), float(neuron.v_thresh)
        self.low = min(self.rest, self.reset)
        self.gap = max(self.onset - self.low, 1e-12)  # findings() refuses what is less
        self.unit, self.lsb = self.gap / LSB_PER_GAP, LSB_PER_GAP / self.gap
        # from where an infinite v is less away than NEST resolves
        self.thresh = min(float(neuron.v_peak), self.onset + RUNAWAY * float(neuron.slope_factor))

    def short_times(self, kernels: Sequence[Kernel]) -> list[float]:
        """NEST holds v for a tick at least, and needs one to see a spike: two ticks in a refractory period."""
        return [*super().short_times(kernels), 2.5 * self.tau_ref]

    def refractory(self, dt: float, tick: float) -> float:
        return max(2.0 * tick, super().refractory(dt, tick))

    def drive(self, made: Membranes, bias: FloatArray, dt: float) -> FloatArray:
        """Beside a leak to v_rest, which adaptation has for its own, too."""
        return np.asarray(made.leak + bias)

    def circuits(self, varied: Varied) -> dict[str, FloatArray]:
        n = self.neuron
        return {
            "a": np.maximum(varied("adaptation_a", float(n.a)), RUNS_AWAY),
            "b": varied("adaptation_b", float(n.b)),
            "tau_w": varied("tau_w", float(n.tau_w)),
            "slope_factor": varied("slope_factor", float(n.slope_factor)),
            "onset": self.onset + self.unit * varied("v_exp", 0.0),
        }

    def parameters(self, made: Membranes, potential: FloatArray, t_ref: float) -> dict[str, FloatArray]:
        own, whole = made.own, np.ones_like(made.tau_m)
        largest = max(abs(v) for v in (self.rest, self.reset, self.onset, self.thresh))
        return {
            "g_L": whole, "C_m": made.tau_m, "tau_syn_ex": made.tau_syn[0], "tau_syn_in": made.tau_syn[1],
            "E_L": UNIT * self.rest * whole, "V_m": UNIT * potential, "w": 0.0 * whole, "V_reset": UNIT * made.reset,
            "t_ref": t_ref * whole, "V_th": UNREACHED * whole, "V_peak": UNREACHED * whole,
            "Delta_T": UNIT * own["slope_factor"], "a": own["a"], "b": UNIT * own["b"], "tau_w": own["tau_w"],
            "gsl_error_tol": ACCURATE * max(UNIT, UNIT * largest) * whole,
        }  # fmt: skip

    def thresholds(self, made: Membranes, thresh: FloatArray) -> dict[str, FloatArray]:
        """A comparator whose threshold lies below the onset is emulated as one at it, and neither lies so far from the
        other that NEST's numbers overflow: v is there at once."""
        onset, far = made.own["onset"], RUNAWAY * made.own["slope_factor"]
        peak = np.maximum(np.clip(thresh, onset, onset + far), made.reset + 1e-3 * made.unit)
        return {"V_th": UNIT * np.maximum(onset, peak - 2.0 * far), "V_peak": UNIT * peak}

    def converter(self, bias: FloatArray, dt: float) -> tuple[FloatArray, float, float]:
        """Of the potentials that calibration on chip knows: rest, reset and the comparator's threshold."""
        at = LEAK_LSB[0] + 10.0
        rest, reset, thresh = (at + self.lsb * (v - self.low) for v in (self.rest + bias, self.reset, self.thresh))
        return np.asarray(rest), float(np.min(reset)), float(np.min(thresh))

    def interval_error(self, dt: float, tick: float, driven: bool) -> float:
        """Of the mean interval under constant drive, worked out for STEPS steps; with input of as much as a step of the
        shortest one."""
        if driven:
            return (abs(self.refractory(dt, tick) - self.tau_ref + 0.5 * (dt - tick)) + dt) / self.tau_ref
        bias = np.unique(np.asarray(self.neuron.bias, dtype=np.float64))
        described = self._mean_intervals(bias, dt, 1, dt, self.tau_ref)
        made = self._mean_intervals(bias, dt, PIECES * round(dt / tick), tick, self.refractory(dt, tick))
        return float(np.max(np.abs(made / described - 1.0), initial=0.0, where=np.isfinite(made + described)))

    def _mean_intervals(self, bias: FloatArray, dt: float, pieces: int, tick: float, refractory: float) -> FloatArray:
        """Where a step of ``dt`` has so many ``pieces``, and spikes show at whole ticks; NaN without spikes."""
        h, n = dt / pieces, self.neuron
        v, w, count, last, free = (np.full(bias.shape, x) for x in (self.rest, 0.0, 0.0, np.nan, 0.0))
        for t in h * np.arange(STEPS * pieces):
            v, w, spikes = advanced(n, v, w, bias, h, t >= free - 1e-9)
            last = np.where(spikes, np.ceil((t + h) / tick - 1e-9) * tick, last)
            free, count = np.where(spikes, last + refractory - tick, free), count + spikes
        return np.asarray(np.where(count > 0, last / np.maximum(count, 1.0), np.nan))

    def findings(self, path: str) -> Iterator[Diagnostic]:
        """Potentials within the ranges of the circuits, beside each other."""
        n, high, peak = self.neuron, max(self.rest, self.reset), float(self.neuron.v_peak)
        if self.onset <= self.low:
            least = self.low + max(0.75 * (high - self.low), 0.5 * (peak - self.low), float(n.slope_factor))
            supported = "above v_rest, or above v_reset"
            yield Diagnostic("SAL104", f"{path}.v_thresh", number(self.onset), supported, f"v_thresh = {least!r}")
            return
        ends = {"v_rest": (self.rest, LEAKS), "v_reset": (self.reset, LEAKS), "v_peak": (peak, PEAK)}
        for name, (value, lsb) in ends.items():
            if value > self.low + lsb * self.unit:
                most = self.low + (lsb - 1e-3) * self.unit
                supported = f"up to {most:g} beside this v_thresh: {lsb:g} LSB of the converter"
                yield Diagnostic("SAL104", f"{path}.{name}", number(value), supported, f"{name} <= {number(most)}")
        if peak < self.onset:
            fix = f"v_peak >= {number(self.onset)}"
            yield Diagnostic("SAL107", f"{path}.v_peak", number(peak), ">= v_thresh", fix)
        if self.reset >= self.thresh:
            supported, fix = f"below v_thresh + {number(RUNAWAY)} slope_factor", f"v_reset <= {number(self.onset)}"
            yield Diagnostic("SAL107", f"{path}.v_reset", number(self.reset), supported, fix)


def advanced(
    n: AdEx, v: FloatArray, w: FloatArray, drive: FloatArray, dt: float, ready: BoolArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """v, w and the spikes of a step as the description has it (docs/semantics.md), of neurons that are ``ready`` or
    else refractory."""

    def followed(w: FloatArray, v: FloatArray) -> FloatArray:
        to = n.a * (v - n.v_rest)
        return np.asarray(to + (w - to) * np.exp(-0.5 * dt / n.tau_w))

    def leaked(v: FloatArray, w: FloatArray) -> FloatArray:
        to = n.v_rest + drive - w
        return np.asarray(to + (v - to) * np.exp(-0.5 * dt / n.tau_m))

    held = np.where(ready, v, n.v_reset)
    w = followed(w, held)
    v = leaked(held, w)
    with np.errstate(over="ignore"):
        left = 1.0 - dt / n.tau_m * np.exp((v - n.v_thresh) / n.slope_factor)
    raised = np.where(left > 0.0, v - n.slope_factor * np.log(np.maximum(left, 1e-300)), np.inf)
    v = np.where(raised >= n.v_peak, n.v_peak, leaked(np.minimum(raised, n.v_peak), w))
    v = np.where(ready, v, n.v_reset)
    spikes = np.asarray(ready & (v >= n.v_peak))
    return np.where(spikes, n.v_reset, v), followed(w, v) + n.b * spikes, spikes
