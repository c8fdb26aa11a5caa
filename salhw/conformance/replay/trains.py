"""What spikes alone decide: PSPs, pairs of spikes and refractoriness, at every step. Plain numpy, slow and obvious.

Spikes are arrays of truth values (instance, step, neuron) from the first step of a session on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.description.connectivity import Synapses
from salhw.description.fields import FloatArray, IntArray
from salhw.description.kernels import Kernel
from salhw.description.kinds import ByKind
from salhw.description.network import Network
from salhw.description.parts import Projection
from salhw.description.plasticity import ModulatedSTDP, PairSTDP, TripletSTDP
from salhw.description.short_term import TsodyksMarkram, strengths
from salhw.description.windows import Window

Bools = npt.NDArray[np.bool_]
NEVER = -(2**40)
"""The step of a spike that there was not."""


def latest(spikes: Bools) -> IntArray:
    """At every step the latest earlier one with a spike, or NEVER."""
    step = np.where(spikes, np.arange(spikes.shape[1])[:, None], NEVER)
    sofar = np.maximum.accumulate(step, axis=1)
    return np.concatenate([np.full_like(sofar[:, :1], NEVER), sofar[:, :-1]], axis=1)


def states(spikes: Bools, tau_ref: int | IntArray) -> Bools:
    """z: whether there was a spike within the last ``tau_ref`` steps, this one included; one number or one per
    neuron."""
    last = np.where(spikes, np.arange(spikes.shape[1])[:, None], latest(spikes))
    return np.asarray(np.arange(spikes.shape[1])[:, None] - last < tau_ref)


def psps(kernel: Kernel, spikes: Bools | FloatArray, delay: int, dt: float) -> FloatArray:
    """What the spikes of each neuron add to an input per unit of weight: at the step t + k + delay the kernel's value
    at the age k dt, k = 1, 2 ... (docs/semantics.md, "The time grid"). In the place of truth values there may be the
    strength of each spike's PSP, 0 where there is no spike."""
    count = spikes.shape[1]
    value = kernel.shape(np.arange(1, count + 1) * dt)
    if kernel.superposition == "last":
        arrived = np.full(spikes.shape, NEVER)
        arrived[:, delay:] = latest(spikes != 0)[:, : max(0, count - delay)]
        ages = np.arange(count)[:, None] - arrived - delay
        strength = np.take_along_axis(spikes, np.maximum(arrived, 0), axis=1)
        return np.where(ages <= count, value[np.clip(ages, 1, count) - 1] * strength, 0.0)
    total = np.zeros(spikes.shape)
    for age in range(1, count - delay):
        if value[age - 1] != 0.0:
            total[:, age + delay :] += value[age - 1] * spikes[:, : count - age - delay]
    return total


def strengths_at(p: Projection, spikes: Bools, dt: float) -> FloatArray:
    """How strong the PSPs of a projection are that begin with the spike of each neuron at each step (docs/semantics.md,
    "Short-term plasticity")."""
    strong = np.ones(spikes.shape)
    instance, step, neuron = np.nonzero(spikes)
    strong[instance, step, neuron] = strengths(p.short_term, instance * spikes.shape[2] + neuron, step * dt)
    return strong


def found_by_spikes(p: Projection, spikes: Bools, dt: float) -> dict[str, FloatArray]:
    """The variables of a projection's short-term plasticity as a spike of each neuron would find them at each step,
    (instance, step, neuron): what is left from step to step (docs/semantics.md, "Variables")."""
    return {} if p.short_term is None else FOUND[p.short_term](p.short_term, spikes, dt)


def _tsodyks_markram(short_term: TsodyksMarkram, spikes: Bools, dt: float) -> dict[str, FloatArray]:
    u, x = np.full(spikes[:, 0].shape, short_term.U), np.ones(spikes[:, 0].shape)
    fades = np.exp(-dt / short_term.tau_facil) if short_term.tau_facil else 0.0
    us, xs = np.empty(spikes.shape), np.empty(spikes.shape)
    for step in range(spikes.shape[1]):
        us[:, step], xs[:, step] = u, x
        x = np.where(spikes[:, step], x * (1.0 - u), x)
        u = np.where(spikes[:, step], u * (1.0 - short_term.U) + short_term.U, u)
        x = 1.0 - (1.0 - x) * np.exp(-dt / short_term.tau_rec)
        u = short_term.U + (u - short_term.U) * fades
    return {"u": us, "x": xs}


FOUND: ByKind[Callable[[Any, Bools, float], dict[str, FloatArray]]] = ByKind(
    "the replay oracle", {TsodyksMarkram: _tsodyks_markram}
)


def delayed_psps(net: Network, p: Projection, ends: Synapses, spikes: Bools) -> tuple[FloatArray, IntArray]:
    """The PSPs that the presynaptic neurons of a projection have after each of its delays, (instance, step, delay and
    neuron), and which of them each synapse has."""
    _, pre, position = ends
    shape, nothing = p.weights.shape(*net.ends(p.name)[:2]), np.zeros((*spikes.shape[:2], 0))
    delays, number = np.unique(np.broadcast_to(p.delay_steps(net.dt), shape).ravel()[position], return_inverse=True)
    strong = spikes * strengths_at(p, spikes, net.dt)
    each = (psps(p.kernel, strong, delay, net.dt) for delay in delays.tolist())
    return np.concatenate([nothing, *each], axis=2), number * spikes.shape[2] + pre


def onto(post: IntArray, instances: int, size: int) -> Callable[[FloatArray], FloatArray]:
    """What makes of numbers of synapses, (instance, synapse), what they add up to at each of ``size`` postsynaptic
    neurons, (instance, neuron)."""
    place = (post + size * np.arange(instances)[:, None]).ravel()

    def added(per_synapse: FloatArray) -> FloatArray:
        total = np.bincount(place, per_synapse.ravel(), instances * size)
        return np.asarray(total.reshape(instances, size), dtype=np.float64)

    return added


def fades(kernel: Kernel) -> bool:
    """Whether a PSP changes while it lasts."""
    value = kernel.shape(np.array([0.25, 0.5]) * kernel.tau_syn)
    return bool(value[0] != value[1])


@dataclass(frozen=True)
class End:
    """One end of the synapses of a projection: the ``spikes`` of its population, and the neuron of each synapse."""

    spikes: Bools
    neuron: IntArray

    def per_synapse(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What synapses have of ``values``, (instance, step, neuron)."""
        return values[:, :, self.neuron]

    @property
    def trains(self) -> Bools:
        """The spikes at each synapse, (instance, step, synapse)."""
        return self.per_synapse(self.spikes)


def pair_sums(
    rule: PairSTDP | ModulatedSTDP | TripletSTDP, pre: End, post: End, dt: float, *, whole: bool = False
) -> tuple[FloatArray, FloatArray]:
    """What the spikes of every step add to the causal and the anticausal sum of each synapse, without amplitudes
    (docs/semantics.md, "Pairs"). ``whole``: pairs count in full that count half or a quarter because spikes
    coincide."""
    causal = branch_sums(rule.pairing, rule.causal, pre, post, dt, whole=whole)
    return causal, branch_sums(rule.pairing, rule.anticausal, post, pre, dt, whole=whole)


def near_coincidences(pre: Bools, post: Bools) -> Bools:
    """The steps at which the spikes at both ends coincide, or which have the first spike of either after that."""
    together, last = pre & post, latest(pre | post)
    before = np.take_along_axis(together, np.maximum(last, 0), axis=1) & (last != NEVER)
    return np.asarray(together | (before & (pre | post)))


def own_sums(pairing: str, spikes: Bools, tau: float, dt: float) -> FloatArray:
    """What is left at each step of the earlier spikes of a neuron, of which each fades with ``tau`` ms; of the latest
    alone where only nearest spikes count (docs/semantics.md, "Beyond pairs")."""
    count, decay = spikes.shape[1], np.exp(-dt / tau)
    if pairing != "all":
        before = latest(spikes)
        return np.where(before == NEVER, 0.0, decay ** (np.arange(count)[:, None] - np.maximum(before, 0)))
    left = np.zeros(spikes.shape)
    for step in range(1, count):
        left[:, step] = (left[:, step - 1] + spikes[:, step - 1]) * decay
    return left


def branch_sums(pairing: str, window: Window, first: End, second: End, dt: float, *, whole: bool = False) -> FloatArray:
    """The pairs of one branch, whose ``first`` spike comes earlier, at the step of the ``second``."""
    part, spikes = 1.0 if whole else 0.5, second.trains
    count, together = spikes.shape[1], first.trains & spikes
    value, step = window.shape(np.arange(count + 1) * dt), np.arange(count)
    if pairing == "all":
        lags = step[:, None] - step
        pairs = np.where(lags > 0, value[np.maximum(lags, 0)], 0.0) @ first.spikes.astype(np.float64)
        return np.asarray(spikes * first.per_synapse(pairs) + part * value[0] * together)
    partner, own = (end.per_synapse(latest(end.spikes)) for end in (first, second))
    lags = step[:, None] - partner
    pairs = np.where(partner == NEVER, 0.0, value[np.clip(lags, 0, count)])
    pairs = np.where(together, part * pairs, pairs)  # the later spike is one of a coincidence
    if pairing == "nearest_restricted":
        between, coincides = own > partner, own == partner
        pairs = np.where(between, 0.0, np.where(coincides, part * pairs, pairs))
    return np.asarray(spikes * pairs + part * value[0] * together)
