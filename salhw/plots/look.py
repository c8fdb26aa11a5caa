"""What all pictures share: axes to draw into, colours, the look of a panel, bands, legends that cover nothing."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import numpy.typing as npt

from salhw.io.files import picture_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which people of every colour vision can tell apart.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, BLACK, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#999999",
)  # fmt: skip
COLOURS = (BLUE, RED, GREEN, PURPLE, SKY, ORANGE, BLACK, GREY)
"""In the order in which curves take them."""
WIDTH = 5.0
"""Of a figure in inches; its letters can be read when it is printed in one column."""
BESIDE = 1.03
"""Where something beside the axes begins, in their width."""

Centre = Literal["mean", "median"]
BANDS: dict[Centre, tuple[float, float]] = {"mean": (0.16, 0.84), "median": (0.25, 0.75)}
"""The quantiles between which a band lies: the central 68 % around a mean, quartiles around a median."""


def axes_for(ax: Axes | None, height: float, width: float = WIDTH) -> Axes:
    """``ax``, or the axes of a new figure of this size in inches."""
    return new_axes(height, width)[0] if ax is None else ax


def new_axes(height: float, width: float = WIDTH, ratios: tuple[float, ...] = (1.0,)) -> list[Axes]:
    """Axes one below the other, as high as ``ratios`` say, in a figure that no state of pyplot holds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.add_gridspec(len(ratios), 1, height_ratios=ratios)
    return [figure.add_subplot(grid[k], axes_class=_shown_axes()) for k in range(len(ratios))]


def axes_below(ax: Axes, share: float = 0.3) -> Axes:
    """Axes with the same abscissa in the lowest ``share`` of the place that ``ax`` had; it keeps the rest."""
    from matplotlib.gridspec import SubplotSpec

    ax.tick_params(labelbottom=False)
    figure, place = ax.figure, ax.get_subplotspec()
    if isinstance(place, SubplotSpec):
        grid = place.subgridspec(2, 1, height_ratios=(1.0 - share, share), hspace=0.08)
        ax.set_subplotspec(grid[0])
        return figure.add_subplot(grid[1], sharex=ax)
    left, bottom, width, height = ax.get_position().bounds
    ax.set_position((left, bottom + (share + 0.03) * height, width, (0.97 - share) * height))
    return figure.add_axes((left, bottom, width, share * height), sharex=ax)


@cache
def _shown_axes() -> type[Axes]:
    """Axes that a notebook shows; made when matplotlib is needed."""
    from matplotlib.axes import Axes

    class ShownAxes(Axes):
        """matplotlib's axes; a notebook shows the figure that they are in."""

        def _repr_png_(self) -> bytes:
            return picture_of(cast("Figure", self.figure), "png", dpi=110)

    return ShownAxes


def tidy(ax: Axes, title: str = "", size: int = 10) -> Axes:
    """Give a panel the look that all share, and its title in letters of ``size`` points."""
    ax.set_title(title, loc="left", fontsize=size)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="#e6e6e6", linewidth=0.6)
    ax.set_axisbelow(True)
    return ax


def band(values: npt.ArrayLike, centre: Centre = "mean") -> npt.NDArray[np.float64]:
    """The centre and both ends of the band over the first dimension, (3, ...); NaN counts as missing."""
    array = np.asarray(values, dtype=np.float64)
    known = np.isfinite(array).any(axis=0)  # numpy warns of columns without a number
    middle, *ends = np.nanquantile(array[:, known], (0.5, *BANDS[centre]), axis=0)
    drawn = np.full((3, *array.shape[1:]), np.nan)
    drawn[:, known] = np.nanmean(array[:, known], axis=0) if centre == "mean" else middle, *ends
    return drawn


def curve(
    ax: Axes, x: npt.ArrayLike, values: npt.NDArray[Any], *, colour: str, label: str = "", centre: Centre = "mean",
    linewidth: float = 1.5,
) -> None:  # fmt: skip
    """A line for the centre of ``values`` (copy, x) and the band over copies around it, if there are several."""
    middle, low, high = band(values, centre)
    if len(values) > 1:
        ax.fill_between(np.asarray(x), low, high, color=colour, alpha=0.2, linewidth=0)
    ax.plot(x, middle, color=colour, linewidth=linewidth, label=label or None)


def band_in_words(copies: int, kind: str, centre: Centre = "mean") -> str:
    """What line and band are, for a label; empty for one copy."""
    band_of = {"mean": "central 68 %", "median": "quartiles"}[centre]
    return f"{centre} and {band_of} of {copies} {kind}s" if copies > 1 else ""


def legend_beside(ax: Axes, title: str = "", size: int = 8, at: float = BESIDE - 0.02) -> None:
    """A legend to the right of the axes, where it covers no curve; none if nothing has a label."""
    if ax.get_legend_handles_labels()[0]:
        ax.legend(
            loc="upper left", bbox_to_anchor=(at, 1.0), frameon=False, fontsize=size, borderaxespad=0.0,
            title=title or None, title_fontsize=size, alignment="left",
        )  # fmt: skip


def legend_below(ax: Axes, columns: int, size: int = 8) -> None:
    """A legend under the axes and their label, where it covers no curve."""
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=columns, frameon=False, fontsize=size)


def legend_above(figure: Figure, ax: Axes, title: str = "", size: int = 9) -> None:
    """One legend for all panels of a figure, those of ``ax`` standing for all, above them."""
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper right", ncols=min(4, max(1, len(labels))), frameon=False, fontsize=size,
        title=title or None, title_fontsize=size, alignment="left",
    )  # fmt: skip


def time_unit(span: float) -> tuple[float, str]:
    """(factor, unit) in which to write times in ms of a stretch of ``span`` ms."""
    return (1e-3, "s") if span >= 10_000.0 else (1.0, "ms")


def picked(count: int, most: int) -> npt.NDArray[np.int64]:
    """At most so many of 0..count-1, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, max(1, min(count, most))).round().astype(np.int64))
