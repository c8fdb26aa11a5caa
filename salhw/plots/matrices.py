"""Weights as matrices: what was described, what the chip does, and the difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray
from salhw.diagnostics.arguments import numbers, wrong
from salhw.plots.look import axes_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOUR_MAP = "RdBu_r"
"""From blue through white to red: ColorBrewer's, to be told apart by people of every colour vision."""
TITLES = ("nominal", "effective", "difference")


def weight_matrices(
    nominal: npt.ArrayLike, effective: npt.ArrayLike, ax: Axes | None = None, *, of: str = "chip", largest: float = 0.0
) -> Axes:
    """Draw nominal weights, effective weights and their difference side by side on one colour scale, white at zero.

    Args:
        nominal, effective: W[post, pre], or (chip, post, pre), of which the mean over chips is drawn; NaN where nothing
            is known, which is grey.
        of: what the leading dimension counts.
        largest: the weight at either end of the scale; by default the largest that is drawn.

    Raises:
        DescriptionError: not two matrices of one shape.
    """
    from matplotlib.ticker import MaxNLocator

    given = [numbers(name, value) for name, value in (("nominal", nominal), ("effective", effective))]
    copies = max(len(value) if value.ndim == 3 else 1 for value in given)
    first, second = map(_mean, given)
    if first.ndim != 2 or first.shape != second.shape:
        asked = f"shapes {given[0].shape} and {given[1].shape}"
        raise wrong("effective", asked, "(post, pre), or (chip, post, pre)", "give weights of one projection")
    ax = axes_for(ax, 2.4, 6.4)
    ax.set_axis_off()
    shown = (first, second, second - first)
    end = largest or max((float(np.nanmax(np.abs(m))) for m in shown if np.isfinite(m).any()), default=0.0) or 1.0
    for k, (title, matrix) in enumerate(zip(TITLES, shown, strict=True)):
        panel = ax.inset_axes((0.33 * k, 0.0, 0.27, 1.0))
        image = panel.imshow(matrix, cmap=COLOUR_MAP, vmin=-end, vmax=end, aspect="auto", interpolation="nearest")
        panel.set_facecolor("0.85")
        panel.set_title(title, fontsize=9)
        panel.set_xlabel("from neuron")
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_locator(MaxNLocator(5, integer=True))
        if k == 0:
            panel.set_ylabel("to neuron")
        else:
            panel.tick_params(labelleft=False)
    bar = ax.figure.colorbar(image, cax=ax.inset_axes((0.965, 0.0, 0.02, 1.0)))
    bar.set_label(f"weight, mean of {copies} {of}s" if copies > 1 else "weight")
    return ax


def _mean(weights: FloatArray) -> FloatArray:
    """Over chips, where there are several; NaN where no chip is known."""
    if weights.ndim != 3:
        return weights
    known = np.isfinite(weights)
    total = np.where(known, weights, 0.0).sum(axis=0)
    return np.asarray(np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan))
