"""Short-term plasticity: how strong the PSP of a spike is, by the spikes that its neuron sent before."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, inf
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from salhw.description.fields import FloatArray, IntArray, Milliseconds, NonNegative, NotText
from salhw.description.kinds import Kind
from salhw.description.markers import Mark

FORGOTTEN = 40.0
"""Time constants after which a spike makes no difference any more, but for e^-40 of it."""
Utilisation = Annotated[float, Field(gt=0, le=1), NotText]


class ShortTerm(Kind):
    """What a synapse makes of a train of spikes: each has a PSP of a strength of its own, by which the weight is
    multiplied. Strengths follow from the presynaptic spikes alone; weights, and rules that change them, know nothing
    of them."""

    section = "short_term"

    variables: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What a SynapseVariable probe can see of it: the name of each number that it remembers, with its unit."""

    @property
    def memory(self) -> float:
        """The time in ms after which an earlier spike makes no difference."""
        raise NotImplementedError

    def of_train(self, times: FloatArray) -> FloatArray:
        """The strengths of the spikes of one neuron at ``times`` in ms, which ascend, after a long silence."""
        raise NotImplementedError

    def found(self, times: FloatArray, moments: FloatArray) -> Mapping[str, FloatArray]:
        """Its ``variables`` as a spike at each of some ``moments`` in ms would find them, after the spikes of a neuron
        at those ``times`` in ms, which ascend, that are earlier."""
        raise NotImplementedError


class TsodyksMarkram(ShortTerm):
    """Short-term depression and facilitation (Tsodyks & Markram 1997; Maass & Markram 2002, Eqs 4 and 5).

    A spike uses the share u of the resources x that are left, and has the strength u x. Resources recover, and what
    spikes have added to u fades: h ms after the spike before

        x = 1 - (1 - x' (1 - u')) exp(-h / tau_rec),   u = U + u' (1 - U) exp(-h / tau_facil),

    x' and u' those of that spike; at the first one x = 1, u = U.

    Args:
        U: the share that a spike after a long silence uses, in (0, 1].
        tau_rec: in ms, with which resources recover: depression.
        tau_facil: in ms, with which facilitation fades; 0 for none.
    """

    variables: ClassVar = MappingProxyType({"u": "a share of x", "x": "a share of all resources"})
    kind: Literal["TsodyksMarkram"] = "TsodyksMarkram"
    U: Annotated[Utilisation, Mark(0.5, 0.25, 2.0)]
    tau_rec: Annotated[Milliseconds, Mark(20, 40, -1, unit="ms")]
    tau_facil: Annotated[NonNegative, Mark(0, 30, -1, unit="ms")] = 0.0

    @property
    def memory(self) -> float:
        return FORGOTTEN * max(self.tau_rec, self.tau_facil)

    def of_train(self, times: FloatArray) -> FloatArray:
        u, x = self._at_spikes(times)
        return u * x

    def found(self, times: FloatArray, moments: FloatArray) -> Mapping[str, FloatArray]:
        u, x = (
            np.concatenate([[nothing], each]) for nothing, each in zip((0.0, 1.0), self._at_spikes(times), strict=True)
        )
        before = np.searchsorted(times, moments, side="left")
        lag = np.concatenate([[-inf], times])[before] - moments
        left = 1.0 - (1.0 - x[before] * (1.0 - u[before])) * np.exp(lag / self.tau_rec)
        raised = u[before] * (1.0 - self.U) * (np.exp(lag / self.tau_facil) if self.tau_facil else 0.0)
        return {"u": self.U + raised, "x": left}

    def _at_spikes(self, times: FloatArray) -> tuple[FloatArray, FloatArray]:
        """u and x of each spike."""
        us, xs, u, x, last = np.empty(len(times)), np.empty(len(times)), 0.0, 1.0, -inf
        for k, time in enumerate(times.tolist()):
            x = 1.0 - (1.0 - x * (1.0 - u)) * exp((last - time) / self.tau_rec)
            u = self.U + (u * (1.0 - self.U) * exp((last - time) / self.tau_facil) if self.tau_facil else 0.0)
            us[k], xs[k], last = u, x, time
        return us, xs


def strengths(short_term: ShortTerm | None, neuron: IntArray, times: npt.ArrayLike) -> FloatArray:
    """The strength of each of the spikes of many neurons, at ``times`` in ms in any order; 1 without short-term
    plasticity."""
    moments = np.asarray(times, dtype=np.float64)
    found = np.ones(len(moments))
    if short_term is not None:
        order = np.lexsort((moments, neuron))
        for train in np.split(order, np.flatnonzero(np.diff(neuron[order])) + 1):
            found[train] = short_term.of_train(moments[train])
    return found
