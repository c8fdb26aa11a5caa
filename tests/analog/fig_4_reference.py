"""Fig 4 on chips with a reference phase: what is left of SAL's harm where it has little to repair, and why.

``python tests/analog/fig_4_reference.py theory`` prints how far sensors drive the means of pairs against wake-sleep,
and what that costs. With ``model`` it takes the reference target, whose windows get the amplitudes of sensors that
differ: no converters, no codes, and runs enough to tell one account of the harm from another.
``python tests/analog/fig_4_reference.py FOLDER [ARM ...]`` runs arms of CHIPS on brainscales2, all of them by default,
and holds each against the one that learns nothing. Finished pieces in FOLDER are not run again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from reference_phase import field, read_variance
from sal_on_chip import PERIOD

import salhw
from salhw.description.fields import FloatArray
from salhw.session.backend import Session
from salhw.theory import sal_course
from salhw_networks.experiment import Arrays, Progress, Work
from salhw_networks.sampling import on_chips, sweep
from salhw_networks.sampling.on_chips import REFERENCE, REFERENCED, Curve
from salhw_networks.sampling.sweep import Condition, Scale
from salhw_networks.sampling.synaptic_noise import RATE, SAL, VARIANTS
from salhw_networks.sampling.training import Cases, Training, asymmetry, divergences, sampled, train

TRAINING = VARIANTS["periodic"]
SCALE = Scale(distributions=4, seeds=4, cycles=80, checks=2, measure=50_000.0, speed=62.5)
MARGIN = 1.25  # of D_KL: less than that over nothing's is no worse
SLOW = 0.25  # of the paper's rate of SAL: what its sensors do to D_KL falls with the square of it
LAGS = 0.43  # a branch counts amplitude x (tau / 10 ms)^.43, because pairs are closer than tau


def ratio(first: FloatArray, second: FloatArray, level: float = 0.1) -> tuple[float, float, float]:
    """Mean ratio of D_KL, run by run, and its interval by bootstrap over runs; of 90 % for two one-sided tests at 5."""
    logs, rng = np.log(first / second), np.random.default_rng(0)
    means = logs[rng.integers(0, len(logs), (10_000, len(logs)))].mean(axis=1)
    low, high = np.quantile(means, [level / 2, 1 - level / 2])
    return float(np.exp(logs.mean())), float(np.exp(low)), float(np.exp(high))


# theory --------------------------------------------------------------------------------------------------------------

BOUND = 1.0 / 16.0
"""Var z_i Var z_j of neurons that are as often refractory as not: what their correlation says of their weight beside
their biases. Per unit of weight wake-sleep pulls by as much, and half of it times the square is what D_KL costs."""


def expected(sensors: float, reference: float | None, share: float = 1.0, pairs: int = 2000) -> tuple[float, float]:
    """How far SAL of a ``share`` of Fig 4's rate holds the means of pairs away (rms), and the D_KL of that: pairs whose
    sensors differ by ``sensors`` drift as ``sal_course`` has it of symmetric weights of -1..1."""
    rng, per_ms = np.random.default_rng(7), SCALE.speed / TRAINING.sleep
    start = np.repeat(rng.uniform(-1.0, 1.0, (pairs, 1)), 2, axis=1)
    amplitude, tau = np.exp(sensors * rng.standard_normal((2, pairs, 2, 2)))
    rate, run, update = share * SAL * per_ms * TRAINING.tau_ref, 100_000, 1000
    end = sal_course(
        field(), start, rate, amplitude, 10.0 * tau, run=run, update=update,
        reference=None if reference is None else round(reference), read=read_variance(rate) * PERIOD / update,
    )  # fmt: skip
    off = float((end - start).mean(axis=1).std()) / run / (RATE * per_ms * BOUND)
    return off, 0.5 * TRAINING.size * (TRAINING.size - 1) / 2 * BOUND * off**2


def table_of_theory() -> None:
    """One row for each spread of sensors."""
    print("| sensors | no reference | of 60 s | of 600 s | of 60 s, .25 of the rate |\n|---|---|---|---|---|")
    ways: list[tuple[float | None, float]] = [(None, 1.0), (60_000.0, 1.0), (600_000.0, 1.0), (60_000.0, SLOW)]
    for sensors in (0.0, 0.1, 0.2):
        cells = [f"{off:.3f}: {1000.0 * cost:.2f}" for off, cost in (expected(sensors, *way) for way in ways)]
        print(f"| {sensors:g} | {' | '.join(cells)} |", flush=True)


# on the reference ----------------------------------------------------------------------------------------------------

MANY = replace(SCALE, distributions=8, seeds=8, measure=100_000.0)
MODEL: dict[str, tuple[float, float, Training]] = {
    "nothing": (0.0, 0.0, TRAINING),
    "SAL, equal sensors": (SAL, 0.0, TRAINING),
    "SAL, sensors .1": (SAL, 0.1, TRAINING),
    **{
        f"reference of {length:g} s, its {at}": (
            SAL, 0.1, replace(TRAINING, reference=1000.0 * length, reference_at=at)
        )
        for at in ("biases", "activities")
        for length in (60, 600)
    },
    **{
        f"reference of 60 s, its activities, {share:g} of the rate": (
            share * SAL, 0.1, replace(TRAINING, reference=REFERENCE)
        )
        for share in (0.5, SLOW)
    },
}  # fmt: skip
"""By name: SAL's rate, the relative spread of amplitudes and time constants, and how to train."""


def of_sensors(spread: float, shape: tuple[int, ...]) -> Callable[[Session], None]:
    """Writes what branches count on sensors whose amplitudes and time constants have a relative spread, lognormal."""
    rng = np.random.default_rng(11)
    counted = np.exp(spread * (rng.standard_normal((2, *shape)) + LAGS * rng.standard_normal((2, *shape))))

    def write(session: Session) -> None:
        for branch, sign, amplitude in zip(("causal", "anticausal"), (-1.0, 1.0), counted, strict=True):
            session.set(f"projections.recurrent.plasticity.{branch}.amplitude", sign * amplitude)

    return write


def learned(rate: float, spread: float, training: Training) -> tuple[FloatArray, Cases]:
    """D_KL on the reference, and the networks."""
    cases = sweep.cases(training, MANY, [Condition("SAL", 0.0, 0.0, RATE, rate)])
    for check in range(1, MANY.checks + 1):
        cases = train(
            training, cases, MANY.part, target="reference", seed=check,
            prepare=of_sensors(spread, cases.weights.shape),
        )  # fmt: skip
    p = sampled(training, cases, MANY.measure, target="reference", seed=90)
    return divergences(p, cases.desired)[0], cases


def table_of_model() -> None:
    """One row for each way to learn: what it makes of D_KL, of the means of pairs, and of their differences."""
    print("| reference target | D_KL over nothing's | means of pairs, off nothing's (rms) | asymmetry |")
    print("|---|---|---|---|")
    none: tuple[FloatArray, Cases] | None = None
    for name, (rate, spread, training) in MODEL.items():
        divergence, cases = learned(rate, spread, training)
        none = none or (divergence, cases)
        change = cases.weights - none[1].weights
        means = (change + change.swapaxes(1, 2))[:, *np.triu_indices(training.size, 1)] / 2
        middle, low, high = ratio(divergence, none[0])
        off, left = np.sqrt(np.mean(means**2)), np.median(asymmetry(cases.weights))
        print(f"| {name} | {middle:.2f} ({low:.2f}, {high:.2f}) | {off:.3f} | {left:.4f} |", flush=True)


# on chips ------------------------------------------------------------------------------------------------------------


def curves(noise: str, gaussian: float, mismatch: float, worst: float) -> dict[str, Curve]:
    """Nothing, SAL on equal sensors, and SAL with a reference on sensors that differ by .1, and by ``worst``."""

    def curve(method: str, rate: float, sensors: float) -> Curve:
        return Curve(noise, Condition(method, gaussian, 0.0, RATE, rate), mismatch, sensors, trial=noise == "trial")

    referenced = {f"{noise}, reference, sensors {spread:g}": curve(REFERENCED, SAL, spread) for spread in {0.1, worst}}
    slow = {f"{noise}, reference, {SLOW:g} of the rate": curve(REFERENCED, SLOW * SAL, worst)}
    return {f"{noise}, nothing": curve("none", 0.0, 0.1), f"{noise}, equal sensors": curve("SAL", SAL, 0.0)} | (
        referenced | slow
    )


CHIPS = curves("trial", 0.0, 1.0, 0.1) | curves("synapses x 4", 0.0, 4.0, 0.1) | curves("Gaussian 0.8", 0.8, 1.0, 0.2)


def of_chips(folder: Path, name: str) -> dict[str, FloatArray]:
    """D_KL at the end of 16 runs of an arm, (run,): as it runs, and of arms with noise from trial to trial once more of
    the same weights and biases on the same chips without it."""
    target, curve = salhw.target("brainscales2"), CHIPS[name]
    key = {"training": asdict(TRAINING), "scale": asdict(SCALE), "curve": asdict(curve), "reference": REFERENCE}
    work = Work("fig4-reference", folder, target, key, on_chips.total(SCALE, 1))
    own = curve.of(target)
    training = replace(TRAINING, reference=REFERENCE if curve.condition.method == REFERENCED else None)
    conditions, chips = [curve.condition], own.sample_chips(SCALE.runs, seed=sweep.SEED)
    end = sweep.trained(work, training, SCALE, conditions, own, chips=chips, name="00-", size=SCALE.runs)[-1]

    def measured(progress: Progress) -> Arrays:
        learned = sweep.cases(training, SCALE, conditions).with_state(end["weights"], end["bias"])
        quiet = replace(curve, trial=False).of(target)
        same = quiet.sample_chips(SCALE.runs, seed=sweep.SEED)
        p = sampled(training, learned, SCALE.measure, target=quiet, seed=90, chips=same, progress=progress)
        return {"still": divergences(p, learned.desired)[0]}

    still = {"without trials": work.piece("still", 1.0, measured)["still"]} if curve.trial else {}
    return {"as it runs": end["forward"], **still}


def compared(learned: FloatArray, none: FloatArray) -> list[str]:
    """D_KL of runs beside that of those that learn nothing, in words."""
    mean, least, most = ratio(learned, none)
    said = "no worse" if most < MARGIN else "not shown"
    return [f"{mean:.2f} ({least:.2f}, {most:.2f}), {said}", f"{sweep.worse(learned, none):.2g}",
            f"{(learned < none).sum()} of {len(none)}"]  # fmt: skip


def table_of_chips(folder: Path, arms: list[str]) -> None:
    """One row for each arm, held against the one of its noise that learns nothing."""
    print("| 16 chips | D_KL x 1000, median [quartiles] | over nothing's, 90 % | p, higher | lower | measured |")
    print("|---|---|---|---|---|---|")
    for name in arms:
        baseline = f"{CHIPS[name].noise}, nothing"
        learned, none = of_chips(folder, name), of_chips(folder, baseline)
        for how, divergence in learned.items():
            low, middle, high = 1000.0 * np.quantile(divergence, [0.25, 0.5, 0.75])
            cells = [""] * 3 if name == baseline else compared(divergence, none[how])
            print(f"| {name} | {middle:.1f} [{low:.1f}, {high:.1f}] | {' | '.join(cells)} | {how} |", flush=True)


if __name__ == "__main__":
    stages = {"theory": table_of_theory, "model": table_of_model}
    if sys.argv[1] in stages:
        stages[sys.argv[1]]()
    else:
        table_of_chips(Path(sys.argv[1]), sys.argv[2:] or list(CHIPS))
