"""Pictures of measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from salhw_calibration.calibrate import Goals
from salhw_calibration.calibration import Calibration
from salhw_calibration.results import EffectiveWeights


def nominal_and_measured(measured: EffectiveWeights, path: str | Path, *, level: float = 0.95) -> Path:
    """Draw the measured over the nominal weight of every synapse, a panel per projection, with confidence intervals;
    save it to ``path`` (the suffix says as what) and return it."""
    from matplotlib.figure import Figure

    names = [name for name, w in measured.weights.items() if np.isfinite(w).any()]
    figure = Figure(figsize=(3.4 * max(1, len(names)) + 0.4, 3.6), layout="constrained")
    intervals = measured.intervals(level)
    for panel, name in zip(np.ravel(figure.subplots(1, max(1, len(names)), squeeze=False)), names, strict=False):
        _scatter(panel, measured, name, intervals[name])
    where = f"{measured.provenance.get('target', '')}, {measured.method}"
    figure.suptitle(f"{where}, through {', '.join(measured.through)}" if measured.through else where, fontsize=10)
    figure.savefig(path, dpi=150)
    return Path(path)


def _scatter(panel: Any, measured: EffectiveWeights, name: str, interval: tuple[Any, Any]) -> None:
    nominal, weight = measured.nominal[name], measured.weights[name]
    low, high = interval
    colours = [f"C{k}" for k in range(10)]
    for k, identity in enumerate(measured.ids):
        known = np.isfinite(weight[k])
        bars = np.stack([weight[k] - low[k], high[k] - weight[k]])[:, known]
        panel.errorbar(
            nominal[k][known], weight[k][known], bars, fmt=".", markersize=4, elinewidth=0.6, alpha=0.8,
            color=colours[k % 10], label=f"{identity}" if len(measured.ids) <= 5 else None,
        )  # fmt: skip
    both = np.concatenate([nominal[np.isfinite(weight)], weight[np.isfinite(weight)]])
    ends = [both.min(initial=0.0), both.max(initial=0.0)]
    panel.plot(ends, ends, color="0.6", linewidth=0.8, zorder=0)
    panel.set(xlabel="nominal weight", ylabel="measured weight", title=name)
    if 1 < len(measured.ids) <= 5:
        panel.legend(title="instance", fontsize=7, title_fontsize=7, frameon=False)


def residuals(calibration: Calibration, goals: Goals, path: str | Path) -> Path:
    """Draw the spread that is left of each quantity, before and after, chip by chip; save it to ``path`` and return
    it."""
    from matplotlib.figure import Figure

    names = list(calibration.summary)
    figure = Figure(figsize=(3.4 * max(1, len(names)) + 0.4, 3.2), layout="constrained")
    for panel, name in zip(np.ravel(figure.subplots(1, max(1, len(names)), squeeze=False)), names, strict=False):
        at = np.arange(len(calibration.ids))
        before, after = (calibration.spread[f"{name} {when}"] for when in ("before", "after"))
        panel.vlines(at, after, before, color="0.8", linewidth=1.0, zorder=0)
        panel.plot(at, before, "o", color="C3", markersize=4, label="before")
        panel.plot(at, after, "o", color="C0", markersize=4, label="after")
        panel.axhline(getattr(goals, name), color="0.5", linewidth=0.8, linestyle=":", label="goal")
        shown = at[:: max(1, len(at) // 10)]
        panel.set_xticks(shown, [str(calibration.ids[k]) for k in shown])
        panel.set(xlabel="chip", ylabel=f"spread of residuals, {name}", ylim=(0.0, None))
        success = calibration.summary[name]["yield"]
        panel.set_title(f"{name}: {success:.1%} calibrated", fontsize=9)
        panel.legend(fontsize=7, frameon=False)
    figure.suptitle(f"{calibration.target}, wafer {calibration.wafer}", fontsize=10)
    figure.savefig(path, dpi=150)
    return Path(path)
