"""Distributions of spike-timing differences (STDDs): measured over exact, with what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from salhw.diagnostics.arguments import numbers
from salhw.plots.look import BLACK, BLUE, RED, axes_below, axes_for, legend_beside, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def stdd(
    lag: npt.ArrayLike, measured: npt.ArrayLike, exact: npt.ArrayLike, ax: Axes | None = None, *,
    errors: npt.ArrayLike | None = None, legend: bool = True, xlabel: str = "$t_1 - t_0$ (ms)",
    ylabel: str = "pairs per s and step",
) -> Axes:  # fmt: skip
    """Draw a measured STDD as a histogram, the exact one as a line, and the residuals in a panel below.

    ``ax`` keeps the upper part of its place; the panel below gets the rest.

    Args:
        lag: spike-timing differences, ascending.
        measured, exact: one number for each lag, in one unit.
        errors: standard errors of ``measured``; residuals are then in units of them, with lines at -2 and 2.
        legend: whether to say, beside the axes, what is measured and what exact.
    """
    x, y, line = numbers("lag", lag), numbers("measured", measured), numbers("exact", exact)
    ax = axes_for(ax, 3.4)
    width = float(np.diff(x).min()) if len(x) > 1 else 1.0
    ax.bar(x, y, width=width, color=BLUE, alpha=0.45, linewidth=0, label="measured")
    ax.plot(x, line, color=RED, linewidth=1.3, label="exact")
    ax.axvline(0.0, color=BLACK, linewidth=0.7, linestyle=":", zorder=0)
    ax.set(ylabel=ylabel, xlim=(x[0] - width / 2, x[-1] + width / 2))
    tidy(ax)
    if legend:
        legend_beside(ax)
    _residuals(axes_below(ax), x, y - line, errors, xlabel)
    return ax


def _residuals(
    below: Axes, x: npt.NDArray[np.float64], left: npt.NDArray[np.float64], errors: npt.ArrayLike | None, xlabel: str
) -> None:
    """What exact leaves of measured: in standard errors where they are known; where one is zero, nothing is."""
    name = "residual"
    if errors is not None:
        error = numbers("errors", errors)
        left = np.divide(left, error, out=np.full_like(left, np.nan), where=error > 0.0)
        name = "residual (s.e.)"
        for end in (-2.0, 2.0):
            below.axhline(end, color="0.6", linewidth=0.7, linestyle="--")
    below.axhline(0.0, color=RED, linewidth=1.0)
    below.plot(x, left, ".", color=BLUE, markersize=3)
    top = 1.1 * float(np.nanmax(np.abs(left), initial=2.2 if errors is not None else 1e-12))
    below.set(xlabel=xlabel, ylabel=name, ylim=(-top, top))
    tidy(below)
