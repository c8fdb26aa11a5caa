"""Fig 8: how the angle between forward and feedback weights falls with time, for several learning rates."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from salhw.plots.look import BLUE, GREEN, ORANGE, RED, legend_above, tidy
from salhw.substrate.target import Target
from salhw_networks.deep import mismatch
from salhw_networks.deep.law import Alignment, Law, measured_law
from salhw_networks.deep.network import Chain, initial_chain
from salhw_networks.deep.phase import REPLICA, Setting, SpikingPhase
from salhw_networks.experiment import Arrays, Claim, Progress, Work, parts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RATES = (0.02, 0.04, 0.08, 0.16)
COLOURS = (BLUE, GREEN, ORANGE, RED)
VARIANTS = ("paper", "code", "mismatch")
MISMATCH = {"smoke": mismatch.Scale(2, 1), "default": mismatch.Scale(3, 5), "paper": mismatch.Scale(20, 5)}
TITLE = "Fig 8: SAL's time course"
SEED = 8


@dataclass(frozen=True)
class Scale:
    """Neurons of the layers, and updates of 64 s each; 5 of them are an epoch of Fig 7."""

    sizes: tuple[int, ...]
    updates: int


SCALES = {
    "smoke": Scale((64, 48, 24, 10), 20),
    "default": Scale((512, 128, 64, 10), 60),
    "paper": Scale((1600, 384, 192, 10), 1000),
}


def experiment(
    out: Path,
    *,
    scale: Literal["smoke", "default", "paper"] = "default",
    target: Target | str = "reference",
    variant: Literal["paper", "code", "mismatch"] = "paper",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Deep networks: the angles between forward and feedback weights against time, and what its law expects.

    The variant ``mismatch``: angles on chips whose synapses have unequal branches, with and without a reference phase.
    """
    if variant == "mismatch":
        return mismatch.experiment(out, MISMATCH[scale], target, progress, scale=scale, variant=variant)
    size, setting = SCALES[scale], settings()[variant]
    key = {"scale": asdict(size), "variant": variant, "rates": RATES, "seed": SEED}
    work = Work("fig8", out, target, key, 1.0 + len(RATES) * size.updates, progress)
    laws = work.piece("law", 1.0, partial(law, size, setting, target))
    found = [
        work.piece(f"rate{k}", size.updates, partial(course, size, setting, eta, target))["angles"]
        for k, eta in enumerate(RATES)
    ]
    replicas = setting.replicas * REPLICA / 1000.0
    data = {"angles": np.stack(found), "time": np.arange(size.updates + 1) * replicas, "eta": np.array(RATES), **laws}
    data["expected"] = np.stack([expected(size, data, eta) for eta in RATES])
    return work.finish(TITLE, judge(data), data, partial(draw, data=data), scale=scale, variant=variant)


def settings() -> dict[str, Setting]:
    """The text's 32 networks of 2 s, and the code's one of 10 s, whose refractory period is a step longer than its
    PSPs."""
    return {"paper": Setting(), "code": Setting(replicas=5, smallest_interval=11.0)}


def start(scale: Scale) -> tuple[Chain, list[Any]]:
    """Forward weights, and feedback weights of the same distribution."""
    random = np.random.default_rng(SEED)
    return initial_chain(scale.sizes, random), [w.T for w in initial_chain(scale.sizes, random).weights]


def law(scale: Scale, setting: Setting, target: Target | str, progress: Progress) -> Arrays:
    """c and s of each layer, and their errors, (layer, 4)."""
    chain, _ = start(scale)
    found = measured_law(chain, setting, target=target, seed=SEED)
    return {"law": np.array([(x.c, x.s, x.c_error, x.s_error) for x in found])}


def course(scale: Scale, setting: Setting, eta: float, target: Target | str, progress: Progress) -> Arrays:
    """The angles after every update at one rate, (update + 1, layer)."""
    chain, feedback = start(scale)

    def angles() -> list[float]:
        return [Alignment.of(w, b).angle for w, b in zip(chain.weights, feedback, strict=True)]

    course = [angles()]
    with SpikingPhase(chain, setting, target=target, seed=SEED + 1) as phase:
        for part in parts(progress, scale.updates):
            changes = phase.change(feedback, [eta] * len(feedback))
            feedback = [b + change for b, change in zip(feedback, changes, strict=True)]
            course.append(angles())
            part(1.0)
    return {"angles": np.array(course)}


def expected(scale: Scale, data: Arrays, eta: float) -> list[list[float]]:
    """The angles by the law, (update + 1, layer)."""
    chain, feedback = start(scale)
    states = [Alignment.of(w, b) for w, b in zip(chain.weights, feedback, strict=True)]
    laws = [Law(*row) for row in data["law"]]
    course = [[state.angle for state in states]]
    for _ in range(scale.updates):
        states = [x.after(state, eta) for x, state in zip(laws, states, strict=True)]
        course.append([state.angle for state in states])
    return course


def judge(data: Arrays) -> list[Claim]:
    """What the caption of Fig 8 says, and how well the law tells it."""
    last, early = data["angles"][:, -1].mean(axis=1), data["angles"][:, data["angles"].shape[1] // 10].mean(axis=1)
    off = np.abs(data["angles"] - data["expected"])
    words = ", ".join(f"{eta:g}: {b:.0f}, {a:.0f}" for eta, a, b in zip(data["eta"], last, early, strict=True))
    c = ", ".join(f"{row[0]:.3f} ± {row[2]:.3f}" for row in data["law"])
    return [
        Claim(
            "a higher rate aligns faster: mean angle after a tenth of the time, and at the end, by rate",
            "the rate trades speed for the angle",
            words,
            bool((np.diff(early) < 0).all()),
        ),
        Claim("c of the layers", "(an independent prototype: .64; theory of a pair: .63)", c),
        Claim(
            "angles against the law: median and largest difference in degrees",
            "(c and s of one update from B = 0)",
            f"{np.median(off):.1f}, {off.max():.1f}",
            bool(np.median(off) < 5.0),
        ),
    ]


def draw(figure: Figure, data: Arrays) -> None:
    """A panel for each layer; the law dashed."""
    layers = data["angles"].shape[-1]
    figure.set_size_inches(3.4 * layers, 3.6)
    panels = figure.subplots(1, layers, sharey=True, squeeze=False)[0]
    for l, axes in enumerate(panels):
        for k, colour in enumerate(COLOURS):
            axes.plot(data["time"], data["angles"][k, :, l], color=colour, label=f"{data['eta'][k]:g}")
            axes.plot(data["time"], data["expected"][k, :, l], color=colour, linestyle="--", linewidth=1)
        axes.set(xlabel="time (s)", ylabel="angle (degrees)" if l == 0 else "", ylim=(0, 95))
        tidy(axes, f"layer {l + 1}")
    legend_above(figure, panels[0], "learning rate; dashed: the law")
