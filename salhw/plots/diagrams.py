"""A network as boxes and arrows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from salhw.description.connectivity import count
from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw.description.parts import Projection
from salhw.diagnostics import counted, shortened
from salhw.plots.look import BLACK, BLUE, RED, axes_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BOX = (2.4, 1.0)
"""Width and height of a population's box; everything else is in the same unit."""
UNIT = 1 / 3
"""That unit in inches."""
LETTER, LINE = 0.064, 0.18
"""Width of a letter and height of a line of the list, in inches."""
APART = (4.4, 2.6)
"""From column to column, and from row to row."""
NUMBERED = 24
"""The most projections that bear a number and a line in the list."""
Places = Mapping[str, tuple[FloatArray, FloatArray]]
"""The middle of each population's box, and the direction beyond it in which nothing lies."""


def diagram(net: Network, ax: Axes | None = None) -> Axes:
    """Draw populations as boxes, projections as arrows with numbers, stimuli as small arrows from outside.

    The list beside says what a number stands for: the projection's name, its synapses, its kernel and its plasticity.
    Plastic projections are red. Networks whose projections lead from column to column only (feedforward ones, and
    those with feedback) are drawn from left to right, others in a circle.
    """
    places, lines = _places(net), _list(net)
    middles = np.array([middle for middle, _ in places.values()])
    below = 2.4 if any(out[1] < 0 for _, out in places.values()) else 1.0
    low = middles.min(axis=0) - np.array([3.6, below])
    high = middles.max(axis=0) + np.array([3.6, 2.8])
    beside = max(LETTER * len(text) for text, _ in lines) / UNIT if lines else 0.0
    low[1] = min(low[1], high[1] - LINE * (len(lines) + 1) / UNIT)
    wide, tall = (high - low + (beside, 0.0)) * UNIT
    ax = axes_for(ax, tall + 0.3, wide + 0.1)
    ax.set(xlim=(low[0], high[0] + beside), ylim=(low[1], high[1]), aspect="equal")
    ax.set_axis_off()
    for population in net.populations:
        _box(ax, places[population.name][0], population.name, f"{population.size:,} {population.neuron.kind}")
    parallel: dict[tuple[str, str], int] = defaultdict(int)
    for k, p in enumerate(net.projections):
        tag = f"{k + 1}" if len(net.projections) <= NUMBERED else ""
        before = parallel[p.pre, p.post]
        parallel[p.pre, p.post] += 1
        draw = _loop if p.recurrent else _arrow
        draw(ax, p, places, before, tag)
    for name in {s.population: None for s in net.stimuli}:
        kinds = [s.kind for s in net.stimuli if s.population == name]
        _stimulus(ax, *places[name], kinds)
    ax.text(low[0], high[1] - LINE / UNIT, shortened(net.name, 40), va="center", fontsize=10, weight="bold")
    for k, (text, colour) in enumerate(lines):
        ax.text(high[0], high[1] - (k + 1) * LINE / UNIT, text, va="center", fontsize=8, color=colour)
    return ax


# where ----------------------------------------------------------------------------------------------------------------


def _places(net: Network) -> Places:
    """Where the boxes are: in columns if every projection leads to a neighbouring one, else on an ellipse."""
    names = [p.name for p in net.populations]
    order = {name: k for k, name in enumerate(names)}
    between = [(p.pre, p.post) for p in net.projections if not p.recurrent]
    column = dict.fromkeys(names, 0)
    for name in names:  # as deep as the populations before it in the list that project to it say
        before = [pre for pre, post in between if post == name and order[pre] < order[name]]
        column[name] = max((column[pre] + 1 for pre in before), default=0)
    if all(abs(column[pre] - column[post]) == 1 for pre, post in between):
        return _columns(column)
    return _ellipse(names)


def _columns(column: Mapping[str, int]) -> Places:
    members = [[name for name in column if column[name] == c] for c in range(max(column.values()) + 1)]
    return {
        name: (np.array([c, (len(rows) - 1) / 2 - r]) * APART, np.array([0.0, 1.0]))
        for c, rows in enumerate(members)
        for r, name in enumerate(rows)
    }


def _ellipse(names: Sequence[str]) -> Places:
    """Clockwise from the left. No line between two boxes meets a third: an ellipse is convex, and boxes are small
    beside it."""
    half = np.array([max(3.4, 1.15 * len(names)), max(2.4, 0.85 * len(names))])
    angles = np.pi - 2.0 * np.pi * np.arange(len(names)) / len(names)
    places = {}
    for name, (x, y) in zip(names, np.stack([np.cos(angles), np.sin(angles)], axis=1), strict=True):
        out = np.array([np.sign(x), 0.0]) if abs(x) > 2.0 * abs(y) else np.array([0.0, np.sign(y)])
        places[name] = (half * (x, y), out)
    return places


# what -----------------------------------------------------------------------------------------------------------------


def _box(ax: Axes, place: FloatArray, name: str, text: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    corner = (place[0] - BOX[0] / 2, place[1] - BOX[1] / 2)
    ax.add_patch(
        FancyBboxPatch(corner, *BOX, boxstyle="round,pad=0,rounding_size=0.15", facecolor="#eef3f8", edgecolor=BLUE,
                       linewidth=1.2, zorder=3)
    )  # fmt: skip
    for dy, words, weight in ((0.2, shortened(name, 16), "bold"), (-0.22, text, "normal")):
        ax.text(place[0], place[1] + dy, words, ha="center", va="center", fontsize=8.5, weight=weight, zorder=4)


def _colour(p: Projection) -> str:
    return RED if p.plasticity else BLACK


def _arrow(ax: Axes, p: Projection, places: Places, before: int, tag: str) -> None:
    """A bent arrow from box to box, so that those there and back lie apart; each further one is bent more."""
    start, end = places[p.pre][0], places[p.post][0]
    ahead = end - start
    across = np.array([-ahead[1], ahead[0]]) / np.linalg.norm(ahead)
    control = (start + end) / 2 + 0.7 * (1 + before) * across
    first, last = _edge(start, control), _edge(end, control)
    _path(ax, p, [first, control, last])
    _tag(ax, p, 0.25 * first + 0.5 * control + 0.25 * last, tag)


def _edge(place: FloatArray, towards: FloatArray) -> FloatArray:
    """Where the line from the middle of a box leaves it, a little further out."""
    ahead = towards - place
    reach = np.array([BOX[0] / 2 + 0.06, BOX[1] / 2 + 0.06])
    share = np.min(np.divide(reach, np.abs(ahead), out=np.full(2, np.inf), where=np.abs(ahead) > 1e-12))
    return np.asarray(place + min(1.0, share) * ahead)


def _loop(ax: Axes, p: Projection, places: Places, before: int, tag: str) -> None:
    """An arrow from a box to itself, on its outside."""
    place, out = places[p.pre]
    along, half = np.abs(out[::-1]), np.array(BOX) / 2
    edge = place + out * (half + 0.06)
    reach, width = 1.15 + 0.5 * before, 0.16 * (1 + before)
    centre = edge + 0.45 * along * np.abs(half)
    start, end = centre + width * along, centre - width * along
    _path(ax, p, [start, start + reach * out + 0.3 * along, end + reach * out - 0.3 * along, end])
    _tag(ax, p, centre + 0.75 * reach * out, tag)


def _path(ax: Axes, p: Projection, points: Sequence[FloatArray]) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    code = {3: Path.CURVE3, 4: Path.CURVE4}[len(points)]
    path = Path([tuple(point) for point in points], [Path.MOVETO, *[code] * (len(points) - 1)])
    ax.add_patch(
        FancyArrowPatch(path=path, arrowstyle="-|>", mutation_scale=9, color=_colour(p), fill=False, linewidth=1.2,
                        zorder=2, label=p.name)
    )  # fmt: skip


def _tag(ax: Axes, p: Projection, at: FloatArray, text: str) -> None:
    if text:
        around = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": _colour(p), "linewidth": 0.8}
        ax.text(at[0], at[1], text, ha="center", va="center", fontsize=7, color=_colour(p), bbox=around, zorder=5)


def _stimulus(ax: Axes, place: FloatArray, out: FloatArray, kinds: Sequence[str]) -> None:
    """One small arrow into a box, for all stimuli of its population."""
    along = np.abs(out[::-1])
    tip = place + out * (np.array(BOX) / 2 + 0.04) - 0.6 * along * np.array(BOX) / 2
    tail = tip + 0.75 * out
    ax.annotate("", tip, tail, arrowprops={"arrowstyle": "-|>", "color": "0.45", "linewidth": 1.0})
    text = "\n".join(dict.fromkeys(kinds))
    sideways = {-1.0: "right", 0.0: "center", 1.0: "left"}[float(out[0])]
    upright = {-1.0: "top", 0.0: "center", 1.0: "bottom"}[float(out[1])]
    x, y = tail + 0.08 * out
    ax.text(x, y, text, ha=sideways, va=upright, fontsize=8, color="0.35")


def _list(net: Network) -> list[tuple[str, str]]:
    """What the numbers stand for, and in which colour; of very many projections how many there are."""
    if len(net.projections) <= NUMBERED:
        return [(f"{k + 1}  {_said(net, p)}", _colour(p)) for k, p in enumerate(net.projections)]
    plastic = [p for p in net.projections if p.plasticity]
    still = range(len(net.projections) - len(plastic))
    known = ((still, "without plasticity", BLACK), (plastic, "with plasticity", RED))
    return [(f"{counted('projection', of)} {what}", colour) for of, what, colour in known if of]


def _said(net: Network, p: Projection) -> str:
    rules = ", ".join(rule.kind for rule in p.plasticity)
    synapses = count(net.explicit.projection(p.name).weights, *net.ends(p.name))
    plastic = f", plastic: {rules}" if rules else ""
    return f"{shortened(p.name, 16)}: {synapses:,} synapse{'s' if synapses != 1 else ''}, {p.kernel.kind} PSP{plastic}"
