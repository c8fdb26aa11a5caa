"""Fig 8's variant ``mismatch``: how much a synapse's two branches may differ, with and without a reference phase."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from salhw import Target
from salhw.description.fields import FloatArray
from salhw.plots.look import BLUE, GREEN, ORANGE, legend_above, tidy
from salhw.registry import resolve
from salhw_networks.deep.extra import refuse_missing
from salhw_networks.deep.paired import LEVEL, interval
from salhw_networks.experiment import Arrays, Claim, Progress, Work, parts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPREADS = (0.0, 0.01, 0.02, 0.05, 0.1)
"""Relative standard deviations of each branch's amplitude, between the synapses of a chip."""
REFERENCE = (0, 15)
"""Updates without weights that come first."""
PROTOTYPE = ("22; 25", "35", "51", "71", "81; 26")
"""Angles of the first layer of a wider net without, and with, a reference phase (an independent prototype)."""
SIZES, GAIN = (64, 48, 24, 10), 4.0
COLOURS = (BLUE, ORANGE, GREEN)


@dataclass(frozen=True)
class Scale:
    """How many ``chips``, each with weights of its own, and ``updates`` of 64 s."""

    chips: int
    updates: int


def experiment(
    out: Path, scale: Scale, target: Target | str, progress: Progress | None, /, **more: Any
) -> dict[str, Any]:
    """The angles of three layers after some updates on chips whose branches differ, by spread and reference phase."""
    refuse_missing("torch")
    cases = [(spread, updates) for updates in REFERENCE for spread in SPREADS]
    work = Work("fig8", out, target, {"scale": asdict(scale), "variant": "mismatch"}, len(cases), progress)
    found = [
        work.piece(f"{updates}-{spread:g}", 1.0, partial(aligned, scale, spread, updates, resolve(target)))["angles"]
        for spread, updates in cases
    ]
    angles = np.stack(found).reshape(len(REFERENCE), len(SPREADS), *found[0].shape)
    data = {"angles": angles, "spreads": np.array(SPREADS)}
    title = "Fig 8, with mismatch: what a reference phase takes off"
    return work.finish(title, judge(angles), data, partial(draw, angles=angles), **more)


def aligned(scale: Scale, spread: float, reference: int, target: Target, progress: Progress) -> Arrays:
    """Angles at one spread, (chip, layer)."""
    import torch

    from salhw_networks.deep.aligner import Aligner
    from salhw_networks.deep.conversion import convert

    torch.set_num_threads(1)
    target = target.with_variability({"causal_amplitude": spread, "anticausal_amplitude": spread})
    angles = []
    for chip, part in zip(target.sample_chips(scale.chips, seed=7), parts(progress, scale.chips), strict=True):
        torch.manual_seed(chip.id)
        model = torch.nn.Sequential(*(torch.nn.Linear(a, b) for a, b in pairwise(SIZES)))
        convert(model, rule="external")
        aligner = Aligner(model, target, gain=GAIN, chips=[chip], reference_phase=reference, seed=chip.id)
        angles.append([layer.angle for layer in aligner.align(scale.updates).layers])
        part(1.0)
    return {"angles": np.array(angles)}


def judge(angles: FloatArray) -> list[Claim]:
    """A row for each spread; whether the reference phase helps is judged where branches differ."""
    claims = []
    for k, spread in enumerate(SPREADS):
        without, after = (", ".join(f"{a:.0f}" for a in found[k].mean(axis=0)) for found in angles)
        saved, half, p = interval((angles[0, k] - angles[1, k]).mean(axis=1))
        claims.append(
            Claim(
                f"branches differ by {100 * spread:g} %: angles of the layers in degrees",
                PROTOTYPE[k],
                f"{without}; with a reference phase {after}: {saved:.1f} ± {half:.1f} less, {angles.shape[2]} chips",
                None if p >= LEVEL or spread == 0.0 else saved > 0.0,
            )
        )
    return claims


def draw(figure: Figure, angles: FloatArray) -> None:
    """Layer by layer, against the spread; with a reference phase dashed."""
    axes = figure.subplots()
    percent = 100.0 * np.array(SPREADS)
    for l, colour in zip(range(angles.shape[-1]), COLOURS, strict=False):
        for found, line in zip(angles, ("-", "--"), strict=True):
            mean, sd = found[:, :, l].mean(axis=1), found[:, :, l].std(axis=1, ddof=1)
            label = f"layer {l + 1}" if line == "-" else None
            axes.errorbar(percent, mean, sd, color=colour, linestyle=line, marker="o", markersize=4, label=label)
    axes.set(xlabel="amplitudes of branches: standard deviation (%)", ylabel="angle (degrees)", ylim=(0, 95))
    tidy(axes)
    legend_above(figure, axes, "mean and standard deviation of the chips; dashed: with a reference phase")
