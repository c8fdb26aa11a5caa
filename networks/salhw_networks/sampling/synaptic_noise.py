"""Fig 4: synaptic noise in sampling networks: wake-sleep alone, with SAL, with Kolen-Pollack, and without noise."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from salhw.compiler.pipeline import problems
from salhw.description.fields import FloatArray
from salhw.plots.look import BLUE, GREEN, ORANGE, RED, curve, legend_above
from salhw.registry import resolve
from salhw.substrate.support import on_chip
from salhw.substrate.target import Target
from salhw_networks.experiment import Arrays, Claim, Progress, Work
from salhw_networks.sampling import on_chips, sweep
from salhw_networks.sampling.sweep import Condition, Scale
from salhw_networks.sampling.training import Training, description

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVELS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
RATE = SAL = 0.01
DECAY = 4e-5
METHODS = {"none": (0.0, 0.0), "SAL": (SAL, 0.0), "KP": (0.0, DECAY)}
RERUN = {"baseline": 0.009, "none": 0.031, "SAL": 0.009, "KP": 0.021}  # D_KL at .8 after 5,000 cycles
COLOURS = {"baseline": BLUE, "none": ORANGE, "SAL": GREEN, "KP": RED}
SCALES = {
    "smoke": Scale(distributions=3, seeds=2, cycles=200, checks=2, measure=400_000.0, speed=10.0),
    "default": Scale(distributions=5, seeds=4, cycles=2_000, checks=8, measure=1e6, speed=10.0),
    "paper": Scale(distributions=5, seeds=4, cycles=20_000, checks=40, measure=1e7),
}
VARIANTS = {
    "paper": Training(),
    "code": Training(bounds=2.0),
    "state": Training(rule="state"),
    # For chips whose own rule is SAL only, with their own schedule: wake-sleep is worked out from the states. Half as
    # much sleep per cycle at half the rate costs the same and is stable: at 125 times Table 1's rate some runs swing.
    "periodic": Training(rule="state", update="every 1000 ms", sleep=5_000.0),
    # A digital chip costs by the step.
    "on-spike": Training(rule="state", update="spike", pairing="all", sleep=5_000.0, dt=1.0),
}
ON_CHIPS = {
    "smoke": Scale(distributions=2, seeds=1, cycles=2, checks=1, measure=10_000.0, speed=100.0),
    "default": Scale(distributions=4, seeds=2, cycles=80, checks=2, measure=50_000.0, speed=62.5),
    "paper": Scale(distributions=5, seeds=4, cycles=2_000, checks=4, measure=1e6, speed=10.0),
}
Variant = Literal["paper", "code", "state", "periodic", "on-spike"]
TITLE = "Fig 4: synaptic noise in sampling networks"


def conditions(levels: tuple[float, ...] = LEVELS) -> list[Condition]:
    """The baseline, which has no noise, then every method at every level."""
    return [Condition("baseline", 0.0, 0.0, RATE)] + [
        Condition(method, level, 0.0, RATE, *METHODS[method]) for method in METHODS for level in levels
    ]


def by_level(values: FloatArray, levels: int) -> dict[str, FloatArray]:
    """(..., condition, run) as {method: (..., level, run)}; the baseline has one level."""
    methods = {"baseline": values[..., :1, :]}
    for k, method in enumerate(METHODS):
        methods[method] = values[..., 1 + k * levels : 1 + (k + 1) * levels, :]
    return methods


def experiment(
    out: Path,
    *,
    scale: str = "default",
    target: Target | str = "reference",
    variant: Variant | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Synaptic noise in sampling networks: SAL against nothing, Kolen-Pollack and a noise-free baseline.

    On a target whose chips cannot have the paper's rules, ``periodic`` or ``on-spike`` is taken, and the question is
    another one (``chips``).
    """
    variant = variant or suited(target)
    training = VARIANTS[variant]
    if variant in ("periodic", "on-spike"):
        chip = resolve(target)
        if "execution" in chip.options:  # the same process models without Lava's runtime: a quarter of the time
            chip = chip.with_options(execution="in-process")
        return on_chips.experiment(
            out, training=training, scale=ON_CHIPS[scale], target=chip, methods=METHODS, rate=RATE, progress=progress,
            variant=variant,
        )  # fmt: skip
    size, chosen = SCALES[scale], conditions()
    work = Work("fig4", out, target, sweep.key(training, size, chosen), sweep.total(size), progress)
    data = sweep.run(work, training, size, chosen)
    claims = judge(data, size, np.array(LEVELS))
    more = {"scale": scale, "variant": variant, "levels": list(LEVELS)}
    return work.finish(TITLE, claims, data, partial(draw, data=data, levels=np.array(LEVELS)), **more)


def suited(target: Target | str) -> Variant:
    """The first of the paper's variant and the chips' that ``target`` can hold, a chip with rules by which it learns
    itself: with its host in between, training takes a hundred times as long. The paper's, if it holds none."""
    options: tuple[Variant, ...] = ("paper", "periodic", "on-spike")
    held = [name for name in options if not problems(description(VARIANTS[name]), target)]
    chip = resolve(target)
    if chip.weight_bits is not None:
        learned = [
            name for name in held
            if all(on_chip(r, chip) for p in description(VARIANTS[name]).projections for r in p.plasticity)
        ]  # fmt: skip
        held = learned or held
    return next(iter(held), options[0])


def ratio_of_medians(first: FloatArray, second: FloatArray) -> float:
    """Medians over the runs."""
    return float(np.median(first) / np.median(second))


def kolen_pollack_error(data: Arrays, levels: int, decay: float, cycles: int) -> float:
    """Largest relative deviation of KP's final asymmetry from initial * (1 - lambda)^2n."""
    decayed = by_level(data["asymmetry"], levels)["KP"]
    seen = decayed[0] > 1e-6  # at noise 0 there is nothing to decay
    expected = decayed[0] * (1.0 - decay) ** (2 * cycles)
    return float(np.abs(decayed[-1] / np.where(seen, expected, 1.0) - 1.0)[seen].max())


def judge(data: Arrays, scale: Scale, levels: FloatArray) -> list[Claim]:
    """What the paper says about Fig 4, at the last check."""
    enough = scale.cycles * scale.speed >= 5_000 and scale.runs >= 12
    d = {m: v[-1] for m, v in by_level(data["forward"], len(levels)).items()}
    a = by_level(data["asymmetry"], len(levels))
    at = {level: int(np.argmin(np.abs(levels - level))) for level in (0.2, 0.4, 0.8)}
    noisy = levels > 0
    ratios = [ratio_of_medians(row, d["baseline"][0]) for row in d["SAL"][noisy]]
    small = [sweep.worse(d["KP"][k], d["none"][k]) for k in np.flatnonzero(levels < 0.4)]
    high = at[0.8]
    left = np.median(a["SAL"][-1][noisy] / a["SAL"][0][noisy])
    error = kolen_pollack_error(data, len(levels), scale.speed * DECAY, scale.cycles)
    check = int(np.argmin(np.abs(data["cycle"] - 5_000)))  # where the re-run measured
    cycle, then = data["cycle"][check], by_level(data["forward"][check], len(levels))
    runs = [then[m][0 if m == "baseline" else high] for m in RERUN]
    spread = [float(np.median(a[m][check][0 if m == "baseline" else high])) for m in RERUN]
    among = all(row.min() <= value <= row.max() for row, value in zip(runs, RERUN.values(), strict=True))
    names = ", ".join(RERUN)
    return [
        Claim(
            "D_KL with SAL, as a multiple of the noise-free baseline's (medians, every noise level)",
            "comparable to the baseline",
            f"{min(ratios):.2f} to {max(ratios):.2f}",
            bool(min(ratios) > 0.67 and max(ratios) < 1.5) if enough else None,
        ),
        Claim(
            "Kolen-Pollack against nothing at noise < .4",
            "KP worsens D_KL",
            f"p = {', '.join(f'{p:.1g}' for p in small)}",
            bool(max(small) < 0.05) if enough else None,
        ),
        Claim(
            "D_KL without symmetrisation against SAL at .8",
            "higher",
            f"p = {sweep.worse(d['none'][high], d['SAL'][high]):.1g}",
            bool(sweep.worse(d["none"][high], d["SAL"][high]) < 0.05) if enough else None,
        ),
        Claim(
            "D_KL with Kolen-Pollack against SAL at .8",
            "higher",
            f"p = {sweep.worse(d['KP'][high], d['SAL'][high]):.1g}",
            bool(sweep.worse(d["KP"][high], d["SAL"][high]) < 0.05) if enough else None,
        ),
        Claim(
            "share of the asymmetry that SAL leaves (median)",
            "rapid symmetrisation",
            f"{left:.2g}",
            bool(left < 0.05) if enough else None,
        ),
        Claim(
            "Kolen-Pollack's asymmetry",
            "initial (1 - lambda)^2n",
            f"relative deviation {error:.1g}",
            bool(error < 1e-6) if np.isfinite(error) else None,
        ),
        Claim(
            f"D_KL(p || p*) at .8 after {cycle:g} cycles: {names}",
            ".009, .031, .009, .021 after 5,000 (medians of an independent re-run, 3 targets)",
            f"{', '.join(f'{np.median(row):.4f}' for row in runs)} (medians; its values are among our runs: {among})",
            among if enough and cycle == 5_000 else None,
        ),
        Claim(
            f"asymmetry at .8 after {cycle:g} cycles: {names}",
            "0, .917, .002, .615 (the re-run, from its own draw of the noise; KP / none = .671)",
            f"{', '.join(f'{s:.3f}' for s in spread)} (KP / none = {spread[3] / spread[1]:.3f})",
        ),
    ]


def draw(figure: Figure, data: Arrays, levels: FloatArray, x: str = "synaptic noise") -> None:
    """The paper's four panels: asymmetry and D_KL, during training at the highest level but one, and at the end."""
    figure.set_size_inches(10.5, 7.5)
    panels = figure.subplots(2, 2)
    shown = max(0, len(levels) - 2)
    step = 0.04 * float(levels[-1] - levels[0]) / max(1, len(levels) - 1)
    for row, (name, y) in enumerate((("asymmetry", "Var($W_{ij} - W_{ji}$)"), ("forward", "$D_{KL}(p\\,||\\,p^*)$"))):
        during, after = panels[row]
        for k, (method, values) in enumerate(by_level(data[name], len(levels)).items()):
            alone = method == "baseline"
            if not (alone and name == "asymmetry"):
                at = values[:, 0 if alone else shown].T
                curve(during, data["cycle"], at, colour=COLOURS[method], label=method, centre="median")
                last = np.repeat(values[-1], len(levels), axis=0) if alone else values[-1]
                sweep.over_levels(after, levels, last, COLOURS[method], method, (k - 1) * step)
        sweep.finished(during, f"{'ab'[row]}1  {x} {levels[shown]:g}", "cycle", y)
        sweep.finished(after, f"{'ab'[row]}2  after training", x, y)
        if name == "asymmetry":  # without noise it is 0 up to rounding
            after.set_ylim(bottom=1e-4)
    legend_above(figure, panels[1, 0], "median and quartiles")
