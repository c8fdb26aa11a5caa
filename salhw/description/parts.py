"""What a network is made of: populations, and projections between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field

from salhw.description.connectivity import Connector
from salhw.description.delays import Delay
from salhw.description.fields import IntArray, Matrix, Milliseconds, Model, NotText, Number
from salhw.description.kernels import Kernel, Rectangular
from salhw.description.markers import Mark, PopulationName, Structure
from salhw.description.neurons import InputName, Neuron
from salhw.description.plasticity import PlasticityRule
from salhw.description.short_term import ShortTerm
from salhw.diagnostics import LENGTH

MAX_SIZE = 2**31 - 1  # neurons of a population, so that a pair of them fits 64 bits
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=LENGTH), Structure()]
Step = Annotated[Milliseconds, Mark(1, 2, -1, unit="ms")]


def _as_tuple(value: Any) -> Any:
    """One rule, or none, or several."""
    if value is None:
        return ()
    return value if isinstance(value, list | tuple) else (value,)


def _as_dense(value: Any) -> Any:
    """A bare matrix is Dense."""
    return value if isinstance(value, Model | dict) else {"kind": "Dense", "values": value}


class Population(Model):
    """``size`` neurons of one model, called ``name`` in every path.

    Args:
        positions: a row of one to three coordinates for each neuron, in any unit; for ``DistanceDependent``.
    """

    name: Name
    size: Annotated[int, Field(ge=1, le=MAX_SIZE), NotText, Structure()]
    neuron: Annotated[Neuron, Structure()]
    positions: Annotated[Matrix | None, Structure()] = None


class Projection(Model):
    """Synapses from population ``pre`` to population ``post``.

    Args:
        weights: a matrix W[post, pre], or a connector (Sparse, AllToAll, FixedProbability ...); dimensionless (units of
            log firing rate).
        kernel: the PSP of one spike. A spike at step t acts from step t + 1 + delay / dt.
        delay: in ms, a whole number of steps: one number, an array of the shape of ``weights`` with one per synapse, or
            a distribution that they are drawn from (Normal, LogNormal, Uniform) and rounded to whole steps.
        plasticity: a rule, or several that add up.
        into: the named input of the postsynaptic neurons (``inputs`` of their model) whose gain multiplies what the
            synapses add up to; None for a gain of 1. Plasticity changes weights, and never a gain.
        e_rev: None for synapses that are currents; a reversal potential, in the units of the postsynaptic potential v,
            for conductances. What they add up to, ``g = sum_j W_ij (kernel * S_j)(t) >= 0`` in units of the leak's
            conductance, then gives the current ``g (e_rev - v)``. They have no named input, and are never copies.
        short_term: None, or how strong the PSP of each spike is by those before it (TsodyksMarkram): the weight, which
            ``plasticity`` goes on changing, is multiplied by that strength.
    """

    name: Name
    pre: PopulationName
    post: PopulationName
    weights: Annotated[Connector, BeforeValidator(_as_dense), Mark(0.5, 0.25, per="synapse", settable="always")]
    kernel: Annotated[Kernel, Structure()] = Rectangular()
    delay: Annotated[Delay, Mark(0, 2, -1, unit="ms", grid=0, per="synapse")] = 0.0
    plasticity: Annotated[tuple[PlasticityRule, ...], BeforeValidator(_as_tuple), Structure()] = ()
    into: Annotated[InputName | None, Structure()] = None
    e_rev: Annotated[Number | None, Mark(-0.5, 3.0, np.inf, needs="conductance")] = None
    short_term: Annotated[ShortTerm | None, Structure()] = None

    def delay_steps(self, dt: float) -> IntArray:
        """Its delays in steps of ``dt`` ms: an array without dimensions where all synapses have the same, else of the
        connector's shape. Only of what is listed (``Network.explicit``)."""
        return np.asarray(np.rint(np.asarray(self.delay, dtype=np.float64) / dt), dtype=np.int64)

    def longest_delay(self, dt: float) -> int:
        """The longest of ``delay_steps``."""
        return int(self.delay_steps(dt).max(initial=0))

    @property
    def recurrent(self) -> bool:
        """Whether it connects a population with itself."""
        return self.pre == self.post


def variables(population: Population, projections: Sequence[Projection]) -> list[str]:
    """What Variable probes can see of a population, onto which some of the ``projections`` lead: the neurons' own
    variables; what synapses add up to, all or those into a named input; conductances, all or those of a projection."""
    neuron, conducting = population.neuron, [p.name for p in projections if _conducts(p, population)]
    inputs = ["inputs", *(f"inputs.{name}" for name in neuron.input_gains)] if "membrane" in neuron.offers else []
    conductances = ["conductance"] if "conductance" in neuron.offers else []
    return [*neuron.variables, *inputs, *conductances, *(f"conductance.{name}" for name in conducting)]


def _conducts(p: Projection, post: Population) -> bool:
    return p.post == post.name and p.e_rev is not None


def rule_name(projection: Projection, index: int) -> str:
    """``plasticity``, or ``plasticity[1]`` where a projection has several rules."""
    return "plasticity" if len(projection.plasticity) == 1 else f"plasticity[{index}]"
