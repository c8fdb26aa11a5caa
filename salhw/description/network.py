"""The description: populations, projections, stimuli and probes on one time grid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import Field, model_validator

from salhw.description.consistency import problems
from salhw.description.fields import Model
from salhw.description.markers import Structure
from salhw.description.parts import Name, Population, Projection, Step
from salhw.description.probes import Probe
from salhw.description.stimuli import Stimulus
from salhw.description.summary import Rows, part_rows, population_rows, projection_rows
from salhw.description.ties import Tie
from salhw.description.traces import Trace
from salhw.diagnostics import DescriptionError, UnknownNameError
from salhw.diagnostics.arguments import as_path, known_name
from salhw.diagnostics.html import ROWS, section, table
from salhw.diagnostics.wording import shortened_list

if TYPE_CHECKING:
    from matplotlib.axes import Axes

T = TypeVar("T")


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
        findings = problems(
            self.dt, self.populations, self.projections, self.stimuli, self.probes, self.traces, self.ties
        )
        if findings:
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

    def trace(self, name: str) -> Trace:
        """The trace of that name.

        Raises:
            UnknownNameError: there is none; a KeyError.
        """
        return _named("trace", name, {t.name: t for t in self.traces})

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
            "projection": projection_rows(self.projections, sizes),
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


def _named(what: str, name: str, known: dict[str, T]) -> T:
    return known[known_name(what, name, known, kind=UnknownNameError)]


def takes_step(net: Network, dt: float) -> bool:
    """Whether the network can be described in steps of ``dt`` ms: whether all its times are whole multiples of it."""
    try:
        net.replace(dt=dt)
    except DescriptionError:
        return False
    return True
