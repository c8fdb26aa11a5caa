"""Fig 5: plasticity noise in sampling networks: every synapse has wake-sleep windows of its own height.

Which windows? Section 4.3.1 puts xi on both phases', and computes the wake phase's expectations instead of sampling
them, without windows. Both cannot be: if the wake phase's term carried the same 1 + xi, every synapse would merely have
a learning rate of its own, all would come to rest where wake equals sleep, and no weights would diverge (variant
``text``, measured). The figure's divergence needs windows that the wake phase does not have, as in the authors' code.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from salhw.description.fields import FloatArray
from salhw.substrate.target import Target
from salhw_networks.experiment import Arrays, Claim, Progress, Work
from salhw_networks.sampling import sweep
from salhw_networks.sampling.sweep import Condition, Scale
from salhw_networks.sampling.synaptic_noise import by_level, draw, ratio_of_medians
from salhw_networks.sampling.training import Training

LEVELS = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05)
SYNAPTIC = 0.2
RATE, SAL, DECAY = 0.001, 0.002, 4e-5
METHODS = {"none": (0.0, 0.0), "SAL": (SAL, 0.0), "KP": (0.0, DECAY)}
SCALES = {
    "smoke": Scale(distributions=3, seeds=2, cycles=200, checks=2, measure=400_000.0, speed=100.0),
    "default": Scale(distributions=5, seeds=4, cycles=3_000, checks=8, measure=1e6, speed=50.0),
    "paper": Scale(distributions=5, seeds=4, cycles=150_000, checks=75, measure=1e7),
}
VARIANTS = {
    "paper": Training(noise_in="sleep"),
    "text": Training(noise_in="both"),
    "code": Training(noise_in="code", bounds=2.0),
}
TITLE = "Fig 5: plasticity noise in sampling networks"


def conditions(levels: tuple[float, ...] = LEVELS) -> list[Condition]:
    """The baseline, without plasticity noise, then every method at every level; all with synaptic noise .2."""
    return [Condition("baseline", SYNAPTIC, 0.0, RATE)] + [
        Condition(method, SYNAPTIC, level, RATE, *METHODS[method]) for method in METHODS for level in levels
    ]


def experiment(
    out: Path,
    *,
    scale: str = "default",
    target: Target | str = "reference",
    variant: Literal["paper", "text", "code"] = "paper",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Plasticity noise in sampling networks: SAL holds the weights together, Kolen-Pollack does not."""
    size, training = SCALES[scale], VARIANTS[variant]
    chosen = conditions()
    work = Work("fig5", out, target, sweep.key(training, size, chosen), sweep.total(size), progress)
    data = sweep.run(work, training, size, chosen)
    claims = judge(data, size, np.array(LEVELS))
    picture = partial(draw, data=data, levels=np.array(LEVELS), x="plasticity noise")
    return work.finish(TITLE, claims, data, picture, scale=scale, variant=variant, levels=list(LEVELS))


def judge(data: Arrays, scale: Scale, levels: FloatArray) -> list[Claim]:
    """What the paper says about Fig 5, at the last check."""
    enough = scale.cycles * scale.speed >= 50_000 and scale.runs >= 12
    d = {m: v[-1] for m, v in by_level(data["forward"], len(levels)).items()}
    a = {m: v[-1] for m, v in by_level(data["asymmetry"], len(levels)).items()}
    start = float(np.median(data["asymmetry"][0]))
    none, sal, kp = (np.median(a[m], axis=1) for m in ("none", "SAL", "KP"))
    ratios = [ratio_of_medians(row, d["baseline"][0]) for row in d["SAL"]]
    against_none = [sweep.worse(d["KP"][k], d["none"][k]) for k in range(len(levels))]
    helps = sweep.worse(d["none"][-1], d["SAL"][-1])

    def judged(good: bool) -> bool | None:
        return bool(good) if enough else None

    return [
        Claim(
            f"median asymmetry without symmetrisation at {levels[0]:g} and {levels[-1]:g} (at the start {start:.3f})",
            "weights diverge",
            f"{none[0]:.3f}, {none[-1]:.3f}",
            judged(none[-1] > none[0]),
        ),
        Claim(
            "largest median asymmetry with SAL",
            "SAL maintains alignment",
            f"{sal.max():.4f}",
            judged(sal.max() < start and sal[-1] < 0.1 * none[-1]),
        ),
        Claim(
            f"median asymmetry with Kolen-Pollack at {levels[-1]:g}",
            "weight decay has little effect on it",
            f"{kp[-1]:.3f}",
        ),
        Claim(
            "D_KL with SAL, as a multiple of the baseline's (medians, every level)",
            "significantly improved with SAL",
            f"{min(ratios):.2f} to {max(ratios):.2f}",
        ),
        Claim(
            f"D_KL without symmetrisation against SAL at {levels[-1]:g}",
            "higher",
            f"p = {helps:.1g}",
            judged(helps < 0.05),
        ),
        Claim(
            "Kolen-Pollack against nothing, every level",
            "KP worsens D_KL",
            f"p = {', '.join(f'{p:.1g}' for p in against_none)}",
            judged(max(against_none) < 0.05),
        ),
    ]
