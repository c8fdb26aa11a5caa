"""What neurons do: transfer function, refractory period, and the time constant of their PSPs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.markers import mark_of
from salhw.diagnostics.arguments import numbers
from salhw.diagnostics.wording import shown
from salhw.session.executable import Executable
from salhw.session.paths import duration_steps
from salhw.substrate.capabilities import Range
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target
from salhw_calibration.circuit import circuit, deciding
from salhw_calibration.kinds import stochastic
from salhw_calibration.likelihood import likelihood, maximum
from salhw_calibration.measuring import Progress, Record, State, realised, refuse_wrong, refused, rig
from salhw_calibration.response import two_coefficients
from salhw_calibration.results import instance_ids
from salhw_calibration.summary import Summarised

LEVELS = (-2.0, -1.0, 0.0, 1.0, 2.0)  # biases of a sweep: activities of 12 to 88 %
ROOM = 1.0  # what the correction of a bias may take
TRIALS = 10  # runs per level: what a target draws anew for each run, such as noise of thresholds, averages out
SCALES = (0.4, 0.6, 0.75, 0.9, 1.0, 1.1, 1.3, 1.7, 2.5)  # of the time constant, at which the likelihood is looked at


@dataclass(frozen=True, eq=False, repr=False)
class TransferFunctions(Summarised):
    """The GLM neurons of each population, one by one (instance, neuron).

    A neuron that holds the bias b behaves as one of bias ``offset + slope * b`` should; nominal are 0 and 1. The
    rest: ``rates`` (instance, level, neuron) in Hz at the ``levels`` of the bias, and ``refractory_period`` in ms, the
    shortest interval between two spikes; NaN for neurons that hardly spike.
    """

    ids: tuple[int, ...]
    levels: tuple[float, ...]
    offset: Mapping[str, FloatArray]
    offset_errors: Mapping[str, FloatArray]
    slope: Mapping[str, FloatArray]
    slope_errors: Mapping[str, FloatArray]
    refractory_period: Mapping[str, FloatArray]
    rates: Mapping[str, FloatArray]
    provenance: Mapping[str, Any] = field(default_factory=dict)


def transfer_functions(
    exe: Executable,
    *,
    chips: Sequence[Chip] | None = None,
    instances: int | Sequence[int] | None = None,
    duration: float,
    seed: int = 0,
    levels: Sequence[float] | None = None,
    progress: Progress | None = None,
) -> TransferFunctions:
    """Sweep the bias of all GLM neurons at once, with all synapses at zero and no stimuli, ``duration`` ms per level in
    TRIALS runs.

    ``levels`` are LEVELS by default, without those so near to the limits of the target's bias that corrections of it
    would end there. Offset and slope come from a binomial regression of the spikes per decision, with the link of the
    neuron's discretisation.

    Raises:
        MeasurementError: no GLM neurons, or fewer than two levels.
        SessionError: chips, instances or duration that do not fit; levels that the session refuses.
    """
    refuse_wrong(exe, duration, progress, seed=seed)
    names = [p.name for p in stochastic(exe.source)]
    if not names:
        raise refused("SAL803", "populations", "no GLM neurons", "GLM neurons", "measure a network that has some")
    levels = reachable(exe.target) if levels is None else tuple(numbers("levels", levels).ravel().tolist())
    if len(set(levels)) < 2:
        raise refused("SAL803", "levels", shown(levels), "at least two different ones", "add levels")
    state = {f"populations.{name}.bias": float(levels[0]) for name in names}
    with rig(
        exe, chips=chips, instances=instances, seed=seed, state=state, stimuli=False, progress=progress
    ) as setup:  # fmt: skip
        c = setup.circuit
        setup.hold(np.zeros((setup.instances, len(c.post))))
        n, y = np.zeros((2, setup.instances, c.size, len(levels)))
        steps = duration_steps(c.net, duration)
        trials = int(np.clip(steps // (20 * c.refractory.max()), 1, TRIALS))
        parts = np.diff(np.linspace(0, steps, trials + 1).astype(np.int64))
        seen = steps - trials * c.refractory  # the first steps of a run follow spikes of the one before
        shortest = np.full((setup.instances, c.size), np.inf)
        provenance: Mapping[str, Any] = {}
        for k, level in enumerate(levels):
            for name in names:
                setup.session.set(f"populations.{name}.bias", level)
            for j, part in enumerate(parts):
                share = (k + np.array([j, j + 1]) / len(parts)) / len(levels)
                records, provenance = setup.run(part * c.net.dt, (share[0], share[1]))
                for instance, record in enumerate(records):
                    for i in np.flatnonzero(c.glm):
                        train, decided = record.raster[i], deciding(c, record.raster, int(i), record.begin)
                        decided[: c.refractory[i]] = 0
                        n[instance, i, k] += decided.sum(dtype=np.int64)
                        y[instance, i, k] += (train & decided).sum(dtype=np.int64)
                        gaps = np.diff(np.flatnonzero(train)).astype(np.float64)
                        shortest[instance, i] = min(shortest[instance, i], gaps.min(initial=np.inf))
    flat = (setup.instances * c.size, len(levels))
    exact = np.tile(c.exact != 0, setup.instances)
    coefficients, errors = two_coefficients(n.reshape(flat), y.reshape(flat), np.array(levels, dtype=float), exact)
    shape = (setup.instances, c.size)
    refractory = np.where(np.isfinite(shortest), shortest, np.nan) * c.net.dt
    rates = np.moveaxis(y, 2, 1) * (1000.0 / (np.maximum(seen, 1) * c.net.dt))

    def glm(values: FloatArray) -> dict[str, FloatArray]:
        return {name: values[..., c.slice(name)] for name in names}

    return TransferFunctions(
        ids=instance_ids(chips, instances),
        levels=tuple(map(float, levels)),
        offset=glm(coefficients[0].reshape(shape) - c.offset),
        offset_errors=glm(errors[0].reshape(shape)),
        slope=glm(coefficients[1].reshape(shape)),
        slope_errors=glm(errors[1].reshape(shape)),
        refractory_period=glm(refractory),
        rates=glm(rates),
        provenance={**provenance, "source_hash": exe.source.content_hash, "duration_ms": duration},
    )


def reachable(target: Target) -> tuple[float, ...]:
    """The LEVELS that leave corrections room within the bias that a target declares; all of them if too few do."""
    limits = target.neurons.get("GLM", {}).get("bias")
    if not isinstance(limits, Range):
        return LEVELS
    levels = tuple(level for level in LEVELS if limits.min + ROOM <= level <= limits.max - ROOM)
    return levels if len(levels) > 1 else LEVELS


@dataclass(frozen=True, eq=False, repr=False)
class PostsynapticPotentials(Summarised):
    """How long PSPs really last: per population of postsynaptic GLM neurons, (instance, neuron), the time constant over
    the described one and its standard error; and per projection, shaped as a session has its weights, the ``weights``
    and their ``standard_errors`` at that time constant. NaN where nothing can be said."""

    ids: tuple[int, ...]
    scale: Mapping[str, FloatArray]
    scale_errors: Mapping[str, FloatArray]
    weights: Mapping[str, FloatArray]
    standard_errors: Mapping[str, FloatArray]
    provenance: Mapping[str, Any] = field(default_factory=dict)


def postsynaptic_potentials(
    exe: Executable,
    *,
    chips: Sequence[Chip] | None = None,
    instances: int | Sequence[int] | None = None,
    duration: float,
    seed: int = 0,
    weights: State | None = None,
    progress: Progress | None = None,
) -> PostsynapticPotentials:
    """Amplitude and time constant of PSPs, by the profile likelihood of a factor on the time constants of all synapses
    of a neuron (they share a circuit on analog chips): a parabola through its maximum gives estimate and error.

    The height of the PSP per unit weight is kept, so that amplitude is what ``weights`` says. Rectangular PSPs are as
    long as whole steps, which limits their resolution. Arguments and errors as in ``effective_weights``.
    """
    refuse_wrong(exe, duration, progress, seed=seed)
    with rig(
        exe, chips=chips, instances=instances, seed=seed, state=weights, progress=progress
    ) as setup:  # fmt: skip
        records, provenance = setup.run(duration)
        c = setup.circuit
        scale, error = np.full((2, setup.instances, c.size), np.nan)
        weight, weight_error = np.full((2, setup.instances, len(c.post)), np.nan)
        for k, record in enumerate(records):
            scale[k], error[k], weight[k], weight_error[k] = _profile(exe, record)
    noisy = {p.name for p in stochastic(c.net)}
    return PostsynapticPotentials(
        ids=instance_ids(chips, instances),
        scale={name: value for name, value in c.per_population(scale).items() if name in noisy},
        scale_errors={name: value for name, value in c.per_population(error).items() if name in noisy},
        weights=c.shaped(weight),
        standard_errors=c.shaped(weight_error),
        provenance={**provenance, "source_hash": exe.source.content_hash, "duration_ms": duration},
    )


def _profile(exe: Executable, record: Record) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Scale of the time constants and its error (neuron,), weights and their errors (synapse,), of one instance."""
    net = realised(exe.source, exe.network)

    def scaled(factor: float) -> Any:
        changed = []
        for p in net.projections:
            tau = p.kernel.tau_syn * factor
            if mark_of(type(p.kernel), "tau_syn").grid is not None:
                tau = max(1, round(tau / net.dt)) * net.dt
            changed.append(p.replace(kernel=p.kernel.replace(tau_syn=tau, area=p.kernel.height * tau)))
        return circuit(net.replace(projections=changed))

    factors, profile = np.array(SCALES), np.array([maximum(scaled(f), record) for f in SCALES])
    c = circuit(net)
    scale, error = np.full((2, c.size), np.nan)
    driven = np.isin(np.arange(c.size), c.post) & np.isfinite(profile).all(axis=0)
    for i in np.flatnonzero(driven):
        top = int(np.argmax(profile[:, i]))
        if 0 < top < len(factors) - 1:  # a parabola in the logarithm, in which the profile is most symmetric
            near = slice(top - 1, top + 2)
            a, b, _ = np.polyfit(np.log(factors[near]), profile[near, i], 2)
            scale[i] = np.exp(-b / (2 * a))
            error[i] = scale[i] * np.sqrt(-0.5 / a)
    weight, weight_error = np.full((2, len(c.post)), np.nan)
    for factor in np.unique(np.round(scale[np.isfinite(scale)], 2)):
        estimate = likelihood(scaled(float(factor)), record)
        mine = np.round(scale[c.post], 2) == factor
        weight[mine], weight_error[mine] = estimate.weights[mine], estimate.errors[mine]
    return scale, error, weight, weight_error
