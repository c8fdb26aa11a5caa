"""Neurons whose synapses are conductances, in NEST."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import ClassVar

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.network import Network
from salhw.description.neurons import LIF
from salhw.description.parts import Population, Projection
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw_nest.findings import different, not_learned, together
from salhw_nest.kernels import psp
from salhw_nest.neurons.leaky import UNREACHED, M, NestLeaky, before
from salhw_nest.neurons.lif import NestLIF
from salhw_nest.neurons.neuron import FOREVER, NOTHING, Potential, Seen
from salhw_nest.plan import Cells, Meter

FINE = 1e6  # potentials and conductances in NEST's units per unit: NEST's solver is off by 1e-3 of these a step
SUBSTEPS = 16  # of the last step before a spike, whose end NEST does not show


def conductances(net: Network, population: Population) -> list[tuple[Projection, float]]:
    """The projections that are conductances of a population, with their reversal potentials."""
    return [(p, p.e_rev) for p in net.projections if p.post == population.name and p.e_rev is not None]


class Conducting(NestLeaky[M]):
    """Two conductances that decay: weights above zero change one, those below it the other."""

    fine: ClassVar[float]
    """Conductances in NEST's units per unit."""

    @property
    def ports(self) -> dict[float, float]:
        """The time constants of its conductances by reversal potential, the one of positive weights first."""
        return {e_rev: psp(p.kernel).decay or FOREVER for p, e_rev in conductances(self.net, self.population)}

    def receptors(self, unit: float) -> dict[str, float]:
        """NEST's parameters of both; ``unit``: potentials in NEST's units per unit."""
        (first, fast), (second, slow) = (*self.ports.items(), *self.ports.items())[:2]
        return {"E_ex": unit * first, "E_in": unit * second, "tau_syn_ex": fast, "tau_syn_in": slow}

    @property
    def variables(self) -> Mapping[str, Seen]:
        """Of all, and of a projection that is the only one with its reversal potential. Currents have no part in it."""
        of = conductances(self.net, self.population)
        alone = {f"conductance.{p.name}": e_rev for p, e_rev in of if [other for _, other in of].count(e_rev) == 1}
        ports = {"conductance": (*self.ports,)} | {name: (e_rev,) for name, e_rev in alone.items()}
        own = {**super().variables, "inputs": NOTHING}
        return own | {name: Seen(self._conductances, partial(self._given_by, some)) for name, some in ports.items()}

    def _conductances(self, every: int) -> tuple[Meter, ...]:
        """Both at the end of the step before, which act in the next."""
        return (Meter(before(self.population.name), self.population.name, every, ("g_ex", "g_in"), 1),)

    def _given_by(self, reversals: tuple[float, ...], known: Potential, tick: float) -> FloatArray:
        """What synapses with these reversal potentials add up to."""
        early, total = known.sampled[before(self.population.name)], np.zeros_like(known.drive)
        for name, e_rev in zip(("g_ex", "g_in"), self.ports, strict=False):
            if e_rev in reversals:
                p = next(p for p, other in conductances(self.net, self.population) if other == e_rev)
                total += early[name] * psp(p.kernel).first(self.net.dt) / abs(self.scale_of(p))
        return total

    def scale_of(self, projection: Projection) -> float:
        """As of currents, so that weak conductances do in a step what those of the description do."""
        sign = 1.0 if projection.e_rev == next(iter(self.ports)) else -1.0
        return self.fine * sign * self.scale(psp(projection.kernel))

    def mixed(self) -> Iterator[Diagnostic]:
        yield from super().mixed()
        two, name = [*self.ports][:2], self.population.name
        if others := [(p, e_rev) for p, e_rev in conductances(self.net, self.population) if e_rev not in two]:
            last, asked = others[-1]
            supported = f"two reversal potentials onto {name}, {', '.join(map(number, two))}"
            yield together(f"projections.{last.name}.e_rev", number(asked), supported, "one of these")

    def approximations(self) -> Iterator[Diagnostic]:
        """The decay within a step has a mean that is weighted otherwise where the leak is stronger: to leading order by
        dt^2 / (12 tau_syn tau_m) of it, beside a conductance as large as the leak."""
        yield from super().approximations()
        for p, _ in conductances(self.net, self.population):
            off = self.net.dt**2 / (12.0 * p.kernel.tau_syn * self.tau_m)
            size = f"decays within a step: its effect is off by up to {off:.2g} of itself beside one of 1"
            yield different("SAL329", f"projections.{p.name}.e_rev", "constant in a step", size, "a smaller dt")

    def refused(self, projection: Projection) -> Iterator[Diagnostic]:
        path = f"projections.{projection.name}"
        if projection.e_rev is None:
            supported = f"conductances only onto {self.population.name}, which has some"
            yield together(f"{path}.e_rev", "None", supported, "a reversal potential, or another population")
        elif not psp(projection.kernel).decay:
            tau = projection.kernel.tau_syn
            fix = f"kernel = Exponential(tau_syn={tau!r})"
            yield together(f"{path}.kernel", projection.kernel.kind, "exponential conductances", fix)
        yield from super().refused(projection)


class NestConductance(Conducting[LIF], NestLIF):
    """``iaf_cond_exp``."""

    model = "iaf_cond_exp"
    fine = FINE
    shown = ("V_m", "g_ex", "g_in")

    def cells(self, per_step: int, instances: int) -> Cells:
        base = super().cells(per_step, instances)
        potentials = {name: FINE * np.asarray(base.parameters[name]) for name in ("E_L", "V_m", "V_reset")}
        silent = potentials | self.receptors(FINE) | {
            "g_L": FINE, "C_m": FINE * self.tau_m, "t_ref": base.parameters["t_ref"], "V_th": UNREACHED, "I_e": 0.0,
        }  # fmt: skip
        bias = np.asarray(base.active["I_e"])
        active = {"I_e": FINE**2 * bias, "V_th": FINE * np.asarray(base.active["V_th"])} | self.begins(bias)
        return Cells(self.population.name, self.model, base.size, silent, active)

    def holds(self, bias: FloatArray, state: IntArray, per_step: int) -> dict[str, FloatArray]:
        return {"I_e": FINE**2 * bias}

    def begins(self, bias: FloatArray) -> dict[str, FloatArray]:
        """Above the threshold NEST's leak is that of the threshold, so that a potential that begins there would fall
        too slowly: it begins where it is at the threshold in time. Later none is above that has not just spiked."""
        rest, threshold = float(self.neuron.v_rest), np.resize(self.neuron.v_thresh, bias.shape)
        above = threshold - (rest + bias)  # what it tends to lies so far below the threshold
        falls = (rest > threshold) & (above > 0.0)
        if not falls.any():
            return {}
        over, above = np.where(falls, rest - threshold, 0.0), np.where(falls, above, 1.0)
        return {"V_m": FINE * np.where(falls, threshold + above * np.log1p(over / above), rest)}

    def membrane(self, known: Potential, tick: float) -> FloatArray:
        early, v = known.sampled[before(self.population.name)], known.sampled[self.population.name]["V_m"] / FINE
        g = [early[name] / FINE for name in ("g_ex", "g_in")]
        return np.where(known.spiked, self._next(early["V_m"] / FINE, g, known.drive, tick), v)

    def _next(self, v: FloatArray, g: list[FloatArray], drive: FloatArray, tick: float) -> FloatArray:
        """The potential after a tick, by substeps over which conductances have their mean."""
        step = tick / SUBSTEPS
        for k in range(SUBSTEPS):
            now = [each * np.exp(-(k + 0.5) * step / tau) for each, tau in zip(g, self.ports.values(), strict=False)]
            leak = 1.0 + sum(now)
            pull = sum(each * e_rev for each, e_rev in zip(now, self.ports, strict=False))
            end = (float(self.neuron.v_rest) + drive + pull) / leak
            v = end + (v - end) * np.exp(-leak * step / self.tau_m)
        return v

    def mixed(self) -> Iterator[Diagnostic]:
        for field in ("delta_v", "theta_plus"):
            if (value := float(np.max(getattr(self.neuron, field)))) > 0.0:
                path = f"populations.{self.population.name}.{field}"
                yield together(path, number(value), "0 under conductances", f"{field} = 0")
        yield from super().mixed()
        yield from self.unforced("neurons without conductances")

    def refused(self, projection: Projection) -> Iterator[Diagnostic]:
        yield from super().refused(projection)
        yield from not_learned(projection, self.target, self.net.dt, "conductances that the host learns")
