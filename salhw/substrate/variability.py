"""How the quantities of a chip differ from place to place, and from trial to trial."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from salhw.description.fields import Model
from salhw.diagnostics.wording import invalid

NoiseGroup = Literal["mismatch", "trial", "plasticity"]


class Variability(Model):
    """How one quantity differs between the places of a chip, or from trial to trial.

    Args:
        distribution: ``normal``, or ``lognormal`` (relative only).
        mode: ``relative`` multiplies by 1 + sd x (lognormal: exp(sd x)), ``absolute`` adds sd x; x standard normal.
        sd: the spread.
        truncate: |x| never exceeds this many standard deviations.
        per: what shares one draw. ``row`` and ``column``: the synapses of a presynaptic or a postsynaptic neuron;
            ``neuron`` and ``synapse`` (and None) have a draw for each location.
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
    per: Literal["neuron", "synapse", "row", "column"] | None = None
    group: NoiseGroup = "mismatch"
    compensated: str = ""
    source: str = ""

    @model_validator(mode="after")
    def _lognormal_is_relative(self) -> Variability:
        if self.distribution == "lognormal" and self.mode == "absolute":
            raise invalid("SAL005", "absolute", "relative, for a lognormal distribution", "mode = relative", at="mode")
        return self
