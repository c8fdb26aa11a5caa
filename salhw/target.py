"""What can be compiled for, as data: capabilities, resources, variability and accuracy, read from TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from salhw.fields import Model, description_error

if TYPE_CHECKING:
    from salhw.chip import Chip


class Range(Model):
    """An inclusive range of numbers."""

    min: float
    max: float

    def __str__(self) -> str:
        return f"{self.min:g}..{self.max:g}"


def _entry(value: Any) -> Any:
    """TOML's ``[low, high]`` is a range, ``["a", "b"]`` a choice."""
    if isinstance(value, list) and len(value) == 2 and all(isinstance(v, int | float) for v in value):
        return {"min": value[0], "max": value[1]}
    return value


Entry = Annotated[Range | tuple[str, ...], BeforeValidator(_entry)]
Capability = dict[str, Entry]
"""Field name -> what it may be. A field that is absent may only have its default; ``arrays`` lists the fields that may
differ between neurons or synapses."""


class Variability(Model):
    """How one quantity differs between the places of a chip (frozen) .

    Args:
        distribution: ``normal``, or ``lognormal`` (relative only).
        mode: ``relative`` multiplies by 1 + sd x (lognormal: exp(sd x)), ``absolute`` adds sd x; x standard normal.
        sd: the spread.
        truncate: |x| never exceeds this many standard deviations.
        source: where the number comes from.
    """

    distribution: Literal["normal", "lognormal"] = "normal"
    mode: Literal["relative", "absolute"] = "relative"
    sd: Annotated[float, Field(ge=0)] = 0.0
    truncate: Annotated[float, Field(gt=0)] = 6.0
    source: str = ""


class Target(Model):
    """One thing to compile for. All of it is data; ``backend`` names the plug-in that knows what to do with it.

    ``neurons``, ``kernels``, ``windows``, ``plasticity``, ``stimuli`` and ``probes`` map the kinds that the target has
    to their capabilities; a kind that is absent is not supported. ``speed_up`` is biological over hardware time (None
    for a simulator, which has no fixed one). ``weight_bits`` is None where weights are not quantised.
    """

    name: str
    backend: str
    description: str
    speed_up: float | None = None
    network: Capability
    projections: Capability
    neurons: dict[str, Capability] = {}
    kernels: dict[str, Capability] = {}
    windows: dict[str, Capability] = {}
    plasticity: dict[str, Capability] = {}
    stimuli: dict[str, Capability] = {}
    probes: dict[str, Capability] = {}
    resources: dict[str, int] = {}
    weight_bits: int | None = None
    variability: dict[str, Variability] = {}
    accuracy: dict[str, float] = {}
    options: dict[str, str] = {}

    @classmethod
    def from_toml(cls, path: Path) -> Target:
        """Read a target file.

        Raises:
            DescriptionError: with the path of every wrong entry.
        """
        with path.open("rb") as file:
            data = tomllib.load(file)
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise description_error(error, data) from None

    def ideal(self) -> Target:
        """The same target without variability and quantisation."""
        return self.replace(variability={}, weight_bits=None)  # type: ignore[no-any-return]

    def with_variability(self, changes: Mapping[str, Variability | float]) -> Target:
        """The same target with other spreads; a bare number changes the ``sd`` only.

        Raises:
            DescriptionError: a quantity that the target does not vary.
        """
        from salhw.diagnostics import DescriptionError, Diagnostic

        unknown = [name for name in changes if name not in self.variability]
        if unknown:
            supported = f"one of {', '.join(self.variability) or 'none'}"
            findings = [Diagnostic("SAL009", f"variability.{name}", name, supported) for name in unknown]
            raise DescriptionError(f"DescriptionError: target {self.name!r} does not vary this", findings)
        changed = {
            name: change if isinstance(change, Variability) else self.variability[name].replace(sd=float(change))
            for name, change in changes.items()
        }
        return self.replace(variability=self.variability | changed)  # type: ignore[no-any-return]

    def with_options(self, **options: str) -> Target:
        """The same target with backend options changed (``kernel="time-driven"`` on the reference)."""
        return self.replace(options=self.options | options)  # type: ignore[no-any-return]

    def sample_chips(self, count: int, seed: int = 0) -> tuple[Chip, ...]:
        """``count`` virtual chips, ids 0..count - 1 of the wafer ``seed``; the same call gives the same chips."""
        from salhw.chip import Chip

        return tuple(Chip(id=i, seed=seed, target=self.name, variability=self.variability) for i in range(count))
