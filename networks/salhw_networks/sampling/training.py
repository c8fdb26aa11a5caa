"""Training a spiking sampling network with wake-sleep on any target (paper sections 2.4.1, 4.3; Eqs 4, 5, 32, 33).

A cycle: the network sleeps, i.e. samples freely, while its plasticity (wake-sleep STDP, SAL) collects spike pairs; then
the wake phase, computed from the desired distribution or sampled with the visible neurons clamped; then the biases and
Kolen and Pollack's decay. All of it goes through a Session, for a whole batch of cases at once: Python acts between
runs, never between steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from salhw import (
    GLM,
    SAL,
    Chip,
    Executable,
    Network,
    Population,
    Projection,
    Rectangular,
    ReferencePhase,
    StateOccupancy,
    Target,
    WakeSleep,
    compile,
)
from salhw.description.fields import FloatArray
from salhw.description.plasticity import Pairing
from salhw.session.backend import Session
from salhw.substrate.capabilities import Range
from salhw.theory import states
from salhw_networks.experiment import Progress

WEIGHTS, BIAS = "projections.recurrent.weights", "populations.neurons.bias"
SAL_RATE = {"spike": "projections.recurrent.plasticity[1].learning_rate",
            "state": "projections.recurrent.plasticity.learning_rate"}  # fmt: skip
WAKE_SLEEP_RATE = {"spike": "projections.recurrent.plasticity[0].learning_rate", "state": ""}
"""By the training's rule; computed from the states, wake-sleep has none."""
CLAMP = 30.0  # bias that holds a neuron in a state (where a target has it): firing with 1 - 5e-12, or 2e-15 per step
BURN_IN = 20.0  # refractory periods before states are counted: a new state takes a quarter of one
Limits = tuple[tuple[float, float], tuple[float, float]]
"""The lowest and the highest weight, and the lowest and the highest bias."""


@dataclass(frozen=True)
class Training:
    """How to train; Table 1's values. Times in ms.

    Args:
        size, visible: neurons, and how many of them (the first ones) the desired distribution is over; the others are
            hidden. All are visible by default.
        rule: ``spike``: the sleep phase's term of Eq 4 is STDP with a triangular window; ``state``: it is computed from
            the sampled states.
        wake: ``computed``: <z_i z_j> of the desired distribution, exact (for hidden neurons: given the visible ones,
            for the symmetric part of the weights); ``sampled``: ``patterns`` states drawn from it per cycle,
            each held by the visible neurons for sleep / patterns.
        update, pairing: of SAL, for targets whose own rule has another schedule or pairs (``spike`` and ``every T ms``,
            with T a part of ``sleep``, need rule="state" or a target that has them for wake-sleep, too).
        sal_phase: SAL sees the spikes of the ``sleep`` phase (the authors' code), or of a phase of its ``own``, as long
            as the sleep phase, after it (paper section 4.3.1).
        noise_in: which terms carry the plasticity noise 1 + xi: those of ``both`` phases; the ``sleep`` phase's only,
            whose windows are the only ones if the wake phase is computed; ``code``: SAL's window as well.
        bounds: weights and biases are clipped to +- this value (the authors' code: 2); None for no limit.
        reference: ms of SAL's reference phase, one each time that a session is opened; None for none. It passes at
            ``reference_at``: the ``activities`` of the desired distribution, which uncoupled neurons have with other
            biases than the network's, or the ``biases`` of the network, with which uncoupled neurons are more or less
            active than coupled ones.
    """

    size: int = 7
    visible: int | None = None
    dt: float = 0.2
    tau_ref: float = 10.0
    sleep: float = 10_000.0
    rule: Literal["spike", "state"] = "spike"
    wake: Literal["computed", "sampled"] = "computed"
    patterns: int = 50
    update: str = "run end"
    pairing: Pairing = "nearest_restricted"
    sal_phase: Literal["sleep", "own"] = "sleep"
    noise_in: Literal["both", "sleep", "code"] = "both"
    bounds: float | None = None
    reference: float | None = None
    reference_at: Literal["activities", "biases"] = "activities"

    @property
    def seen(self) -> int:
        """How many neurons the desired distribution is over."""
        return self.size if self.visible is None else self.visible


@dataclass(frozen=True)
class Cases:
    """A batch of networks in training; the leading dimension of everything is "case".

    Args:
        desired: distribution of the visible neurons' states, (case, 2**visible).
        weights, bias: (case, post, pre), (case, neuron).
        rate: eta of weights and biases per cycle (Eqs 32, 33), (case,).
        sal: eta of SAL per cycle, in the same normalisation: per pair and tau_ref / sleep, (case,).
        decay: lambda of Eq 5, (case,).
        noise: xi, added to the wake-sleep windows' amplitude of 1, (case, post, pre).
    """

    desired: FloatArray
    weights: FloatArray
    bias: FloatArray
    rate: FloatArray
    sal: FloatArray
    decay: FloatArray
    noise: FloatArray

    def __len__(self) -> int:
        return len(self.bias)

    def with_state(self, weights: FloatArray, bias: FloatArray) -> Cases:
        """The same cases further on."""
        return replace(self, weights=weights, bias=bias)

    @classmethod
    def joined(cls, cases: list[Cases]) -> Cases:
        """Several batches as one."""
        return cls(*(np.concatenate([getattr(c, name) for c in cases]) for name in cls.__dataclass_fields__))


def description(training: Training, *, plastic: bool = True) -> Network:
    """The network that is trained; weights, biases and learning rates are zero until a session sets them.

    ``plastic=False`` leaves the rules out and counts states instead: what D_KL is measured with.
    """
    rules = []
    limits = {"bounds": (-training.bounds, training.bounds)} if training.bounds is not None else {}
    options = {"update": training.update, "execution": "host", **limits}
    if plastic and training.rule == "spike":
        rules.append(WakeSleep(learning_rate=0.0, tau_ref=training.tau_ref, phase="sleep", **options))
    if plastic:
        phase = None if training.reference is None else ReferencePhase(training.reference)
        rules.append(SAL(0.0, training.tau_ref, pairing=training.pairing, reference=phase, **options))
    return Network(
        name="sampling",
        dt=training.dt,
        populations=[Population(name="neurons", size=training.size, neuron=GLM(tau_ref=training.tau_ref))],
        projections=[
            Projection(
                name="recurrent",
                pre="neurons",
                post="neurons",
                weights=np.zeros((training.size, training.size)),
                kernel=Rectangular(tau_syn=training.tau_ref),
                plasticity=rules,
            )
        ],
        probes=[StateOccupancy("neurons")] if not plastic or training.rule == "state" else [],
    )


@cache
def _pair_states(n: int) -> tuple[FloatArray, FloatArray]:
    """z_i (state, neuron) and z_i z_j (state, neuron * neuron) of all states."""
    z = states(n).astype(np.float64)
    return z, (z[:, :, None] * z[:, None, :]).reshape(len(z), -1)


def _hollow(matrices: FloatArray) -> FloatArray:
    """Square matrices without their diagonals, in place."""
    np.einsum("...ii->...i", matrices)[...] = 0.0
    return matrices


def _mapped(rows: FloatArray, matrix: FloatArray) -> FloatArray:
    """rows @ matrix, in the same order of operations however many rows: a case does in a batch what it does alone."""
    return np.asarray(np.einsum("ck,kl->cl", rows, matrix))


def _moments(p: FloatArray) -> tuple[FloatArray, FloatArray]:
    """<z_i> and <z_i z_j>, zero diagonal, of distributions (case, state)."""
    n = p.shape[1].bit_length() - 1
    z, pairs = _pair_states(n)
    return _mapped(p, z), _hollow(_mapped(p, pairs).reshape(-1, n, n))


def wake_moments(
    desired: FloatArray, weights: FloatArray, bias: FloatArray, visible: int
) -> tuple[FloatArray, FloatArray]:
    """<z_i> (case, neuron) and <z_i z_j> (case, neuron, neuron), zero diagonal, with the visible neurons distributed as
    ``desired`` (case, 2**visible) and the hidden ones as the Boltzmann distribution given these.

    For hidden neurons the weights' symmetric part stands for them: an asymmetric network has no distribution in closed
    form. With all neurons visible the weights do not matter.
    """
    n = bias.shape[1]
    joint = desired
    if visible < n:
        z, pairs = _pair_states(n)
        symmetric = 0.5 * (weights + np.swapaxes(weights, 1, 2))
        log_p = 0.5 * _mapped(symmetric.reshape(len(bias), -1), pairs.T) + _mapped(bias, z.T)
        log_p = log_p.reshape(len(bias), -1, 2**visible)  # the hidden neurons' bits are the higher ones
        p = np.exp(log_p - log_p.max(axis=1, keepdims=True))
        joint = (p / p.sum(axis=1, keepdims=True) * desired[:, None, :]).reshape(len(bias), -1)
    return _moments(joint)


def _opened(executable: Executable, cases: Cases, seed: int, chips: Sequence[Chip] | None) -> Session:
    return executable.open(instances=None if chips else len(cases), chips=chips, seed=seed)


def limits_on(training: Training, target: Target | str) -> Limits:
    """The lowest and the highest weight and bias that ``target`` holds, within the training's ``bounds``."""
    return _limits(training.bounds, compile(description(training), target))


def within(cases: Cases, limits: Limits) -> Cases:
    """The cases with weights and biases that a target holds."""
    return cases.with_state(np.clip(cases.weights, *limits[0]), np.clip(cases.bias, *limits[1]))


def train(
    training: Training,
    cases: Cases,
    cycles: int,
    *,
    target: Target | str,
    seed: int,
    chips: Sequence[Chip] | None = None,
    progress: Progress | None = None,
    prepare: Callable[[Session], None] | None = None,
) -> Cases:
    """``cases`` after that many cycles on ``target``, which runs them as one batch: each on its own of ``chips``, if
    there are any. ``prepare`` writes what else a session is to hold.

    Raises:
        UnsupportedNetworkError: the target cannot hold the network.
    """
    random = np.random.default_rng([seed, 0x57A6E])
    executable = compile(description(training), target)
    limits = _limits(training.bounds, executable)
    clamped = np.clip((-CLAMP, CLAMP), *_limits(None, executable)[1])
    cases = within(cases, limits)
    with _opened(executable, cases, seed, chips) as session:
        session.set(WEIGHTS, cases.weights)
        session.set(BIAS, cases.bias)
        if prepare is not None:
            prepare(session)
        if training.reference is not None and training.reference_at == "activities":
            _pass_reference(training, cases, session, limits, executable)
        cycle = _cycle(training, cases, session, limits, clamped, random)
        for k in range(cycles):
            cases = cycle(cases)
            if progress:
                progress((k + 1) / cycles)
        return cases


def _pass_reference(training: Training, cases: Cases, session: Session, limits: Limits, executable: Executable) -> None:
    """Let the reference phase come now, with biases that make silent neurons as active as they are to be: what a
    sensor's error does goes as the product of rates only for rates near those of the phase."""
    active, _ = wake_moments(cases.desired, cases.weights, cases.bias, training.seen)
    rule = executable.network.projection("recurrent").plasticity[-1]
    session.set(SAL_RATE[training.rule], cases.sal[:, None, None] * (training.tau_ref / training.sleep))
    session.set(BIAS, np.clip(np.log(active / (1.0 - active)), *limits[1]))
    session.run(rule.period or training.tau_ref)  # the phase precedes the first run, which ends with an update
    session.set(WEIGHTS, cases.weights)
    session.set(BIAS, cases.bias)


def _cycle(
    training: Training,
    cases: Cases,
    session: Session,
    limits: Limits,
    clamped: FloatArray,
    random: np.random.Generator,
) -> Callable[[Cases], Cases]:
    """One cycle as a function of the cases; what does not change from cycle to cycle is worked out here."""
    per_pair = training.tau_ref / training.sleep
    spiking = training.rule == "spike"
    eta, decay = cases.rate[:, None, None], cases.decay[:, None, None]
    noisy = eta * (1.0 + cases.noise)
    in_wake = noisy if training.noise_in == "both" else np.broadcast_to(eta, noisy.shape)
    sal = cases.sal[:, None, None] * (1.0 + cases.noise if training.noise_in == "code" else 1.0)
    n, z = training.size, states(training.size)
    ws_path, sal_path = WAKE_SLEEP_RATE[training.rule], SAL_RATE[training.rule]
    any_sal = bool(cases.sal.any())
    computed = wake_moments(cases.desired, cases.weights, cases.bias, training.seen) if training.seen == n else None
    cumulated = np.cumsum(cases.desired, axis=1)
    w_limits, b_limits = limits
    held: dict[str, float] = {}

    def learn(wake_sleep: float, aligning: float) -> None:
        """Switch the rules: -1 wake, 1 sleep, 0 off; SAL 1 or 0."""
        correlating = noisy if wake_sleep > 0 else in_wake
        for path, sign, size in ((ws_path, wake_sleep, correlating), (sal_path, aligning, sal)):
            if path and held.get(path) != sign:
                session.set(path, sign * per_pair * size)
                held[path] = sign

    def run(duration: float, share: float = 1.0) -> tuple[FloatArray, FloatArray | None]:
        """<z_i> and, for the state-based rule, <z_i z_j>, times ``share``."""
        recording = session.run(duration)
        mean = np.asarray(recording.counts["neurons"] * (share * training.tau_ref / duration), dtype=np.float64)
        if spiking:
            return mean, None
        counts = recording.occupancy_counts["neurons"]
        return _moments(counts * (share / counts.sum(axis=1, keepdims=True)))

    def wake(bias: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray | None]:
        """The moments that the wake phase adds; spike-based and sampled, the weights have them already."""
        if training.wake == "computed":
            return computed or wake_moments(cases.desired, weights, bias, training.seen)
        first, second = np.zeros_like(bias), None if spiking else np.zeros_like(weights)
        drawn = (random.random((len(cases), training.patterns))[:, :, None] > cumulated[:, None, :-1]).sum(axis=2)
        for k in range(training.patterns):
            shown = clamped[z[drawn[:, k], : training.seen].astype(int)]
            session.set(BIAS, np.concatenate([shown, bias[:, training.seen :]], axis=1))
            learn(0.0, 0.0)
            session.run(training.tau_ref)  # until the spikes of the pattern before are over
            learn(-1.0, 0.0)
            mean, pair = run(training.sleep / training.patterns, 1.0 / training.patterns)
            first += mean
            if second is not None and pair is not None:
                second += pair
        session.set(BIAS, bias)
        return first, second

    def cycle(now: Cases) -> Cases:
        before, bias = now.weights, now.bias
        finer = before - session.get(WEIGHTS)  # than the chip's steps: kept here, so that small changes add up
        learn(1.0, float(training.sal_phase == "sleep" and any_sal))
        asleep, asleep_pairs = run(training.sleep)
        if training.sal_phase == "own" and any_sal:
            learn(0.0, 1.0)
            session.run(training.sleep)
        awake, awake_pairs = wake(bias, before)
        weights = session.get(WEIGHTS) + finer - decay * before
        if awake_pairs is not None:
            weights += in_wake * awake_pairs
        if asleep_pairs is not None:
            weights -= noisy * asleep_pairs
        bias = bias + cases.rate[:, None] * (awake - asleep)
        after = now.with_state(np.clip(_hollow(weights), *w_limits), np.clip(bias, *b_limits))
        session.set(WEIGHTS, after.weights)
        session.set(BIAS, after.bias)
        return after

    return cycle


def _limits(bounds: float | None, executable: Executable) -> Limits:
    """What the target declares for weights and biases, within ``bounds``; its ranges may go with the network."""
    declared, bound = executable.target.scaled_for("recurrent"), np.inf if bounds is None else bounds

    def ends(of: Range | tuple[str, ...]) -> tuple[float, float]:
        assert isinstance(of, Range)
        return max(of.min, -bound), min(of.max, bound)

    return ends(declared.projections["weights"]), ends(declared.neurons["GLM"]["bias"])


def sampled(
    training: Training,
    cases: Cases,
    duration: float,
    *,
    target: Target | str,
    seed: int,
    chips: Sequence[Chip] | None = None,
    progress: Progress | None = None,
) -> FloatArray:
    """The distribution of the visible neurons' states that the networks sample in ``duration`` ms, without learning,
    (case, 2**visible)."""
    executable = compile(description(training, plastic=False), target)
    with _opened(executable, cases, seed, chips) as session:
        session.set(WEIGHTS, cases.weights)
        session.set(BIAS, cases.bias)
        session.run(BURN_IN * training.tau_ref)
        counts = session.run(duration, progress=progress).occupancy_counts["neurons"]
    seen = counts.reshape(len(cases), -1, 2**training.seen).sum(axis=1)
    return np.asarray(seen / seen.sum(axis=1, keepdims=True))


def divergences(p: FloatArray, desired: FloatArray) -> tuple[FloatArray, FloatArray]:
    """D_KL(p || p*) (the paper's, Eq 31) and D_KL(p* || p) (the authors' code's) in nats, (case,); the second is
    infinite where a state was never sampled."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(p) - np.log(desired)
        forward = np.where(p > 0, p * ratio, 0.0).sum(axis=1)
        backward = np.where(desired > 0, -desired * ratio, 0.0).sum(axis=1)
    return np.maximum(forward, 0.0), np.maximum(backward, 0.0)


def asymmetry(weights: npt.NDArray[np.float64]) -> FloatArray:
    """Var(W_ij - W_ji) over the pairs i < j (Figs 4a, 5a), (...,)."""
    i, j = np.triu_indices(weights.shape[-1], 1)
    return np.asarray((weights[..., i, j] - weights[..., j, i]).var(axis=-1))
