"""Where feedback alignment goes in the microcircuit of Fig 6 when its feedback weight begins negative: two of the ten
such students of the full scale for many epochs, several times over, beside the rate model; and which starts the model
lets rise.

``python tests/networks/feedback_alignment.py FOLDER [EPOCHS]`` keeps what it has in FOLDER, goes on from there, prints
the courses and draws ``fig6_feedback_alignment.png``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from salhw.description.fields import FloatArray
from salhw.io.files import write_arrays, write_figure
from salhw.plots.look import BLACK, BLUE, GREY, ORANGE, RED, tidy
from salhw_networks.microcircuit.course import SEED, SIZES, TEACHER
from salhw_networks.microcircuit.rates import feedback_alignment
from salhw_networks.microcircuit.training import Class, Protocol, students, train

PROTOCOL, SEEDS, BLOCK = Protocol(), 20, 25
COPIES = {9: 6, 0: 2}
"""Of the full scale's students that end with the right sign though their feedback's is wrong: how often."""
NEGATIVE = -1.0  # B12 of the map


def begun(folder: Path) -> tuple[Class, FloatArray]:
    """The COPIES at their start, and W10, W21 and B12 of all students of the full scale, (3, seed)."""
    path = folder / "start.npz"
    if not path.exists():
        drawn = students(PROTOCOL, TEACHER, SEEDS, seed=SEED)
        write_arrays(path, {"targets": drawn.targets, "validation": drawn.validation, **drawn.weights})
    with np.load(path) as kept:
        start = np.stack([kept[name][:, 0, 0] for name in ("W10", "W21", "B12")])
        chosen = np.repeat([*COPIES], [*COPIES.values()])
        w10, w21, b12 = (kept[name][chosen] for name in ("W10", "W21", "B12"))
        return Class(SIZES, (w10, w21), (b12,), kept["targets"][chosen], kept["validation"][chosen]), start


def learned(folder: Path, now: Class, epochs: int) -> dict[str, FloatArray]:
    """Weights and losses after each epoch, (epoch, copy)."""
    parts = []
    for k in range(0, epochs, BLOCK):
        path = folder / f"block-{k:04d}.npz"
        if not path.exists():
            write_arrays(path, train(PROTOCOL, "FA", now, range(k, k + BLOCK), seed=1_000 * SEED + k))
        with np.load(path) as kept:
            parts.append(dict(kept))
        now = now.at(parts[-1])
        print(k + BLOCK, "W10:", np.round(parts[-1]["W10"][-1].ravel(), 2), flush=True)
    return {name: np.concatenate([part[name].reshape(BLOCK, -1) for part in parts]) for name in ("W10", "W21", "loss")}


def expected(start: FloatArray, epochs: int) -> FloatArray:
    """W10 and W21 by the rate model, (epoch + 1, 2, start)."""
    return feedback_alignment(PROTOCOL, np.ravel(TEACHER), start, epochs)


def figure(course: FloatArray, start: FloatArray, path: Path) -> None:
    """Courses of W10 beside the model's; what becomes of starts, in the model, beside those of the full scale."""
    picture = Figure(figsize=(9.0, 3.8), layout="constrained")
    courses, plane = picture.subplots(1, 2)
    epochs, first = len(course), 0
    for colour, (seed, copies) in zip((BLUE, ORANGE), COPIES.items(), strict=True):
        courses.plot(1 + np.arange(epochs), course[:, first : first + copies], color=colour, linewidth=0.8)
        told = expected(start[:, [seed]], epochs)[:, 0, 0]
        courses.plot(told, "--", color=colour, label=f"seed {seed}, B12 = {start[2, seed]:.1f} (dashed: rates)")
        first += copies
    courses.axhline(0.0, color=GREY, linewidth=1)
    courses.set(xlabel="epoch", ylabel="$W_{1,0}$", ylim=(-6.0, 8.0))
    courses.legend(frameon=False)
    grid = np.linspace(-3.0, 3.0, 61)
    w10, w21 = (x.ravel() for x in np.meshgrid(grid, grid))
    ends = expected(np.stack([w10, w21, np.full_like(w10, NEGATIVE)]), 400)[-1, 0].reshape(61, 61)
    plane.contourf(grid, grid, ends > 0, levels=[0.5, 1.5], colors=[BLUE], alpha=0.2)
    wrong = np.flatnonzero(start[2] < 0)
    plane.plot(*start[:2, wrong], "o", color=RED, markersize=4)
    for seed in wrong:
        plane.annotate(str(seed), start[:2, seed], (3, 3), textcoords="offset points", fontsize="small")
    plane.plot(2.0, 2.0, "+", color=BLACK)
    plane.set(xlabel="$W_{1,0}$ at the start", ylabel="$W_{2,1}$ at the start")
    tidy(courses, "a  feedback alignment, seed by seed")
    tidy(plane, f"b  shaded: starts that rise (rates, B12 = {NEGATIVE:g})")
    write_figure(path, picture, dpi=110)


if __name__ == "__main__":
    into = Path(sys.argv[1])
    into.mkdir(exist_ok=True)
    copies, every = begun(into)
    found = learned(into, copies, int((*sys.argv, 600)[2]))
    print("loss, last ten epochs:", np.round(found["loss"][-10:].mean(axis=0), 4))
    figure(found["W10"], every, into / "fig6_feedback_alignment.png")
