"""Sweeps over noise levels and methods of training sampling networks: what Figs 4, 5 and 14 have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from salhw.description.fields import FloatArray
from salhw.plots.look import band, tidy
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target
from salhw.theory import distribution
from salhw_networks.experiment import Arrays, Progress, Work, parts
from salhw_networks.sampling.training import (
    Cases,
    Training,
    asymmetry,
    divergences,
    limits_on,
    sampled,
    train,
    within,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SEED = 4  # of distributions, initial values and simulations
TRUNCATED = 1.5  # xi is drawn within so many standard deviations (paper section 2.4.1; the number is the code's)


@dataclass(frozen=True)
class Scale:
    """How much to run.

    Args:
        distributions, seeds: how many to learn, and initial values of each: distributions * seeds runs per condition.
        cycles, checks: wake-sleep cycles, and in how many equal parts D_KL is measured after each.
        measure: ms of sampling per D_KL (its bias by finite sampling is 17 tau_ref / measure for 7 neurons).
        speed: all learning rates and lambda are multiplied by it, so that one cycle stands for that many. As long as
            the rates are small the network's course is the same; the sampling noise in the weights is not.
    """

    distributions: int
    seeds: int
    cycles: int
    checks: int
    measure: float
    speed: float = 1.0

    @property
    def runs(self) -> int:
        """Per condition."""
        return self.distributions * self.seeds

    @property
    def part(self) -> int:
        """Cycles between two measurements."""
        return self.cycles // self.checks


@dataclass(frozen=True)
class Condition:
    """One curve: a method and how much noise it meets. Rates are per cycle at speed 1 (Table 1)."""

    method: str
    synaptic: float
    plastic: float
    rate: float
    sal: float = 0.0
    decay: float = 0.0


def truncated_normal(random: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Standard normal numbers within +-TRUNCATED."""
    from scipy.special import ndtr, ndtri

    low = float(ndtr(-TRUNCATED))
    return np.asarray(ndtri(random.uniform(low, 1.0 - low, shape)))


def _symmetric(matrix: FloatArray) -> FloatArray:
    upper = np.triu(matrix, 1)
    return np.asarray(upper + upper.T)


def _start(training: Training, scale: Scale) -> tuple[FloatArray, ...]:
    """(desired distribution, symmetric weights, bias, unit synaptic noise, unit plasticity noise), each (run, ...): the
    same draws for every condition, so that conditions can be compared run by run."""
    n, seen, columns = training.size, training.seen, []
    for d in range(scale.distributions):
        random = np.random.default_rng([SEED, 0, d])
        coupling, drive = random.uniform(-1.0, 1.0, (seen, seen)), random.uniform(-1.0, 1.0, seen)
        desired = distribution(_symmetric(coupling), drive)
        for s in range(scale.seeds):
            random = np.random.default_rng([SEED, 1, d, s])
            weights = _symmetric(random.normal(0.0, 0.2, (n, n)))
            bias, noise = random.normal(0.0, 0.2, n), random.normal(0.0, 1.0, (n, n))
            columns.append((desired, weights, bias, noise * (1.0 - np.eye(n)), truncated_normal(random, (n, n))))
    return tuple(np.array(column) for column in zip(*columns, strict=True))


def cases(training: Training, scale: Scale, conditions: Sequence[Condition]) -> Cases:
    """All conditions with all runs as one batch: condition by condition, in each run by run."""
    desired, weights, bias, noise, xi = _start(training, scale)

    def of(value: float) -> FloatArray:
        return np.full(scale.runs, scale.speed * value)

    return Cases.joined(
        [
            Cases(desired, weights + c.synaptic * noise, bias, of(c.rate), of(c.sal), of(c.decay), c.plastic * xi)
            for c in conditions
        ]
    )


def key(training: Training, scale: Scale, conditions: Sequence[Condition]) -> dict[str, Any]:
    """Everything that a sweep depends on."""
    chosen = [asdict(c) for c in conditions]
    return {"training": asdict(training), "scale": asdict(scale), "conditions": chosen, "seed": SEED}


def run(work: Work, training: Training, scale: Scale, conditions: Sequence[Condition]) -> Arrays:
    """Train everything as one batch.

    Returns: cycle (check + 1,), those of speed 1 that they stand for; forward D_KL(p || p*), backward D_KL(p* || p),
        asymmetry, (check + 1, condition, run); weights (2, condition, run, post, pre) before and after, bias alike.
    """
    shape = (len(conditions), scale.runs)
    checks = trained(work, training, scale, conditions, work.target)
    ends = {name: np.stack([checks[0][name], checks[-1][name]]) for name in ("weights", "bias")}
    return {
        "cycle": scale.speed * scale.part * np.arange(scale.checks + 1),
        **{name: np.stack([f[name].reshape(shape) for f in checks]) for name in ("forward", "backward")},
        "asymmetry": np.stack([asymmetry(f["weights"]).reshape(shape) for f in checks]),
        **{name: value.reshape(2, *shape, *value.shape[2:]) for name, value in ends.items()},
    }


def trained(
    work: Work,
    training: Training,
    scale: Scale,
    conditions: Sequence[Condition],
    target: Target | str,
    *,
    chips: Sequence[Chip] | None = None,
    name: str = "",
    size: int = 1,
    ends: Callable[[Cases], Arrays] | None = None,
) -> list[Arrays]:
    """One after the other, pieces of work that begin with ``name``: what each check found, and weights and biases then.
    Each begins with the network at rest and random numbers of its own, so that a resumed sweep gives what an
    uninterrupted one gives.

    Args:
        size: how much work one piece is, in units of ``share``.
        ends: what else to find out at the beginning and at the end.
    """
    held = limits_on(replace(training, bounds=None), target)
    batch, checks = within(cases(training, scale, conditions), held), list[Arrays]()
    for k in range(scale.checks + 1):

        def compute(progress: Progress, k: int = k, batch: Cases = batch) -> Arrays:
            learning, measuring = parts(progress, 2)
            if k:
                batch = train(
                    training, batch, scale.part, target=target, seed=100 * SEED + k, chips=chips, progress=learning
                )  # fmt: skip
            p = sampled(
                training, batch, scale.measure, target=target, seed=200 * SEED + k, chips=chips, progress=measuring
            )  # fmt: skip
            forward, backward = divergences(p, batch.desired)
            more = ends(batch) if ends and k in (0, scale.checks) else {}
            return {"weights": batch.weights, "bias": batch.bias, "forward": forward, "backward": backward, **more}

        checks.append(work.piece(f"{name}{k:04d}", size * share(scale, k), compute))
        batch = batch.with_state(checks[-1]["weights"], checks[-1]["bias"])
    return checks


def share(scale: Scale, check: int) -> float:
    """Work of one piece, in cycles."""
    return scale.measure / 10_000.0 + (scale.part if check else 0)


def total(scale: Scale) -> float:
    """Work of a sweep, in cycles."""
    return sum(share(scale, k) for k in range(scale.checks + 1))


def worse(first: FloatArray, second: FloatArray) -> float:
    """One-sided p-value (Wilcoxon's signed ranks, run by run) of ``first`` being no larger than ``second``."""
    from scipy.stats import wilcoxon

    return float(wilcoxon(np.log(first), np.log(second), alternative="greater").pvalue)


# pictures ----------------------------------------------------------------------------------------------------


def over_levels(
    axes: Axes, levels: FloatArray, values: FloatArray, colour: str, label: str, shift: float = 0.0
) -> None:
    """Median and quartiles of ``values`` (level, run), moved sideways by ``shift`` so that bars hide no others."""
    middle, low, high = band(values.T, "median")
    bars = np.stack([middle - low, high - middle])
    x = levels + shift
    axes.errorbar(x, middle, bars, fmt="o-", color=colour, markersize=4, linewidth=1, capsize=2, label=label)


def finished(axes: Axes, title: str, x: str, y: str, *, log: bool = True) -> None:
    """Labels and scales of a panel."""
    axes.set(xlabel=x, ylabel=y)
    if log:
        axes.set_yscale("log")
    tidy(axes, title)
