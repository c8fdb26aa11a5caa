"""LIF neurons under PSPs of one step, which are jumps of the potential, in NEST."""

from __future__ import annotations

from math import expm1

from salhw.description.kernels import Kernel
from salhw.description.network import Network
from salhw.description.parts import Population
from salhw.substrate.support import on_chip
from salhw.substrate.target import Target
from salhw_nest.kernels import PSP, psp
from salhw_nest.neurons.lif import NestLIF
from salhw_nest.plan import Cells
from salhw_nest.probes import sampled
from salhw_nest.stimuli import nest_stimuli


class NestDelta(NestLIF):
    """``iaf_psc_delta``: a spike moves the potential at once and needs no second event that ends its PSP."""

    model = "iaf_psc_delta"
    own_delay = 0

    @staticmethod
    def suits(net: Network, target: Target, population: Population) -> bool:
        """Whether all PSPs onto it last one step. It is not shown what moves the potential, so none is sampled or
        forced."""
        onto = [p for p in net.projections if p.post == population.name]
        return (
            bool(onto)
            and all(psp(p.kernel).steps(net.dt) == 1 for p in onto)
            and not any(on_chip(rule, target) for p in onto for rule in p.plasticity)
            and population.name not in sampled(net)
            and not any(s.forced for s in nest_stimuli(net) if s.population == population.name)
        )

    def cells(self, per_step: int, instances: int) -> Cells:
        base = super().cells(per_step, instances)
        silent = {name: value for name, value in base.parameters.items() if not name.startswith("tau_syn")}
        return Cells(self.population.name, self.model, base.size, silent, base.active)

    def length(self, kernel: Kernel) -> int:
        return 0

    def scale(self, shape: PSP) -> float:
        """The jump that a current makes which is constant for one step."""
        return shape.height * -expm1(-self.net.dt / float(self.neuron.tau_m))
