"""Izhikevich's neurons in NEST."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.kernels import Kernel
from salhw.description.neurons import Izhikevich
from salhw.description.parts import Projection
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw.session.paths import described_at
from salhw_nest.findings import not_learned, together
from salhw_nest.kernels import PSP, psp
from salhw_nest.neurons.leaky import UNREACHED, before
from salhw_nest.neurons.neuron import NestNeuron, Potential, Seen
from salhw_nest.plan import Cells, Meter, tiled
from salhw_nest.probes import sampled

LIFT = 1e9  # mV: what makes a neuron spike, wherever it is
MOST = 100  # steps of a PSP, each of which is a connection
UNBOUNDED = -1.7976931348623157e308


class NestIzhikevich(NestNeuron[Izhikevich]):
    """``izhikevich``, whose ``consistent_integration`` is the description's. An event adds its weight to v once."""

    model = "izhikevich"
    divisible = False
    repeats = True

    def cells(self, per_step: int, instances: int) -> Cells:
        """In the lead-in v is pressed onto its lower bound, where it begins, and u stays."""
        size, neuron = self.population.size, self.neuron
        fields = ("a", "b", "c", "d", "v_peak")
        each = {name: tiled(getattr(neuron, name), size, instances) for name in fields}
        bias = tiled(described_at(self.net, f"populations.{self.population.name}.bias"), size, instances)
        silent = {
            "a": 0.0, "b": each["b"], "c": each["c"], "d": each["d"], "V_m": each["c"], "U_m": each["b"] * each["c"],
            "V_min": each["c"], "V_th": UNREACHED, "I_e": -LIFT, "consistent_integration": True,
        }  # fmt: skip
        active = {"a": each["a"], "V_min": UNBOUNDED, "V_th": each["v_peak"], "I_e": bias}
        return Cells(self.population.name, self.model, size * instances, silent, active)

    def length(self, kernel: Kernel) -> int:
        return 0

    def holds(self, bias: FloatArray, state: IntArray, per_step: int) -> dict[str, FloatArray]:
        return {"I_e": bias}

    def forcing(self, tick: float, least: int) -> list[tuple[float, int]]:
        return [(LIFT, least)]

    def hushing(self, tick: float, per_step: int, least: int) -> list[tuple[float, int]]:
        return []  # there is nothing between its steps: they are not divided

    def scale(self, shape: PSP) -> float:
        """What a current adds to v in a step."""
        return shape.height * self.net.dt

    def shadow(self, instances: int) -> Cells | None:
        """Cells whose potential is what has just arrived: NEST shows v after its reset."""
        name = self.population.name
        if name not in sampled(self.net) or all(p.post != name for p in self.net.projections):
            return None
        rests = dict.fromkeys(("E_L", "V_m", "V_reset"), 0.0)
        parameters = rests | {"tau_m": 1e-3 * self.net.dt, "C_m": 1.0, "V_th": UNREACHED}
        return Cells(f"{name}_input", "iaf_psc_delta", self.population.size * instances, parameters)

    def meters(self, every: int) -> tuple[Meter, ...]:
        name = self.population.name
        return Meter(name, name, every), Meter(before(name), name, every, ("V_m", "U_m"), 1), *self._shadowed(every)

    def membrane(self, known: Potential, tick: float) -> FloatArray:
        """What has crossed the peak follows from the step before."""
        early = known.sampled[before(self.population.name)]
        v, u = early["V_m"], early["U_m"]
        crossed = v + tick * (0.04 * v * v + 5.0 * v + 140.0 - u + known.drive) + self._arrived(known)
        return np.where(known.spiked, crossed, super().membrane(known, tick))

    @property
    def variables(self) -> Mapping[str, Seen]:
        """Where it spikes NEST shows what u has become, d more."""
        u = self.remembered("U_m", lambda u, known: u - known.spiked * np.asarray(self.neuron.d))
        return {"u": u, "inputs": Seen(self._shadowed, lambda known, tick: self._arrived(known) / self.net.dt)}

    def _shadowed(self, every: int) -> tuple[Meter, ...]:
        """The meter of what has just arrived, if there are synapses."""
        shadow = self.shadow(1)
        return (Meter(shadow.name, shadow.name, every),) if shadow else ()

    def _arrived(self, known: Potential) -> FloatArray:
        shadow = self.shadow(1)
        return np.asarray(known.sampled[shadow.name]["V_m"]) if shadow else np.zeros_like(known.drive)

    def refused(self, projection: Projection) -> Iterator[Diagnostic]:
        path, dt = f"projections.{projection.name}", self.net.dt
        shape, tau = psp(projection.kernel), projection.kernel.tau_syn
        if shape.decay:
            supported = f"rectangular PSPs onto Izhikevich neurons, of up to {MOST} steps"
            yield together(f"{path}.kernel", projection.kernel.kind, supported, f"kernel = Rectangular(tau_syn={dt!r})")
        elif shape.steps(dt) > MOST:
            supported = f"PSPs of up to {MOST} steps, each of which is a connection, onto Izhikevich neurons"
            yield together(
                f"{path}.kernel.tau_syn", f"{number(tau)} ms", supported, f"tau_syn <= {number(MOST * dt)} ms"
            )
        yield from not_learned(projection, self.target, dt, "synapses onto Izhikevich neurons that the host learns")

    @property
    def lost(self) -> str:
        return ""
