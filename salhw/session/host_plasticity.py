"""Rules worked out beside a target, from its spikes: for backends whose target does not have the rule.

What docs/semantics.md says of rules of spikes, step by step, over all instances and synapses at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.description.connectivity import synapses
from salhw.description.fields import FloatArray, IntArray
from salhw.description.grid import in_steps
from salhw.description.kinds import ByKind
from salhw.description.network import Network
from salhw.description.parts import Projection
from salhw.description.plasticity import ModulatedSTDP, PairSTDP, PerSpike, PlasticityRule, TripletSTDP
from salhw.description.plasticity.rule import narrowest_bounds
from salhw.description.windows import ExponentialWindow, Window
from salhw.session.recorder import Raster, following

Bools = npt.NDArray[np.bool_]
NEVER = -(2**62)
OfPairs = PairSTDP | ModulatedSTDP | TripletSTDP


class _Partners:
    """The earlier spikes of one side of the synapses that later spikes of the other side pair with."""

    def __init__(self, rule: OfPairs, window: Window, shape: tuple[int, ...], dt: float) -> None:
        self.rule, self.window, self.dt = rule, window, dt
        self.last = np.full(shape, NEVER, dtype=np.int64)
        self.trace, self.at = np.zeros(shape), 0
        self.recent: deque[tuple[int, Bools]] = deque()

    def value(self, step: int) -> FloatArray:
        """What a spike of the partner at ``step`` gets of each neuron here, without amplitude, (instance, neuron)."""
        if self.rule.pairing != "all":
            lag = np.where(self.last == NEVER, 1, step - self.last) * self.dt
            return np.where(self.last == NEVER, 0.0, self.window.shape(lag))
        if self.window.memoryless:
            return np.asarray(self.trace * self.window.shape(np.array((step - self.at) * self.dt)))
        while self.recent and (step - self.recent[0][0]) * self.dt >= self.window.extent:
            self.recent.popleft()
        total = np.zeros(self.last.shape)
        for earlier, who in self.recent:
            total += who * self.window.shape(np.array((step - earlier) * self.dt))
        return total

    def add(self, step: int, who: Bools) -> None:
        """Spikes at ``step``."""
        if self.rule.pairing == "all":
            if self.window.memoryless:
                self.trace = self.value(step) + who
                self.at = step
            else:
                self.recent.append((step, who))
        self.last[who] = step


@dataclass
class HostedRule:
    """One rule on the synapses ``pre[k]`` -> ``post[k]`` of a projection, over ``instances`` copies; ``post``, ``pre``
    and ``position`` as ``connectivity.synapses`` gives them.

    ``sums`` hold what spikes have added up to since they were last taken, (instance, synapse) for each part of the
    rule, without amplitude and learning rate: those that hold at the update count. ``amplitudes`` are those of the
    parts, each one number, (synapse,) or (instance, synapse): the rule's, until somebody sets them.
    """

    rule: Any
    post: IntArray
    pre: IntArray
    position: IntArray
    sizes: tuple[int, int]
    instances: int
    dt: float
    sums: list[FloatArray] = field(init=False)
    amplitudes: list[FloatArray] = field(init=False)

    def __post_init__(self) -> None:
        described = [np.asarray(amplitude) for amplitude in self.described()]
        self.amplitudes = [a if a.ndim == 0 else a.ravel()[self.position] for a in described]
        self.sums = [np.zeros((self.instances, len(self.post))) for _ in self.amplitudes]

    def described(self) -> tuple[float | FloatArray, ...]:
        """The amplitudes that the rule is described with, one for each part."""
        raise NotImplementedError

    def advance(self, step: int, pre: Bools, post: Bools) -> None:
        """Take in the spikes of one step; ``pre`` and ``post`` (instance, neuron). Steps without spikes may be left
        out."""
        raise NotImplementedError

    def see(self, pre: Raster, post: Raster) -> None:
        """Take in spikes of both populations, which come after all earlier ones."""
        n_post, n_pre = self.sizes
        for step in np.union1d(pre.step, post.step):
            self.advance(int(step), self._who(pre, step, n_pre), self._who(post, step, n_post))

    def _who(self, raster: Raster, step: int, size: int) -> Bools:
        spiked = np.zeros((self.instances, size), dtype=np.bool_)
        now = raster.step == step
        spiked[raster.instance[now], raster.neuron[now]] = True
        return spiked

    @property
    def change(self) -> FloatArray:
        """What an update would add to the weights now, (instance, synapse), but for the learning rate."""
        return np.asarray(sum(a * sums for a, sums in zip(self.amplitudes, self.sums, strict=True)))

    def take(self) -> FloatArray:
        """``change``, and begin anew."""
        taken, self.sums = self.change, [np.zeros_like(sums) for sums in self.sums]
        return taken


@dataclass
class HostRule(HostedRule):
    """A rule of pairs; its parts are the causal and the anticausal window."""

    rule: OfPairs

    def __post_init__(self) -> None:
        super().__post_init__()
        n_post, n_pre = self.sizes
        self._before = _Partners(self.rule, self.rule.causal, (self.instances, n_pre), self.dt)
        self._after = _Partners(self.rule, self.rule.anticausal, (self.instances, n_post), self.dt)

    def described(self) -> tuple[float | FloatArray, ...]:
        """Of both windows."""
        return self.rule.causal.amplitude, self.rule.anticausal.amplitude

    def advance(self, step: int, pre: Bools, post: Bools) -> None:
        """Form the pairs that the spikes of one step close."""
        for sums, closed in zip(self.sums, self.closed(step, pre, post), strict=True):
            sums += closed
        self.follow(step, pre, post)

    def follow(self, step: int, pre: Bools, post: Bools) -> None:
        """Let later spikes find those of one step."""
        self._before.add(step, pre)
        self._after.add(step, post)

    def closed(self, step: int, pre: Bools, post: Bools) -> tuple[FloatArray, FloatArray]:
        """The causal and the anti-causal pairs that the spikes of one step close, (instance, synapse)."""
        s, t = pre[:, self.pre], post[:, self.post]
        both = s & t
        causal = self._before.value(step)[:, self.pre] * t
        anticausal = self._after.value(step)[:, self.post] * s
        if self.rule.pairing != "all":
            halved = np.where(both, 0.5, 1.0)
            causal, anticausal = causal * halved, anticausal * halved
        if self.rule.pairing == "nearest_restricted":
            earlier_pre, earlier_post = self._before.last[:, self.pre], self._after.last[:, self.post]
            causal = causal * _open(earlier_pre, earlier_post)
            anticausal = anticausal * _open(earlier_post, earlier_pre)
        return causal + 0.5 * both, anticausal + 0.5 * both


@dataclass
class HostTriplets(HostRule):
    """A rule of triplets; its parts are the causal and the anticausal window."""

    rule: TripletSTDP

    def __post_init__(self) -> None:
        super().__post_init__()
        n_post, n_pre = self.sizes
        post, pre = (ExponentialWindow(tau=tau) for tau in (self.rule.tau_post, self.rule.tau_pre))
        self._own_post = _Partners(self.rule, post, (self.instances, n_post), self.dt)
        self._own_pre = _Partners(self.rule, pre, (self.instances, n_pre), self.dt)

    def closed(self, step: int, pre: Bools, post: Bools) -> tuple[FloatArray, FloatArray]:
        """The same, each pair times what is left of the own spikes of the neuron that closes it."""
        causal, anticausal = super().closed(step, pre, post)
        own = self._own_post.value(step)[:, self.post], self._own_pre.value(step)[:, self.pre]
        return causal * own[0], anticausal * own[1]

    def follow(self, step: int, pre: Bools, post: Bools) -> None:
        """Let later spikes find those of one step, of either neuron."""
        super().follow(step, pre, post)
        self._own_post.add(step, post)
        self._own_pre.add(step, pre)


@dataclass
class HostPerSpike(HostedRule):
    """A rule of single spikes; its parts are those of the presynaptic and of the postsynaptic neuron."""

    rule: PerSpike

    def described(self) -> tuple[float | FloatArray, ...]:
        """Of a spike at either end."""
        return self.rule.pre, self.rule.post

    def advance(self, step: int, pre: Bools, post: Bools) -> None:
        """Count the spikes at both ends."""
        for sums, spiked in zip(self.sums, (pre[:, self.pre], post[:, self.post]), strict=True):
            sums += spiked


HOSTED: ByKind[Callable[..., HostedRule]] = ByKind(
    "the host", {PairSTDP: HostRule, PerSpike: HostPerSpike, TripletSTDP: HostTriplets}
)
"""What works out a rule from spikes alone."""


def _open(partner: IntArray, own: IntArray) -> FloatArray:
    """Whether no own spike lies between the partner's latest spike and now; half if it coincides with it."""
    return np.where(partner > own, 1.0, np.where(partner == own, 0.5, 0.0))


def places(
    net: Network, projection: Projection, instances: int
) -> tuple[IntArray, IntArray, IntArray, tuple[int, int], int, float]:
    """What a HostedRule has to know beside its rule."""
    n_post, n_pre, same = net.ends(projection.name)
    return *synapses(projection.weights, n_post, n_pre, same), (n_post, n_pre), instances, net.dt


class HostRules:
    """The rules of one projection that the host works out, by their number: when they are due, and what they change.

    Args:
        rules: of the projection, those that are the host's.
    """

    def __init__(self, net: Network, projection: Projection, rules: Mapping[int, Any], instances: int) -> None:
        self._projection, self._dt = projection, net.dt
        self.low, self.high = narrowest_bounds(projection.plasticity)
        about = places(net, projection, instances)
        self.rules = {k: HOSTED[rule](rule, *about) for k, rule in rules.items()}

    def _period(self, hosted: HostedRule) -> int:
        """The steps between two updates; 0 if there are none inside a run."""
        return 1 if hosted.rule.update == "spike" else in_steps(hosted.rule.period or 0.0, self._dt) or 0

    def next(self, step: int) -> list[int]:
        """For each rule that is updated inside a run, the next step at which it is."""
        return [following(step, every) for hosted in self.rules.values() if (every := self._period(hosted))]

    def see(self, rasters: Mapping[str, Raster]) -> None:
        """Take in the spikes by population, which come after all earlier ones."""
        for hosted in self.rules.values():
            hosted.see(rasters[self._projection.pre], rasters[self._projection.post])

    def due(self, step: int) -> list[int]:
        """The rules that are due when ``step`` steps are over."""
        return [k for k, hosted in self.rules.items() if (every := self._period(hosted)) and step % every == 0]

    def due_at_run_end(self) -> list[int]:
        """The rules that are due when a run ends."""
        return [k for k, hosted in self.rules.items() if hosted.rule.update == "run end"]

    def waiting(self, due: list[int]) -> bool:
        """Whether the rules ``due`` have seen anything that an update would add up."""
        return any(np.any(sums) for k in due for sums in self.rules[k].sums)

    def learned(
        self,
        weights: FloatArray,
        due: list[int],
        rates: Sequence[FloatArray] | Mapping[int, FloatArray],
        reach: float = np.inf,
    ) -> FloatArray:
        """What the rules ``due`` make of ``weights``, one after the other, at learning rates by the number of a rule.

        Each ends by clipping to the bounds of all rules of the projection, and to what the target can hold, ``reach``
        in size.
        """
        low, high = max(self.low, -reach), min(self.high, reach)
        for k in due:
            weights = np.clip(weights + rates[k] * self.rules[k].take(), low, high)
        return weights


def schedule(rule: PlasticityRule, dt: float) -> str:
    """When the host writes weights by a rule, for reports."""
    steps = in_steps(rule.period or 0.0, dt)
    return "at every step: slow" if rule.update == "spike" else f"every {steps} steps" if steps else "after each run"
