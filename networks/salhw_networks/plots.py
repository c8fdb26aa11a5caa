"""What the pictures of all experiments share: colours, the look of a panel, quartiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which people of every colour vision can tell apart; one per training method, everywhere.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, BLACK, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#999999",
)  # fmt: skip


def tidy(axes: Axes, title: str = "", size: int = 10) -> None:
    """Give a panel the look that all share, and its title in letters of ``size`` points."""
    axes.set_title(title, loc="left", fontsize=size)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)


def quartiles(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Median, lower and upper quartile over the first dimension, (3, ...)."""
    return np.asarray(np.quantile(values, (0.5, 0.25, 0.75), axis=0))
