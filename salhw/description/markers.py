"""Markers: what a field of the description is, beside its type. Everything generic reads them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

if TYPE_CHECKING:
    from pydantic import BaseModel

QUANTITIES = ("membrane", "inputs", "spikes")
"""What a trace can be of."""
Settable = Literal["always", "declared", "never"]


@dataclass(frozen=True)
class Mark:
    """What one field of a kind is. It stands in the field's ``Annotated``; a field without one is an error.

    Args:
        ordinary, other: two examples inside the field's range; what a check uses, and what it changes it to. They are
            in steps of dt where the unit is ms, and per step where it is Hz.
        outside: an example outside of its range, None where any value of the type is inside.
        unit: ``ms``, ``Hz``, or nothing for a number without a unit.
        grid: how many steps of dt a time has at least, which is a whole number of them; None for all other fields.
        per: what an array has an entry for: a ``neuron`` that the owner acts on, a ``point`` in time of such a neuron
            (see Course), or a ``synapse``; or what a table has one for: a named ``input`` of a population (see
            Neuron.inputs).
        settable: whether a session can write the field: ``always``, or on targets that declare it ``settable``.
        needs: what the postsynaptic neurons have to offer (Neuron.offers) where the field is not at its default.
        nearness: of a choice, its names in an order in which neighbours are the most alike; empty where none can stand
            for another.
        dotted: of a name: whether targets declare what stands before its first dot, and take all of these.
    """

    ordinary: Any = None
    other: Any = None
    outside: Any = None
    unit: Literal["", "ms", "Hz"] = ""
    grid: int | None = None
    per: Literal["neuron", "point", "synapse", "input"] | None = None
    settable: Settable = "never"
    needs: str = ""
    nearness: tuple[str, ...] = ()
    dotted: bool = False

    @property
    def may_be_array(self) -> bool:
        """Whether the field may be one number for all neurons, points or synapses, or an array with one for each."""
        return self.per in ("neuron", "point", "synapse")

    def declared(self, value: Any) -> Any:
        """What a target has to declare for a value: of a ``dotted`` name the part before its first dot."""
        return value.partition(".")[0] if self.dotted and isinstance(value, str) else value

    def at(self, value: Any, dt: float) -> Any:
        """An example as the field has it in steps of ``dt`` ms."""
        if value is None or not self.unit:
            return value
        return value * dt if self.unit == "ms" else value / dt


@dataclass(frozen=True)
class Structure:
    """Marks a field that says what something is, what it belongs to or what it is made of. No target declares a range
    for it.

    Args:
        names: what the field names one of, if it is a name.
        index: what the numbers that it holds count: the ``neuron`` of the population or the ``synapse`` of the
            projection that it names, from 0 on; nothing for all other fields.
        whose: of a trace that is named: of the population that the item acts on, or of any.
        unit: of the numbers that it holds.
        settable: as of Mark.
        example: of a field that has no default and no name in it: what two neurons need, in steps where the unit is ms.
    """

    names: Literal["", "population", "projection", "trace"] = ""
    index: Literal["", "neuron", "synapse"] = ""
    whose: Literal["its own", "any"] = "its own"
    unit: Literal["", "ms"] = ""
    settable: Settable = "never"
    example: Any = None


PopulationName = Annotated[str, Structure(names="population")]
ProjectionName = Annotated[str, Structure(names="projection")]
TraceName = Annotated[str, Structure(names="trace")]
AnyTraceName = Annotated[str, Structure(names="trace", whose="any")]


def marks(model: type[BaseModel]) -> tuple[tuple[str, Mark], ...]:
    """The marked fields of a class by name, in their order, without its structure."""
    return _marks(model)


@cache
def _marks(model: type[BaseModel]) -> tuple[tuple[str, Mark], ...]:
    fields = model.model_fields.items()
    return tuple((name, mark) for name, info in fields for mark in info.metadata if isinstance(mark, Mark))


def mark_of(model: type[BaseModel], field: str) -> Mark:
    """The mark of one field; an empty one for structure, and for fields that the class does not have."""
    return dict(marks(model)).get(field, Mark())


def structure(model: type[BaseModel]) -> tuple[tuple[str, Structure], ...]:
    """The fields of a class that are structure, by name."""
    return _structure(model)


@cache
def _structure(model: type[BaseModel]) -> tuple[tuple[str, Structure], ...]:
    fields = model.model_fields.items()
    return tuple((name, marker) for name, info in fields for marker in info.metadata if isinstance(marker, Structure))


def unit_of(model: type[BaseModel], field: str) -> str:
    """The unit of the numbers in a field; empty if it has none."""
    info = model.model_fields.get(field)
    return next((m.unit for m in info.metadata if isinstance(m, Mark | Structure)), "") if info else ""


def unmarked(model: type[BaseModel]) -> list[str]:
    """The fields of a class that have neither marker."""
    marked = {name for name, _ in marks(model)} | {name for name, _ in structure(model)}
    return [name for name in model.model_fields if name not in marked | {"kind"}]
