"""Do the output and the interneuron that predicts it spike alike where nobody teaches? By the apical gain.

The output P2 excites P1, its interneuron I1 inhibits P1: they are in loops of opposite sign. What is left between them
reaches P1 as an error that nobody made, and pulls W10 down. W10 = W21 = B12 = 2 are held.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from salhw.compiler.pipeline import compile
from salhw.description.fields import FloatArray
from salhw.plots.look import BLUE, GREY, tidy
from salhw.registry import resolve
from salhw.substrate.target import Target
from salhw_networks.experiment import Arrays, Claim, Progress, Work
from salhw_networks.microcircuit.course import SEED, SIZES
from salhw_networks.microcircuit.on_chips import PROTOCOL, prepared, protocol_for
from salhw_networks.microcircuit.training import Protocol, described

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAINS = (0.0, 0.02, 0.1, 0.3)
WEIGHTS = {"W10": 2.0, "W21": 2.0, "B12": 2.0}
VOLTAGE = 2.0  # of the input
SURE = 4.0  # standard errors


@dataclass(frozen=True)
class Scale:
    """``seeds`` instances, each for ``duration`` ms at each gain."""

    seeds: int
    duration: float


SCALES = {"smoke": Scale(4, 2_000.0), "default": Scale(20, 100_000.0), "paper": Scale(40, 400_000.0)}


def experiment(out: Path, *, scale: str, target: Target | str, progress: Progress | None) -> dict[str, Any]:
    """How many more spikes the output sends than its interneuron, on ideal chips of ``target``."""
    size, chosen = SCALES[scale], prepared(resolve(target), "ideal")
    protocol = replace(protocol_for(chosen) if chosen.host_loop else replace(PROTOCOL, chunk=None), nudged=())
    key = {"scale": asdict(size), "protocol": asdict(protocol), "gains": GAINS, "weights": WEIGHTS, "seed": SEED}
    work = Work("fig6", out, chosen, key, 1.0, progress)
    data = work.piece("prediction", 1.0, partial(measured, chosen, protocol, size))
    title = f"Fig 6 on {chosen.name}: output and interneuron without a teacher"
    return work.finish(title, judge(data, size), data, partial(draw, data=data), scale=scale, variant="self-prediction")


def measured(target: Target, protocol: Protocol, scale: Scale, progress: Progress) -> Arrays:
    """Rates of P2 and of I1 in Hz, (gain, instance)."""
    executable = compile(described(protocol, SIZES, "FA"), target)
    rates: dict[str, list[FloatArray]] = {"P2": [], "I1": []}
    with executable.open(instances=scale.seeds, seed=SEED) as session:
        for name in ("W10", "W21"):
            session.set(f"projections.{name}.plasticity.learning_rate", 0.0)
        for name, value in WEIGHTS.items():
            session.set(f"projections.{name}.weights", value)
        session.set("stimuli[0].gain", 0.0)
        session.set("populations.P0.bias", VOLTAGE)
        for k, gain in enumerate(GAINS, 1):
            for name in ("apical", "lateral"):
                session.set(f"populations.P1.inputs.{name}", gain)
            session.run(protocol.lag)
            recording = session.run(scale.duration)
            for name, values in rates.items():
                values.append(np.asarray(1_000.0 * recording.counts[name][:, 0] / recording.duration))
            progress(k / len(GAINS))
    return {name: np.stack(values) for name, values in rates.items()}


def differences(data: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """P2 less I1 in Hz by gain: means over instances, and their standard errors."""
    off = data["P2"] - data["I1"]
    return off.mean(axis=1), off.std(axis=1, ddof=1) / np.sqrt(off.shape[1])


def judge(data: Arrays, scale: Scale) -> list[Claim]:
    """A gain like the paper's leaves nothing between them that can be seen, the largest one does."""
    enough = scale.seeds >= SCALES["default"].seeds
    wanted = {GAINS[1]: "0 (the paper's gain)", GAINS[-1]: "(below 0)"}
    claims = []
    for gain, mean, error in zip(GAINS, *differences(data), strict=True):
        right = {GAINS[1]: abs(mean) < SURE * error, GAINS[-1]: mean < -SURE * error}.get(gain)
        claims.append(
            Claim(
                f"P2 - I1 with an apical gain of {gain:g}",
                wanted.get(gain, "(for comparison)"),
                f"{mean:+.2f} ± {error:.2f} Hz at {data['P2'][GAINS.index(gain)].mean():.0f} Hz",
                right if enough else None,
            )
        )
    return claims


def draw(figure: Figure, data: Arrays) -> None:
    """The differences, with standard errors."""
    figure.set_size_inches(4.5, 3.2)
    axes = figure.subplots()
    means, errors = differences(data)
    axes.errorbar(GAINS, means, errors, fmt="o-", color=BLUE, capsize=3)
    axes.axhline(0.0, color=GREY, linewidth=1)
    axes.set(xlabel="apical gain", ylabel="P2 - I1 (Hz)")
    tidy(axes, "no teacher, weights held at 2")
