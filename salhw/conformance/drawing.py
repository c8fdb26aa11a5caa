"""What the page draws, as inline SVG: figures with axes, small ones beside each row, and a value on the axis of its
margin."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from salhw.conformance.model import Figure

WIDTH, HEIGHT = 460, 270
LEFT, RIGHT, TOP, BOTTOM = 62, 12, 12, 44
SMALL = (150, 54, 4)
"""Width, height and border of a figure beside a row."""
DECADES = (-3, 1)
"""What the axis of a margin spans: from a thousandth of it to ten times as much."""


@dataclass(frozen=True)
class Frame:
    """The ticks of both axes of a figure, and the box (left, top, right, bottom) that they span."""

    x: Sequence[float]
    y: Sequence[float]
    box: tuple[float, float, float, float]

    def across(self, x: float) -> float:
        """The place of an abscissa."""
        left, _, right, _ = self.box
        return left + (x - self.x[0]) / (self.x[-1] - self.x[0]) * (right - left)

    def down(self, y: float) -> float:
        """The place of an ordinate."""
        return self.box[3] - (y - self.y[0]) * self.scale

    @property
    def scale(self) -> float:
        """The height of one unit."""
        return (self.box[3] - self.box[1]) / (self.y[-1] - self.y[0])


def full(figure: Figure) -> Mapping[str, Sequence[float]]:
    """The curves, as long as the abscissa, numbers where a file had none."""
    n = len(figure.x)
    return {
        name: [math.nan if value is None else float(value) for value in curve[:n]] + [math.nan] * (n - len(curve))
        for name, curve in figure.curves.items()
    }


def _frame(figure: Figure, box: tuple[float, float, float, float]) -> Frame | None:
    """Axes that enclose all points and their errors; None without a point."""
    curves, errors = full(figure), _errors(figure)
    xs = [x for curve in curves.values() for x, y in zip(figure.x, curve, strict=True) if math.isfinite(y)]
    if not xs:
        return None
    spread = [
        y + sign * e
        for name, curve in curves.items()
        for y, e in zip(curve, errors.get(name, [0.0] * len(curve)), strict=False)
        for sign in (-1, 1)
        if math.isfinite(y) and math.isfinite(e)
    ]
    return Frame(ticks(min(xs), max(xs)), ticks(min(spread), max(spread)), box)


def _errors(figure: Figure) -> dict[str, list[float]]:
    return {name: [abs(e) if e is not None else 0.0 for e in error] for name, error in figure.errors.items()}


def _curves(figure: Figure, frame: Frame, dot: float) -> Iterator[str]:
    """The first curve, what is expected, as a line, the others as points of radius ``dot`` with error bars."""
    errors = _errors(figure)
    for number, (name, curve) in enumerate(full(figure).items()):
        shade = f"c{number % 6}"
        places = [(frame.across(x), frame.down(y), k) for k, (x, y) in enumerate(zip(figure.x, curve, strict=True))
                  if math.isfinite(y)]  # fmt: skip
        if number == 0:
            yield f'<polyline class="{shade}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)}"/>'
            continue
        bars = [e * frame.scale for e in errors.get(name, [])]
        for x, y, k in places:
            if k < len(bars) and math.isfinite(bars[k]) and bars[k] > 0:
                ends = f'y1="{y - bars[k]:.1f}" y2="{y + bars[k]:.1f}"'
                yield f'<line class="{shade}" x1="{x:.1f}" x2="{x:.1f}" {ends}/>'
            yield f'<circle class="{shade}" cx="{x:.1f}" cy="{y:.1f}" r="{dot}"/>'


def svg(figure: Figure) -> str:
    """The figure as inline SVG: the first curve, what is expected, as a line, the others as points with error bars."""
    frame = _frame(figure, (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM))
    if frame is None:
        return "<p>no data</p>"
    parts = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{frame.down(y):.1f}" y2="{frame.down(y):.1f}"/>'
        f'<text class="tick" x="{LEFT - 6}" y="{frame.down(y) + 4:.1f}" text-anchor="end">{y:g}</text>'
        for y in frame.y
    ]
    parts += [
        f'<text class="tick" x="{frame.across(x):.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{x:g}</text>'
        for x in frame.x
    ]
    middle, centre = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    turned = f'transform="rotate(-90 13 {centre})"'
    parts += [
        f'<text class="label" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(figure.xlabel)}</text>',
        f'<text class="label" x="13" y="{centre}" text-anchor="middle" {turned}>{escape(figure.ylabel)}</text>',
        *_curves(figure, frame, 2.6),
    ]
    text = f"{figure.ylabel} over {figure.xlabel}: {', '.join(figure.curves)}"
    keys = "".join(
        f'<li><span class="key c{k % 6}">{"—" if k == 0 else "●"}</span> {escape(n)}</li>'
        for k, n in enumerate(figure.curves)
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(text)}">{"".join(parts)}</svg>'
        f'<figcaption><ul class="keys">{keys}</ul></figcaption>'
    )


def small(figure: Figure) -> str:
    """The figure's curves alone, to stand beside a row; nothing without data."""
    width, height, border = SMALL
    frame = _frame(figure, (border, border, width - border, height - border))
    if frame is None:
        return ""
    text = escape(f"{figure.ylabel} over {figure.xlabel}")
    drawn = "".join(_curves(figure, frame, 1.6))
    return (
        f'<svg class="small" viewBox="0 0 {width} {height}" role="img" aria-label="{text}">'
        f'<rect class="frame" x=".5" y=".5" width="{width - 1}" height="{height - 1}"/>{drawn}</svg>'
    )


def on_margin(measured: float, declared: float) -> str:
    """A measured value as a dot on a logarithmic axis of its declared margin, whose end is marked. Nothing at all is at
    the left, and so is all that is less than a thousandth; what must be exact and is not, at the right."""
    width, height, border = 150, 22, 8
    low, high = DECADES

    def across(decades: float) -> float:
        return border + (min(max(decades, low), high) - low) / (high - low) * (width - 2 * border)

    share = abs(measured / declared) if declared else (math.inf if measured else 0.0)
    at = across(math.log10(share) if 0.0 < share < math.inf else low if share == 0.0 else high)
    said = f"{share:.3g} of the margin" if declared else "exact" if not measured else "not exact"
    tick = "".join(
        f'<line class="grid" x1="{across(k):.1f}" x2="{across(k):.1f}" y1="8" y2="14"/>' for k in range(low, high + 1)
    )
    return (
        f'<svg class="margin" viewBox="0 0 {width} {height}" role="img" aria-label="{said}">'
        f'<line class="grid" x1="{border}" x2="{width - border}" y1="11" y2="11"/>{tick}'
        f'<line class="limit" x1="{across(0.0):.1f}" x2="{across(0.0):.1f}" y1="2" y2="20"/>'
        f'<circle class="at" cx="{at:.1f}" cy="11" r="4.2"/></svg>'
    )


def ticks(low: float, high: float) -> list[float]:
    """Four to seven round numbers that enclose [low, high]."""
    if not high > low:
        pad = abs(low) * 0.1 or 1.0
        low, high = low - pad, high + pad
    rough = (high - low) / 5
    size = 10.0 ** math.floor(math.log10(rough))
    step = size * next(m for m in (1, 2, 2.5, 5, 10) if m * size >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{k * step:.12g}") for k in range(first, max(last, first + 1) + 1)]
