"""The description: populations, projections, stimuli and probes on one time grid."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import numpy as np
from pydantic import Field, model_validator

from salhw.description.connectivity import synapses, values
from salhw.description.consistency import contradictions, counts_synapses
from salhw.description.delays import listed_delay
from salhw.description.distributions import Distribution
from salhw.description.fields import FloatArray, IntArray, Model
from salhw.description.markers import Structure
from salhw.description.parts import Name, Population, Projection, Step
from salhw.description.probes import Probe
from salhw.description.stimuli import Stimulus
from salhw.description.summary import Rows, part_rows, population_rows, projection_rows
from salhw.description.ties import Tie
from salhw.description.traces import Trace
from salhw.diagnostics import DescriptionError, Diagnostic, UnknownNameError
from salhw.diagnostics.arguments import as_path, known_name
from salhw.diagnostics.html import ROWS, section, table
from salhw.diagnostics.wording import shortened_list

if TYPE_CHECKING:
    from matplotlib.axes import Axes

T = TypeVar("T", Population, Projection, Trace)


@dataclass(frozen=True)
class SynapseTable:
    """The synapses of a projection, an entry for each, sorted by post, then pre: from neuron ``pre`` to neuron
    ``post``, with a dimensionless ``weight`` and a ``delay`` in ms."""

    pre: IntArray
    post: IntArray
    weight: FloatArray
    delay: FloatArray

    def __len__(self) -> int:
        return len(self.pre)

    def delay_steps(self, dt: float) -> IntArray:
        """The delay of each synapse in steps of ``dt`` ms."""
        return np.rint(self.delay / dt).astype(np.int64)


class Network(Model):
    """A whole network. Everything is checked on construction; all problems are reported at once.

    Args:
        dt: the time grid in ms.

    Raises:
        DescriptionError: with one diagnostic per problem.
    """

    name: Name
    dt: Step
    populations: Annotated[tuple[Population, ...], Field(min_length=1), Structure()]
    projections: Annotated[tuple[Projection, ...], Structure()] = ()
    stimuli: Annotated[tuple[Stimulus, ...], Structure()] = ()
    probes: Annotated[tuple[Probe, ...], Structure()] = ()
    traces: Annotated[tuple[Trace, ...], Structure()] = ()
    ties: Annotated[tuple[Tie, ...], Structure()] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Network:
        if findings := [*self._contradictions(self.dt)]:
            raise DescriptionError("", findings)
        if counts_synapses(self.projections, self.ties):
            _ = self.explicit  # draws them, and finds what does not fit them
        return self

    def _contradictions(self, dt: float) -> Iterator[Diagnostic]:
        """What its parts contradict each other in, in steps of ``dt`` ms."""
        return contradictions(dt, self.populations, self.projections, self.stimuli, self.probes, self.traces, self.ties)

    @cached_property
    def explicit(self) -> Network:
        """The network with the synapses of every random connector and the delays of every distribution listed: what is
        compiled and run. The network itself where nothing is drawn."""
        if not any(p.weights.drawn or isinstance(p.delay, Distribution) for p in self.projections):
            return self
        return self.replace(projections=[self._listed(p) for p in self.projections])

    def _listed(self, p: Projection) -> Projection:
        ends, places = self.ends(p.name), tuple(self.population(name).positions for name in (p.post, p.pre))
        weights = p.weights.listed(p.name, *ends, places=places)
        return p.replace(weights=weights, delay=listed_delay(p.name, p.delay, p.weights, weights, ends, self.dt))

    def synapses(self, projection: str) -> SynapseTable:
        """The synapses of a projection, those that a random connector draws included, in the order in which targets and
        sessions have them.

        Raises:
            UnknownNameError: there is no such projection; a KeyError.
        """
        known = "explicit" in vars(self)  # or else this projection alone is drawn
        p = self.explicit.projection(projection) if known else self._listed(self.projection(projection))
        post, pre, position = synapses(p.weights, *self.ends(projection))
        weight = values(p.weights, *self.ends(projection)).ravel()[position]
        delay = np.asarray(p.delay).ravel()[position] if isinstance(p.delay, np.ndarray) else np.full(len(pre), p.delay)
        return SynapseTable(pre, post, weight, delay)

    def population(self, name: str) -> Population:
        """The population of that name.

        Raises:
            UnknownNameError: there is none; a KeyError.
        """
        return _named("population", name, self.populations)

    def projection(self, name: str) -> Projection:
        """The projection of that name.

        Raises:
            UnknownNameError: there is none; a KeyError.
        """
        return _named("projection", name, self.projections)

    def trace(self, name: str) -> Trace:
        """The trace of that name.

        Raises:
            UnknownNameError: there is none; a KeyError.
        """
        return _named("trace", name, self.traces)

    def ends(self, projection: str) -> tuple[int, int, bool]:
        """(postsynaptic size, presynaptic size, whether both are one population), as ``connectivity`` wants it.

        Raises:
            UnknownNameError: there is no such projection; a KeyError.
        """
        p = self.projection(projection)
        return self.population(p.post).size, self.population(p.pre).size, p.pre == p.post

    def _summary(self) -> tuple[str, dict[str, Rows]]:
        """A title, and what there is of each sort of part."""
        sizes = {p.name: p.size for p in self.populations}
        title = f"{self.name}: {sum(sizes.values()):,} neurons, dt = {self.dt:g} ms"
        return title, {
            "population": population_rows(self.populations),
            "projection": projection_rows(self.projections, self.explicit.projections, sizes),
            "stimulus": part_rows(self.stimuli),
            "probe": part_rows(self.probes),
        }

    def __str__(self) -> str:
        """What it consists of, a line for each part."""
        title, parts = self._summary()
        lines = [f"  {sort} {name}: {text}" for sort, rows in parts.items() for name, text in rows]
        return "\n".join([title, *shortened_list(lines, ROWS)])

    def _repr_html_(self) -> str:
        """What it consists of, for notebooks."""
        title, parts = self._summary()
        return section(title, *(table(rows, (sort, "")) for sort, rows in parts.items()))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw populations as boxes, projections as arrows and stimuli; see ``salhw.plots.diagram``."""
        from salhw.plots.diagrams import diagram

        return diagram(self, ax)

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


def _named(what: str, name: str, items: tuple[T, ...]) -> T:
    names = [item.name for item in items]
    return items[names.index(known_name(what, name, names, kind=UnknownNameError))]


def takes_step(net: Network, dt: float) -> bool:
    """Whether the network can be described in steps of ``dt`` ms: whether all its times are whole multiples of it."""
    if next(net._contradictions(dt), None):  # the first will do, and no network need be made
        return False
    try:
        net.replace(dt=dt)
    except DescriptionError:
        return False
    return True
