"""Pictures of recordings, weights, learning, timing and networks, with matplotlib.

Every function takes the axes to draw into as ``ax`` and returns them. Without ``ax`` it makes a figure of its own that
pyplot knows nothing of: nothing is left in memory, nothing is global, no display is needed, threads may draw. In a
notebook such axes show their figure when they are a cell's result; in a script, ``ax.figure.savefig`` saves it.
For pyplot's windows pass ``ax=plt.gca()``.

Colours are Okabe and Ito's, which people of every colour vision can tell apart. matplotlib is imported when something
is drawn.
"""

from salhw.plots.curves import learning_curves
from salhw.plots.diagrams import diagram
from salhw.plots.matrices import weight_matrices
from salhw.plots.recordings import membranes, overview, raster, weights_over_time
from salhw.plots.timing import stdd

__all__ = [
    "diagram",
    "learning_curves",
    "membranes",
    "overview",
    "raster",
    "stdd",
    "weight_matrices",
    "weights_over_time",
]
