"""The description: populations, projections, stimuli and probes on one time grid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field, model_validator

from salhw.description.connectivity import Connectivity
from salhw.description.fields import Model, NotText
from salhw.description.kernels import Kernel, Rectangular
from salhw.description.neurons import GLM, LIF, Milliseconds, Neuron
from salhw.description.plasticity import PlasticityRule
from salhw.description.probes import Probe
from salhw.description.stimuli import NonNegative, Stimulus
from salhw.diagnostics import LENGTH, DescriptionError, UnknownNameError
from salhw.diagnostics.arguments import as_path, known_name

T = TypeVar("T")
MAX_SIZE = 2**31 - 1  # neurons of a population, so that a pair of them fits 64 bits
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=LENGTH)]


def _as_tuple(value: Any) -> Any:
    """One rule, or none, or several."""
    if value is None:
        return ()
    return value if isinstance(value, list | tuple) else (value,)


class Population(Model):
    """``size`` neurons of one model, called ``name`` in every path."""

    name: Name
    size: Annotated[int, Field(ge=1, le=MAX_SIZE), NotText]
    neuron: Neuron


class Projection(Model):
    """Synapses from population ``pre`` to population ``post``.

    Args:
        weights: a matrix W[post, pre], or Sparse, OneToOne, AllToAll; dimensionless (units of log firing rate).
        kernel: the PSP of one spike. A spike at step t acts from step t + 1 + delay / dt.
        delay: in ms, a whole number of steps.
        plasticity: a rule, or several that add up.
    """

    name: Name
    pre: str
    post: str
    weights: Connectivity
    kernel: Kernel = Rectangular()
    delay: NonNegative = 0.0
    plasticity: Annotated[tuple[PlasticityRule, ...], BeforeValidator(_as_tuple)] = ()


class Network(Model):
    """A whole network. Everything is checked on construction; all problems are reported at once.

    Args:
        dt: the time grid in ms.

    Raises:
        DescriptionError: with one diagnostic per problem.
    """

    name: Name
    dt: Milliseconds
    populations: Annotated[tuple[Population, ...], Field(min_length=1)]
    projections: tuple[Projection, ...] = ()
    stimuli: tuple[Stimulus, ...] = ()
    probes: tuple[Probe, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Network:
        from salhw.description.consistency import problems

        if findings := problems(self):
            raise DescriptionError("", findings)
        return self

    def population(self, name: str) -> Population:
        """The population of that name.

        Raises:
            UnknownNameError: there is none; a KeyError.
        """
        return _named("population", name, {p.name: p for p in self.populations})

    def projection(self, name: str) -> Projection:
        """The projection of that name.

        Raises:
            UnknownNameError: there is none; a KeyError.
        """
        return _named("projection", name, {p.name: p for p in self.projections})

    def ends(self, projection: str) -> tuple[int, int, bool]:
        """(postsynaptic size, presynaptic size, whether both are one population), as ``connectivity`` wants it.

        Raises:
            UnknownNameError: there is no such projection; a KeyError.
        """
        p = self.projection(projection)
        return self.population(p.post).size, self.population(p.pre).size, p.pre == p.post

    def save(self, path: str | Path) -> Path:
        """Write versioned JSON; arrays above 4096 elements go to an HDF5 file beside it, NAME.HASH.h5.

        Raises:
            FileError: the place cannot be written to. What was there before is then still there, and whole.
        """
        from salhw.io.description import save

        return save(self, as_path(path))

    @classmethod
    def load(cls, path: str | Path) -> Network:
        """Read what ``save`` wrote.

        Raises:
            FileError: no such file, not a network, a newer version, or its array file is missing or was changed.
            DescriptionError: the file describes an invalid network.
        """
        from salhw.io.description import load

        return load(as_path(path))

    @classmethod
    def json_schema(cls) -> str:
        """The JSON Schema of the ``network`` part of a saved file."""
        draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
        return json.dumps(draft | cls.model_json_schema(), indent=2, sort_keys=True) + "\n"


def _named(what: str, name: str, known: dict[str, T]) -> T:
    return known[known_name(what, name, known, kind=UnknownNameError)]


def tau_ref_of(population: Population) -> float | None:
    """The refractory period in ms; None for sources."""
    return population.neuron.tau_ref if isinstance(population.neuron, GLM | LIF) else None


def takes_step(net: Network, dt: float) -> bool:
    """Whether the network can be described in steps of ``dt`` ms: whether all its times are whole multiples of it."""
    try:
        net.replace(dt=dt)
    except DescriptionError:
        return False
    return True
