"""How the quantities of a chip differ from place to place, and from trial to trial."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from salhw.description.fields import FloatArray, Model
from salhw.diagnostics.wording import invalid

NoiseGroup = Literal["mismatch", "trial", "plasticity"]
PARTS = ("sd", "chip", "stuck", "drift", "thermal")
"""The fields of a Variability that make places or chips differ: 0 for none."""
LATER = frozenset({"chip", "follows", "correlation", "stuck", "stuck_at", "drift", "thermal"})
"""Fields that came later. With their defaults they are no part of hashes, so that calibrations from before hold."""


class Variability(Model):
    """How one quantity differs between the places of a chip, or from trial to trial.

    Args:
        distribution: ``normal``, or ``lognormal`` (relative only).
        mode: ``relative`` multiplies by 1 + sd x (lognormal: exp(sd x)), ``absolute`` adds sd x; x standard normal.
        sd: the spread.
        truncate: |x| never exceeds this many standard deviations.
        per: what shares one draw. ``row`` and ``column``: the synapses of a presynaptic or a postsynaptic neuron;
            ``chip``: all places of a chip (process variation); ``neuron`` and ``synapse`` (and None) have a draw for
            each location.
        chip: the spread of one more draw, which all places of a chip share, beside those that ``per`` says: chip-wide
            variation with local mismatch around it.
        follows, correlation: another quantity, at whose draw of the same place this one's looks: x is correlation times
            that of the other plus sqrt(1 - correlation^2) of its own. The other follows nothing.
        stuck, stuck_at: the share of places that are broken, and the value that the quantity has there, whatever is
            asked for; 0 for a dead circuit.
        drift: the spread of what a day adds (to x sd, as ``mode`` and ``distribution`` have it): each place
            moves at a pace of its own, away from where it was at ``Chip.age`` 0; the first order of what ageing does.
        thermal: likewise of what a kelvin of ``Chip.temperature`` adds: temperature coefficients differ.
        group: its switch in ``Target.with_noise``: frozen ``mismatch``, noise from ``trial`` to trial (which the
            backend draws, as wide as ``Chip.spread`` says), or pattern and noise of the ``plasticity`` circuits.
        compensated: what on the target measures it and takes it off again, if something does: it is drawn, and nothing
            that a session does shows it.
        source: where the number comes from.
    """

    distribution: Literal["normal", "lognormal"] = "normal"
    mode: Literal["relative", "absolute"] = "relative"
    sd: Annotated[float, Field(ge=0)] = 0.0
    truncate: Annotated[float, Field(gt=0)] = 6.0
    per: Literal["neuron", "synapse", "row", "column", "chip"] | None = None
    chip: Annotated[float, Field(ge=0)] = 0.0
    follows: str = ""
    correlation: Annotated[float, Field(ge=-1, le=1)] = 0.0
    stuck: Annotated[float, Field(ge=0, le=1)] = 0.0
    stuck_at: float = 0.0
    drift: Annotated[float, Field(ge=0)] = 0.0
    thermal: Annotated[float, Field(ge=0)] = 0.0
    group: NoiseGroup = "mismatch"
    compensated: str = ""
    source: str = ""

    @property
    def varies(self) -> bool:
        """Whether anything differs at all."""
        return any(getattr(self, part) for part in PARTS)

    def silent(self) -> Variability:
        """The same without any spread."""
        return self.replace(**dict.fromkeys(PARTS, 0.0))

    def deviation(self, values: FloatArray) -> FloatArray:
        """How far off places are that act as ``values``: factors of a relative quantity, sums of an absolute one. NaN
        for what a lognormal quantity cannot be."""
        if self.distribution == "lognormal":
            return np.log(np.where(values > 0.0, values, np.nan))
        return values - 1.0 if self.mode == "relative" else values

    @model_validator(mode="after")
    def _correlated_with_another(self) -> Variability:
        if bool(self.follows) != bool(self.correlation):
            fix = "give both, or neither"
            raise invalid("SAL005", self.correlation, "not 0, with the quantity that it follows", fix, at="correlation")
        return self

    @model_validator(mode="after")
    def _lognormal_is_relative(self) -> Variability:
        if self.distribution == "lognormal" and self.mode == "absolute":
            raise invalid("SAL005", "absolute", "relative, for a lognormal distribution", "mode = relative", at="mode")
        return self
