"""Phases in which feedback weights learn on a target while forward weights stand still; the one of spike pairs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Self

import numpy as np

from salhw import GLM, Calibration, Chip, Executable, Network, Target, compile
from salhw.description.fields import FloatArray
from salhw.description.kinds import of_kind
from salhw.description.plasticity import PairSTDP
from salhw.diagnostics.arguments import wrong
from salhw.substrate.capabilities import Range
from salhw_networks.deep.methods import SAL, SpikePairs, branch_pairs, pairs_by_chance
from salhw_networks.deep.network import TAU_REF, Chain, network
from salhw_networks.deep.rdd import RDD

REPLICA = 2000.0  # ms
NORMALISED = 20.0  # pairs of a replica are divided by it, so that eta is the paper's (.04)
MOST_RATE = 2.0
STRETCH = 1000.0  # ms, after which an offset is taken off weights that change all along
HALF = 0.5  # of the time is a neuron active whose bias and inputs are 0
MOST_SYNAPSES = 8_000_000  # of all instances of a session together; the reference takes up to 71 bytes for each


@dataclass(frozen=True)
class Setting:
    """How a phase is run.

    Args:
        method: how feedback weights are told about forward ones.
        gain: forward and feedback weights are multiplied by it on the target, and changes divided by it.
        replicas: an update is the mean over so many times 2 s of spikes (the authors' 32 networks side by side).
        smallest_interval: between two spikes of a neuron, in ms.
        centred: half of the sum of a neuron's weights is taken off its bias, so that all are active about half of the
            time, whatever the gain, as far as the target's biases reach. One that is nearly always active, or never,
            tells little of its weights.
    """

    method: SpikePairs | RDD = field(default_factory=SAL)
    gain: float = 1.0
    replicas: int = 32
    smallest_interval: float = TAU_REF
    centred: bool = False

    @property
    def continuous(self) -> bool:
        """Whether the feedback weights change during an update, not at its end."""
        return self.method.update != "run end"

    @property
    def pairs(self) -> SpikePairs:
        """The method, if it adds up spike pairs.

        Raises:
            DescriptionError: it does something else.
        """
        if isinstance(self.method, RDD):
            raise wrong("method", "RDD", "SAL, WeightMirror, STDWI: rules of spike pairs", "take one of them")
        return self.method

    def description(self, chain: Chain) -> Network:
        """What is compiled."""
        if isinstance(self.method, RDD):
            return self.method.description(chain.scaled(self.gain))
        rules = self.method.rules()
        return network(chain=chain.scaled(self.gain), rules=rules, smallest_interval=self.smallest_interval)

    def instances(self, chain: Chain, chips: Sequence[Chip] | None) -> int:
        """Of a session: one for each of the ``chips``; without, a divisor of ``replicas``. Other replicas come one
        after the other."""
        if chips:
            return len(chips)
        synapses = 2 * sum(w.size for w in chain.weights)
        most = max(1, min(self.replicas, MOST_SYNAPSES // synapses))
        return next(n for n in range(most, 0, -1) if self.replicas % n == 0)


@dataclass(frozen=True)
class Offset:
    """What an update adds to feedback weights where neither direction has a weight, per unit of eta: what the branches
    of each synapse differ by. ``changes`` (n of layer l, n of layer l + 1) come with the ``rates`` of every layer, in
    spikes per ms, at which they were measured.

    A description's ReferencePhase does not do: rules that update at the end of a run, as the paper's, cannot have one,
    and what it subtracts always goes with the product of both numbers of spikes (see ``branch_pairs``)."""

    changes: tuple[FloatArray, ...]
    rates: tuple[FloatArray, ...]

    def at(self, rates: Sequence[FloatArray], rule: PairSTDP, smallest_interval: float) -> list[FloatArray]:
        """The same at other rates, in proportion to the pairs of independent neurons. A rate above MOST_RATE times that
        of the reference phase counts as that: a neuron that hardly spiked there has told little."""

        def pairs(each: Sequence[FloatArray]) -> list[FloatArray]:
            both = pairwise(each)
            return [branch_pairs(*r, rule.pairing, rule.causal.tau, smallest_interval) for r in both]

        known = [
            np.where(then > 0, now.clip(0.0, MOST_RATE * then), then)
            for now, then in zip(rates, self.rates, strict=True)
        ]
        share = [np.divide(now, then, out=np.ones_like(now), where=then > 0)
                 for now, then in zip(pairs(known), pairs(self.rates), strict=True)]  # fmt: skip
        return [change * part for change, part in zip(self.changes, share, strict=True)]


def products(rates: Sequence[FloatArray]) -> list[FloatArray]:
    """The product of the rates of each feedback synapse's neurons, (n of layer l, n of layer l + 1) each."""
    return [np.outer(low, high) for low, high in pairwise(rates)]


class Phase(ABC):
    """A session with ``chain`` on a target: each ``change`` is one update. Use it as a context manager.

    Args:
        executable: of the setting's description.
        chips: to run on, an instance each; by default as many instances as ``Setting.instances`` says.

    ``spikes`` and ``time`` (ms, one replica after the other) count what has been run.
    """

    def __init__(
        self, chain: Chain, setting: Setting, executable: Executable, seed: int, chips: Sequence[Chip] | None
    ) -> None:
        self.chain, self.setting = chain, setting
        self._instances = setting.instances(chain, chips)
        self._session = executable.open(instances=None if chips else self._instances, chips=chips, seed=seed)
        self.spikes, self.time = 0, 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    @abstractmethod
    def change(self, feedback: Sequence[FloatArray], eta: Sequence[float]) -> list[FloatArray]:
        """By how much one update changes feedback weights that are ``feedback``, with the rate ``eta`` of each layer;
        the mean over all replicas, (n of layer l, n of layer l + 1) each."""

    @abstractmethod
    def limited(self, feedback: Sequence[FloatArray]) -> list[FloatArray]:
        """Feedback weights within the target's range."""


class SpikingPhase(Phase):
    """The phase of a method that adds up spike pairs.

    Args:
        calibration: of the chips.
        offset: of a reference phase, which is taken off each change.

    Raises:
        UnsupportedNetworkError: the target cannot hold the network.
        DescriptionError: an update is shorter than the rule's period.
    """

    def __init__(
        self, chain: Chain, setting: Setting, *, target: Target | str = "reference", seed: int = 0,
        chips: Sequence[Chip] | None = None, calibration: Calibration | None = None, offset: Offset | None = None,
    ) -> None:  # fmt: skip
        self.offset = offset
        self.method = method = setting.pairs
        description = setting.description(chain)
        self._biases = [of_kind(p.neuron, GLM, "a spiking phase").bias for p in description.populations]
        executable = compile(description, target, calibration=calibration)
        scaled = [executable.target.scaled_for(f"feedback_{l}") for l in range(len(chain.weights))]
        self._limits = [_limits(layer.projections.get("weights")) for layer in scaled]
        self._bias_limits = _limits(executable.target.neurons["GLM"].get("bias"))
        instances = setting.instances(chain, chips)
        self._runs = setting.replicas / instances
        period = max(rule.period or 0.0 for rule in method.rules())
        if self._runs * REPLICA < period:
            asked = f"{setting.replicas} times {REPLICA:g} ms on {instances} instances"
            least = -int(-period * instances // REPLICA)
            raise wrong(
                "replicas", asked, f"at least {period:g} ms, the rule's own period", f"replicas={least} or more"
            )
        self._stretches = max(1, int(self._runs * REPLICA // (period or STRETCH))) if setting.continuous else 1
        super().__init__(chain, setting, executable, seed, chips)
        self._rules = len(method.rules())
        self.rates: list[FloatArray] = []
        self._set_rates([0.0] * len(chain.weights))
        if setting.centred:
            self._centre([np.zeros(w.T.shape) for w in chain.weights])
        self._run(method.memory)

    def change(self, feedback: Sequence[FloatArray], eta: Sequence[float]) -> list[FloatArray]:
        """See Phase. With a method that does not ``act`` it does not depend on the feedback weights."""
        stretches = self._stretches if self.offset is not None else 1
        now = list(feedback)
        for _ in range(stretches):
            moved = self._change(self.limited(now), eta, 1.0 / stretches)
            now = [b + change for b, change in zip(now, moved, strict=True)]
        return [b - before for b, before in zip(now, feedback, strict=True)]

    def _change(self, feedback: Sequence[FloatArray], eta: Sequence[float], share: float) -> list[FloatArray]:
        """The change in a ``share`` of an update's time."""
        gain, method = self.setting.gain, self.method
        felt = [gain * weights if method.acts else np.zeros_like(weights) for weights in feedback]
        before = []
        for l, weights in enumerate(felt):
            self._session.set(_weights(l), weights)
            before.append(self._session.get(_weights(l)))  # what the target holds of it
        if self.setting.centred:
            self._centre(felt)
        self._set_rates([rate / (NORMALISED * self._runs) for rate in eta])
        self._run(share * self._runs * REPLICA)
        moved = [(self._session.get(_weights(l)) - held).mean(axis=0) for l, held in enumerate(before)]
        scale = [rate * share * REPLICA / NORMALISED for rate in eta]
        if method.covariance:
            by_chance = sum(pairs_by_chance(rule.anticausal.tau) * float(np.mean(rule.anticausal.amplitude))
                            for rule in method.rules())  # fmt: skip
            moved = [m - s * by_chance * p for m, s, p in zip(moved, scale, products(self.rates), strict=True)]
        if self.offset is not None:
            offsets = self.offset.at(self.rates, method.rules()[0], self.setting.smallest_interval)
            moved = [m - share * rate * offset for m, rate, offset in zip(moved, eta, offsets, strict=True)]
        return [m / gain for m in moved]

    def limited(self, feedback: Sequence[FloatArray]) -> list[FloatArray]:
        """See Phase."""
        gain = self.setting.gain
        return [np.clip(b, low / gain, high / gain) for b, (low, high) in zip(feedback, self._limits, strict=True)]

    def _centre(self, feedback: Sequence[FloatArray]) -> None:
        """Write biases, with the sums of forward weights and ``feedback`` as the target has them."""
        inputs = [np.zeros(n) for n in self.chain.sizes]
        for l, weights in enumerate(self.chain.weights):
            inputs[l + 1] += self.setting.gain * weights.sum(axis=1)
            inputs[l] += feedback[l].sum(axis=1)
        for l, (bias, summed) in enumerate(zip(self._biases, inputs, strict=True)):
            self._session.set(f"populations.layer_{l}.bias", np.clip(bias - HALF * summed, *self._bias_limits))

    def _set_rates(self, rates: Sequence[float]) -> None:
        """Learning rates per pair, of each layer."""
        for l, rate in enumerate(rates):
            for k in range(self._rules):
                rule = "plasticity" if self._rules == 1 else f"plasticity[{k}]"
                self._session.set(f"projections.feedback_{l}.{rule}.learning_rate", rate)

    def _run(self, duration: float) -> None:
        counts = self._session.run(duration).counts
        self.rates = [counts[f"layer_{l}"].mean(axis=0) / duration for l in range(len(self.chain.sizes))]
        self.spikes += int(sum(count.sum() for count in counts.values()))
        self.time += duration * self._instances


def _limits(declared: object) -> tuple[float, float]:
    """The ends of a range, if a target declares one."""
    return (declared.min, declared.max) if isinstance(declared, Range) else (-np.inf, np.inf)


def _weights(layer: int) -> str:
    return f"projections.feedback_{layer}.weights"


def measured_offset(
    chain: Chain, setting: Setting, updates: int, *, target: Target | str, seed: int,
    chips: Sequence[Chip] | None = None, calibration: Calibration | None = None, eta: float = 1.0,
    run: list[Phase] | None = None,
) -> Offset:  # fmt: skip
    """The reference phase: ``updates`` with neither forward nor feedback weights. ``run`` is given the phase that was
    run, which counts spikes and time."""
    silent = chain.scaled(0.0)
    feedback = [np.zeros(w.T.shape) for w in chain.weights]
    etas = [eta] * len(feedback)
    with SpikingPhase(silent, setting, target=target, seed=seed, chips=chips, calibration=calibration) as phase:
        found = [(phase.change(feedback, etas), phase.rates) for _ in range(updates)]
    if run is not None:
        run.append(phase)
    changes = [np.mean([change[l] for change, _ in found], axis=0) for l in range(len(feedback))]
    rates = [np.mean([rate[l] for _, rate in found], axis=0) for l in range(len(chain.sizes))]
    return Offset(tuple(setting.gain * change / eta for change in changes), tuple(rates))
