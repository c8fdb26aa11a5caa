"""Pictures of measurements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.plasticity.pair_stdp import BRANCHES
from salhw.io.files import write_figure
from salhw.plots.look import BLACK, BLUE, COLOURS, GREY, RED, legend_beside, tidy
from salhw_calibration.calibrating import Goals
from salhw_calibration.calibration import Calibration
from salhw_calibration.neurons import TransferFunctions
from salhw_calibration.results import EffectiveWeights
from salhw_calibration.sensors import CorrelationSensors
from salhw_calibration.verdict import SHOWN, Deviations


def nominal_and_measured(measured: EffectiveWeights, path: str | Path, *, level: float = 0.95) -> Path:
    """Draw the measured over the nominal weight of every synapse, a panel per projection, with confidence intervals;
    save it to ``path`` (the suffix says as what) and return it."""
    names = [name for name, w in measured.weights.items() if np.isfinite(w).any()]
    intervals = measured.intervals(level)
    where = f"{measured.provenance.get('target', '')}, {measured.method}"
    title = f"{where}, through {', '.join(measured.through)}" if measured.through else where
    with _panels(names, title, path) as panels:
        for name, panel in panels.items():
            _scatter(panel, measured, name, intervals[name])
    return Path(path)


@contextmanager
def _panels(names: Sequence[str], title: str, path: str | Path) -> Iterator[dict[str, Any]]:
    """A picture with a panel for each name, which is saved at the end."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.4 * max(1, len(names)) + 0.4, 3.5), layout="constrained")
    drawn = np.ravel(figure.subplots(1, max(1, len(names)), squeeze=False))
    yield dict(zip(names, drawn, strict=False))
    figure.suptitle(title, fontsize=10)
    write_figure(Path(path), figure, dpi=150)


def _scatter(panel: Any, measured: EffectiveWeights, name: str, interval: tuple[Any, Any]) -> None:
    nominal, weight = measured.nominal[name], measured.weights[name]
    low, high = interval
    for k, identity in enumerate(measured.ids):
        known = np.isfinite(weight[k])
        bars = np.stack([weight[k] - low[k], high[k] - weight[k]])[:, known]
        panel.errorbar(
            nominal[k][known], weight[k][known], bars, fmt=".", markersize=4, elinewidth=0.6, alpha=0.8,
            color=COLOURS[k % len(COLOURS)], label=f"{identity}" if len(measured.ids) <= 5 else None,
        )  # fmt: skip
    both = np.concatenate([nominal[np.isfinite(weight)], weight[np.isfinite(weight)]])
    ends = [both.min(initial=0.0), both.max(initial=0.0)]
    panel.plot(ends, ends, color=GREY, linewidth=0.8, zorder=0)
    panel.set(xlabel="nominal weight", ylabel="measured weight")
    tidy(panel, name)
    if 1 < len(measured.ids) <= 5:
        on_chips = measured.provenance.get("chips") == [*measured.ids]
        legend_beside(panel, "chip" if on_chips else "instance")


def offsets_and_slopes(measured: TransferFunctions, path: str | Path) -> Path:
    """Draw the transfer function of every GLM neuron, slope over offset with standard errors, a panel per population;
    save it to ``path`` and return it."""
    drawn = {
        name: [_Cloud("", offset, measured.offset_errors[name], measured.slope[name], measured.slope_errors[name])]
        for name, offset in measured.offset.items()
    }
    return _clouds(measured.provenance, drawn, dict.fromkeys(drawn, ((0.0, 1.0),)), ("offset", "slope"), path)


def amplitudes_and_taus(measured: CorrelationSensors, path: str | Path) -> Path:
    """Draw the correlation sensors of every synapse, amplitude over time constant with standard errors, a panel per
    projection; save it to ``path`` and return it."""
    drawn, nominal = {}, {}
    for name, tau in measured.tau.items():
        rest = (measured.tau_errors[name], measured.amplitude[name], measured.amplitude_errors[name])
        drawn[name] = [_Cloud(b, *(part[:, k] for part in (tau, *rest))) for k, b in enumerate(BRANCHES)]
        nominal[name] = [(window.tau, 1.0) for window in measured.windows[name]]
    return _clouds(measured.provenance, drawn, nominal, ("tau, ms", "amplitude over described"), path)


@dataclass(frozen=True, eq=False)
class _Cloud:
    """Points with standard errors in both directions, arrays of one shape."""

    label: str
    x: FloatArray
    x_errors: FloatArray
    y: FloatArray
    y_errors: FloatArray


def _clouds(
    provenance: Mapping[str, Any],
    drawn: Mapping[str, Sequence[_Cloud]],
    nominal: Mapping[str, Sequence[tuple[float, float]]],
    labels: tuple[str, str],
    path: str | Path,
) -> Path:
    """A panel for each name, with crosses where the description is."""
    with _panels(list(drawn), str(provenance.get("target", "")), path) as panels:
        for name, panel in panels.items():
            for k, cloud in enumerate(drawn[name]):
                known = np.isfinite(cloud.x) & np.isfinite(cloud.y)
                x, x_errors, y, y_errors = (a[known] for a in (cloud.x, cloud.x_errors, cloud.y, cloud.y_errors))
                panel.errorbar(
                    x, y, y_errors, x_errors, fmt=".", markersize=4, elinewidth=0.6, alpha=0.7, color=COLOURS[k],
                    label=cloud.label or None,
                )  # fmt: skip
            for described in set(nominal[name]):
                panel.plot(
                    *described, "+", color=BLACK, markersize=14, markeredgewidth=1.5, zorder=3, linestyle="none",
                    label="described",
                )  # fmt: skip
                around = 0.1 * np.maximum(1.0, np.abs(described))  # exact targets leave nothing else to scale by
                panel.update_datalim([described - around, described + around])
            panel.autoscale_view()
            panel.set(xlabel=labels[0], ylabel=labels[1])
            tidy(panel, name)
        legend_beside(panel)  # the last stands for all
    return Path(path)


ERRORS = {
    "weight": "weights' relative errors", "bias": "biases' errors", "slope": "slopes' relative errors",
    "sensor": "sensors' relative errors",
}  # fmt: skip
"""What ``Calibration.spread`` is the spread of."""


def residuals(calibration: Calibration, goals: Goals, path: str | Path) -> Path:
    """Draw the spread of each quantity before calibration, and what is left of it, chip by chip, with 95 % intervals
    and the verdict; save it to ``path`` and return it."""
    at, verdicts = np.arange(len(calibration.ids)), calibration.verdicts
    shown = at[:: max(1, len(at) // 10)]
    title = f"{calibration.target}, wafer {calibration.wafer}"
    with _panels(list(calibration.verdicts), title, path) as panels:
        for name, panel in panels.items():
            before, after = (calibration.spread[f"{name} {when}"] for when in ("before", "after"))
            panel.vlines(at, after, before, color="0.8", linewidth=1.0, zorder=0)
            for when, value, colour in (("before", before, RED), ("after", after, BLUE)):
                low, high = Deviations.from_array(calibration.moments[f"{name} {when}"]).limits((1.0 - SHOWN) / 2.0)
                ends = np.nan_to_num(np.maximum([value - low, high - value], 0.0))
                panel.errorbar(at, value, ends, fmt="o", color=colour, markersize=4, elinewidth=0.6, label=when)
            worse = [calibration.ids.index(entry.chip) for entry in verdicts[name].worse]
            if worse:
                panel.plot(at[worse], after[worse], "o", color="k", markersize=9, fillstyle="none", label="got worse")
            panel.axhline(getattr(goals, name), color=BLACK, linewidth=0.9, linestyle=":", label="goal")
            panel.set_xticks(shown, [str(calibration.ids[k]) for k in shown])
            top = 1.2 * max(np.max(before), np.max(after), getattr(goals, name))  # limits may be far above
            panel.set(xlabel="chip", ylabel=f"spread of the {ERRORS[name]}", ylim=(0.0, top))
            share = f", {calibration.summary[name]['yield']:.1%} calibrated" if verdicts[name].known else ""
            tidy(panel, f"{name}: {verdicts[name].word}{share}", size=9)
        legend_beside(panel)  # the last stands for all
    return Path(path)
