"""What the parts of the demo share: a description in steps, and a row of the table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from salhw.description.fields import FloatArray
from salhw.description.grid import in_steps
from salhw.description.kinds import of_kind
from salhw.description.network import Network
from salhw.description.plasticity import PairSTDP


@dataclass(frozen=True)
class Grid:
    """A network of one GLM population and one projection with an exponential plasticity window, in the theory's units:
    steps. ``kappa`` is the PSP after 0, 1, .. steps."""

    dt: float
    tau_ref: int
    tau: float
    kappa: FloatArray
    bias: FloatArray


def grid(net: Network) -> Grid:
    """The only population and projection of ``net`` in steps.

    Raises:
        ValueError: it has no refractory period on the grid or no plasticity.
    """
    population, projection = net.populations[0], net.projections[0]
    tau_ref = in_steps(population.neuron.refractory_period or 0.0, net.dt)
    if not tau_ref or not projection.plasticity:
        raise ValueError(f"{net.name}: needs a refractory period on the grid and a plasticity rule")
    neuron: Any = population.neuron
    return Grid(
        dt=net.dt,
        tau_ref=tau_ref,
        tau=of_kind(projection.plasticity[0], PairSTDP, "the demo").causal.tau / net.dt,
        kappa=projection.kernel.sample(net.dt, round(projection.kernel.tau_syn / net.dt)),
        bias=neuron.bias,
    )


@dataclass(frozen=True)
class Row:
    """One line of the table: a quantity at the start and at the end, and how far from ``target`` it may be."""

    what: str
    start: list[float]
    end: list[float]
    target: list[float]
    within: float
    good: bool

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)
