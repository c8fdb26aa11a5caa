"""AdEx neurons in NEST."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.neurons import AdEx
from salhw.description.parts import Projection
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw.session.paths import described_at
from salhw_nest.findings import different, not_learned, together
from salhw_nest.neurons.conductance import Conducting
from salhw_nest.neurons.leaky import UNREACHED, NestLeaky
from salhw_nest.neurons.neuron import Potential, Seen
from salhw_nest.plan import Cells, tiled

UNIT = 1e-3  # potentials in NEST's units per unit: NEST takes one below -1000 for a mistake
ACCURATE = 1e-10  # what NEST's solver may be off by in one of its steps, as a share of the largest potential
OFF = 0.06  # what v is off by without spikes, as a share of (dt / tau_m)^2
RUNAWAY = 25.0  # slope factors beyond v_thresh, from where an infinite v is 1e-11 tau_m away, less than NEST resolves


class NestAdEx(NestLeaky[AdEx]):
    """``aeif_psc_exp``, which solves the equations that the description's steps come close to."""

    model = "aeif_psc_exp"
    inhibitory = -1.0
    least_refractory = 2  # without a refractory period it goes on in the step of its spike

    def cells(self, per_step: int, instances: int) -> Cells:
        """In the lead-in it rests: nothing drives it, and its upstroke is far away."""
        neuron, size, name = self.neuron, self.population.size, self.population.name

        def each(field: str, unit: float) -> FloatArray:
            return unit * tiled(getattr(neuron, field), size, instances)

        rest, thresh, reset = (each(field, UNIT) for field in ("v_rest", "v_thresh", "v_reset"))
        peak = UNIT * tiled(self.peak, size, instances)
        silent = {
            "g_L": 1.0, "C_m": self.tau_m, "E_L": rest, "V_m": rest, "w": 0.0, "V_reset": reset,
            "V_th": UNREACHED, "V_peak": UNREACHED, "Delta_T": each("slope_factor", UNIT), "I_e": 0.0,
            "a": each("a", 1.0), "b": each("b", UNIT), "tau_w": each("tau_w", 1.0),
            "t_ref": neuron.tau_ref - self.net.dt / per_step,  # NEST's smallest interval is a tick longer
            "gsl_error_tol": ACCURATE * max(UNIT, *(float(np.abs(v).max()) for v in (rest, thresh, reset, peak))),
        } | self.receptors(UNIT)  # fmt: skip
        bias = tiled(described_at(self.net, f"populations.{name}.bias"), size, instances)
        awake = {"V_th": thresh, "V_peak": peak, "V_m": rest, "w": 0.0, "I_e": UNIT * bias}
        return Cells(name, self.model, size * instances, silent, awake)

    @property
    def peak(self) -> FloatArray:
        """Where a spike counts for NEST: at v_peak, or before where v is as good as there."""
        runaway = np.asarray(self.neuron.v_thresh) + RUNAWAY * np.asarray(self.neuron.slope_factor)
        return np.minimum(self.neuron.v_peak, runaway)

    def receptors(self, unit: float) -> dict[str, float]:
        """NEST's parameters of its synaptic currents."""
        return dict.fromkeys(("tau_syn_ex", "tau_syn_in"), self.psp_constant)

    def holds(self, bias: FloatArray, state: IntArray, per_step: int) -> dict[str, FloatArray]:
        return {"I_e": UNIT * bias}

    def scale_of(self, projection: Projection) -> float:
        return UNIT * super().scale_of(projection)

    def forcing(self, tick: float, least: int) -> list[tuple[float, int]]:
        return []  # refused

    def membrane(self, known: Potential, tick: float) -> FloatArray:
        """Where it spikes the description's is v_peak, NEST shows what it was reset to."""
        return np.where(known.spiked, self.neuron.v_peak, super().membrane(known, tick) / UNIT)

    @property
    def variables(self) -> Mapping[str, Seen]:
        """Where it spikes NEST shows what w has become, b more."""
        w = self.remembered("w", lambda w, known: w / UNIT - known.spiked * np.asarray(self.neuron.b))
        return {**super().variables, "w": w}

    def mixed(self) -> Iterator[Diagnostic]:
        path, neuron, dt = f"populations.{self.population.name}", self.neuron, self.net.dt
        yield from super().mixed()
        yield from self.unforced("neurons that are no AdEx ones")
        if dt > self.tau_m:
            supported = f"tau_m of AdEx neurons >= dt = {number(dt)} ms"
            yield together(f"{path}.tau_m", f"{number(self.tau_m)} ms", supported, f"tau_m >= {number(dt)} ms")
        above = np.asarray(neuron.v_peak) - np.asarray(neuron.v_thresh)
        if np.any(above < 0.0):
            asked, least = number(float(np.min(neuron.v_peak))), number(float(np.max(neuron.v_thresh)))
            yield together(f"{path}.v_peak", asked, ">= v_thresh", f"v_peak >= {least}")
        if np.any(over := np.asarray(neuron.v_reset) >= self.peak):
            reset = float(np.broadcast_to(neuron.v_reset, over.shape)[over].flat[0])
            supported = f"below v_thresh + {number(RUNAWAY)} slope_factor"
            fix = f"v_reset <= {number(float(np.min(neuron.v_thresh)))}"
            yield together(f"{path}.v_reset", number(reset), supported, fix)

    def refused(self, projection: Projection) -> Iterator[Diagnostic]:
        yield from super().refused(projection)
        supported = "synapses onto AdEx neurons that the host learns"
        yield from not_learned(projection, self.target, self.net.dt, supported)

    def approximations(self) -> Iterator[Diagnostic]:
        """Of v without spikes: measured on neurons that come close to v_thresh (docs/nest.md)."""
        yield from super().approximations()
        dt, fastest = self.net.dt, float(np.min(self.neuron.tau_w))
        size = (
            f"NEST solves the equations: without spikes v is off by up to about {OFF * (dt / self.tau_m) ** 2:.1g} of "
            "what it moves by; a spike may come a step sooner or later, or more where v lingers at v_thresh, and what "
            f"it adds to w fades for up to a step more, by {-np.expm1(-dt / fastest):.1g} of it"
        )
        yield different("SAL325", f"populations.{self.population.name}.neuron", "in steps", size, "a smaller dt")


class NestAdExConductance(Conducting[AdEx], NestAdEx):
    """``aeif_cond_exp``."""

    model = "aeif_cond_exp"
    fine = 1.0

    def receptors(self, unit: float) -> dict[str, float]:
        return Conducting.receptors(self, unit)

    def scale_of(self, projection: Projection) -> float:
        return Conducting.scale_of(self, projection)
