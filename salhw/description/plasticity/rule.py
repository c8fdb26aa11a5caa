"""What all plasticity rules have in common: when they change weights, within which bounds, and who works them out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import inf
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator

from salhw.description.fields import Number, PerSynapse
from salhw.description.kinds import Kind
from salhw.description.markers import QUANTITIES, Mark, Structure
from salhw.description.plasticity.reference_phase import ReferencePhase
from salhw.diagnostics.wording import invalid, shown

_EVERY = re.compile(r"every ([0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]+)?|\.[0-9]+) ms")


def _known_update(value: str) -> str:
    match = _EVERY.fullmatch(value)
    if value not in ("spike", "run end") and not (match and 0 < float(match[1]) < float("inf")):
        raise invalid("SAL005", shown(value), "'spike', 'run end' or 'every T ms' with T > 0", "as in 'every 200 ms'")
    return value


def _ordered(bounds: tuple[float, float] | None) -> tuple[float, float] | None:
    if bounds is not None and bounds[0] >= bounds[1]:
        raise invalid("SAL005", bounds, "(lowest, highest) with lowest < highest", "swap them")
    return bounds


Update = Annotated[str, AfterValidator(_known_update), Mark("spike", "run end", "never")]
Bounds = Annotated[tuple[Number, Number] | None, AfterValidator(_ordered), Mark(None, (-1.0, 1.0), (1.0, -1.0))]
Execution = Annotated[Literal["chip", "host"], Structure()]
LearningRate = Annotated[PerSynapse, Mark(0.01, 0.02, float("inf"), per="synapse", settable="always")]


class PlasticityRule(Kind):
    """A plasticity rule. Every kind of it has the fields ``learning_rate``, ``update``, ``bounds`` and ``execution``,
    of the types that this module defines for them, and windows or other parts of its own.

    Args:
        learning_rate: one number or one per synapse (shaped like the projection's weights).
        update: ``spike`` (weights change with the step's spikes and act from the next step), ``every T ms`` (at whole
            multiples of T of the session's time) or ``run end``.
        bounds: the weights are clipped to (lowest, highest) at each update.
        execution: ``chip``, or ``host`` to allow a target without the rule to compute it outside.
    """

    section = "plasticity"
    needs: ClassVar[str] = "spikes"
    """What the postsynaptic neurons have to offer (see Neuron.offers)."""
    reads: ClassVar[frozenset[str]] = frozenset(QUANTITIES)
    """What the traces that it names may be of."""
    common = ("learning_rate", "update", "bounds", "execution")

    if TYPE_CHECKING:
        learning_rate: LearningRate
        update: Update
        bounds: Bounds
        execution: Execution

    @property
    def period(self) -> float | None:
        """T of ``every T ms``, in ms; None for the other schedules."""
        match = _EVERY.fullmatch(self.update)
        return float(match[1]) if match else None

    @property
    def schedule(self) -> str:
        """``update`` as targets declare it: ``every`` whatever the period is, or ``spike``, ``run end``."""
        return self.update if self.period is None else "every"


def reference_of(rule: PlasticityRule) -> ReferencePhase | None:
    """The reference phase of a rule; None of one without, or of a kind that has none."""
    phase: ReferencePhase | None = getattr(rule, "reference", None)
    return phase


def without_reference(rule: PlasticityRule) -> Any:
    """The rule without its reference phase."""
    return rule if reference_of(rule) is None else rule.replace(reference=None)


def narrowest_bounds(rules: Iterable[PlasticityRule]) -> tuple[float, float]:
    """The lowest and the highest weight within the bounds of all rules; infinite where none has any."""
    bounds = [rule.bounds for rule in rules if rule.bounds is not None]
    return max((low for low, _ in bounds), default=-inf), min((high for _, high in bounds), default=inf)
