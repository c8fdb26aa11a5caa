"""Learning curves: a quantity over time, with the band over chips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy.typing as npt

from salhw.diagnostics.arguments import numbers
from salhw.plots.look import COLOURS, Centre, axes_for, band_in_words, curve, legend_beside, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def learning_curves(
    time: npt.ArrayLike, curves: Mapping[str, npt.ArrayLike], ax: Axes | None = None, *,
    xlabel: str = "time (s)", ylabel: str = "", centre: Centre = "mean", of: str = "chip",
    colours: Mapping[str, str] | None = None, log: bool = False,
) -> Axes:  # fmt: skip
    """Draw curves over ``time``, each the mean over chips with a band: the central 68 % of the chips.

    Args:
        time: in the unit of ``xlabel``.
        curves: by label, (chip, time), or (time,) of one chip.
        centre: ``median`` draws the median and the quartiles instead.
        of: what the first dimension counts.
        colours: by label; Okabe and Ito's in their order by default.
        log: a logarithmic scale.
    """
    ax = axes_for(ax, 2.8)
    arrays = {label: numbers(f"curves[{label!r}]", values) for label, values in curves.items()}
    arrays = {label: values[None] if values.ndim == 1 else values for label, values in arrays.items()}
    for k, (label, values) in enumerate(arrays.items()):
        colour = (colours or {}).get(label, COLOURS[k % len(COLOURS)])
        curve(ax, time, values, colour=colour, label=label, centre=centre)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if log:
        ax.set_yscale("log")
    copies = {len(values) for values in arrays.values()}
    tidy(ax, band_in_words(copies.pop(), of, centre) if len(copies) == 1 else "", size=8)
    legend_beside(ax)
    return ax
